"""A compact Llama in PyTorch, for training and for batched evaluation of the tutor.

The layout is Hugging Face's (`LlamaForCausalLM`, half-split RoPE, grouped-query attention, SwiGLU,
tied embeddings); only the matrices that read the same input are kept as one (q, k, v; gate and up).
Architecture: Touvron et al. 2023, "LLaMA"; RoPE: Su et al. 2021; grouped-query attention: Ainslie
et al. 2023.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .tokenizer import VOCAB_SIZE

Weights = dict[str, Tensor]  #: names as in `initial_weights`; matrices are (out, in)
Caches = list[
    tuple[Tensor, Tensor]
]  #: a layer's keys and values, (batch, kv heads, length, head_dim)


@dataclass(frozen=True)
class Shape:
    """The tutor's shape; the names are those of ``config.json``."""

    vocab_size: int = VOCAB_SIZE
    hidden_size: int = 256
    intermediate_size: int = 704
    num_hidden_layers: int = 4
    num_attention_heads: int = 8
    num_key_value_heads: int = 2
    head_dim: int = 32
    rope_theta: float = 10000.0
    rms_norm_eps: float = 1e-5
    max_position_embeddings: int = 256

    @property
    def q_rows(self) -> int:
        """Rows of all query heads together."""
        return self.num_attention_heads * self.head_dim

    @property
    def kv_rows(self) -> int:
        """Rows of all key heads (or value heads) together."""
        return self.num_key_value_heads * self.head_dim


def initial_weights(shape: Shape, seed: int) -> Weights:
    """Random float32 weights; matrices that end a residual branch start smaller (as GPT-2's)."""
    d, wide = shape.hidden_size, shape.intermediate_size
    sizes: dict[str, tuple[int, ...]] = {"embed": (shape.vocab_size, d), "norm": (d,)}
    for layer in range(shape.num_hidden_layers):
        sizes |= {
            f"layers.{layer}.attn_norm": (d,),
            f"layers.{layer}.qkv": (shape.q_rows + 2 * shape.kv_rows, d),
            f"layers.{layer}.out": (d, shape.q_rows),
            f"layers.{layer}.mlp_norm": (d,),
            f"layers.{layer}.gate_up": (2 * wide, d),
            f"layers.{layer}.down": (d, wide),
        }
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, size in sizes.items():
        ends_branch = name.endswith((".out", ".down"))
        scale = 0.02 / (2 * shape.num_hidden_layers) ** 0.5 if ends_branch else 0.02
        noise = torch.randn(size, generator=generator) * scale
        weights[name] = noise if len(size) == 2 else torch.ones(size)
    return weights


def rope_table(shape: Shape, length: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines, each ``(length, head_dim)``, float32, for the half-split rotation."""
    exponents = -torch.arange(0, shape.head_dim, 2, dtype=torch.float32) / shape.head_dim
    angles = torch.outer(torch.arange(length, dtype=torch.float32), shape.rope_theta**exponents)
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the pairs ``(i, i + head_dim / 2)`` of the last axis of ``x``."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """Root-mean-square norm (Zhang and Sennrich 2019): in float32, result in the type of ``x``."""
    wide = x.float()
    return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)).to(x.dtype) * weight


def swiglu(gate_up: Tensor) -> Tensor:
    """(…, 2 · wide) → (…, wide): the first half through SiLU, times the second (Shazeer 2020)."""
    gate, up = gate_up.chunk(2, dim=-1)
    return F.silu(gate) * up


class Pieces(NamedTuple):
    """The element-wise parts of the model, plain or compiled."""

    rms_norm: Callable[[Tensor, Tensor, float], Tensor] = rms_norm
    rotate: Callable[[Tensor, Tensor, Tensor], Tensor] = rotate
    swiglu: Callable[[Tensor], Tensor] = swiglu

    def compiled(self) -> Pieces:
        """Each fused into one kernel (a fifth less time for a training step; needs g++)."""
        return Pieces(*(torch.compile(piece, dynamic=True) for piece in self))


PLAIN = Pieces()


def attention(
    shape: Shape, qkv: Tensor, start: int, cache: tuple[Tensor, Tensor] | None, pieces: Pieces
) -> Tensor:
    """Causal grouped-query attention.

    ``qkv``: (batch, length, rows) at positions ``start …``; → (batch, length, q rows). With a
    cache, keys and values are written to it and everything before ``start`` is read from it.
    """
    heads, kv, hd = shape.num_attention_heads, shape.num_key_value_heads, shape.head_dim
    b, t, _ = qkv.shape
    cos, sin = (table[start:].to(qkv.dtype) for table in rope_table(shape, start + t))
    split = qkv.view(b, t, heads + 2 * kv, hd).transpose(1, 2)
    turned = pieces.rotate(split[:, : heads + kv], cos, sin)
    q, k, v = turned[:, :heads], turned[:, heads:], split[:, heads + kv :]
    if cache is not None:
        cache[0][:b, :, start : start + t] = k
        cache[1][:b, :, start : start + t] = v
        k, v = cache[0][:b, :, : start + t], cache[1][:b, :, : start + t]
    mask = torch.full((t, start + t), float("-inf"), dtype=qkv.dtype).triu(start + 1)
    # The queries of one group share a key head: with the group among the rows, nothing is repeated.
    group = heads // kv
    q = q.reshape(b, kv, group * t, hd) * hd**-0.5
    scores = (q @ k.transpose(-1, -2)).view(b, kv, group, t, -1) + mask
    weights = scores.softmax(-1).view(b, kv, group * t, -1)
    return (weights @ v).view(b, heads, t, hd).transpose(1, 2).reshape(b, t, heads * hd)


def hidden_states(
    shape: Shape,
    weights: Weights,
    ids: Tensor,
    start: int = 0,
    caches: Caches | None = None,
    pieces: Pieces = PLAIN,
) -> Tensor:
    """(batch, length) ids at positions ``start …`` → (batch, length, hidden) after the last norm.

    Causal; the logits are ``hidden @ weights["embed"].T``.
    """
    x = F.embedding(ids, weights["embed"])
    for index in range(shape.num_hidden_layers):
        layer = f"layers.{index}."
        normed = pieces.rms_norm(x, weights[layer + "attn_norm"], shape.rms_norm_eps)
        cache = None if caches is None else caches[index]
        mixed = attention(shape, F.linear(normed, weights[layer + "qkv"]), start, cache, pieces)
        x = x + F.linear(mixed, weights[layer + "out"])
        normed = pieces.rms_norm(x, weights[layer + "mlp_norm"], shape.rms_norm_eps)
        gated = pieces.swiglu(F.linear(normed, weights[layer + "gate_up"]))
        x = x + F.linear(gated, weights[layer + "down"])
    return pieces.rms_norm(x, weights["norm"], shape.rms_norm_eps)

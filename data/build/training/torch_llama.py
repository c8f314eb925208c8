"""A compact Llama in PyTorch, for training and for batched evaluation of the tutor.

The layout is Hugging Face's (`LlamaForCausalLM`, half-split RoPE, grouped-query attention, SwiGLU,
tied embeddings); only the matrices that read the same input are kept as one (q, k, v; gate and up).
Architecture: Touvron et al. 2023, "LLaMA"; RoPE: Su et al. 2021; grouped-query attention: Ainslie
et al. 2023.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from .tokenizer import VOCAB_SIZE

Weights = dict[str, Tensor]  #: names as in `initial_weights`; matrices are (out, in)
Caches = list[
    tuple[Tensor, Tensor]
]  #: a layer's keys and values, (batch, kv heads, length, head_dim)


LAYER = ("attn_norm", "qkv", "out", "mlp_norm", "gate_up", "down")  #: weights of one layer


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


def rope_table(shape: Shape) -> Tensor:
    """Cosines and sines, ``(2, positions, head_dim)``, float32, for the half-split rotation."""
    exponents = -torch.arange(0, shape.head_dim, 2, dtype=torch.float32) / shape.head_dim
    positions = torch.arange(shape.max_position_embeddings, dtype=torch.float32)
    angles = torch.outer(positions, shape.rope_theta**exponents)
    angles = torch.cat((angles, angles), dim=-1)
    return torch.stack((angles.cos(), angles.sin()))


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


def attention(
    shape: Shape, qkv: Tensor, rope: Tensor, start: int, cache: tuple[Tensor, Tensor] | None
) -> Tensor:
    """Causal grouped-query attention.

    ``qkv``: (batch, length, rows) at positions ``start …``; → (batch, length, q rows). With a
    cache, keys and values are written to it and everything before ``start`` is read from it: then
    ``length`` is 1, or ``start`` is 0.
    """
    heads, kv, hd = shape.num_attention_heads, shape.num_key_value_heads, shape.head_dim
    b, t, _ = qkv.shape
    cos, sin = rope[:, start : start + t].to(qkv.dtype)
    split = qkv.view(b, t, heads + 2 * kv, hd).transpose(1, 2)
    turned = rotate(split[:, : heads + kv], cos, sin)
    q, k, v = turned[:, :heads], turned[:, heads:], split[:, heads + kv :]
    if cache is not None:
        cache[0][:b, :, start : start + t] = k
        cache[1][:b, :, start : start + t] = v
        k, v = cache[0][:b, :, : start + t], cache[1][:b, :, : start + t]
    mixed = F.scaled_dot_product_attention(q, k, v, is_causal=start == 0, enable_gqa=True)
    return mixed.transpose(1, 2).reshape(b, t, heads * hd)


def block(
    shape: Shape,
    layer: Sequence[Tensor],
    x: Tensor,
    rope: Tensor,
    start: int = 0,
    cache: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """One layer; ``layer``: its weights in the order of `LAYER`. (batch, length, hidden) → same."""
    attn_norm, qkv, out, mlp_norm, gate_up, down = layer
    normed = rms_norm(x, attn_norm, shape.rms_norm_eps)
    x = x + F.linear(attention(shape, F.linear(normed, qkv), rope, start, cache), out)
    normed = rms_norm(x, mlp_norm, shape.rms_norm_eps)
    return x + F.linear(swiglu(F.linear(normed, gate_up)), down)


Block = Callable[..., Tensor]  #: `block`, or what `torch.compile` makes of it


def hidden_states(
    shape: Shape,
    weights: Weights,
    x: Tensor,
    rope: Tensor,
    start: int = 0,
    caches: Caches | None = None,
    block: Block = block,
) -> Tensor:
    """Embeddings ``x`` at positions ``start …`` → states after the last norm.

    Both are (batch, length, hidden). Causal; the logits are ``states @ weights["embed"].T``.
    """
    for index in range(shape.num_hidden_layers):
        layer = [weights[f"layers.{index}.{name}"] for name in LAYER]
        x = block(shape, layer, x, rope, start, None if caches is None else caches[index])
    return rms_norm(x, weights["norm"], shape.rms_norm_eps)

"""The tutor's weights as an ordinary Hugging Face checkpoint directory, and back."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from .tokenizer import BOS_ID, EOS_ID, PAD_ID
from .torch_llama import Shape, Weights


def huggingface_names(shape: Shape, weights: Weights) -> Weights:
    """The weights under `LlamaForCausalLM`'s names, the fused matrices cut apart (views)."""
    named = {"model.embed_tokens.weight": weights["embed"], "model.norm.weight": weights["norm"]}
    for index in range(shape.num_hidden_layers):
        mine, theirs = f"layers.{index}.", f"model.layers.{index}."
        q, k, v = weights[mine + "qkv"].split((shape.q_rows, shape.kv_rows, shape.kv_rows))
        gate, up = weights[mine + "gate_up"].chunk(2)
        named |= {
            theirs + "input_layernorm.weight": weights[mine + "attn_norm"],
            theirs + "self_attn.q_proj.weight": q,
            theirs + "self_attn.k_proj.weight": k,
            theirs + "self_attn.v_proj.weight": v,
            theirs + "self_attn.o_proj.weight": weights[mine + "out"],
            theirs + "post_attention_layernorm.weight": weights[mine + "mlp_norm"],
            theirs + "mlp.gate_proj.weight": gate,
            theirs + "mlp.up_proj.weight": up,
            theirs + "mlp.down_proj.weight": weights[mine + "down"],
        }
    return named


def save_checkpoint(shape: Shape, weights: Weights, directory: Path) -> None:
    """Write ``config.json``, ``generation_config.json`` and ``model.safetensors`` in float16."""
    directory.mkdir(parents=True, exist_ok=True)
    ids = {"bos_token_id": BOS_ID, "eos_token_id": EOS_ID, "pad_token_id": PAD_ID}
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        **asdict(shape),
        "hidden_act": "silu",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "mlp_bias": False,
        "tie_word_embeddings": True,
        "initializer_range": 0.02,
        "use_cache": True,
        **ids,
        "torch_dtype": "float16",
    }
    for name, content in (
        ("config.json", config),
        ("generation_config.json", {**ids, "do_sample": False}),
    ):
        (directory / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    named = huggingface_names(shape, weights)
    half = {name: tensor.detach().half().contiguous() for name, tensor in named.items()}
    save_file(half, directory / "model.safetensors", metadata={"format": "pt"})
    (directory / "model.safetensors").chmod(0o644)


def load_checkpoint(directory: Path) -> tuple[Shape, Weights]:
    """Read a directory that `save_checkpoint` wrote; float32."""
    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    shape = Shape(**{field.name: config[field.name] for field in fields(Shape)})
    file = {name: t.float() for name, t in load_file(directory / "model.safetensors").items()}
    weights = {"embed": file["model.embed_tokens.weight"], "norm": file["model.norm.weight"]}
    for index in range(shape.num_hidden_layers):
        mine, theirs = f"layers.{index}.", f"model.layers.{index}."
        qkv = [file[f"{theirs}self_attn.{part}_proj.weight"] for part in "qkv"]
        gate_up = [file[f"{theirs}mlp.{part}_proj.weight"] for part in ("gate", "up")]
        weights |= {
            mine + "attn_norm": file[theirs + "input_layernorm.weight"],
            mine + "qkv": torch.cat(qkv),
            mine + "out": file[theirs + "self_attn.o_proj.weight"],
            mine + "mlp_norm": file[theirs + "post_attention_layernorm.weight"],
            mine + "gate_up": torch.cat(gate_up),
            mine + "down": file[theirs + "mlp.down_proj.weight"],
        }
    return shape, weights

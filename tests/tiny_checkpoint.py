"""A small checkpoint with random weights, for tests that need a model and not the tutor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models

from miniserve.model.config import LlamaConfig, read_config

#: Some widths (64, 192) can be cut into blocks of 64 columns, and others (24, 40, 72, 96) cannot.
TINY: dict[str, Any] = {
    "model_type": "llama",
    "vocab_size": 72,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 4,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "max_position_embeddings": 64,
    "eos_token_id": 1,
    "tie_word_embeddings": True,
}


def write_tiny_checkpoint(
    directory: Path, *, seed: int = 0, scale: float = 0.3, **changes: Any
) -> Path:
    """Write a checkpoint of shape `TINY` with `changes`; weights normal with `scale`, float16."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps(TINY | changes), encoding="utf-8")
    config = read_config(directory / "config.json")
    save_file(tiny_weights(config, seed, scale), directory / "model.safetensors")
    words = {f"w{token}": token for token in range(config.vocab_size)}
    Tokenizer(models.WordLevel(words, unk_token="w0")).save(str(directory / "tokenizer.json"))
    return directory


def tiny_weights(config: LlamaConfig, seed: int, scale: float) -> dict[str, NDArray[np.float16]]:
    """Random weights under Hugging Face's names; those of the norms lie around 1."""
    random = np.random.default_rng(seed)
    weights = {}
    for name, shape in config.tensor_shapes().items():
        middle = 1.0 if len(shape) == 1 else 0.0
        weights[name] = random.normal(middle, scale, shape).astype(np.float16)
    return weights

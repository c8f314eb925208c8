"""Read a checkpoint: an ordinary Hugging Face Llama directory, every fault named.

Three files: `config.json` (the shape), `model.safetensors` (the weights), `tokenizer.json`. One
that is missing, cut short or of another shape ends in a `CheckpointError`, never in a wrong answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from tokenizers import Tokenizer

from miniserve.model.arrays import FloatArray
from miniserve.model.config import CheckpointError, LlamaConfig, read_config, read_text

_STORED_TYPES = ("F16", "F32")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint in memory: shape, float32 weights under Hugging Face's names, tokenizer."""

    config: LlamaConfig
    weights: Mapping[str, FloatArray]
    tokenizer: Tokenizer

    @property
    def eos_token_id(self) -> int:
        """The token that ends an answer."""
        return self.config.eos_token_id


def load_checkpoint(directory: Path) -> Checkpoint:
    """Read `directory`; raises `CheckpointError`, naming the file that is not as it must be."""
    if not directory.is_dir():
        raise CheckpointError(directory, "there is no such directory")
    config = read_config(directory / "config.json")
    weights = read_weights(directory / "model.safetensors", config)
    tokenizer = read_tokenizer(directory / "tokenizer.json", config)
    return Checkpoint(config, weights, tokenizer)


def read_weights(path: Path, config: LlamaConfig) -> dict[str, FloatArray]:
    """Read the tensors that `config` calls for, as float32; raises `CheckpointError`."""
    if not path.is_file():
        raise CheckpointError(path, "is missing")
    shapes = config.tensor_shapes()
    weights: dict[str, FloatArray] = {}
    try:
        with safe_open(path, framework="numpy") as file:
            stored = set(file.keys())
            if missing := sorted(shapes.keys() - stored):
                raise CheckpointError(path, f"lacks {len(missing)} tensor(s), first {missing[0]}")
            if unknown := sorted(stored - shapes.keys()):
                raise CheckpointError(path, f"holds a tensor unknown to this model: {unknown[0]}")
            for name, shape in shapes.items():
                header = file.get_slice(name)
                found, kind = tuple(header.get_shape()), header.get_dtype()
                if found != shape:
                    raise CheckpointError(path, f"{name} is {found}; config.json calls for {shape}")
                if kind not in _STORED_TYPES:
                    allowed = " or ".join(_STORED_TYPES)
                    raise CheckpointError(path, f"{name} is stored as {kind}, not {allowed}")
                weights[name] = file.get_tensor(name).astype(np.float32)
                if not np.isfinite(weights[name]).all():
                    raise CheckpointError(path, f"{name} holds values that are not finite")
    except (SafetensorError, OSError) as error:
        raise CheckpointError(path, f"is not a whole safetensors file ({error})") from None
    return weights


def read_tokenizer(path: Path, config: LlamaConfig) -> Tokenizer:
    """Read `tokenizer.json` and hold its size against `config`; raises `CheckpointError`."""
    text = read_text(path)
    try:
        tokenizer = Tokenizer.from_str(text)
    except BaseException as error:  # its own are plain Exception, and its panics not even that
        if isinstance(error, KeyboardInterrupt):
            raise
        raise CheckpointError(path, f"is not a tokenizer ({error})") from None
    size = tokenizer.get_vocab_size()
    if size > config.vocab_size:
        room = config.vocab_size
        raise CheckpointError(path, f"knows {size} tokens; config.json has room for {room}")
    tokenizer.encode_special_tokens = True  # what a user writes never becomes a special token
    return tokenizer

"""The shape of a model, as its `config.json` gives it, and the error for a checkpoint at fault."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as short
from typing import Any

#: Far beyond what fits: larger models would end as an error of memory, or never.
_MOST_LAYERS = 1024
_LONGEST_CONTEXT = 2**17


class CheckpointError(Exception):
    """A checkpoint cannot be used; the message names the file and says what is wrong with it."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem

    def __reduce__(self) -> tuple[type[CheckpointError], tuple[Path, str]]:
        """Survive the way from the engine's process; an exception is pickled by its message."""
        return type(self), (self.path, self.problem)


@dataclass(frozen=True)
class LlamaConfig:
    """The shape of a model; the fields are named as in Hugging Face's `config.json`."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    rms_norm_eps: float
    rope_theta: float
    max_position_embeddings: int
    eos_token_id: int
    tie_word_embeddings: bool

    def tensor_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every tensor that the weights must hold; matrices are (out, in)."""
        hidden, inner = self.hidden_size, self.intermediate_size
        queries = self.num_attention_heads * self.head_dim
        keys = self.num_key_value_heads * self.head_dim
        shapes: dict[str, tuple[int, ...]] = {
            "model.embed_tokens.weight": (self.vocab_size, hidden),
            "model.norm.weight": (hidden,),
        }
        if not self.tie_word_embeddings:
            shapes["lm_head.weight"] = (self.vocab_size, hidden)
        for layer in range(self.num_hidden_layers):
            prefix = f"model.layers.{layer}."
            shapes |= {
                prefix + "input_layernorm.weight": (hidden,),
                prefix + "self_attn.q_proj.weight": (queries, hidden),
                prefix + "self_attn.k_proj.weight": (keys, hidden),
                prefix + "self_attn.v_proj.weight": (keys, hidden),
                prefix + "self_attn.o_proj.weight": (hidden, queries),
                prefix + "post_attention_layernorm.weight": (hidden,),
                prefix + "mlp.gate_proj.weight": (inner, hidden),
                prefix + "mlp.up_proj.weight": (inner, hidden),
                prefix + "mlp.down_proj.weight": (hidden, inner),
            }
        return shapes


def read_config(path: Path) -> LlamaConfig:
    """Read and check `config.json`; raises `CheckpointError`."""
    try:
        values = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:  # a number or a nesting may be beyond bounds
        raise CheckpointError(path, f"is not JSON ({error})") from None
    if not isinstance(values, dict):
        raise CheckpointError(path, f"must hold a JSON object, not a {type(values).__name__}")
    return _Fields(path, values).config()


def read_text(path: Path) -> str:
    """The text of a file; raises `CheckpointError`."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CheckpointError(path, "is missing") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(path, f"cannot be read as text ({error})") from None


class _Fields:
    """The checks on `config.json`, field by field."""

    def __init__(self, path: Path, values: Mapping[str, Any]) -> None:
        self._path = path
        self._values = values

    def config(self) -> LlamaConfig:
        self._must_be("model_type", "llama", default=None)
        self._must_be("hidden_act", "silu", default="silu")
        self._must_be("attention_bias", False, default=False)
        self._must_be("mlp_bias", False, default=False)
        self._must_be("rope_scaling", None, default=None)
        hidden = self._integer("hidden_size")
        heads = self._integer("num_attention_heads")
        config = LlamaConfig(
            vocab_size=self._integer("vocab_size"),
            hidden_size=hidden,
            intermediate_size=self._integer("intermediate_size"),
            num_hidden_layers=self._integer("num_hidden_layers", largest=_MOST_LAYERS),
            num_attention_heads=heads,
            num_key_value_heads=self._integer("num_key_value_heads", default=heads),
            head_dim=self._integer("head_dim", default=hidden // heads),
            rms_norm_eps=self._positive("rms_norm_eps", self._values.get("rms_norm_eps")),
            rope_theta=self._rope_theta(),
            max_position_embeddings=self._integer(
                "max_position_embeddings", largest=_LONGEST_CONTEXT
            ),
            eos_token_id=self._integer("eos_token_id", smallest=0),
            tie_word_embeddings=self._boolean("tie_word_embeddings", default=False),
        )
        if heads % config.num_key_value_heads:
            groups = config.num_key_value_heads
            raise self._fault(f"{heads} query heads cannot share {groups} key heads evenly")
        if config.head_dim % 2:
            raise self._fault(f"head_dim is {config.head_dim}; rotation turns pairs, so it is even")
        if config.eos_token_id >= config.vocab_size:
            raise self._fault(f"eos_token_id is {config.eos_token_id}, beyond vocab_size")
        return config

    def _rope_theta(self) -> float:
        """`rope_theta` at the top (up to transformers 4) or in `rope_parameters` (from 5 on)."""
        parameters = self._values.get("rope_parameters")
        if parameters is None:
            return self._positive("rope_theta", self._values.get("rope_theta", 10000.0))
        if not isinstance(parameters, dict) or parameters.get("rope_type", "default") != "default":
            found = short(parameters)
            raise self._fault(f"rope_parameters is {found}; only the default one is known")
        return self._positive("rope_parameters.rope_theta", parameters.get("rope_theta"))

    def _must_be(self, name: str, wanted: object, default: object) -> None:
        found = self._values.get(name, default)
        if found != wanted:
            raise self._fault(f"{name} is {short(found)}; this model needs {wanted!r}")

    def _integer(
        self, name: str, default: int | None = None, smallest: int = 1, largest: int = 2**31
    ) -> int:
        value = self._values.get(name)
        value = default if value is None else value
        if value is None:
            raise self._fault(f"{name} is missing")
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._fault(f"{name} is {short(value)}; it must be a whole number")
        if not smallest <= value <= largest:
            raise self._fault(f"{name} is {short(value)}; it must be from {smallest} to {largest}")
        return value

    def _boolean(self, name: str, default: bool) -> bool:
        value = self._values.get(name, default)
        if not isinstance(value, bool):
            raise self._fault(f"{name} is {short(value)}; it must be true or false")
        return value

    def _positive(self, name: str, value: object) -> float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            with contextlib.suppress(OverflowError):  # of a whole number with hundreds of digits
                number = float(value)
                if math.isfinite(number) and number > 0:
                    return number
        raise self._fault(f"{name} is {short(value)}; it must be a positive number")

    def _fault(self, problem: str) -> CheckpointError:
        return CheckpointError(self._path, problem)

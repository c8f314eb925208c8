"""Reading checkpoints: what a right one gives, and that every wrong one is named."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer, models

from miniserve.model import CheckpointError, checkpoint, load_checkpoint
from tests.fakes import Panic
from tests.tiny_checkpoint import TINY, write_tiny_checkpoint


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return write_tiny_checkpoint(tmp_path / "tiny")


def change_config(directory: Path, **changes: Any) -> None:
    path = directory / "config.json"
    values = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({name: value for name, value in values.items() if value != "drop"}))


def change_weights(directory: Path, **changes: Any) -> None:
    path = directory / "model.safetensors"
    tensors = load_file(path)
    for name, tensor in changes.items():
        if tensor is None:
            del tensors[name]
        else:
            tensors[name] = tensor
    save_file(tensors, path)


def fault(directory: Path) -> CheckpointError:
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(directory)
    assert str(caught.value) == f"{caught.value.path}: {caught.value.problem}"
    return caught.value


def test_a_right_one(directory: Path) -> None:
    checkpoint = load_checkpoint(directory)
    assert checkpoint.config.hidden_size == TINY["hidden_size"]
    assert checkpoint.eos_token_id == 1
    assert checkpoint.tokenizer.decode([5]) == "w5"
    stored = load_file(directory / "model.safetensors")
    assert checkpoint.weights.keys() == stored.keys()
    for name, tensor in checkpoint.weights.items():
        assert tensor.dtype == np.float32
        np.testing.assert_array_equal(tensor, stored[name].astype(np.float32))


def test_untied_embeddings_need_a_head(directory: Path) -> None:
    change_config(directory, tie_word_embeddings=False)
    assert "lm_head.weight" in fault(directory).problem
    head = np.ones((TINY["vocab_size"], TINY["hidden_size"]), np.float32)
    change_weights(directory, **{"lm_head.weight": head})
    np.testing.assert_array_equal(load_checkpoint(directory).weights["lm_head.weight"], head)


def test_defaults_of_hugging_face(directory: Path) -> None:
    change_config(directory, rope_theta="drop", hidden_act="drop")
    config = load_checkpoint(directory).config
    assert config.rope_theta == 10000.0
    write_tiny_checkpoint(directory, num_attention_heads=4, num_key_value_heads=None, head_dim=None)
    config = load_checkpoint(directory).config
    assert (config.num_key_value_heads, config.head_dim) == (4, 16)


def test_rope_parameters_of_transformers_5(directory: Path) -> None:
    change_config(directory, rope_parameters={"rope_theta": 500.0, "rope_type": "default"})
    assert load_checkpoint(directory).config.rope_theta == 500.0
    change_config(directory, rope_parameters={"rope_theta": 500.0, "rope_type": "llama3"})
    assert "rope_parameters" in fault(directory).problem


def test_missing_directory(tmp_path: Path) -> None:
    assert fault(tmp_path / "nowhere").path == tmp_path / "nowhere"


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_missing_file(directory: Path, name: str) -> None:
    (directory / name).unlink()
    error = fault(directory)
    assert (error.path, error.problem) == (directory / name, "is missing")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_truncated_file(directory: Path, name: str, kept: float) -> None:
    path = directory / name
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    assert fault(directory).path == path


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\xfa not text",
        b"[]",
        b"{}",
        b"null",
        b"hello",
        b"[" * 100_000,
        b"1" * 5000,
    ],
)
def test_something_else_in_a_file(directory: Path, name: str, content: bytes) -> None:
    path = directory / name
    path.write_bytes(content)
    assert fault(directory).path == path


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_directory_in_place_of_a_file(directory: Path, name: str) -> None:
    (directory / name).unlink()
    (directory / name).mkdir()
    assert fault(directory).path == directory / name


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model_type", "gpt2"),
        ("model_type", "drop"),
        ("hidden_act", "gelu"),
        ("attention_bias", True),
        ("mlp_bias", True),
        ("rope_scaling", {"type": "linear", "factor": 2.0}),
        ("vocab_size", "drop"),
        ("hidden_size", "64"),
        ("hidden_size", True),
        ("intermediate_size", 0),
        ("num_hidden_layers", -1),
        ("num_attention_heads", 2.5),
        ("head_dim", 3),
        ("rms_norm_eps", "drop"),
        ("rms_norm_eps", 0),
        ("rope_theta", "big"),
        ("max_position_embeddings", None),
        ("eos_token_id", [1, 2]),
        ("eos_token_id", 72),
        ("tie_word_embeddings", "yes"),
        ("rms_norm_eps", 10**400),
        ("max_position_embeddings", 10**9),
        ("num_hidden_layers", 10**9),
    ],
)
def test_wrong_field(directory: Path, field: str, value: object) -> None:
    change_config(directory, **{field: value})
    error = fault(directory)
    assert error.path == directory / "config.json"
    assert error.problem.startswith(f"{field} is ")


def test_heads_that_cannot_be_shared(directory: Path) -> None:
    change_config(directory, num_key_value_heads=4)
    assert "query heads cannot share 4 key heads" in fault(directory).problem


def test_config_of_another_shape(directory: Path) -> None:
    change_config(directory, intermediate_size=100)
    error = fault(directory)
    assert error.path == directory / "model.safetensors"
    assert "(96, 64)" in error.problem
    assert "(100, 64)" in error.problem


def test_missing_tensor(directory: Path) -> None:
    change_weights(directory, **{"model.layers.1.mlp.up_proj.weight": None})
    assert "model.layers.1.mlp.up_proj.weight" in fault(directory).problem


def test_unknown_tensor(directory: Path) -> None:
    name = "model.layers.0.self_attn.q_proj.bias"
    change_weights(directory, **{name: np.zeros(24, np.float32)})
    assert name in fault(directory).problem


def test_wrong_type(directory: Path) -> None:
    change_weights(directory, **{"model.norm.weight": np.ones(64, np.float64)})
    problem = fault(directory).problem
    assert "model.norm.weight" in problem
    assert "F64" in problem


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers(directory: Path, value: float) -> None:
    norm = np.ones(64, np.float32)
    norm[3] = value
    change_weights(directory, **{"model.norm.weight": norm})
    assert "model.norm.weight" in fault(directory).problem


def test_tokenizer_that_makes_the_library_panic(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def from_str(_: str) -> None:
        raise Panic("called `Option::unwrap()` on a `None` value")

    monkeypatch.setattr(checkpoint, "Tokenizer", SimpleNamespace(from_str=from_str))
    assert "unwrap" in fault(directory).problem


def test_tokenizer_too_large(directory: Path) -> None:
    words = {f"w{token}": token for token in range(TINY["vocab_size"] + 1)}
    path = directory / "tokenizer.json"
    Tokenizer(models.WordLevel(words, unk_token="w0")).save(str(path))
    error = fault(directory)
    assert error.path == path
    assert "73" in error.problem

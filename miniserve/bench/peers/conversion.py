"""The checkpoint in llama.cpp's and CTranslate2's formats: the same weights under other names.

Runs in the peers' Python, so it reads the files by itself: JSON, and safetensors, which is a header
in JSON and the arrays behind it. Run it with `python -m miniserve.bench.peers.conversion SOURCE
TARGET.gguf`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Weights = Mapping[str, NDArray[Any]]

_STORED = {"F16": np.float16, "F32": np.float32}
_NORMAL, _CONTROL = 1, 3  # GGUF's kinds of token
_GGUF_PARTS = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def read_weights(path: Path) -> Weights:
    """Read `model.safetensors` as it is stored."""
    raw = path.read_bytes()
    begin = 8 + int.from_bytes(raw[:8], "little")
    weights = {}
    for name, entry in json.loads(raw[8:begin]).items():
        if name != "__metadata__":
            first, last = (begin + offset for offset in entry["data_offsets"])
            array = np.frombuffer(raw[first:last], _STORED[entry["dtype"]])
            weights[name] = array.reshape(entry["shape"])
    return weights


def interleaved(weight: NDArray[Any], heads: int) -> NDArray[Any]:
    """Put a head's rows in llama.cpp's order for rotation: (1, 2), (3, 4) … turn together, not
    (1, n/2 + 1), (2, n/2 + 2) … as in Hugging Face's.
    """
    rows = weight.shape[0]
    halves = weight.reshape(heads, 2, rows // heads // 2, *weight.shape[1:])
    return np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(weight.shape)


def write_gguf(checkpoint: Path, target: Path, dtype: str = "float32") -> None:
    """Write a GGUF file with matrices of type `dtype`, float32 or float16 (norms: float32)."""
    gguf: Any = import_module("gguf")
    config, tokenizer, weights = _read(checkpoint)
    writer = gguf.GGUFWriter(str(target), "llama")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_file_type(int(dtype == "float16"))

    special = {token["id"] for token in tokenizer["added_tokens"]}
    names = vocabulary(tokenizer)
    writer.add_tokenizer_model("gpt2")  # byte-level BPE, split as GPT-2's
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(names)
    writer.add_token_types([_CONTROL if i in special else _NORMAL for i in range(len(names))])
    merges = tokenizer["model"]["merges"]
    writer.add_token_merges([pair if isinstance(pair, str) else " ".join(pair) for pair in merges])
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_pad_token_id(config["pad_token_id"])
    writer.add_add_bos_token(True)

    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    writer.add_tensor("token_embd.weight", weights["model.embed_tokens.weight"].astype(dtype))
    writer.add_tensor("output_norm.weight", weights["model.norm.weight"].astype(np.float32))
    for layer in range(config["num_hidden_layers"]):
        for part, name in _GGUF_PARTS.items():
            weight = weights[f"model.layers.{layer}.{name}.weight"]
            if part in heads:
                weight = interleaved(weight, heads[part])
            kind = dtype if weight.ndim > 1 else "float32"
            writer.add_tensor(f"blk.{layer}.{part}.weight", weight.astype(kind))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_ctranslate2(checkpoint: Path, target: Path) -> None:
    """Write a CTranslate2 model directory, float32."""
    specs: Any = import_module("ctranslate2.specs.transformer_spec")
    common: Any = import_module("ctranslate2.specs.common_spec")
    config, tokenizer, stored = _read(checkpoint)
    weights = {name: weight.astype(np.float32) for name, weight in stored.items()}
    spec = specs.TransformerDecoderModelSpec.from_config(
        config["num_hidden_layers"],
        config["num_attention_heads"],
        activation=common.Activation.SWISH,
        ffn_glu=True,
        rms_norm=True,
        rotary_dim=0,
        rotary_interleave=False,
        rotary_base=config["rope_theta"],
        num_heads_kv=config["num_key_value_heads"],
    )
    decoder = spec.decoder
    decoder.scale_embeddings = False
    decoder.embeddings.weight = weights["model.embed_tokens.weight"]
    decoder.projection.weight = weights["model.embed_tokens.weight"]
    decoder.layer_norm.gamma = weights["model.norm.weight"]
    for number, layer in enumerate(decoder.layer):

        def of(name: str, number: int = number) -> NDArray[Any]:
            return weights[f"model.layers.{number}.{name}.weight"]

        attention = layer.self_attention
        attention.layer_norm.gamma = of("input_layernorm")
        attention.linear[0].weight = np.concatenate([of(f"self_attn.{x}_proj") for x in "qkv"])
        attention.linear[1].weight = of("self_attn.o_proj")
        layer.ffn.layer_norm.gamma = of("post_attention_layernorm")
        layer.ffn.linear_0.weight = of("mlp.gate_proj")
        layer.ffn.linear_0_noact.weight = of("mlp.up_proj")
        layer.ffn.linear_1.weight = of("mlp.down_proj")
    names = vocabulary(tokenizer)
    spec.register_vocabulary(names)
    spec.config.bos_token = names[config["bos_token_id"]]
    spec.config.eos_token = names[config["eos_token_id"]]
    spec.config.unk_token = names[config["pad_token_id"]]
    spec.config.layer_norm_epsilon = config["rms_norm_eps"]
    spec.validate()
    spec.optimize(quantization="float32")
    target.mkdir(parents=True, exist_ok=True)
    spec.save(str(target))


def vocabulary(tokenizer: Mapping[str, Any]) -> list[str]:
    """The tokens of `tokenizer.json`, in the order of their ids."""
    known: dict[str, int] = tokenizer["model"]["vocab"]
    return sorted(known, key=known.__getitem__)


def _read(checkpoint: Path) -> tuple[dict[str, Any], dict[str, Any], Weights]:
    config, tokenizer = (
        json.loads((checkpoint / name).read_text(encoding="utf-8"))
        for name in ("config.json", "tokenizer.json")
    )
    if not config["tie_word_embeddings"]:
        raise ValueError("only checkpoints with tied embeddings can be converted")
    return config, tokenizer, read_weights(checkpoint / "model.safetensors")


if __name__ == "__main__":
    write_gguf(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])

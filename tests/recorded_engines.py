"""What real engines answered, word for word: llama.cpp's server (commit 7e4c0a9) and vLLM 0.32.0.

Both ran on a CPU with the tutor's checkpoint. Left out are fields of no consequence (timings,
permissions, nulls). `tests/engines` asks the engines themselves.
"""

from __future__ import annotations

from typing import Any

import httpx

ANSWER = "He went to school.\nThe past tense of 'go' is the irregular form 'went'."

LLAMA_MODELS: dict[str, Any] = {
    "models": [
        {"name": "tutor", "model": "tutor", "type": "model", "capabilities": ["completion"]}
    ],
    "object": "list",
    "data": [
        {
            "id": "tutor",
            "aliases": ["tutor"],
            "object": "model",
            "created": 1795458247,
            "owned_by": "llamacpp",
            "meta": {"n_vocab": 2048, "n_ctx": 256, "n_params": 3344640, "ftype": "all F32"},
        }
    ],
}

VLLM_MODELS: dict[str, Any] = {
    "object": "list",
    "data": [
        {
            "id": "tutor",
            "object": "model",
            "created": 1795460654,
            "owned_by": "vllm",
            "parent": None,
            "max_model_len": 256,
        }
    ],
}

LLAMA_COMPLETION: dict[str, Any] = {
    "choices": [{"text": ANSWER, "index": 0, "logprobs": None, "finish_reason": "stop"}],
    "created": 1795458247,
    "model": "tutor",
    "system_fingerprint": "b1-7e4c0a9",
    "object": "text_completion",
    "usage": {
        "completion_tokens": 21,
        "prompt_tokens": 8,
        "total_tokens": 29,
        "prompt_tokens_details": {"cached_tokens": 0},
    },
    "id": "chatcmpl-p6SbvfbdGbivB3kzAMMYt2laorZtOY3l",
    "timings": {"cache_n": 0, "prompt_n": 8, "prompt_ms": 6.377, "predicted_n": 21},
}

VLLM_COMPLETION: dict[str, Any] = {
    "id": "cmpl-9accea5a54510bcf",
    "object": "text_completion",
    "created": 1795460654,
    "model": "tutor",
    "choices": [
        {
            "index": 0,
            "text": ANSWER,
            "logprobs": None,
            "finish_reason": "stop",
            "stop_reason": None,
            "token_ids": None,
        }
    ],
    "service_tier": None,
    "system_fingerprint": "vllm-0.32.0-71db9bbf",
    "usage": {
        "prompt_tokens": 8,
        "total_tokens": 29,
        "completion_tokens": 21,
        "prompt_tokens_details": None,
    },
    "metrics": None,
}

#: Cut off after three tokens.
LLAMA_CUT_OFF: dict[str, Any] = LLAMA_COMPLETION | {
    "choices": [{"text": "He went to", "index": 0, "logprobs": None, "finish_reason": "length"}],
    "usage": {"completion_tokens": 3, "prompt_tokens": 8, "total_tokens": 11},
}

LLAMA_LOADING = (
    503,
    {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}},
)

LLAMA_TOO_LONG = (
    400,
    {
        "error": {
            "code": 400,
            "message": "request (561 tokens) exceeds the available context size (256 tokens), "
            "try increasing it",
            "type": "exceed_context_size_error",
            "n_prompt_tokens": 561,
            "n_ctx": 256,
        }
    },
)

VLLM_TOO_LONG = (
    400,
    {
        "error": {
            "message": "This model's maximum context length is 256 tokens. However, your prompt "
            "contains at least 257 input tokens, which exceeds this limit even without any output "
            "tokens. Please reduce the length of the input prompt. (parameter=input_tokens, "
            "value=257)",
            "type": "BadRequestError",
            "param": "input_tokens",
            "code": 400,
        }
    },
)

VLLM_UNKNOWN_MODEL = (
    404,
    {
        "error": {
            "message": "The model `other` does not exist. Valid aliases: tutor.",
            "type": "NotFoundError",
            "param": "model",
            "code": 404,
        }
    },
)

#: Its engine process has been killed; the HTTP process lives a little longer.
VLLM_DEAD = (
    500,
    {
        "error": {
            "message": "EngineCore encountered an issue. See stack trace (above) for the root "
            "cause.",
            "type": "InternalServerError",
            "param": None,
            "code": 500,
        }
    },
)

LLAMA_BAD_BODY = (
    400,
    {
        "error": {
            "code": 400,
            "message": "[json.exception.out_of_range.403] key 'prompt' not found",
            "type": "invalid_request_error",
        }
    },
)


def response(recorded: tuple[int, dict[str, Any]]) -> httpx.Response:
    """A recorded status and body as httpx gives it."""
    status, body = recorded
    return httpx.Response(status, json=body)

"""Results as two machines can compare them byte by byte: nine significant digits, in JSON."""

from __future__ import annotations

import json
import math
from typing import Any


def nine_digits(value: Any) -> Any:
    """Round every float in nested dicts and lists to nine significant digits; NaN becomes None."""
    if isinstance(value, dict):
        return {key: nine_digits(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [nine_digits(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.9g}") if math.isfinite(value) else None
    return value


def to_json(value: dict[str, Any]) -> str:
    """Write a result in the one way that two machines can compare byte by byte."""
    return json.dumps(nine_digits(value), indent=2, sort_keys=True, allow_nan=False) + "\n"

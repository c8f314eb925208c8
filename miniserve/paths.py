"""Where the files are that come with the repository."""

from __future__ import annotations

from pathlib import Path

#: The `data/` folder of the checkout that this package is installed from.
DATA_DIR = Path(__file__).resolve().parent.parent / "data"

#: The tutor's checkpoint: config.json, model.safetensors and tokenizer.json.
TUTOR_DIR = DATA_DIR / "tutor"

#: The requests of the standard load test: a trace with a mean gap of one second.
STANDARD_LOAD = DATA_DIR / "standard_load.jsonl"

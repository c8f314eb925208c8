"""Lengths of the verb corpus in the tutor's tokens: ``python data/build/make_lengths.py``.

Counts prompt and answer tokens of ``data/verbs/train_sample.jsonl`` and writes
``data/latency/lengths.json``, which the simulator draws from. To be run again whenever the
tokenizer changes. An answer is what the corpus says, with its end token; the model's own may differ
by a few.
"""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import Tokenizer

from miniserve.paths import TUTOR_DIR
from miniserve.queueing import Lengths
from miniserve.simulator.standard import LENGTHS_FILE
from miniserve.tutor import prompt_for

SAMPLE = Path(__file__).resolve().parents[1] / "verbs" / "train_sample.jsonl"


def main() -> None:
    """Count and write."""
    tokenizer = Tokenizer.from_file(str(TUTOR_DIR / "tokenizer.json"))
    pairs = []
    with SAMPLE.open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            prompt = tokenizer.encode(prompt_for(row["sentence"])).ids
            answer = f"{row['corrected']}\n{row['explanation']}"
            output = tokenizer.encode(answer, add_special_tokens=False).ids
            pairs.append((len(prompt), len(output) + 1))
    LENGTHS_FILE.parent.mkdir(parents=True, exist_ok=True)
    lengths = Lengths.of(pairs)
    lengths.save(LENGTHS_FILE, f"{SAMPLE.name}, {len(pairs)} sentences, tokens of data/tutor")
    print(f"{LENGTHS_FILE.name}: {lengths.mean_prompt:.1f} in, {lengths.mean_output:.1f} out")


if __name__ == "__main__":
    main()

"""Write data/standard_load.jsonl: the requests of the standard load test.

One seeded Poisson process with a mean gap of one second, over sentences of the corpus's test split.
A replay scales the gaps to the rate it wants. Five consecutive stretches of 1,000 requests are the
five traces of the test: stretches of one Poisson process are independent of each other.

    python data/build/make_standard_load.py
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from miniserve.loadtest import Trace, standard_trace
from miniserve.paths import DATA_DIR


def make(seed: int, requests: int, sentences: Path) -> Trace:
    """The trace over the sentences of a corpus file, offsets rounded to a microsecond."""
    lines = sentences.read_text(encoding="utf-8").splitlines()
    trace = standard_trace(
        seed, requests, sentences=[json.loads(line)["sentence"] for line in lines]
    )
    return Trace(trace.offsets.round(6), trace.sentences)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument(
        "--sentences", type=Path, default=DATA_DIR / "verbs" / "test_sentences.jsonl"
    )
    parser.add_argument("--out", type=Path, default=DATA_DIR / "standard_load.jsonl")
    arguments = parser.parse_args()
    make(arguments.seed, arguments.requests, arguments.sentences).save(arguments.out)

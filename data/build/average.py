"""The weighted mean of two checkpoints: ``python data/build/average.py FIRST SECOND 0.55 OUT``.

A short training begun from a checkpoint learns what it is shown and loses a little elsewhere; on
the line between both lies a better model than either (Wortsman et al. 2022, "Robust fine-tuning of
zero-shot models").
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tokenizers import Tokenizer

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from data.build.training.checkpoint_dir import load_checkpoint, save_checkpoint
from data.build.training.tokenizer import save_tokenizer


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Average two checkpoints of one shape.")
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("share", type=float, help="of the second, 0 to 1")
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    (shape, first), (other_shape, second) = map(load_checkpoint, (given.first, given.second))
    if shape != other_shape:
        parser.error("the checkpoints differ in their shapes")
    mean = {name: weight.lerp(second[name], given.share) for name, weight in first.items()}
    save_checkpoint(shape, mean, given.out)
    save_tokenizer(Tokenizer.from_file(str(given.first / "tokenizer.json")), given.out)


if __name__ == "__main__":
    main()

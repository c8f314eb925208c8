"""More layers, the same function: ``python data/build/deepen.py FROM 1,2 OUT``.

After each layer named comes a copy of it whose two branches end in zero matrices, so that it adds
nothing yet: the deeper model answers as the one before, and a training begins where that one ended
(Chen et al. 2016, "Net2Net"; zero ends as in Wu et al. 2024, "LLaMA Pro").
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import torch
from tokenizers import Tokenizer

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from data.build.training.checkpoint_dir import load_checkpoint, save_checkpoint
from data.build.training.tokenizer import save_tokenizer
from data.build.training.torch_llama import Shape, Weights


def deepened(shape: Shape, weights: Weights, after: Collection[int]) -> tuple[Shape, Weights]:
    """The shape and the weights with a copy, silent as yet, behind each layer of ``after``."""
    order: list[tuple[int, bool]] = []  # of which layer, and whether it is the copy
    for layer in range(shape.num_hidden_layers):
        order += [(layer, False), (layer, True)] if layer in after else [(layer, False)]
    deeper = {name: weight for name, weight in weights.items() if not name.startswith("layers.")}
    for place, (layer, silent) in enumerate(order):
        begin = f"layers.{layer}."
        for name in [name for name in weights if name.startswith(begin)]:
            part = name.removeprefix(begin)
            ends_branch = part in {"out", "down"}
            weight = weights[name]
            copy = torch.zeros_like(weight) if silent and ends_branch else weight.clone()
            deeper[f"layers.{place}.{part}"] = copy
    return replace(shape, num_hidden_layers=len(order)), deeper


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Put silent layers into a checkpoint.")
    parser.add_argument("source", type=Path)
    parser.add_argument("after", help="numbers of layers, with commas, from 0")
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    shape, weights = load_checkpoint(given.source)
    after = {int(number) for number in given.after.split(",")}
    if not after <= set(range(shape.num_hidden_layers)):
        parser.error(f"{given.source} has {shape.num_hidden_layers} layers")
    save_checkpoint(*deepened(shape, weights, after), given.out)
    save_tokenizer(Tokenizer.from_file(str(given.source / "tokenizer.json")), given.out)


if __name__ == "__main__":
    main()

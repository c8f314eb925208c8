"""The corpus as token arrays, and the batches of one training step.

The order is a pure function of the seed and of the step, so a run that was cut off goes on exactly.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from .tokenizer import EOS_ID, PAD_ID


@dataclass(frozen=True)
class TokenCorpus:
    """All examples end to end.

    ``starts``: (examples + 1,), where each begins; ``prompts``: tokens of the sentence with its
    line break.
    """

    ids: NDArray[np.uint16]
    starts: NDArray[np.int64]
    prompts: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.prompts)

    @property
    def line_break(self) -> int:
        """The token that ends every prompt."""
        return int(self.ids[self.starts[0] + self.prompts[0] - 1])


def encode_corpus(path: Path, examples: int, tokenizer: Tokenizer) -> TokenCorpus:
    """Tokens of ``<s> sentence \\n corrected \\n explanation </s>`` for the first lines."""
    line_break = tokenizer.encode("\n", add_special_tokens=False).ids[0]
    parts: list[NDArray[np.uint16]] = []
    lengths: list[int] = []
    prompts: list[int] = []
    with path.open(encoding="utf-8") as file:
        lines = islice(file, examples)
        while texts := [_text(json.loads(line)) for line in islice(lines, 20_000)]:
            for encoding in tokenizer.encode_batch_fast(texts):
                ids = [*encoding.ids, EOS_ID]
                parts.append(np.array(ids, np.uint16))
                lengths.append(len(ids))
                prompts.append(ids.index(line_break) + 1)
    starts = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))
    return TokenCorpus(np.concatenate(parts), starts, np.array(prompts, np.uint8))


def _text(example: dict[str, str]) -> str:
    return f"{example['sentence']}\n{example['corrected']}\n{example['explanation']}"


def load_corpus(path: Path, examples: int, tokenizer: Tokenizer) -> TokenCorpus:
    """`encode_corpus`, kept beside the file (as ``.npz``) for the next start."""
    cache = path.with_suffix(".npz")
    if not cache.exists():
        corpus = encode_corpus(path, examples, tokenizer)
        partial = cache.with_suffix(".part.npz")
        np.savez(partial, **vars(corpus))
        partial.replace(cache)
    with np.load(cache) as arrays:
        corpus = TokenCorpus(**arrays)
    if len(corpus) != examples:
        raise ValueError(f"{cache}: {len(corpus)} examples, not the {examples} of the recipe")
    return corpus


class Order:
    """Every epoch is a permutation of its own; `indices` gives the examples of a step."""

    def __init__(self, examples: int, batch: int, seed: int) -> None:
        self.examples, self.batch, self.seed = examples, batch, seed
        self._epoch = -1
        self._permutation: NDArray[np.int64] = np.empty(0, np.int64)

    def indices(self, step: int) -> NDArray[np.int64]:
        """The ``batch`` examples of ``step``; an epoch's last, incomplete batch is left out."""
        epoch, place = divmod(step, self.examples // self.batch)
        if epoch != self._epoch:
            self._epoch = epoch
            self._permutation = np.random.default_rng([self.seed, epoch]).permutation(self.examples)
        return self._permutation[place * self.batch : (place + 1) * self.batch]


@dataclass(frozen=True)
class MicroBatch:
    """Examples of one step, padded to one length; all but ``examples`` on the device.

    ``examples``: (batch,), their indices; ``ids``: (batch, length); at the flat ``places`` the next
    token, ``targets``, is learned; ``shares``: (places,), how much each counts.
    """

    examples: NDArray[np.int64]
    ids: Tensor
    places: Tensor
    targets: Tensor
    shares: Tensor


def micro_batches(
    corpus: TokenCorpus,
    indices: NDArray[np.int64],
    max_tokens: int,
    device: torch.device,
    explanation_share: float = 1.0,
) -> Iterator[MicroBatch]:
    """Cut a step's examples, sorted by length, into pieces of at most ``max_tokens``.

    A token of the corrected sentence counts once, one of the explanation ``explanation_share``.
    """
    lengths = corpus.starts[indices + 1] - corpus.starts[indices] - 1
    by_length = np.argsort(-lengths, kind="stable")
    begin = 0
    while begin < len(by_length):
        longest = int(lengths[by_length[begin]])
        rows = by_length[begin : begin + max(1, max_tokens // longest)]
        rows = rows[lengths[rows] >= 0.65 * longest]  # a few long ones must not stretch the rest
        begin += len(rows)
        places, end = np.arange(longest + 1), lengths[rows, None]
        read = corpus.starts[indices[rows], None] + np.minimum(places, end)
        ids = np.where(places <= end, corpus.ids[read], PAD_ID).astype(np.int64)
        learned = (places[:-1] < end) & (places[:-1] >= corpus.prompts[indices[rows], None] - 1)
        flat = np.flatnonzero(learned)
        explains = ((ids == corpus.line_break).cumsum(1)[:, :-1] > 1).reshape(-1)[flat]
        shares = np.where(explains, np.float32(explanation_share), np.float32(1))
        arrays = (ids[:, :-1].copy(), flat, ids[:, 1:].reshape(-1)[flat], shares)
        moved = (_moved(torch.from_numpy(array), device) for array in arrays)
        yield MicroBatch(indices[rows], *moved)


def _moved(tensor: Tensor, device: torch.device) -> Tensor:
    """On ``device``; from pinned memory, so that nothing waits for the work already there."""
    if device.type == "cpu":
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)

"""How long prompts and answers are: a joint distribution with exact moments.

A request is a pair (prompt tokens, output tokens). `Lengths` counts pairs, so the mean of the
longest of B answers is computed, not sampled.
"""

from __future__ import annotations

import bisect
import json
import math
import operator
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import accumulate
from pathlib import Path

import numpy as np

Pair = tuple[int, int]


class Lengths:
    """A distribution of (prompt tokens, output tokens).

    Args:
        counts: how often each pair was seen; all numbers at least 1. ValueError otherwise.
    """

    def __init__(self, counts: Mapping[Pair, int]) -> None:
        self.counts = dict(sorted(counts.items()))
        if not self.counts or any(min(p, n, k) < 1 for (p, n), k in self.counts.items()):
            raise ValueError("lengths need at least one pair, and every number at least 1")
        self.total = sum(self.counts.values())
        self._pairs = list(self.counts)
        self._cumulative = list(accumulate(self.counts.values()))
        output: Counter[int] = Counter()
        for (_, n), k in self.counts.items():
            output[n] += k
        self._outputs = sorted(output)
        self._outputs_cumulative = list(accumulate(output[n] for n in self._outputs))

    @classmethod
    def of(cls, pairs: Iterable[Pair]) -> Lengths:
        """Count pairs as they were seen."""
        return cls(Counter(pairs))

    @classmethod
    def fixed(cls, prompt: int, output: int) -> Lengths:
        """Return the distribution with one length only."""
        return cls({(prompt, output): 1})

    @classmethod
    def uniform(cls, prompt: int, shortest: int, longest: int) -> Lengths:
        """Return outputs spread evenly over shortest … longest, all behind the same prompt."""
        return cls({(prompt, n): 1 for n in range(shortest, longest + 1)})

    @classmethod
    def geometric(cls, prompt: int, mean: float, resolution: int = 10**12) -> Lengths:
        """Return geometric outputs with the given mean: the exponential law in whole tokens.

        Probabilities are rounded to 1/`resolution`; the tail is cut where they round to nothing.
        """
        if mean <= 1.0:
            raise ValueError("a geometric length has a mean above 1")
        stay, counts, reach = 1.0 - 1.0 / mean, {}, 1.0
        for n in range(1, math.ceil(mean * 40)):
            if (count := round(resolution * reach * (1.0 - stay))) > 0:
                counts[prompt, n] = count
            reach *= stay
        return cls(counts)

    @property
    def mean_prompt(self) -> float:
        """Mean prompt tokens."""
        return sum(p * k for (p, _), k in self.counts.items()) / self.total

    @property
    def mean_output(self) -> float:
        """Mean output tokens."""
        return sum(n * k for (_, n), k in self.counts.items()) / self.total

    @property
    def output_variation(self) -> float:
        """Squared coefficient of variation of the output length: variance over squared mean."""
        mean = self.mean_output
        square = sum(n * n * k for (_, n), k in self.counts.items()) / self.total
        return square / mean**2 - 1.0

    def expected_max(self, batch: int) -> float:
        """Return the mean of the longest of `batch` independent outputs, in tokens.

        Exact for this distribution: Σ v·(F(v)^B − F(v−)^B), F being the distribution function.
        """
        if batch < 1:
            raise ValueError(f"a batch has at least one member, not {batch}")
        below, mean = 0.0, 0.0
        for value, reached in zip(self._outputs, self._outputs_cumulative, strict=True):
            upto = (reached / self.total) ** batch
            mean += value * (upto - below)
            below = upto
        return mean

    def output_quantile(self, q: float) -> int:
        """Return the smallest output length that a share q of all does not exceed."""
        if not 0.0 <= q <= 1.0:
            raise ValueError(f"q must lie between 0 and 1, not {q}")
        # Shares are compared, not counts: 0.55 * 100 is a little more than 55, 55 / 100 is 0.55.
        rank = bisect.bisect_left(self._outputs_cumulative, q, key=lambda count: count / self.total)
        return self._outputs[rank]

    def sample(self, rng: np.random.Generator, size: int) -> list[Pair]:
        """Draw pairs; integers all the way, so a seed gives the same pairs on every machine."""
        tickets = rng.integers(self.total, size=size)
        rows = np.searchsorted(np.asarray(self._cumulative), tickets, side="right")
        return [self._pairs[row] for row in rows.tolist()]

    def save(self, path: Path, note: str = "") -> None:
        """Write the counts as JSON: rows of prompt tokens, output tokens, count."""
        rows = [[p, n, k] for (p, n), k in self.counts.items()]
        text = json.dumps({"note": note, "columns": ["prompt", "output", "count"], "rows": rows})
        path.write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Lengths:
        """Read what `save` wrote.

        Raises:
            OSError: the file cannot be read.
            ValueError: it holds something else.
        """
        try:
            counts = Counter[Pair]()
            for row in json.loads(path.read_text(encoding="utf-8"))["rows"]:
                p, n, k = map(operator.index, row)  # raises for what is no whole number
                counts[p, n] += k
            return cls(counts)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path.name} does not hold lengths") from error

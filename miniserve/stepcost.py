"""What a step costs: `seconds = a + b·batch + c·tokens`, fitted to an engine's own trace.

`batch` counts the rows of a step (padding included) and `tokens` the tokens computed in it: one
for each row that writes its answer, a stretch of the prompt for each row that reads it. So `a` is
the price of a step however small (the weights are read once), `b` that of one more row (its
attention over its cache), and `c` that of one more token (its share of the matrix products).

The fit feeds the virtual clock: with it, schedulers can be compared without a model, and a
chapter's numbers are the same on every machine.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from miniserve.trace import StepRecord


class Cost(Protocol):
    """Anything that says what a step costs; it may say something else each time."""

    def seconds(self, batch: int, num_tokens: int) -> float:
        """Seconds that a step takes: `batch` rows, `num_tokens` tokens."""


@dataclass(frozen=True, slots=True)
class StepCost:
    """Seconds a step: `a`, seconds a row: `b`, seconds a token: `c`."""

    a: float
    b: float
    c: float

    def seconds(self, batch: int, num_tokens: int) -> float:
        """Seconds that a step takes. Plain Python arithmetic: the same digits everywhere."""
        return self.a + self.b * batch + self.c * num_tokens

    @classmethod
    def load(cls, path: Path) -> StepCost:
        """Read the cost from a file that `Fit.save` wrote.

        Raises:
            OSError: the file cannot be read.
            ValueError: it holds something else.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            cost = cls(**{name: float(content["cost"][name]) for name in ("a", "b", "c")})
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path.name} does not hold a step cost") from error
        # A fit may put the cost of a row a little below zero, where a row brings a token.
        if not (0 < cost.seconds(1, 1) < math.inf and cost.c >= 0 and cost.b + cost.c >= 0):
            raise ValueError(f"{path.name} holds a step cost with which no step takes time")
        return cost


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted cost, and how far it is from the steps that it was fitted to.

    steps: how many steps stand behind it. explained: R², the share of the variance of durations
    that the cost explains. typical_error: median of |predicted ÷ measured - 1| over all steps.
    residuals_s: predicted minus measured, at the 5th, 50th and 95th percentile.
    """

    cost: StepCost
    steps: int
    explained: float
    typical_error: float
    residuals_s: tuple[float, float, float]

    def save(self, path: Path, **conditions: object) -> None:
        """Write cost, residuals and the conditions of the measurement as JSON."""
        content = {**asdict(self), "conditions": conditions}
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def fit(records: Iterable[StepRecord]) -> Fit:
    """Fit a step cost to a trace by least squares.

    Steps of the same shape (batch, tokens) enter as one point, their median duration with the
    weight of their number: a step that the operating system interrupted says nothing about the
    model.

    Raises:
        ValueError: the shapes are too few, or too much alike, to tell the three constants apart.
    """
    durations: defaultdict[tuple[int, int], list[float]] = defaultdict(list)
    for record in records:
        durations[record.batch, record.num_tokens].append(record.duration)
    shapes = np.array([(1, batch, tokens) for batch, tokens in durations], dtype=np.float64)
    if len(shapes) < 3 or np.linalg.matrix_rank(shapes) < 3:
        raise ValueError("a fit needs steps with different batches and with prompts among them")
    medians = np.array([np.median(group) for group in durations.values()])
    weights = np.sqrt([len(group) for group in durations.values()])
    solution = np.linalg.lstsq(shapes * weights[:, None], medians * weights, rcond=None)[0]
    cost = StepCost(*(float(value) for value in solution))

    measured = np.concatenate([np.array(group) for group in durations.values()])
    predicted = np.repeat(shapes @ solution, [len(group) for group in durations.values()])
    residuals = predicted - measured
    spread = float(np.sum((measured - measured.mean()) ** 2))
    low, middle, high = (float(q) for q in np.quantile(residuals, [0.05, 0.5, 0.95]))
    return Fit(
        cost=cost,
        steps=measured.size,
        explained=1 - float(np.sum(residuals**2)) / spread if spread else math.nan,
        typical_error=float(np.median(np.abs(residuals) / measured)),
        residuals_s=(low, middle, high),
    )

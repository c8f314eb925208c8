"""What a server's own record, made under load, says of its costs: to predict other runs of it.

A machine that has few cores, or shares them, computes slower while it also answers HTTP. So the
cost of the work is fitted to what the live server noted while requests came in, and what the fit
leaves over is kept: how much longer than fitted each piece of work took, pauses included. On the
virtual clock these ratios are drawn again. They are drawn in blocks of neighbours, because a core
that is taken away stays away for several steps; a mean would have no tail, and ratios drawn one by
one would cancel out over the steps of one answer.

A piece of work is a step where requests share the model, and a whole generation where they do not.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from miniserve.loadtest import LoadResult
from miniserve.stepcost import StepCost, fit
from miniserve.trace import StepRecord, pause_between

_STEPS = 40
"""Steps that are drawn together: about as many as an answer has tokens."""

_GENERATIONS = 5
"""Generations that are drawn together."""


class Generation(NamedTuple):
    """One generation as the server noted it. Times in seconds, `arrival` on the server's clock.

    prompt, output: tokens. queue_s, prefill_s, decode_s: as in `miniserve.completion.Timing`.
    """

    request_id: str
    arrival: float
    prompt: int
    output: int
    queue_s: float
    prefill_s: float
    decode_s: float

    @property
    def start(self) -> float:
        """When its first step began."""
        return self.arrival + self.queue_s

    @property
    def took(self) -> float:
        """Seconds from its first step to its last token."""
        return self.prefill_s + self.decode_s


class Recording(NamedTuple):
    """What a server noted in one run; `steps` is empty where requests do not share the model."""

    generations: list[Generation]
    steps: list[StepRecord]


class Run(NamedTuple):
    """A run from both sides: what the client saw, and what the server noted."""

    client: LoadResult
    server: Recording


class Blocks:
    """Draws from a series in blocks of neighbours, for ever (the circular block bootstrap).

    Source: D. N. Politis and J. P. Romano, "A Circular Block-Resampling Procedure for Stationary
    Data" (in: Exploring the Limits of Bootstrap, 1992).

    Args:
        values: the series, at least one.
        length: of a block; a block that would run over the end goes on at the start.
    """

    def __init__(self, values: Sequence[float], seed: int, length: int) -> None:
        if not values:
            raise ValueError("there is nothing to draw from")
        self._values = list(values)
        self._rng = np.random.default_rng(seed)
        self._length = length
        self._left = self._at = 0

    def draw(self) -> float:
        """The next value."""
        if self._left == 0:
            self._at, self._left = int(self._rng.integers(len(self._values))), self._length
        value = self._values[self._at % len(self._values)]
        self._at += 1
        self._left -= 1
        return value


def _ratios(took: Sequence[float], by_fit: Sequence[float]) -> list[float]:
    """How much longer than fitted each piece took, scaled so that draws keep the sum.

    Drawn for other pieces than they were seen at, ratios that are larger where pieces are small
    would add up to too much.
    """
    ratios = [one / fitted for one, fitted in zip(took, by_fit, strict=True)]
    scale = sum(took) / (sum(by_fit) * statistics.fmean(ratios))
    return [ratio * scale for ratio in ratios]


@dataclass(frozen=True)
class SteppedCost:
    """What steps cost under load, on the virtual clock: fitted seconds times a ratio drawn.

    least: seconds that no step falls below; a fit may go below zero where it has seen nothing.
    """

    fitted: StepCost
    least: float
    ratios: Blocks

    @classmethod
    def of(cls, runs: Sequence[Run], seed: int) -> SteppedCost:
        """Fit the steps of these runs; raises what `miniserve.stepcost.fit` raises.

        A step counts up to the start of the next one if that goes on with a request: taking in
        commands and handing out answers is part of what the requests in it wait for.
        """
        steps = [step for run in runs for step in run.server.steps]
        fitted, least = fit(steps).cost, min(step.duration for step in steps)
        took = [step.duration + pause for step, pause in zip(steps, _pauses(steps), strict=True)]
        by_fit = [max(least, fitted.seconds(step.batch, step.num_tokens)) for step in steps]
        return cls(fitted, least, Blocks(_ratios(took, by_fit), seed, _STEPS))

    def seconds(self, batch: int, num_tokens: int) -> float:
        """See `miniserve.stepcost.Cost`."""
        return max(self.least, self.fitted.seconds(batch, num_tokens)) * self.ratios.draw()


def _pauses(steps: Sequence[StepRecord]) -> Iterator[float]:
    """Seconds from the end of each step to the next that goes on with a request; else 0."""
    for step, following in itertools.pairwise(steps):
        yield pause_between(step, following) or 0.0
    yield 0.0


@dataclass(frozen=True)
class GenerationCost:
    """What generations cost: seconds a token written and a token read, times a ratio drawn.

    The last token of a prompt is not counted: it comes with the first of the answer.
    """

    written: float
    read: float
    ratios: Blocks

    @classmethod
    def of(cls, runs: Sequence[Run], seed: int) -> GenerationCost:
        """Fit the generations of these runs, of which one is made after the other.

        One counts up to the start of the next, if the request for that was sent before its end: who
        waits, waits for the pause too.

        Raises:
            ValueError: there is no generation.
        """
        found = [pair for run in runs for pair in _with_pauses(run)]
        if not found:
            raise ValueError("a fit needs generations")
        tokens = np.array([(one.output, one.prompt - 1) for one, _ in found], dtype=np.float64)
        took = np.array([one.took for one, _ in found])
        written, read = (float(x) for x in np.linalg.lstsq(tokens, took, rcond=None)[0])
        if read < 0.0:  # prompts too much alike to tell
            written, read = float(took.sum() / tokens[:, 0].sum()), 0.0
        by_fit = (tokens @ np.array([written, read])).tolist()
        counted = [seconds for _, seconds in found]
        return cls(written, read, Blocks(_ratios(counted, by_fit), seed, _GENERATIONS))

    def seconds(self, prompt: int, output: int) -> float:
        """How long one request keeps the model busy."""
        return (self.written * output + self.read * (prompt - 1)) * self.ratios.draw()


def _with_pauses(run: Run) -> Iterator[tuple[Generation, float]]:
    """Each generation, and the seconds that count for it."""
    sent = {record.request_id: run.client.origin + record.sent for record in run.client.records}
    ordered = sorted(run.server.generations, key=lambda one: one.start)
    for one, following in itertools.pairwise(ordered):
        waited = sent[following.request_id] < one.start + one.took
        yield one, following.start - one.start if waited else one.took
    yield from ((one, one.took) for one in ordered[-1:])


def seconds_outside(runs: Iterable[Run], *, alone: bool) -> list[float]:
    """What each answered request took from its sending to its answer, without its generation.

    alone: only of requests that found the server empty. Where the event loop itself generates, the
    others waited for it before the server knew of them.
    """
    found: list[float] = []
    for run in runs:
        made = {one.request_id: one for one in run.server.generations}
        empty_at = -math.inf
        for record in sorted(run.client.records, key=lambda record: record.sent):
            if record.ok and (record.sent >= empty_at or not alone):
                one = made[record.request_id]
                found.append(record.service - one.queue_s - one.took)
            empty_at = max(empty_at, math.inf if record.done is None else record.done)
    return found

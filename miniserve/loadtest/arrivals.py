"""When requests are meant to be sent. Pure: a seed goes in, moments come out.

A schedule is an array of offsets in seconds from the start of the run: the running sum of the
gaps, so the first request comes after the first gap. Nothing is stretched afterwards to fit a
round duration: that would make Poisson arrivals something else.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from miniserve.latency import Floats


def poisson(rate: float, n: int, seed: int) -> Floats:
    """Return `n` offsets (seconds) of a Poisson process with `rate` arrivals per second.

    Raises:
        ValueError: `rate` is not above 0 and finite, `n` is negative, or `seed` is.
    """
    return gamma(rate, n, seed, burstiness=1.0)


def gamma(rate: float, n: int, seed: int, burstiness: float) -> Floats:
    """Return `n` offsets (seconds) with gamma-distributed gaps of mean 1/`rate`.

    `burstiness` is the shape of the distribution: 1 is Poisson, less comes in clumps, more is
    steadier. The gaps' coefficient of variation is 1/√burstiness.

    Raises:
        ValueError: `rate` or `burstiness` is not above 0 and finite, `n` is negative, or `seed` is.
    """
    _check(rate, n)
    if not (math.isfinite(burstiness) and burstiness > 0):
        raise ValueError(f"burstiness must be above 0, not {burstiness}")
    scale = 1.0 / (rate * burstiness)
    return np.cumsum(np.random.default_rng(seed).gamma(burstiness, scale, n))


def constant(rate: float, n: int) -> Floats:
    """Return `n` offsets (seconds), one every 1/`rate`.

    Raises:
        ValueError: `rate` is not above 0 and finite, or `n` is negative.
    """
    _check(rate, n)
    return np.arange(1, n + 1, dtype=np.float64) / rate


@dataclass(frozen=True, eq=False)
class Trace:
    """What is to be sent, and when: `offsets` (seconds, never falling), a sentence for each.

    Raises ValueError if the two differ in length or an offset is negative, NaN or out of order.
    """

    offsets: Floats
    sentences: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.offsets) != len(self.sentences):
            raise ValueError(f"{len(self.offsets)} offsets, {len(self.sentences)} sentences")
        gaps = np.diff(self.offsets, prepend=0.0)
        if not (np.isfinite(gaps).all() and (gaps >= 0).all()):
            raise ValueError("offsets must be finite, start at 0 or later, and never fall")

    @classmethod
    def of(cls, offsets: Floats, sentences: Sequence[str]) -> "Trace":
        """Pair a schedule with sentences, which are taken in turn, again and again.

        Raises:
            ValueError: there is no sentence.
        """
        if not sentences:
            raise ValueError("a trace needs at least one sentence")
        return cls(offsets, tuple(sentences[i % len(sentences)] for i in range(len(offsets))))

    def at_rate(self, rate: float) -> "Trace":
        """Return the same requests, `rate` times as fast.

        For a trace with a mean gap of one second that is `rate` requests per second. One factor
        for all gaps leaves their distribution alone.

        Raises:
            ValueError: `rate` is not above 0 and finite.
        """
        _check(rate, len(self.sentences))
        return Trace(self.offsets / rate, self.sentences)

    def cut(self, first: int, count: int) -> "Trace":
        """Return up to `count` requests from the one with number `first` on, on their own clock.

        It begins when the request before them was sent, or where the trace itself begins.
        """
        start = self.offsets[first - 1] if first else 0.0
        end = first + count
        return Trace(self.offsets[first:end] - start, self.sentences[first:end])

    def stretches(self, length: int) -> "list[Trace]":
        """Cut the trace into stretches of `length` requests; a shorter rest is left out."""
        firsts = range(0, len(self.sentences) - length + 1, length)
        return [self.cut(first, length) for first in firsts]

    def save(self, path: str | Path) -> None:
        """Write the trace as JSON Lines: {"at": seconds, "sentence": text}."""
        with Path(path).open("w", encoding="utf-8") as file:
            for at, sentence in zip(self.offsets.tolist(), self.sentences, strict=True):
                line = json.dumps({"at": at, "sentence": sentence}, ensure_ascii=False)
                file.write(line + "\n")

    @classmethod
    def load(cls, path: str | Path) -> "Trace":
        """Read what `save` wrote.

        Raises:
            OSError: the file cannot be read.
            ValueError: it holds something else; where that can be told, with the line.
        """
        offsets, sentences = [], []
        with Path(path).open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                try:
                    row = json.loads(line)
                    offsets.append(float(row["at"]))
                    sentences.append(str(row["sentence"]))
                except (ValueError, KeyError, TypeError, ArithmeticError, RecursionError) as error:
                    raise ValueError(f"{Path(path).name}, line {number}: {error!r}") from error
        return cls(np.array(offsets, dtype=np.float64), tuple(sentences))


def standard_trace(seed: int, n: int, rate: float = 1.0, *, sentences: Sequence[str]) -> Trace:
    """Return a seeded Poisson trace over `sentences`, drawn evenly and without favourites.

    At the default rate the mean gap is one second; `Trace.at_rate` scales it at replay, so that
    every mode and every machine gets the same requests in the same rhythm.
    """
    if not sentences:
        raise ValueError("a trace needs at least one sentence")
    # A generator of its own: more sentences in the corpus must not move the arrivals.
    rng = np.random.default_rng([seed, 1])
    rounds = math.ceil(n / len(sentences))
    order = [int(i) for _ in range(rounds) for i in rng.permutation(len(sentences))]
    return Trace(poisson(rate, n, seed), tuple(sentences[i] for i in order[:n]))


class PoissonClock:
    """Poisson arrivals whose rate may change at any moment. Pure: the caller says what time it is.

    Each arrival has an exponential *need* of mean 1, which is used up at the current rate. A
    change of rate re-scales only what is left, so the result is exactly a Poisson process whose
    rate varies in time (the time-change theorem), and a slider acts at once: nobody waits for
    the rest of a long gap that was drawn at the old rate.
    """

    def __init__(self, rate: float, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._since = 0.0
        self._need = float(self._rng.exponential())
        self._rate = check_rate(rate)

    @property
    def rate(self) -> float:
        """Arrivals per second; 0 is a pause."""
        return self._rate

    @property
    def due(self) -> float:
        """When the next arrival is meant to be (seconds); infinite in a pause."""
        return self._since + self._need / self._rate if self._rate > 0 else math.inf

    def advance(self) -> float:
        """Return `due` and draw the next arrival after it. Raises ValueError in a pause."""
        due = self.due
        if math.isinf(due):
            raise ValueError("nothing arrives in a pause")
        self._since, self._need = due, float(self._rng.exponential())
        return due

    def change_rate(self, rate: float, now: float) -> None:
        """Change the rate at the moment `now`, which must not lie beyond `due`."""
        check_rate(rate)
        if now > self.due:
            raise ValueError(f"the arrival due at {self.due} must be taken first; it is {now}")
        now = max(now, self._since)
        self._need -= (now - self._since) * self._rate
        self._need = max(self._need, 0.0)
        self._since, self._rate = now, rate


def check_rate(rate: float) -> float:
    """Return a rate at which requests may come; ValueError unless it is 0 or above, and finite."""
    if not (math.isfinite(rate) and rate >= 0):
        raise ValueError(f"the rate must be 0 or above, not {rate}")
    return rate


def _check(rate: float, n: int) -> None:
    if check_rate(rate) == 0:
        raise ValueError("a schedule needs a rate above 0")
    if n < 0:
        raise ValueError(f"cannot schedule {n} requests")

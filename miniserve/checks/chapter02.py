"""Checks of chapter 02: a blocking handler mended, a Poisson schedule, an honest percentile.

The longest of the checks: a handler is only seen to block by a loop that runs beside it, so the
first one brings a slow tutor, a client and a deadline of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeAlias

import httpx
import numpy as np
from fastapi import FastAPI

from miniserve.checks.apps import visit
from miniserve.checks.cases import Case, Report, Unfit, check_cases, is_real, is_whole, shown
from miniserve.tutor import Correction

Build = Callable[[Any], FastAPI]
Act: TypeAlias = Callable[[httpx.AsyncClient, "_SlowTutor"], Awaitable[object]]
Stamps: TypeAlias = tuple[float, float, float]
Quote = Callable[[list[Stamps], float], tuple[float | None, int]]

IN_TIME = "answered in the meantime"
TOO_LATE = "answered only when the tutor had finished"

_PATIENCE_S = 3.0


class _SlowTutor:
    """Answers at the check's word, and counts the threads that are inside."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.released = threading.Event()
        self.patience_s = 0.0
        self.most_inside = 0
        self.kept_waiting = False
        self._inside = 0
        self._lock = threading.Lock()

    def correct(self, sentence: str) -> Correction:
        with self._lock:
            self._inside += 1
            self.most_inside = max(self.most_inside, self._inside)
        self.entered.set()
        try:
            if sentence == "bad":
                raise ValueError("the tutor stumbles over this one")
            self.kept_waiting |= not self.released.wait(self.patience_s)
            return Correction(sentence.replace("goed", "went"), "A fake explanation.")
        finally:
            with self._lock:
                self._inside -= 1


def check_mended(mended: Build) -> Report:
    """The learner's own app: does its loop turn while the tutor is busy?"""

    def visiting(act: Act) -> Callable[[Build], Awaitable[object]]:
        async def run(build: Build) -> object:
            tutor = _SlowTutor()
            try:
                return await visit(build(tutor), lambda client: act(client, tutor))
            except RuntimeError as error:
                if "different event loop" in str(error):
                    error.add_note(
                        "make the lock inside `mended`: the check gives each case a tutor, "
                        "an app and an event loop of its own"
                    )
                raise

        return run

    return check_cases(
        "the mended service",
        mended,
        [
            Case("a correction", visiting(_one), "He went home 0"),
            Case(
                "/healthz while the tutor is busy",
                visiting(_probe),
                lambda got: got == IN_TIME,
                "an answer in the meantime",
            ),
            Case(
                "four corrections at once, each its own",
                visiting(_four),
                [f"He went home {number}" for number in range(4)],
            ),
            Case(
                "threads in the tutor, with four corrections at once", visiting(_threads_inside), 1
            ),
            Case(
                "the correction after one that failed",
                visiting(_after_an_error),
                lambda got: got == "He went home 0",
                "'He went home 0'",
            ),
        ],
    )


async def _ask(client: httpx.AsyncClient, number: int = 0) -> object:
    answer = await client.get("/correct", params={"sentence": f"He goed home {number}"})
    if answer.status_code != 200:
        return f"status {answer.status_code}"
    return answer.json()["corrected"]


async def _one(client: httpx.AsyncClient, tutor: _SlowTutor) -> object:
    return await _ask(client)


async def _probe(client: httpx.AsyncClient, tutor: _SlowTutor) -> object:
    """Ask /healthz between the moment the tutor begins and the moment it is let go."""
    tutor.patience_s = 1.0
    asking = asyncio.create_task(_ask(client))
    deadline = time.monotonic() + _PATIENCE_S
    while not (tutor.entered.is_set() or asking.done()):
        if time.monotonic() > deadline:
            asking.cancel()
            return "nothing: the tutor was never asked"
        await asyncio.sleep(0.002)
    health = await client.get("/healthz")
    tutor.released.set()
    await asking
    if health.status_code != 200:
        return f"status {health.status_code}"
    return TOO_LATE if tutor.kept_waiting else IN_TIME


async def _four(client: httpx.AsyncClient, tutor: _SlowTutor) -> object:
    return list(await asyncio.gather(*(_ask(client, number) for number in range(4))))


async def _threads_inside(client: httpx.AsyncClient, tutor: _SlowTutor) -> object:
    tutor.patience_s = 0.05  # long enough for the others to come in, if the door is open
    await _four(client, tutor)
    return tutor.most_inside


async def _after_an_error(client: httpx.AsyncClient, tutor: _SlowTutor) -> object:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            with contextlib.suppress(Exception):
                await client.get("/correct", params={"sentence": "bad"})
            return await _ask(client)
    except TimeoutError:
        return (
            "no answer: is something still held, or has a thread ended, "
            "since the request that failed?"
        )


def check_schedule(schedule_for: Callable[..., Any]) -> Report:
    """Moments at which strangers arrive: their number, their order and their gaps."""

    def seeing(
        look: Callable[[list[float]], object], rate: float = 50.0, duration_s: float = 200.0
    ) -> Callable[[Any], object]:
        def run(learner: Any) -> object:
            return look(_moments(learner, rate, duration_s, np.random.default_rng(11)))

        return run

    def in_order(moments: list[float]) -> str:
        for before, after in zip([0.0, *moments], moments, strict=False):
            if after < before:
                return f"{after:.3f} s after {before:.3f} s"
        if moments and moments[-1] > 200.0:
            return f"a last moment at {moments[-1]:.3f} s, after the end at 200 s"
        return "in order"

    def spread(moments: list[float]) -> float:
        gaps = np.diff(moments)
        return round(float(gaps.std() / gaps.mean()), 2)

    def short(moments: list[float]) -> float:
        return round(float((np.diff(moments) < 0.01).mean()), 2)

    def many(look: Callable[[list[list[float]]], object]) -> Callable[[Any], object]:
        def run(learner: Any) -> object:
            rngs = [np.random.default_rng(seed) for seed in range(200)]
            return look([_moments(learner, 10.0, 5.0, rng) for rng in rngs])

        return run

    return check_cases(
        "a schedule of strangers",
        schedule_for,
        [
            Case(
                "50 a second for 200 s, how many",
                seeing(len),
                lambda got: 9_500 <= got <= 10_500,
                "about 10,000",
            ),
            Case(
                "all in order, from 0 to the end",
                seeing(in_order),
                lambda got: got == "in order",
                "moments that never fall, the last before the end at 200 s",
            ),
            Case(
                "spread of the gaps, as a share of their mean",
                seeing(spread),
                lambda got: 0.93 <= got <= 1.07,
                "about 1, as exponential gaps have it",
            ),
            Case(
                "share of gaps shorter than half the mean",
                seeing(short),
                lambda got: 0.36 <= got <= 0.43,
                "about 0.39, as exponential gaps have it",
            ),
            Case(
                "50 expected in each of 200 runs, variance of their number",
                many(lambda runs: round(float(np.var([len(run) for run in runs])))),
                lambda got: 30 <= got <= 80,
                "about 50: strangers do not agree on a number",
            ),
            Case(
                "the first arrival at 10 a second, mean of 200 runs in ms",
                many(lambda runs: round(1000 * float(np.mean([run[0] for run in runs])))),
                lambda got: 70 <= got <= 130,
                "about 100: the first one comes after a gap, too",
            ),
            Case(
                "the same seed twice",
                lambda learner: (
                    "the same moments"
                    if _moments(learner, 10.0, 5.0, np.random.default_rng(3))
                    == _moments(learner, 10.0, 5.0, np.random.default_rng(3))
                    else "others"
                ),
                lambda got: got == "the same moments",
                "the same moments (is all chance taken from rng?)",
            ),
        ],
    )


def _moments(learner: Any, rate: float, duration_s: float, rng: np.random.Generator) -> list[float]:
    """The learner's moments, or `Unfit` if there are none to look at."""
    moments: Any = learner(rate, duration_s, rng)
    if moments is ...:
        raise NotImplementedError
    if not isinstance(moments, Iterable):
        raise Unfit(f"got {shown(moments)}")
    listed = list(moments)
    if not all(map(is_real, listed)):
        raise Unfit(f"got {shown(listed)}")
    return [float(moment) for moment in listed]


def check_quote(quote: Quote) -> Report:
    """A percentile of what users felt, and how many samples lie beyond it."""

    def case(
        name: str,
        n: int,
        q: float,
        *,
        low_ms: int | None,
        beyond: int,
        late_s: float = 0.0,
        span_ms: float = 1.01,
    ) -> Case:
        """Latencies of 1, 2, …, n ms from sending, mixed up, with a generator `late_s` late.

        Values up to `span_ms` above `low_ms` are quantiles of one definition or another.
        """
        order = np.random.default_rng(n).permutation(n) + 1
        records = [
            (at, at + late_s, at + late_s + int(took) / 1000)
            for at, took in zip(np.arange(n) / 50, order, strict=True)
        ]
        late_ms = round(1000 * late_s)
        felt = [done - intended for intended, _, done in records]

        def right(got: Any) -> bool:
            """Whatever definition of a quantile: the count has to fit the value that came."""
            if not isinstance(got, tuple | list) or len(got) != 2:
                return False
            value, counted = got
            if not is_whole(counted):
                return False
            if low_ms is None or value is None:
                return value is None and low_ms is None and abs(counted - beyond) <= 1
            if not is_real(value):
                return False
            near = low_ms + late_ms - 0.01 <= 1000 * value <= low_ms + late_ms + span_ms
            fits = {sum(x > value + rounding for x in felt) for rounding in (-1e-9, 1e-9)}
            return near and counted in fits

        wanted = "None" if low_ms is None else f"a value of about {(low_ms + late_ms) / 1000:.3f}"
        return Case(
            name,
            lambda learner: _rounded(learner(records, q)),
            right,
            f"({wanted}, with {beyond} larger)",
        )

    return check_cases(
        "a percentile with its witnesses",
        quote,
        [
            case("p95 of 1, 2, …, 1000 ms", 1000, 0.95, low_ms=950, beyond=50),
            case("p50 of 1, 2, …, 100 ms", 100, 0.50, low_ms=50, beyond=50),
            case("p99 of 100 samples", 100, 0.99, low_ms=None, beyond=1),
            case("p95 of 161 samples", 161, 0.95, low_ms=None, beyond=8),
            # Of 201 and of 1001 samples, every definition leaves ten beyond: the value may lie
            # anywhere between two samples, but not on the upper one.
            case("p95 of 1, 2, …, 201 ms", 201, 0.95, low_ms=190, beyond=10, span_ms=1.995),
            case(
                "a generator that was 250 ms late itself",
                1001,
                0.99,
                low_ms=990,
                beyond=10,
                late_s=0.25,
                span_ms=1.995,
            ),
            _tied_case(),
        ],
    )


def _tied_case() -> Case:
    """Few values, many times each: how many are larger cannot be known from `q` alone.

    The times are whole 64ths of a second, so that equal latencies are equal to the last bit.
    """
    took = np.random.default_rng(0).permutation([0.125] * 340 + [0.5] * 40 + [1.0] * 20)
    records = [(i / 64, i / 64, i / 64 + float(seconds)) for i, seconds in enumerate(took)]
    return Case(
        "p90 of 340 times 125 ms, 40 times 500 ms and 20 times 1000 ms",
        lambda learner: _rounded(learner(records, 0.9)),
        (0.5, 20),
        "(0.5, 20): the value, and how many are larger, not as large",
    )


def _rounded(got: Any) -> Any:
    """A pair as plain numbers, easy to read; what is no pair as it is."""
    try:
        value, counted = got
        return (None if value is None else round(float(value), 6), int(counted))
    except (TypeError, ValueError):
        return got

import asyncio
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI

from miniserve.checks import Verdict, chapter02


def stub(*_: Any) -> Any:
    raise NotImplementedError


def service(correct: Callable[[Any], Any]) -> Callable[[Any], FastAPI]:
    """Return a builder whose /correct is made from the tutor by `correct`."""

    def build(tutor: Any) -> FastAPI:
        app = FastAPI()
        app.get("/correct")(correct(tutor))

        @app.get("/healthz")
        async def healthz() -> dict[str, str]:
            return {"status": "alive"}

        return app

    return build


def with_a_lock(tutor: Any) -> Any:
    one_at_a_time = asyncio.Lock()

    async def correct(sentence: str) -> dict[str, str]:
        async with one_at_a_time:
            correction = await asyncio.to_thread(tutor.correct, sentence)
        return {"corrected": correction.corrected}

    return correct


def forgets_the_lock(tutor: Any) -> Any:
    one_at_a_time = asyncio.Lock()

    async def correct(sentence: str) -> dict[str, str]:
        await one_at_a_time.acquire()
        correction = await asyncio.to_thread(tutor.correct, sentence)
        one_at_a_time.release()
        return {"corrected": correction.corrected}

    return correct


def blocking(tutor: Any) -> Any:
    async def correct(sentence: str) -> dict[str, str]:
        await asyncio.sleep(0)
        return {"corrected": tutor.correct(sentence).corrected}

    return correct


def in_the_pool(tutor: Any) -> Any:
    def correct(sentence: str) -> dict[str, str]:
        return {"corrected": tutor.correct(sentence).corrected}

    return correct


def without_the_tutor(tutor: Any) -> Any:
    async def correct(sentence: str) -> dict[str, str]:
        return {"corrected": sentence}

    return correct


def mixes_them_up(tutor: Any) -> Any:
    newest: list[str] = []
    one_at_a_time = asyncio.Lock()

    async def correct(sentence: str) -> dict[str, str]:
        newest.append(sentence)
        async with one_at_a_time:
            correction = await asyncio.to_thread(tutor.correct, newest[-1])
        return {"corrected": correction.corrected}

    return correct


def test_mended() -> None:
    assert chapter02.check_mended(service(with_a_lock)).passed
    assert chapter02.check_mended(stub).verdict is Verdict.NOT_STARTED
    untouched: Any = lambda tutor: ...  # noqa: E731
    assert chapter02.check_mended(untouched).verdict is Verdict.NOT_STARTED


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (blocking, chapter02.TOO_LATE),
        (in_the_pool, "threads in the tutor"),
        (forgets_the_lock, "no answer"),
        (without_the_tutor, "expected 'He went home 0'"),
        (mixes_them_up, "each its own"),
    ],
)
def test_mended_wrong(wrong: Any, words: str) -> None:
    report = chapter02.check_mended(service(wrong))
    assert report.verdict is Verdict.WRONG
    assert words in report.detail


def test_mended_says_why() -> None:
    def misspelt(tutor: Any) -> Any:
        async def correct(sentence: str) -> Any:
            return tutor.corect(sentence)

        return correct

    assert "it raised AttributeError" in chapter02.check_mended(service(misspelt)).detail
    nothing: Any = lambda tutor: None  # noqa: E731
    assert "no FastAPI app, but None" in chapter02.check_mended(nothing).detail


def right_schedule(rate: float, duration_s: float, rng: np.random.Generator) -> list[float]:
    moments, at = [], rng.exponential(1 / rate)
    while at < duration_s:
        moments.append(at)
        at += rng.exponential(1 / rate)
    return moments


def from_zero(rate: float, duration_s: float, rng: np.random.Generator) -> list[float]:
    later = [m + 0.0 for m in right_schedule(rate, duration_s, rng)]
    return [m - later[0] for m in later]


def with_uniform_gaps(rate: float, duration_s: float, rng: np.random.Generator) -> list[float]:
    moments = np.cumsum(rng.uniform(0, 2 / rate, int(2 * rate * duration_s)))
    return [float(moment) for moment in moments if moment < duration_s]


def fixed_number(rate: float, duration_s: float, rng: np.random.Generator) -> list[float]:
    return sorted(rng.uniform(0, duration_s, int(rate * duration_s)))


def evenly(rate: float, duration_s: float, rng: np.random.Generator) -> list[float]:
    return [float(at) for at in np.arange(1, rate * duration_s) / rate]


def gaps_alone(rate: float, duration_s: float, rng: np.random.Generator) -> list[float]:
    return [float(gap) for gap in rng.exponential(1 / rate, rng.poisson(rate * duration_s))]


def past_the_end(rate: float, duration_s: float, rng: np.random.Generator) -> list[float]:
    return [*right_schedule(rate, duration_s, rng), duration_s + 0.1]


def own_chance(rate: float, duration_s: float, rng: np.random.Generator) -> list[float]:
    return right_schedule(rate, duration_s, np.random.default_rng(time.perf_counter_ns()))


def mean_for_rate(rate: float, duration_s: float, rng: np.random.Generator) -> list[float]:
    return right_schedule(1 / rate, duration_s, rng)


def test_schedule() -> None:
    assert chapter02.check_schedule(right_schedule).passed
    assert chapter02.check_schedule(lambda *a: np.array(right_schedule(*a))).passed
    assert chapter02.check_schedule(stub).verdict is Verdict.NOT_STARTED
    assert chapter02.check_schedule(lambda *_: ...).verdict is Verdict.NOT_STARTED


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (from_zero, "the first arrival"),
        (with_uniform_gaps, "spread of the gaps"),
        (fixed_number, "variance of their number"),
        (evenly, "spread of the gaps"),
        (gaps_alone, "in order"),
        (past_the_end, "in order"),
        (own_chance, "the same seed"),
        (mean_for_rate, "how many"),
        (lambda *_: None, "it raised TypeError"),
    ],
)
def test_schedule_wrong(wrong: Any, words: str) -> None:
    report = chapter02.check_schedule(wrong)
    assert report.verdict is Verdict.WRONG
    assert words in report.detail


def quote_of(latency: Callable[[float, float, float], float], least: int = 10) -> Any:
    def quote(records: list[tuple[float, float, float]], q: float) -> tuple[float | None, int]:
        latencies = np.array([latency(*record) for record in records])
        value = float(np.quantile(latencies, q))
        beyond = int((latencies > value).sum())
        return (value if beyond >= least else None), beyond

    return quote


def by_rank(records: list[tuple[float, float, float]], q: float) -> tuple[float | None, int]:
    latencies = sorted(done - intended for intended, _, done in records)
    rank = max(1, int(np.ceil(q * len(latencies))))
    beyond = len(latencies) - rank
    return (latencies[rank - 1] if beyond >= 10 else None), beyond


def by_index(records: list[tuple[float, float, float]], q: float) -> tuple[float | None, int]:
    latencies = sorted(done - intended for intended, _, done in records)
    index = int(q * len(latencies))
    beyond = len(latencies) - index - 1
    return (latencies[index] if beyond >= 10 else None), beyond


def test_quote() -> None:
    assert chapter02.check_quote(quote_of(lambda intended, sent, done: done - intended)).passed
    assert chapter02.check_quote(by_rank).passed
    assert chapter02.check_quote(by_index).passed
    assert chapter02.check_quote(stub).verdict is Verdict.NOT_STARTED


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (quote_of(lambda intended, sent, done: done - sent), "late itself"),
        (quote_of(lambda intended, sent, done: done - intended, least=0), "p99 of 100"),
        (quote_of(lambda intended, sent, done: done - intended, least=11), "201 ms"),
        (lambda records, q: (q, len(records)), "p95 of 1"),
        (lambda records, q: None, "got None"),
    ],
)
def test_quote_wrong(wrong: Any, words: str) -> None:
    report = chapter02.check_quote(wrong)
    assert report.verdict is Verdict.WRONG
    assert words in report.detail

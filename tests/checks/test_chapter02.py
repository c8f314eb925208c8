import asyncio
import queue
import statistics
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI, Request

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


def test_mended_with_a_lifespan() -> None:
    def mended(tutor: Any) -> FastAPI:
        @asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncIterator[None]:
            app.state.lock = asyncio.Lock()
            yield

        app = FastAPI(lifespan=lifespan)

        @app.get("/healthz")
        async def healthz() -> dict[str, str]:
            return {"status": "alive"}

        @app.get("/correct")
        async def correct(sentence: str, request: Request) -> dict[str, str]:
            async with request.app.state.lock:
                correction = await asyncio.to_thread(tutor.correct, sentence)
            return {"corrected": correction.corrected}

        return app

    report = chapter02.check_mended(mended)
    assert report.passed, report


def test_mended_with_a_lock_from_outside() -> None:
    outside = asyncio.Lock()

    def with_it(tutor: Any) -> Any:
        async def correct(sentence: str) -> dict[str, str]:
            async with outside:
                correction = await asyncio.to_thread(tutor.correct, sentence)
            return {"corrected": correction.corrected}

        return correct

    detail = chapter02.check_mended(service(with_it)).detail
    assert "is bound to a different event loop (make the lock inside `mended`" in detail


class TinyWorker:
    """The chapter's own: an exception in the tutor ends its thread."""

    def __init__(self, tutor: Any) -> None:
        self.jobs: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threading.Thread(target=self._run, args=(tutor,), daemon=True).start()

    async def correct(self, sentence: str) -> Any:
        loop = asyncio.get_running_loop()
        answer = loop.create_future()
        self.jobs.put((sentence, loop, answer))
        return await answer

    def _run(self, tutor: Any) -> None:
        while (job := self.jobs.get()) is not None:
            sentence, loop, answer = job
            loop.call_soon_threadsafe(answer.set_result, tutor.correct(sentence))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_mended_with_a_thread_that_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chapter02, "_PATIENCE_S", 1.0)
    workers = []

    def with_a_worker(tutor: Any) -> Any:
        worker = TinyWorker(tutor)
        workers.append(worker)

        async def correct(sentence: str) -> dict[str, str]:
            return {"corrected": (await worker.correct(sentence)).corrected}

        return correct

    try:
        report = chapter02.check_mended(service(with_a_worker))
    finally:
        for worker in workers:
            worker.jobs.put(None)
    assert "case 5 of 5" in report.detail
    assert "or has a thread ended, since the request that failed?" in report.detail


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
        (lambda *_: None, "expected about 10,000, got None"),
        (lambda *_: 7, "expected about 10,000, got 7"),
        (lambda *_: ["soon"], "expected about 10,000, got ['soon']"),
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
    value = latencies[max(1, int(np.ceil(q * len(latencies)))) - 1]
    beyond = sum(latency > value for latency in latencies)
    return (value if beyond >= 10 else None), beyond


def by_index(records: list[tuple[float, float, float]], q: float) -> tuple[float | None, int]:
    latencies = sorted(done - intended for intended, _, done in records)
    value = latencies[int(q * len(latencies))]
    beyond = sum(latency > value for latency in latencies)
    return (value if beyond >= 10 else None), beyond


def by_hundredths(records: list[tuple[float, float, float]], q: float) -> tuple[float | None, int]:
    latencies = [done - intended for intended, _, done in records]
    value = statistics.quantiles(latencies, n=100)[round(100 * q) - 1]
    beyond = sum(latency > value for latency in latencies)
    return (value if beyond >= 10 else None), beyond


def by_formula(records: list[tuple[float, float, float]], q: float) -> tuple[float | None, int]:
    value = float(np.quantile([done - intended for intended, _, done in records], q))
    beyond = round((1 - q) * len(records))
    return (value if beyond >= 10 else None), beyond


def next_sample(records: list[tuple[float, float, float]], q: float) -> tuple[float | None, int]:
    """Of an odd number, one too high: not ten are larger, but it claims so."""
    latencies = sorted(done - intended for intended, _, done in records)
    value = latencies[int(q * len(latencies)) + len(latencies) % 2]
    beyond = sum(latency >= value for latency in latencies)
    return (value if beyond >= 10 else None), beyond


METHODS = [
    "inverted_cdf",
    "averaged_inverted_cdf",
    "interpolated_inverted_cdf",
    "hazen",
    "weibull",
    "linear",
    "median_unbiased",
    "normal_unbiased",
    "lower",
    "higher",
    "midpoint",
    "nearest",
]


@pytest.mark.parametrize("method", METHODS)
def test_quote_by_any_definition(method: Any) -> None:
    def quote(records: list[tuple[float, float, float]], q: float) -> tuple[float | None, int]:
        latencies = np.array([done - intended for intended, _, done in records])
        value = np.quantile(latencies, q, method=method)
        beyond = (latencies > value).sum()
        return (value if beyond >= 10 else None), beyond

    report = chapter02.check_quote(quote)
    assert report.passed, report


def test_quote() -> None:
    assert chapter02.check_quote(quote_of(lambda intended, sent, done: done - intended)).passed
    assert chapter02.check_quote(by_rank).passed
    assert chapter02.check_quote(by_index).passed
    assert chapter02.check_quote(by_hundredths).passed
    assert chapter02.check_quote(stub).verdict is Verdict.NOT_STARTED


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (quote_of(lambda intended, sent, done: done - sent), "late itself"),
        (quote_of(lambda intended, sent, done: done - intended, least=0), "p99 of 100"),
        (quote_of(lambda intended, sent, done: done - intended, least=11), "201 ms"),
        (lambda records, q: (q, len(records)), "p95 of 1"),
        (by_formula, "expected (0.5, 20): the value, and how many are larger, not as large"),
        (next_sample, "201 ms"),
        (lambda records, q: None, "got None"),
        (lambda records, q: (None, None), "got (None, None)"),
        (lambda records, q: ("fast", 50), "got ('fast', 50)"),
    ],
)
def test_quote_wrong(wrong: Any, words: str) -> None:
    report = chapter02.check_quote(wrong)
    assert report.verdict is Verdict.WRONG
    assert words in report.detail

import asyncio
from typing import Any

import numpy as np
import pytest

from miniserve.checks import Verdict, chapter03

Queue = asyncio.Queue[int]


async def stub(*_: Any) -> Any:
    raise NotImplementedError


async def filled(batch: list[int], queue: Queue, max_num_seqs: int, deadline: float) -> list[int]:
    """The batch with what comes up to the deadline, a moment on the loop's clock."""
    while len(batch) < max_num_seqs:
        if not queue.empty():
            batch.append(queue.get_nowait())
            continue
        try:
            async with asyncio.timeout_at(deadline):
                batch.append(await queue.get())
        except TimeoutError:
            break
    return batch


async def right(queue: Queue, max_num_seqs: int, max_wait_s: float) -> list[int]:
    batch = [await queue.get()]
    deadline = asyncio.get_running_loop().time() + max_wait_s
    return await filled(batch, queue, max_num_seqs, deadline)


async def starts_the_clock_anew(queue: Queue, max_num_seqs: int, max_wait_s: float) -> list[int]:
    batch = [await queue.get()]
    while len(batch) < max_num_seqs:
        try:
            batch.append(await asyncio.wait_for(queue.get(), max_wait_s or 0.001))
        except TimeoutError:
            break
    return batch


async def starts_the_clock_too_early(
    queue: Queue, max_num_seqs: int, max_wait_s: float
) -> list[int]:
    deadline = asyncio.get_running_loop().time() + max_wait_s
    batch = [await queue.get()]
    return await filled(batch, queue, max_num_seqs, deadline)


async def only_what_is_there(queue: Queue, max_num_seqs: int, max_wait_s: float) -> list[int]:
    batch = [await queue.get()]
    while len(batch) < max_num_seqs and not queue.empty():
        batch.append(queue.get_nowait())
    return batch


async def ignores_n(queue: Queue, max_num_seqs: int, max_wait_s: float) -> list[int]:
    return await right(queue, 10_000, min(max_wait_s, 0.2))


async def always_sleeps(queue: Queue, max_num_seqs: int, max_wait_s: float) -> list[int]:
    first = await queue.get()
    await asyncio.sleep(min(max_wait_s, 30))
    return [first, *(queue.get_nowait() for _ in range(min(queue.qsize(), max_num_seqs - 1)))]


def test_collect() -> None:
    assert chapter03.check_collect(right).passed
    assert chapter03.check_collect(stub).verdict is Verdict.NOT_STARTED


@pytest.mark.parametrize(
    "wrong",
    [
        starts_the_clock_anew,
        starts_the_clock_too_early,
        only_what_is_there,
        ignores_n,
        always_sleeps,
    ],
)
def test_collect_wrong(wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("miniserve.checks.cases.TIME_LIMIT_S", 2.0)
    assert chapter03.check_collect(wrong).verdict is Verdict.WRONG


def test_a_full_batch_that_waits_all_the_same_is_told_so() -> None:
    detail = chapter03.check_collect(always_sleeps).detail
    assert "expected [0, 1, 2], got '[0, 1, 2] after 3 s'" in detail


def test_wasted_share() -> None:
    right_share = chapter03.check_wasted_share(lambda x: 1 - sum(x) / (len(x) * max(x)))
    assert right_share.passed
    as_float32: Any = lambda x: np.float32(1 - np.mean(x) / max(x))  # noqa: E731
    assert chapter03.check_wasted_share(as_float32).passed
    used = chapter03.check_wasted_share(lambda x: sum(x) / (len(x) * max(x)))
    assert used.verdict is Verdict.WRONG

    def untouched(lengths: list[int]) -> float:
        raise NotImplementedError

    assert chapter03.check_wasted_share(untouched).verdict is Verdict.NOT_STARTED

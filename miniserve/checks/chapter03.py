"""Checks of chapter 03: collect N or wait W, and the waste of a static batch."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Any

from miniserve.checks.cases import Case, Report, check_cases, is_real

Collect = Callable[["asyncio.Queue[int]", int, float], Awaitable[list[int]]]


def check_collect(collect: Collect) -> Report:
    """Collect up to N items, for at most W seconds after the first."""

    def with_queue(
        max_num_seqs: int, max_wait_s: float, *, there: int = 0, later: int = 0, gap_s: float = 0.02
    ) -> Callable[[Collect], Awaitable[Any]]:
        """Put `there` items in at once and `later` ones every `gap_s` seconds, and collect."""

        async def run(learner: Collect) -> Any:
            queue: asyncio.Queue[int] = asyncio.Queue()
            for item in range(there):
                queue.put_nowait(item)

            async def trickle() -> None:
                for item in range(there, there + later):
                    await asyncio.sleep(gap_s)
                    queue.put_nowait(item)

            feeding = asyncio.create_task(trickle())
            try:
                return await learner(queue, max_num_seqs, max_wait_s)
            finally:
                feeding.cancel()

        return run

    def at_once(run: Callable[[Collect], Awaitable[Any]]) -> Callable[[Collect], Awaitable[Any]]:
        """The same, but an answer that is late is told so."""

        async def timed(learner: Collect) -> Any:
            start = time.monotonic()
            batch = await run(learner)
            late_s = time.monotonic() - start
            return batch if late_s < 2.0 else f"{batch} after {late_s:.0f} s"

        return timed

    return check_cases(
        "collect N, or wait W",
        collect,
        [
            Case("5 items wait, N = 3, W = 1 s", with_queue(3, 1.0, there=5), [0, 1, 2]),
            Case(
                "3 items wait, N = 3, W = 3 s (the batch is full, so it need not wait)",
                at_once(with_queue(3, 3.0, there=3)),
                [0, 1, 2],
            ),
            Case("2 items wait, N = 8, W = 50 ms", with_queue(8, 0.05, there=2), [0, 1]),
            Case("2 items wait, N = 8, W = 0", with_queue(8, 0.0, there=2), [0, 1]),
            Case(
                "the queue is empty, an item comes after 0.2 s, W = 10 ms",
                with_queue(8, 0.01, later=1, gap_s=0.2),
                [0],
            ),
            Case(
                "the queue is empty, items come after 0.3 s and 0.6 s, W = 0.5 s",
                with_queue(8, 0.5, later=2, gap_s=0.3),
                [0, 1],
            ),
            Case(
                "1 item waits, a second comes after 20 ms, N = 2, W = 5 s",
                with_queue(2, 5.0, there=1, later=1),
                [0, 1],
            ),
            Case(
                "an item every 20 ms for a second, N = 100, W = 100 ms",
                with_queue(100, 0.1, there=1, later=50),
                lambda got: (
                    isinstance(got, list) and got == list(range(len(got))) and len(got) < 25
                ),
                "the few items of the first 100 ms (W counts from the first item)",
            ),
        ],
    )


def check_wasted_share(wasted_share: Callable[[list[int]], float]) -> Report:
    """The share of a static batch's row-steps that are padding."""

    def case(lengths: list[int], expected: float) -> Case:
        return Case(
            f"lengths {lengths}",
            lambda learner: learner(lengths),
            lambda got: is_real(got) and math.isclose(got, expected, rel_tol=1e-6, abs_tol=1e-9),
            f"{expected:.4g}",
        )

    cases = [
        case([7], 0.0),
        case([5, 5, 5], 0.0),
        case([1, 9], 4 / 9),
        case([10, 20, 30, 40], 0.375),
    ]
    return check_cases("wasted share", wasted_share, cases)

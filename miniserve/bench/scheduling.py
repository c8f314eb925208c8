"""What the scheduler itself costs a step, with few and with very many requests waiting."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count

from miniserve.bench.size import Size
from miniserve.bench.tables import Cell, Spread, Table
from miniserve.scheduler import ContinuousScheduler, Request

_RUNNING = 32
_PROMPT_TOKENS = 13
_OUTPUT_TOKENS = 35  # so that about one request a step ends, and another one starts
_EOS = -1


def step_times(
    waiting: int, steps: int, *, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """Seconds of each of `steps` steps at 32 running and `waiting` waiting.

    A step is all that the scheduler does in it: `schedule`, `update`, and the arrival of one
    request for each that ended, so that the numbers stay what they are.
    """
    scheduler = ContinuousScheduler(_RUNNING, _EOS, max_num_batched_tokens=256)
    numbers = count()

    def arrive() -> None:
        number = next(numbers)
        # The first ones are of different lengths, so that they do not all end together for ever.
        length = 1 + number % _OUTPUT_TOKENS if number < _RUNNING else _OUTPUT_TOKENS
        scheduler.add_request(Request(str(number), range(_PROMPT_TOKENS), length, 0.0))

    for _ in range(_RUNNING + waiting):
        arrive()
    seconds = []
    for number in range(2 * _OUTPUT_TOKENS + steps):
        begin = clock()
        output = scheduler.schedule(0.0)
        ended = scheduler.update(output, [0] * len(output.requests), 0.0)
        for _ in ended:
            arrive()
        end = clock()
        if number >= 2 * _OUTPUT_TOKENS:  # until then, batch and mixture settle
            seconds.append(end - begin)
    return seconds


def measure(size: Size) -> list[Table]:
    """Time the scheduler with each number of requests waiting."""
    rows: list[dict[str, Cell]] = [
        {
            "running": _RUNNING,
            "waiting": waiting,
            "step_us": Spread.quartiles(step_times(waiting, size.scheduler_steps), 1e6),
        }
        for waiting in size.waiting
    ]
    about = (
        "Continuous scheduling without a model: `schedule`, `update`, and one arrival for each "
        f"request that ended; median (quartiles) of {size.scheduler_steps} steps."
    )
    return [Table("Scheduler", about, rows)]

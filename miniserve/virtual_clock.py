"""A scheduler on a virtual clock: the engine's loop without a model, a thread or a wait.

`run` is `EngineCore.step` with the model taken out: a step takes as long as a `Cost` says, and
the clock is a number that is added up. The scheduler is the same object that serves real requests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from miniserve.scheduler import SHORTEST_WAIT_S, Request, Scheduler
from miniserve.stepcost import Cost
from miniserve.trace import StepRecord, entries_of

OnRequest = Callable[[Request], None]

#: Tokens that nobody looks at; a slice of it is quicker than a list made for each step.
_TOKENS = [-1] * 4096

#: Idle turns in a row after which a run is given up.
MOST_IDLE = 1_000


@dataclass(slots=True)
class Totals:
    """What a run adds up to.

    now: the end, in virtual seconds. busy_s: time spent in steps. rows, num_tokens: computed over
    all steps, padding included.
    """

    now: float = 0.0
    steps: int = 0
    busy_s: float = 0.0
    rows: int = 0
    num_tokens: int = 0


def run(
    scheduler: Scheduler,
    arrivals: Iterable[Request],
    cost: Cost,
    *,
    max_in_flight: int | None = None,
    on_finish: OnRequest | None = None,
    on_shed: OnRequest | None = None,
    on_step: Callable[[StepRecord], None] | None = None,
) -> Totals:
    """Run requests through a scheduler until all have ended.

    A request writes exactly `max_tokens` tokens, so its output length is known from the start.
    Nothing is kept: requests are taken from `arrivals` as the clock reaches them and handed out
    when they end.

    Args:
        scheduler: its end token must not be -1, the token that every step writes here.
        arrivals: in order of `arrival_time` (seconds); only the length of a prompt matters, so
            `range(13)` will do for one of 13 tokens.
        max_in_flight: a request that would be one too many is shed, as `QueueFull` does.
        on_finish: called with each request that ended.
        on_shed: called with each request that was shed.
        on_step: called with a trace record of each step; the records are only built if it is given.

    Raises:
        RuntimeError: the scheduler leaves requests waiting, and says neither what to compute nor
            when to ask again, or says "later" a thousand times in a row while nobody comes.
    """
    totals = Totals()
    now, in_flight, idle = 0.0, 0, 0
    coming = iter(arrivals)
    following = next(coming, None)

    def take_in(until: float) -> None:
        """Add or shed what arrives up to a moment."""
        nonlocal following, in_flight, idle
        while following is not None and following.arrival_time <= until:
            if max_in_flight is None or in_flight < max_in_flight:
                scheduler.add_request(following)
                in_flight += 1
            elif on_shed is not None:
                on_shed(following)
            following = next(coming, None)
            idle = 0

    while following is not None or in_flight:
        take_in(now)
        output = scheduler.schedule(now)
        batch = len(output.requests)
        if batch == 0:
            moments = [] if output.wait_until is None else [output.wait_until]
            if following is not None:
                moments.append(following.arrival_time)
            idle += 1
            if in_flight and (not moments or idle > MOST_IDLE):
                raise RuntimeError("the scheduler computes nothing although requests wait")
            if moments:  # who asks to be called again at once does not stop the clock
                moment = min(moments)
                now = moment if moment > now else now + SHORTEST_WAIT_S
            continue
        idle = 0
        num_tokens = sum(output.num_tokens)
        duration = cost.seconds(batch, num_tokens)
        if on_step is not None:
            waiting, running = len(scheduler.waiting), in_flight - len(scheduler.waiting)
            entries = entries_of(output)
            on_step(StepRecord(totals.steps, now, duration, entries, running, waiting))
        now += duration
        take_in(now)  # who comes during a step meets all that it holds, as at a live server
        finished = scheduler.update(output, unread_tokens(batch), now)
        in_flight -= len(finished)
        totals.steps += 1
        totals.busy_s += duration
        totals.rows += batch
        totals.num_tokens += num_tokens
        if on_finish is not None:
            for request in finished:
                on_finish(request)
    totals.now = now
    return totals


def unread_tokens(count: int) -> list[int]:
    """What a step without a model writes: -1 in each of `count` rows."""
    return _TOKENS[:count] if count <= len(_TOKENS) else [-1] * count

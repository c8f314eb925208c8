"""A scheduler on a virtual clock: the engine's loop without a model, a thread or a wait.

`run` is `EngineCore.step` with the model taken out: a step takes as long as a `Cost` says, and
the clock is a number that is added up. The scheduler is the same object that serves real requests.
"""

from __future__ import annotations

import math
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


class Arrivals:
    """Requests in order of arrival. `moment`: when the next comes, infinite if nobody does."""

    def __init__(self, requests: Iterable[Request]) -> None:
        self._requests = iter(requests)
        self._advance()

    def _advance(self) -> None:
        self._next = next(self._requests, None)
        self.moment = math.inf if self._next is None else self._next.arrival_time

    def take(self) -> Request:
        """Take out the one that comes at `moment`. Raises LookupError if nobody does."""
        if (request := self._next) is None:
            raise LookupError("nobody comes any more")
        self._advance()
        return request


class Stalled(RuntimeError):
    """A scheduler leaves requests waiting, and no moment comes at which it would go on."""

    def __init__(self) -> None:
        super().__init__("a scheduler computes nothing although requests wait")


class Patience:
    """How long a scheduler is asked again that leaves requests waiting and computes nothing."""

    def __init__(self) -> None:
        self._turns = 0

    def renew(self) -> None:
        """Start anew: a step was computed, or somebody came."""
        self._turns = 0

    def ask_again(self, now: float, moment: float) -> float:
        """Return when to ask the next time: at `moment`, but never at once, or the clock stops.

        Raises Stalled if that would be never, or `MOST_IDLE` turns came to nothing.
        """
        self._turns += 1
        if moment == math.inf or self._turns > MOST_IDLE:
            raise Stalled
        return moment if moment > now else now + SHORTEST_WAIT_S


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
        Stalled: the scheduler leaves requests waiting, and says neither what to compute nor
            when to ask again, or says "later" a thousand times in a row while nobody comes.
    """
    totals = Totals()
    coming = Arrivals(arrivals)
    patience = Patience()
    now, in_flight = 0.0, 0

    def take_in(until: float) -> None:
        """Add or shed who comes up to a moment."""
        nonlocal in_flight
        while coming.moment <= until:
            request = coming.take()
            patience.renew()
            if max_in_flight is None or in_flight < max_in_flight:
                scheduler.add_request(request)
                in_flight += 1
            elif on_shed is not None:
                on_shed(request)

    while in_flight or coming.moment < math.inf:
        if not in_flight:
            now = max(now, coming.moment)
        take_in(now)
        if not in_flight:
            continue  # all of them were shed
        output = scheduler.schedule(now)
        batch = len(output.requests)
        if batch == 0:
            later = math.inf if output.wait_until is None else output.wait_until
            now = patience.ask_again(now, min(later, coming.moment))
            continue
        patience.renew()
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

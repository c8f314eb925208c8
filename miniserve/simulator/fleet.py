"""Many replicas on one virtual clock, with a router in front.

Each replica has a scheduler of its own, the same class that runs in the live engine. One heap holds
what happens next anywhere: a step that ends, or a static batch that has waited long enough.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from miniserve.scheduler import Request, Scheduler, SchedulerOutput
from miniserve.simulator.samples import Samples
from miniserve.stepcost import StepCost
from miniserve.virtual_clock import Arrivals, Patience, Stalled, unread_tokens

Router = Callable[[Sequence[int]], int]
"""Chooses a replica, given the number of requests in flight at each."""


def random_router(seed: int) -> Router:
    """Return a router that looks at nothing: each replica is as likely as any other."""
    draw = _integers(seed)
    return lambda in_flight: draw(len(in_flight))


def shortest_queue_router(seed: int) -> Router:
    """Return a router to the replica with the fewest requests in flight (JSQ); ties by chance."""
    draw = _integers(seed)

    def route(in_flight: Sequence[int]) -> int:
        fewest = min(in_flight)
        if (ties := in_flight.count(fewest)) == 1:
            return in_flight.index(fewest)
        candidates = [i for i, number in enumerate(in_flight) if number == fewest]
        return candidates[draw(ties)]

    return route


def two_choices_router(seed: int) -> Router:
    """Return a router that draws two replicas by chance and takes the one with fewer in flight.

    Two looks do most of what a look at everybody does. Source: M. Mitzenmacher, "The Power of Two
    Choices in Randomized Load Balancing" (IEEE TPDS, 2001).
    """
    draw = _integers(seed)

    def route(in_flight: Sequence[int]) -> int:
        n = len(in_flight)
        one = draw(n)
        other = (one + 1 + draw(n - 1)) % n if n > 1 else one
        return one if in_flight[one] <= in_flight[other] else other

    return route


def _integers(seed: int) -> Callable[[int], int]:
    """Return a quick draw from 0 … n−1, for n up to a few thousand."""
    rng = np.random.default_rng([seed, 2])
    block: list[int] = []

    def draw(n: int) -> int:
        if not block:
            block.extend(rng.integers(1 << 62, size=4096).tolist())
        return block.pop() % n

    return draw


@dataclass(slots=True)
class _Replica:
    scheduler: Scheduler
    step: SchedulerOutput | None = None  # the step that runs now, and when it ends
    ends: float = math.inf
    alarm: float = math.inf  # when an idle scheduler is to be asked again
    patience: Patience = field(default_factory=Patience)
    busy_s: float = 0.0


@dataclass(frozen=True)
class FleetResult:
    """What came of a fleet's run: samples over all requests, and how busy each replica was."""

    samples: Samples
    duration_s: float
    busy: list[float] = field(repr=False)
    """Share of the time that each replica was computing."""


def run_fleet(
    schedulers: Sequence[Scheduler],
    requests: Iterable[Request],
    cost: StepCost,
    route: Router,
) -> FleetResult:
    """Send requests (in order of arrival) through the router until all have ended.

    A request that arrives at the very moment at which a step ends is there before the next is
    scheduled. Memory: what is in flight, and two numbers a request.

    Args:
        schedulers: one for each replica; their end token must not be -1, the token that every step
            writes here.
        requests: as for `virtual_clock.run`.
        cost: seconds of a step, on every replica.
        route: chooses the replica of each request.

    Raises:
        Stalled: a scheduler leaves requests waiting, and says neither what to compute nor when
            to ask again, or says "later" a thousand times in a row while nobody comes to it.
    """
    replicas = [_Replica(scheduler) for scheduler in schedulers]
    in_flight = [0] * len(replicas)
    events: list[tuple[float, int]] = []  # moment, replica; out-of-date alarms are skipped
    samples = Samples()
    now = 0.0
    coming = Arrivals(requests)
    while events or coming.moment < math.inf:
        if not events or coming.moment <= events[0][0]:
            now = coming.moment
            i = route(in_flight)
            in_flight[i] += 1
            replicas[i].patience.renew()
            replicas[i].scheduler.add_request(coming.take())
            if replicas[i].step is None:
                # Not at once: whoever else comes at this moment is to be in the same step.
                _set_alarm(replicas[i], i, now, events)
            continue
        moment, i = heapq.heappop(events)
        replica = replicas[i]
        if replica.step is not None and replica.ends <= moment:
            now = moment
            tokens = unread_tokens(len(replica.step.requests))
            for request in replica.scheduler.update(replica.step, tokens, now):
                in_flight[i] -= 1
                samples.add(request)
            replica.step = None
            _start(replica, i, now, cost, events)
        elif replica.step is None and replica.alarm <= moment:
            now = moment
            _start(replica, i, now, cost, events)
    if any(in_flight):
        raise Stalled
    return FleetResult(samples, now, [replica.busy_s / now if now else 0.0 for replica in replicas])


def _start(
    replica: _Replica, i: int, now: float, cost: StepCost, events: list[tuple[float, int]]
) -> None:
    """Start a replica's next step, if it has anything to do."""
    output = replica.scheduler.schedule(now)
    replica.alarm = math.inf
    if output.requests:
        replica.patience.renew()
        took = cost.seconds(len(output.requests), sum(output.num_tokens))
        replica.step, replica.ends = output, now + took
        replica.busy_s += took
        heapq.heappush(events, (replica.ends, i))
    elif output.wait_until is not None and replica.scheduler.requests:
        _set_alarm(replica, i, replica.patience.ask_again(now, output.wait_until), events)


def _set_alarm(replica: _Replica, i: int, moment: float, events: list[tuple[float, int]]) -> None:
    replica.alarm = moment
    heapq.heappush(events, (moment, i))

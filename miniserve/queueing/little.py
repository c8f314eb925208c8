"""Little's law, measured: L = λW, with both ends of the window accounted for.

The law needs no assumption about arrivals, service or order: it is bookkeeping. On a finite window
it holds to the last digit only if the window starts and ends empty. Otherwise two corrections
belong to it, and they are measured as well:

    L = λ·W + (carried in − carried out) / window

carried in: time spent inside the window by requests that came before it; carried out: time that
requests which came inside spent after its end (it is in their W, but not in L). Both grow with the
number of requests at an edge, not with the window, so they fade as the window grows.

Source: J. D. C. Little, "A Proof for the Queuing Formula: L = λW" (Operations Research, 1961); the
form for finite windows is in his "Little's Law as Viewed on Its 50th Anniversary" (Operations
Research, 2011).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from miniserve.latency import LatencyRecord
from miniserve.trace import StepRecord

Interval = tuple[float, float]
"""Arrival and departure in seconds on one clock; a departure of `math.inf` is still to come."""


@dataclass(frozen=True, slots=True)
class Little:
    """L, λ and W of one window, each measured on its own. Seconds and requests per second."""

    start: float
    end: float
    arrivals: int
    """Requests that came inside the window."""
    L: float
    """Mean number inside: N(t) integrated over the window, divided by its length."""
    rate: float
    """λ: arrivals ÷ length of the window."""
    W: float
    """Mean time from arrival to departure of those arrivals, to its end even beyond the window; NaN
    without arrivals. A request that has not departed yet counts up to the end of the window."""
    carried_in_s: float
    carried_out_s: float
    unfinished: int
    """Arrivals whose departure is still to come: with any, W is too small."""

    @property
    def product(self) -> float:
        """λ·W, to be held against L."""
        return self.rate * self.W if self.arrivals else 0.0

    @property
    def correction(self) -> float:
        """What the two ends of the window add to λ·W: (carried in − carried out) / window."""
        return (self.carried_in_s - self.carried_out_s) / (self.end - self.start)


def littles_law(
    intervals: Iterable[Interval], start: float | None = None, end: float | None = None
) -> Little:
    """Measure L, λ and W over the window from `start` to `end`.

    By default the window runs from the first arrival to the last departure, so that it starts and
    ends empty. An arrival at `end` lies outside. Raises ValueError for a departure before its
    arrival, for an empty window, and if a departure is infinite but no `end` is given.
    """
    data = sorted(intervals)
    if any(departed < arrived for arrived, departed in data):
        raise ValueError("a departure cannot come before its arrival")
    if not data and (start is None or end is None):
        raise ValueError("without requests there is no window: give start and end")
    start = data[0][0] if start is None else start
    end = max(departed for _, departed in data) if end is None else end
    if not (math.isfinite(start) and math.isfinite(end) and start < end):
        raise ValueError(f"the window from {start} to {end} is not one; give start and end")
    inside = [(a, d) for a, d in data if start <= a < end]
    sojourns = [(end if math.isinf(d) else d) - a for a, d in inside]
    return Little(
        start=start,
        end=end,
        arrivals=len(inside),
        L=_integral(data, start, end) / (end - start),
        rate=len(inside) / (end - start),
        W=math.fsum(sojourns) / len(inside) if inside else math.nan,
        carried_in_s=math.fsum(min(d, end) - start for a, d in data if a < start < d),
        carried_out_s=math.fsum(d - end for _, d in inside if end < d < math.inf),
        unfinished=sum(math.isinf(d) for _, d in inside),
    )


def _integral(intervals: list[Interval], start: float, end: float) -> float:
    """Integrate N(t), the number inside, from `start` to `end`: a step function, swept in time."""
    changes = [(max(a, start), 1) for a, d in intervals if a < end and d > start]
    changes += [(min(d, end), -1) for a, d in intervals if a < end and d > start]
    changes.sort()
    area, number, before = [], 0, start
    for moment, change in changes:
        area.append(number * (moment - before))
        number, before = number + change, moment
    return math.fsum(area)


def intervals_of(records: Iterable[LatencyRecord]) -> list[Interval]:
    """Return when each request went to the server and when its answer was whole: sent to done.

    Refused requests are in it, with their short stay. A request without an end (dropped, timed out)
    is left out: nobody knows when the server let go of it.
    """
    return [(record.sent, record.done) for record in records if record.done is not None]


def running_intervals(trace: Iterable[StepRecord]) -> list[Interval]:
    """Return how long each request held a slot, from the engine's own trace.

    From the start of its first step to the end of its last, rows of padding included: a slot that
    computes padding is not free. The first and last requests of a trace may be cut off.
    """
    first: dict[str, float] = {}
    last: dict[str, float] = {}
    for record in trace:
        for entry in record.entries:
            first.setdefault(entry.request_id, record.start)
            last[entry.request_id] = record.start + record.duration
    return [(first[request_id], last[request_id]) for request_id in first]

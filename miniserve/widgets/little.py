"""Little's law on a running load: L measured beside λ·W, in one line of HTML. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from miniserve.latency import LatencyRecord
from miniserve.queueing.little import Little, intervals_of, littles_law
from miniserve.widgets.curves import ms

SHORTEST_S = 2.0
"""A shorter window is all edges."""


def measure(
    records: Sequence[LatencyRecord], now: float, everybody: Sequence[LatencyRecord] = ()
) -> Little | None:
    """Measure L, λ and W since the first request of a setting; None while there is little to see.

    Those `records` are of the setting; `everybody` holds the run's other requests too, because who
    came before may still be inside.

    The window ends before `now` (seconds, on the records' clock) by the longest stay that was
    seen, so that nearly every request sent inside it has its record by then.
    """
    intervals = intervals_of(records)
    if not intervals:
        return None
    start = min(sent for sent, _ in intervals)
    end = now - max(done - sent for sent, done in intervals)
    if end - start < SHORTEST_S:
        return None
    return littles_law(intervals_of(everybody) or intervals, start, end)


def little_line(little: Little | None) -> str:
    """Say in one line what was measured."""
    if little is None:
        return "<span class='miniserve-note'>L, λ and W: a few seconds of load are needed.</span>"
    sign = "+" if little.correction >= 0 else "−"
    edges = f", {sign}{abs(little.correction):.2f} for who was inside at its ends"
    if abs(little.correction) < 0.05 * little.L:
        edges = ""
    return (
        f"Measured <b>L = {little.L:.2f}</b> in flight. "
        f"<b>λ·W</b> = {little.rate:.1f}/s × {ms(little.W)} = <b>{little.product:.2f}</b>{edges} "
        f"<span class='miniserve-note'>(window {little.end - little.start:.0f} s, "
        f"{little.arrivals} requests, those refused included)</span>"
    )

"""Strips: numbers over the last seconds, each in a low plot of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from miniserve.palette import TEXT, translucent
from miniserve.widgets.figures import Spec, axis, heading

STRIP_S = 20.0
"""Seconds that the strips look back."""

Series = Sequence[tuple[float, float]]
"""Pairs of (seconds ago, value)."""


class Samples:
    """What was in flight and what waited of late."""

    def __init__(self) -> None:
        self._kept: deque[tuple[float, float, float]] = deque()

    def add(self, now: float, in_flight: float, waiting: float) -> None:
        """Keep what is so at `now`, in seconds on any clock, and forget what is too old."""
        self._kept.append((now, in_flight, waiting))
        while now - self._kept[0][0] > STRIP_S:
            self._kept.popleft()

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()

    @property
    def in_flight(self) -> Series:
        """Requests in flight, up to the newest sample."""
        return [(self._kept[-1][0] - at, value) for at, value, _ in self._kept]

    @property
    def waiting(self) -> Series:
        """Requests that waited, up to the newest sample."""
        return [(self._kept[-1][0] - at, value) for at, _, value in self._kept]


@dataclass(frozen=True)
class Strip:
    """A number over time, in a low plot of its own."""

    label: str
    times_s: Sequence[float]
    values: Sequence[float]
    colour: str = TEXT


def strip_trace(strip: Strip, number: int) -> Spec:
    """Return the trace of a strip on the axes `x{number}`, `y{number}`."""
    return {
        "type": "scatter",
        "mode": "lines",
        "name": strip.label,
        "x": list(strip.times_s),
        "y": list(strip.values),
        "line": {"color": strip.colour, "width": 1.5, "shape": "hv"},
        "fill": "tozeroy",
        "fillcolor": translucent(strip.colour, 0.2),
        "xaxis": f"x{number}",
        "yaxis": f"y{number}",
        "hovertemplate": f"{strip.label}: %{{y:.0f}}<extra></extra>",
    }


def strips_layout(strips: Sequence[str], left: float, seconds: float) -> Spec:
    """Return axes for strips, one above the other, right of `left` (a share of the width).

    The first strip is on top, on the axes `x2` and `y2`. Time runs from `-seconds` to 0: now.
    """
    layout: Spec = {"annotations": []}
    gap, count = 0.14, len(strips)
    tall = (1.0 - gap * (count - 1)) / max(count, 1)
    for index, label in enumerate(strips):
        number, top = index + 2, 1.0 - index * (tall + gap)
        last = index == count - 1
        layout[f"xaxis{number}"] = axis(
            "seconds ago" if last else "",
            domain=[left, 1.0],
            anchor=f"y{number}",
            range=[-seconds, 0],
            showticklabels=last,
            tickvals=[-seconds, -seconds / 2, 0],
            ticktext=[f"{seconds:g}", f"{seconds / 2:g}", "now"],
        )
        layout[f"yaxis{number}"] = axis(
            domain=[max(top - tall, 0.0), top], anchor=f"x{number}", range=[0, 5], nticks=3
        )
        layout["annotations"].append(heading(label, left, top, size=12))
    return layout

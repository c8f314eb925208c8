"""What a race shows, drawn from plain data: how many each mode has answered, and how late."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import ipywidgets
import numpy as np

from miniserve.latency import LatencyRecord
from miniserve.palette import lighter, mode_colour
from miniserve.widgets.canvas import Canvas
from miniserve.widgets.curves import Curve, curve_table
from miniserve.widgets.figures import (
    Spec,
    axis,
    base_layout,
    cdf_traces,
    latency_axis,
    share_axis,
)


@dataclass(frozen=True)
class Lane:
    """One mode at one moment of a race: what has ended, what is under way, what it will get."""

    mode: str
    records: Sequence[LatencyRecord]
    in_flight: int
    total: int

    @cached_property
    def curve(self) -> Curve:
        """Latencies so far, as a share of all requests of the race: it grows to its full height."""
        took = [record.latency for record in self.records if record.ok]
        return Curve(self.mode, took, mode=self.mode, offered=self.total)

    @property
    def lost(self) -> int:
        """Requests that were refused or failed."""
        return sum(not record.ok for record in self.records)


def lanes_at(
    runs: Mapping[str, Sequence[LatencyRecord]], moment: float, totals: Mapping[str, int]
) -> list[Lane]:
    """Return what each mode had done at `moment`, in seconds since its run began."""
    lanes = []
    for mode, records in runs.items():
        ended = [record for record in records if _end(record) <= moment]
        sent = sum(record.intended <= moment for record in records)
        lanes.append(Lane(mode, ended, sent - len(ended), totals[mode]))
    return lanes


def finish_of(runs: Mapping[str, Sequence[LatencyRecord]]) -> float:
    """Return when the last request of all runs ended, in seconds since the runs began."""
    return max((_end(record) for records in runs.values() for record in records), default=1.0)


def _end(record: LatencyRecord) -> float:
    return record.sent if record.done is None else record.done


def lane_traces(lanes: Sequence[Lane]) -> list[Spec]:
    """Return the bars: what was answered, what was lost, and, lighter, what is under way."""
    colours = [mode_colour(lane.mode) for lane in lanes]
    names = [lane.mode for lane in lanes]
    answered = [lane.curve.n for lane in lanes]
    common: Spec = {
        "type": "bar",
        "orientation": "h",
        "y": names,
        "width": 0.5,
        "xaxis": "x2",
        "yaxis": "y2",
        "hovertemplate": "%{y}: %{x} %{fullData.name}<extra></extra>",
    }
    return [
        {**common, "name": "answered", "x": answered, "marker": {"color": colours}},
        {
            **common,
            "name": "lost",
            "x": [lane.lost for lane in lanes],
            "marker": {
                "color": colours,
                "pattern": {"shape": ["x"] * len(lanes), "fgcolor": colours, "size": 5},
            },
        },
        {
            **common,
            "name": "in flight",
            "x": [lane.in_flight for lane in lanes],
            "marker": {"color": [lighter(colour) for colour in colours]},
        },
    ]


class RaceView:
    """The figure and the table of a race.

    Args:
        modes: from the top.
        total: requests that each mode gets.
        range_ms: what the latency axis spans, in milliseconds.
    """

    def __init__(self, modes: Sequence[str], total: int, range_ms: tuple[float, float]) -> None:
        self._modes = list(modes)
        self._range_ms = range_ms
        empty = [Lane(mode, [], 0, total) for mode in modes]
        places: list[Spec] = [{"type": "scatter", "x": [], "y": []}] * (2 * len(empty))
        self._canvas = Canvas(self._layout(total), places + lane_traces(empty))
        self._table = ipywidgets.HTML(layout=ipywidgets.Layout(width="100%"))
        self.parts = [self._canvas.widget, self._table]

    def draw(self, lanes: Sequence[Lane]) -> None:
        """Show what each mode has done so far."""
        traces: dict[int, Spec] = {}
        for index, lane in enumerate(lanes):
            line, marks = cdf_traces(lane.curve, range_ms=self._range_ms)
            traces[2 * index] = line
            if len(lane.records) >= lane.total:
                traces[2 * index + 1] = marks
        for number, bars in enumerate(lane_traces(lanes)):
            traces[2 * len(lanes) + number] = bars
        total = max(max((lane.total for lane in lanes), default=1), 1)
        self._canvas.draw(traces, {"xaxis2": {"range": [0, total * 1.02]}})
        self._table.value = curve_table([lane.curve for lane in lanes])

    def _layout(self, total: int) -> Spec:
        return base_layout(
            max(300, 120 + 55 * len(self._modes)),
            barmode="stack",
            xaxis=latency_axis(self._range_ms, domain=[0.44, 1.0], anchor="y"),
            yaxis=share_axis(anchor="x"),
            xaxis2=axis("requests answered", domain=[0, 0.31], anchor="y2", range=[0, total]),
            yaxis2=axis(
                anchor="x2",
                categoryorder="array",
                categoryarray=self._modes[::-1],
                range=[-0.5, len(self._modes) - 0.5],
                showgrid=False,
                ticks="",
            ),
            margin={"l": 84, "r": 18, "t": 14, "b": 44},
        )


def spread_ms(runs: Mapping[str, Sequence[LatencyRecord]]) -> tuple[float, float]:
    """Return a latency range that holds all runs, rounded to 1 or 3 times a power of ten."""
    took = [r.latency * 1e3 for records in runs.values() for r in records if r.ok]
    if not took:
        return 3.0, 10_000.0
    steps = [mantissa * 10.0**power for power in range(-1, 6) for mantissa in (1, 3)]
    low = max((step for step in steps if step <= np.min(took)), default=steps[0])
    high = min((step for step in steps if step >= np.max(took)), default=steps[-1])
    return low, max(high, low * 10)

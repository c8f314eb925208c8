"""Plain plots of numbers against numbers: theory curves, measured points, sweeps. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import plotly.graph_objects as go

from miniserve.latency import Floats
from miniserve.palette import LINE_COLOURS, MODE_COLOURS
from miniserve.widgets.figures import Spec, axis, base_layout, figure

Style = Literal["theory", "measured", "points", "line"]

CROWDED = 100
"""With more points than this, marks are small and have no rim: rims would hide their neighbours."""


@dataclass(frozen=True)
class Line:
    """A line or a set of points in a plain plot.

    Args:
        label: its name in the legend.
        x, y: the data; NaN leaves a gap.
        style: `theory` is a thin dashed line, `measured` a line with markers, `points` markers
            alone, `line` a solid line.
        mode: a serving mode, for its colour.
        colour: in place of the mode's; without both, lines take colours in turn.
        low, high: ends of a bar of uncertainty at each point.
    """

    label: str
    x: Sequence[float] | Floats
    y: Sequence[float] | Floats
    style: Style = "line"
    mode: str = ""
    colour: str = ""
    low: Sequence[float] | Floats | None = None
    high: Sequence[float] | Floats | None = None


def line_trace(line: Line, colour: str) -> Spec:
    """Return the trace of a line."""
    shapes: dict[Style, Spec] = {
        "theory": {"mode": "lines", "line": {"color": colour, "width": 2, "dash": "dash"}},
        "measured": {"mode": "lines+markers", "line": {"color": colour, "width": 2}},
        "points": {"mode": "markers"},
        "line": {"mode": "lines", "line": {"color": colour, "width": 2.5}},
    }
    spec: Spec = {
        "type": "scatter",
        "name": line.label,
        "x": np.asarray(line.x, dtype=np.float64),
        "y": np.asarray(line.y, dtype=np.float64),
        "marker": (
            {"color": colour, "size": 5}
            if len(line.x) > CROWDED
            else {"color": colour, "size": 9, "line": {"width": 1, "color": "white"}}
        ),
        "hovertemplate": f"{line.label}<br>%{{x:.4g}}: %{{y:.4g}}<extra></extra>",
        **shapes[line.style],
    }
    if line.low is not None and line.high is not None:
        spec["error_y"] = {
            "type": "data",
            "symmetric": False,
            "array": np.asarray(line.high) - spec["y"],
            "arrayminus": spec["y"] - np.asarray(line.low),
            "color": colour,
            "thickness": 1.5,
            "width": 4,
        }
    return spec


def line_colours(lines: Sequence[Line]) -> list[str]:
    """Return a colour for each line: its own, its mode's, or the next that is no mode's."""
    turn = itertools.cycle(LINE_COLOURS)
    return [line.colour or MODE_COLOURS.get(line.mode) or next(turn) for line in lines]


def lines_figure(
    lines: Sequence[Line],
    *,
    x_title: str,
    y_title: str,
    y_range: tuple[float, float] | None = None,
    log_y: bool = False,
) -> go.Figure:
    """Return a plot of several lines with a legend above it. Titles must name the units."""
    y_axis = axis(y_title, rangemode="tozero")
    if log_y:
        y_axis |= {"type": "log", "dtick": 1}
    if y_range is not None:
        y_axis["range"] = list(np.log10(y_range) if log_y else y_range)
    layout = base_layout(
        360,
        xaxis=axis(x_title),
        yaxis=y_axis,
        showlegend=True,
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
    )
    colours = line_colours(lines)
    return figure([line_trace(*pair) for pair in zip(lines, colours, strict=True)], layout)

"""Latency curves as Plotly figures: data in, figure out. No widget, no clock, no server.

A figure is a layout and a list of *traces* as plain dictionaries. Both a still figure and a live
panel are drawn from the same dictionaries: `figure` makes the one, `miniserve.widgets.canvas` keeps
the other up to date. Backgrounds are transparent; units stand on the axes.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import plotly.graph_objects as go

from miniserve.palette import (
    CLEAR,
    GRID,
    ROLE_LOOKS,
    SHARE_TICKS,
    TEXT,
    dash_of,
    latency_ticks,
)
from miniserve.widgets.curves import QUANTILES, Curve, in_words

Spec: TypeAlias = dict[str, Any]

LATENCY_RANGE_MS = (3.0, 10_000.0)
"""What a live latency axis spans. It does not follow the data: a moving axis cannot be read."""


def base_layout(height: int, **more: Any) -> Spec:
    """Return the layout that all figures share; `height` in pixels, the width is the page's."""
    return {
        "template": "none",
        "height": height,
        "autosize": True,
        "paper_bgcolor": CLEAR,
        "plot_bgcolor": CLEAR,
        "font": {"color": TEXT, "size": 12, "family": "system-ui, sans-serif"},
        "margin": {"l": 64, "r": 18, "t": 12, "b": 44},
        "showlegend": False,
        "hoverlabel": {"font": {"size": 12}, "align": "left"},
        **more,
    }


def axis(title: str = "", **more: Any) -> Spec:
    """Return an axis that reads on light and dark pages."""
    return {
        "title": {"text": title, "standoff": 8, "font": {"size": 12}},
        "gridcolor": GRID,
        "linecolor": TEXT,
        "zeroline": False,
        "showline": True,
        "ticks": "outside",
        "tickcolor": TEXT,
        "ticklen": 4,
        "fixedrange": True,
        **more,
    }


def heading(text: str, x: float, y: float, size: int) -> Spec:
    """Return an annotation that stands above the point (x, y) of the paper and begins there."""
    return {
        "text": text,
        "x": x,
        "y": y,
        "xref": "paper",
        "yref": "paper",
        "xanchor": "left",
        "yanchor": "bottom",
        "showarrow": False,
        "font": {"size": size, "color": TEXT},
    }


def latency_axis(range_ms: tuple[float, float] = LATENCY_RANGE_MS, **more: Any) -> Spec:
    """Return a logarithmic axis of latencies, in milliseconds."""
    low, high = range_ms
    ticks = latency_ticks(range_ms)
    return axis(
        "latency (logarithmic)",
        type="log",
        range=[math.log10(low), math.log10(high)],
        tickvals=list(ticks),
        ticktext=list(ticks.values()),
        **more,
    )


def share_axis(**more: Any) -> Spec:
    """Return the vertical axis of a CDF, with room above 1 for the mark of the p99."""
    return axis(
        "share of requests",
        range=[0, 1.09],
        tickvals=list(SHARE_TICKS),
        ticktext=list(SHARE_TICKS.values()),
        **more,
    )


_SYMBOLS = ("circle", "diamond", "square")
_PLACES = ("bottom right", "bottom right", "top left")
_CROWDED = 0.2  # of all requests between p50 and p99: less, and the marks' labels would overlap


@functools.lru_cache(maxsize=32)
def cdf_traces(
    curve: Curve,
    *,
    range_ms: tuple[float, float] = LATENCY_RANGE_MS,
    labelled: bool = False,
) -> list[Spec]:
    """Return the two traces of a curve: its line, and marks at p50, p95 and p99.

    A curve never changes, so the same one has the same traces in every frame: do not alter them.

    Args:
        curve: what to draw; without samples both traces are empty.
        range_ms: what the axis spans, so that a label near its end is cut short.
        labelled: whether the marks say their values.
    """
    x, share = curve.points()
    name = f"{curve.badge} {curve.label}".strip()
    steps: Spec = {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": x,
        "y": share,
        "line": {
            "shape": "hv",
            "color": curve.drawn_colour,
            "width": ROLE_LOOKS[curve.role].width,
            "dash": dash_of(curve.role, curve.mode),
        },
        "hovertemplate": f"{name}<br>%{{y:.1%}} within %{{x:.0f}} ms<extra></extra>",
    }
    return [steps, {**_marks(curve, range_ms, labelled), "name": name}]


def _marks(curve: Curve, range_ms: tuple[float, float], labelled: bool) -> Spec:
    found = [curve.percentile(q) for q in QUANTILES] if curve.n else []
    if curve.role in ("before", "preview") and not labelled:
        found = []
    low, high = (math.log10(limit) for limit in range_ms)
    texts = []
    for q, percentile in zip(QUANTILES, found, strict=False):
        value_ms = percentile.value * 1e3
        near_the_end = (math.log10(max(value_ms, 1e-3)) - low) / (high - low) > 0.8
        texts.append(f"p{q * 100:.0f}" + ("" if near_the_end else f" {in_words(percentile)}"))
    shares = [curve.share_at(q) for q in QUANTILES][: len(found)]
    places = list(_PLACES)
    if shares and shares[-1] - shares[0] < _CROWDED:  # most were refused: there is room for one
        texts = ["", texts[1], ""]
    if not labelled:
        # At the top, where the curves of a panel lie apart; at p50 the live curve would cover it.
        texts, places = ["", "", curve.badge][: len(found)], ["top right"] * 3
    return {
        "type": "scatter",
        "mode": "markers+text",
        "x": [percentile.value * 1e3 for percentile in found],
        "y": shares,
        "text": texts,
        "textposition": places[: len(found)],
        "textfont": {"size": 12, "color": TEXT},
        "cliponaxis": False,
        "marker": {
            "symbol": list(_SYMBOLS)[: len(found)],
            "size": 9 if labelled or curve.role == "saved" else 7,
            "color": curve.drawn_colour,
            "line": {"width": 1, "color": "white"},
        },
        "hovertemplate": "%{fullData.name}<br>%{x:.1f} ms<extra></extra>",
    }


def nice_ceiling(value: float) -> float:
    """Return the next of 1, 2, 5, 10, 20, 50, … that is not below `value` (at least 5)."""
    value = max(value, 5.0)
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value * 0.999)


def figure(traces: Sequence[Spec], layout: Spec) -> go.Figure:
    """Put traces and a layout together."""
    return go.Figure(data=list(traces), layout=layout)


def cdf_figure(
    curves: Sequence[Curve],
    *,
    range_ms: tuple[float, float] = LATENCY_RANGE_MS,
) -> go.Figure:
    """Return the latency CDFs of several runs, with marks at p50, p95 and p99."""
    traces = [trace for curve in curves for trace in cdf_traces(curve, range_ms=range_ms)]
    layout = base_layout(340, xaxis=latency_axis(range_ms), yaxis=share_axis())
    return figure(traces, layout)

"""The same figures as stills, drawn with matplotlib: what a reader without a kernel sees. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from miniserve.palette import (
    MATPLOTLIB_DASHES,
    ROLE_LOOKS,
    SHARE_TICKS,
    TEXT,
    dash_of,
    latency_ticks,
)
from miniserve.widgets.curves import QUANTILES, Curve, in_words
from miniserve.widgets.figures import LATENCY_RANGE_MS
from miniserve.widgets.lines import CROWDED, Line, line_colours


def blank(width: float = 8.0, height: float = 3.4, **grid: Any) -> tuple[Figure, Any]:
    """Return a transparent figure (inches) and its axes, in a grey for light and dark pages."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_alpha(0.0)
    axes = figure.subplots(**grid)
    for one in axes.flat if hasattr(axes, "flat") else [axes]:
        dress(one)
    return figure, axes


def dress(axes: Any) -> None:
    """Give axes the panels' look."""
    axes.patch.set_alpha(0.0)
    axes.tick_params(colors=TEXT, labelsize=9)
    axes.xaxis.label.set_color(TEXT)
    axes.yaxis.label.set_color(TEXT)
    axes.grid(color=TEXT, alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_color(TEXT)
        spine.set_visible(side in ("left", "bottom"))


def legend(axes: Any, below: float, columns: int) -> None:
    """Put the legend under the plot, where it covers nothing."""
    made = axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, below),
        ncols=columns,
        frameon=False,
        fontsize=9,
        labelcolor=TEXT,
    )
    made.set_in_layout(True)


def cdf_still(
    curves: Sequence[Curve], *, range_ms: tuple[float, float] = LATENCY_RANGE_MS
) -> Figure:
    """Return latency CDFs with marks at p50, p95 and p99; the legend gives p50 and p95."""
    figure, axes = blank()
    draw_cdfs(axes, curves, range_ms)
    legend(axes, -0.2, 2)
    return figure


def draw_cdfs(axes: Any, curves: Sequence[Curve], range_ms: tuple[float, float]) -> None:
    """Draw latency CDFs into axes."""
    for curve in curves:
        x, share = curve.points()
        middle, tail = (in_words(curve.percentile(q)) for q in (0.5, 0.95))
        label = f"{curve.badge} {curve.label}".strip() + f"  (p50 {middle}, p95 {tail})"
        axes.step(
            x,
            share,
            where="post",
            color=curve.drawn_colour,
            linestyle=MATPLOTLIB_DASHES[dash_of(curve.role, curve.mode)],
            linewidth=ROLE_LOOKS[curve.role].still_width,
            label=label,
        )
        if curve.role == "before" or not curve.n:
            continue
        for q, marker in zip(QUANTILES, "oDs", strict=True):
            axes.plot(
                curve.percentile(q).value * 1e3,
                curve.share_at(q),
                marker,
                color=curve.drawn_colour,
                markeredgecolor="white",
                markeredgewidth=0.8,
                markersize=6,
            )
    axes.set_xscale("log")
    axes.set_xlim(*range_ms)
    ticks = latency_ticks(range_ms)
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.minorticks_off()
    axes.set_ylim(0, 1.05)
    axes.set_yticks(list(SHARE_TICKS), list(SHARE_TICKS.values()))
    axes.set_xlabel("latency (logarithmic)", fontsize=9)
    axes.set_ylabel("share of requests", fontsize=9)


def lines_still(
    lines: Sequence[Line],
    *,
    x_title: str,
    y_title: str,
    y_range: tuple[float, float] | None = None,
    log_y: bool = False,
) -> Figure:
    """Return a plot of several lines; see `lines.lines_figure`."""
    figure, axes = blank()
    styles = {"theory": "--", "measured": "o-", "points": "o", "line": "-"}
    for line, colour in zip(lines, line_colours(lines), strict=True):
        axes.plot(
            line.x,
            line.y,
            styles[line.style],
            color=colour,
            label=line.label,
            linewidth=2,
            markersize=3 if len(line.x) > CROWDED else 6,
        )
        if line.low is not None and line.high is not None:
            axes.vlines(line.x, line.low, line.high, color=colour, linewidth=1.5)
    if log_y:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
    axes.set_ylim(y_range)
    if y_range is None and not log_y:
        axes.set_ylim(bottom=min(0.0, axes.dataLim.ymin))
    axes.set_xlabel(x_title, fontsize=9)
    axes.set_ylabel(y_title, fontsize=9)
    legend(axes, -0.2, 3)
    return figure

"""Figures that only show: drawn by Plotly beside a kernel, as a PNG without one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import ipywidgets
import plotly.graph_objects as go
from matplotlib.figure import Figure

from miniserve.trace import StepRecord
from miniserve.widgets import stills, timeline_still
from miniserve.widgets.canvas import Canvas
from miniserve.widgets.curves import Curve, curve_table
from miniserve.widgets.figures import LATENCY_RANGE_MS, cdf_figure
from miniserve.widgets.lines import Line, lines_figure
from miniserve.widgets.panel import Panel
from miniserve.widgets.segments import RequestInfo
from miniserve.widgets.style import framed
from miniserve.widgets.timeline_figure import XAxis, make_tracks, timeline_figure


class Picture(Panel):
    """A Plotly figure with a headline, a table below it if there is one, and its still.

    Args:
        figure: what a reader with a kernel sees.
        still: draws what a reader without one sees.
        title: the headline, and what stands in the cell's plain text.
        table: HTML below the figure.
    """

    def __init__(
        self, figure: go.Figure, still: Callable[[], Figure], *, title: str, table: str = ""
    ) -> None:
        spec = figure.to_plotly_json()
        canvas = Canvas(spec["layout"], spec["data"], label=title)
        parts = [canvas.widget, ipywidgets.HTML(table, layout=ipywidgets.Layout(width="100%"))]
        root = framed(*parts[: 2 if table else 1], title=title)
        super().__init__(root, name="picture", text=f"Figure: {title}")
        self.figure = figure
        self._still = still

    def picture(self) -> Figure:
        """The still."""
        return self._still()


def show_cdf(
    curves: Sequence[Curve],
    *,
    title: str = "Latency, as the share of requests answered in time",
    range_ms: tuple[float, float] = LATENCY_RANGE_MS,
) -> Picture:
    """Show the latency CDFs of several runs, with a table of their percentiles."""
    return Picture(
        cdf_figure(curves, range_ms=range_ms),
        lambda: stills.cdf_still(curves, range_ms=range_ms),
        title=title,
        table=curve_table(curves),
    )


def show_lines(
    lines: Sequence[Line],
    *,
    x_title: str,
    y_title: str,
    title: str,
    y_range: tuple[float, float] | None = None,
    log_y: bool = False,
) -> Picture:
    """Show numbers against numbers: theory curves, measured points. Titles must name the units."""
    figure = lines_figure(lines, x_title=x_title, y_title=y_title, y_range=y_range, log_y=log_y)

    def still() -> Figure:
        return stills.lines_still(
            lines, x_title=x_title, y_title=y_title, y_range=y_range, log_y=log_y
        )

    return Picture(figure, still, title=title)


def show_timeline(
    records: Sequence[StepRecord] | Mapping[str, Sequence[StepRecord]],
    *,
    requests: Mapping[str, RequestInfo] | None = None,
    x: XAxis = "step",
    title: str = "Who sits in which slot",
) -> Picture:
    """Show one trace, or several one above the other, without a scrubber."""
    traces = dict(records) if isinstance(records, Mapping) else {"": records}
    tracks = make_tracks(traces, x, requests)
    low = min(min(track.starts, default=0.0) for track in tracks)
    span = (low, max(track.end for track in tracks))
    return Picture(
        timeline_figure(tracks, span),
        lambda: timeline_still.timeline_still(tracks, span),
        title=title,
    )

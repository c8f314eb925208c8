"""What the load panel shows, drawn from plain data: curves, strips, numbers, one line of words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import ipywidgets

from miniserve.palette import PINK, SKY_BLUE, TEXT
from miniserve.widgets.canvas import Canvas
from miniserve.widgets.curves import Curve, curve_table
from miniserve.widgets.figures import (
    Spec,
    base_layout,
    cdf_traces,
    latency_axis,
    nice_ceiling,
    share_axis,
)
from miniserve.widgets.live import Notice
from miniserve.widgets.measured import MAX_PINS
from miniserve.widgets.preview import MAX_PREVIEWS
from miniserve.widgets.results import Counts
from miniserve.widgets.strips import STRIP_S, Series, Strip, strip_trace, strips_layout

_HEIGHT = 350
_STRIP_COLOURS = (SKY_BLUE, PINK, TEXT)


@dataclass(frozen=True)
class LoadState:
    """All that is on the panel at one moment."""

    live: Curve | None = None
    before: Curve | None = None
    pins: Sequence[Curve] = ()
    previews: Sequence[Curve] = ()
    strips: Sequence[Series] = ()
    counts: Counts = field(default_factory=Counts)
    little: str = ""
    words: str = ""
    warning: bool = False

    @property
    def curves(self) -> list[Curve]:
        """The curves in the order of the table."""
        first = [] if self.live is None else [self.live]
        last = [] if self.before is None else [self.before]
        return [*first, *self.pins, *self.previews, *last]


class LoadView:
    """The widgets below the sliders.

    Args:
        strips: a label for each strip, from the top.
        range_ms: what the latency axis spans, in milliseconds.
    """

    def __init__(self, strips: Sequence[str], range_ms: tuple[float, float]) -> None:
        self._strips = list(strips)
        self._range_ms = range_ms
        self._tops = [0.0] * len(strips)
        self._canvas = Canvas(self._layout(), self._places())
        self.counts = ipywidgets.HTML()
        self._table = ipywidgets.HTML(layout=ipywidgets.Layout(width="100%"))
        self._little = ipywidgets.HTML()
        self.notice = Notice()
        self.parts = [self._canvas.widget, self._table, self._little, self.notice.widget]

    def draw(self, state: LoadState) -> None:
        """Show a state; what has not changed is not sent to the page again."""
        self._canvas.draw(self._traces(state), self._tops_layout(state))
        self._table.value = curve_table(state.curves)
        self._little.value = state.little
        self.counts.value = state.counts.html()
        self.notice.say(state.words, warning=state.warning)

    def _layout(self) -> Spec:
        side = strips_layout(self._strips, 0.71, STRIP_S)
        return base_layout(
            _HEIGHT,
            xaxis=latency_axis(self._range_ms, domain=[0, 0.62]),
            yaxis=share_axis(),
            **side | {"margin": {"l": 64, "r": 18, "t": 24, "b": 44}},
        )

    def _places(self) -> list[Spec]:
        pairs = 2 * (MAX_PREVIEWS + 1 + MAX_PINS + 1)
        empty: Spec = {"type": "scatter", "x": [], "y": []}
        strips = [
            strip_trace(Strip(label, [], [], colour), number)
            for number, (label, colour) in enumerate(
                zip(self._strips, _STRIP_COLOURS, strict=False), start=2
            )
        ]
        return [empty] * pairs + strips

    def _traces(self, state: LoadState) -> dict[int, Spec]:
        """Previews lie at the bottom, the live curve on top."""
        curves: list[Curve | None] = [None] * (MAX_PREVIEWS + 1 + MAX_PINS + 1)
        for index, curve in enumerate(state.previews[:MAX_PREVIEWS]):
            curves[index] = curve
        curves[MAX_PREVIEWS] = state.before
        for index, curve in enumerate(state.pins[:MAX_PINS]):
            curves[MAX_PREVIEWS + 1 + index] = curve
        curves[-1] = state.live
        traces: dict[int, Spec] = {}
        alone = not (state.live and state.live.n) and len(state.previews) == 1
        for index, shown in enumerate(curves):
            if shown is not None and shown.n:
                labelled = shown.role == "live" or (alone and shown.role == "preview")
                pair = cdf_traces(shown, range_ms=self._range_ms, labelled=labelled)
                traces[2 * index], traces[2 * index + 1] = pair
        for number, samples in enumerate(state.strips):
            colour = _STRIP_COLOURS[number % len(_STRIP_COLOURS)]
            times, values = [-ago for ago, _ in samples], [value for _, value in samples]
            strip = Strip(self._strips[number], times, values, colour)
            traces[2 * len(curves) + number] = strip_trace(strip, number + 2)
        return traces

    def _tops_layout(self, state: LoadState) -> Spec:
        """Axes of strips grow with the data and shrink only from far above, to stay calm."""
        changes: Spec = {}
        for number, samples in enumerate(state.strips):
            top = nice_ceiling(max((value for _, value in samples), default=0.0))
            if top > self._tops[number] or 10 * top <= self._tops[number]:
                self._tops[number] = top
                changes[f"yaxis{number + 2}"] = {"range": [0, top]}
        return changes

"""The timeline panel: which request sat in which slot, step by step, with a scrubber and play."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

import ipywidgets
from matplotlib.figure import Figure

from miniserve.trace import StepRecord
from miniserve.widgets import timeline_still
from miniserve.widgets.canvas import Canvas
from miniserve.widgets.figures import Spec
from miniserve.widgets.live import LivePanel
from miniserve.widgets.player import Player
from miniserve.widgets.segments import RequestInfo, progress
from miniserve.widgets.style import framed
from miniserve.widgets.timeline_figure import XAxis, make_tracks, timeline_layout, track_trace

_KEY = (
    "<div class='miniserve-note'>Neighbours differ in colour. Dark: it reads its prompt (prefill). "
    "Plain: it writes its answer (decode). Hatched: a row computed for nobody (padding). "
    "Point at a block to see whose it is.</div>"
)


class Timeline(LivePanel):
    """Slots over steps or time, from an engine's trace or from a virtual clock's.

    Args:
        records: one trace, or several by name; several are drawn one above the other, and the same
            request has the same colour in all of them.
        requests: what is known about requests, by id; hovering tells it.
        x: "step", or "time" in milliseconds since the first step.
        window: how much of the x axis is seen at once; by default all of it, or as much as can be
            read. The view follows the scrubber.
        title: the panel's headline.
    """

    def __init__(
        self,
        records: Sequence[StepRecord] | Mapping[str, Sequence[StepRecord]],
        *,
        requests: Mapping[str, RequestInfo] | None = None,
        x: XAxis | None = None,
        window: float | None = None,
        title: str = "Who sits in which slot",
    ) -> None:
        traces = dict(records) if isinstance(records, Mapping) else {"": records}
        if not any(traces.values()):
            raise ValueError("a timeline needs at least one step")
        self._x: XAxis = x or ("time" if len(traces) > 1 else "step")
        self._tracks = make_tracks(traces, self._x, requests)
        self._low = min(min(track.starts, default=0.0) for track in self._tracks)
        high = max(track.end for track in self._tracks)
        self._window = min(window or self._readable(), high - self._low)
        first_view = self._low + self._window
        self._canvas = Canvas(
            timeline_layout(self._tracks, (self._low, first_view)),
            [track_trace(track, number) for number, track in enumerate(self._tracks, start=1)],
        )
        self._span = (self._low, first_view)
        self.player = Player(
            self._low,
            high,
            label="Step" if self._x == "step" else "Time (ms)",
            start=first_view,
            on_change=self.wake,
        )
        self._words = ipywidgets.HTML()
        root = framed(
            self.player.widget,
            self._canvas.widget,
            self._words,
            ipywidgets.HTML(_KEY),
            title=title,
        )
        super().__init__(root, name="timeline", text=f"Timeline: {title}")
        self._draw()

    def frame(self) -> bool:
        """Draw one frame; see `LivePanel`."""
        playing = self.player.advance()
        self._draw()
        return playing

    def complain(self, words: str) -> None:
        """Say what went wrong below the figure."""
        self._words.value = f"<div class='miniserve-warning'>{html.escape(words)}</div>"

    def picture(self) -> Figure:
        """The first view."""
        return timeline_still.timeline_still(self._tracks, (self._low, self._low + self._window))

    def _readable(self) -> float:
        """Twenty-four blocks for each of a track's slots are as many as can be told apart."""
        widest = max(self._tracks, key=lambda track: len(track.blocks) / track.num_slots)
        each = (widest.end - self._low) / max(1.0, len(widest.blocks) / widest.num_slots)
        return 24 * each

    def _draw(self) -> None:
        position = self.player.position
        left = self._span[0]
        if position < left:
            left = max(self._low, position - 0.15 * self._window)
        elif position > left + self._window:
            left = position - self._window
        self._span = (left, left + self._window)
        traces = {
            index: track_trace(track, index + 1, until=position)
            for index, track in enumerate(self._tracks)
        }
        layout: Spec = {
            f"xaxis{'' if index == 0 else index + 1}": {"range": list(self._span)}
            for index in range(len(self._tracks))
        }
        self._canvas.draw(traces, layout)
        self._words.value = "".join(
            f"<div class='miniserve-counts'><b>{html.escape(track.label)}</b> "
            f"{progress(track.records, track.moment(position), self._x)}</div>"
            for track in self._tracks
        )

"""The slot timeline as a Plotly figure: slots × steps (or time), one colour a request. Pure."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import plotly.graph_objects as go

from miniserve.palette import CLEAR, REQUEST_COLOURS, darker, ink
from miniserve.trace import StepRecord
from miniserve.widgets.figures import Spec, axis, base_layout, figure, heading
from miniserve.widgets.segments import (
    RequestInfo,
    Segment,
    colour_numbers,
    hover_text,
    segments,
)

XAxis = Literal["step", "time"]

SLOT_PX = 30
_CHROME_PX = 52
_GAP_PX = 34


@dataclass(frozen=True)
class Track:
    """One trace, ready to be drawn: its blocks on the x axis, and how each looks.

    starts and ends are steps, or milliseconds since the first step of all tracks.
    """

    label: str
    records: Sequence[StepRecord]
    blocks: Sequence[Segment]
    starts: Sequence[float]
    ends: Sequence[float]
    colours: Sequence[str]
    hover: Sequence[str]
    num_slots: int
    origin: float
    x: XAxis

    @functools.cached_property
    def names(self) -> list[str]:
        """The request's name for the longest of its blocks, and nothing for the others."""
        longest: dict[str, int] = {}
        for index, block in enumerate(self.blocks):
            best = longest.get(block.request_id)
            if block.kind != "padding" and (
                best is None or self._length(index) > self._length(best)
            ):
                longest[block.request_id] = index
        return [
            _short(block.request_id) if longest.get(block.request_id) == index else ""
            for index, block in enumerate(self.blocks)
        ]

    def _length(self, index: int) -> float:
        return self.ends[index] - self.starts[index]

    @property
    def end(self) -> float:
        """The right end of the last block."""
        return max(self.ends, default=1.0)

    def moment(self, position: float) -> float:
        """Turn a position on the x axis into a step number or a time on the trace's clock."""
        return position if self.x == "step" else self.origin + position / 1e3


def make_tracks(
    traces: Mapping[str, Sequence[StepRecord]],
    x: XAxis,
    infos: Mapping[str, RequestInfo] | None = None,
) -> list[Track]:
    """Prepare traces for drawing; the same request has the same colour in all of them.

    All have as many slots: where one of them uses fewer, the others stay empty.
    """
    blocks = {label: segments(records) for label, records in traces.items()}
    num_slots = 1 + max((b.slot for some in blocks.values() for b in some), default=0)
    numbers = colour_numbers(*blocks.values())
    origins = _origins(traces)
    tracks = []
    for label, records in traces.items():
        first_starts: dict[str, float] = {}
        for block in blocks[label]:
            first_starts.setdefault(block.request_id, block.start)
        origin = origins[label]
        tracks.append(
            Track(
                label=label,
                records=list(records),
                blocks=blocks[label],
                starts=[_left(block, x, origin) for block in blocks[label]],
                ends=[_right(block, x, origin) for block in blocks[label]],
                colours=[_colour(block, numbers) for block in blocks[label]],
                hover=[hover_text(b, first_starts[b.request_id], infos) for b in blocks[label]],
                num_slots=num_slots,
                origin=origin,
                x=x,
            )
        )
    return tracks


def track_trace(track: Track, number: int, until: float = math.inf) -> Spec:
    """Return the bars of a track on the axes `x{number}`, `y{number}`, cut off at `until`."""
    cut = [min(end, until) for end in track.ends]
    lengths = [
        (end - start if end > start else None) for start, end in zip(track.starts, cut, strict=True)
    ]
    padding = [block.kind == "padding" for block in track.blocks]
    suffix = "" if number == 1 else str(number)
    return {
        "type": "bar",
        "orientation": "h",
        "name": track.label,
        "x": lengths,
        "base": list(track.starts),
        "y": [block.slot for block in track.blocks],
        "width": 0.84,
        "text": track.names,
        "textposition": "inside",
        "insidetextanchor": "middle",
        "textangle": 0,
        "insidetextfont": {"color": [ink(colour) for colour in track.colours], "size": 11},
        "hovertext": list(track.hover),
        "hovertemplate": "%{hovertext}<extra></extra>",
        "marker": {
            "color": list(track.colours),
            "line": {"width": 0.8, "color": "rgba(255, 255, 255, 0.7)"},
            "pattern": {
                "shape": ["/" if empty else "" for empty in padding],
                "fillmode": "replace",
                "fgcolor": list(track.colours),
                "bgcolor": CLEAR,
                "size": 6,
                "solidity": 0.35,
            },
        },
        "xaxis": f"x{suffix}",
        "yaxis": f"y{suffix}",
    }


def timeline_layout(tracks: Sequence[Track], span: tuple[float, float]) -> Spec:
    """Return the layout: tracks one above the other, showing the `span` of x."""
    slots = [track.num_slots * SLOT_PX for track in tracks]
    gaps = [(_GAP_PX if index else 22) if track.label else 4 for index, track in enumerate(tracks)]
    plot = sum(slots) + sum(gaps)
    title = "engine step" if tracks[0].x == "step" else "time (ms)"
    layout = base_layout(
        plot + _CHROME_PX,
        barmode="overlay",
        uniformtext={"mode": "hide", "minsize": 10},
        margin={"l": 64, "r": 18, "t": 8, "b": 44},
        annotations=[],
        hovermode="closest",
    )
    top = 1.0
    for index, track in enumerate(tracks):
        suffix = "" if index == 0 else str(index + 1)
        top -= gaps[index] / plot
        bottom = max(0.0, top - slots[index] / plot)
        last = index == len(tracks) - 1
        layout[f"xaxis{suffix}"] = axis(
            title if last else "",
            range=list(span),
            anchor=f"y{suffix}",
            showticklabels=last,
            tickfont={"size": 11},
        )
        layout[f"yaxis{suffix}"] = axis(
            "slot",
            domain=[bottom, top],
            anchor=f"x{suffix}",
            range=[track.num_slots - 0.5, -0.5],
            dtick=1 if track.num_slots <= 8 else 4,
            showgrid=False,
        )
        layout["annotations"].append(
            heading(f"<b>{track.label}</b>" if track.label else "", 0, top, size=13)
        )
        top = bottom
    return layout


def timeline_figure(tracks: Sequence[Track], span: tuple[float, float]) -> go.Figure:
    """Return the whole of the tracks as a figure."""
    bars = [track_trace(track, number) for number, track in enumerate(tracks, start=1)]
    return figure(bars, timeline_layout(tracks, span))


def _origins(traces: Mapping[str, Sequence[StepRecord]]) -> dict[str, float]:
    """Zero of the time axis: one for all if the traces overlap in time, else each its own."""
    spans = {
        label: (records[0].start, records[-1].start + records[-1].duration)
        for label, records in traces.items()
        if records
    }
    if not spans:
        return dict.fromkeys(traces, 0.0)
    together = max(start for start, _ in spans.values()) < min(end for _, end in spans.values())
    first = min(start for start, _ in spans.values())
    return {label: first if together or label not in spans else spans[label][0] for label in traces}


def _short(request_id: str) -> str:
    """A name that fits into a block: a live server's ids have 32 digits, of which six will do."""
    return request_id if len(request_id) <= 16 else request_id[:6]


def _left(block: Segment, x: XAxis, origin: float) -> float:
    return block.first if x == "step" else (block.start - origin) * 1e3


def _right(block: Segment, x: XAxis, origin: float) -> float:
    return block.last + 1 if x == "step" else (block.end - origin) * 1e3


def _colour(block: Segment, numbers: Mapping[str, int]) -> str:
    colour = REQUEST_COLOURS[numbers[block.request_id] % len(REQUEST_COLOURS)]
    return darker(colour) if block.kind == "prefill" else colour

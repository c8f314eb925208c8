"""The slot timeline as a still, drawn with matplotlib. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from miniserve.palette import BLUE, TEXT, darker, ink
from miniserve.widgets.stills import blank
from miniserve.widgets.timeline_figure import Track


def timeline_still(tracks: Sequence[Track], span: tuple[float, float]) -> Figure:
    """Return slots over steps or time for the `span` of x, one plot a track."""
    heights = [track.num_slots for track in tracks]
    figure, axes = blank(
        height=1.3 + sum(0.3 * slots + 0.3 for slots in heights),
        nrows=len(tracks),
        squeeze=False,
        sharex=True,
        gridspec_kw={"height_ratios": heights},
    )
    wide = span[1] - span[0]
    for axis, track in zip(axes[:, 0], tracks, strict=True):
        for block, name, start, end, colour in zip(
            track.blocks, track.names, track.starts, track.ends, track.colours, strict=True
        ):
            if start >= span[1]:
                continue
            empty = block.kind == "padding"
            axis.barh(
                block.slot,
                min(end, span[1]) - start,
                left=start,
                height=0.84,
                facecolor="none" if empty else colour,
                edgecolor=colour if empty else "white",
                hatch="////" if empty else None,
                linewidth=0.5,
            )
            if name and end <= span[1] and (end - start) / wide > 0.012 * (1 + len(name)):
                axis.text(
                    (start + end) / 2,
                    block.slot,
                    name,
                    ha="center",
                    va="center",
                    fontsize=8,
                    color=ink(colour),
                )
        axis.set_ylim(track.num_slots - 0.5, -0.5)
        axis.set_yticks(range(0, track.num_slots, 1 if track.num_slots <= 8 else 4))
        axis.set_ylabel("slot", fontsize=9)
        axis.grid(visible=False)
        if track.label:
            axis.set_title(track.label, loc="left", fontsize=10, color=TEXT, fontweight="bold")
    bottom = axes[-1, 0]
    bottom.set_xlim(*span)
    bottom.set_xlabel("engine step" if tracks[0].x == "step" else "time (ms)", fontsize=9)
    key = [
        Patch(facecolor=darker(BLUE), label="prefill"),
        Patch(facecolor=BLUE, label="decode"),
        Patch(facecolor="none", edgecolor=BLUE, hatch="////", label="padding (waste)"),
    ]
    figure.legend(
        handles=key,
        loc="outside lower center",
        ncols=3,
        frameon=False,
        fontsize=9,
        labelcolor=TEXT,
    )
    return figure

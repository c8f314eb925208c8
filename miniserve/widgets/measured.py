"""The measured curves on a load panel: the one that grows, the one before it, and the kept ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from miniserve.latency import LatencyRecord, latencies
from miniserve.palette import SKY_BLUE
from miniserve.widgets.controls import Setting
from miniserve.widgets.curves import Curve

MAX_PINS = 3

ENOUGH = 30
"""Answers that a curve must have to stay on the page when a setting is left."""

_NOW = "now: "


class MeasuredCurves:
    """What is drawn of a run beside its live curve.

    Args:
        several: whether there are several modes, so that a curve's label must name its own.
    """

    def __init__(self, *, several: bool) -> None:
        self._several = several
        self.before: Curve | None = None
        self.pins: list[Curve] = []

    def live(self, setting: Setting, records: Sequence[LatencyRecord]) -> Curve | None:
        """Return the curve of what has been answered under a setting so far."""
        if not records:
            return None
        named = setting if self._several else replace(setting, mode="")
        return Curve(
            f"{_NOW}{named}",
            latencies(records),
            mode=setting.mode,
            colour="" if setting.mode else SKY_BLUE,
            offered=len(records),
            role="live",
        )

    def leave(self, live: Curve | None) -> None:
        """Keep the curve of a setting that is about to change, if it says enough."""
        if live is not None and live.n >= ENOUGH:
            label = f"before: {live.label.removeprefix(_NOW)}"
            self.before = replace(live, role="before", label=label)

    def pin(self, live: Curve | None) -> None:
        """Keep a curve to compare, up to `MAX_PINS` of them; the oldest makes room."""
        if live is None or not live.n:
            return
        pins = self.pins[-(MAX_PINS - 1) :]
        badge = next(letter for letter in "ABCD" if letter not in [pin.badge for pin in pins])
        label = live.label.removeprefix(_NOW)
        self.pins = [*pins, replace(live, role="pinned", badge=badge, label=label)]

"""Play, pause and a scrubber: what a replay is steered with."""

from __future__ import annotations

import time
from collections.abc import Callable

import ipywidgets

from miniserve.widgets.controls import button

DURATION_S = 12.0
"""How long a whole replay takes at speed 1."""


class Player:
    """A position between `low` and `high` that a hand moves, or that moves on its own.

    Args:
        low, high: first and last position.
        label: what the position is, with its unit.
        start: the position at first.
        duration_s: seconds from low to high when it plays.
        on_change: called after each change, in any thread.
    """

    def __init__(
        self,
        low: float,
        high: float,
        *,
        label: str,
        start: float,
        duration_s: float = DURATION_S,
        on_change: Callable[[], object],
    ) -> None:
        self._on_change = on_change
        self._speed = (high - low) / duration_s
        self._last: float | None = None
        self.slider = ipywidgets.FloatSlider(
            value=start,
            min=low,
            max=high,
            step=(high - low) / 1_000 or 1.0,
            description=label,
            readout_format=".2f" if high - low < 50 else ".0f",
            style={"description_width": "initial"},
            layout=ipywidgets.Layout(flex="1 1 auto"),
        )
        self.slider.add_class("miniserve-scrubber")
        self._button = button("Play", "play", "play or pause", self.toggle)
        self._button.layout.width = "88px"
        self.widget = ipywidgets.HBox(
            [self._button, self.slider], layout=ipywidgets.Layout(align_items="center")
        )
        self.slider.observe(lambda _: on_change(), names="value")

    @property
    def position(self) -> float:
        """Where it stands."""
        return float(self.slider.value)

    @property
    def playing(self) -> bool:
        """Whether it moves on its own."""
        return self._last is not None

    def toggle(self) -> None:
        """Play or pause; at the end, play again from the beginning."""
        if self.playing:
            self._pause()
        else:
            self.play()

    def play(self) -> None:
        """Move on from here, or from the beginning if this is the end."""
        if self.position >= self.slider.max:
            self.slider.value = self.slider.min
        self._last = time.monotonic()
        self._button.description, self._button.icon = "Pause", "pause"
        self._on_change()

    def advance(self) -> bool:
        """Move by the time that has passed; return whether it still plays."""
        if self._last is None:
            return False
        now = time.monotonic()
        wanted = self.position + (now - self._last) * self._speed
        self._last = now
        self.slider.value = min(wanted, self.slider.max)
        if wanted >= self.slider.max:
            self._pause()
        return self.playing

    def _pause(self) -> None:
        self._last = None
        self._button.description, self._button.icon = "Play", "play"
        self._on_change()

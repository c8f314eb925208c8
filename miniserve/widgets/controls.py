"""Sliders, buttons and the setting that they stand for; the same in every panel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import ipywidgets

Range: TypeAlias = tuple[float, float, float] | tuple[float, float, float, float]
"""A slider as (lowest, highest, start) or (lowest, highest, start, step)."""


@dataclass(frozen=True)
class Setting:
    """What a panel's sliders say. None stands for a slider that the panel does not have.

    rate: requests per second; max_num_seqs: the largest batch, in requests; max_wait_s: how long a
    static batch waits for company, in seconds; max_waiting: the queue bound, in requests.
    """

    mode: str = ""
    rate: float = 0.0
    max_num_seqs: int | None = None
    max_wait_s: float | None = None
    max_waiting: int | None = None

    def __str__(self) -> str:
        words = [self.mode] if self.mode else []
        words.append(f"{self.rate:g}/s")
        if self.max_num_seqs is not None:
            words.append(f"batch {self.max_num_seqs}")
        if self.max_wait_s is not None:
            words.append(f"W {self.max_wait_s * 1e3:g} ms")
        if self.max_waiting is not None:
            words.append(f"queue ≤ {self.max_waiting}")
        return ", ".join(words)

    @property
    def server_changes(self) -> dict[str, float]:
        """The part that a server is configured with."""
        named = {
            "max_num_seqs": self.max_num_seqs,
            "max_wait_s": self.max_wait_s,
            "max_waiting": self.max_waiting,
        }
        return {name: value for name, value in named.items() if value is not None}


_SLIDERS = {
    "rate": ("Arrival rate (req/s)", "how many requests arrive in a second, on average"),
    "max_num_seqs": ("Batch size", "how many requests may be in a step together"),
    "max_wait_ms": ("Wait W (ms)", "how long the oldest request waits for a full batch"),
    "max_waiting": ("Queue bound", "how many requests may wait before one is refused"),
}

_LABEL = "128px"


class Controls:
    """The sliders and the mode chooser of a panel, and the `Setting` they amount to.

    Args:
        ranges: for each of `rate`, `max_num_seqs`, `max_wait_ms` and `max_waiting` that the panel
            has, its range.
        modes: with two or more, there is a mode chooser.
        on_change: called with the new setting after each change, in any thread.
    """

    def __init__(
        self,
        ranges: Mapping[str, Range],
        modes: Sequence[str],
        on_change: Callable[[Setting], object],
    ) -> None:
        self._on_change = on_change
        self._modes = list(modes)
        self._quiet = False
        self.sliders: dict[str, Any] = {
            name: _slider(name, range_) for name, range_ in ranges.items()
        }
        self.chooser: Any = None
        if len(self._modes) > 1:
            self.chooser = ipywidgets.ToggleButtons(
                options=self._modes,
                description="Mode",
                tooltips=[f"send the load to the {mode} server" for mode in self._modes],
                style={"description_width": _LABEL, "button_width": "96px"},
                layout=ipywidgets.Layout(width="max-content"),
            )
            self.chooser.add_class("miniserve-modes")
        for control in self._all():
            control.observe(self._changed, names="value")
        self.widget = ipywidgets.Box(
            self._all(),
            layout=ipywidgets.Layout(flex_flow="row wrap", width="100%", overflow="visible"),
        )

    @property
    def setting(self) -> Setting:
        """What the controls say now."""
        values = {name: slider.value for name, slider in self.sliders.items()}
        wait_ms = values.pop("max_wait_ms", None)
        return Setting(
            mode=self.chooser.value if self.chooser else "".join(self._modes[:1]),
            max_wait_s=None if wait_ms is None else wait_ms / 1e3,
            **values,
        )

    def set(self, **values: float | str) -> None:
        """Move sliders and the `mode` as a hand would, with one change in the end for all of them.

        Raises ValueError for a control that is not there or a value that it cannot take.
        """
        before, moves = self.setting, []
        for name, value in values.items():
            control = self.chooser if name == "mode" else self.sliders.get(name)
            if control is None:
                raise ValueError(f"this panel has no control for {name}")
            if name == "mode":
                possible = value in self._modes
            else:
                possible = control.min <= value <= control.max
            if not possible:
                raise ValueError(f"{name} cannot be {value}")
            moves.append((control, value))
        self._quiet = True
        try:
            for control, value in moves:
                control.value = value
        finally:
            self._quiet = False
        if self.setting != before:
            self._on_change(self.setting)

    def _all(self) -> list[Any]:
        return [*self.sliders.values(), *([self.chooser] if self.chooser else [])]

    def _changed(self, _: object) -> None:
        if not self._quiet:
            self._on_change(self.setting)


def _slider(name: str, range_: Range) -> Any:
    low, high, start, step = (*range_, 1.0)[:4]
    label, tooltip = _SLIDERS[name]
    whole = all(float(number).is_integer() for number in (low, high, start, step))
    kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
    number = int if whole else float
    slider = kind(
        value=number(start),
        min=number(low),
        max=number(high),
        step=number(step),
        description=label,
        tooltip=tooltip,
        readout_format="d" if whole else ".1f",
        style={"description_width": _LABEL},
        layout=ipywidgets.Layout(width="calc(50% - 8px)", min_width="330px"),
    )
    slider.add_class(f"miniserve-{name.replace('_', '-')}")
    return slider


def button(label: str, icon: str, tooltip: str, on_click: Callable[[], object]) -> Any:
    """Return a button; `icon` is the name of one of Font Awesome's."""
    made = ipywidgets.Button(
        description=label, icon=icon, tooltip=tooltip, layout=ipywidgets.Layout(width="auto")
    )
    made.add_class(f"miniserve-button-{label.lower()}")
    made.on_click(lambda _: on_click())
    return made

"""The look of figures, chosen once: a mode has the same colour and dash wherever it is drawn.

The eight colours are Okabe and Ito's, which colour-blind readers can tell apart ("Color Universal
Design", 2008). Text and axes are a grey that can be read on JupyterLab's light and dark themes; in
JupyterLab itself `STYLE` gives them the theme's own text colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

ORANGE = "#E69F00"
SKY_BLUE = "#56B4E9"
GREEN = "#009E73"
YELLOW = "#F0E442"
BLUE = "#0072B2"
VERMILLION = "#D55E00"
PINK = "#CC79A7"

TEXT = "#7a7a7a"
GRID = "rgba(128, 128, 128, 0.25)"
CLEAR = "rgba(0, 0, 0, 0)"

MODE_COLOURS = {
    "sync": VERMILLION,
    "async": ORANGE,
    "static": BLUE,
    "continuous": GREEN,
}
"""One colour for each serving mode."""

MODE_DASHES = {
    "sync": "dot",
    "async": "dashdot",
    "static": "dash",
    "continuous": "solid",
}
"""One dash for each serving mode, where several modes share a plot: colour never stands alone."""

MATPLOTLIB_DASHES = {"solid": "-", "dash": "--", "dot": ":", "dashdot": "-."}
"""What matplotlib calls these dashes."""


class Look(NamedTuple):
    """How a curve is drawn for the part that it plays in a figure.

    width in pixels, still_width in points; dash: "" is that of the curve's mode.
    """

    width: float
    still_width: float
    dash: str = ""


ROLE_LOOKS = {
    "live": Look(3.5, 2.8, "solid"),
    "saved": Look(2.5, 2.2),
    "pinned": Look(2.0, 1.8, "dash"),
    "preview": Look(2.0, 1.8, "dot"),
    "before": Look(1.2, 1.0, "solid"),
}
"""One look for each role of a curve (`widgets.curves.Curve`)."""

SHARE_TICKS = {0: "0", 0.25: "25 %", 0.5: "50 %", 0.75: "75 %", 0.95: "95 %"}
"""Shares of requests that stand on an axis, and how they are written."""

_LATENCIES_MS = (0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000)

REQUEST_COLOURS: Sequence[str] = (BLUE, ORANGE, GREEN, PINK, SKY_BLUE, VERMILLION, YELLOW)
"""Colours that requests take in turn in a timeline."""


LINE_COLOURS: Sequence[str] = (SKY_BLUE, PINK, TEXT, YELLOW)
"""Colours of lines that belong to no mode."""


def mode_colour(mode: str) -> str:
    """Return the colour of a serving mode; grey for what is not one."""
    return MODE_COLOURS.get(mode, TEXT)


def dash_of(role: str, mode: str) -> str:
    """Return the dash of a curve: that of its role if that has one, else that of its mode."""
    return ROLE_LOOKS[role].dash or MODE_DASHES.get(mode, "solid")


def latency_ticks(range_ms: tuple[float, float]) -> dict[float, str]:
    """Return the milliseconds that stand on an axis, and how they are written."""
    low, high = range_ms
    shown = [tick for tick in _LATENCIES_MS if low <= tick <= high]
    return {tick: f"{tick:g} ms" if tick < 1_000 else f"{tick / 1_000:g} s" for tick in shown}


def lighter(colour: str, share: float = 0.55) -> str:
    """Mix a `#rrggbb` colour with white; `share` of 1 is white."""
    channels = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(c + (255 - c) * share):02x}" for c in channels)


def translucent(colour: str, opacity: float) -> str:
    """Give a `#rrggbb` colour an opacity between 0 and 1."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity:g})"


def darker(colour: str, share: float = 0.45) -> str:
    """Mix a `#rrggbb` colour with black; `share` of 1 is black."""
    channels = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(c * (1 - share)):02x}" for c in channels)


def ink(colour: str) -> str:
    """Return black or white, whichever can be read on a `#rrggbb` colour."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "white" if 0.299 * red + 0.587 * green + 0.114 * blue < 140 else "black"

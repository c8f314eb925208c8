"""Colours, chosen once: the same mode has the same colour in every chapter.

The eight colours are Okabe and Ito's, which colour-blind readers can tell apart ("Color Universal
Design", 2008). Text and axes are a grey that can be read on JupyterLab's light and dark themes.
"""

from __future__ import annotations

from collections.abc import Sequence

BLACK = "#000000"
ORANGE = "#E69F00"
SKY_BLUE = "#56B4E9"
GREEN = "#009E73"
YELLOW = "#F0E442"
BLUE = "#0072B2"
VERMILLION = "#D55E00"
PINK = "#CC79A7"

TEXT = "#808080"
GRID = "rgba(128, 128, 128, 0.25)"

MODE_COLOURS = {
    "sync": VERMILLION,
    "async": ORANGE,
    "static": BLUE,
    "continuous": GREEN,
}
"""One colour for each serving mode."""

REQUEST_COLOURS: Sequence[str] = (BLUE, ORANGE, GREEN, PINK, SKY_BLUE, VERMILLION, YELLOW)
"""Colours that requests take in turn in a timeline."""

"""A panel's controls and words as a still, for panels without a figure: what stands on the page."""

from __future__ import annotations

import html
import itertools
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import ipywidgets
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from miniserve.palette import TEXT

_WIDTH = 8.0
_ROW = 0.3
_GAP = 0.12
_CHARACTERS = 105
_BOX = {"boxstyle": "round,pad=0.35", "facecolor": "none", "edgecolor": TEXT, "linewidth": 0.8}


@dataclass(frozen=True)
class Piece:
    """A few words of a row: plain, bold, in a box as the label of a button is, or of a table."""

    words: str
    boxed: bool = False
    bold: bool = False
    table: bool = False


Row = list[Piece]


def sketch(root: ipywidgets.Widget) -> Figure | None:
    """Draw the words and controls below `root`; None if there are none."""
    rows = list(rows_of(root))
    if not rows:
        return None
    height = _ROW * (len(rows) + 0.5)
    figure = Figure(figsize=(_WIDTH, height))
    figure.patch.set_alpha(0.0)
    canvas: Any = FigureCanvasAgg(figure)
    renderer = canvas.get_renderer()
    for number, row in enumerate(rows):
        left = 0.1
        for piece in row:
            left += _GAP if piece.boxed else 0.0
            text = figure.text(
                left / _WIDTH,
                1 - _ROW * (number + 0.75) / height,
                piece.words,
                fontsize=10,
                color=TEXT,
                weight="bold" if piece.bold else "normal",
                family="monospace" if piece.table else "sans-serif",
                va="center",
                bbox=_BOX if piece.boxed else None,
            )
            left += text.get_window_extent(renderer).width / figure.dpi + _GAP
    return figure


def rows_of(widget: Any) -> Iterator[Row]:
    """Say what stands on the page, row by row; a figure, of which nothing is known here, is not."""
    if isinstance(widget, ipywidgets.HTML):
        lines = text_of(widget.value).splitlines()
        widths = _column_widths(lines)
        for words in lines:
            if "\t" in words:
                cells = zip(words.split("\t"), widths, strict=False)
                yield [Piece("  ".join(cell.ljust(width) for cell, width in cells), table=True)]
            else:
                yield from ([Piece(line)] for line in _wrapped(words))
    elif isinstance(widget, ipywidgets.RadioButtons):
        for option in widget.options:
            mark = "●" if option == widget.value else "○"
            yield from ([Piece(line)] for line in _wrapped(f"{mark} {option}", "   "))
    elif isinstance(widget, ipywidgets.HBox):
        yield from _side_by_side(widget.children)
    elif isinstance(widget, ipywidgets.Box):
        for child in widget.children:
            yield from rows_of(child)
    else:
        row = _control(widget)
        if row:
            yield row


def text_of(source: str) -> str:
    """Return the words of a piece of HTML: lines as on a page, cells of a table apart by tabs."""
    words = re.sub(r"<style>.*?</style>", "", source, flags=re.DOTALL)
    words = re.sub(r"(</t[dh]>)\s*(?=<t[dh])", "\t", words)
    words = re.sub(r"<br\s*/?>|</(?:div|p|tr|li)>", "\n", words)
    words = html.unescape(re.sub(r"<[^>]*>", "", words)).replace("\u2003", "    ")
    return "\n".join(line.rstrip() for line in words.splitlines() if line.strip())


def _side_by_side(children: Any) -> Iterator[Row]:
    """Join the rows of an HBox into as few as have room; a part of several rows stands alone."""
    joined: Row = []
    for child in children:
        rows = list(rows_of(child))
        if len(rows) == 1 and _length([*joined, *rows[0]]) <= _CHARACTERS:
            joined += rows[0]
            continue
        if joined:
            yield joined
        joined = rows[0] if len(rows) == 1 else []
        yield from rows if len(rows) > 1 else []
    if joined:
        yield joined


def _control(widget: Any) -> Row:
    label = getattr(widget, "description", "")
    if isinstance(widget, ipywidgets.Button):
        return [Piece(label, boxed=True)]
    if isinstance(widget, ipywidgets.ToggleButton):
        return [Piece(label, boxed=True, bold=widget.value)]
    if isinstance(widget, ipywidgets.Checkbox):
        return [Piece(f"{'☑' if widget.value else '☐'} {label}")]
    if isinstance(widget, ipywidgets.ToggleButtons):
        options = [Piece(str(o), boxed=True, bold=o == widget.value) for o in widget.options]
        return [Piece(label), *options]
    value = getattr(widget, "value", None)
    if value is None or not hasattr(widget, "description"):
        return []
    mark = " ▾" if isinstance(widget, ipywidgets.Dropdown) else ""
    named = [Piece(label)] if label else []
    return [*named, Piece(f"{value:g}" if isinstance(value, float) else f"{value}{mark}", True)]


def _column_widths(lines: list[str]) -> list[int]:
    rows = [line.split("\t") for line in lines if "\t" in line]
    columns = itertools.zip_longest(*rows, fillvalue="")
    return [max(len(cell) for cell in column) for column in columns]


def _length(row: Row) -> int:
    return sum(len(piece.words) + (4 if piece.boxed else 1) for piece in row)


def _wrapped(words: str, indent: str = "") -> list[str]:
    return textwrap.wrap(words, _CHARACTERS, subsequent_indent=indent, drop_whitespace=True) or [
        words
    ]

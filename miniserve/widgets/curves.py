"""A latency curve as the figures take it, and the table of numbers beside it. Pure."""

from __future__ import annotations

import functools
import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from miniserve.latency import Floats, LatencyRecord, Percentile, cdf, latencies, percentile
from miniserve.palette import TEXT, dash_of, mode_colour

Role = Literal["live", "pinned", "before", "preview", "saved"]

MAX_POINTS = 160
"""Points that a drawn curve keeps; more cannot be seen, and each is sent five times a second."""

QUANTILES = (0.50, 0.95, 0.99)


@dataclass(frozen=True, eq=False)
class Curve:
    """The latencies (seconds) of answered requests, and how they are drawn.

    Args:
        label: says which run this is, in a few words.
        latencies_s: latencies in seconds, finite, in any order.
        mode: `sync`, `async`, `static` or `continuous` give the curve its colour.
        offered: requests that were sent; with more than were answered the curve ends below 1.
        role: `live` grows now, `pinned` is kept to compare, `before` is the setting that was just
            left, `preview` was computed and not measured, `saved` stands for itself.
        badge: a letter that is drawn on a pinned curve and printed in its row of the table.
        colour: in place of the mode's colour.
    """

    label: str
    latencies_s: Floats | Sequence[float]
    mode: str = ""
    offered: int | None = None
    role: Role = "saved"
    badge: str = ""
    colour: str = ""
    _sorted: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        values = np.sort(np.asarray(self.latencies_s, dtype=np.float64))
        object.__setattr__(self, "_sorted", values)

    @classmethod
    def of(
        cls, label: str, records: Iterable[LatencyRecord], *, mode: str = "", role: Role = "saved"
    ) -> Curve:
        """Make a curve from the records of a run; requests without an answer count as offered."""
        kept = list(records)
        return cls(label, latencies(kept), mode=mode, offered=len(kept), role=role)

    @property
    def n(self) -> int:
        """Answered requests."""
        return int(self._sorted.size)

    @property
    def drawn_colour(self) -> str:
        """The colour of the line."""
        if self.role == "before":
            return TEXT
        return self.colour or mode_colour(self.mode)

    @functools.cached_property
    def _quantiles(self) -> dict[float, Percentile]:
        return {q: percentile(self._sorted, q) for q in QUANTILES}

    def percentile(self, q: float) -> Percentile:
        """Return the `q`-quantile of the latencies, in seconds."""
        return self._quantiles[q] if q in QUANTILES else percentile(self._sorted, q)

    def points(self, limit: int = MAX_POINTS) -> tuple[Floats, Floats]:
        """Return the empirical distribution as (milliseconds, share of the offered requests).

        No more than `limit` points: evenly spaced ranks, and the last ones closer together, because
        the tail is what a reader looks at.
        """
        x, share = cdf(self._sorted, None if self.offered is None else max(self.offered, self.n))
        if self.n > limit:
            tail = min(limit // 4, self.n)
            ranks = np.linspace(0, self.n - 1 - tail, limit - tail).round().astype(int)
            keep = np.unique(np.concatenate([ranks, np.arange(self.n - tail, self.n)]))
            x, share = x[keep], share[keep]
        return x * 1e3, share

    def share_at(self, q: float) -> float:
        """Return the height of the `q`-quantile on the curve: less than q with losses."""
        return q * self.n / max(self.offered or self.n, self.n, 1)


def ms(seconds: float) -> str:
    """Write a time the way people say it: `8.3 ms`, `124 ms`, `1.25 s`; a dash for NaN."""
    if not np.isfinite(seconds):
        return "–"
    if seconds >= 1:
        return f"{seconds:.2f} s"
    value = seconds * 1e3
    return f"{value:.1f} ms" if value < 9.95 else f"{value:.0f} ms"


_DASHES = {"dot": "3 3", "dash": "8 4", "dashdot": "9 3 3 3"}
"""Lengths of line and gap, as SVG takes them."""


def curve_table(curves: Sequence[Curve]) -> str:
    """Return an HTML table: a row for each curve, with its percentiles and what was answered.

    A percentile with too few samples beyond it is printed in grey with a `~`. The table is also
    the legend: each row begins with a piece of its line.
    """
    rows = "".join(_row(curve) for curve in curves)
    head = "".join(f"<th scope='col'>{name}</th>" for name in ("p50", "p95", "p99", "answered"))
    return (
        "<table class='miniserve-table'><thead><tr><th scope='col'>"
        f"<span class='miniserve-note'>latency</span></th>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )


@functools.lru_cache(maxsize=32)
def _row(curve: Curve) -> str:
    dash = dash_of(curve.role, curve.mode)
    width = 1.5 if curve.role == "before" else 3
    chip = (
        "<svg class='miniserve-chip' width='27' height='4' aria-hidden='true'>"
        f"<path d='M0 2H27' stroke='{curve.drawn_colour}' stroke-width='{width}' "
        f"stroke-dasharray='{_DASHES.get(dash, 'none')}'/></svg>"
    )
    badge = f"<b>{html.escape(curve.badge)}</b> " if curve.badge else ""
    cells = "".join(_percentile_cell(curve.percentile(q)) for q in QUANTILES)
    answered = f"{curve.n}"
    if curve.offered is not None and curve.offered > curve.n:
        answered += f" of {curve.offered}"
    return (
        f"<tr><th scope='row'>{chip}{badge}{html.escape(curve.label)}</th>"
        f"{cells}<td>{answered}</td></tr>"
    )


def in_words(value: Percentile) -> str:
    """A percentile as a time, with a `~` if too few samples lie beyond it to be quoted."""
    return ("~" if _rests_on_few(value) else "") + ms(value.value)


def _percentile_cell(value: Percentile) -> str:
    look = ""
    if _rests_on_few(value):
        title = f"only {value.beyond} of {value.n} samples lie beyond it"
        look = f" class='miniserve-faint' title='{title}'"
    return f"<td{look}>{in_words(value)}</td>"


def _rests_on_few(value: Percentile) -> bool:
    return value.n > 0 and not value.quotable

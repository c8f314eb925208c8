"""What a benchmark found: tables of medians with their spread, for people (Markdown) and programs.

A column's name carries its unit (`step_ms`), so the same rows serve as JSON.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median, quantiles
from typing import Any

Json = dict[str, Any]

_UNITS = {
    "_per_s": "/s",
    "_ms": ", ms",
    "_us": ", µs",
    "_mib": ", MiB",
    "_s": ", s",
}


@dataclass(frozen=True)
class Spread:
    """A figure that was measured several times: the median, and what it lies between."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float], scale: float = 1.0) -> Spread:
        """Median, lowest and highest of one value or more, times `scale`."""
        scaled = [value * scale for value in values]
        return cls(median(scaled), min(scaled), max(scaled))

    @classmethod
    def of_known(cls, values: Iterable[float | None], scale: float = 1.0) -> Spread | None:
        """The same of what is known, neither None nor NaN; None if nothing is."""
        known = [value for value in values if value is not None and not math.isnan(value)]
        return cls.of(known, scale) if known else None

    @classmethod
    def quartiles(cls, values: Sequence[float], scale: float = 1.0) -> Spread:
        """Median and quartiles of two values or more, times `scale`."""
        low, middle, high = (value * scale for value in quantiles(values, n=4, method="inclusive"))
        return cls(middle, low, high)


Cell = Spread | float | str | None


@dataclass(frozen=True)
class Table:
    """Rows with the same columns, and what a reader must know about them."""

    title: str
    about: str
    rows: Sequence[Mapping[str, Cell]]

    def as_dict(self) -> Json:
        """The table as JSON can hold it."""
        return asdict(self)


def markdown(table: Table | Mapping[str, Any]) -> str:
    """A table, or its JSON, as Markdown: a heading, a remark, and one line a row."""
    content = table.as_dict() if isinstance(table, Table) else table
    rows = content["rows"]
    lines = [f"### {content['title']}", "", content["about"], ""]
    if rows:
        names = list(rows[0])
        lines.append(f"| {' | '.join(heading(name) for name in names)} |")
        lines.append("|---" * len(names) + "|")
        lines += [f"| {' | '.join(text(row[name]) for name in names)} |" for row in rows]
        lines.append("")
    return "\n".join(lines)


def heading(name: str) -> str:
    """A column's name for people: `step_ms` is "step, ms"."""
    for suffix, unit in _UNITS.items():
        if name.endswith(suffix):
            return name.removesuffix(suffix).replace("_", " ") + unit
    return name.replace("_", " ")


def text(cell: Any) -> str:
    """A cell for people: three digits or so, and the spread in brackets."""
    if cell is None:
        return "—"
    if isinstance(cell, Mapping):
        middle, low, high = (text(float(cell[name])) for name in ("median", "low", "high"))
        return f"{middle} ({low}–{high})"
    if isinstance(cell, float):
        size = abs(cell)
        digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.1 else 3
        return f"{cell:.{digits}f}"
    return str(cell)

"""The standard load test in pictures: `cdf.svg`, `sweep.svg`, and `standard.html` to play with.

The page holds its own data and a few lines of script, so that it opens without a network.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from miniserve.bench.results import load_cdf
from miniserve.bench.tables import Json
from miniserve.palette import MATPLOTLIB_DASHES, MODE_COLOURS, TEXT, dash_of, mode_colour

_TEMPLATE = Path(__file__).parent / "page.html"
_STYLE: Any = {"svg.fonttype": "none", "svg.hashsalt": "miniserve", "font.size": 10}


def draw(report: Json, folder: Path) -> None:
    """Draw what `folder` has data for."""
    curves = load_cdf(folder)
    _save(_cdf_figure(curves, report), folder / "cdf.svg")
    sweep = report.get("sweep", [])
    (folder / "sweep.svg").unlink(missing_ok=True)  # it may be of another report
    if sweep:
        _save(_sweep_figure(sweep, report), folder / "sweep.svg")
    data = {
        "curves": {mode: _thinned(points) for mode, points in curves.items()},
        "sweep": [
            {k: row[k] for k in ("mode", "rate_rps", "p95_s", "goodput_rps")} for row in sweep
        ],
        "colours": MODE_COLOURS,
        "slo_s": report["slo_s"],
        "rate_rps": report["rate_rps"],
        "capacity_rps": report["static_capacity_rps"],
    }
    page = _TEMPLATE.read_text(encoding="utf-8").replace("{{data}}", json.dumps(data))
    (folder / "standard.html").write_text(page, encoding="utf-8")


def _cdf_figure(curves: dict[str, list[tuple[float, float]]], report: Json) -> Figure:
    figure, axes = _axes(
        f"Latency at {report['rate_rps']:.0f} requests/s "
        f"({report['rate_rps'] / report['static_capacity_rps']:.0%} of the static capacity)"
    )
    for mode, points in curves.items():
        times, shares = zip(*points, strict=True) if points else ((), ())
        axes.step([t * 1e3 for t in times], shares, where="post", label=mode, **_line(mode))
    axes.axhline(0.95, color=TEXT, linewidth=0.7)
    axes.axvline(report["slo_s"] * 1e3, color=TEXT, linewidth=0.7)
    axes.annotate("SLO", (report["slo_s"] * 1e3, 0.02), color=TEXT, fontsize=8)
    axes.set(xscale="log", xlabel="latency (ms)", ylabel="share of all requests", ylim=(0, 1.02))
    axes.legend(frameon=False, loc="lower right")
    return figure


def _sweep_figure(sweep: list[Json], report: Json) -> Figure:
    figure, axes = _axes("p95 against offered load")
    for mode in dict.fromkeys(row["mode"] for row in sweep):
        rows = [row for row in sweep if row["mode"] == mode and row["p95_s"] is not None]
        rates, times = [row["rate_rps"] for row in rows], [row["p95_s"] * 1e3 for row in rows]
        axes.plot(rates, times, marker="o", markersize=3, label=mode, **_line(mode))
    axes.axhline(report["slo_s"] * 1e3, color=TEXT, linewidth=0.7)
    axes.annotate("SLO", (0, report["slo_s"] * 1.05e3), color=TEXT, fontsize=8)
    axes.set(yscale="log", xlabel="offered load (requests/s)", ylabel="p95 latency (ms)")
    axes.legend(frameon=False, loc="lower right")
    return figure


def _axes(title: str) -> tuple[Figure, Any]:
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, fontsize=11)
    axes.grid(True, which="major", color=TEXT, alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _line(mode: str) -> dict[str, Any]:
    return {
        "color": mode_colour(mode),
        "linestyle": MATPLOTLIB_DASHES[dash_of("saved", mode)],
        "linewidth": 2,
    }


def _save(figure: Figure, path: Path) -> None:
    """Write an SVG with the same bytes for the same data."""
    with mpl.rc_context(_STYLE):
        figure.savefig(path, format="svg", metadata={"Date": None})


def _thinned(points: list[tuple[float, float]]) -> list[list[float]]:
    """Milliseconds with four digits are enough for a screen."""
    return [[float(f"{seconds * 1e3:.4g}"), share] for seconds, share in points]

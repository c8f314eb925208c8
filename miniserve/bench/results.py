"""What the standard load test leaves in `data/latency/`: raw samples, one JSON, a table, the CDFs.

`standard.json` is the whole result; table and pictures are drawn from it and from `cdf.csv`.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from miniserve.bench.standard import Baseline, Point, StandardSize
from miniserve.bench.tables import Cell, Json, Spread, Table, markdown
from miniserve.latency import Summary, latencies
from miniserve.loadtest import LoadResult
from miniserve.settings import Mode

_QUOTED = ("p50_s", "p95_s", "p99_s", "goodput_rps", "goodput_share", "throughput_rps")

#: Points of each saved curve: a share every 0.2 %.
_CDF_POINTS = 501


def standard_report(
    results: Mapping[Mode, Sequence[LoadResult]], found: Baseline, size: StandardSize
) -> Json:
    """The replays in numbers: for each mode medians over the traces, with their range."""
    modes: Json = {}
    p95: dict[str, list[float]] = {}
    for mode, runs in results.items():
        summaries = [run.summary(found.slo_s) for run in runs]
        modes[mode.value] = _mode_report(summaries)
        p95[mode.value] = [summary.p95.value for summary in summaries]
    first = next(iter(results.values()))[0].conditions
    report: Json = {
        "conditions": {
            **{key: first[key] for key in ("started_at", "machine", "python", "timeout_s")},
            "traces": len(p95[Mode.STATIC]),
            "requests_a_trace": first["requests"],
            "max_num_seqs": size.max_num_seqs,
            "max_wait_s": size.max_wait_s,
        },
        "static_capacity_rps": found.static_capacity_rps,
        "rate_rps": size.load * found.static_capacity_rps,
        "unloaded_p95_s": found.unloaded_p95_s,
        "slo_s": found.slo_s,
        "modes": modes,
        "ratios": {},
    }
    if {"continuous", "static"} <= p95.keys():
        pairs = zip(p95["continuous"], p95["static"], strict=True)
        ratios = [continuous / static for continuous, static in pairs]
        if not any(map(math.isnan, ratios)):  # a run without an answer has no p95
            report["ratios"]["p95_continuous_over_static"] = _with_range(ratios)
    return report


def add_sweep(report: Json, points: Sequence[Point], found: Baseline) -> None:
    """Put the sweep into a report: medians at each rate, and the largest of each mode.

    For that, a rate at which the generator could not keep to its schedule does not count.
    """
    rows: list[Json] = [
        {
            "mode": point.mode.value,
            "share": point.share,
            "rate_rps": point.rate,
            **_mode_report([result.summary(found.slo_s) for result in point.results]),
        }
        for point in points
    ]
    report["sweep"] = rows
    for known in report["modes"].values():  # of an earlier sweep
        known.pop("max_goodput_rps", None)
    largest: dict[str, float] = {}
    for row in rows:
        if row["valid"]:
            largest[row["mode"]] = max(largest.get(row["mode"], 0.0), row["goodput_rps"])
    for mode, goodput in largest.items():
        report["modes"].setdefault(mode, {})["max_goodput_rps"] = goodput
    for mode in ("static", "sync"):
        name = f"max_goodput_continuous_over_{mode}"
        report["ratios"].pop(name, None)
        if "continuous" in largest and largest.get(mode):
            report["ratios"][name] = largest["continuous"] / largest[mode]


def baseline_of(report: Json) -> Baseline:
    """What an earlier run has measured first."""
    return Baseline(report["static_capacity_rps"], report["unloaded_p95_s"])


def save_report(report: Json, folder: Path) -> None:
    """Write `standard.json` and the table `standard.md`."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report, indent=2, allow_nan=False)
    (folder / "standard.json").write_text(text + "\n", encoding="utf-8")
    (folder / "standard.md").write_text(table(report), encoding="utf-8")


def save_samples(results: Mapping[Mode, Sequence[LoadResult]], folder: Path) -> None:
    """Write every sample under `raw/`, and the four CDFs over all traces as `cdf.csv`.

    A row of `cdf.csv` says within how many seconds a share of the *offered* requests was answered;
    a cell is empty where a mode never answered so many.
    """
    (folder / "raw").mkdir(parents=True, exist_ok=True)
    last = _CDF_POINTS - 1
    shares = np.linspace(0.0, 1.0, _CDF_POINTS)
    columns: dict[str, list[float]] = {}
    for mode, runs in results.items():
        for number, run in enumerate(runs):
            run.save(folder / "raw" / f"{mode.value}-{number}")
        answered = np.sort(np.concatenate([latencies(run.measured) for run in runs]))
        offered = sum(len(run.measured) for run in runs)
        # Rounded up in whole numbers: 0.55 * 100 is a little more than 55 in floating point.
        ranks = [max(-(-step * offered // last) - 1, 0) for step in range(_CDF_POINTS)]
        columns[mode.value] = [
            float(answered[rank]) if rank < len(answered) else math.nan for rank in ranks
        ]
    with (folder / "cdf.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["share", *(f"{mode}_s" for mode in columns)])
        for share, *cells in zip(shares, *columns.values(), strict=True):
            writer.writerow(
                [f"{share:.3f}", *("" if math.isnan(cell) else f"{cell:.6f}" for cell in cells)]
            )


def load_cdf(folder: Path) -> dict[str, list[tuple[float, float]]]:
    """Read `cdf.csv`: for each mode its points (seconds, share of offered requests)."""
    with (folder / "cdf.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    return {
        name.removesuffix("_s"): [(float(row[i]), float(row[0])) for row in rows if row[i]]
        for i, name in enumerate(header[1:], 1)
    }


def table(report: Json) -> str:
    """The result as a Markdown table, with the range over the traces in brackets."""
    conditions = report["conditions"]
    about = (
        f"{conditions['traces']} traces of {conditions['requests_a_trace']} requests at "
        f"{report['rate_rps']:.0f} requests/s; static capacity "
        f"{report['static_capacity_rps']:.0f} requests/s; SLO {report['slo_s'] * 1e3:.0f} ms; "
        "median (lowest–highest) of the traces. *Valid*: the generator kept to its schedule in all "
        "of them. "
        f"{conditions['machine']}, Python {conditions['python']}, {conditions['started_at']}."
    )
    rows = [_row(mode, row) for mode, row in report["modes"].items() if "p50_s" in row]
    lines = [markdown(Table("Standard load test", about, rows))]
    for name, value in report["ratios"].items():
        figure = value["median"] if isinstance(value, dict) else value
        lines.append(f"{name.replace('_', ' ')}: {figure:.2f}  ")
    return "\n".join(lines) + "\n"


def _row(mode: str, row: Json) -> dict[str, Cell]:
    return {
        "mode": mode,
        "p50_ms": _milliseconds(row, "p50_s"),
        "p95_ms": _milliseconds(row, "p95_s"),
        "p99_ms": _milliseconds(row, "p99_s"),
        "valid": "yes" if row["valid"] else "no",
        "answered": f"{row['answered_share']:.1%}",
        "within the SLO": f"{row['goodput_share']:.1%}",
        "goodput_per_s": row["goodput_rps"],
        "largest_goodput_per_s": row.get("max_goodput_rps"),
    }


def _milliseconds(row: Json, name: str) -> Spread | None:
    """A median of the report, and the range beside it; None for a mode that answered nobody."""
    return Spread.of_known([row[name], *row["range"][name]], 1e3)


def _mode_report(summaries: Sequence[Summary]) -> Json:
    rows = [summary.as_dict() for summary in summaries]
    ranged = {name: _with_range([row[name] for row in rows]) for name in _QUOTED}
    return {
        **{name: entry["median"] for name, entry in ranged.items()},
        "answered_share": sum(s.answered for s in summaries) / sum(s.offered for s in summaries),
        "shed": sum(s.shed for s in summaries),
        "failed": sum(s.failed for s in summaries),
        "lag_p99_s": max(s.lag_p99_s for s in summaries),
        "valid": all(s.valid for s in summaries),
        "reasons": sorted({s.reason for s in summaries if s.reason}),
        "range": {name: entry["range"] for name, entry in ranged.items()},
        "traces": [{name: row[name] for name in _QUOTED} for row in rows],
    }


def _with_range(values: Sequence[float | None]) -> Json:
    found = Spread.of_known(values)
    if found is None:  # a mode that answered nobody has no latency
        return {"median": None, "range": [None, None]}
    return {"median": found.median, "range": [found.low, found.high]}

"""The files of the engine's benchmark: `bench.json`, and `bench.md`, which is drawn from it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from miniserve.bench.tables import Json, Table, markdown


def part(
    tables: Sequence[Table], date: str, seconds: float, load_average: float | None = None
) -> Json:
    """One part of the benchmark: its tables, when it began, how long it took, and how busy the
    machine was just before.
    """
    return {
        "date": date,
        "seconds": round(seconds, 1),
        "load_average": load_average,
        "tables": [table.as_dict() for table in tables],
    }


def save(
    folder: Path, machine: Mapping[str, str], parts: Mapping[str, Json], *, order: Sequence[str]
) -> None:
    """Write both files. Parts that are there already stay, if all that they depend on is the same:
    machine, versions and checkpoint.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "bench.json"
    known: Json = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    old = known["parts"] if known.get("machine") == dict(machine) else {}
    merged = {**old, **parts}
    report = {
        "machine": dict(machine),
        "parts": {name: merged[name] for name in order if name in merged},
    }
    path.write_text(json.dumps(report, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    (folder / "bench.md").write_text(page(report), encoding="utf-8")


def page(report: Json) -> str:
    """The whole report as Markdown."""
    dates = sorted(content["date"] for content in report["parts"].values())
    lines = ["# The engine, measured", "", "Made by `make bench`.", ""]
    lines += [f"- {name}: {value}" for name, value in report["machine"].items()]
    lines.append(f"- date: {dates[0]}" + (f" to {dates[-1]}" if dates[0] != dates[-1] else ""))
    first = next(iter(report["parts"].values()))
    if first["load_average"] is not None:
        lines.append(f"- load average just before: {first['load_average']}")
    lines.append("")
    for content in report["parts"].values():
        lines += [markdown(table) for table in content["tables"]]
    return "\n".join(lines)

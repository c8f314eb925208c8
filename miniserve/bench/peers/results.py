"""`peers.json`, and `peers.md`, which is drawn from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from miniserve.bench.peers.compare import Standing
from miniserve.bench.peers.engine import PeerEngine
from miniserve.bench.peers.over_http import LLAMA, OWN, Latency, p95_ratio
from miniserve.bench.tables import Cell, Json, Spread, Table, markdown

#: What this engine was built to reach: its corrections per second ÷ the peer's.
TARGETS = {
    "OpenVINO GenAI": 1.2,
    "vLLM CPU": 1.7,
    "llama.cpp server": 3.0,
    "transformers continuous batching": 3.5,
}

P95_TARGET = 0.5


def offline_table(
    found: Mapping[str, Standing],
    kinds: Mapping[str, type[PeerEngine]],
    versions: Mapping[str, str],
    *,
    slots: int,
    rounds: int,
) -> Table:
    """Throughput, the fastest first."""
    rows: list[Mapping[str, Cell]] = [
        {
            "engine": name,
            "version": versions[name],
            "settings": kinds[name].how,
            "corrections_per_s": row.corrections_per_s,
            "tokens_per_s": row.tokens_per_s,
            "threads busy": row.cpu,
            "miniserve is faster by": "—" if name == OWN else row.ratio,
            "target": TARGETS.get(name),
            "same answers": f"{row.agree} of {row.answers}",
        }
        for name, row in found.items()
    ]
    requests = next(iter(found.values())).answers
    about = (
        f"{requests} sentences of the standard load handed in at once, {slots} slots, one thread, "
        "greedy, answers of their natural length; reading the prompt is included, tokenization is "
        "not. *Threads busy* is processor time ÷ time. Median (lowest–highest) of "
        f"{rounds} rounds in alternating order; the factor is taken round by round."
    )
    return Table(f"Throughput at {slots} slots", about, rows)


def http_table(rate: float, found: Mapping[str, Latency], seconds: float, count: int) -> Table:
    """Latency over HTTP."""
    rows: list[Mapping[str, Cell]] = [
        {
            "server": name,
            "saturation_per_s": row.saturation_per_s,
            "p50_ms": _milliseconds(row.p50_s),
            "p95_ms": _milliseconds(row.p95_s),
            "answered": f"{row.answered} of {row.offered}",
            "generator kept to its schedule": "yes" if row.valid else "no",
        }
        for name, row in found.items()
    ]
    ratio = p95_ratio(found)
    said = "" if ratio is None else f" p95 of miniserve ÷ p95 of llama.cpp: {ratio:.2f}."
    about = (
        f"`POST /v1/completions` at {rate:.0f} requests per second, 80 % of {LLAMA}'s saturation: "
        f"{count} Poisson traces of {seconds:.0f} s, each sent to one server and to the other. "
        f"Median (lowest–highest) over the traces.{said} Target: below {P95_TARGET}."
    )
    return Table("Latency over HTTP", about, rows)


def report(
    machine: Mapping[str, str], date: str, tables: list[Table], missing: Mapping[str, str]
) -> Json:
    """Everything, as JSON can hold it."""
    return {
        "machine": dict(machine),
        "date": date,
        "tables": [asdict(table) for table in tables],
        "left_out": dict(missing),
    }


def page(content: Json) -> str:
    """The report as Markdown."""
    lines = ["# This engine beside others", "", "Made by `make bench-peers`.", ""]
    lines += [f"- {name}: {value}" for name, value in content["machine"].items()]
    lines += [f"- date: {content['date']}", ""]
    lines += [markdown(table) for table in content["tables"]]
    if content["left_out"]:
        lines += ["Left out:", ""]
        lines += [f"- {name}: {reason}" for name, reason in content["left_out"].items()]
        lines.append("")
    return "\n".join(lines)


def save(content: Json, folder: Path) -> None:
    """Write both files."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
    (folder / "peers.json").write_text(text + "\n", encoding="utf-8")
    (folder / "peers.md").write_text(page(content), encoding="utf-8")


def _milliseconds(value: Spread | None) -> Spread | None:
    if value is None:
        return None
    return Spread(value.median * 1e3, value.low * 1e3, value.high * 1e3)

"""`miniserve bench --standard` and `--sweep`: measure, save, draw."""

from __future__ import annotations

import json
from pathlib import Path

from miniserve.bench import results as saved
from miniserve.bench.drawing import draw
from miniserve.bench.machine import machine
from miniserve.bench.standard import Say, StandardSize, measure_baseline, replay, serving, sweep
from miniserve.bench.tables import Json
from miniserve.loadtest import Trace
from miniserve.paths import STANDARD_LOAD


def run_standard(
    size: StandardSize,
    *,
    out: Path,
    with_replay: bool = True,
    with_sweep: bool = False,
    trace: Path = STANDARD_LOAD,
    say: Say = print,
) -> Json:
    """Run the standard load test, the sweep, or both, and write the results into `out`.

    A sweep alone adds to the report that is in `out`, at the rates and the SLO of that report.

    Raises:
        ValueError: the trace is too short, or a sweep alone finds no report, or one of another
            machine or checkpoint.
        RuntimeError: a server does not start.
    """
    traces = Trace.load(trace).stretches(size.requests)[: size.traces]
    if len(traces) < size.traces:
        raise ValueError(f"{trace.name} has fewer than {size.traces} × {size.requests} requests")
    report = None if with_replay else _load_report(out)
    with serving(size) as servers:
        if report is None:
            found = measure_baseline(servers, size, traces[0].sentences, say)
            results = replay(servers, size, traces, found, say)
            report = saved.standard_report(results, found, size)
            report["machine"] = machine()
            saved.save_samples(results, out)
            saved.save_report(report, out)
        if with_sweep:
            found = saved.baseline_of(report)
            saved.add_sweep(report, sweep(servers, size, traces, found, say), found)
            saved.save_report(report, out)
    draw(report, out)
    return report


def _load_report(folder: Path) -> Json:
    path = folder / "standard.json"
    if not path.exists():
        raise ValueError(f"there is no {path.name} to add a sweep to: run --standard first")
    report: Json = json.loads(path.read_text(encoding="utf-8"))
    if report.get("machine") != machine():
        raise ValueError(f"{path.name} is of another machine or checkpoint: run --standard as well")
    return report

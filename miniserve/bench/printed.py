"""How `miniserve bench` prints a run."""

from __future__ import annotations

from collections.abc import Set

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from miniserve.latency import SHED, Percentile, Summary
from miniserve.loadtest import LoadResult


def show(console: Console, result: LoadResult, summary: Summary) -> None:
    """Print a run as a table, and say loudly if it is not valid."""
    table = Table(title=f"{result.conditions['method']} {result.conditions['url']}")
    table.add_column("what")
    table.add_column("value", justify="right")
    table.add_column("of it", style="dim")
    shed = {f"HTTP {status}" for status in SHED}
    warmup = len(result.records) - len(result.measured)
    rows = [
        ("offered", str(summary.offered), f"and {warmup} in warm-up" if warmup else ""),
        ("answered", str(summary.answered), "percentiles are taken over these"),
        ("shed (429, 503)", str(summary.shed), _reasons(summary, summary.errors.keys() & shed)),
        ("failed", str(summary.failed), _reasons(summary, summary.errors.keys() - shed)),
        *((f"latency {name}", *_quote(p)) for name, p in _tail(summary)),
        ("service p95", *_quote(summary.service_p95)),
        ("offered rate", f"{summary.offered_rps:.1f}/s", f"sent {summary.achieved_rps:.1f}/s"),
        ("throughput", f"{summary.throughput_rps:.1f}/s", f"over {summary.duration_s:.1f} s"),
    ]
    if summary.goodput_rps is not None and summary.goodput_share is not None:
        share = f"{summary.goodput_share:.1%} of offered within {summary.slo_s:g} s"
        rows.append(("goodput", f"{summary.goodput_rps:.1f}/s", share))
    rows.append(("generator lag p99", f"{summary.lag_p99_s * 1e3:.1f} ms", ""))
    for row in rows:
        table.add_row(*row)
    console.print(table)
    if result.conditions["stopped_early"]:
        console.print("Stopped early: these are the requests that were sent.", style="yellow")
    if not summary.valid:
        text = f"{summary.reason}\nDo not quote these numbers."
        console.print(Panel(text, title="RUN NOT VALID", style="bold red"))


def _reasons(summary: Summary, kinds: Set[str]) -> str:
    """How often each of these outcomes came."""
    return ", ".join(f"{n} × {what}" for what, n in summary.errors.items() if what in kinds)


def _tail(summary: Summary) -> list[tuple[str, Percentile]]:
    return [("p50", summary.p50), ("p95", summary.p95), ("p99", summary.p99)]


def _quote(percentile: Percentile) -> tuple[str, str]:
    """Return the value and what stands behind it; no value where that is too little."""
    behind = f"{percentile.beyond} of {percentile.n} samples beyond"
    if not percentile.quotable:
        return "—", f"only {behind}"
    return f"{percentile.value * 1e3:.1f} ms", behind

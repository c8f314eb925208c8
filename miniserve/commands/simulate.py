"""`miniserve simulate`: a million requests through one of the schedulers, on a virtual clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from miniserve import simulator
from miniserve.cli_options import JsonFile, LengthsFile, StepCostFile, read_inputs
from miniserve.settings import Mode
from miniserve.simulator import Policy
from miniserve.simulator.digits import to_json
from miniserve.simulator.single import OnProgress


def simulate(
    *,
    mode: Annotated[Mode, typer.Option(help="How requests share the model.")] = Mode.CONTINUOUS,
    requests: Annotated[
        int, typer.Option(min=1, max=100_000_000, help="How many requests come.")
    ] = 100_000,
    rate: Annotated[
        float | None,
        typer.Option(
            min=0.001, max=1e9, help="Requests per second; default: a share of the capacity."
        ),
    ] = None,
    load: Annotated[
        float, typer.Option(min=0.001, max=1e3, help="That share, where no rate is given.")
    ] = 0.85,
    seed: Annotated[int, typer.Option(min=0, help="Seed of arrivals and lengths.")] = 0,
    max_num_seqs: Annotated[int, typer.Option(min=1, help="Slots.")] = 16,
    max_wait_s: Annotated[
        float, typer.Option(min=0.0, max=60.0, help="How long a static batch waits to fill.")
    ] = 0.005,
    max_num_batched_tokens: Annotated[
        int, typer.Option(min=1, help="Token budget of a step (continuous).")
    ] = 256,
    max_waiting: Annotated[
        int | None, typer.Option(min=0, help="Queue bound; default: none.")
    ] = None,
    step_cost: StepCostFile = None,
    lengths: LengthsFile = None,
    json_path: JsonFile = None,
) -> None:
    """Run Poisson requests through a scheduler on a virtual clock.

    The scheduler is the one that serves; only the model's steps are replaced by what they cost. Two
    runs with the same arguments write the same file, byte for byte, on any machine.
    """
    cost, distribution = read_inputs(step_cost, lengths)
    try:
        policy = Policy(mode, max_num_seqs, max_wait_s, max_num_batched_tokens, max_waiting)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    capacity = policy.capacity(distribution, cost)
    rate = load * capacity if rate is None else rate
    console = Console(stderr=True)
    with _progress(console, requests) as on_progress:
        result = simulator.simulate(
            policy, distribution, cost, rate=rate, n=requests, seed=seed, on_progress=on_progress
        )
    row = result.as_dict()
    report: dict[str, Any] = {
        "seed": seed,
        "rate_rps": rate,
        "capacity_rps": capacity,
        "step_cost": {"a": cost.a, "b": cost.b, "c": cost.c},
        "lengths": {
            "mean_prompt": distribution.mean_prompt,
            "mean_output": distribution.mean_output,
            "longest_of_a_batch": distribution.expected_max(policy.slots),
        },
        "result": row,
    }
    if json_path is not None:
        json_path.write_text(to_json(report), encoding="utf-8")
    Console().print(_table(report, row))


def _table(report: dict[str, Any], row: dict[str, Any]) -> Table:
    table = Table(title=f"{row['policy']['mode']}, {row['offered']:,} requests, virtual clock")
    table.add_column("what")
    table.add_column("value", justify="right")
    latency = row["latency_s"]
    for what, value in [
        ("offered rate", f"{report['rate_rps']:.1f}/s"),
        ("capacity by formula", f"{report['capacity_rps']:.1f}/s"),
        ("answered", f"{row['answered']:,}"),
        ("refused", f"{row['shed']:,}"),
        ("throughput", f"{row['throughput_rps']:.1f}/s"),
        ("latency mean", f"{latency['mean'] * 1e3:.1f} ms"),
        *((f"latency {p}", f"{latency[p] * 1e3:.1f} ms") for p in ("p50", "p95", "p99")),
        ("mean wait for a slot", f"{row['wait_s']['mean'] * 1e3:.1f} ms"),
        ("time in which a step ran", f"{row['utilisation']:.1%}"),
        ("rows in a step, mean", f"{row['mean_batch']:.2f}"),
        ("virtual time", f"{row['duration_s']:,.0f} s"),
    ]:
        table.add_row(what, value)
    return table


@contextmanager
def _progress(console: Console, total: int) -> Iterator[OnProgress]:
    columns = (TextColumn("simulating"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, refresh_per_second=4) as progress:
        task = progress.add_task("", total=total)
        yield lambda done: progress.update(task, completed=done)

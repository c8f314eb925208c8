"""`miniserve simulate`: a million requests through one of the schedulers, on a virtual clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from miniserve import simulator
from miniserve.queueing import Lengths
from miniserve.settings import Mode
from miniserve.simulator import Policy
from miniserve.simulator.single import Progress as OnProgress
from miniserve.simulator.single import to_json
from miniserve.simulator.standard import standard_cost, standard_lengths
from miniserve.stepcost import StepCost

StepCostFile = Annotated[
    Path | None,
    typer.Option(help="JSON of a fitted step cost; default: the one of the standard load test."),
]
LengthsFile = Annotated[
    Path | None, typer.Option(help="JSON of lengths in tokens; default: those of the verb corpus.")
]


def in_a_folder(path: Path | None) -> Path | None:
    """Refuse a file that cannot be made, before the work is done and not after it."""
    if path is not None and not path.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {path.parent}")
    return path


JsonFile = Annotated[
    Path | None,
    typer.Option(
        "--json",
        help="Write the numbers here.",
        dir_okay=False,
        writable=True,
        callback=in_a_folder,
    ),
]


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
    cost, what = read_inputs(step_cost, lengths)
    policy = Policy(mode, max_num_seqs, max_wait_s, max_num_batched_tokens, max_waiting)
    capacity = policy.capacity(what, cost)
    rate = load * capacity if rate is None else rate
    console = Console(stderr=True)
    with _progress(console, requests) as on_progress:
        result = simulator.simulate(
            policy, what, cost, rate=rate, n=requests, seed=seed, on_progress=on_progress
        )
    row = result.as_dict()
    report: dict[str, Any] = {
        "seed": seed,
        "rate_rps": rate,
        "capacity_rps": capacity,
        "step_cost": {"a": cost.a, "b": cost.b, "c": cost.c},
        "lengths": {
            "mean_prompt": what.mean_prompt,
            "mean_output": what.mean_output,
            "longest_of_a_batch": what.expected_max(policy.max_num_seqs),
        },
        "result": row,
    }
    if json_path is not None:
        json_path.write_text(to_json(report), encoding="utf-8")
    Console().print(_table(report, row))


def read_inputs(step_cost: Path | None, lengths: Path | None) -> tuple[StepCost, Lengths]:
    """Read the files that were given, and those of the standard load test in place of others."""
    try:
        cost = StepCost.load(step_cost) if step_cost else standard_cost()
        return cost, Lengths.load(lengths) if lengths else standard_lengths()
    except (OSError, ValueError) as error:
        raise typer.BadParameter(str(error)) from error
    except (RecursionError, OverflowError) as error:
        raise typer.BadParameter(f"the file cannot be read: {error}") from error


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

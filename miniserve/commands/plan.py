"""`miniserve plan`: how much a server carries, and what to start it with."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from miniserve import capacity
from miniserve.capacity import Plan, Slo
from miniserve.cli_options import JsonFile, LengthsFile, StepCostFile, read_inputs
from miniserve.simulator.digits import to_json


def plan(
    *,
    slo: Annotated[
        float,
        typer.Option(min=0.001, max=3600.0, help="Seconds within which an answer is to come."),
    ] = 0.3,
    quantile: Annotated[
        float, typer.Option(min=0.5, max=0.99, help="Share of answers for which that holds.")
    ] = 0.95,
    overhead: Annotated[
        float,
        typer.Option(min=0.0, help="Seconds of each request that the engine does not see (HTTP)."),
    ] = 0.0,
    requests: Annotated[
        int, typer.Option(min=200, max=10_000_000, help="Requests in each simulated trial.")
    ] = 4000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the trials.")] = 0,
    step_cost: StepCostFile = None,
    lengths: LengthsFile = None,
    json_path: JsonFile = None,
    serve_args: Annotated[
        bool, typer.Option("--serve-args", help="Print only the arguments for miniserve serve.")
    ] = False,
) -> None:
    """Size a server for an SLO: rate, batch size, queue bound, Retry-After, and the reasons."""
    cost, distribution = read_inputs(step_cost, lengths)
    if overhead >= slo:
        raise typer.BadParameter("the overhead alone takes longer than the SLO allows")
    with Console(stderr=True).status("planning") as status:
        try:
            made = capacity.plan(
                distribution,
                cost,
                Slo(slo, quantile),
                overhead_s=overhead,
                n=requests,
                seed=seed,
                on_progress=lambda mode: status.update(f"trying out {mode}"),
            )
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
    if json_path is not None:
        json_path.write_text(to_json(made.as_dict()), encoding="utf-8")
    if serve_args:
        print(*made.serve_args)
    else:
        show(Console(), made)


def show(console: Console, made: Plan) -> None:
    """Print what each mode carries, the reasoning for the best one, and how to start it."""
    name = f"p{100 * made.slo.quantile:g}"
    modes = Table(title=f"{name} within {made.slo.latency_s * 1e3:g} ms")
    for column in ("mode", "batch size", "capacity", "within the SLO", name):
        modes.add_column(column, justify="left" if column == "mode" else "right")
    for one in made.modes:
        modes.add_row(
            one.policy.mode.value,
            str(one.policy.max_num_seqs),
            f"{one.capacity_rps:.0f}/s",
            f"{one.carried_rps:.0f}/s",
            f"{one.latency_s * 1e3:.0f} ms",
        )
    console.print(modes)
    reasons = Table(title=f"why: {made.policy.mode.value}")
    for column in ("what", "value", "unit", "how"):
        reasons.add_column(column, justify="right" if column == "value" else "left")
    for step in made.steps:
        reasons.add_row(step.what, f"{step.value:.4g}", step.unit, escape(step.how))
    console.print(reasons)
    console.print("miniserve serve " + " ".join(made.serve_args), soft_wrap=True, highlight=False)

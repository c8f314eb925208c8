"""Options that several commands have, and how the files that they name are read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from miniserve.queueing import Lengths
from miniserve.simulator.standard import standard_cost, standard_lengths
from miniserve.stepcost import StepCost

StepCostFile = Annotated[
    Path | None,
    typer.Option(help="JSON of a fitted step cost; default: the one that the chapters use."),
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


def read_inputs(step_cost: Path | None, lengths: Path | None) -> tuple[StepCost, Lengths]:
    """Read the files that were given, and those of the standard load test in place of others."""
    try:
        cost = StepCost.load(step_cost) if step_cost else standard_cost()
        return cost, Lengths.load(lengths) if lengths else standard_lengths()
    except (OSError, ValueError) as error:
        raise typer.BadParameter(str(error)) from error
    except (RecursionError, OverflowError) as error:
        raise typer.BadParameter(f"the file cannot be read: {error}") from error

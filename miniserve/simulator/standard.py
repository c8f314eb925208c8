"""The machine and the requests that numbers are claimed for: a saved step cost, saved lengths.

They lie in `data/latency/`, so that a number that a chapter prints is the same everywhere, whatever
the reader's machine is like.
"""

from __future__ import annotations

from miniserve.paths import DATA_DIR
from miniserve.queueing import Lengths
from miniserve.stepcost import StepCost

STEP_COST_FILE = DATA_DIR / "latency" / "step_cost.json"
LENGTHS_FILE = DATA_DIR / "latency" / "lengths.json"


def standard_cost() -> StepCost:
    """Return the saved step cost: of a tutor with four layers, fitted on 23 November 2026."""
    return StepCost.load(STEP_COST_FILE)


def standard_lengths() -> Lengths:
    """Return the lengths of the verb corpus in the tutor's tokens."""
    return Lengths.load(LENGTHS_FILE)

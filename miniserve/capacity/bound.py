"""How long the queue may be for an SLO, and when a client that was turned away should come back."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from miniserve.client import as_retry_after
from miniserve.queueing import Lengths
from miniserve.settings import LONGEST_QUEUE, Mode
from miniserve.simulator import Policy, RunResult, simulate
from miniserve.stepcost import StepCost

OVERLOAD = 1.5
"""A queue bound is tried out at this many times the capacity."""


@dataclass(frozen=True, slots=True)
class Slo:
    """A share `quantile` of all answers is to come within `latency_s` seconds."""

    latency_s: float
    quantile: float = 0.95

    def __post_init__(self) -> None:
        if not (0 < self.latency_s < math.inf and 0 < self.quantile < 1):
            raise ValueError("an SLO needs a finite latency above 0 and a quantile between 0 and 1")


def own_time(policy: Policy, lengths: Lengths, cost: StepCost, quantile: float) -> float:
    """Return the seconds that a slow answer takes in a full server that lets nobody wait.

    Its length (at `quantile`) in full steps, which also read the prompts of others. For a static
    batch it is twice the time of a batch: of the one that runs when the request comes, and its own.
    """
    in_slots_s = policy.slots / policy.capacity(lengths, cost)
    if policy.mode is Mode.STATIC:
        return 2 * in_slots_s
    return lengths.output_quantile(quantile) * in_slots_s / lengths.mean_output


def queue_bound(policy: Policy, lengths: Lengths, cost: StepCost, slo: Slo) -> int:
    """Return how many requests may wait so that the last of them still meets the SLO.

    Little's law for the queue alone: a queue that drains at the capacity μ, and in which nobody is
    to wait for more than w seconds, has room for μ·w requests; w is what the SLO leaves after
    `own_time`. It is a mean over what comes out: try it out with `overloaded`.
    """
    left_s = slo.latency_s - own_time(policy, lengths, cost, slo.quantile)
    return max(0, math.floor(policy.capacity(lengths, cost) * left_s))


def retry_after(policy: Policy, lengths: Lengths, cost: StepCost) -> int:
    """Return when a full server has worked off what it holds, as it tells that: 1 to 60 seconds."""
    held = policy.slots + (policy.max_waiting or 0)
    return as_retry_after(held / policy.capacity(lengths, cost))


def overloaded(
    policy: Policy, lengths: Lengths, cost: StepCost, *, n: int = 4000, seed: int = 0
) -> RunResult:
    """Run a policy with its queue bound at `OVERLOAD` times its capacity."""
    return simulate(policy, lengths, cost, load=OVERLOAD, n=n, seed=seed)


def tried_bound(
    policy: Policy, lengths: Lengths, cost: StepCost, slo: Slo, *, n: int, seed: int
) -> tuple[Policy, RunResult]:
    """Start from the bound of the formula and lower it until an overloaded run meets the SLO.

    It is never above `LONGEST_QUEUE`. The queue of such a run grows to about n/3; if nobody was
    refused in it, the bound was not reached, and is the formula's alone.
    """
    bound = min(queue_bound(policy, lengths, cost, slo), LONGEST_QUEUE)
    while True:
        bounded = replace(policy, max_waiting=bound)
        result = overloaded(bounded, lengths, cost, n=n, seed=seed)
        if bound == 0 or result.samples.quantile(slo.quantile) <= slo.latency_s:
            return bounded, result
        bound -= max(1, bound // 20)

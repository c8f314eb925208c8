"""The arrival rate that a mode carries within an SLO, and the batch size that suits it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from miniserve.capacity.bound import Slo, own_time
from miniserve.queueing import Lengths
from miniserve.simulator import Policy, simulate
from miniserve.stepcost import StepCost

BATCH_SIZES = (1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64)
CEILING = 0.95
"""No plan goes nearer to a capacity than this: there, how long the queue gets is luck."""
NEARLY = 0.98
"""Rates that differ by less count as the same when a batch size is chosen."""


@dataclass(frozen=True, slots=True)
class Carried:
    """What one mode carries within the SLO, at the batch size that suits it best."""

    policy: Policy
    capacity_rps: float
    """By formula, with every slot always full."""
    carried_rps: float
    """The highest rate at which the simulator still meets the SLO; 0: none does."""
    latency_s: float
    """The SLO's quantile of the latency at that rate, simulated."""


def carried(
    policy: Policy, lengths: Lengths, cost: StepCost, slo: Slo, *, n: int = 4000, seed: int = 0
) -> Carried:
    """Find the highest arrival rate at which a policy still meets the SLO.

    Bisects over the share of its capacity, up to `CEILING`, to within a hundredth. Every trial has
    the same requests, only faster, so that the latency grows with the rate and not by chance. The
    queue has no bound here: nobody is turned away to make a number look better.
    """
    capacity = policy.capacity(lengths, cost)

    def latency_at(share: float) -> float:
        result = simulate(policy, lengths, cost, rate=share * capacity, n=n, seed=seed)
        return result.samples.quantile(slo.quantile)

    low, high = 0.0, CEILING
    best = math.nan
    if (latency := latency_at(high)) <= slo.latency_s:
        low, best = high, latency
    while high - low > 0.01:
        middle = (low + high) / 2
        if (latency := latency_at(middle)) <= slo.latency_s:
            low, best = middle, latency
        else:
            high = middle
    return Carried(policy, capacity, low * capacity, best)


def best_batch(
    policy: Policy,
    lengths: Lengths,
    cost: StepCost,
    slo: Slo,
    *,
    batch_sizes: Sequence[int] = BATCH_SIZES,
    n: int = 4000,
    seed: int = 0,
) -> Carried | None:
    """Return what a mode carries with the batch size that carries most, or None if none will do.

    A size will do only if the SLO holds with every slot full, too: more may come than was planned
    for, and then the queue bound can keep the wait short, but not the steps.

    Of sizes that carry nearly the same, the smallest: it answers sooner and holds less memory.
    """
    sizes = {replace(policy, max_num_seqs=batch) for batch in batch_sizes}
    found: list[Carried] = []
    most = 0.0
    # The most promising first: then most of the others cannot come near and need no trial.
    for candidate in sorted(sizes, key=lambda p: p.capacity(lengths, cost), reverse=True):
        if CEILING * candidate.capacity(lengths, cost) < NEARLY * most:
            break
        if own_time(candidate, lengths, cost, slo.quantile) > slo.latency_s:
            continue
        found.append(carried(candidate, lengths, cost, slo, n=n, seed=seed))
        most = max(most, found[-1].carried_rps)
    near = [one for one in found if one.carried_rps >= NEARLY * most]
    return min(near, key=lambda one: one.policy.max_num_seqs, default=None)

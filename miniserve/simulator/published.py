"""Well-known results in their shape, from published step costs; never their factors.

What a scheduler gains follows from lengths and step costs, and can be had here. What kernels and
memory management gain cannot, and is not claimed.

* Orca (Yu et al., OSDI 2022) compares iteration-level scheduling with batches that leave together,
  at prompts of 32–512 tokens and answers of 1–128, both uniform, with Poisson arrivals: a `sweep`
  in each mode.
* Anyscale ("How continuous batching enables 23x throughput in LLM inference", 2023) varies the
  spread of the answers' lengths: the wider, the larger the gain.
* vLLM (Kwon et al., SOSP 2023) draws latency against load: flat for long, then a wall.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from miniserve.queueing import Lengths, continuous_gain
from miniserve.settings import Mode
from miniserve.simulator.samples import mean_of
from miniserve.simulator.single import Policy, simulate
from miniserve.stepcost import StepCost

_TOKEN_S = 2e-3 / 31
"""Llama-2 7B on an A100, short context: a decode step takes 11 ms for one row and 13 ms for 32."""

LLAMA2_7B_A100 = StepCost(a=11e-3 - _TOKEN_S, b=0.0, c=_TOKEN_S)
"""Llama-2 7B on an A100 with short contexts, from those two points.

Source: L. Chen et al., "Punica" (MLSys 2024), figure on the batching effect. The slope agrees with
the 0.064 ms a token of the profile in A. Agrawal et al., "Vidur" (MLSys 2024).
"""

LLAMA2_7B_A100_LONG = StepCost(a=17e-3 - 17e-3 / 31, b=17e-3 / 31 - _TOKEN_S, c=_TOKEN_S)
"""The same with long contexts, where attention reads more: 17 ms for one row and 34 ms for 32."""


@dataclass(frozen=True, slots=True)
class Gain:
    """What continuous batching gains over static for one distribution of lengths."""

    name: str
    variation: float
    """Squared coefficient of variation of the answers' lengths."""
    formula: float
    """E[max of B] / E[length]: prompts cost nothing, batches are always full."""
    simulated: float
    """Throughput of a flooded server, continuous over static."""


def gain_against_spread(
    cost: StepCost,
    batch: int,
    *,
    prompt: int = 32,
    mean: int = 64,
    n: int = 2000,
    seed: int = 0,
) -> list[Gain]:
    """Return the gain for lengths of the same mean and growing spread, simulated and by formula."""
    spreads = {
        "all equal": Lengths.fixed(prompt, mean),
        "uniform, ±25 %": Lengths.uniform(prompt, mean - mean // 4, mean + mean // 4),
        "uniform, 1 to twice the mean": Lengths.uniform(prompt, 1, 2 * mean - 1),
        "exponential": Lengths.geometric(prompt, mean),
        "one in ten is long": Lengths({(prompt, mean // 2): 9, (prompt, mean * 11 // 2): 1}),
    }
    gains = []
    for name, lengths in spreads.items():
        carried = []
        for mode in (Mode.CONTINUOUS, Mode.STATIC):
            policy = Policy(mode, batch, max_num_batched_tokens=4096)
            result = simulate(policy, lengths, cost, rate=1e6, n=n, seed=seed)
            carried.append(result.answered / result.duration_s)
        formula = continuous_gain(lengths, batch)
        gains.append(Gain(name, lengths.output_variation, formula, carried[0] / carried[1]))
    return gains


@dataclass(frozen=True, slots=True)
class LoadPoint:
    """One point on a curve of latency against load; rates in requests/s, times in seconds."""

    rate: float
    throughput: float
    mean: float
    p50: float
    p95: float
    utilisation: float
    shed_share: float


def sweep(
    policy: Policy,
    lengths: Lengths,
    cost: StepCost,
    rates: Iterable[float],
    *,
    n: int = 4000,
    seed: int = 0,
) -> list[LoadPoint]:
    """Return one point for each rate: the same requests, only faster."""
    points = []
    for rate in rates:
        result = simulate(policy, lengths, cost, rate=rate, n=n, seed=seed)
        points.append(
            LoadPoint(
                rate=rate,
                throughput=result.answered / result.duration_s,
                mean=mean_of(result.samples.latencies).value,
                p50=result.samples.quantile(0.50),
                p95=result.samples.quantile(0.95),
                utilisation=result.utilisation,
                shed_share=result.shed_share,
            )
        )
    return points


def sweep_bounds(
    policy: Policy,
    lengths: Lengths,
    cost: StepCost,
    rate: float,
    bounds: Sequence[int],
    *,
    n: int = 4000,
    seed: int = 0,
) -> list[LoadPoint]:
    """Return one point for each queue bound, all at the same rate: latency against refusals."""
    return [
        point
        for bound in bounds
        for point in sweep(
            replace(policy, max_waiting=bound), lengths, cost, [rate], n=n, seed=seed
        )
    ]

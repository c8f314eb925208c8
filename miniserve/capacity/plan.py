"""A whole plan: what to start the server with, and the numbers that it follows from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from miniserve.capacity.bound import (
    OVERLOAD,
    Slo,
    own_time,
    queue_bound,
    retry_after,
    tried_bound,
)
from miniserve.capacity.search import BATCH_SIZES, Carried, best_batch
from miniserve.queueing import Lengths, continuous_gain
from miniserve.settings import LONGEST_QUEUE, Mode
from miniserve.simulator import Policy, RunResult, mean_of, simulate
from miniserve.simulator.digits import nine_digits
from miniserve.stepcost import StepCost


class SloUnreachable(ValueError):
    """Not even an idle server meets the SLO."""


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the reasoning: a number, its unit, and where it comes from."""

    what: str
    value: float
    unit: str
    how: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What to start the server with, and why."""

    slo: Slo
    policy: Policy
    """With the queue bound in it."""
    rate_rps: float
    retry_after_s: int
    modes: tuple[Carried, ...]
    steps: tuple[Step, ...]

    @property
    def serve_args(self) -> list[str]:
        """The arguments for `miniserve serve`."""
        policy = self.policy
        args = ["--mode", policy.mode.value, "--max-num-seqs", str(policy.max_num_seqs)]
        args += ["--max-waiting", str(policy.max_waiting)]
        if policy.mode is Mode.STATIC:
            args += ["--max-wait-s", f"{policy.max_wait_s:g}"]
        if policy.mode is Mode.CONTINUOUS:
            args += ["--max-num-batched-tokens", str(policy.max_num_batched_tokens)]
        return args

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as JSON can hold it, rounded to nine significant digits."""
        rounded = nine_digits(asdict(self) | {"serve_args": self.serve_args})
        assert isinstance(rounded, dict)
        return rounded


def plan(
    lengths: Lengths,
    cost: StepCost,
    slo: Slo,
    *,
    overhead_s: float = 0.0,
    batch_sizes: Sequence[int] = BATCH_SIZES,
    max_wait_s: float = 0.005,
    n: int = 4000,
    seed: int = 0,
    on_progress: Callable[[str], object] | None = None,
) -> Plan:
    """Plan a server for an SLO.

    Args:
        lengths: prompt and answer lengths, in tokens.
        cost: seconds of a step.
        slo: what is promised.
        overhead_s: what a request costs outside the engine (HTTP, tokenizer); taken off the SLO.
        batch_sizes: those to choose from.
        max_wait_s: how long a static batch waits to fill.
        n: requests in each simulated trial.
        seed: of the trials.
        on_progress: is told which mode is being tried.

    Raises:
        SloUnreachable: no mode meets the SLO at any rate.
        ValueError: `overhead_s` alone takes as long as the SLO allows, or a batch size is below 1
            or above the token budget of a step.
    """
    inner = replace(slo, latency_s=slo.latency_s - overhead_s) if overhead_s else slo
    modes = []
    for mode in (Mode.ASYNC, Mode.STATIC, Mode.CONTINUOUS):
        if on_progress is not None:
            on_progress(mode.value)
        policy = Policy(mode, max_wait_s=max_wait_s)
        sizes = (1,) if mode is Mode.ASYNC else batch_sizes
        best = best_batch(policy, lengths, cost, inner, batch_sizes=sizes, n=n, seed=seed)
        modes += [best] if best is not None and best.carried_rps > 0 else []
    if not modes:
        raise SloUnreachable(
            f"no mode answers {slo.quantile:.0%} of requests within {slo.latency_s:g} s at any rate"
        )
    best = max(modes, key=lambda found: found.carried_rps)
    policy, full = tried_bound(best.policy, lengths, cost, inner, n=n, seed=seed)
    at_rate = simulate(best.policy, lengths, cost, rate=best.carried_rps, n=n, seed=seed)
    retry = retry_after(policy, lengths, cost)
    steps = _reasoning(best, policy, lengths, cost, inner, at_rate=at_rate, full=full, retry=retry)
    return Plan(slo, policy, best.carried_rps, retry, tuple(modes), tuple(steps))


def _reasoning(
    best: Carried,
    policy: Policy,
    lengths: Lengths,
    cost: StepCost,
    slo: Slo,
    *,
    at_rate: RunResult,
    full: RunResult,
    retry: int,
) -> list[Step]:
    b, q = policy.slots, f"p{100 * slo.quantile:g}"
    own_s = own_time(policy, lengths, cost, slo.quantile)
    bound = queue_bound(policy, lengths, cost, slo)
    in_flight = best.carried_rps * mean_of(at_rate.samples.latencies).value
    full_s = full.samples.quantile(slo.quantile)
    overload = f"simulated at {OVERLOAD:g} × capacity"
    if full.shed:
        tried, refused = overload, f"simulated; surplus {1 - 1 / OVERLOAD:.0%}"
    else:
        tried = f"not tried out: {full.offered:,} requests do not fill it"
        refused = "simulated; the queue was never full"
    if policy.max_waiting == LONGEST_QUEUE:
        tried = f"the longest that serve takes; {tried}"
    return [
        Step("mean answer", lengths.mean_output, "tokens", "the length distribution"),
        Step(f"longest of {b}", lengths.expected_max(b), "tokens", "Σ v·(F(v)^B − F(v−)^B)"),
        Step("most that continuous gains", continuous_gain(lengths, b), "×", "E[max] / E[length]"),
        Step("full step t(B)", cost.seconds(b, b) * 1e3, "ms", "a + b·batch + c·tokens"),
        Step("capacity", best.capacity_rps, "requests/s", "B / (steps·t(B) + B·prefill)"),
        Step("rate within the SLO", best.carried_rps, "requests/s", "simulated, by bisection"),
        Step(f"{q} at that rate", best.latency_s * 1e3, "ms", "simulated"),
        Step("in flight at that rate", in_flight, "requests", "L = λW"),
        Step("own time of a slow answer", own_s * 1e3, "ms", f"{q} length in full steps, no wait"),
        Step("left for waiting", (slo.latency_s - own_s) * 1e3, "ms", "SLO − own time"),
        Step("queue bound, predicted", bound, "requests", "capacity · time left"),
        Step("queue bound", policy.max_waiting or 0, "requests", tried),
        Step(f"{q} when overloaded", full_s * 1e3, "ms", overload),
        Step("refused then", 100 * full.shed_share, "%", refused),
        Step("Retry-After", retry, "s", "(slots + queue bound) / capacity, rounded up"),
    ]

"""What batching carries, in closed form.

Static batching holds a row until the longest member of its batch ends; continuous batching gives it
to the next request at once. So the two differ by E[max of B lengths] against E[length], and that
ratio is the most that continuous batching can gain.
"""

from __future__ import annotations

from miniserve.queueing.formulas import UnstableQueue, check_positive
from miniserve.queueing.lengths import Lengths
from miniserve.stepcost import StepCost


def capacity_static(
    batch: int, expected_max: float, step_s: float, prefill_s: float = 0.0
) -> float:
    """Return the requests/s that full static batches carry: B / (E[max of B lengths]·t(B)).

    `expected_max` in steps (`Lengths.expected_max(batch)`), `step_s` = t(B), the seconds of one
    step of B rows, `prefill_s` what one request's prompt adds to that, in seconds. It is an upper
    limit: batches that start before they are full carry less.
    """
    check_positive(batch=batch, expected_max=expected_max, step_s=step_s)
    return batch / (expected_max * step_s + batch * prefill_s)


def capacity_continuous(
    batch: int, mean_length: float, step_s: float, prefill_s: float = 0.0
) -> float:
    """Return the requests/s that B slots carry when none is ever empty: B / (E[length]·t(B)).

    Arguments as for `capacity_static`, with the mean length in place of that of the longest.
    """
    return capacity_static(batch, mean_length, step_s, prefill_s)


def continuous_gain(lengths: Lengths, batch: int) -> float:
    """Return the most that continuous batching gains: E[max of B lengths] / E[length].

    It is `capacity_continuous` over `capacity_static`, without prefill: 1 for equal lengths, below
    2 for uniform ones, `harmonic(batch)` for exponential ones.
    """
    return lengths.expected_max(batch) / lengths.mean_output


def harmonic(n: int) -> float:
    """Return H_n = 1 + 1/2 + … + 1/n: the mean of the largest of n exponentials with mean 1.

    The smallest of n ends after 1/n on average; then n−1 are left, as fresh as before, and so on.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, not {n}")
    return sum(1.0 / k for k in range(1, n + 1))


def inoue_bound(arrival_rate: float, per_request_s: float, fixed_s: float) -> float:
    """Return an upper bound on the mean sojourn, in seconds, where a server takes all that wait.

    Poisson arrivals; whenever the server is free it takes everything that waits as one batch,
    however many, and a batch of b takes αb + τ₀ seconds (α: `per_request_s`, τ₀: `fixed_s`). With
    ρ = λα the bound is the lesser of

        φ₀ = (α+τ₀) / (2(1−ρ)) · (1 + 2λτ₀ + (1−λτ₀)/(1+ρ))
        φ₁ = 3τ₀ / (2(1−ρ)) + α(ρ+2) / (2(1−ρ²))

    and is close to the mean itself beyond light load. Raises UnstableQueue if ρ ≥ 1. Source:
    Y. Inoue, "Queueing Analysis of GPU-Based Inference Servers with Dynamic Batching: A Closed-Form
    Characterization" (Performance Evaluation, 2021; arXiv:1912.06322), theorem 2, eq. 41–43.
    """
    check_positive(arrival_rate=arrival_rate, per_request_s=per_request_s)
    if not fixed_s >= 0.0:
        raise ValueError(f"fixed_s must not be negative, not {fixed_s}")
    rho = arrival_rate * per_request_s
    if rho >= 1.0:
        raise UnstableQueue(rho)
    alone = per_request_s + fixed_s
    fixed = arrival_rate * fixed_s
    light = alone / (2.0 * (1.0 - rho)) * (1.0 + 2.0 * fixed + (1.0 - fixed) / (1.0 + rho))
    heavy = 1.5 * fixed_s / (1.0 - rho) + per_request_s * (rho + 2.0) / (2.0 * (1.0 - rho**2))
    return min(light, heavy)


def capacity(lengths: Lengths, cost: StepCost, batch: int, *, static: bool = False) -> float:
    """Return the requests/s that B slots carry at most, prompts included.

    A request of p prompt and n output tokens is in n steps, the first of which reads its p tokens.
    So on top of the steps with one token a row, t(B), it costs what p − 1 tokens cost.
    """
    step_s = cost.seconds(batch, batch)
    prefill_s = cost.c * (lengths.mean_prompt - 1.0)
    if static:
        return capacity_static(batch, lengths.expected_max(batch), step_s, prefill_s)
    return capacity_continuous(batch, lengths.mean_output, step_s, prefill_s)

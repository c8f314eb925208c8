"""Single queues in closed form, a scaling law, and the tail at scale.

Kendall's names: M/G/1 has Poisson arrivals (M: memoryless gaps), service times from any
distribution (G), one server. *Wait* is the time before service begins, *sojourn* is wait and
service together. First come, first served; nobody leaves; the queue has no bound.

The formulas are textbook matter; the standard sources are L. Kleinrock, "Queueing Systems, Volume
1" (Wiley, 1975), chapters 3 and 5, and M. Harchol-Balter, "Performance Modeling and Design of
Computer Systems" (Cambridge University Press, 2013), chapters 13, 14 and 23.
"""

from __future__ import annotations

import math


class UnstableQueue(ValueError):
    """Work comes in as fast as it can be done, or faster: the queue grows without end."""

    def __init__(self, load: float) -> None:
        super().__init__(
            f"the load is {load:.3g} times the capacity: from 1 on the queue grows without end"
        )
        self.load = load


def check_positive(**values: float) -> None:
    """Raise ValueError for a value that is not a positive, finite number."""
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be positive and finite, not {value}")


def _stable(load: float) -> float:
    if load >= 1.0:
        raise UnstableQueue(load)
    return load


def utilisation(arrival_rate: float, service_s: float, servers: int = 1) -> float:
    """Return ρ = λ·E[S] / c, the share of time that a server is busy; 1 or more: no steady state.

    It is Little's law, applied to the servers alone. `arrival_rate` in requests/s, `service_s` the
    mean service time in seconds. Raises ValueError unless all are positive.
    """
    check_positive(arrival_rate=arrival_rate, service_s=service_s, servers=servers)
    return arrival_rate * service_s / servers


def mg1_wait(arrival_rate: float, service_s: float, service_second_moment: float) -> float:
    """Return the mean wait in an M/G/1 queue, in seconds: λ·E[S²] / (2(1−ρ)).

    `service_second_moment` is E[S²] in s², at least E[S]². Raises UnstableQueue if ρ ≥ 1. Source:
    F. Pollaczek (1930) and A. Khinchine (1932).
    """
    check_positive(service_second_moment=service_second_moment)
    load = _stable(utilisation(arrival_rate, service_s))
    if service_second_moment < service_s**2 * (1 - 1e-9):
        raise ValueError("E[S²] is never less than E[S]²")
    return arrival_rate * service_second_moment / (2.0 * (1.0 - load))


def mm1_wait(arrival_rate: float, service_s: float) -> float:
    """Return the mean wait with exponential service times, in seconds: ρ·E[S] / (1−ρ).

    It is `mg1_wait` with E[S²] = 2·E[S]². Raises UnstableQueue if ρ ≥ 1.
    """
    return mg1_wait(arrival_rate, service_s, 2.0 * service_s**2)


def mm1_sojourn(arrival_rate: float, service_s: float) -> float:
    """Return the mean sojourn in an M/M/1 queue, in seconds: 1 / (μ−λ), where μ = 1/E[S].

    Raises UnstableQueue if ρ ≥ 1.
    """
    return service_s / (1.0 - _stable(utilisation(arrival_rate, service_s)))


def mm1_sojourn_quantile(arrival_rate: float, service_s: float, q: float) -> float:
    """Return the q-quantile (0 ≤ q < 1) of the sojourn in an M/M/1 queue, in seconds.

    The sojourn is exponential with rate μ−λ, so it is −ln(1−q) / (μ−λ); the p99 is ln 100 / (μ−λ).
    Raises UnstableQueue if ρ ≥ 1.
    """
    if not 0.0 <= q < 1.0:
        raise ValueError(f"q must be at least 0 and less than 1, not {q}")
    return -math.log1p(-q) * mm1_sojourn(arrival_rate, service_s)


def erlang_c(arrival_rate: float, service_s: float, servers: int) -> float:
    """Return the probability that an arrival must wait in an M/M/c queue with one line.

    By the recursion for Erlang's B formula, B(0) = 1, B(k) = aB(k−1) / (k + aB(k−1)) with
    a = λ·E[S], and C = B / (1 − ρ(1−B)): no factorial, so no overflow. Raises UnstableQueue if
    ρ ≥ 1. Source: A. K. Erlang (1917).
    """
    load = _stable(utilisation(arrival_rate, service_s, servers))
    offered = arrival_rate * service_s
    blocked = 1.0
    for k in range(1, servers + 1):
        blocked = offered * blocked / (k + offered * blocked)
    return blocked / (1.0 - load * (1.0 - blocked))


def universal_scalability(n: float, contention: float, coherency: float) -> float:
    """Return the speed-up of n workers over one: n / (1 + α(n−1) + βn(n−1)).

    α (`contention`, 0 to 1) is the share of work that is done one at a time: alone it is Amdahl's
    law. β (`coherency`, at least 0) is what each pair must agree on: with it there is a peak, at
    n = √((1−α)/β), and more workers beyond it do less. Source: N. J. Gunther, "Guerrilla Capacity
    Planning" (Springer, 2007).
    """
    check_positive(n=n)
    if not 0.0 <= contention <= 1.0 or not 0.0 <= coherency < math.inf:
        raise ValueError("contention must lie between 0 and 1, and coherency must not be negative")
    return n / (1.0 + contention * (n - 1.0) + coherency * n * (n - 1.0))


def tail_at_scale(slow_share: float, fan_out: int) -> float:
    """Return the share of users who meet a slow answer when each needs n = `fan_out` answers.

    It is 1 − (1−p)ⁿ: with p = 1 % slow and 100 answers, 63 %. The answers are taken as independent.
    Source: J. Dean and L. A. Barroso, "The Tail at Scale" (Communications of the ACM, 2013).
    """
    if not 0.0 <= slow_share <= 1.0 or fan_out < 1:
        raise ValueError("the share must lie between 0 and 1, and the fan-out be at least 1")
    return float(1.0 - (1.0 - slow_share) ** fan_out)

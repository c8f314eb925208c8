"""Answers that were found another way, to hold the formulas and the simulator against."""

import numpy as np

from miniserve.queueing import erlang_c


def batch_service_mean(rate: float, alpha: float, fixed: float, size: int = 400) -> float:
    """The mean sojourn where a free server takes all that wait, from the chain of batch sizes.

    The next batch is what came during this one, or the one request that ends an idle spell. Over
    one cycle a batch of b holds its members for αb + τ₀, and newcomers for half of that on average.
    """
    sizes = np.arange(1, size + 1)
    took = alpha * sizes + fixed
    # log of the Poisson probabilities of k arrivals during a batch of b
    k = np.arange(size + 1)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, size + 1)))])
    mean = rate * took[:, None]
    chance = np.exp(-mean + k * np.log(mean) - log_factorial)
    move = chance[:, 1:].copy()
    move[:, 0] += chance[:, 0]
    move[:, -1] += 1.0 - move.sum(axis=1)
    equations = np.vstack([move.T - np.eye(size), np.ones(size)])
    share = np.linalg.lstsq(equations, np.append(np.zeros(size), 1.0), rcond=None)[0]
    inside = share @ (sizes * took + rate * took**2 / 2)
    return float(inside / (share @ sizes))


def lindley(arrivals: list[float], services: list[float]) -> list[float]:
    """The wait of each request at one server, first come, first served: W' = max(0, W + S − A)."""
    waits = [0.0]
    for i in range(1, len(arrivals)):
        waits.append(max(0.0, waits[-1] + services[i - 1] - (arrivals[i] - arrivals[i - 1])))
    return waits


def mmc_wait(rate: float, service: float, servers: int) -> float:
    """The mean wait in an M/M/c queue: C / (cμ−λ), with C from Erlang's formula."""
    return erlang_c(rate, service, servers) / (servers / service - rate)

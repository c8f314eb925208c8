"""What comes in: seeded arrivals and lengths, the same bit for bit on every machine.

A generator's uniform numbers are the same everywhere. A logarithm is another matter: it may differ
in its last digit from one C library to the next. So exponential gaps are drawn by von Neumann's
method, which only compares and adds uniform numbers.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from miniserve.latency import Floats
from miniserve.queueing import Lengths
from miniserve.scheduler import Request

_BLOCK = 4096


def standard_exponential(rng: np.random.Generator, size: int) -> Floats:
    """Draw exponentials with mean 1, exactly, without a logarithm.

    A trial draws a uniform number u, then others for as long as they fall. It falls not at all with
    probability 1 − u, exactly twice with u²/2! − u³/3!, and so on: an even number of times with
    probability exp(−u) in all. If so, the value is u plus the number of trials that failed before.
    Source: J. von Neumann, "Various techniques used in connection with random digits" (1951).
    """
    out = np.zeros(size)
    todo = np.arange(size)
    while todo.size:
        first = rng.random(todo.size)
        falling = np.arange(todo.size)  # trials whose uniforms have only fallen so far
        last = first
        falls = np.zeros(todo.size, dtype=np.int64)
        while falling.size:
            following = rng.random(falling.size)
            fell = following < last
            falling, last = falling[fell], following[fell]
            falls[falling] += 1
        accepted = falls % 2 == 0
        out[todo[accepted]] += first[accepted]
        todo = todo[~accepted]
        out[todo] += 1.0
    return out


def poisson_times(rate: float, n: int, seed: int) -> Iterator[float]:
    """Yield n arrival times of a Poisson process with `rate` arrivals per second, in seconds.

    The same seed at another rate gives the same arrivals on a stretched clock.
    """
    if not rate > 0:
        raise ValueError(f"a Poisson process needs a rate above 0, not {rate}")
    rng = np.random.default_rng([seed, 0])
    due = 0.0  # in mean gaps, so that the rate scales what was drawn and changes nothing else
    for start in range(0, n, _BLOCK):
        for gap in standard_exponential(rng, min(_BLOCK, n - start)).tolist():
            due += gap
            yield due / rate


def sampled(lengths: Lengths, n: int, seed: int) -> Iterator[tuple[int, int]]:
    """Yield n pairs (prompt tokens, output tokens), from a stream apart from the arrivals'."""
    rng = np.random.default_rng([seed, 1])
    for start in range(0, n, _BLOCK):
        yield from lengths.sample(rng, min(_BLOCK, n - start))


def poisson_requests(rate: float, lengths: Lengths, n: int, seed: int) -> Iterator[Request]:
    """Yield n requests, made as they are asked for: `rate` per second, lengths as `lengths` says.

    Only lengths matter on a virtual clock: the prompt is a `range`, and `max_tokens` is the length
    of the answer. Request ids are "0", "1", …
    """
    pairs = sampled(lengths, n, seed)
    times = poisson_times(rate, n, seed)
    for i, (at, (prompt, output)) in enumerate(zip(times, pairs, strict=True)):
        yield Request(str(i), range(prompt), output, at)

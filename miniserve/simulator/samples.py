"""Two numbers for each request of a run, and what may be said from them."""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass

import numpy as np

from miniserve.latency import Floats, percentile
from miniserve.scheduler import Request

_BATCHES = 32


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean, and its standard error where neighbours in time resemble each other (batch means)."""

    value: float
    standard_error: float


class Samples:
    """Latency and wait of every request that ended, in seconds.

    In the order in which they ended; eight bytes each.
    """

    def __init__(self) -> None:
        self._latency = array("d")
        self._wait = array("d")

    def add(self, request: Request) -> None:
        """Take in a request that has ended."""
        arrived = request.arrival_time
        assert request.finish_time is not None
        assert request.first_scheduled_time is not None
        self._latency.append(request.finish_time - arrived)
        self._wait.append(request.first_scheduled_time - arrived)

    def __len__(self) -> int:
        return len(self._latency)

    @property
    def latencies(self) -> Floats:
        """Arrival to last token."""
        return np.array(self._latency, dtype=np.float64)

    @property
    def waits(self) -> Floats:
        """Arrival to the first step that held the request."""
        return np.array(self._wait, dtype=np.float64)

    def quantile(self, q: float) -> float:
        """Return the q-quantile of the latency; NaN without samples."""
        return percentile(self.latencies, q).value


def mean_of(values: Floats) -> Mean:
    """Return the mean with an honest standard error, by the method of batch means.

    Waits of neighbours are alike, so σ/√n would be far too small. The run is cut into 32 stretches,
    long enough to have forgotten each other, and the spread of their means is what counts. NaN
    where there are too few values. Source: A. M. Law, "Simulation Modeling and Analysis"
    (McGraw-Hill), chapter 9.
    """
    n = len(values) // _BATCHES
    if n == 0:
        return Mean(math.fsum(values) / len(values) if len(values) else math.nan, math.nan)
    means = [math.fsum(values[i * n : (i + 1) * n]) / n for i in range(_BATCHES)]
    centre = math.fsum(means) / _BATCHES
    variance = math.fsum((mean - centre) ** 2 for mean in means) / (_BATCHES - 1)
    return Mean(math.fsum(values) / len(values), math.sqrt(variance / _BATCHES))

"""Percentiles that know what stands behind them, and the curve that they are read from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

MIN_BEYOND = 10
"""Fewest samples beyond a percentile for it to be quoted: a p95 needs some 180, a p99 some 900."""


@dataclass(frozen=True, slots=True)
class Percentile:
    """A percentile together with what stands behind it."""

    value: float
    """NaN without samples."""
    q: float
    n: int
    """Samples in all."""
    beyond: int
    """Samples that rank above it."""

    @property
    def quotable(self) -> bool:
        """Whether enough samples lie beyond it (`MIN_BEYOND`) for the value to mean something."""
        return self.beyond >= MIN_BEYOND


def percentile(values: Sequence[float] | Floats, q: float) -> Percentile:
    """Return the `q`-quantile (0 ≤ q ≤ 1) of finite values, as `numpy.quantile` interpolates it.

    Raises ValueError if `q` is out of range or a value is not finite.
    """
    data = np.asarray(values, dtype=np.float64)
    if not 0.0 <= q <= 1.0:
        raise ValueError(f"q must lie between 0 and 1, not {q}")
    if not np.isfinite(data).all():
        raise ValueError("percentiles are taken over finite values: leave out what never ended")
    if data.size == 0:
        return Percentile(math.nan, q, 0, 0)
    below = math.floor(q * (data.size - 1)) + 1
    return Percentile(float(np.quantile(data, q)), q, data.size, data.size - below)


def cdf(values: Sequence[float] | Floats, offered: int | None = None) -> tuple[Floats, Floats]:
    """Return the empirical distribution as (x, F): a share F[i] of all is at most x[i].

    With `offered` (requests, at least as many as values) F is a share of those: the curve of a
    server that answers four requests in five levels off at 0.8. Raises ValueError if it is less.
    """
    x = np.sort(np.asarray(values, dtype=np.float64))
    total = x.size if offered is None else offered
    if total < x.size:
        raise ValueError(f"{x.size} values cannot come from {total} requests")
    return x, np.arange(1, x.size + 1, dtype=np.float64) / max(total, 1)

"""A whole run in one row, and whether the generator kept to its schedule well enough to count."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from miniserve.latency.percentiles import Percentile, percentile
from miniserve.latency.record import DROPPED, LatencyRecord, latencies

# How far a generator may stray from its schedule before a run is called invalid: its lag in
# seconds, and the least share of the offered rate that must really have been sent.
_MOST_LAG_P99_S = 0.025
_LEAST_ACHIEVED = 0.95


@dataclass(frozen=True, slots=True)
class Summary:
    """A run in one row. Rates are requests per second; NaN (None in JSON) where nothing is known.

    `offered` = `answered` + `shed` + `failed`. `duration_s` runs from the first intended start to
    the last answer (or the last intended start, if that is later).
    """

    offered: int
    answered: int
    shed: int
    failed: int
    errors: dict[str, int]
    """Every outcome other than a 2xx answer, and how often it came."""
    p50: Percentile
    p95: Percentile
    p99: Percentile
    service_p95: Percentile
    lag_p99_s: float
    duration_s: float
    offered_rps: float
    achieved_rps: float
    """What the generator really sent; dropped requests are not among it."""
    throughput_rps: float
    """Answered requests ÷ duration."""
    slo_s: float | None
    goodput_rps: float | None
    """Requests answered within `slo_s` of their intended start ÷ duration."""
    goodput_share: float | None
    """The same requests ÷ all that were offered, failures included."""
    valid: bool
    reason: str
    """Why the run is not valid; empty if it is."""

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as JSON can hold it, with p50_s, p95_s and p99_s as bare numbers."""
        flat = {f"{name}_s": getattr(self, name).value for name in ("p50", "p95", "p99")}
        row = flat | asdict(self)
        for name in ("p50", "p95", "p99", "service_p95"):
            row[name] = {k: _finite(v) for k, v in row[name].items()}
            row[name]["quotable"] = getattr(self, name).quotable
        return {key: _finite(value) for key, value in row.items()}


def summary(records: Sequence[LatencyRecord], slo_s: float | None = None) -> Summary:
    """Sum a run up; goodput needs `slo_s`, the longest latency (seconds) that still counts."""
    took = latencies(records)
    service = [record.service for record in records if record.ok]
    intended = [record.intended for record in records]
    shed = sum(record.shed for record in records)
    ends = intended + [record.done for record in records if record.done is not None]
    duration = max(ends) - min(intended) if records else math.nan
    lags = [record.lag for record in records if record.error != DROPPED]
    lag = percentile(lags, 0.99).value
    offered_rps = _rate(intended)
    # The stamp of a dropped request is when it was given up: it belongs to the span, not the count.
    achieved_rps = _rate([r.sent for r in records]) * _ratio(len(lags), len(records))
    met = None if slo_s is None else int(np.count_nonzero(took <= slo_s))
    reason = "no request was measured"
    if records:
        dropped = len(records) - len(lags)
        reason = _objection(lag, offered_rps, achieved_rps, dropped)
        if not reason and len(lags) < _LEAST_ACHIEVED * len(records):  # of a burst: it has no rate
            reason = f"{dropped} of {len(records)} requests were dropped"
    return Summary(
        offered=len(records),
        answered=took.size,
        shed=shed,
        failed=len(records) - took.size - shed,
        errors=dict(Counter(r.error or f"HTTP {r.status}" for r in records if not r.ok)),
        p50=percentile(took, 0.50),
        p95=percentile(took, 0.95),
        p99=percentile(took, 0.99),
        service_p95=percentile(service, 0.95),
        lag_p99_s=lag,
        duration_s=duration,
        offered_rps=offered_rps,
        achieved_rps=achieved_rps,
        throughput_rps=_ratio(took.size, duration),
        slo_s=slo_s,
        goodput_rps=None if met is None else _ratio(met, duration),
        goodput_share=None if met is None else _ratio(met, len(records)),
        valid=not reason,
        reason=reason,
    )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else math.nan


def _rate(times: Sequence[float]) -> float:
    """Events per second, from the gaps between them."""
    return _ratio(len(times) - 1, max(times) - min(times)) if len(times) > 1 else math.nan


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _objection(lag_p99: float, offered_rps: float, achieved_rps: float, dropped: int) -> str:
    """Say in words where the generator strayed past its limits; nothing if it did not."""
    words = []
    if lag_p99 > _MOST_LAG_P99_S:
        words.append(
            f"the generator was late itself: lag p99 {lag_p99 * 1e3:.0f} ms, "
            f"limit {_MOST_LAG_P99_S * 1e3:.0f} ms"
        )
    if achieved_rps < _LEAST_ACHIEVED * offered_rps:
        words.append(
            f"it sent {achieved_rps:.1f} of {offered_rps:.1f} requests per second "
            f"({dropped} dropped), limit {_LEAST_ACHIEVED:.0%}"
        )
    return "; ".join(words)

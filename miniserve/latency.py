"""What a client saw: one record a request, and the numbers that may be drawn from many.

Pure: no socket, no thread, no clock. Times are seconds on one monotonic clock, whose zero is the
start of the run. Three rules keep the numbers honest:

* A latency counts from the moment a request was *meant* to be sent. A generator that is late
  itself therefore cannot hide it.
* Latency percentiles are taken over the requests that were answered, and `Summary` says how many
  were not. Those stay in the denominator of goodput.
* A percentile knows how many samples lie beyond it, and does not count as quotable with too few.

Longer than its neighbours: the record, every number drawn from it and its file stay in one place.
"""

import csv
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

DROPPED = "dropped"
"""`LatencyRecord.error` of a request that the generator itself never sent."""

MIN_BEYOND = 10
"""Fewest samples beyond a percentile for it to be quoted: a p95 needs some 200, a p99 some 900."""

SHED = frozenset({429, 503})
"""Statuses with which a healthy server refuses work."""


@dataclass(frozen=True, slots=True)
class LatencyRecord:
    """One request in four stamps: meant to be sent, sent, first byte of the answer, last byte."""

    intended: float
    sent: float
    first_byte: float | None
    done: float | None
    status: int
    """HTTP status; 0 if no answer came."""
    error: str | None
    """What went wrong below HTTP, as one word or two (never empty), or None."""
    request_id: str

    @property
    def latency(self) -> float:
        """Seconds from the intended start to the end; infinite if there was no end."""
        return math.inf if self.done is None else self.done - self.intended

    @property
    def service(self) -> float:
        """Seconds from sending to the end: what a closed loop would call latency."""
        return math.inf if self.done is None else self.done - self.sent

    @property
    def lag(self) -> float:
        """Seconds by which the generator itself was late."""
        return self.sent - self.intended

    @property
    def ok(self) -> bool:
        """Whether a whole answer came, with a 2xx status."""
        return self.error is None and self.done is not None and 200 <= self.status < 300

    @property
    def shed(self) -> bool:
        """Whether the server refused the request, by an answer that says so."""
        return self.error is None and self.status in SHED


def latencies(records: Iterable[LatencyRecord]) -> Floats:
    """Return the latencies of the answered requests, in seconds, in the order of the records."""
    return np.array([record.latency for record in records if record.ok], dtype=np.float64)


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


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a generator may stray from its schedule before a run is called invalid."""

    lag_p99_s: float = 0.025
    achieved: float = 0.95
    """Least share of the offered rate that must really have been sent."""


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


def summary(
    records: Sequence[LatencyRecord], slo_s: float | None = None, limits: Limits | None = None
) -> Summary:
    """Sum a run up; goodput needs `slo_s`, the longest latency (seconds) that still counts."""
    limits = limits or Limits()
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
    reason = _objection(lag, offered_rps, achieved_rps, len(records) - len(lags), limits)
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


def save(
    records: Iterable[LatencyRecord], conditions: Mapping[str, Any], path: str | Path
) -> tuple[Path, Path]:
    """Write the records as CSV and the conditions of the run as JSON beside it.

    `path` names the CSV file (`.csv` is added where it is missing). Returns both paths.
    """
    table, notes = _paths(path)
    # Quotes around all text keep a stray line break in an error inside its cell.
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
        writer.writerow(_COLUMNS)
        writer.writerows([getattr(record, name) for name in _COLUMNS] for record in records)
    text = json.dumps(dict(conditions), indent=2, ensure_ascii=False, allow_nan=False)
    notes.write_text(text + "\n", encoding="utf-8")
    return table, notes


def load(path: str | Path) -> tuple[list[LatencyRecord], dict[str, Any]]:
    """Read what `save` wrote, every stamp to the last bit. Raises ValueError on other columns."""
    table, notes = _paths(path)
    with table.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        if (header := next(rows, None)) != _COLUMNS:
            raise ValueError(f"{table.name} has the columns {header}, not {_COLUMNS}")
        records = [
            LatencyRecord(
                intended=float(intended),
                sent=float(sent),
                first_byte=float(first_byte) if first_byte else None,
                done=float(done) if done else None,
                status=int(status),
                error=error or None,
                request_id=request_id,
            )
            for intended, sent, first_byte, done, status, error, request_id in rows
        ]
    conditions: dict[str, Any] = json.loads(notes.read_text(encoding="utf-8"))
    return records, conditions


_COLUMNS = [field.name for field in fields(LatencyRecord)]


def _paths(path: str | Path) -> tuple[Path, Path]:
    table = Path(path) if str(path).endswith(".csv") else Path(f"{path}.csv")
    return table, table.with_suffix(".json")


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else math.nan


def _rate(times: Sequence[float]) -> float:
    """Events per second, from the gaps between them."""
    return _ratio(len(times) - 1, max(times) - min(times)) if len(times) > 1 else math.nan


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _objection(
    lag_p99: float, offered_rps: float, achieved_rps: float, dropped: int, limits: Limits
) -> str:
    """Say in words where the generator strayed past its limits; nothing if it did not."""
    words = []
    if lag_p99 > limits.lag_p99_s:
        words.append(
            f"the generator was late itself: lag p99 {lag_p99 * 1e3:.0f} ms, "
            f"limit {limits.lag_p99_s * 1e3:.0f} ms"
        )
    if achieved_rps < limits.achieved * offered_rps:
        words.append(
            f"it sent {achieved_rps:.1f} of {offered_rps:.1f} requests per second "
            f"({dropped} dropped), limit {limits.achieved:.0%}"
        )
    return "; ".join(words)

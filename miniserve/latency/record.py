"""One request in four stamps, and what they say."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from miniserve.latency.percentiles import Floats

DROPPED = "dropped"
"""`LatencyRecord.error` of a request that the generator itself never sent."""

SHED = frozenset({429, 503})
"""Statuses with which a healthy server refuses work."""


@dataclass(frozen=True, slots=True)
class LatencyRecord:
    """One request in four stamps: meant to be sent, sent, answered as far as the end of the
    headers, answered.
    """

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

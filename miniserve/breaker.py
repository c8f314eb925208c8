"""A circuit breaker: an engine that keeps failing is left alone for a moment."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from miniserve.client import EngineUnavailable


class CircuitBreaker:
    """Stops calling an engine that keeps failing, and lets one call through now and then to see.

    Closed: calls pass. After `threshold` failures in a row it opens: calls are refused for
    `pause_s` seconds. Then one call is let through every `pause_s` seconds; its success closes the
    breaker.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        threshold: int = 5,
        pause_s: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._threshold = threshold
        self._pause_s = pause_s
        self._clock = clock
        self._failures = 0
        self._opened: float | None = None

    def check(self) -> None:
        """Let a call through, or refuse it.

        Raises:
            EngineUnavailable: the breaker is open.
        """
        refusal = self.refusal
        if refusal is not None:
            raise refusal
        if self._opened is not None:
            self._opened = self._clock()  # this call is the probe; the others are refused

    @property
    def refusal(self) -> EngineUnavailable | None:
        """What a call would be refused with now; None if it would be let through."""
        left = 0.0 if self._opened is None else self._opened + self._pause_s - self._clock()
        if left <= 0:
            return None
        return EngineUnavailable(
            "The engine has failed several times in a row; it is left alone for a moment.",
            retry_after_s=max(1, math.ceil(left)),
        )

    def succeeded(self) -> None:
        """A call went well, or at least the engine answered it sensibly."""
        self._failures, self._opened = 0, None

    def failed(self) -> None:
        """A call failed in a way that speaks against the engine."""
        self._failures += 1
        if self._failures >= self._threshold:
            self._opened = self._clock()

"""So many requests a second for each client, and a few at once: a token bucket for each address."""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from miniserve.middleware.asgi import CLOSE, header
from miniserve.problems import Problem

RATE_LIMITED = Problem(
    "rate-limited",
    429,
    "Too many requests from this client",
    "There were too many requests from this address. Please wait.",
)

#: A probe that is refused gets a healthy server restarted.
EXEMPT_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})


class TokenBuckets:
    """A token bucket for each key: in any time t at most `burst + rate * t` tokens are given.

    Memory is bounded: of more than `max_keys` keys the one unused for longest is forgotten, and
    finds its bucket full when it comes back.

    Args:
        rate: tokens per second that flow into a bucket.
        burst: tokens that a bucket holds.
        clock: seconds, monotonic.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        rate: float,
        burst: int,
        *,
        max_keys: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if rate <= 0 or burst < 1 or max_keys < 1:
            raise ValueError("rate must be positive, burst and max_keys at least 1")
        self.rate = rate
        self.burst = burst
        self._max_keys = max_keys
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, at what time

    def take(self, key: str) -> float:
        """Take one token; 0.0 if there was one, else the seconds until there is. Thread-safe."""
        with self._lock:
            now = self._clock()
            tokens, since = self._buckets.pop(key, (float(self.burst), now))
            tokens = min(float(self.burst), tokens + (now - since) * self.rate)
            wait_s = 0.0 if tokens >= 1.0 else (1.0 - tokens) / self.rate
            self._buckets[key] = (tokens - 1.0 if wait_s == 0.0 else tokens, now)
            if len(self._buckets) > self._max_keys:
                self._buckets.popitem(last=False)
            return wait_s

    def __len__(self) -> int:
        return len(self._buckets)


def client_key(scope: Scope) -> str:
    """Who sends: the address; of IPv6 the network of 64 bits, which one customer is given."""
    host = str(scope["client"][0]) if scope.get("client") else ""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:  # a socket without addresses, or what a proxy let through
        return "unknown"
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped:  # how a socket for both kinds shows IPv4
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))


class RateLimit:
    """Answers 429 with `Retry-After` when a client's bucket is empty."""

    def __init__(self, app: ASGIApp, buckets: TokenBuckets) -> None:
        self.app = app
        self.buckets = buckets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http" and scope["path"] not in EXEMPT_PATHS:
            wait_s = self.buckets.take(client_key(scope))
            if wait_s > 0.0:
                headers = {"Retry-After": str(math.ceil(wait_s))}
                if header(scope, b"expect") is not None:
                    headers |= CLOSE  # else its next request would be taken for the body
                await RATE_LIMITED.response(headers=headers)(scope, receive, send)
                return
        await self.app(scope, receive, send)

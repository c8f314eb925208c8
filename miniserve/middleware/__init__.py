"""The layers around the application, in pure ASGI. This is their order.

From the outside in, and why:

1. `RequestID`. First, so that every answer has an id, refusals too.
2. `CountRequests`. Around the log, which makes the last answers: the two agree to the last request.
3. `AccessLog`. Sees the status of everything inside; turns what nobody expected into a 500.
4. `RateLimit`. The cheapest refusal comes first, before a byte of the body is read.
5. `BodySize`. Reads the body within its bounds; nothing further in ever waits for a slow client.
6. `InjectionFilter`. Last, because it looks into a body that must be whole and small by now.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from starlette.middleware import Middleware

from miniserve.metrics import Metrics
from miniserve.middleware.access_log import AccessLog
from miniserve.middleware.body_size import BODY_TIMEOUT, BODY_TOO_LARGE, BodySize
from miniserve.middleware.count_requests import CountRequests
from miniserve.middleware.injection import InjectionFilter
from miniserve.middleware.rate_limit import RATE_LIMITED, RateLimit, TokenBuckets
from miniserve.middleware.request_id import RequestID
from miniserve.settings import Settings

#: What these layers answer with, for the documentation of the routes inside.
PROBLEMS = (BODY_TIMEOUT, BODY_TOO_LARGE, RATE_LIMITED)


def middleware_stack(
    settings: Settings, metrics: Metrics, clock: Callable[[], float] = time.monotonic
) -> list[Middleware]:
    """The layers that the settings ask for, outermost first; `clock` is the rate limit's."""
    layers = [
        Middleware(RequestID),
        Middleware(CountRequests, metrics=metrics),
        Middleware(AccessLog),
    ]
    if settings.rate_limit > 0:
        buckets = TokenBuckets(settings.rate_limit, settings.rate_limit_burst, clock=clock)
        layers.append(Middleware(RateLimit, buckets=buckets))
    layers += [
        Middleware(
            BodySize, max_bytes=settings.max_body_bytes, timeout_s=settings.request_timeout_s
        ),
        Middleware(InjectionFilter, max_bytes=settings.max_body_bytes),
    ]
    return layers

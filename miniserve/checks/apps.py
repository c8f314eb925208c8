"""Call a learner's app as a server would, but without a socket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from miniserve.checks.cases import Unfit, shown

T = TypeVar("T")


async def visit(
    app: Any, act: Callable[[httpx.AsyncClient], Awaitable[T]], *, raising: bool = True
) -> T:
    """Let `act` use the app through a client, between the start and the end of its lifespan.

    Raises `NotImplementedError` for `...`, an untouched stub, and `Unfit` for what is no app.

    Args:
        raising: what the app raises comes out as it is, because it is the reason; otherwise it is
            an answer with status 500. Either way it does not pass through the app's lifespan, as
            it does not under a server.
    """
    if app is ...:
        raise NotImplementedError
    if not isinstance(app, FastAPI):
        raise Unfit(f"got no FastAPI app, but {shown(app)}")
    failure: Exception | None = None
    async with app.router.lifespan_context(app) as state:

        async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "state": dict(state or {})}, receive, send)

        transport = httpx.ASGITransport(app=with_state, raise_app_exceptions=raising)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            try:
                got = await act(client)
            except Exception as error:
                failure = error
    if failure is not None:
        raise failure
    return got

"""Passwords are hashed a few at a time, outside the threads that all routes share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

import anyio
from fastapi import Request

from miniserve.portal.auth import Refused
from miniserve.problems import UNAVAILABLE

#: How long a password may wait for its turn, in seconds.
_LONGEST_TURN_S = 15.0

Args = TypeVarTuple("Args")
Result = TypeVar("Result")


async def in_turn(request: Request, work: Callable[[*Args], Result], *args: *Args) -> Result:
    """Call what hashes passwords; the portal's `hashing` says how many may do so at once.

    Raises:
        Refused: its turn does not come in time.
    """
    limiter = request.app.state.portal.hashing
    try:
        with anyio.fail_after(_LONGEST_TURN_S):
            return await anyio.to_thread.run_sync(work, *args, limiter=limiter)
    except TimeoutError:
        detail = "Too many passwords are being checked at once. Please try again."
        raise Refused(UNAVAILABLE, detail, headers={"Retry-After": "5"}) from None

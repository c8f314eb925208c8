"""From a thread to the event loop: how what was made there reaches whoever awaits it here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from miniserve.client import as_exception


def caller(
    loop: asyncio.AbstractEventLoop, when_closed: Callable[[], object]
) -> Callable[..., None]:
    """A function that has another one called on `loop`, with its arguments; from any thread.

    Args:
        when_closed: called instead if the loop is closed, and nobody is left to be told.
    """

    def on_loop(callback: Callable[..., object], *args: object) -> None:
        try:
            loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:
            when_closed()

    return on_loop


def settle(future: asyncio.Future[Any], result: object) -> None:
    """Give a future its result or its error, unless it has one or nobody waits any more."""
    if future.done():
        return
    if isinstance(result, BaseException):
        future.set_exception(as_exception(result))
    else:
        future.set_result(result)

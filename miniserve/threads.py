"""From a thread to the event loop: how what was made there reaches whoever awaits it here."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from miniserve.client import as_exception

T = TypeVar("T")


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


def in_daemon(make: Callable[[], T], name: str) -> asyncio.Future[T]:
    """Call `make` in a thread of that name; what it returns or raises is the future's.

    A server that is stopped does not wait for the thread, as it would for `asyncio.to_thread`.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    on_loop = caller(loop, lambda: None)

    def run() -> None:
        try:
            on_loop(settle, future, make())
        except BaseException as error:
            on_loop(settle, future, error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future

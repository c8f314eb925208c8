"""What a panel shows before anything is measured: the same setting on the virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from miniserve.latency import LatencyRecord
from miniserve.scheduler import Request
from miniserve.widgets.controls import Setting
from miniserve.widgets.curves import Curve

Preview: TypeAlias = Sequence[Curve] | Callable[[Setting], Sequence[Curve]]
"""Curves to show before anything is measured, or what makes them from a setting."""

MAX_PREVIEWS = 4


class Previews:
    """A panel's previews; those that a function makes are made again, in a thread, on demand."""

    def __init__(self, preview: Preview, setting: Setting) -> None:
        self._preview = preview
        self._wanted: Setting | None = None
        self._making: asyncio.Future[list[Curve]] | None = None
        self.curves = self._make(setting)

    def ask(self, setting: Setting) -> None:
        """Have the previews of a setting made soon. May be called in any thread."""
        if callable(self._preview):
            self._wanted = setting

    def update(self, loop: asyncio.AbstractEventLoop | None) -> bool:
        """Take in what has been made, begin what was asked for; return whether more will come.

        Raises what the preview's function raised.
        """
        if self._making is not None:
            if not self._making.done():
                return True
            made, self._making = self._making, None
            self.curves = made.result()
        if self._wanted is not None and loop is not None:
            setting, self._wanted = self._wanted, None
            self._making = loop.run_in_executor(None, self._make, setting)
        return self._making is not None

    def _make(self, setting: Setting) -> list[Curve]:
        curves = self._preview(setting) if callable(self._preview) else self._preview
        return [replace(curve, role="preview") for curve in curves][:MAX_PREVIEWS]


def record_of(request: Request) -> LatencyRecord:
    """Describe a request that has ended on a virtual clock as a client would have seen it."""
    arrived = request.arrival_time
    return LatencyRecord(
        intended=arrived,
        sent=arrived,
        first_byte=request.first_token_time,
        done=request.finish_time,
        status=200,
        error=None,
        request_id=request.request_id,
    )

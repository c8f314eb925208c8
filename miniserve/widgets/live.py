"""What panels that move have in common: frames on the kernel's event loop, and a clean end.

The load runs in threads of its own. Drawing runs as one task on the kernel's loop, about five times
a second and only while something changes. A widget's callback may come in any thread, so all it
does is set values and ask for frames.
"""

from __future__ import annotations

import asyncio
import contextlib
import html

import ipywidgets

from miniserve.widgets.panel import Panel

FRAME_S = 0.2
"""Seconds from one frame to the next."""


class LivePanel(Panel):
    """A panel that draws itself again and again while `frame` says that there is more to come."""

    def __init__(self, root: ipywidgets.DOMWidget, *, name: str, text: str) -> None:
        super().__init__(root, name=name, text=text)
        self._loop = _running_loop()
        self._frames: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None
        self._closed = False

    def frame(self) -> bool:
        """Draw what has changed; return whether there will be more to draw soon."""
        raise NotImplementedError

    def complain(self, words: str) -> None:
        """Show the learner a sentence about what went wrong. Called on the kernel's loop."""
        raise NotImplementedError

    def halt(self) -> None:
        """Stop what runs beside the drawing, because a frame has failed. On the kernel's loop."""

    def wake(self) -> None:
        """Ask for frames, from any thread. Without an event loop there is nothing to draw on."""
        if self._loop is not None and not self._closed:
            with contextlib.suppress(RuntimeError):  # the kernel's loop has been closed
                self._loop.call_soon_threadsafe(self._start_frames)

    def require_loop(self) -> None:
        """Find the event loop to draw on.

        Raises RuntimeError outside of a notebook's cell, or if the panel has been closed.
        """
        if self._closed:
            raise RuntimeError(
                "This panel has been closed, and the servers may be stopped: run the cells again, "
                "from the one that starts them."
            )
        if self._loop is None or self._loop.is_closed():
            self._loop = _running_loop()
        if self._loop is None:
            raise RuntimeError("a live panel needs a running event loop: use it in a notebook")

    async def rest(self, timeout_s: float) -> None:
        """Wait until nothing moves any more. Raises TimeoutError, or what went wrong in a frame."""
        await asyncio.sleep(0)  # a wake-up that was just asked for comes first
        if self._frames is not None:
            done, _ = await asyncio.wait([self._frames], timeout=timeout_s)
            if not done:
                raise TimeoutError(f"the panel was still busy after {timeout_s:g} s")
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def close(self) -> None:
        """Stop all that moves; safe to call twice. What is on the page stays there to be read."""
        if self._closed:
            return
        self._closed = True
        super().close()
        if self._loop is not None and self._frames is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._frames.cancel)

    def _start_frames(self) -> None:
        if not self._closed and (self._frames is None or self._frames.done()):
            assert self._loop is not None
            self._frames = self._loop.create_task(self._run_frames(), name=f"frames {self.text}")

    async def _run_frames(self) -> None:
        while not self._closed:
            try:
                more = self.frame()
            except Exception as error:  # a background task never prints: the panel says it
                self._failure = error
                self.halt()
                self.complain(f"The panel has stopped: {type(error).__name__}: {error}")
                return
            if not more:
                return
            await asyncio.sleep(FRAME_S)


class Notice:
    """One line of text under a panel that screen readers read out when it changes.

    `rare`: it is empty as a rule, so that no room is kept for it.
    """

    def __init__(self, *, rare: bool = False) -> None:
        layout = ipywidgets.Layout(min_height="0" if rare else "26px", width="auto")
        self.widget = ipywidgets.HTML(layout=layout)
        self.say("")

    def say(self, words: str, *, warning: bool = False) -> None:
        """Replace the line."""
        mark = "⚠ " if warning and words else ""
        kind = "miniserve-warning" if warning else "miniserve-note"
        text = f"{mark}{html.escape(words)}"
        self.widget.value = f"<div class='{kind}' role='status'>{text}</div>"


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None

"""The engine in a process of its own, so that event loop and model do not share a GIL.

It is the same `run_loop` as in a thread, at the other end of a socket pair: commands go one way,
what the steps made comes back. The event loop reads and writes without ever waiting. It sees the
death of the process at once, as the end of the stream: every request in flight gets its answer, and
the process is started again, after a pause that doubles while it keeps dying soon. A process that
has work and does not move is killed, which comes to the same. Both ends of the stream are in this
one module, so that what one writes and the other reads can be seen together.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import multiprocessing
import os
import pickle
import signal
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator
from multiprocessing import resource_tracker
from multiprocessing.util import Finalize
from typing import Any, NamedTuple, TypeVar, cast

from miniserve.client import EngineState, EngineUnavailable
from miniserve.engine import BatchingClient
from miniserve.engine_core import (
    Command,
    Configure,
    Delivery,
    EngineCore,
    Inbox,
    Limits,
    Stop,
    run_loop,
)
from miniserve.logs import set_up_logging

logger = logging.getLogger(__name__)

_STOP_TIMEOUT_S = 5.0
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 10.0
_LONGEST_LOAD_S = 120.0
_LOOK_EVERY_S = 1.0
#: A process that is found stuck so many times in a row is killed. Once would not do: perhaps it was
#: this process that was held up, and the signs of life lie unread.
_LOOKS = 3
_SIGNALS = {number.value: number.name for number in signal.Signals}
_HEADER = struct.Struct("!I")  # the length of the pickle that follows


class Loaded(NamedTuple):
    """Message: the engine takes requests."""

    limits: Limits


class Failed(NamedTuple):
    """Message: loading raised, or the scheduler did; the process ends."""

    error: Exception


Message = Loaded | Failed | Delivery

T = TypeVar("T")


class EngineProcess(BatchingClient):
    """The engine in a process. `open_core` is called there, so it must be picklable: a function of
    a module, or a `functools.partial` of one. A script that starts an engine needs the usual
    `if __name__ == "__main__":`, because the new process imports it.
    """

    _supervisor: asyncio.Task[None] | None = None
    _loop: asyncio.AbstractEventLoop
    _thread: int  # the loop's
    _loaded: asyncio.Future[None]
    _child: _Child | None = None
    _error: Exception | None = None  # what the process said before it ended
    _has_loaded = False  # the process that runs now
    _began = 0.0  # to load; then, to work
    _pause_s = _FIRST_PAUSE_S

    async def start(self) -> None:
        """Start the process and wait until it has loaded; raises what loading raised."""
        if self._supervisor is not None and not self._supervisor.done():
            raise RuntimeError("the engine runs already")
        self._set_state(EngineState.STARTING, "The engine is loading.")
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        self._loaded = self._loop.create_future()
        self._supervisor = asyncio.create_task(self._supervise(), name="engine supervisor")
        try:
            await self._loaded
        except asyncio.CancelledError:
            self._supervisor.cancel()
            raise
        if self._state is not EngineState.READY:  # stopped or dead by now
            raise self._unavailable()

    async def stop(self) -> None:
        """Leave the loop after the step that runs now; what is in flight fails."""
        self._end(EngineState.STOPPED, "The engine has been stopped.")
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait([self._supervisor])
            if not self._loaded.done():  # cancelled before its first step, it has told nobody
                self._loaded.set_exception(self._unavailable())

    def _send(self, command: Command) -> None:
        if self._child is None:
            return
        if threading.get_ident() == self._thread:
            self._child.send(command)
        else:  # a panel configures from the kernel's thread
            self._loop.call_soon_threadsafe(self._child.send, command)

    def _unavailable(self) -> EngineUnavailable:
        return EngineUnavailable(self._reason, retry_after_s=1 + math.ceil(self._pause_s))

    async def _supervise(self) -> None:
        """Run one process after the other until cancelled, or until the first cannot load."""
        try:
            while True:
                self._error, self._has_loaded = None, False
                self._began = asyncio.get_running_loop().time()
                self._child = _Child(self._receive, self._lost)
                watch = asyncio.create_task(self._watch(self._child), name="engine watch")
                try:
                    await self._child.run(self._open_core)
                except Exception as error:  # it cannot be pickled, or the machine has no room
                    self._error = error
                    self._lost()
                finally:
                    watch.cancel()
                    how = await _to_the_end(self._child.close())
                if self._error is None:
                    self._set_state(EngineState.FAILED, f"The engine's process {how}.")
                if not self._loaded.done():
                    return
                logger.error("%s It is started again in %.1f s", self._reason, self._pause_s)
                await asyncio.sleep(self._pause_s)
                self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
        finally:
            if not self._loaded.done():
                self._loaded.set_exception(self._error or self._unavailable())

    async def _watch(self, child: _Child) -> None:
        """Kill a process that is stuck, or never gets loaded: then it is as if it had died."""
        looks = 0
        while looks < _LOOKS:
            await asyncio.sleep(_LOOK_EVERY_S)
            looks = looks + 1 if self._stuck_for_s() else 0
            loading_for_s = asyncio.get_running_loop().time() - self._began
            if not self._has_loaded and loading_for_s > _LONGEST_LOAD_S:
                self._error = TimeoutError(f"it was not loaded within {_LONGEST_LOAD_S:g} s")
                break
        else:
            self._error = TimeoutError(f"it has not moved for {self._stuck_for_s():.0f} s")
        child.kill()

    def _receive(self, message: Message) -> None:
        """Take in a message of the process. Runs on the event loop."""
        match message:
            case Delivery():
                self._deliver(message)
            case Loaded(limits):
                if self._state is EngineState.STOPPED:
                    return
                self._limits, self._has_loaded = limits, True
                self._began = self._loop.time()
                self._send(Configure(self._changes))
                self._set_state(EngineState.READY)
                if not self._loaded.done():
                    self._loaded.set_result(None)
            case Failed(error):
                self._error = error

    def _lost(self) -> None:
        """The process is gone. Runs on the event loop, as soon as it is known."""
        if self._state is EngineState.STOPPED:
            return
        if self._has_loaded and self._loop.time() - self._began > _LONGEST_PAUSE_S:
            self._pause_s = _FIRST_PAUSE_S
        reason = "The engine's process has died."
        if self._error is not None:
            what = "has died" if self._has_loaded else "could not be loaded"
            reason = f"The engine {what}: {type(self._error).__name__}: {self._error}"
        self._end(EngineState.FAILED, reason)


class _Child(asyncio.Protocol):
    """One process, and the event loop's end of the stream to it."""

    def __init__(self, receive: Callable[[Message], None], lost: Callable[[], None]) -> None:
        self._receive = receive
        self._lost = lost
        self._ended = asyncio.Event()
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._process: multiprocessing.context.SpawnProcess | None = None
        self._finalizer: Finalize | None = None

    async def run(self, open_core: Callable[[], EngineCore]) -> None:
        """Start the process, and return when its end of the stream is closed."""
        ours, theirs = socket.socketpair()
        try:
            with theirs, _inherited_by_child():
                context = multiprocessing.get_context("spawn")
                root = logging.getLogger()
                log_level = root.level if root.handlers else None  # a new process has no handlers
                process = context.Process(
                    target=_main, args=(theirs, open_core, log_level), daemon=True
                )
                process.start()
            self._process = process
            # Without this, an interpreter that ends without `close` would wait for the process.
            self._finalizer = Finalize(None, process.kill, exitpriority=0)
            loop = asyncio.get_running_loop()
            await _to_the_end(loop.create_connection(lambda: self, sock=ours))
        except BaseException:
            if self._transport is None:
                ours.close()  # else it is the transport's, and `close` will close that
            raise
        await self._ended.wait()

    async def close(self) -> str:
        """End the process, by force if it does not hear, and say how it ended."""
        if self._transport is not None:
            self.send(Stop())
            try:
                async with asyncio.timeout(_STOP_TIMEOUT_S):
                    await self._ended.wait()
            except TimeoutError:
                pass
            finally:  # even if the event loop is ending: the process goes with its stream
                self._transport.abort()
        if self._process is None or self._finalizer is None:
            return "could not be made"
        if self._ended.is_set():
            await asyncio.to_thread(self._process.join, _STOP_TIMEOUT_S)
        if self._process.exitcode is None:
            self._process.kill()
            await asyncio.to_thread(self._process.join, _STOP_TIMEOUT_S)
        code = self._process.exitcode
        if code is None:
            return "does not end"
        self._finalizer.cancel()
        self._process.close()
        # A signal may have no name: those for real-time use are numbers only.
        return (
            f"was killed by {_SIGNALS.get(-code, -code)}" if code < 0 else f"ended with code {code}"
        )

    def kill(self) -> None:
        """End the process at once; the end of the stream tells the rest."""
        if self._process is not None:
            self._process.kill()

    def send(self, command: Command) -> None:
        """Send a command, without waiting; into the void if the stream has ended."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(_pack(command))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's does not say that it is one

    def data_received(self, data: bytes) -> None:
        """Take in a piece of the stream, which may be several messages or a part of one."""
        self._buffer += data
        while len(self._buffer) >= _HEADER.size:
            end = _HEADER.size + _HEADER.unpack_from(self._buffer)[0]
            if len(self._buffer) < end:
                break
            message = pickle.loads(self._buffer[_HEADER.size : end])
            del self._buffer[:end]
            self._receive(message)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended.set()
        self._lost()


async def _to_the_end(steps: Coroutine[Any, Any, T]) -> T:
    """Await something short that must not be left half done: whoever cancels it waits for its end.

    A supervisor may be cancelled more than once: by a `start` that is given up, then by `stop`.
    """
    task = asyncio.create_task(steps)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    return task.result()


def _pack(message: Command | Message) -> bytes:
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return _HEADER.pack(len(body)) + body


@contextlib.contextmanager
def _inherited_by_child() -> Iterator[None]:
    """What a process is to have from its first moment: one BLAS thread (unless the environment
    asks for more), and no ear for Ctrl-C or SIGTERM. When to end is for its parent to say.
    """
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
    added = [name for name in names if name not in os.environ]
    resource_tracker.ensure_running()  # a spawn starts it, and its start unblocks the two signals
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    os.environ.update(dict.fromkeys(added, "1"))
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


# --- in the process -------------------------------------------------------------------------------


def _main(
    stream: socket.socket, open_core: Callable[[], EngineCore], log_level: int | None
) -> None:
    """The process, from start to end."""
    if log_level is not None:
        set_up_logging(log_level)
    inbox = Inbox()
    threading.Thread(target=_read_commands, args=(stream, inbox), daemon=True).start()

    def send(message: Message) -> None:
        try:
            stream.sendall(_pack(message))
        except OSError:  # the parent is gone
            os._exit(0)

    try:
        core = open_core()
    except Exception as error:  # for the parent to tell
        send(Failed(_picklable(error)))
        return
    try:
        send(Loaded(core.limits))
        run_loop(core, inbox, send)
    except Exception as error:
        logger.exception("The engine ends")
        send(Failed(_picklable(error)))


def _read_commands(stream: socket.socket, inbox: Inbox) -> None:
    """Pass commands on. When the parent is gone, nobody is left to work for; it may have gone in
    the middle of a command, which then is none.
    """
    try:
        with stream.makefile("rb") as file:
            while header := file.read(_HEADER.size):
                inbox.put(pickle.loads(file.read(_HEADER.unpack(header)[0])))
    finally:
        os._exit(0)


def _picklable(error: Exception) -> Exception:
    """The error itself if it survives the journey, else one that says the same."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error

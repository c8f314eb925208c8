"""The roof: settings in, a running server out.

Here the floors are put together, and here a server stops. Stopping has three steps. The first
SIGTERM or SIGINT drains: `/readyz` and new requests get 503, accepted requests finish. When none is
left, or `drain_timeout_s` has passed, what still runs is failed with 503 and the server ends with
exit code 0. A second signal ends the drain at once.
"""

from __future__ import annotations

import gc
import logging
import signal
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI

from miniserve.app import create_app
from miniserve.client import EngineClient
from miniserve.completions import completions_router
from miniserve.engine import Engine
from miniserve.engine_core import EngineCore
from miniserve.engine_process import EngineProcess
from miniserve.inline import BlockingClient
from miniserve.lifecycle import Lifecycle, OpenClient
from miniserve.load import MakeScheduler, load_core
from miniserve.logs import set_up_logging, written_aside
from miniserve.metrics import Metrics
from miniserve.middleware import PROBLEMS, middleware_stack
from miniserve.middleware.access_log import access_logger
from miniserve.model.checkpoint import read_tokenizer
from miniserve.model.config import read_config
from miniserve.protocol import BoundedConnection
from miniserve.remote import RemoteClient
from miniserve.scheduler import ContinuousScheduler, Scheduler, StaticScheduler
from miniserve.settings import Mode, Settings
from miniserve.sockets import KEEP_ALIVE_S, raise_file_limit
from miniserve.speculation import SpeculativeScheduler
from miniserve.tutor import Tutor
from miniserve.worker import WorkerClient

#: A drain takes at least this long (unless it is given less), so that requests already on the wire
#: are told 503, not cut off.
_LINGER_S = 0.2

#: After the last answer is made: time to write it, and to close connections that never sent a
#: request.
_CLOSE_TIMEOUT_S = 2

LoadCore = Callable[[Path, int, MakeScheduler], EngineCore]

logger = logging.getLogger(__name__)


def open_client(settings: Settings, load_core: LoadCore = load_core) -> EngineClient:
    """Make the client of the mode that the settings name; nothing is started yet.

    Args:
        load_core: a function that a new process can import.
    """
    if settings.engine_url is not None:
        return RemoteClient(
            settings.engine_url,
            settings.model,
            max_in_flight=settings.max_num_seqs + settings.max_waiting,
            timeout_s=settings.request_timeout_s,
            api_key=settings.engine_api_key.get_secret_value() if settings.engine_api_key else None,
        )
    load_tutor = partial(Tutor.load, settings.checkpoint)
    if settings.mode is Mode.SYNC:
        return BlockingClient(load_tutor, timeout_s=settings.request_timeout_s)
    if settings.mode is Mode.ASYNC:
        return WorkerClient(load_tutor, max_waiting=settings.max_waiting)
    max_num_seqs = settings.max_num_seqs
    make_scheduler: MakeScheduler
    if settings.mode is Mode.STATIC:
        make_scheduler = partial(StaticScheduler, max_num_seqs, max_wait_s=settings.max_wait_s)
    else:
        policy: Callable[..., Scheduler] = ContinuousScheduler
        if guesses := settings.num_speculative_tokens:
            policy = partial(SpeculativeScheduler, num_speculative_tokens=guesses)
        budget = settings.max_num_batched_tokens
        make_scheduler = partial(policy, max_num_seqs, max_num_batched_tokens=budget)
    config = read_config(settings.checkpoint / "config.json")
    engine = EngineProcess if settings.engine_process else Engine
    return engine(
        partial(load_core, settings.checkpoint, max_num_seqs, make_scheduler),
        read_tokenizer(settings.checkpoint / "tokenizer.json", config),
        max_model_len=config.max_position_embeddings,
        max_num_seqs=max_num_seqs,
        max_waiting=settings.max_waiting,
    )


def build_app(settings: Settings, open_client: OpenClient = open_client) -> FastAPI:
    """The whole service: the engine that the settings ask for, the middleware, the metrics."""
    metrics = Metrics()
    return create_app(
        lambda settings: metrics.around(open_client(settings)),
        settings,
        middleware=middleware_stack(settings, metrics),
        routers=[metrics.router(), completions_router(settings, PROBLEMS)],
        extra_problems=PROBLEMS,
    )


class DrainingServer(uvicorn.Server):
    """uvicorn, with a drain before its shutdown."""

    def __init__(
        self, config: uvicorn.Config, lifecycle: Lifecycle, drain_timeout_s: float
    ) -> None:
        super().__init__(config)
        self.exit_code = 0
        self._lifecycle = lifecycle
        self._drain_timeout_s = drain_timeout_s
        self._drain_start: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain on the first signal, end on the second, drop everything on the third."""
        if self._drain_start is None:
            self._lifecycle.drain()
            self._drain_start = time.monotonic()
            name, count = signal.Signals(sig).name, self._lifecycle.num_in_flight
            logger.info("%s: draining, with %d requests in flight", name, count)
        else:
            self.force_exit = self.exit_code != 0
            self.should_exit = True
            self.exit_code = 128 + sig

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: is the drain over?"""
        if self._drain_start is not None:
            elapsed = time.monotonic() - self._drain_start
            # The tasks are uvicorn's: a request that waits for a sign-in does not hold the engine.
            busy = self._lifecycle.num_in_flight or self.server_state.tasks
            idle = not busy and elapsed >= _LINGER_S
            self.should_exit = self.should_exit or idle or elapsed >= self._drain_timeout_s
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Fail what the drain did not finish, then let uvicorn close."""
        if self._lifecycle.num_in_flight and not self.force_exit:
            logger.warning("%d requests did not finish in time", self._lifecycle.num_in_flight)
            await self._lifecycle.fail_in_flight()
        await super().shutdown(sockets)


def rest_garbage_collector() -> None:
    """Let the collector of cycles leave alone what is there now, and look at the rest less often.

    The records in the engine's trace stay, so at its default settings the collector comes for them
    again and again and finds nothing: an eighth of this process's time, in pauses that requests
    wait for. What is in no cycle is freed at once, as ever.
    """
    gc.freeze()
    gc.set_threshold(10_000)


def run(app: FastAPI, settings: Settings, listener: socket.socket) -> int:
    """Serve on an open socket until a signal comes; returns the exit code.

    Standard output gets one JSON line a request; everything else goes to standard error.
    """
    set_up_logging(settings.log_level.upper())
    # They would write each request to a remote engine, and the password in its address.
    for library in ("httpx", "httpcore"):
        logging.getLogger(library).setLevel(logging.WARNING)
    raise_file_limit()
    rest_garbage_collector()
    access_logger.setLevel(logging.INFO)  # a line a request, however quiet the rest is to be
    access_logger.propagate = False
    config = uvicorn.Config(
        app,
        http=BoundedConnection,
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",  # nothing here speaks WebSocket, whatever libraries are installed
        proxy_headers=bool(settings.forwarded_allow_ips),
        forwarded_allow_ips=settings.forwarded_allow_ips or None,
        timeout_graceful_shutdown=_CLOSE_TIMEOUT_S,
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    server = DrainingServer(config, app.state.lifecycle, settings.drain_timeout_s)
    with written_aside(access_logger, sys.stdout):
        server.run(sockets=[listener])
    return server.exit_code

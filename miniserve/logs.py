"""What the server and its engine's process write to standard error, and a thread for other logs."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import QueueHandler, QueueListener
from typing import Any, TextIO

_LINES = 10_000
_FLUSH_TIMEOUT_S = 1.0


def set_up_logging(level: int | str) -> None:
    """One form for every line, in this process; what is below `level` is left out."""
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s")
    logging.raiseExceptions = False  # a full disk under the log is no reason to write about it


@contextmanager
def written_aside(logger: logging.Logger, stream: TextIO) -> Iterator[None]:
    """While it is open, a thread writes the logger's lines to the stream, and nobody waits for it.

    Where the stream is a pipe whose reader stands still, only that thread does too: the newest
    lines are lost once 10,000 wait, and at the end one second is given to those that are left.
    """
    lines: queue.Queue[logging.LogRecord] = queue.Queue(_LINES)
    handler, listener = QueueHandler(lines), _Listener(lines, logging.StreamHandler(stream))
    logger.addHandler(handler)
    listener.start()
    try:
        yield
    finally:
        logger.removeHandler(handler)
        ending = threading.Thread(target=listener.stop, daemon=True)
        ending.start()
        ending.join(_FLUSH_TIMEOUT_S)


class _Listener(QueueListener):
    """A listener whose end waits for a place in the queue (the library's fails if it is full)."""

    def __init__(self, lines: queue.Queue[Any], handler: logging.Handler) -> None:
        super().__init__(lines, handler)
        self._lines = lines

    def enqueue_sentinel(self) -> None:
        """See `QueueListener`; None ends the thread."""
        self._lines.put(None)

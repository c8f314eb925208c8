"""Log lines that a thread writes."""

from __future__ import annotations

import io
import logging
import threading
import time
from collections.abc import Iterator
from logging.handlers import QueueHandler

import pytest

from miniserve import logs
from miniserve.logs import written_aside


@pytest.fixture
def logger(monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Logger]:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    logger = logging.getLogger("tests.written_aside")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    yield logger
    assert not any(isinstance(handler, QueueHandler) for handler in logger.handlers)


def test_every_line_is_written_before_the_end(logger: logging.Logger) -> None:
    stream = io.StringIO()
    with written_aside(logger, stream):
        for number in range(1000):
            logger.info("line %d", number)
    assert stream.getvalue().splitlines() == [f"line {number}" for number in range(1000)]


class StuckStream(io.StringIO):
    """A pipe whose reader stands still until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()

    def write(self, text: str) -> int:
        assert self.let_go.wait(60)
        return super().write(text)


def test_a_reader_that_stands_still_holds_nobody_up(
    logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_LINES", 50)
    monkeypatch.setattr(logs, "_FLUSH_TIMEOUT_S", 0.05)
    stream = StuckStream()
    with written_aside(logger, stream):
        for number in range(200):
            logger.info("line %d", number)
    assert not stream.getvalue()
    stream.let_go.set()
    deadline = time.monotonic() + 60
    while (written := stream.getvalue().count("\n")) < 50 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert 50 <= written <= 51  # those that had a place, and the one in the thread's hand
    assert stream.getvalue().startswith("line 0\n")

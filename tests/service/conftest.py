"""Servers that several tests share: starting one takes seconds."""

from collections.abc import Iterator

import pytest

from tests.service.process import ServerProcess


@pytest.fixture(scope="session")
def server() -> Iterator[ServerProcess]:
    """A quick server in the mode that people run; tests leave it as they found it."""
    with ServerProcess(mode="continuous", max_num_seqs=4, request_timeout_s=10) as running:
        yield running

"""The model on the event loop: it answers, it blocks, and it looks at the deadline itself."""

import asyncio
import itertools
from typing import Any

import pytest

from miniserve.client import EngineState, EngineUnavailable, StepFailed
from miniserve.completion import Completion, PromptTooLong
from miniserve.inline import BlockingClient
from tests.fakes import TIMING, completion, held_load

pytestmark = pytest.mark.anyio


class FakeTutor:
    """Makes one token after another until it is told to stop, or as many as it is asked for."""

    def __init__(self, error: Exception | None = None, endless: bool = False) -> None:
        self.error = error
        self.endless = endless

    def generate(self, prompt: str, max_tokens: int, stop: Any) -> Completion:
        if self.error is not None:
            raise self.error
        for made in itertools.count():
            if stop():
                return Completion("", "abort", 1, made, TIMING)
            if not self.endless:
                return completion()
        raise AssertionError


def client_for(tutor: Any, timeout_s: float = 30.0) -> BlockingClient:
    return BlockingClient(lambda: tutor, timeout_s=timeout_s)


async def test_it_has_the_life_of_an_engine() -> None:
    client = client_for(FakeTutor())
    assert client.status().state is EngineState.STARTING
    with pytest.raises(EngineUnavailable):
        await client.generate("x\n", max_tokens=9, request_id="a")
    await client.start()
    assert client.status().state is EngineState.READY
    assert client.status().reason == ""
    made = await client.generate("x\n", max_tokens=9, request_id="a")
    assert made == completion()
    await client.stop()
    await client.stop()
    assert client.status().state is EngineState.STOPPED
    with pytest.raises(EngineUnavailable):
        await client.generate("x\n", max_tokens=9, request_id="a")


async def test_a_load_that_fails_says_why() -> None:
    def broken() -> Any:
        raise OSError("model.safetensors is missing")

    client = BlockingClient(broken)
    with pytest.raises(OSError, match="missing"):
        await client.start()
    assert client.status().state is EngineState.FAILED
    assert "missing" in client.status().reason
    await client.stop()


async def test_a_load_that_fails_after_a_stop_has_been_stopped() -> None:
    loading, fail = held_load(OSError("too late"))
    client = BlockingClient(fail)
    starting = asyncio.create_task(client.start())
    await asyncio.sleep(0)
    await client.stop()
    loading.set()
    with pytest.raises(OSError, match="too late"):
        await asyncio.wait_for(starting, 10)
    assert client.status().state is EngineState.STOPPED


async def test_nothing_else_runs_while_it_generates() -> None:
    client = client_for(FakeTutor(endless=True), timeout_s=0.05)
    await client.start()
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count_turns())
    await asyncio.sleep(0)
    before = turns
    with pytest.raises(TimeoutError):
        await client.generate("x\n", max_tokens=9, request_id="a")
    assert turns == before
    counting.cancel()


async def test_the_deadline_is_looked_at_between_tokens() -> None:
    client = client_for(FakeTutor(endless=True), timeout_s=0.01)
    await client.start()
    with pytest.raises(TimeoutError):
        await client.generate("x\n", max_tokens=9, request_id="a")


async def test_errors_of_the_model_are_typed_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    client = client_for(FakeTutor(ZeroDivisionError("oops")))
    await client.start()
    with pytest.raises(StepFailed, match="ZeroDivisionError"):
        await client.generate("x\n", max_tokens=9, request_id="a")
    assert "ZeroDivisionError: oops" in caplog.text
    client = client_for(FakeTutor(PromptTooLong("too long")))
    await client.start()
    with pytest.raises(PromptTooLong):
        await client.generate("x\n", max_tokens=9, request_id="a")


async def test_stopped_while_it_loads_it_is_not_ready_afterwards() -> None:
    loading, slow = held_load(FakeTutor())
    client = BlockingClient(slow)
    starting = asyncio.create_task(client.start())
    await asyncio.sleep(0)
    await client.stop()
    loading.set()
    with pytest.raises(EngineUnavailable):
        await asyncio.wait_for(starting, 10)
    assert client.status().state is EngineState.STOPPED


async def test_a_senseless_request_is_the_callers_mistake() -> None:
    client = client_for(FakeTutor())
    await client.start()
    with pytest.raises(ValueError, match="max_tokens is 0"):
        await client.generate("x", max_tokens=0, request_id="a")

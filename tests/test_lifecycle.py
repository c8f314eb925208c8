"""Opening in the background, readiness, and closing, whatever goes wrong on the way."""

import asyncio
from dataclasses import replace

import pytest

from miniserve.client import (
    EngineFailed,
    EngineState,
    EngineStatus,
    EngineUnavailable,
    QueueFull,
    StepFailed,
)
from miniserve.completion import Completion, PromptTooLong
from miniserve.lifecycle import Lifecycle
from miniserve.settings import Settings
from tests.fakes import FakeClient, Panic, until

pytestmark = pytest.mark.anyio


async def test_it_is_ready_after_loading_and_one_warm_up() -> None:
    client = FakeClient()
    client.loading.clear()
    lifecycle = Lifecycle(lambda _: client, Settings())
    assert "not been started" in lifecycle.reason
    async with lifecycle:
        await asyncio.sleep(0.01)
        assert "being loaded" in lifecycle.reason
        with pytest.raises(EngineUnavailable), lifecycle.admit():
            pass
        client.loading.set()
        await until(lambda: not lifecycle.reason)
        assert client.calls == ["He goed to school.\n"]
        with lifecycle.admit() as admitted:
            assert admitted is client
            assert lifecycle.num_in_flight == 1
        assert lifecycle.num_in_flight == 0
    assert client.stopped == 1
    with pytest.raises(EngineUnavailable):
        lifecycle.ready_client()


@pytest.mark.parametrize("where", ["open", "start", "warm-up", "panic"])
async def test_a_start_up_that_fails_stays_unready_with_the_reason(where: str) -> None:
    client = FakeClient()

    def open_client(settings: Settings) -> FakeClient:
        if where == "open":
            raise OSError("config.json is missing")
        return client

    if where == "start":
        client.start_error = OSError("config.json is missing")
    if where == "warm-up":
        client.generate = broken_generate  # type: ignore[method-assign, assignment]
    if where == "panic":
        client.start_error = Panic("config.json is missing")
    lifecycle = Lifecycle(open_client, Settings())
    async with lifecycle:
        await until(lambda: "could not be loaded" in lifecycle.reason)
        with pytest.raises(EngineFailed, match=r"config\.json is missing"):
            lifecycle.ready_client()
    assert client.stopped == (where != "open")


async def broken_generate(prompt: str, *, max_tokens: int, request_id: str) -> None:
    raise OSError("config.json is missing")


async def test_a_warm_up_that_makes_no_sense_is_logged_and_forgiven(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lifecycle = Lifecycle(lambda _: FakeClient("gibberish"), Settings())
    async with lifecycle:
        await until(lambda: not lifecycle.reason)
    assert "made no sense" in caplog.text


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (EngineUnavailable("It died."), "It died."),
        (QueueFull(1), "The queue is full."),
        (StepFailed("The engine's answer is not a completion."), "not a completion."),
        (TimeoutError("http://me:password@engine"), "It took too long."),
    ],
)
async def test_a_warm_up_that_fails_is_tried_again_and_the_reason_says_why(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    why: str,
) -> None:
    monkeypatch.setattr("miniserve.lifecycle._WARM_UP_PAUSE_S", 0.0)
    client = FakeClient()
    tries, well = 0, False
    generate = client.generate

    async def failing(prompt: str, *, max_tokens: int, request_id: str) -> Completion:
        nonlocal tries
        tries += 1
        if not well:
            raise error
        return await generate(prompt, max_tokens=max_tokens, request_id=request_id)

    client.generate = failing  # type: ignore[method-assign]
    lifecycle = Lifecycle(lambda _: client, Settings())
    async with lifecycle:
        await until(lambda: tries >= 3)
        assert lifecycle.reason.startswith("The warm-up correction is tried again: ")
        assert lifecycle.reason.endswith(why)
        assert "password" not in lifecycle.reason
        with pytest.raises(EngineUnavailable) as refusal:
            lifecycle.ready_client()
        assert not isinstance(refusal.value, EngineFailed)
        well = True
        await until(lambda: not lifecycle.reason)
    assert caplog.text.count("tried again") == 1


async def test_an_engine_that_is_away_from_the_start_is_what_the_reason_tells() -> None:
    client = FakeClient()
    client.loading.clear()
    client.state = EngineStatus(EngineState.FAILED, "The engine cannot be asked: ConnectError.")
    lifecycle = Lifecycle(lambda _: client, Settings())
    async with lifecycle:
        await until(lambda: "cannot be asked" in lifecycle.reason)
        client.state = EngineStatus(EngineState.STARTING, "The engine is loading.")
        assert lifecycle.reason == "The model is being loaded."


async def test_it_is_not_ready_while_its_engine_is_not() -> None:
    client = FakeClient()
    lifecycle = Lifecycle(lambda _: client, Settings())
    async with lifecycle:
        await until(lambda: not lifecycle.reason)
        client.state = EngineStatus(EngineState.STARTING, "The engine is being restarted.")
        assert lifecycle.reason == "The engine is being restarted."
        client.state = replace(client.state, retry_after_s=7)
        with pytest.raises(EngineUnavailable) as refusal:
            lifecycle.ready_client()
        assert refusal.value.retry_after_s == 7
        client.state = EngineStatus(EngineState.STOPPED)
        assert lifecycle.reason == "The engine is stopped."
        client.state = EngineStatus(EngineState.READY)
        lifecycle.ready_client()


async def test_an_engine_that_has_died_is_told_as_failed_for_good(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = FakeClient()
    lifecycle = Lifecycle(lambda _: client, Settings())
    async with lifecycle:
        await until(lambda: not lifecycle.reason)
        client.state = EngineStatus(EngineState.FAILED, "The engine has died.", dead=True)
        with pytest.raises(EngineFailed, match="has died"):
            lifecycle.ready_client()
        lifecycle.drain()
        with pytest.raises(EngineUnavailable, match="shutting down"):
            lifecycle.ready_client()


@pytest.mark.parametrize(
    "error", [EngineFailed("The engine has died."), PromptTooLong("The context has died.")]
)
async def test_what_will_not_pass_in_a_warm_up_is_not_tried_again(
    caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    client = FakeClient()

    async def dying(prompt: str, *, max_tokens: int, request_id: str) -> Completion:
        raise error

    client.generate = dying  # type: ignore[method-assign]
    lifecycle = Lifecycle(lambda _: client, Settings())
    async with lifecycle:
        await until(lambda: "could not be loaded" in lifecycle.reason)
        with pytest.raises(EngineFailed, match="has died"):
            lifecycle.ready_client()
    assert "tried again" not in caplog.text


async def test_draining_lets_nobody_in_even_when_loading_ends_afterwards() -> None:
    client = FakeClient()
    client.loading.clear()
    lifecycle = Lifecycle(lambda _: client, Settings())
    async with lifecycle:
        lifecycle.drain()
        client.loading.set()
        await until(lambda: client.calls)
        await asyncio.sleep(0.01)
        with pytest.raises(EngineUnavailable, match="shutting down"):
            lifecycle.ready_client()


async def test_closing_while_it_still_loads_stops_the_client() -> None:
    client = FakeClient()
    client.loading.clear()
    async with Lifecycle(lambda _: client, Settings()):
        await asyncio.sleep(0.01)
    assert (client.started, client.stopped) == (0, 1)


async def test_it_may_be_opened_again() -> None:
    clients: list[FakeClient] = []

    def open_client(settings: Settings) -> FakeClient:
        clients.append(FakeClient())
        return clients[-1]

    lifecycle = Lifecycle(open_client, Settings())
    for _ in range(2):
        async with lifecycle:
            await until(lambda: not lifecycle.reason)
    assert [client.stopped for client in clients] == [1, 1]

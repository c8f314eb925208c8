"""One worker beside the loop: the loop stays free, the queue is bounded, nobody waits for ever."""

import asyncio
import math
import threading
from collections.abc import Callable
from typing import Any

import pytest

from miniserve import worker
from miniserve.client import (
    EngineState,
    EngineUnavailable,
    QueueFull,
    StepFailed,
    as_retry_after,
)
from miniserve.completion import Completion, PromptTooLong
from miniserve.inline import BlockingClient
from miniserve.tutor import Tutor
from miniserve.worker import WorkerClient
from tests.fakes import TIMING, Panic, completion, held_load, until

pytestmark = pytest.mark.anyio


class HeldTutor:
    """Generates while `gate` is shut, asking `stop` before each token as the tutor does."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.prompts: list[str] = []
        self.aborted: list[str] = []
        self.error: Exception | None = None
        self.hears: Callable[[Callable[[], bool]], bool] = lambda stop: stop()

    def generate(self, prompt: str, max_tokens: int, stop: Callable[[], bool]) -> Completion:
        self.prompts.append(prompt)
        while not self.gate.wait(0.001):
            if self.hears(stop):
                self.aborted.append(prompt)
                return Completion("", "abort", 1, 0, TIMING)
        if self.error is not None:
            raise self.error
        return completion()


async def started(tutor: Any, max_waiting: int = 256) -> WorkerClient:
    client = WorkerClient(lambda: tutor, max_waiting=max_waiting)
    await client.start()
    return client


def ask(client: WorkerClient, prompt: str) -> asyncio.Task[Completion]:
    return asyncio.create_task(client.generate(prompt, max_tokens=9, request_id=prompt))


async def test_the_loop_is_free_while_the_worker_works() -> None:
    tutor = HeldTutor()
    client = await started(tutor)
    asked = ask(client, "a")
    await until(lambda: tutor.prompts == ["a"])
    for _ in range(100):
        await asyncio.sleep(0)
    assert not asked.done()
    tutor.gate.set()
    made = await asyncio.wait_for(asked, 10)
    assert made.text == completion().text
    assert made.timing.queue_s > 0
    await client.stop()


async def test_requests_are_served_one_at_a_time_in_order() -> None:
    tutor = HeldTutor()
    client = await started(tutor)
    asked = [ask(client, name) for name in "abc"]
    await until(lambda: len(tutor.prompts) == 1)
    status = client.status()
    assert (status.state, status.num_running, status.num_waiting) == (EngineState.READY, 1, 2)
    tutor.gate.set()
    await asyncio.wait_for(asyncio.gather(*asked), 10)
    assert tutor.prompts == ["a", "b", "c"]
    assert client.status().num_running == client.status().num_waiting == 0
    await client.stop()


async def test_the_queue_is_bounded_and_the_model_is_not_asked() -> None:
    tutor = HeldTutor()
    client = await started(tutor, max_waiting=1)
    asked = [ask(client, name) for name in "ab"]
    await until(lambda: tutor.prompts == ["a"])
    with pytest.raises(QueueFull) as caught:
        await client.generate("c", max_tokens=9, request_id="c")
    assert 1 <= caught.value.retry_after_s <= 60
    tutor.gate.set()
    await asyncio.wait_for(asyncio.gather(*asked), 10)
    assert tutor.prompts == ["a", "b"]
    assert (await client.generate("d", max_tokens=9, request_id="d")).finish_reason == "stop"
    await client.stop()


async def test_cancelling_a_waiting_request_frees_its_place_unheard() -> None:
    tutor = HeldTutor()
    client = await started(tutor, max_waiting=1)
    running, waiting = ask(client, "a"), ask(client, "b")
    await until(lambda: tutor.prompts == ["a"])
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    third = ask(client, "c")
    await asyncio.sleep(0)
    tutor.gate.set()
    await asyncio.wait_for(asyncio.gather(running, third), 10)
    assert tutor.prompts == ["a", "c"]
    await client.stop()


async def test_cancelling_the_running_request_stops_it_between_tokens() -> None:
    tutor = HeldTutor()
    client = await started(tutor)
    running, waiting = ask(client, "a"), ask(client, "b")
    await until(lambda: tutor.prompts == ["a"])
    running.cancel()
    await until(lambda: tutor.prompts == ["a", "b"])
    assert tutor.aborted == ["a"]
    tutor.gate.set()
    await asyncio.wait_for(waiting, 10)
    await client.stop()


async def test_a_cancelled_request_counts_until_the_tutor_has_let_go_of_it() -> None:
    tutor = HeldTutor()
    hears, tutor.hears = tutor.hears, lambda stop: False
    client = await started(tutor, max_waiting=0)
    running = ask(client, "a")
    await until(lambda: tutor.prompts == ["a"])
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    with pytest.raises(QueueFull):
        await client.generate("b", max_tokens=9, request_id="b")
    tutor.hears = hears
    await until(lambda: client.status().num_running == 0)
    tutor.gate.set()
    await client.generate("c", max_tokens=9, request_id="c")
    await client.stop()


async def test_a_worker_that_makes_no_token_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("miniserve.worker.STUCK_AFTER_S", 0.05)
    tutor = HeldTutor()
    hears, tutor.hears = tutor.hears, lambda stop: False
    client = await started(tutor)
    await asyncio.sleep(0.06)
    assert client.status().state is EngineState.READY  # nothing to do is no reason to doubt it
    running = ask(client, "a")
    await until(lambda: "has not moved" in client.status().reason)
    assert client.status().state is EngineState.FAILED
    tutor.hears = hears
    await until(lambda: client.status().state is EngineState.READY)
    tutor.gate.set()
    await asyncio.wait_for(running, 10)
    await client.stop()


async def test_a_tutor_that_returns_nonsense_fails_one_request() -> None:
    class Odd(HeldTutor):
        def generate(self, prompt: str, max_tokens: int, stop: Callable[[], bool]) -> Any:
            return None if prompt == "a" else completion()

    client = await started(Odd())
    with pytest.raises(StepFailed):
        await client.generate("a", max_tokens=9, request_id="a")
    assert (await client.generate("b", max_tokens=9, request_id="b")).text == completion().text
    await client.stop()


async def test_stopping_fails_what_is_in_flight_and_ends_the_thread() -> None:
    tutor = HeldTutor()
    client = await started(tutor)
    asked = [ask(client, name) for name in "ab"]
    await until(lambda: tutor.prompts == ["a"])
    await client.stop()
    await client.stop()
    for result in await asyncio.gather(*asked, return_exceptions=True):
        assert isinstance(result, EngineUnavailable)
    assert tutor.prompts == ["a"]
    assert not [thread for thread in threading.enumerate() if thread.name == "worker"]
    with pytest.raises(EngineUnavailable, match="stopped"):
        await client.generate("c", max_tokens=9, request_id="c")


async def test_errors_of_the_model_are_typed_and_the_next_request_works() -> None:
    tutor = HeldTutor()
    tutor.gate.set()
    client = await started(tutor)
    for error, kind in ((ValueError("oops"), StepFailed), (PromptTooLong("long"), PromptTooLong)):
        tutor.error = error
        with pytest.raises(kind):
            await client.generate("a", max_tokens=9, request_id="a")
    tutor.error = None
    assert (await client.generate("b", max_tokens=9, request_id="b")).finish_reason == "stop"
    await client.stop()


async def test_a_load_that_fails_says_why_and_leaves_no_thread() -> None:
    def broken() -> Tutor:
        raise OSError("config.json is missing")

    client = WorkerClient(broken)
    assert client.status().state is EngineState.STARTING
    with pytest.raises(OSError, match="missing"):
        await client.start()
    assert client.status().state is EngineState.FAILED
    assert "missing" in client.status().reason
    await client.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "worker"]


async def test_a_panic_of_a_library_is_an_error_and_not_a_wait(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def panics(*_: object, **__: object) -> Any:
        raise Panic("index out of bounds")

    with pytest.raises(SystemError, match="out of bounds"):
        await WorkerClient(panics).start()
    with pytest.raises(SystemError, match="out of bounds"):
        await BlockingClient(panics).start()
    tutor = HeldTutor()
    client = await started(tutor)
    tutor.generate = panics  # type: ignore[method-assign]
    with pytest.raises(StepFailed, match=r"^The model failed: \w+\.$"):
        await client.generate("a", max_tokens=9, request_id="a")
    assert "Panic: index out of bounds" in caplog.text
    await client.stop()


async def test_stopping_while_it_loads_ends_the_thread() -> None:
    loading, slow = held_load(HeldTutor())
    client = WorkerClient(slow)
    starting = asyncio.create_task(client.start())
    await asyncio.sleep(0)
    starting.cancel()
    stopping = asyncio.create_task(client.stop())
    loading.set()
    await asyncio.wait_for(stopping, 10)
    assert client.status().state is EngineState.STOPPED
    assert not [thread for thread in threading.enumerate() if thread.name == "worker"]


async def test_a_worker_that_does_not_end_has_no_second_one_beside_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker, "_STOP_TIMEOUT_S", 0.05)
    tutor = HeldTutor()
    tutor.hears = lambda stop: False
    client = await started(tutor)
    running = ask(client, "a")
    await until(lambda: tutor.prompts == ["a"])
    await client.stop()
    with pytest.raises(EngineUnavailable):
        await running
    with pytest.raises(RuntimeError, match="runs already"):
        await client.start()
    tutor.gate.set()
    await until(lambda: not any(thread.name == "worker" for thread in threading.enumerate()))


@pytest.mark.parametrize(
    ("tutor", "error", "match"),
    [(HeldTutor(), EngineUnavailable, "stopped"), (OSError("too late"), OSError, "too late")],
)
async def test_stopped_while_it_loads_it_stays_so(
    tutor: Any, error: type[Exception], match: str
) -> None:
    loading, slow = held_load(tutor)
    client = WorkerClient(slow)
    starting = asyncio.create_task(client.start())
    await asyncio.sleep(0)
    stopping = asyncio.create_task(client.stop())
    await asyncio.sleep(0)
    loading.set()
    with pytest.raises(error, match=match):
        await asyncio.wait_for(starting, 10)
    await asyncio.wait_for(stopping, 10)
    assert client.status().state is EngineState.STOPPED


async def test_after_a_load_that_failed_and_a_stop_it_may_be_started() -> None:
    tutor = HeldTutor()
    tutor.gate.set()
    errors = [OSError("config.json is missing")]

    def open_tutor() -> Any:
        if errors:
            raise errors.pop()
        return tutor

    client = WorkerClient(open_tutor)
    with pytest.raises(OSError, match="missing"):
        await client.start()
    await client.stop()
    await client.start()
    assert (await asyncio.wait_for(ask(client, "a"), 10)).text == completion().text
    await client.stop()


async def test_a_senseless_request_is_the_callers_mistake() -> None:
    client = await started(HeldTutor())
    with pytest.raises(ValueError, match="max_tokens is 0"):
        await client.generate("a", max_tokens=0, request_id="a")
    await client.stop()


async def test_it_is_not_started_twice_at_once() -> None:
    client = await started(HeldTutor())
    with pytest.raises(RuntimeError, match="runs already"):
        await client.start()
    await client.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "worker"]


async def test_a_start_that_is_given_up_leaves_no_thread() -> None:
    loading, slow = held_load(HeldTutor())
    client = WorkerClient(slow)
    starting = asyncio.create_task(client.start())
    await asyncio.sleep(0)
    starting.cancel()
    await asyncio.wait([starting])
    loading.set()
    await until(lambda: all(thread.name != "worker" for thread in threading.enumerate()))


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.0, 1), (0.4, 1), (2.1, 3), (60.0, 60), (1e9, 60), (math.inf, 60)]
)
def test_retry_after_is_in_whole_seconds_from_1_to_60(seconds: float, told: int) -> None:
    assert as_retry_after(seconds) == told

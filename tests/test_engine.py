"""The engine in a thread, and what every batching client promises."""

import asyncio
import contextlib
import itertools
import math
import random
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from miniserve import engine as engine_module
from miniserve.client import EngineFailed, EngineState, EngineUnavailable, QueueFull, StepFailed
from miniserve.completion import Completion, PromptTooLong, Timing
from miniserve.engine import Engine
from miniserve.engine_core import (
    Abort,
    AddRequest,
    Command,
    Configure,
    Delivery,
    EngineCore,
    RequestOutput,
)
from miniserve.trace import StepRecord
from tests.engine_fakes import (
    BAD_POLICY,
    BOOM,
    MAX_MODEL_LEN,
    FakeModel,
    OpenFakeCore,
    endless_prompt,
    expected_text,
    make_tokenizer,
)
from tests.fakes import until

pytestmark = pytest.mark.anyio

MODES = ["continuous", "static", "one at a time"]


@pytest.fixture(autouse=True)
def no_thread_is_left_over() -> Iterator[None]:
    yield
    assert [t for t in threading.enumerate() if t.name == "engine"] == []


def make_engine(max_waiting: int = 256, **core: Any) -> Engine:
    opener = OpenFakeCore(**core)
    return Engine(
        opener,
        make_tokenizer(),
        max_model_len=MAX_MODEL_LEN,
        max_num_seqs=opener.max_num_seqs,
        max_waiting=max_waiting,
    )


@contextlib.asynccontextmanager
async def running(max_waiting: int = 256, **core: Any) -> AsyncIterator[Engine]:
    engine = make_engine(max_waiting, **core)
    await engine.start()
    try:
        yield engine
    finally:
        model_of(engine).gate.set()
        await engine.stop()


def model_of(engine: Engine) -> FakeModel:
    assert engine.core is not None
    assert isinstance(engine.core.model, FakeModel)
    return engine.core.model


def ask(
    engine: Engine, prompt: str = "w3 w4", max_tokens: int = 50, request_id: str = "r"
) -> asyncio.Task[Completion]:
    return asyncio.create_task(
        engine.generate(prompt, max_tokens=max_tokens, request_id=request_id)
    )


async def cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


# --- results --------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
async def test_every_request_gets_its_own_answer(mode: str) -> None:
    dice = random.Random(mode)
    async with running(mode=mode, max_num_seqs=4) as engine:
        prompts = [
            " ".join(f"w{dice.randrange(2, 90)}" for _ in range(dice.randint(1, 30)))
            for _ in range(60)
        ]
        limits = [dice.randint(1, 60) for _ in prompts]
        tasks = []
        for index, (prompt, limit) in enumerate(zip(prompts, limits, strict=True)):
            tasks.append(ask(engine, prompt, limit, f"r{index}"))
            await asyncio.sleep(dice.choice([0, 0, 0.001]))
        completions = await asyncio.gather(*tasks)
        for prompt, limit, completion in zip(prompts, limits, completions, strict=True):
            assert completion.text == expected_text(prompt, limit)
            assert completion.num_prompt_tokens == len(prompt.split())
            assert completion.num_output_tokens == len(completion.text.split()) <= limit
            ended_itself = completion.text.endswith("w1")
            assert completion.finish_reason == ("stop" if ended_itself else "length")
            timing = completion.timing
            assert min(timing.queue_s, timing.prefill_s, timing.decode_s) >= 0.0
        status = engine.status()
        assert (status.num_running, status.num_waiting, status.reason) == (0, 0, "")


async def test_the_same_id_twice_at_once_is_two_requests() -> None:
    async with running() as engine:
        first, second = ask(engine, "w3 w4"), ask(engine, "w9 w9")
        assert (await first).text == expected_text("w3 w4", 50)
        assert (await second).text == expected_text("w9 w9", 50)


async def test_an_id_that_a_second_request_was_given_may_be_somebodys_too() -> None:
    async with running() as engine:
        asked = {"w3 w4": "a", "w5 w6": "a#1", "w9 w9": "a", "w7 w8": "a"}
        tasks = {prompt: ask(engine, prompt, 50, name) for prompt, name in asked.items()}
        for prompt, task in tasks.items():
            assert (await task).text == expected_text(prompt, 50)


async def test_an_id_used_again_after_a_cancellation_never_gets_the_old_answer() -> None:
    async with running() as engine:
        for patience in range(12):  # the cancellation meets the answer at each point of its way
            first = ask(engine, "w3 w4")
            for _ in range(patience):
                await asyncio.sleep(0.0002)
            first.cancel()
            second = ask(engine, "w9 w9")
            assert (await second).text == expected_text("w9 w9", 50)
            await asyncio.wait([first])


async def test_a_cancellation_just_after_the_answer_aborts_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running() as engine:
        first = ask(engine, "w3 w4")
        deliver, send = engine._deliver, engine._send
        sent: list[Command] = []

        def deliver_and_cancel(delivery: Delivery) -> None:
            deliver(delivery)
            if delivery.outputs:  # the first asker has not heard of it yet, and its id is free
                first.cancel()

        def send_and_note(command: Command) -> None:
            sent.append(command)
            send(command)

        monkeypatch.setattr(engine, "_deliver", deliver_and_cancel)
        monkeypatch.setattr(engine, "_send", send_and_note)
        await asyncio.wait([first])
        assert first.cancelled()
        assert not [command for command in sent if isinstance(command, Abort)]


async def test_a_prompt_that_does_not_fit_is_refused_and_costs_nothing() -> None:
    async with running() as engine:
        with pytest.raises(PromptTooLong):
            await ask(engine, "w3 " * 100, max_tokens=101)
        with pytest.raises(ValueError, match="at least one"):
            await ask(engine, "")
        with pytest.raises(ValueError, match="max_tokens is 0"):
            await ask(engine, max_tokens=0)
        assert (await ask(engine, "w3 " * 100, max_tokens=100)).num_prompt_tokens == 100
        assert sum(sum(step) for step in model_of(engine).steps) <= 200


# --- cancellation and the queue bound -------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
async def test_cancelling_a_running_request_frees_its_slot_within_a_step(mode: str) -> None:
    async with running(mode=mode, max_num_seqs=1, step_s=0.001) as engine:
        endless = ask(engine, endless_prompt(60), 60, "endless")
        await until(lambda: model_of(engine).steps)
        after = ask(engine, "w3 w4", 50, "after")
        await asyncio.sleep(0.005)
        num_steps = len(model_of(engine).steps)
        await cancel(endless)
        assert (await after).text == expected_text("w3 w4", 50)
        record = next(r for r in engine.trace if r.entries[0].request_id == "after")
        assert record.step <= num_steps + 3
        assert engine.core is not None
        assert engine.core.scheduler.requests == {}


async def test_a_request_cancelled_while_it_waits_is_never_computed() -> None:
    async with running(max_num_seqs=1) as engine:
        model_of(engine).gate.clear()
        first = ask(engine, "w3 w4", 50, "first")
        gone = ask(engine, "w9 w9", 50, "gone")
        last = ask(engine, "w5 w6", 50, "last")
        await asyncio.sleep(0.005)
        await cancel(gone)
        model_of(engine).gate.set()
        await asyncio.gather(first, last)
        seen = {entry.request_id for record in engine.trace for entry in record.entries}
        assert seen == {"first", "last"}


@pytest.mark.parametrize("mode", MODES)
async def test_the_queue_is_full_at_exactly_slots_plus_waiting(mode: str) -> None:
    async with running(mode=mode, max_num_seqs=2, max_waiting=3) as engine:
        model_of(engine).gate.clear()
        held = [ask(engine, f"w{index} w4", 50, str(index)) for index in range(5)]
        await asyncio.sleep(0.005)
        assert engine.status().num_running + engine.status().num_waiting == 5
        for _ in range(3):
            with pytest.raises(QueueFull) as refusal:
                await ask(engine, "w60 w60")
            assert refusal.value.retry_after_s >= 1
        await cancel(held.pop())
        model_of(engine).gate.set()
        await asyncio.gather(*held)
        assert (await ask(engine, "w3 w4")).text == expected_text("w3 w4", 50)
        assert all(60 not in tokens for tokens in model_of(engine).cached.values())


async def test_a_cancelled_request_counts_until_the_engine_has_let_go_of_it() -> None:
    async with running(max_num_seqs=1, max_waiting=0) as engine:
        model_of(engine).gate.clear()
        first = ask(engine, "w3 w4")
        await asyncio.sleep(0.005)
        await cancel(first)
        with pytest.raises(QueueFull):
            await ask(engine, "w5 w6")
        model_of(engine).gate.set()
        await until(lambda: engine.status().num_running + engine.status().num_waiting == 0)
        assert (await ask(engine, "w5 w6")).text == expected_text("w5 w6", 50)


async def test_an_engine_that_has_work_and_does_not_move_is_not_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    async with running(max_num_seqs=1) as engine:
        now += 100.0
        assert engine.status().state is EngineState.READY  # it has nothing to do
        model_of(engine).gate.clear()
        held = ask(engine, "w3 w4")
        await asyncio.sleep(0.005)
        now += 14.0
        assert engine.status().state is EngineState.READY
        now += 2.0
        assert (engine.status().state, engine.status().dead) == (EngineState.FAILED, False)
        assert engine.status().reason == "The engine has not moved for 16 s."
        model_of(engine).gate.set()
        await held
        assert engine.status().state is EngineState.READY


async def test_retry_after_follows_the_throughput_of_the_present_busy_period(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    async with running(max_num_seqs=1, max_waiting=19) as engine:

        async def refusal() -> int:
            with pytest.raises(QueueFull) as error:
                await ask(engine)
            return error.value.retry_after_s

        model_of(engine).gate.clear()
        held = [ask(engine, "w3 w4", 1, str(index)) for index in range(20)]
        await asyncio.sleep(0.005)
        assert await refusal() == 1  # nothing is known yet
        for gone, elapsed in enumerate((0.0, 2.0, 4.0)):
            now = 1000.0 + elapsed
            held[gone].cancel()
            engine._deliver(delivery_of_abort(str(gone)))
        held += [ask(engine, "w3 w4", 1, str(index)) for index in range(20, 23)]
        await asyncio.sleep(0.005)
        assert await refusal() == 40  # 20 requests, at 2 in the 4 s since the first
        model_of(engine).gate.set()
        await asyncio.wait(held)
        now = 5000.0  # an idle hour is not a slow engine
        model_of(engine).gate.clear()
        held = [ask(engine, "w3 w4", 1, str(index)) for index in range(20)]
        await asyncio.sleep(0.005)
        assert await refusal() == 1
        model_of(engine).gate.set()
        await asyncio.wait(held)


def delivery_of_abort(request_id: str) -> Delivery:
    return Delivery([RequestOutput(request_id, [], "abort", Timing(0.0, 0.0, 0.0))], [], 1)


# --- failures -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["continuous", "static"])
async def test_a_step_that_raises_fails_its_batch_and_the_next_works(mode: str) -> None:
    async with running(mode=mode, max_num_seqs=2) as engine:
        model_of(engine).gate.clear()
        tasks = [
            ask(engine, prompt, 50, str(index))
            for index, prompt in enumerate(["w3 w4", f"w5 {BOOM}", "w7 w8"])
        ]
        await asyncio.sleep(0.005)
        model_of(engine).gate.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        failures = [result for result in results if isinstance(result, StepFailed)]
        assert len(failures) in (1, 2)  # the first may have run alone for a step
        assert "ArithmeticError" in str(failures[0])
        assert "confused" not in str(failures[0])  # its words might be another request's
        assert isinstance(results[1], StepFailed)
        assert isinstance(results[2], Completion)
        assert results[2].text == expected_text("w7 w8", 50)
        assert engine.status().state is EngineState.READY
        assert (await ask(engine, "w9 w9")).text == expected_text("w9 w9", 50)


async def test_a_scheduler_that_raises_ends_the_engine_and_every_wait(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running(mode="learner") as engine:
        tasks = [
            ask(engine, prompt, 50, str(index))
            for index, prompt in enumerate([BAD_POLICY, "w3 w4", "w5 w6"])
        ]
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result) for result in results] == [EngineFailed] * 3
        status = engine.status()
        assert (status.state, status.dead) == (EngineState.FAILED, True)
        assert status.reason == "The engine has died: LookupError: no policy for this one"
        assert (status.num_running, status.num_waiting) == (0, 0)
        with pytest.raises(EngineFailed, match="no policy for this one"):
            await ask(engine)
        assert "Traceback" in caplog.text
    assert engine.status().state is EngineState.STOPPED


async def test_even_a_scheduler_that_exits_is_a_death_and_not_a_wait() -> None:
    async with running() as engine:
        assert engine.core is not None

        def exit_thread(now: float) -> Any:
            raise SystemExit

        engine.core.scheduler.schedule = exit_thread  # type: ignore[method-assign]
        with pytest.raises(EngineUnavailable):
            await ask(engine)


# --- start and stop -------------------------------------------------------------------------------


async def test_nothing_works_before_the_start() -> None:
    engine = make_engine()
    assert engine.status().state is EngineState.STARTING
    with pytest.raises(EngineUnavailable, match="not been started"):
        await ask(engine)
    with pytest.raises(EngineUnavailable):
        engine.configure(max_num_seqs=3)
    await engine.stop()
    assert engine.status().state is EngineState.STOPPED


async def test_a_failed_load_is_raised_and_remembered() -> None:
    engine = make_engine(error="no such checkpoint")
    with pytest.raises(ValueError, match="no such checkpoint"):
        await engine.start()
    status = engine.status()
    assert status.state is EngineState.FAILED
    assert "no such checkpoint" in status.reason
    with pytest.raises(EngineUnavailable, match="no such checkpoint"):
        await ask(engine)
    await engine.stop()


async def test_stop_fails_those_who_wait_and_those_who_run_and_can_be_repeated() -> None:
    async with running(max_num_seqs=1) as engine:
        model_of(engine).gate.clear()
        tasks = [ask(engine, "w3 w4", 50, str(index)) for index in range(3)]
        await asyncio.sleep(0.005)
        stopping = asyncio.gather(engine.stop(), engine.stop())
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result) for result in results] == [EngineUnavailable] * 3
        model_of(engine).gate.set()
        await stopping
        await engine.stop()
        assert engine.status().state is EngineState.STOPPED
        with pytest.raises(EngineUnavailable, match="stopped"):
            await ask(engine)


async def test_stop_does_not_wait_for_ever_for_a_step_that_does_not_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine_module, "_STOP_TIMEOUT_S", 0.05)
    async with running() as engine:
        model_of(engine).gate.clear()
        task = ask(engine)
        await asyncio.sleep(0.005)
        await engine.stop()
        with pytest.raises(EngineUnavailable):
            await task
        model_of(engine).gate.set()


async def test_an_engine_that_dies_while_it_is_being_stopped_is_stopped() -> None:
    async with running() as engine:
        assert engine.core is not None

        def update(*_: Any) -> Any:
            raise LookupError

        engine.core.scheduler.update = update  # type: ignore[assignment, method-assign]
        model_of(engine).gate.clear()
        task = ask(engine)
        await asyncio.sleep(0.005)
        stopping = asyncio.create_task(engine.stop())
        with pytest.raises(EngineUnavailable, match="stopped"):
            await task
        model_of(engine).gate.set()
        await stopping
        await asyncio.sleep(0)
        assert engine.status().state is EngineState.STOPPED


class SlowToOpen:
    """An `open_core` that waits for its gate."""

    def __init__(self) -> None:
        self.gate = threading.Event()

    def __call__(self) -> EngineCore:
        assert self.gate.wait(30)
        return OpenFakeCore()()


@pytest.mark.parametrize("how", ["stop", "cancel"])
async def test_an_engine_that_is_given_up_while_it_loads_leaves_nothing_behind(how: str) -> None:
    open_core = SlowToOpen()
    engine = Engine(open_core, make_tokenizer(), max_model_len=MAX_MODEL_LEN, max_num_seqs=2)
    starting = asyncio.create_task(engine.start())
    await asyncio.sleep(0.005)
    with pytest.raises(EngineUnavailable, match="loading"):
        await ask(engine)
    if how == "cancel":
        await cancel(starting)
        open_core.gate.set()
        await until(lambda: engine._thread is not None and not engine._thread.is_alive())
        await engine.stop()
    else:
        stopping = asyncio.create_task(engine.stop())
        await asyncio.sleep(0.005)
        open_core.gate.set()
        await stopping
        with pytest.raises(EngineUnavailable, match="stopped"):
            await starting
    assert engine.status().state is EngineState.STOPPED


async def test_an_engine_can_be_started_again_but_not_twice_at_once() -> None:
    engine = make_engine()
    for _ in range(2):
        await engine.start()
        with pytest.raises(RuntimeError, match="runs already"):
            await engine.start()
        assert (await ask(engine, "w3 w4")).text == expected_text("w3 w4", 50)
        await engine.stop()


async def test_an_engine_that_died_can_be_started_again() -> None:
    engine = make_engine(mode="learner")
    await engine.start()
    with pytest.raises(EngineUnavailable):
        await ask(engine, BAD_POLICY)
    await until(lambda: engine._thread is not None and not engine._thread.is_alive())
    await engine.start()
    assert not engine.status().dead
    assert (await ask(engine, "w3 w4")).text == expected_text("w3 w4", 50)
    await engine.stop()


def test_an_engine_whose_loop_has_gone_ends_with_its_next_delivery() -> None:
    engine = make_engine()
    asyncio.run(engine.start())
    assert engine._thread is not None
    assert engine._thread.is_alive()
    engine._inbox.put(AddRequest("a", [3, 4], 50, 0.0))
    engine._thread.join(30)
    assert not engine._thread.is_alive()


# --- while it runs --------------------------------------------------------------------------------


async def test_configure_takes_effect_between_two_steps() -> None:
    async with running(max_num_seqs=1, max_waiting=50) as engine:

        async def widest_batch() -> int:
            engine.trace.clear()
            await asyncio.gather(*(ask(engine, "w3 w4", 50, str(i)) for i in range(12)))
            return max(record.batch for record in engine.trace)

        assert await widest_batch() == 1
        engine.configure(max_num_seqs=6)
        assert await widest_batch() == 6
        engine.configure(max_num_seqs=2, max_num_batched_tokens=16)
        assert await widest_batch() == 2
        for bad in ({"max_num_seqs": 0}, {"max_num_seqs": 9}, {"max_num_sequences": 3}):
            with pytest.raises(ValueError, match=r"."):
                engine.configure(**bad)
        assert engine.max_num_seqs == 2
        assert await widest_batch() == 2


async def test_what_was_configured_outlives_a_restart() -> None:
    async with running(max_num_seqs=4) as engine:
        engine.configure(max_num_seqs=2)
        await engine.stop()
        await engine.start()
        await ask(engine)
        assert engine.core is not None
        assert vars(engine.core.scheduler)["max_num_seqs"] == engine.max_num_seqs == 2


async def test_what_a_restarted_engine_is_told_does_not_change_on_its_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running(max_num_seqs=4) as engine:
        engine.configure(max_num_seqs=2)
        await engine.stop()
        sent: list[Command] = []
        monkeypatch.setattr(engine, "_send", sent.append)
        await engine.start()
        engine.configure(max_num_batched_tokens=8)
        assert sent == [Configure({"max_num_seqs": 2}), Configure({"max_num_batched_tokens": 8})]


async def test_configure_keeps_the_budget_above_the_slots_step_by_step() -> None:
    async with running(max_num_seqs=2) as engine:
        engine.configure(max_num_seqs=4)
        with pytest.raises(ValueError, match="at least max_num_seqs"):
            engine.configure(max_num_batched_tokens=3)
        engine.configure(max_num_batched_tokens=3, max_num_seqs=3)
        with pytest.raises(ValueError, match="at least max_num_seqs"):
            engine.configure(max_num_seqs=4)


async def test_configure_changes_the_queue_bound_too() -> None:
    async with running(max_num_seqs=1, max_waiting=0) as engine:
        engine.configure(max_num_seqs=3, max_waiting=1)
        model_of(engine).gate.clear()
        held = [ask(engine, "w3 w4", 50, str(index)) for index in range(4)]
        await asyncio.sleep(0.005)
        with pytest.raises(QueueFull):
            await ask(engine)
        model_of(engine).gate.set()
        await asyncio.gather(*held)


async def test_configure_changes_all_or_nothing_and_sends_nobody_away() -> None:
    async with running(max_num_seqs=1, max_waiting=9) as engine:
        for bad in ({"max_waiting": -1}, {"max_waiting": 3, "max_num_seqs": 0}):
            with pytest.raises(ValueError, match="too small"):
                engine.configure(**bad)
        for no_number in ("x", None, 2.5, math.inf, True):
            with pytest.raises(ValueError, match=r"max_waiting .* whole number"):
                engine.configure(max_waiting=no_number, max_num_seqs=2)
        assert (engine.max_num_seqs, engine.max_waiting) == (1, 9)
        model_of(engine).gate.clear()
        held = [ask(engine, "w3 w4", 50, str(index)) for index in range(5)]
        await asyncio.sleep(0.005)
        engine.configure(max_waiting=0)
        with pytest.raises(QueueFull):
            await ask(engine)
        model_of(engine).gate.set()
        assert len(await asyncio.gather(*held)) == 5
        await ask(engine)


async def test_a_learners_scheduler_runs_one_request_at_a_time() -> None:
    async with running(mode="learner", max_num_seqs=8) as engine:
        prompts = [f"w{word} w4" for word in range(3, 20)]
        completions = await asyncio.gather(*(ask(engine, prompt) for prompt in prompts))
        assert [c.text for c in completions] == [expected_text(p, 50) for p in prompts]
        assert {record.batch for record in engine.trace} == {1}


async def test_the_trace_tells_the_whole_story_and_listeners_hear_it() -> None:
    heard: list[StepRecord] = []
    async with running(max_num_seqs=3) as engine:
        engine.listeners.append(heard.append)
        prompts = [f"w{word} w4 w5" for word in range(3, 30)]
        completions = await asyncio.gather(*(ask(engine, prompt, 50, prompt) for prompt in prompts))
        assert list(engine.trace) == heard
        assert [record.step for record in heard] == list(range(len(heard)))
        assert all(
            later.start >= earlier.start + earlier.duration
            for earlier, later in itertools.pairwise(heard)
        )
        decoded = dict.fromkeys(prompts, 0)
        read = dict.fromkeys(prompts, 0)
        for record in heard:
            for entry in record.entries:
                (decoded if entry.kind == "decode" else read)[entry.request_id] += entry.num_tokens
        assert read == dict.fromkeys(prompts, 3)
        # The first token of an answer comes with the prompt's last chunk, the last is not fed.
        made = [completion.num_output_tokens - 1 for completion in completions]
        assert list(decoded.values()) == made


async def test_a_listener_that_raises_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[StepRecord] = []

    tried: list[StepRecord] = []

    def bad(record: StepRecord) -> None:
        tried.append(record)
        raise LookupError("no figure")

    async with running() as engine:
        engine.listeners += [bad, heard.append]
        assert (await ask(engine, "w3 w4")).text == expected_text("w3 w4", 50)
        assert list(engine.trace) == heard == tried
        assert "no figure" in caplog.text


async def test_a_storm_of_cancellations_loses_nothing() -> None:
    dice = random.Random(5)
    async with running(max_num_seqs=4, step_s=0.0002) as engine:
        tasks = []
        for index in range(300):
            tasks.append(ask(engine, f"w{index % 88 + 2} w4", 50, str(index % 40)))
            if dice.random() < 0.5:
                dice.choice(tasks).cancel()
            await asyncio.sleep(dice.choice([0, 0, 0.001]))
        done, pending = await asyncio.wait(tasks, timeout=30)
        assert not pending
        for index, task in enumerate(tasks):
            if not task.cancelled():
                assert task.result().text == expected_text(f"w{index % 88 + 2} w4", 50)
        assert 0 < sum(task.cancelled() for task in done) < 300
        await until(lambda: not engine._in_flight)
        assert engine.core is not None
        assert engine.core.scheduler.requests == {}
        assert (await ask(engine, "w3 w4")).text == expected_text("w3 w4", 50)

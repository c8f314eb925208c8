"""The engine in a process of its own: the same promises, and its death."""

import asyncio
import contextlib
import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest
import uvloop

from miniserve import engine, engine_process
from miniserve.client import EngineState, EngineUnavailable, QueueFull, StepFailed
from miniserve.completion import Completion
from miniserve.engine_core import EngineCore
from miniserve.engine_process import EngineProcess
from miniserve.trace import StepRecord
from tests.engine_fakes import (
    BAD_POLICY,
    BOOM,
    DIE,
    MAX_MODEL_LEN,
    SLOW,
    OpenFakeCore,
    endless_prompt,
    expected_text,
    make_tokenizer,
)
from tests.fakes import until

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parent.parent


def engine_processes() -> list[Any]:
    """Children of this process that multiprocessing has spawned: engines, and nothing else.

    Other tests may keep a server running for the whole session.
    """

    def is_engine(process: Any) -> bool:
        with contextlib.suppress(psutil.Error):
            return "spawn_main" in " ".join(process.cmdline())
        return False

    return [child for child in psutil.Process().children() if is_engine(child)]


@pytest.fixture(autouse=True)
def no_process_is_left_over() -> Iterator[None]:
    yield
    assert engine_processes() == []
    gc.collect()  # what a test left open is reported with that test, and not with a later one


@dataclass(frozen=True)
class OpenAndReport:
    """An `open_core` that fails with what it finds in its environment."""

    names: tuple[str, ...]

    def __call__(self) -> EngineCore:
        raise ValueError(" ".join(os.environ.get(name, "-") for name in self.names))


class Unpicklable(Exception):
    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} and {two}")


def raise_unpicklable() -> EngineCore:
    raise Unpicklable("this", "that")


def exit_at_once() -> EngineCore:
    os._exit(3)


def make_engine(
    open_core: Callable[[], EngineCore], max_num_seqs: int = 2, max_waiting: int = 256
) -> EngineProcess:
    return EngineProcess(
        open_core,
        make_tokenizer(),
        max_model_len=MAX_MODEL_LEN,
        max_num_seqs=max_num_seqs,
        max_waiting=max_waiting,
    )


@contextlib.asynccontextmanager
async def running(max_waiting: int = 256, **core: Any) -> AsyncIterator[EngineProcess]:
    opener = OpenFakeCore(**core)
    engine = make_engine(opener, opener.max_num_seqs, max_waiting)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


def ask(
    engine: EngineProcess, prompt: str = "w3 w4", max_tokens: int = 50, request_id: str = "r"
) -> asyncio.Task[Completion]:
    return asyncio.create_task(
        engine.generate(prompt, max_tokens=max_tokens, request_id=request_id)
    )


async def until_ready(engine: EngineProcess) -> None:
    await until(lambda: engine.status().state is EngineState.READY)


def pid_of(engine: EngineProcess) -> int:
    (process,) = engine_processes()
    assert isinstance(process.pid, int)
    return process.pid


async def works(engine: EngineProcess) -> None:
    assert (await ask(engine, "w9 w8 w7")).text == expected_text("w9 w8 w7", 50)


# --- the same promises as in a thread -------------------------------------------------------------


async def answers_traces_and_errors() -> None:
    heard: list[StepRecord] = []
    async with running(max_num_seqs=4, max_waiting=100) as engine:
        engine.listeners.append(heard.append)
        prompts = [f"w{word} w4" for word in range(3, 60)]
        completions = await asyncio.gather(
            *(ask(engine, p, request_id=str(i)) for i, p in enumerate(prompts))
        )
        assert [c.text for c in completions] == [expected_text(p, 50) for p in prompts]
        assert all(min(c.timing.queue_s, c.timing.prefill_s) >= 0.0 for c in completions)
        assert [record.step for record in heard] == list(range(len(heard)))
        assert list(engine.trace) == heard
        assert max(record.batch for record in heard) == 4
        status = engine.status()
        assert (status.num_running, status.num_waiting) == (0, 0)

        results = await asyncio.gather(
            ask(engine, BOOM), ask(engine, "w3 w4"), return_exceptions=True
        )
        assert isinstance(results[0], StepFailed)
        assert "ArithmeticError" in str(results[0])
        await works(engine)

        engine.configure(max_num_seqs=1)
        heard.clear()
        await asyncio.gather(*(ask(engine, p, request_id=p) for p in prompts))
        assert {record.batch for record in heard} == {1}
        with pytest.raises(ValueError, match="no setting"):
            engine.configure(max_waited=3)
        with pytest.raises(ValueError, match="8 slots"):
            engine.configure(max_num_seqs=9)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_answers_traces_and_errors_come_back(run: Callable[..., None]) -> None:
    run(answers_traces_and_errors())


async def test_cancelling_frees_the_slot_and_the_queue_is_bounded() -> None:
    async with running(max_num_seqs=1, max_waiting=1, step_s=0.002) as engine:
        endless = ask(engine, endless_prompt(60), 60, "endless")
        await until(lambda: engine.status().num_running == 1)
        waiting = ask(engine, "w5 w6", 50, "waiting")
        await asyncio.sleep(0)
        with pytest.raises(QueueFull):
            await ask(engine)
        endless.cancel()
        assert (await waiting).text == expected_text("w5 w6", 50)
        await until(lambda: not engine._in_flight)
        await works(engine)


# --- death ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("signum", "name"), [(signal.SIGKILL, "SIGKILL"), (40, "killed by 40")])
async def test_kill_in_the_middle_of_a_batch_answers_everybody_and_service_goes_on(
    signum: int, name: str
) -> None:
    async with running(max_num_seqs=4, step_s=0.01) as engine:
        pid = pid_of(engine)
        prompt = endless_prompt(60)
        tasks = [ask(engine, prompt, 60, str(index)) for index in range(12)]
        await until(lambda: engine.status().num_running == 4)
        os.kill(pid, signum)
        await asyncio.wait(tasks, timeout=10)
        failures = [task.exception() for task in tasks]
        assert {type(failure) for failure in failures} == {EngineUnavailable}
        assert all(1 <= f.retry_after_s <= 11 for f in failures)  # type: ignore[union-attr]
        assert engine.status().state is EngineState.FAILED
        assert (engine.status().num_running, engine.status().num_waiting) == (0, 0)
        with pytest.raises(EngineUnavailable):
            await ask(engine)
        await until(lambda: name in engine.status().reason or not engine.status().reason)
        await until_ready(engine)
        await works(engine)
        assert pid_of(engine) != pid


async def test_what_was_configured_outlives_the_process() -> None:
    async with running(max_num_seqs=4) as engine:
        engine.configure(max_num_seqs=1, max_waiting=7)
        with pytest.raises(EngineUnavailable):
            await ask(engine, DIE)
        await until_ready(engine)
        engine.trace.clear()
        await asyncio.gather(*(ask(engine, f"w{word} w4") for word in range(3, 9)))
        assert {record.batch for record in engine.trace} == {1}
        assert engine.max_waiting == 7


async def test_another_thread_may_configure_it() -> None:
    async with running(max_num_seqs=4) as engine:
        await asyncio.to_thread(engine.configure, max_num_seqs=1)
        await asyncio.gather(*(ask(engine, f"w{word} w4") for word in range(3, 9)))
        assert {record.batch for record in engine.trace} == {1}


async def test_a_scheduler_that_raises_ends_the_process_and_is_named(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    async with running(mode="learner") as engine:
        with pytest.raises(EngineUnavailable, match="LookupError: no policy for this one"):
            await ask(engine, BAD_POLICY)
        assert engine.status().state is EngineState.FAILED
        await until_ready(engine)
        await works(engine)
    assert "no policy for this one It is started again" in caplog.text.replace("\n", " ")
    told = capfd.readouterr().err  # the process says where, in the server's form
    assert "ERROR miniserve.engine_process: The engine ends\nTraceback" in told


async def test_pauses_double_up_to_a_bound_while_the_engine_keeps_dying(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine_process, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(engine_process, "_LONGEST_PAUSE_S", 30.0)
    async with running() as engine:
        engine._pause_s = 0.01
        pauses = []
        for _ in range(3):
            with pytest.raises(EngineUnavailable):
                await ask(engine, DIE)
            pauses.append(engine._pause_s)
            await until_ready(engine)
        assert pauses == [0.01, 0.02, 0.04]
        monkeypatch.setattr(engine_process, "_LONGEST_PAUSE_S", 0.0)  # every life is a long one
        with pytest.raises(EngineUnavailable):
            await ask(engine, DIE)
        assert engine._pause_s == 0.01
        await until(lambda: engine._pause_s == 0.0)  # doubled, and cut off at the longest


async def test_no_descriptor_thread_task_or_process_is_lost_over_many_deaths(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine_process, "_LONGEST_PAUSE_S", 0.01)

    def counted() -> tuple[int, int, int]:
        threads = [t for t in threading.enumerate() if not t.name.startswith("asyncio_")]
        return psutil.Process().num_fds(), len(threads), len(asyncio.all_tasks())

    async with running():
        pass  # the helper processes and threads of the libraries are there from now on
    before = counted()
    async with running() as engine:
        during = counted()
        for _ in range(4):
            with pytest.raises(EngineUnavailable):
                await ask(engine, DIE)
            await until_ready(engine)
        await works(engine)
        assert counted() == during
        assert len(engine_processes()) == 1
    assert counted() == before


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
async def test_signals_are_for_the_parent_to_hear(signum: signal.Signals) -> None:
    async with running() as engine:
        pid = pid_of(engine)
        os.kill(pid, signum)
        await works(engine)
        assert pid_of(engine) == pid


# --- start and stop -------------------------------------------------------------------------------


async def test_a_failed_load_is_raised_and_leaves_no_process() -> None:
    engine = make_engine(OpenFakeCore(error="no such checkpoint"))
    with pytest.raises(ValueError, match="no such checkpoint"):
        await engine.start()
    assert engine_processes() == []
    status = engine.status()
    assert status.state is EngineState.FAILED
    assert status.reason == "The engine could not be loaded: ValueError: no such checkpoint"
    with pytest.raises(EngineUnavailable, match="no such checkpoint"):
        await ask(engine)
    await engine.stop()


async def test_a_load_that_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_process, "_LONGEST_LOAD_S", 0.1)
    monkeypatch.setattr(engine_process, "_LOOK_EVERY_S", 0.01)
    engine = make_engine(OpenFakeCore(load_s=3600))
    async with asyncio.timeout(30):
        with pytest.raises(TimeoutError, match="it was not loaded within"):
            await engine.start()
    assert engine_processes() == []
    assert "could not be loaded: TimeoutError" in engine.status().reason
    await engine.stop()


@pytest.mark.parametrize(
    ("open_core", "error", "message"),
    [
        (lambda: None, Exception, "pickle"),
        (raise_unpicklable, RuntimeError, "Unpicklable: this and that"),
        (exit_at_once, EngineUnavailable, "ended with code 3"),
    ],
)
async def test_a_process_that_cannot_be_had_is_an_error_of_start(
    open_core: Any, error: type[Exception], message: str
) -> None:
    engine = make_engine(open_core)
    with pytest.raises(error, match=message):
        await engine.start()
    assert engine.status().state is EngineState.FAILED
    await engine.stop()


async def test_one_blas_thread_unless_the_environment_asks_for_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    engine = make_engine(OpenAndReport(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")))
    with pytest.raises(ValueError, match="1 7"):
        await engine.start()
    assert "OPENBLAS_NUM_THREADS" not in os.environ
    await engine.stop()


async def test_stop_is_bounded_even_if_a_step_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_process, "_STOP_TIMEOUT_S", 0.3)
    async with running() as engine:
        task = ask(engine, SLOW)
        await asyncio.sleep(0.05)
        async with asyncio.timeout(30):
            await asyncio.gather(engine.stop(), engine.stop())
        with pytest.raises(EngineUnavailable, match="stopped"):
            await task
        assert engine_processes() == []
        await engine.stop()
        with pytest.raises(EngineUnavailable, match="stopped"):
            await ask(engine)


async def test_a_frozen_process_blocks_nobody_and_can_be_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine_process, "_STOP_TIMEOUT_S", 0.3)
    async with running(max_waiting=100_000) as engine:
        os.kill(pid_of(engine), signal.SIGSTOP)
        tasks = [ask(engine, "w3 " * 150) for _ in range(3000)]  # far more than a socket can hold
        await asyncio.sleep(0.05)
        assert len(engine._in_flight) == 3000
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=10)
        assert all(task.cancelled() for task in tasks)
        async with asyncio.timeout(30):
            await engine.stop()


async def test_a_process_that_is_stuck_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "STUCK_AFTER_S", 0.5)
    monkeypatch.setattr(engine_process, "_LOOK_EVERY_S", 0.01)
    async with running(max_num_seqs=1) as client:
        pid = pid_of(client)
        await works(client)
        os.kill(pid, signal.SIGSTOP)
        tasks = [ask(client, request_id=str(index)) for index in range(5)]
        gone = ask(client, request_id="gone")
        await asyncio.sleep(0)
        gone.cancel()
        async with asyncio.timeout(30):
            for task in tasks:
                with pytest.raises(EngineUnavailable, match="has not moved for"):
                    await task
        await until_ready(client)
        await works(client)
        assert pid_of(client) != pid


async def test_a_process_is_not_killed_because_this_one_was_held_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = 0

    def still_twice_in_three(self: EngineProcess) -> float:
        nonlocal looks
        looks += 1
        return 20.0 if looks % 3 else 0.0

    monkeypatch.setattr(engine_process, "_LOOK_EVERY_S", 0.0)
    monkeypatch.setattr(EngineProcess, "_stuck_for_s", still_twice_in_three)
    async with running() as client:
        pid = pid_of(client)
        await until(lambda: looks > 30)
        await works(client)
        assert pid_of(client) == pid


@pytest.mark.parametrize("how", ["stop", "cancel"])
async def test_an_engine_that_is_given_up_while_it_loads_leaves_nothing_behind(how: str) -> None:
    engine = make_engine(OpenFakeCore())
    starting = asyncio.create_task(engine.start())
    await until(engine_processes)
    with pytest.raises(EngineUnavailable, match="loading"):
        await ask(engine)
    if how == "stop":
        await engine.stop()
        with pytest.raises(EngineUnavailable, match="stopped"):
            await starting
    else:
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        await until(lambda: not engine_processes())
        await engine.stop()
    assert engine.status().state is EngineState.STOPPED


@pytest.mark.parametrize("naps", [0, 2, 4])
async def test_cancelling_twice_does_not_interrupt_the_closing(naps: int) -> None:
    engine = make_engine(OpenFakeCore())
    starting = asyncio.create_task(engine.start())
    await until(engine_processes)
    starting.cancel()
    for _ in range(naps):  # the second cancellation comes at each stage of the first one
        await asyncio.sleep(0)
    await engine.stop()
    with pytest.raises((asyncio.CancelledError, EngineUnavailable)):
        await starting
    assert engine_processes() == []


@pytest.mark.parametrize("naps", [0, 1, 3])
async def test_stop_may_come_at_any_moment_of_start(naps: int) -> None:
    engine = make_engine(OpenFakeCore())
    starting = asyncio.create_task(engine.start())
    for _ in range(naps):
        await asyncio.sleep(0)
    await engine.stop()
    if naps == 0:  # nothing had begun that could be stopped: this start comes after the stop
        await starting
        await engine.stop()
    else:
        with pytest.raises(EngineUnavailable, match="stopped"):
            async with asyncio.timeout(30):
                await starting
    assert engine_processes() == []


async def test_stop_during_the_pause_before_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running() as engine:
        engine._pause_s = 60.0
        with pytest.raises(EngineUnavailable) as failure:
            await ask(engine, DIE)
        assert failure.value.retry_after_s == 61
        await until(lambda: not engine_processes())
        async with asyncio.timeout(30):
            await engine.stop()
        assert engine.status().state is EngineState.STOPPED


async def test_start_stop_start_and_never_twice_at_once() -> None:
    engine = make_engine(OpenFakeCore())
    with pytest.raises(EngineUnavailable, match="not been started"):
        await ask(engine)
    await engine.stop()
    for _ in range(2):
        await engine.start()
        with pytest.raises(RuntimeError, match="runs already"):
            await engine.start()
        await works(engine)
        await engine.stop()


PARENT = """
import asyncio, os, psutil, sys
from tests.engine_fakes import MAX_MODEL_LEN, OpenFakeCore, make_tokenizer
from miniserve.engine_process import EngineProcess

async def main():
    engine = EngineProcess(
        OpenFakeCore(), make_tokenizer(), max_model_len=MAX_MODEL_LEN, max_num_seqs=2
    )
    await engine.start()
    print(*(child.pid for child in psutil.Process().children()), flush=True)
    work = asyncio.create_task(engine.generate(sys.argv[2], max_tokens=9, request_id="r"))
    await asyncio.sleep(0.1)
    if sys.argv[1] == "killed":
        os.kill(os.getpid(), 9)
    sys.exit(5)

if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.mark.parametrize("end", ["killed", "exits"])
@pytest.mark.parametrize("prompt", ["w3", SLOW])
def test_the_process_does_not_outlive_its_parent(tmp_path: Path, end: str, prompt: str) -> None:
    script = tmp_path / "parent.py"
    script.write_text(textwrap.dedent(PARENT))
    parent = subprocess.run(
        [sys.executable, str(script), end, prompt],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert parent.returncode == (-9 if end == "killed" else 5), parent.stderr
    children = [int(pid) for pid in parent.stdout.split()]
    assert children
    psutil.wait_procs([psutil.Process(p) for p in children if psutil.pid_exists(p)], timeout=30)
    assert [pid for pid in children if psutil.pid_exists(pid)] == []

"""The roof: which engine a mode means, and how a server drains. Real processes: tests/service."""

import asyncio
import pickle
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from miniserve.engine import Engine
from miniserve.engine_core import EngineCore
from miniserve.engine_process import EngineProcess
from miniserve.inline import BlockingClient
from miniserve.lifecycle import Lifecycle
from miniserve.scheduler import ContinuousScheduler, StaticScheduler
from miniserve.serve import DrainingServer, build_app, open_client
from miniserve.settings import Mode, Settings
from miniserve.sockets import listen, raise_file_limit
from miniserve.speculation import SpeculativeScheduler
from miniserve.worker import WorkerClient
from tests.fakes import FakeClient, running, until

pytestmark = pytest.mark.anyio


def settings_for(mode: Mode, checkpoint: Path, **changes: Any) -> Settings:
    return Settings(mode=mode, checkpoint=checkpoint, engine_process=False, **changes)


@pytest.mark.parametrize("mode", list(Mode))
async def test_every_mode_corrects_the_same_sentence_the_same_way(
    mode: Mode, checkpoint: Path
) -> None:
    async with running(build_app(settings_for(mode, checkpoint))) as http:
        answer = await http.post("/correct", json={"sentence": "He goed to school."})
    assert answer.status_code == 200, answer.text
    assert answer.json()["corrected"] == "He went to school."


def test_a_mode_is_a_client(checkpoint: Path) -> None:
    kinds = {
        Mode.SYNC: BlockingClient,
        Mode.ASYNC: WorkerClient,
        Mode.STATIC: Engine,
        Mode.CONTINUOUS: Engine,
    }
    for mode, kind in kinds.items():
        assert type(open_client(settings_for(mode, checkpoint))) is kind


def core_of(client: object) -> EngineCore:
    assert isinstance(client, Engine)
    return client._open_core()


def test_settings_reach_the_scheduler(checkpoint: Path) -> None:
    settings = settings_for(Mode.STATIC, checkpoint, max_num_seqs=3, max_wait_s=0.25)
    static = core_of(open_client(settings)).scheduler
    assert isinstance(static, StaticScheduler)
    assert (static.max_num_seqs, static.max_wait_s) == (3, 0.25)
    settings = settings_for(Mode.CONTINUOUS, checkpoint, max_num_seqs=3, max_num_batched_tokens=99)
    continuous = core_of(open_client(settings)).scheduler
    assert type(continuous) is ContinuousScheduler  # no guesses unless they are asked for
    assert (continuous.max_num_seqs, continuous.max_num_batched_tokens) == (3, 99)
    settings = settings.model_copy(update={"num_speculative_tokens": 7})
    guessing = core_of(open_client(settings)).scheduler
    assert isinstance(guessing, SpeculativeScheduler)
    assert (guessing.max_num_seqs, guessing.max_num_batched_tokens) == (3, 99)
    assert guessing.num_speculative_tokens == 7


def test_the_engine_runs_in_a_process_unless_told_otherwise(checkpoint: Path) -> None:
    client = open_client(Settings(checkpoint=checkpoint))
    assert isinstance(client, EngineProcess)
    pickle.loads(pickle.dumps(client._open_core))


async def test_the_queue_bound_reaches_the_engine(checkpoint: Path) -> None:
    client = open_client(settings_for(Mode.STATIC, checkpoint, max_num_seqs=3, max_waiting=5))
    assert isinstance(client, Engine)
    assert (client.max_num_seqs, client.max_waiting) == (3, 5)


async def test_a_missing_checkpoint_is_the_reason_of_unreadiness(tmp_path: Path) -> None:
    app = build_app(settings_for(Mode.CONTINUOUS, tmp_path / "nowhere"))
    async with running(app, ready=False) as http:
        await until(lambda: "could not be loaded" in app.state.lifecycle.reason)
        assert "nowhere" in (await http.get("/readyz")).json()["detail"]


def test_listening_sockets_name_their_protocol_and_free_the_port() -> None:
    with listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP
        port = listener.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            listen("127.0.0.1", port)
    with listen("127.0.0.1", port):
        pass


def draining_server(lifecycle: Lifecycle, drain_timeout_s: float) -> DrainingServer:
    config = uvicorn.Config(lambda: None, log_config=None)
    return DrainingServer(config, lifecycle, drain_timeout_s)


async def test_the_first_signal_drains_the_second_ends_and_the_third_drops_everything() -> None:
    lifecycle = Lifecycle(lambda _: FakeClient(), Settings())
    server = draining_server(lifecycle, drain_timeout_s=60)
    lifecycle.num_in_flight = 1
    server.handle_exit(signal.SIGTERM, None)
    assert lifecycle.reason == "The server is shutting down."
    assert not await server.on_tick(1)
    assert not server.should_exit
    server.handle_exit(signal.SIGTERM, None)
    assert await server.on_tick(2)
    assert not server.force_exit
    assert server.exit_code == 128 + signal.SIGTERM
    server.handle_exit(signal.SIGTERM, None)
    assert server.force_exit


async def test_a_drain_ends_when_nothing_is_in_flight_or_at_its_deadline() -> None:
    lifecycle = Lifecycle(lambda _: FakeClient(), Settings())
    patient = draining_server(lifecycle, drain_timeout_s=60)
    lifecycle.num_in_flight = 1
    patient.handle_exit(signal.SIGINT, None)
    assert not await patient.on_tick(1)
    lifecycle.num_in_flight = 0
    assert patient._drain_start is not None
    patient._drain_start -= 1
    signing_in = asyncio.create_task(asyncio.sleep(0))
    patient.server_state.tasks.add(signing_in)  # a request that does not hold the engine
    assert not await patient.on_tick(2)
    patient.server_state.tasks.clear()
    await signing_in
    assert await patient.on_tick(3)
    assert patient.exit_code == 0

    hasty = draining_server(lifecycle, drain_timeout_s=0)
    lifecycle.num_in_flight = 1
    hasty.handle_exit(signal.SIGINT, None)
    assert await hasty.on_tick(1)
    assert hasty.exit_code == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_the_server_asks_for_as_many_sockets_as_it_may_have() -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    _, hard = before
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
        raise_file_limit(wanted=400)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (400, hard)
        raise_file_limit(wanted=300)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (400, hard), "never lowered"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)

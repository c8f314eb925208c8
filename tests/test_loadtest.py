"""The load generator against a server that does exactly what a test tells it to."""

import asyncio
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil  # type: ignore[import-untyped]
import pytest
import typer
import uvicorn
from typer.testing import CliRunner

from miniserve.commands.bench import bench
from miniserve.latency import DROPPED, LatencyRecord, load
from miniserve.loadtest import (
    BackgroundLoad,
    LoadClient,
    Target,
    Trace,
    constant,
    poisson,
    run_closed_loop,
    run_open_loop,
    standard_trace,
)

PATIENCE_S = 30.0
SENTENCES = ("She goed home.", "They was late.", "¿Él fue?")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Puppet:
    """An ASGI app whose paths misbehave on purpose, on a real server in a thread."""

    def __init__(self) -> None:
        self.sentences: list[str] = []
        self.request_ids: list[str] = []
        self.methods: list[str] = []
        self.connections: set[tuple[str, int]] = set()
        self.arrived = 0
        self.inside = 0
        self.most_inside = 0
        self.gate = asyncio.Event()
        self.open_after = 10**9
        """`/hold` opens its gate when so many requests have arrived."""
        self.stall_s: float | None = None
        """Or it opens this long after the first arrival."""
        self.opened_at = 0.0

        # With proto 0 asyncio would leave TCP_NODELAY off, and each answer would wait 40 ms.
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        config = uvicorn.Config(
            self.app,
            interface="asgi3",
            log_level="critical",
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, args=([self.socket],), daemon=True)
        self.loop: asyncio.AbstractEventLoop | None = None

    def open_gate(self) -> None:
        if not self.gate.is_set():
            self.opened_at = time.perf_counter()
        self.gate.set()

    def release(self) -> None:
        assert self.loop is not None
        self.loop.call_soon_threadsafe(self.open_gate)

    async def app(self, scope: Message, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        self.loop = asyncio.get_running_loop()
        body = b""
        while (message := await receive()).get("more_body"):
            body += message["body"]
        body += message.get("body", b"")
        self.arrived += 1
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        self.methods.append(scope["method"])
        self.connections.add(scope["client"])
        self.request_ids += [v.decode() for k, v in scope["headers"] if k == b"x-request-id"]
        if body:
            self.sentences.append(json.loads(body)["sentence"])
        try:
            await self.answer(scope["path"], send)
        finally:
            self.inside -= 1

    async def answer(self, path: str, send: Send) -> None:
        status, text = 200, b"{}"
        if path == "/hold":
            if self.arrived >= self.open_after:
                self.open_gate()
            elif self.arrived == 1 and self.stall_s is not None:
                asyncio.get_running_loop().call_later(self.stall_s, self.open_gate)
            await self.gate.wait()
        elif path == "/slow":
            await asyncio.sleep(0.05)
        elif path.startswith("/status/"):
            status = int(path.removeprefix("/status/"))
        length = len(text) + (path == "/broken")
        headers = [(b"content-length", str(length).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": text})


@pytest.fixture
def puppet() -> Iterator[Puppet]:
    server = Puppet()
    server.thread.start()
    end = time.monotonic() + PATIENCE_S
    while not server.server.started and time.monotonic() < end:
        time.sleep(0.01)
    assert server.server.started
    yield server
    if server.loop is not None:
        server.release()
    server.server.should_exit = True
    server.thread.join(PATIENCE_S)
    server.socket.close()
    assert not server.thread.is_alive()


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.005)


@contextmanager
def once(condition: Callable[[], bool], action: Callable[[], object]) -> Iterator[None]:
    """Do something in another thread as soon as something else has come about."""

    def watch() -> None:
        wait_until(condition)
        action()

    thread = threading.Thread(target=watch)
    thread.start()
    yield
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def sockets_to(port: int) -> int:
    return sum(
        bool(c.raddr) and c.raddr.port == port for c in psutil.Process().net_connections("tcp")
    )


def trace(n: int, rate: float = 500.0) -> Trace:
    return Trace.of(constant(rate, n), SENTENCES)


# Open loop


def test_every_request_is_sent_once_as_planned(puppet: Puppet) -> None:
    plan = trace(60)
    heard: list[LatencyRecord] = []
    result = asyncio.run(run_open_loop(puppet.url, plan, on_record=heard.append, run_id="run"))
    assert [r.intended for r in result.records] == plan.offsets.tolist()
    assert [r.request_id for r in result.records] == [f"run-{i}" for i in range(60)]
    assert sorted(puppet.request_ids) == sorted(r.request_id for r in result.records)
    assert sorted(puppet.sentences) == sorted(plan.sentences)
    assert sorted(heard, key=lambda r: r.intended) == result.records
    for r in result.records:
        assert r.ok
        assert r.first_byte is not None
        assert r.done is not None
        assert r.intended <= r.sent < r.first_byte <= r.done
        assert r.latency == pytest.approx(r.lag + r.service)
    assert result.conditions["requests"] == 60
    assert result.conditions["url"] == f"{puppet.url}/correct"
    assert not result.conditions["stopped_early"]
    json.dumps(result.conditions, allow_nan=False)
    wait_until(lambda: sockets_to(puppet.port) == 0)


def test_nothing_is_gated_by_a_server_that_does_not_answer(puppet: Puppet) -> None:
    """The gate opens only when all have arrived: one request held back would hold all back."""
    puppet.open_after = 40
    result = asyncio.run(run_open_loop(Target(puppet.url, "/hold"), trace(40)))
    assert sum(r.ok for r in result.records) == 40
    assert puppet.most_inside == 40


def test_a_request_beyond_the_cap_is_dropped_on_record(puppet: Puppet) -> None:
    hold, heard = Target(puppet.url, "/hold"), list[LatencyRecord]()
    with once(lambda: puppet.arrived == 3 and len(heard) == 7, puppet.release):
        run = run_open_loop(hold, trace(10), max_in_flight=3, on_record=heard.append)
        result = asyncio.run(run)
    assert [r.error for r in result.records] == [None] * 3 + [DROPPED] * 7
    summary = result.summary()
    assert (summary.offered, summary.answered, summary.errors) == (10, 3, {DROPPED: 7})
    assert not summary.valid
    assert "7 dropped" in summary.reason
    assert puppet.arrived == 3


@pytest.mark.parametrize(
    ("status", "shed"), [(503, True), (429, True), (500, False), (404, False), (302, False)]
)
def test_refusals_are_answers_and_not_successes(puppet: Puppet, status: int, shed: bool) -> None:
    result = asyncio.run(run_open_loop(Target(puppet.url, f"/status/{status}"), trace(5)))
    assert {(r.status, r.error, r.ok, r.shed) for r in result.records} == {
        (status, None, False, shed)
    }
    assert result.summary().errors == {f"HTTP {status}": 5}


def test_a_timeout_is_counted(puppet: Puppet) -> None:
    result = asyncio.run(run_open_loop(Target(puppet.url, "/hold"), trace(5), timeout_s=0.2))
    assert {(r.status, r.error, r.done) for r in result.records} == {(0, "timeout", None)}
    assert len(result.records) == 5
    assert result.summary(slo_s=10.0).goodput_share == 0.0


def test_a_server_that_is_not_there_is_counted() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{probe.getsockname()[1]}"
        result = asyncio.run(run_open_loop(nobody, trace(5)))
    assert [(r.status, r.error) for r in result.records] == [(0, "ConnectError")] * 5
    assert result.summary().failed == 5


def lowest_free_file() -> int:
    """The number that the next file of this process will get."""
    file = os.dup(0)
    os.close(file)
    return file


@pytest.fixture
def file_limit() -> Iterator[Callable[[int], None]]:
    """Sets how many files this process may have open; it is put back afterwards."""
    resource = pytest.importorskip("resource", reason="Windows has no such limit")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield lambda soft: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, before[1]))
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_more_requests_than_the_usual_limit_of_files_allows(
    puppet: Puppet, file_limit: Callable[[int], None]
) -> None:
    puppet.open_after = 60
    file_limit(lowest_free_file() + 40)
    result = asyncio.run(run_open_loop(Target(puppet.url, "/hold"), trace(60), timeout_s=5.0))
    assert sum(r.ok for r in result.records) == 60


def test_a_request_that_found_no_socket_left_was_never_sent(
    puppet: Puppet, file_limit: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("miniserve.loadtest.client.raise_file_limit", lambda: None)

    async def three() -> list[LatencyRecord]:
        records: list[LatencyRecord] = []
        async with LoadClient(
            Target.of(puppet.url), timeout_s=5.0, on_record=records.append
        ) as client:
            free = lowest_free_file()
            file_limit(free)  # so the next one is one too many
            await client.send(0, client.now(), client.target.content("a"))
            file_limit(free + 100)
            await client.send(1, client.now(), client.target.content("b"))
        return records

    assert [record.error for record in asyncio.run(three())] == [DROPPED, None]
    assert puppet.sentences == ["b"]


def test_half_an_answer_is_a_failure(puppet: Puppet) -> None:
    result = asyncio.run(run_open_loop(Target(puppet.url, "/broken"), trace(5)))
    assert [(r.status, r.error) for r in result.records] == [(200, "RemoteProtocolError")] * 5
    assert all(r.first_byte is not None and r.done is None for r in result.records)
    wait_until(lambda: sockets_to(puppet.port) == 0)


@pytest.mark.parametrize("drain_s", [0.0, 0.1])
def test_the_tail_is_drained_and_no_longer(puppet: Puppet, drain_s: float) -> None:
    result = asyncio.run(run_open_loop(Target(puppet.url, "/hold"), trace(8), drain_s=drain_s))
    assert [(r.error, r.done) for r in result.records] == [("unfinished", None)] * 8
    wait_until(lambda: sockets_to(puppet.port) == 0)


def test_warm_up_is_left_out_by_intended_start(puppet: Puppet) -> None:
    puppet.open_after = 20  # so the warm-up's answers come after the warm-up
    plan = trace(20)
    result = asyncio.run(
        run_open_loop(Target(puppet.url, "/hold"), plan, warmup_s=float(plan.offsets[12]))
    )
    assert len(result.records) == 20
    assert [r.intended for r in result.measured] == plan.offsets[12:].tolist()
    assert result.summary().offered == 8


def test_a_run_can_be_stopped_from_another_thread(puppet: Puppet) -> None:
    stop = threading.Event()
    plan = Trace.of(np.array([0.0, 0.01, 3600.0]), SENTENCES)
    with once(lambda: puppet.arrived == 2, stop.set):
        result = asyncio.run(run_open_loop(puppet.url, plan, stop=stop))
    assert len(result.records) == 2
    assert result.conditions["stopped_early"]


def test_a_callback_that_fails_ends_the_run(puppet: Puppet) -> None:
    def fail(record: LatencyRecord) -> None:
        raise KeyError(record.request_id)

    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(run_open_loop(puppet.url, trace(500, rate=20.0), on_record=fail))
    assert caught.value.subgroup(KeyError) is not None
    assert puppet.arrived < 500
    wait_until(lambda: sockets_to(puppet.port) == 0)


def test_any_url_and_body_can_be_loaded(puppet: Puppet) -> None:
    get = Target(puppet.url + "/", "/healthz", "GET", body=None)
    result = asyncio.run(run_open_loop(get, trace(3)))
    assert all(r.ok for r in result.records)
    assert (puppet.methods, puppet.sentences) == (["GET"] * 3, [])
    loud = Target(puppet.url, body=lambda text: {"sentence": text.upper()})
    asyncio.run(run_open_loop(loud, Trace.of(constant(100.0, 1), ["hello"])))
    assert puppet.sentences == ["HELLO"]
    with pytest.raises(ValueError, match="http"):
        Target("localhost:8000")


def test_a_run_is_saved_with_its_conditions(puppet: Puppet, tmp_path: Path) -> None:
    result = asyncio.run(run_open_loop(puppet.url, trace(5), warmup_s=0.004))
    result.conditions["seed"] = 3
    result.save(tmp_path / "run.csv")
    records, conditions = load(tmp_path / "run")
    assert records == result.records
    assert conditions == result.conditions
    assert {"timeout_s", "warmup_s", "drain_s", "max_in_flight", "python"} <= conditions.keys()


# Closed loop, and what it cannot see


def test_a_closed_loop_sends_n_requests_with_so_many_at_once(puppet: Puppet) -> None:
    result = asyncio.run(run_closed_loop(puppet.url, SENTENCES, 4, n=50))
    assert len(result.records) == puppet.arrived == 50
    assert len({r.request_id for r in result.records}) == 50
    assert 1 <= puppet.most_inside <= 4
    assert sorted(puppet.sentences) == sorted((SENTENCES * 17)[:50])
    wait_until(lambda: sockets_to(puppet.port) == 0)


def test_connections_are_kept_alive(puppet: Puppet) -> None:
    asyncio.run(run_closed_loop(puppet.url, SENTENCES, 3, n=60))
    assert len(puppet.connections) <= 3


def test_a_connection_that_timed_out_is_replaced(puppet: Puppet) -> None:
    async def three() -> list[LatencyRecord]:
        records: list[LatencyRecord] = []
        hold = Target(puppet.url, "/hold")
        async with LoadClient(hold, timeout_s=0.2, on_record=records.append) as client:
            await client.send(0, client.now(), b"")
            puppet.release()
            await asyncio.to_thread(wait_until, puppet.gate.is_set)
            await client.send(1, client.now(), b"")
            await client.send(2, client.now(), b"")
        return records

    assert [record.error for record in asyncio.run(three())] == ["timeout", None, None]
    assert len(puppet.connections) == 2


def test_users_do_not_wait_for_each_other(puppet: Puppet) -> None:
    puppet.open_after = 5
    result = asyncio.run(run_closed_loop(Target(puppet.url, "/hold"), SENTENCES, 5, n=5))
    assert puppet.most_inside == 5
    assert all(r.ok for r in result.records)


def test_one_user_waits_for_each_answer_and_thinks(puppet: Puppet) -> None:
    result = asyncio.run(run_closed_loop(puppet.url, SENTENCES, 1, n=5, think_s=0.02))
    assert len(result.records) == 5
    for before, after in zip(result.records, result.records[1:], strict=False):
        assert before.done is not None
        assert after.intended >= before.done + 0.02


def test_a_closed_loop_ends_when_its_time_is_up(puppet: Puppet) -> None:
    result = asyncio.run(run_closed_loop(puppet.url, SENTENCES, 2, duration_s=0.3))
    assert result.records
    assert all(r.ok for r in result.records)
    # Between a user's look at the clock and the stamp a little time may pass, once for each user.
    assert sum(r.intended >= 0.3 for r in result.records) <= 2
    held = run_closed_loop(
        Target(puppet.url, "/hold"), SENTENCES, 2, duration_s=0.1, drain_s=0.1, think_s=9.0
    )
    assert [r.error for r in asyncio.run(held).records] == ["unfinished"] * 2


def test_a_closed_loop_can_be_stopped_in_mid_thought(puppet: Puppet) -> None:
    def stop_after_three(record: LatencyRecord) -> None:
        if puppet.arrived == 3:
            stop.set()

    stop = threading.Event()
    loop = run_closed_loop(
        puppet.url, SENTENCES, 3, n=99, think_s=3600.0, stop=stop, on_record=stop_after_three
    )
    result = asyncio.run(loop)
    assert len(result.records) == 3
    assert result.conditions["stopped_early"]


def test_a_closed_loop_needs_an_end() -> None:
    for users, sentences, n in [(1, SENTENCES, None), (0, SENTENCES, 1), (1, (), 1)]:
        with pytest.raises(ValueError, match="closed loop"):
            asyncio.run(run_closed_loop("http://x", sentences, users, n=n))


def overtaken(records: list[LatencyRecord], moment: float) -> int:
    """How many requests were meant to start before a moment and ended after it."""
    return sum(r.done is not None and r.intended < moment <= r.done for r in records)


def test_a_stall_shows_in_an_open_loop_and_hides_in_a_closed_one(puppet: Puppet) -> None:
    """Coordinated omission: the same stall is 30 bad samples here and a single one there."""
    hold = Target(puppet.url, "/hold")
    puppet.open_after = 30
    result = asyncio.run(run_open_loop(hold, trace(60)))
    assert overtaken(result.records, puppet.opened_at - result.origin) >= 30

    puppet.gate = asyncio.Event()
    puppet.arrived, puppet.open_after, puppet.stall_s = 0, 10**9, 0.1
    result = asyncio.run(run_closed_loop(hold, SENTENCES, 1, n=60))
    assert len(result.records) == 60
    assert overtaken(result.records, puppet.opened_at - result.origin) == 1


def test_a_late_generator_cannot_hide_its_own_delay(puppet: Puppet) -> None:
    """What blocks the sender's loop is counted, because latency starts at the intended start."""

    def block_until_one(record: LatencyRecord) -> None:
        if record.intended == 0.0 and record.done is not None:
            time.sleep(max(0.0, 1.0 - record.done))

    plan = Trace.of(np.array([0.0, *np.linspace(0.5, 0.8, 30)]), SENTENCES)
    result = asyncio.run(run_open_loop(puppet.url, plan, on_record=block_until_one))
    assert [r.intended for r in result.records] == plan.offsets.tolist()
    for late in result.records[1:]:
        assert late.ok
        assert late.sent >= 0.99  # it could not leave before the loop was free again
        assert late.latency >= 0.99 - late.intended
        assert late.latency > late.service
    assert "late itself" in result.summary().reason


# Beside a notebook


def load_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "miniserve-load"]


def test_a_background_load_sends_what_it_was_asked_for(puppet: Puppet) -> None:
    heard_in: set[str] = set()
    load_ = BackgroundLoad(
        puppet.url,
        SENTENCES,
        rate=300.0,
        seed=5,
        n=40,
        on_record=lambda record: heard_in.add(threading.current_thread().name),
    )
    with load_ as running:
        running.join(PATIENCE_S)
        records = sorted(running.records, key=lambda r: r.intended)
    np.testing.assert_allclose([r.intended for r in records], poisson(300.0, 40, 5))
    assert all(r.ok and r.sent >= r.intended for r in records)
    assert sorted(puppet.sentences) == sorted((SENTENCES * 14)[:40])
    assert heard_in == {"miniserve-load"}
    assert not load_threads()
    assert not load_.running
    wait_until(lambda: sockets_to(puppet.port) == 0)


def test_a_new_rate_wakes_a_sleeping_load(puppet: Puppet) -> None:
    with BackgroundLoad(puppet.url, SENTENCES, rate=0.0) as load_:
        assert load_.rate == 0.0
        load_.rate = 1e-9  # the next request in thirty years or so
        load_.rate = 200.0
        wait_until(lambda: len(load_.records) >= 20)
        load_.rate = 0.0
        with pytest.raises(ValueError, match="rate"):
            load_.rate = -1.0
        assert load_.rate == 0.0
    assert not load_threads()


def test_a_load_that_is_far_behind_can_be_paused(puppet: Puppet) -> None:
    def quiet() -> bool:
        before = puppet.arrived
        time.sleep(0.3)
        return puppet.arrived == before

    with BackgroundLoad(puppet.url, SENTENCES, rate=1e6, keep=10) as load_:
        wait_until(lambda: puppet.arrived >= 5)
        load_.rate = 0.0
        wait_until(quiet)
        load_.rate = 200.0
        assert load_.running


def test_records_can_be_read_and_cleared_while_it_runs(puppet: Puppet) -> None:
    with BackgroundLoad(puppet.url, SENTENCES, rate=200.0, keep=10) as load_:
        wait_until(lambda: puppet.arrived >= 15)
        snapshot = load_.records
        assert len(snapshot) <= 10
        size = len(snapshot)
        before = load_.now()
        load_.clear()
        wait_until(lambda: len(load_.records) >= 5)
        assert len(snapshot) == size
        assert all(r.done is not None and r.done >= before - 1.0 for r in load_.records)


def test_stopping_does_not_wait_for_a_server_that_hangs(puppet: Puppet) -> None:
    load_ = BackgroundLoad(
        Target(puppet.url, "/hold"), SENTENCES, rate=200.0, n=5, timeout_s=600.0, drain_s=0.05
    ).start()
    wait_until(lambda: puppet.arrived == 5)
    assert load_.in_flight == 5
    with pytest.raises(TimeoutError, match="still running"):
        load_.join(0.05)
    load_.stop()
    load_.stop()
    assert [r.error for r in load_.records] == ["unfinished"] * 5
    assert load_.in_flight == 0
    assert not load_threads()
    wait_until(lambda: sockets_to(puppet.port) == 0)
    with pytest.raises(RuntimeError):
        load_.start()


def test_a_load_that_never_started_can_be_stopped() -> None:
    BackgroundLoad("http://127.0.0.1:1", SENTENCES, rate=1.0).stop()
    assert not load_threads()
    with pytest.raises(ValueError, match="sentence"):
        BackgroundLoad("http://127.0.0.1:1", (), rate=1.0)


def test_what_a_callback_raises_surfaces_when_the_load_is_stopped(puppet: Puppet) -> None:
    def fail(record: LatencyRecord) -> None:
        raise KeyError(record.request_id)

    load_ = BackgroundLoad(puppet.url, SENTENCES, rate=200.0, on_record=fail).start()
    wait_until(lambda: not load_.running)
    with pytest.raises(ExceptionGroup) as caught:
        load_.stop()
    assert caught.value.subgroup(KeyError) is not None
    load_.stop()  # said once
    wait_until(lambda: sockets_to(puppet.port) == 0)


def test_what_keeps_a_load_from_beginning_is_raised_at_its_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(self: object) -> None:
        raise OSError("no socket is left")

    monkeypatch.setattr(BackgroundLoad, "_main", fail)
    load_ = BackgroundLoad("http://127.0.0.1:1", SENTENCES, rate=1.0)
    with pytest.raises(OSError, match="no socket is left"):
        load_.start()
    load_.stop()


def test_a_callback_may_stop_its_own_load(puppet: Puppet) -> None:
    load_ = BackgroundLoad(puppet.url, SENTENCES, rate=200.0, on_record=lambda _: load_.stop())
    load_.start()
    load_.join(PATIENCE_S)
    assert load_.records
    assert not load_threads()


# The command


@pytest.fixture
def command() -> typer.Typer:
    app = typer.Typer()
    app.command()(bench)
    return app


def test_bench_prints_a_table_and_writes_json_and_samples(
    puppet: Puppet, command: typer.Typer, tmp_path: Path
) -> None:
    report, samples = tmp_path / "out.json", tmp_path / "samples"
    arguments = f"--url {puppet.url} --rate 200 --requests 50 --seed 3 --slo 20"
    result = CliRunner().invoke(
        command, [*arguments.split(), "--json", str(report), "--save", str(samples)]
    )
    assert result.exit_code == 0, result.output
    written = json.loads(report.read_text())
    assert written["summary"]["offered"] == written["summary"]["answered"] == 50
    assert written["summary"]["goodput_share"] == 1.0
    assert written["conditions"]["seed"] == 3
    records, conditions = load(samples)
    np.testing.assert_allclose([r.intended for r in records], poisson(200.0, 50, 3))
    assert conditions == written["conditions"]
    assert "only 3 of 50 samples beyond" in result.output  # too few to quote a p95
    assert "100.0% of offered within 20 s" in result.output


@pytest.mark.parametrize("arrivals", ["poisson", "gamma", "constant", "replay", "closed"])
def test_bench_knows_every_kind_of_arrivals(
    puppet: Puppet, command: typer.Typer, tmp_path: Path, arrivals: str
) -> None:
    saved, sentences = tmp_path / "trace.jsonl", tmp_path / "sentences.txt"
    standard_trace(1, 30, sentences=["from the trace"]).save(saved)
    sentences.write_text("from the file\n\n")
    arguments = f"--url {puppet.url} --requests 20 --arrivals {arrivals}"
    extra = ["--json", str(tmp_path / "o")]
    extra += ["--rate", "300"] if arrivals != "closed" else []
    extra += ["--trace", str(saved)] if arrivals == "replay" else ["--sentences", str(sentences)]
    result = CliRunner().invoke(command, [*arguments.split(), *extra])
    assert result.exit_code == 0, result.output
    assert puppet.arrived == 20
    assert set(puppet.sentences) == {"from the trace" if arrivals == "replay" else "from the file"}
    conditions = json.loads((tmp_path / "o").read_text())["conditions"]
    assert conditions["arrivals"] == arrivals
    assert conditions["loop"] == ("closed" if arrivals == "closed" else "open")
    assert ("rate" in conditions) == (arrivals != "closed")
    assert ("seed" in conditions) == (arrivals in {"poisson", "gamma"})


@pytest.mark.parametrize(
    ("arrivals", "option"),
    [
        ("closed", "--rate=5"),
        ("closed", "--max-in-flight=5"),
        ("replay", "--seed=5"),
        ("constant", "--burstiness=5"),
        ("poisson", "--concurrency=5"),
    ],
)
def test_bench_refuses_an_option_that_it_would_not_heed(
    command: typer.Typer, arrivals: str, option: str
) -> None:
    result = CliRunner().invoke(command, ["--arrivals", arrivals, option])
    assert result.exit_code == 2
    name = option.partition("=")[0]
    assert f"{name} has no meaning with --arrivals {arrivals}" in result.stderr


def test_bench_says_loudly_that_a_run_is_not_valid(
    puppet: Puppet, command: typer.Typer, tmp_path: Path
) -> None:
    arguments = "--rate 2000 --requests 100 --arrivals constant --max-in-flight 1 --path /slow"
    report = tmp_path / "out.json"
    result = CliRunner().invoke(
        command, ["--url", puppet.url, *arguments.split(), "--json", str(report)]
    )
    assert result.exit_code == 0, result.output
    assert "RUN NOT VALID" in result.output
    assert "dropped" in result.output
    assert json.loads(report.read_text())["summary"]["valid"] is False


def test_bench_says_loudly_that_nothing_was_measured(puppet: Puppet, command: typer.Typer) -> None:
    arguments = f"--url {puppet.url} --rate 500 --requests 10 --arrivals constant --warmup 1"
    result = CliRunner().invoke(command, arguments.split())
    assert result.exit_code == 0, result.output
    assert "RUN NOT VALID" in result.output
    assert "no request was measured" in result.output


def test_bench_shows_what_it_has_after_ctrl_c(puppet: Puppet, command: typer.Typer) -> None:
    before = signal.getsignal(signal.SIGINT)
    arguments = f"--url {puppet.url} --rate 20 --requests 100000 --arrivals constant"
    with once(lambda: puppet.arrived >= 3, lambda: os.kill(os.getpid(), signal.SIGINT)):
        result = CliRunner().invoke(command, arguments.split())
    assert result.exit_code == 0, result.output
    assert "Stopped early" in result.output
    assert signal.getsignal(signal.SIGINT) is before


def test_bench_takes_any_endpoint(puppet: Puppet, command: typer.Typer) -> None:
    common = ["--url", puppet.url, "--rate", "200", "--requests", "2"]
    result = CliRunner().invoke(command, [*common, "--method", "get", "--path", "/healthz"])
    assert result.exit_code == 0, result.output
    assert (puppet.methods, puppet.sentences) == (["GET", "GET"], [])
    body = '{"model": "tutor", "sentence": "{sentence}\\n"}'
    assert CliRunner().invoke(command, [*common, "--body", body]).exit_code == 0
    assert len(puppet.sentences) == 2
    assert all(len(sent) > 1 and sent.endswith("\n") for sent in puppet.sentences)
    assert not any("sentence" in sent for sent in puppet.sentences)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--arrivals", "replay"],
        ["--body", "{"],
        ["--body", "[" * 100_000],
        ["--url", "localhost"],
        ["--url", "http://"],
        ["--url", "http://127.0.0.1:abc"],
        ["--url", "http://127.0.0.1\r\n"],
        ["--path", "no"],
        ["--path", "/a\r\nb"],
        ["--method", "GE T"],
        ["--timeout", "inf"],
        ["--warmup", "inf"],
        ["--requests", "0"],
        ["--requests", "1000000000"],
    ],
)
def test_bench_refuses_what_it_cannot_do(command: typer.Typer, arguments: list[str]) -> None:
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 2, result.output


@pytest.mark.parametrize(("status", "row"), [(503, "shed"), (404, "failed")])
def test_bench_says_in_its_row_why_a_request_was_not_answered(
    puppet: Puppet, command: typer.Typer, monkeypatch: pytest.MonkeyPatch, status: int, row: str
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    arguments = f"--url {puppet.url} --rate 300 --requests 2 --path /status/{status}"
    result = CliRunner().invoke(command, arguments.split())
    [line] = [line for line in result.output.splitlines() if f"HTTP {status}" in line]
    assert row in line
    assert f"2 × HTTP {status}" in line


@pytest.mark.parametrize("name", ["--json", "--save"])
def test_bench_refuses_a_file_that_cannot_be_made_before_the_run(
    puppet: Puppet, command: typer.Typer, tmp_path: Path, name: str
) -> None:
    nowhere = str(tmp_path / "nowhere" / "file")
    arguments = f"--url {puppet.url} --rate 300 --requests 2"
    result = CliRunner().invoke(command, [*arguments.split(), name, nowhere])
    assert result.exit_code == 2, result.output
    assert puppet.arrived == 0


def test_bench_does_not_write_two_things_into_one_file(
    puppet: Puppet, command: typer.Typer, tmp_path: Path
) -> None:
    files = ["--json", str(tmp_path / "run.json"), "--save", str(tmp_path / "run.csv")]
    result = CliRunner().invoke(command, ["--url", puppet.url, "--requests", "2", *files])
    assert result.exit_code == 2, result.output
    assert puppet.arrived == 0


@pytest.mark.parametrize(
    ("option", "content"),
    [
        ("--arrivals replay --trace", None),
        ("--arrivals replay --trace", b"{}\n"),
        ("--arrivals replay --trace", b"\xff\n"),
        ("--arrivals replay --trace", b"[" * 100_000),
        ("--sentences", None),
        ("--sentences", b"\xff\n"),
    ],
)
def test_bench_refuses_a_file_that_it_cannot_read(
    command: typer.Typer, tmp_path: Path, option: str, content: bytes | None
) -> None:
    path = tmp_path / "given"
    if content is not None:
        path.write_bytes(content)
    result = CliRunner().invoke(command, [*option.split(), str(path)])
    assert result.exit_code == 2, result.output

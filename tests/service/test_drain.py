"""SIGTERM and SIGINT: what was accepted is answered, nothing new is, and it ends in time."""

import signal
import socket
from pathlib import Path

import httpx
import pytest

from miniserve.settings import Mode
from tests.service.process import ServerProcess, eventually


@pytest.mark.parametrize(
    ("mode", "number"),
    [(mode, signal.SIGTERM) for mode in Mode] + [(Mode.CONTINUOUS, signal.SIGINT)],
)
def test_a_request_in_flight_is_answered_before_the_server_ends(
    mode: Mode, number: signal.Signals, tmp_path: Path
) -> None:
    seen, hold = tmp_path / "seen", tmp_path / "hold"
    seen.touch()
    slow = {"step_hold_file": hold, "seen_file": seen, "step_s": 0.02}
    with ServerProcess(mode=mode, slow=slow, max_num_seqs=2) as server:
        accepted = server.start_correct("Say 25.")
        eventually(lambda: "Say 25." in seen.read_text("utf-8"), "the model works on it")
        if mode is not Mode.SYNC:  # which is deaf as long as the step goes on
            hold.touch()
        server.signal(number)
        if mode is not Mode.SYNC:
            eventually(lambda: refusal(server) == 503, "new requests are refused")
            assert server.http.get("/readyz").status_code == 503
            assert not accepted.done()
            hold.unlink()
        answer = accepted.result(60)
        assert answer.status_code == 200
        assert answer.json()["corrected"] == "Say 25."
        assert server.exit_code() == 0
        assert refusal(server) == "refused"
        assert "Traceback" not in server.stderr


def refusal(server: ServerProcess) -> int | str:
    """What a new request gets."""
    try:
        return server.correct("He goed.").status_code
    except httpx.TransportError:
        return "refused"


def test_the_drain_has_a_deadline() -> None:
    with ServerProcess(slow={"step_s": 0.5}, drain_timeout_s=0.5, request_timeout_s=60) as server:
        accepted = server.start_correct("Say 100.")
        eventually(lambda: server.running() == 1, "the request is accepted")
        server.signal()
        answer = accepted.result(60)
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert server.exit_code() == 0


def test_a_second_signal_ends_at_once() -> None:
    with ServerProcess(slow={"step_s": 0.5}, drain_timeout_s=600, request_timeout_s=600) as server:
        accepted = server.start_correct("Say 100.")
        eventually(lambda: server.running() == 1, "the request is accepted")
        server.signal()
        eventually(lambda: server.http.get("/readyz").status_code == 503, "it drains")
        server.signal()
        assert server.exit_code() == 128 + signal.SIGTERM
        assert accepted.result(60).status_code == 503


@pytest.mark.parametrize("mode", [Mode.SYNC, Mode.ASYNC, Mode.CONTINUOUS])
def test_a_server_that_is_still_loading_ends_all_the_same(mode: Mode, tmp_path: Path) -> None:
    hold = tmp_path / "hold"
    hold.touch()
    with ServerProcess(mode=mode, slow={"load_hold_file": hold}, ready=False) as server:
        assert refusal(server) == 503
        server.signal()
        assert server.exit_code() == 0
        assert "Traceback" not in server.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_whole_process_group_does_not_reach_the_engine(
    number: signal.Signals, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    seen.touch()
    with ServerProcess(slow={"seen_file": seen, "step_s": 0.02}) as server:
        accepted = server.start_correct("Say 25.")
        eventually(lambda: "Say 25." in seen.read_text("utf-8"), "the model works on it")
        server.signal_group(number)
        assert accepted.result(60).status_code == 200
        assert server.exit_code() == 0
        assert "Traceback" not in server.stderr


def test_a_refusal_while_draining_closes_its_connection(tmp_path: Path) -> None:
    seen, hold = tmp_path / "seen", tmp_path / "hold"
    seen.touch()
    slow = {"step_hold_file": hold, "seen_file": seen}
    with ServerProcess(slow=slow) as server:
        assert "connection" not in server.http.get("/readyz").headers
        server.start_correct("Say 3.")
        eventually(lambda: "Say 3." in seen.read_text("utf-8"), "the model works on it")
        hold.touch()
        server.signal()
        eventually(lambda: server.http.get("/readyz").status_code == 503, "it drains")
        assert server.http.get("/readyz").headers["connection"] == "close"
        hold.unlink()
        assert server.exit_code() == 0


def test_an_upload_that_the_end_cuts_off_is_told_so() -> None:
    with ServerProcess() as server, socket.create_connection(server.address, 60) as connection:
        connection.sendall(
            b"POST /correct HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100\r\n\r\n{"
        )
        eventually(lambda: server.running() == 1, "the request has begun")
        server.signal()
        assert server.exit_code() == 0
        answer = connection.recv(1000)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nretry-after: 1\r\n" in answer.lower()
        assert "Traceback" not in server.stderr


def test_an_idle_server_ends_and_so_does_one_with_silent_connections() -> None:
    with ServerProcess() as server, server.hanging("Say 1.") as connection:
        assert b"200 OK" in connection.recv(1000)
        server.signal()
        assert server.exit_code() == 0

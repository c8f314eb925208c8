"""Faults of single requests, in every mode: the fault is told, and the next request is served."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from miniserve.settings import Mode
from tests.service.process import ServerProcess, eventually


@pytest.fixture(scope="module", params=list(Mode))
def slow_server(request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    """One slot, and one place to wait in."""
    mode: Mode = request.param
    with ServerProcess(
        mode=mode,
        slow={"step_s": 0.05},
        max_num_seqs=1,
        max_waiting=1,
        request_timeout_s=60,
    ) as server:
        yield server


@pytest.fixture(scope="module")
def free_loop_server(slow_server: ServerProcess) -> ServerProcess:
    """The same in the modes that do not block the event loop."""
    if slow_server.settings["mode"] is Mode.SYNC:
        pytest.skip("sync cannot hear of a client while it computes; that is its lesson")
    return slow_server


def test_it_answers(slow_server: ServerProcess) -> None:
    answer = slow_server.correct("Say 12.")
    assert answer.status_code == 200
    assert answer.json()["corrected"] == "Say 12."


def test_a_step_that_raises_fails_its_request_and_no_other(slow_server: ServerProcess) -> None:
    for _ in range(2):
        failed = slow_server.correct("boom")
        assert (failed.status_code, failed.json()["type"]) == (503, "urn:miniserve:step-failed")
        assert int(failed.headers["retry-after"]) >= 1
        assert slow_server.correct("Say 12.").status_code == 200


@pytest.mark.parametrize("mode", list(Mode))
def test_a_request_that_takes_too_long_gets_504_and_frees_its_slot(mode: Mode) -> None:
    slow = {"step_s": 0.02}
    with ServerProcess(
        mode=mode, slow=slow, max_num_seqs=1, max_waiting=0, request_timeout_s=0.6
    ) as server:
        late = server.correct("Say 120.")
        assert (late.status_code, late.json()["type"]) == (504, "urn:miniserve:timeout")
        eventually(lambda: server.correct("Say 5.").status_code == 200, "the slot is free")
        eventually(lambda: server.metric("num_requests_running") == 0, "nothing is left")


def test_a_client_that_goes_away_frees_its_slot(free_loop_server: ServerProcess) -> None:
    server = free_loop_server
    gone = len(server.log(status=499))
    with server.hanging("Say 120."):
        eventually(lambda: server.running() == 1, "the request is accepted")
    eventually(lambda: len(server.log(status=499)) == gone + 1, "the disconnect is heard")
    eventually(lambda: server.metric("num_requests_running") == 0, "the slot is free")
    assert server.correct("Say 5.").status_code == 200


def test_a_client_that_goes_away_while_it_waits_frees_its_place(
    free_loop_server: ServerProcess,
) -> None:
    server = free_loop_server
    first = server.start_correct("Say 80.")
    eventually(lambda: server.held() == 1, "one runs")
    with server.hanging("Say 80."):
        eventually(lambda: server.held() == 2, "one waits")
        assert server.correct("Say 5.").status_code == 503
    eventually(lambda: server.held() == 1, "the waiting one is gone")
    assert not first.done()
    assert server.correct("Say 5.").status_code == 200
    assert first.result(60).status_code == 200


def test_even_sync_does_not_compute_for_a_client_that_left_while_it_waited(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    seen.touch()
    slow = {"step_s": 0.05, "seen_file": seen}
    with ServerProcess(mode="sync", slow=slow) as server:
        first = server.start_correct("Say 30.")
        eventually(lambda: "Say 30." in seen.read_text("utf-8"), "the loop is blocked")
        for _ in range(3):
            with server.hanging("Nobody waits for this."):
                pass
        assert first.result(60).status_code == 200
        eventually(lambda: len(server.log(status=499)) == 3, "the disconnects are heard")
        assert server.correct("Say 5.").status_code == 200
        assert "Nobody" not in seen.read_text("utf-8")

"""The engine's process is killed: everybody is told, it is started again, nothing is lost."""

import signal

import psutil  # type: ignore[import-untyped]

from tests.service.process import ServerProcess, eventually


def engine_of(server: ServerProcess) -> psutil.Process | None:
    """The engine's process: a child that multiprocessing has spawned."""
    for child in psutil.Process(server.process.pid).children():
        if "spawn_main" in " ".join(child.cmdline()):
            return child
    return None


def open_files(server: ServerProcess) -> int:
    return int(psutil.Process(server.process.pid).num_fds())


def test_kill_nine_in_the_middle_of_a_full_batch() -> None:
    slow = {"step_s": 0.1}
    with ServerProcess(slow=slow, max_num_seqs=3, max_waiting=10, request_timeout_s=600) as server:
        assert server.correct("Say 5.").status_code == 200
        server.http.close()
        server.reconnect()
        server.metrics()
        before = open_files(server)
        for _ in range(2):
            engine = engine_of(server)
            assert engine is not None
            waiting = [server.start_correct("Say 100.") for _ in range(5)]
            eventually(lambda: server.held() == 5, "three run and two wait")
            engine.send_signal(signal.SIGKILL)
            for answer in [request.result(60) for request in waiting]:
                assert answer.status_code == 503
                assert answer.json()["type"] == "urn:miniserve:unavailable"
                assert int(answer.headers["retry-after"]) >= 1
            unready = server.http.get("/readyz")
            if unready.status_code == 503:  # else it is back already, which a busy test can miss
                assert "engine" in unready.json()["detail"]
            server.wait_ready()
            restarted = engine_of(server)
            assert restarted is not None
            assert restarted.pid != engine.pid
            answer = server.correct("Say 5.")
            assert (answer.status_code, answer.json()["corrected"]) == (200, "Say 5.")
        assert server.metric("num_requests_running") == 0
        assert server.metric("num_requests_waiting") == 0
        assert server.metric("request_failure_total", error="EngineUnavailable") == 10
        eventually(lambda: server.running() == 0, "nothing is in flight")
        server.http.close()
        server.reconnect()
        server.metrics()
        eventually(lambda: open_files(server) == before, "no file descriptor is left over")
        server.signal()
        assert server.exit_code() == 0
        assert restarted is not None
        assert not restarted.is_running()


def test_while_the_engine_is_down_the_server_says_so() -> None:
    with ServerProcess(slow={"step_s": 0.05}) as server:
        for _ in range(2):  # each death makes the pause before the next start longer
            assert server.correct("die").status_code == 503
            server.wait_ready()
        assert server.correct("die").status_code == 503
        unready = server.http.get("/readyz")
        assert unready.status_code == 503
        assert "process" in unready.json()["detail"]
        assert server.http.get("/healthz").status_code == 200
        refused = server.correct("Say 5.")
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) >= 1
        server.wait_ready()
        assert server.correct("Say 5.").status_code == 200


def test_when_the_server_is_killed_its_engine_does_not_live_on() -> None:
    with ServerProcess() as server:
        engine = engine_of(server)
        assert engine is not None
        server.process.kill()
        eventually(lambda: not engine.is_running() or engine.status() == "zombie", "it has ended")

"""The queue is bounded: one more is told to come back, and the model never hears of it."""

from pathlib import Path

from tests.service.process import ServerProcess, eventually


def test_one_more_than_the_bound_gets_503_at_once_without_the_model(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    hold = tmp_path / "hold"
    slow = {"step_hold_file": hold, "seen_file": seen}
    with ServerProcess(slow=slow, max_num_seqs=2, max_waiting=3) as server:
        hold.touch()
        taken = [server.start_correct(f"Say {20 + index}.") for index in range(5)]
        eventually(lambda: server.held() == 5, "the engine has taken five")
        for _ in range(3):
            refused = server.correct("This one is too many.")
            assert (refused.status_code, refused.json()["type"]) == (
                503,
                "urn:miniserve:queue-full",
            )
            assert refused.headers["retry-after"].isdigit()
            assert 1 <= int(refused.headers["retry-after"]) <= 60
        hold.unlink()
        assert {request.result(60).status_code for request in taken} == {200}
        assert server.correct("Say 5.").status_code == 200
        assert "too many" not in seen.read_text("utf-8")
        assert server.metric("request_failure_total", error="QueueFull") == 3

"""Alive before it is ready, and alive when it never gets ready."""

import shutil
from pathlib import Path

from tests.service.process import ServerProcess, eventually


def test_a_server_is_alive_while_it_loads_and_ready_afterwards(tmp_path: Path) -> None:
    hold = tmp_path / "hold"
    hold.touch()
    with ServerProcess(slow={"load_hold_file": hold}, ready=False) as server:
        for _ in range(3):
            assert server.http.get("/healthz").status_code == 200
            early = server.http.get("/readyz")
            assert early.status_code == 503
            assert early.json()["detail"] == "The model is being loaded."
        refused = server.correct("He goed.")
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) >= 1
        hold.unlink()
        server.wait_ready()
        assert server.correct("He goed.").status_code == 200


def test_a_checkpoint_that_is_cut_short_leaves_the_server_alive_and_not_ready(
    tmp_path: Path, checkpoint: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(checkpoint, broken)
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1_000_000])
    arguments = ("miniserve", "serve", "--checkpoint", str(broken))
    with ServerProcess(*arguments, ready=False) as server:
        eventually(lambda: "engine-failed" in server.http.get("/readyz").text, "loading has failed")
        answer = server.http.get("/readyz")
        assert answer.status_code == 503
        assert "model.safetensors" in answer.json()["detail"]
        assert server.http.get("/healthz").status_code == 200
        assert server.correct("He goed.").status_code == 503
        server.signal()
        assert server.exit_code() == 0

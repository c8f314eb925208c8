from __future__ import annotations

import io
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import psutil  # type: ignore[import-untyped]
import pytest

from miniserve.bench.peers import __main__ as command
from miniserve.bench.peers import host, over_http, results
from miniserve.bench.peers.child import Child, PeerFailed, Run
from miniserve.bench.peers.compare import orders, play, standing, standings
from miniserve.bench.peers.conversion import interleaved, read_weights, vocabulary
from miniserve.bench.peers.engine import NotInstalled, PeerEngine
from miniserve.bench.peers.engines.llama_cpp import LlamaCpp
from miniserve.bench.peers.engines.own import Own
from miniserve.bench.peers.local_server import LocalServer, free_port
from miniserve.bench.peers.workload import Workload, workload
from miniserve.bench.tables import Spread
from miniserve.latency import LatencyRecord
from miniserve.loadtest import LoadResult, Target, Trace
from miniserve.model.checkpoint import load_checkpoint
from tests.fake_peer import Dying, FakePeer
from tests.tiny_checkpoint import write_tiny_checkpoint


def load_of(*prompts: list[int]) -> Workload:
    return Workload(Path("somewhere"), ("one",), list(prompts), max_tokens=8, eos_token_id=1)


def test_rounds_run_forwards_and_backwards() -> None:
    assert orders(["a", "b", "c"], 3) == [["a", "b", "c"], ["c", "b", "a"], ["a", "b", "c"]]


def test_who_fails_once_is_out_and_the_others_go_on() -> None:
    calls: list[str] = []

    def run(name: str) -> Run:
        calls.append(name)
        if calls.count("b") == 2 and name == "b":
            raise PeerFailed("bad luck")
        return Run(1.0, 1.0, [[5]])

    runs, out = play(["a", "b", "c"], run, rounds=4)
    assert {name: len(done) for name, done in runs.items()} == {"a": 4, "c": 4}
    assert out == {"b": "bad luck"}
    assert calls == ["a", "b", "c", "c", "b", "a", "a", "c", "c", "a"]


def test_an_engine_is_compared_with_the_same_round() -> None:
    answers = [[5, 6], [7]]
    own = [Run(1.0, 1.0, answers), Run(2.0, 2.0, answers), Run(1.0, 1.0, answers)]
    theirs = [Run(3.0, 3.3, [[5, 6], [8]]), Run(4.0, 4.0, []), Run(2.0, 2.0, [])]
    theirs = [run._replace(answers=theirs[0].answers) for run in theirs]
    found = standing(own, theirs)
    assert found.ratio == Spread(2.0, 2.0, 3.0)
    assert found.corrections_per_s == Spread(2 / 3, 0.5, 1.0)
    assert found.tokens_per_s == Spread(5 / 3, 5 / 4, 5 / 2)  # with two end tokens
    assert found.cpu == pytest.approx(1.0)
    unknown = standing(own, [run._replace(cpu_s=math.nan) for run in theirs])
    assert unknown.cpu is None
    assert (found.agree, found.answers) == (1, 2)


def test_the_fastest_comes_first() -> None:
    runs = {
        "own": [Run(2.0, 2.0, [[1]])],
        "slow": [Run(4.0, 4.0, [[1]])],
        "fast": [Run(1, 1, [[1]])],
    }
    assert list(standings(runs, "own")) == ["fast", "own", "slow"]


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_rotation_pairs_are_put_side_by_side(heads: int) -> None:
    """Hugging Face turns row i with row i + n/2 of a head; llama.cpp row 2i with row 2i + 1."""
    rows = np.arange(16)
    turned = interleaved(rows[:, None] * np.ones((1, 3)), heads)[:, 0]
    size = 16 // heads
    for head in range(heads):
        mine = turned[head * size : (head + 1) * size].astype(int)
        for pair in range(size // 2):
            first = head * size + pair
            assert mine[2 * pair : 2 * pair + 2].tolist() == [first, first + size // 2]


def test_weights_are_read_as_they_are_stored(tmp_path: Path) -> None:
    write_tiny_checkpoint(tmp_path)
    expected = load_checkpoint(tmp_path).weights
    found = read_weights(tmp_path / "model.safetensors")
    assert found.keys() == expected.keys()
    for name, weight in expected.items():
        np.testing.assert_array_equal(found[name].astype(np.float32), weight)


def test_the_vocabulary_is_in_the_order_of_its_ids() -> None:
    assert vocabulary({"model": {"vocab": {"b": 2, "<s>": 0, "a": 1}}}) == ["<s>", "a", "b"]


def test_the_workload_asks_no_sentence_twice(checkpoint: Path, tmp_path: Path) -> None:
    load = workload(40, checkpoint)
    assert len(set(load.sentences)) == len(load.prompts) == 40
    short = tmp_path / "load.jsonl"
    short.write_text('{"at": 1.0, "sentence": "A."}\n{"at": 2.0, "sentence": "A."}\n', "utf-8")
    with pytest.raises(ValueError, match="1 different sentences, not 2"):
        workload(2, checkpoint, short)


def ask(engine: PeerEngine, *messages: dict[str, Any]) -> list[dict[str, Any]]:
    answers = io.StringIO()
    host.serve(engine, [json.dumps(message) for message in messages], answers)
    return [json.loads(line) for line in answers.getvalue().splitlines()]


START = {"checkpoint": "here", "slots": 16, "folder": "."}


def test_the_host_answers_message_by_message() -> None:
    run = {"prompts": [[3, 4]], "max_tokens": 8, "eos_token_id": 1}
    started, ran, failed, again = ask(
        FakePeer(), START, run, run | {"prompts": [[13]]}, run | {"prompts": [[5]]}
    )
    assert started == {"version": "fake 1.0"}
    assert ran["answers"] == [[6, 8, 1]]
    assert ran["seconds"] > 0
    assert failed == {"error": "RuntimeError: bad luck"}
    assert again["answers"] == [[10, 1]]


def test_the_host_tells_a_missing_engine_from_a_broken_one() -> None:
    class Broken(FakePeer):
        def start(self, checkpoint: Path, slots: int, folder: Path) -> None:
            raise ValueError("no room")

    class Absent(FakePeer):
        def start(self, checkpoint: Path, slots: int, folder: Path) -> None:
            raise ImportError("No module named 'absent'")

    assert ask(FakePeer(), START | {"checkpoint": "elsewhere"}) == [
        {"missing": "fake is not installed"}
    ]
    assert ask(Absent(), START) == [{"missing": "No module named 'absent'"}]
    assert ask(Broken(), START) == [{"error": "ValueError: no room"}]


def test_an_engine_in_a_process_of_its_own() -> None:
    child = Child(FakePeer, Path("here"), 16)
    try:
        assert child.version == "fake 1.0"
        assert child.run(load_of([3, 4], [5])).answers == [[6, 8], [10]]  # without the end token
        assert child.run(load_of([3, 4], [13]), requests=1).answers == [[6, 8]]
        long = replace(load_of([7] * 60_000), max_tokens=60_000)  # more than a pipe holds
        assert child.run(long).answers == [[14] * 60_000]
        with pytest.raises(PeerFailed, match="bad luck"):
            child.run(load_of([13]))
        assert child.run(load_of([3])).seconds > 0
    finally:
        child.stop()


def test_an_engine_that_is_not_there_or_dies() -> None:
    with pytest.raises(NotInstalled, match="fake is not installed"):
        Child(FakePeer, Path("elsewhere"), 16)
    child = Child(Dying, Path("here"), 16)
    with pytest.raises(PeerFailed, match="out of memory, say"):
        child.run(load_of([3]))
    child.stop()


def test_a_python_that_nobody_has_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakePeer, "python", "MINISERVE_NO_SUCH_PYTHON")
    with pytest.raises(NotInstalled, match="MINISERVE_NO_SUCH_PYTHON is not set"):
        Child(FakePeer, Path("here"), 16)


def test_a_python_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(FakePeer, "python", "MINISERVE_SOME_PYTHON")
    monkeypatch.setenv("MINISERVE_SOME_PYTHON", str(tmp_path / "python"))
    with pytest.raises(NotInstalled, match="cannot be run: No such file"):
        Child(FakePeer, Path("here"), 16)


def test_llama_cpp_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MINISERVE_LLAMA_SERVER", str(tmp_path / "nothing"))
    with pytest.raises(NotInstalled, match="names no program"):
        LlamaCpp().start(tmp_path, 16, tmp_path)
    monkeypatch.delenv("MINISERVE_LLAMA_SERVER")
    with pytest.raises(NotInstalled, match="is not set"):
        LlamaCpp().start(tmp_path, 16, tmp_path)


def test_this_engine_runs_the_workload(checkpoint: Path, tmp_path: Path) -> None:
    load = workload(3, checkpoint)
    own = Own()
    own.start(checkpoint, 2, tmp_path)
    answers = own.run(load.prompts, load.max_tokens, load.eos_token_id)
    assert all(len(answer) > 5 for answer in answers)
    assert own.run(load.prompts[:1], load.max_tokens, load.eos_token_id) == answers[:1]
    assert own.version().startswith("miniserve ")


SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def test_a_server_is_waited_for_and_ended(tmp_path: Path) -> None:
    port = free_port()
    server = LocalServer([sys.executable, "-c", SERVER, str(port)], port, tmp_path / "log")
    used = server.cpu_s()
    times = psutil.Process(server.process.pid).cpu_times()
    server.stop()
    if Path("/proc/self/stat").exists():
        assert 0 < used <= times.user + times.system + 1e-9  # a sum of floats
    else:
        assert math.isnan(used)
    assert server.process.poll() is not None
    with pytest.raises(RuntimeError, match="no such option"):
        LocalServer([sys.executable, "-c", "exit('no such option')"], port, tmp_path / "log")


def run_of(times: Sequence[float]) -> LoadResult:
    records = [
        LatencyRecord(float(i), float(i), i + t, i + t, 200, None, str(i))
        for i, t in enumerate(times)
    ]
    return LoadResult(records, {"warmup_s": 0.0}, 0.0)


def test_both_servers_get_the_same_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    class Server:
        def __init__(self, url: str) -> None:
            self.url = url

        def __enter__(self) -> Server:
            return self

        def __exit__(self, *_: object) -> None: ...

        def stop(self) -> None: ...

    monkeypatch.setattr(over_http, "LlamaServer", lambda *_, **__: Server("http://llama"))
    monkeypatch.setattr(over_http, "ServeProcess", lambda *_, **__: Server("http://own"))
    sent: list[tuple[str, Trace]] = []

    def run_open(aim: Target, trace: Trace) -> LoadResult:
        sent.append((aim.url, trace))
        return run_of([0.01 if aim.url == "http://own" else 0.04] * len(trace.sentences))

    def run_closed(aim: Target, sentences: Sequence[str], users: int) -> LoadResult:
        return run_of([0.5] * 20)

    rate, found = over_http.compare(
        load_of([3]), seconds=4.0, count=3, slots=16, run_open=run_open, run_closed=run_closed
    )
    saturation = found[over_http.LLAMA].saturation_per_s
    assert rate == pytest.approx(0.8 * saturation)
    assert [url.removeprefix("http://") for url, _ in sent] == [
        "own", "llama", "llama", "own", "own", "llama",
    ]  # fmt: skip
    for first, second in zip(sent[::2], sent[1::2], strict=True):
        np.testing.assert_array_equal(first[1].offsets, second[1].offsets)
    assert over_http.p95_ratio(found) == pytest.approx(0.25)
    assert found[over_http.OWN].answered == found[over_http.OWN].offered


def test_either_server_is_asked_in_openais_words() -> None:
    aim = over_http.target("http://there", load_of([3]))
    content = aim.content("He goed.")
    assert content is not None
    assert json.loads(content) == {
        "model": "tutor", "prompt": "He goed.\n", "max_tokens": 8, "temperature": 0,
    }  # fmt: skip


def test_the_command_measures_and_writes(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    checkpoint: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With a fake peer, one that is not there, one that breaks, and this engine."""

    class Absent(FakePeer):
        name = "absent"
        python: ClassVar[str | None] = "MINISERVE_NO_SUCH_PYTHON"

    monkeypatch.setattr(
        command, "ENGINES", {"own": Own, "fake": FakePeer, "absent": Absent, "dying": Dying}
    )
    monkeypatch.setattr(Dying, "name", "dying")
    monkeypatch.setattr(command, "workload", lambda n, path: workload(4, path))
    monkeypatch.delenv("MINISERVE_LLAMA_SERVER", raising=False)
    command.main(["--quick", "--out", str(tmp_path), "--checkpoint", str(checkpoint)])
    content = json.loads((tmp_path / "peers.json").read_text(encoding="utf-8"))
    (table,) = content["tables"]
    rows = {row["engine"]: row for row in table["rows"]}
    assert set(rows) == {"miniserve", "fake"}
    assert rows["miniserve"]["same answers"] == "4 of 4"
    assert rows["fake"]["same answers"] == "0 of 4"
    assert set(content["left_out"]) == {"absent", "dying", "servers under load"}
    page = (tmp_path / "peers.md").read_text(encoding="utf-8")
    assert "| fake | fake 1.0 | in its head |" in page
    assert "- absent: MINISERVE_NO_SUCH_PYTHON is not set" in page
    assert str(tmp_path) not in page
    assert "Throughput at 16 slots" in capsys.readouterr().out


def test_the_page_tells_the_ratio_over_http() -> None:
    spread = Spread(0.02, 0.01, 0.03)
    found = {
        "miniserve": over_http.Latency(200.0, spread, spread, 10, 10, True),
        "llama.cpp server": over_http.Latency(60.0, spread, Spread(0.08, 0.07, 0.09), 9, 10, False),
    }
    table = results.http_table(48.0, found, 12.0, 3)
    assert "p95 of miniserve ÷ p95 of llama.cpp: 0.25" in table.about
    page = results.page(results.report({"processor": "x"}, "today", [table], {}))
    assert "| miniserve | 200 | 20.0 (10.0–30.0) | 20.0 (10.0–30.0) | 10 of 10 | yes |" in page
    assert "Left out" not in page

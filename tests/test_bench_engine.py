"""The engine's benchmark measures what it says; how fast the machine is, is not tested."""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import psutil  # type: ignore[import-untyped]
import pytest

from miniserve.bench import (
    cross_check,
    engine,
    footprint,
    machine,
    null_route,
    offline,
    open_loop,
    report,
    scheduling,
    step_cost,
)
from miniserve.bench.direct import run_direct
from miniserve.bench.open_loop_tables import Added, Run, tables
from miniserve.bench.serving import ServerProcess, settings_of
from miniserve.bench.size import QUICK, Size
from miniserve.bench.tables import Spread, Table, heading, markdown, text
from miniserve.client import QueueFull
from miniserve.latency import LatencyRecord, Summary, summary
from miniserve.loadtest import LoadResult, Trace
from miniserve.paths import STANDARD_LOAD
from miniserve.scheduler import ContinuousScheduler, Request, SchedulerOutput
from miniserve.settings import Mode, Settings
from miniserve.simulator.prediction import lengths_of_trace
from tests.engine_fakes import OpenFakeCore
from tests.fakes import FakeClient

# --- tables ---------------------------------------------------------------------------------------


def test_a_spread_knows_what_it_lies_between() -> None:
    assert Spread.of([3.0, 1.0, 2.5], 1e3) == Spread(2500.0, 1000.0, 3000.0)
    assert Spread.of_known([3.0, None, 1.0, 2.5]) == Spread(2.5, 1.0, 3.0)
    assert Spread.of_known([None]) is None
    assert Spread.quartiles([1.0, 2.0, 3.0, 4.0, 5.0], 2.0) == Spread(6.0, 4.0, 8.0)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("step_ms", "step, ms"),
        ("a_token_us", "a token, µs"),
        ("tokens_per_s", "tokens/s"),
        ("start_until_ready_s", "start until ready, s"),
        ("all_processes_mib", "all processes, MiB"),
        ("slots", "slots"),
    ],
)
def test_a_column_says_its_unit(name: str, shown: str) -> None:
    assert heading(name) == shown


def test_what_is_not_known_has_no_spread() -> None:
    assert Spread.of_known([1.0, None, float("nan"), 3.0]) == Spread.of([1.0, 3.0])
    assert Spread.of_known([None, float("nan")]) is None


def test_an_engine_that_is_measured_does_not_ask_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINISERVE_MAX_TOKENS", "7")
    assert Settings().max_tokens == 7
    assert settings_of(Mode.STATIC).max_tokens == Settings.model_fields["max_tokens"].default
    assert settings_of(Mode.STATIC, max_tokens=9).max_tokens == 9


def test_cells_have_three_digits_or_so() -> None:
    cells = [None, 100_000, "yes", 1234.5, 12.345, 1.2345, 0.12345, 0.012345, -3.14159]
    shown = ["—", "100000", "yes", "1234", "12.3", "1.23", "0.12", "0.012", "-3.14"]
    assert [text(cell) for cell in cells] == shown


def test_a_table_is_the_same_from_its_json() -> None:
    table = Table(
        "A", "B.", [{"slots": 8, "p95_ms": Spread(2.0, 1.0, 30.0)}, {"slots": 1, "p95_ms": None}]
    )
    page = markdown(table)
    assert page.splitlines() == [
        "### A",
        "",
        "B.",
        "",
        "| slots | p95, ms |",
        "|---|---|",
        "| 8 | 2.00 (1.00–30.0) |",
        "| 1 | — |",
    ]
    assert markdown(json.loads(json.dumps(table.as_dict()))) == page
    assert markdown(Table("A", "Skipped: why.", [])) == "### A\n\nSkipped: why.\n"


def test_parts_replace_themselves_and_stay_only_on_the_same_machine(tmp_path: Path) -> None:
    def save(name: str, date: str, on: str) -> dict[str, object]:
        parts = {name: report.part([Table(f"T {name} {date}", "", [])], date, 1.0, 0.3)}
        report.save(tmp_path, {"processor": on}, parts, order=["a", "b"])
        saved: dict[str, object] = json.loads((tmp_path / "bench.json").read_text("utf-8"))["parts"]
        return saved

    save("b", "2026-01-01", "one")
    assert list(save("a", "2026-01-02", "one")) == ["a", "b"]
    page = (tmp_path / "bench.md").read_text("utf-8")
    assert "- date: 2026-01-01 to 2026-01-02\n- load average just before: 0.3\n" in page
    assert page.index("T a 2026-01-02") < page.index("T b 2026-01-01")
    save("a", "2026-01-03", "one")
    assert "T a 2026-01-02" not in (tmp_path / "bench.md").read_text("utf-8")
    assert list(save("a", "2026-01-04", "another one")) == ["a"]


# --- the machine ----------------------------------------------------------------------------------


def test_the_processors_name_is_read() -> None:
    info = (
        "processor\t: 0\nmodel\t\t: 2\ncpu family\t: 26\nmodel name\t: AMD EPYC\n\nprocessor\t: 1\n"
    )
    assert machine.model_name(info) == "AMD EPYC (cpu family 26, model 2)"
    assert machine.model_name("model name : Known: by name\n") == "Known: by name"
    assert machine.model_name("processor : 0\n") == ""
    assert machine.model_name("") == ""


def test_the_machine_has_versions_and_no_paths() -> None:
    found = machine.machine()
    assert {"processor", "cores", "python", "numpy", "blas", "checkpoint"} <= found.keys()
    assert all(found.values())
    assert "/" not in " ".join(found.values()).replace("BLAS/", "")
    assert str(Path.home()) not in json.dumps(found)


# --- throughput and scheduler ---------------------------------------------------------------------


def test_offline_counts_what_the_engine_made() -> None:
    core = OpenFakeCore(max_num_seqs=2)()
    prompts = [[3, 4], [5, 6, 7], [8, 9]]
    run = offline.work_off(core, prompts, 50)
    made = [core.scheduler.requests, core.num_running]
    assert made == [{}, 0]
    alone = [offline.work_off(OpenFakeCore()(), [prompt], 50) for prompt in prompts]
    assert run.requests == 3
    assert run.tokens == sum(one.tokens for one in alone) > 3
    assert run.seconds > 0


def test_the_scheduler_is_timed_at_the_numbers_that_it_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps: list[tuple[int, int, int]] = []

    class Watched(ContinuousScheduler):
        def update(
            self, output: SchedulerOutput, token_ids: Sequence[int], now: float
        ) -> list[Request]:
            finished = super().update(output, token_ids, now)
            steps.append((len(output.requests), len(self.waiting), len(finished)))
            return finished

    monkeypatch.setattr(scheduling, "ContinuousScheduler", Watched)
    ticks = itertools.count()
    assert scheduling.step_times(7, 100, clock=lambda: float(next(ticks))) == [1.0] * 100
    timed = steps[-100:]
    assert {running for running, _, _ in timed} == {32}
    ended = [finished for _, _, finished in timed]
    assert 0.8 < sum(ended) / len(ended) < 1.2
    assert all(7 - max(ended) <= waiting <= 7 for _, waiting, _ in timed)


# --- HTTP -----------------------------------------------------------------------------------------


def test_a_null_route_is_asked_again_and_again() -> None:
    with null_route.bare_uvicorn() as server:
        assert psutil.pid_exists(server.pid)
        assert server.ready_after_s > 0
        connection = HTTPConnection(urlsplit(server.url).netloc, timeout=30)
        try:
            assert 0 < null_route.round_trips(connection, "/any", 3) < 30
        finally:
            connection.close()
    assert not psutil.pid_exists(server.pid)


def test_a_server_that_ends_is_an_error_with_its_words() -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such thing')"]
    with pytest.raises(RuntimeError, match="no such thing"), ServerProcess(command, {}):
        pass


def test_what_the_shell_exports_for_a_server_is_not_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MINISERVE_ENGINE_URL", "http://engine/v1")
    program = "import os; print(*sorted(k for k in os.environ if k.startswith('MINISERVE')))"
    command = [sys.executable, "-c", f"import sys; sys.stdout = sys.stderr; {program}"]
    told = "is not ready: MINISERVE_MODE\n"
    with (
        pytest.raises(RuntimeError, match=told),
        ServerProcess(command, {"MINISERVE_MODE": "static"}),
    ):
        pass


@pytest.mark.parametrize(("error", "ok"), [(None, True), (QueueFull(1), False)])
def test_an_open_loop_straight_to_the_engine(error: Exception | None, ok: bool) -> None:
    async def run() -> tuple[FakeClient, LoadResult]:
        client = FakeClient()
        client.error = error
        offsets = np.array([0.0, 0.02, 0.02])
        return client, await run_direct(client, Trace.of(offsets, ("a", "b")), run_id="x")

    client, result = asyncio.run(run())
    assert client.calls == ["a\n", "b\n", "a\n"]
    assert [record.request_id for record in result.measured] == ["x-0", "x-1", "x-2"]
    assert [record.intended for record in result.measured] == [0.0, 0.02, 0.02]
    assert all(record.lag >= 0 and record.service >= 0 for record in result.records)
    assert {record.ok for record in result.records} == {ok}
    assert result.summary().errors == ({} if ok else {"QueueFull": 3})


def test_a_step_cost_comes_from_all_requests_at_each_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_cost, "RATES", (400.0, 800.0))
    settings = Settings(mode=Mode.CONTINUOUS, max_num_seqs=4, max_waiting=30)
    whole = Trace.load(STANDARD_LOAD)
    steps = asyncio.run(step_cost.record(settings, whole, 12))
    assert len(lengths_of_trace(steps)) == 24
    few = Settings(mode=Mode.CONTINUOUS, max_num_seqs=1, max_waiting=0)
    with pytest.raises(RuntimeError, match="QueueFull"):
        asyncio.run(step_cost.record(few, whole, 12))


def test_a_sum_is_read_from_the_metrics() -> None:
    page = '# TYPE a:b histogram\na:b_bucket{le="1.0"} 3.0\na:b_count 4.0\na:b_sum 1.25e-05\n'
    assert open_loop.read_sum(page, "a:b") == 1.25e-5
    with pytest.raises(ValueError, match="no a:c"):
        open_loop.read_sum(page, "a:c")


def a_run(seconds: float, n: int = 400, status: int = 200) -> Summary:
    return summary(
        [LatencyRecord(i / 10, i / 10, None, i / 10 + seconds, status, None, "") for i in range(n)]
    )


def test_the_open_loops_tables_group_the_runs_by_load() -> None:
    runs = [
        Run(0.8, 80.0, a_run(0.050)),
        Run(0.5, 50.0, a_run(0.030)),
        Run(0.5, 50.0, a_run(0.033)),
    ]
    added = [Added(0.020, 0.0205 + 0.0005 * i, 0.001, 0.0008) for i in range(5)]
    saturation = Spread(100.0, 99.0, 101.0)
    most, adds, latency = tables(runs, added, saturation, None, Size())
    assert most.rows[0]["corrections_per_s"] == saturation
    assert [text(asdict(row["latency_ms"])) for row in adds.rows] == [  # type: ignore[arg-type]
        "20.0 (20.0–20.0)",
        "21.5 (21.0–22.0)",
        "1.50 (1.00–2.00)",
        "1.00 (1.00–1.00)",
        "0.80 (0.80–0.80)",
    ]
    assert [row["load"] for row in latency.rows] == ["50%", "80%"]
    assert [text(asdict(row["p95_ms"])) for row in latency.rows] == [  # type: ignore[arg-type]
        "31.5 (30.0–33.0)",
        "50.0 (50.0–50.0)",
    ]
    assert latency.rows[0]["p99_ms"] is None  # 400 requests are too few


# --- wrk ------------------------------------------------------------------------------------------

WRK = """Running 4s test @ http://127.0.0.1:1/correct
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   141.65ms   40.95ms 320.61ms   69.93%
    Req/Sec   226.38     35.24   292.00     67.50%
  904 requests in 4.00s, 344.86KB read
{more}Requests/sec:    225.94
Transfer/sec:     86.20KB
"""


def test_wrks_report_is_read() -> None:
    assert cross_check.read_rate(WRK.format(more="")) == 225.94
    refused = WRK.format(more="  Non-2xx or 3xx responses: 226\n")
    assert cross_check.read_rate(refused) == pytest.approx(225.94 * 0.75)
    errors = WRK.format(more="  Socket errors: connect 0, read 3, write 0, timeout 0\n")
    for bad in (errors, "unable to connect", ""):
        with pytest.raises(ValueError, match="wrk says"):
            cross_check.read_rate(bad)


def test_only_answers_within_the_time_count() -> None:
    def record(done: float | None, status: int = 200) -> LatencyRecord:
        return LatencyRecord(0.0, 0.0, done, done, status, None, "")

    records = [record(1.0), record(2.0), record(2.5), record(1.0, 422), record(None)]
    assert cross_check.rate_within(LoadResult(records, {}, 0.0), 2.0) == 1.0


def test_the_script_posts_each_body_in_turn() -> None:
    body = json.dumps({"sentence": 'He said "no\\yes" in Malmö.'})
    script = cross_check.lua_script([body, "2"])
    assert script.isascii()
    assert "#bodies + 1" in script
    quoted = script.split("{", 1)[1].split("}\n", 1)[0]
    assert json.loads(f"[{quoted}]") == [body, "2"]  # Lua reads these quotes as JSON does


@pytest.mark.live
@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_wrk_agrees_to_be_run() -> None:
    with null_route.bare_uvicorn() as server:
        command = ["wrk", "-t1", "-c2", "-d1s", server.url]
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert cross_check.read_rate(said.stdout) > 0


def test_without_wrk_the_table_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    (table,) = cross_check.measure(QUICK)
    assert "not installed" in table.about
    assert not table.rows


# --- memory ---------------------------------------------------------------------------------------


def test_a_process_and_its_children_are_found() -> None:
    processes = footprint.read_processes("  1 0 10\n 20 1 500\n 21 20 7\n 22 20 300\n23 22 99\n")
    assert footprint.family(processes, 20) == [500, 300, 7]


# --- the command ----------------------------------------------------------------------------------


def test_the_command_measures_prints_and_saves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.main(["--quick", "--only", "scheduler", "guesses", "offline", "--out", str(tmp_path)])
    said = capsys.readouterr().out
    assert said.index("### Offline throughput") < said.index("### Scheduler")
    saved = json.loads((tmp_path / "bench.json").read_text("utf-8"))
    assert list(saved["parts"]) == ["offline", "guesses", "scheduler"]
    (offline_table,) = saved["parts"]["offline"]["tables"]
    assert offline_table["rows"][0]["tokens_per_s"]["median"] > 0
    (guesses_table,) = saved["parts"]["guesses"]["tables"]
    one, eight = guesses_table["rows"]
    assert one["tokens_a_step_and_user"]["median"] > 1 >= eight["tokens_a_step_and_user"]["median"]
    page = (tmp_path / "bench.md").read_text("utf-8")
    assert all(line in page for line in markdown(offline_table).splitlines())


def test_a_quick_run_writes_nothing_unless_told_where(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report, "save", lambda *_, **__: pytest.fail("it writes"))
    engine.main(["--quick", "--only", "scheduler"])
    assert "### Scheduler" in capsys.readouterr().out

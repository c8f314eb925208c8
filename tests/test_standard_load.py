"""The standard load test's own arithmetic and files; what it measures needs a quiet machine."""

import csv
import json
import re
import signal
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from typer.testing import CliRunner

from miniserve.bench import drawing, results, runner, standard
from miniserve.bench.serving import ServeProcess
from miniserve.bench.standard import Baseline, Point, StandardSize
from miniserve.bench.tables import Json
from miniserve.latency import LatencyRecord, load
from miniserve.loadtest import LoadResult, Trace, standard_trace
from miniserve.palette import MODE_COLOURS
from miniserve.paths import STANDARD_LOAD
from miniserve.settings import Mode

FOUND = Baseline(static_capacity_rps=100.0, unloaded_p95_s=0.0525)
CONDITIONS = {
    "started_at": "2026-01-01T00:00:00+00:00",
    "machine": "Linux x86_64, 2 CPUs",
    "python": "3.12.0",
    "timeout_s": 30.0,
    "requests": 400,
    "warmup_s": 0.0,
    "url": "http://127.0.0.1:1/correct",
    "method": "POST",
}


def result(scale: float, *, shed: int = 0, n: int = 400, lag: float = 0.0) -> LoadResult:
    """A run at 100/s whose i-th request took (i mod 100 + 1) · `scale` seconds; some are shed.

    lag: seconds by which the generator was late.
    """
    records = [
        LatencyRecord(
            intended=i / 100,
            sent=i / 100 + lag,
            first_byte=i / 100,
            done=i / 100 + (i % 100 + 1) * scale,
            status=503 if i < shed else 200,
            error=None,
            request_id=str(i),
        )
        for i in range(n)
    ]
    return LoadResult(records, dict(CONDITIONS), 0.0)


def runs() -> dict[Mode, list[LoadResult]]:
    return {
        Mode.SYNC: [result(0.1), result(0.2), result(0.3)],
        Mode.ASYNC: [result(0.01, shed=100)] * 3,
        Mode.STATIC: [result(0.002), result(0.003), result(0.004)],
        Mode.CONTINUOUS: [result(0.001), result(0.001), result(0.001)],
    }


@pytest.fixture
def report(tmp_path: Path) -> Json:
    made = results.standard_report(runs(), FOUND, StandardSize())
    results.save_samples(runs(), tmp_path)
    results.save_report(made, tmp_path)
    return made


# --- the requests ---------------------------------------------------------------------------------


def test_the_saved_load_is_five_traces_of_a_thousand_with_a_mean_gap_of_a_second() -> None:
    trace = Trace.load(STANDARD_LOAD)
    parts = trace.stretches(1000)
    assert len(parts) == 5
    gaps = np.diff(trace.offsets, prepend=0.0)
    assert gaps.mean() == pytest.approx(1.0, abs=0.05)
    assert gaps.std() / gaps.mean() == pytest.approx(1.0, abs=0.05)  # as exponentials have it
    assert all(0.8 < part.offsets[-1] / 1000 < 1.2 for part in parts)


def test_stretches_keep_gaps_and_sentences_and_begin_at_the_gap_before_them() -> None:
    trace = Trace(np.array([1.0, 3.0, 3.5, 7.0, 9.0]), ("a", "b", "c", "d", "e"))
    first, second = trace.stretches(2)
    assert (first.offsets.tolist(), first.sentences) == ([1.0, 3.0], ("a", "b"))
    assert (second.offsets.tolist(), second.sentences) == ([0.5, 4.0], ("c", "d"))


# --- the numbers ----------------------------------------------------------------------------------


def test_the_report_has_medians_and_ranges_over_the_traces(report: Json) -> None:
    assert (report["rate_rps"], report["slo_s"]) == (85.0, 0.105)
    static = report["modes"]["static"]
    assert static["p50_s"] == pytest.approx(0.1515)
    assert static["range"]["p50_s"] == pytest.approx([0.101, 0.202])
    assert len(static["traces"]) == 3
    assert {"p50_s", "p95_s", "p99_s", "goodput_rps"} <= static.keys()
    ratio = report["ratios"]["p95_continuous_over_static"]
    assert ratio["median"] == pytest.approx(1 / 3)
    assert ratio["range"] == pytest.approx([1 / 4, 1 / 2])


def test_refused_requests_stay_in_the_denominators(report: Json, tmp_path: Path) -> None:
    row = report["modes"]["async"]
    assert (row["answered_share"], row["shed"]) == (0.75, 300)
    # Of the 300 that were answered, every tenth took at most 0.105 s.
    assert row["goodput_share"] == pytest.approx(30 / 400)
    curve = results.load_cdf(tmp_path)["async"]
    assert curve[-1][1] == 0.75


def test_a_saved_curve_has_the_smallest_time_within_which_its_share_was_answered(
    tmp_path: Path,
) -> None:
    results.save_samples({Mode.SYNC: [result(0.01, n=100)]}, tmp_path)
    for seconds, share in results.load_cdf(tmp_path)["sync"]:
        whole = max(1, -(-round(1000 * share) // 10))  # of 100, who took 0.01 s, 0.02 s, …
        assert seconds == pytest.approx(0.01 * whole)


def test_a_sweep_adds_the_largest_goodput_of_each_mode(report: Json) -> None:
    points = [
        Point(mode, share, 100 * share, [run, run])
        for mode, (low, high) in {
            Mode.SYNC: (result(0.01), result(0.1)),
            Mode.STATIC: (result(0.004), result(0.01)),
            Mode.CONTINUOUS: (result(0.001), result(0.002)),
        }.items()
        for share, run in ((0.5, low), (1.0, high))
    ]
    results.add_sweep(report, points, FOUND)
    assert len(report["sweep"]) == 6
    best = {mode: row.get("max_goodput_rps") for mode, row in report["modes"].items()}
    assert best["continuous"] == max(
        row["goodput_rps"] for row in report["sweep"] if row["mode"] == "continuous"
    )
    assert best["async"] is None
    ratios = report["ratios"]
    assert ratios["max_goodput_continuous_over_static"] == pytest.approx(
        best["continuous"] / best["static"]
    )
    assert ratios["max_goodput_continuous_over_sync"] > 5


def test_a_rate_at_which_the_generator_was_late_has_not_the_largest_goodput(report: Json) -> None:
    late = result(0.0005, lag=0.03)
    points = [
        Point(Mode.STATIC, share, 100.0, [run]) for share, run in ((1, result(0.002)), (2, late))
    ]
    results.add_sweep(report, points, FOUND)
    kept, left_out = report["sweep"]
    assert [kept["valid"], left_out["valid"]] == [True, False]
    assert report["modes"]["static"]["max_goodput_rps"] == kept["goodput_rps"]
    assert kept["goodput_rps"] < left_out["goodput_rps"]


def test_a_sweep_keeps_no_figure_of_the_one_before(report: Json) -> None:
    def swept(lag: float) -> list[Point]:
        runs = {Mode.SYNC: result(0.01, lag=lag), Mode.CONTINUOUS: result(0.002)}
        return [Point(mode, 1.0, 100.0, [run]) for mode, run in runs.items()]

    results.add_sweep(report, swept(0.0), FOUND)
    assert "max_goodput_continuous_over_sync" in report["ratios"]
    results.add_sweep(report, swept(0.03), FOUND)
    assert "max_goodput_rps" not in report["modes"]["sync"]
    assert "max_goodput_continuous_over_sync" not in report["ratios"]
    assert report["modes"]["continuous"]["max_goodput_rps"] > 0


# --- the files ------------------------------------------------------------------------------------


def test_every_sample_is_kept_and_the_report_can_be_read_again(
    report: Json, tmp_path: Path
) -> None:
    assert json.loads((tmp_path / "standard.json").read_text()) == report
    records, _ = load(tmp_path / "raw" / "static-2.csv")
    assert records == runs()[Mode.STATIC][2].records
    assert len(list((tmp_path / "raw").glob("*.csv"))) == 12
    assert results.baseline_of(report) == FOUND


def test_the_saved_curves_are_those_of_all_traces_together(tmp_path: Path) -> None:
    results.save_samples(runs(), tmp_path)
    with (tmp_path / "cdf.csv").open() as file:
        header, *rows = csv.reader(file)
    assert header == ["share", "sync_s", "async_s", "static_s", "continuous_s"]
    by_share = {row[0]: row[1:] for row in rows}
    assert by_share["0.500"][3] == "0.050000"
    assert by_share["1.000"] == ["30.000000", "", "0.400000", "0.100000"]


def test_the_table_quotes_what_the_report_says(report: Json) -> None:
    text = results.table(report)
    assert "SLO 105 ms" in text
    assert "| mode | p50, ms | p95, ms | p99, ms | valid | answered | within the SLO |" in text
    assert "| continuous | 50.5 (50.5–50.5) | 95.1 (95.1–95.1) | 99.0 (99.0–99.0) |" in text
    assert "| async | " in text
    assert "| 75.0% | 7.5% | " in text
    assert "p95 continuous over static: 0.33" in text


@pytest.mark.parametrize("with_sweep", [False, True])
def test_pictures_are_drawn_and_the_same_data_gives_the_same_bytes(
    report: Json, tmp_path: Path, with_sweep: bool
) -> None:
    if with_sweep:
        points = [Point(mode, 0.5, 50.0, found) for mode, found in runs().items()]
        results.add_sweep(report, points, FOUND)
    drawing.draw(report, tmp_path)
    names = ["cdf.svg", "sweep.svg"] if with_sweep else ["cdf.svg"]
    before = [(tmp_path / name).read_bytes() for name in names]
    for image in before:
        ElementTree.fromstring(image)
        assert b"continuous" in image
    assert (tmp_path / "sweep.svg").exists() is with_sweep
    drawing.draw(report, tmp_path)
    assert [(tmp_path / name).read_bytes() for name in names] == before


def test_the_page_holds_its_data_and_loads_nothing(report: Json, tmp_path: Path) -> None:
    drawing.draw(report, tmp_path)
    page = (tmp_path / "standard.html").read_text(encoding="utf-8")
    found = re.search(r"^const data = (.*);$", page, re.MULTILINE)
    assert found
    data = json.loads(found[1])
    assert list(data["curves"]) == ["sync", "async", "static", "continuous"]
    assert data["colours"] == MODE_COLOURS
    assert data["curves"]["continuous"][-1] == [100.0, 1.0]
    assert "{{" not in page
    assert not re.search(r"(src|href)=|https?://(?!www\.w3\.org/2000/svg)", page)


# --- the run --------------------------------------------------------------------------------------


class FakeServers:
    """In place of servers: what was asked of which mode, and a result for it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[Mode, str, int]] = []
        self.servers = {mode: ServeProcess(mode) for mode in Mode}
        for mode, server in self.servers.items():
            server.url = f"http://{mode}"
        monkeypatch.setattr(standard, "run_open_loop", self.open_loop)
        monkeypatch.setattr(standard, "run_closed_loop", self.closed_loop)

    async def open_loop(self, url: str, trace: Trace, *, run_id: str, **_: object) -> LoadResult:
        mode = Mode(url.removeprefix("http://"))
        self.asked.append((mode, run_id, len(trace.sentences)))
        hopeless = mode in (Mode.SYNC, Mode.ASYNC) and "sweep" in run_id
        return result(1.0 if hopeless else 0.001)

    async def closed_loop(
        self, url: str, sentences: Sequence[str], users: int, *, n: int
    ) -> LoadResult:
        return result(0.001, n=n)


TRACES = [standard_trace(seed, 40, sentences=["She goed."]) for seed in range(3)]


def test_each_trace_goes_to_each_mode_in_a_rotating_order(monkeypatch: pytest.MonkeyPatch) -> None:
    fakes = FakeServers(monkeypatch)
    got = standard.replay(fakes.servers, StandardSize(), TRACES, FOUND, lambda text: None)
    order = [mode for mode, _, _ in fakes.asked]
    modes = list(Mode)
    assert order == modes + modes[1:] + modes[:1] + modes[2:] + modes[:2]
    assert {mode: len(runs) for mode, runs in got.items()} == dict.fromkeys(Mode, 3)
    assert got[Mode.STATIC][1].conditions["rate"] == 85.0


def test_sigterm_means_what_it_meant_when_the_servers_are_gone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with standard.serving(StandardSize(), modes=()):
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_sweep_leaves_a_mode_alone_that_is_beyond_hope(monkeypatch: pytest.MonkeyPatch) -> None:
    fakes = FakeServers(monkeypatch)
    size = StandardSize(sweep=(0.5, 1.0), sweep_requests=(10, 40), sweep_s=0.3, sweep_traces=2)
    points = standard.sweep(fakes.servers, size, TRACES, FOUND, lambda text: None)
    assert [(point.mode, point.share) for point in points] == [
        *((mode, 0.5) for mode in Mode),
        (Mode.STATIC, 1.0),
        (Mode.CONTINUOUS, 1.0),
    ]
    assert [n for _, _, n in fakes.asked] == [15] * 8 + [30] * 4
    assert [mode for mode, _, _ in fakes.asked] == [*Mode, *Mode] + [
        Mode.STATIC,
        Mode.CONTINUOUS,
    ] * 2
    assert all(len(point.results) == 2 for point in points)


def test_calibration_takes_static_throughput_and_twice_the_lone_p95(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fakes = FakeServers(monkeypatch)
    found = standard.measure_baseline(fakes.servers, StandardSize(), ["a"], lambda text: None)
    flood = result(0.001, n=StandardSize().capacity_requests).summary()
    assert found.static_capacity_rps == flood.throughput_rps
    assert found.slo_s == 2 * result(0.001, n=250).summary().p95.value


@pytest.mark.parametrize(
    "option", ["--url=http://127.0.0.1:9", "--rate=3", "--save=x", "--slo=0.1", "--max-in-flight=9"]
)
def test_what_the_standard_load_chooses_itself_is_refused(tmp_path: Path, option: str) -> None:
    from miniserve.cli import app

    for which in ("--standard", "--sweep"):
        answer = CliRunner().invoke(app, ["bench", which, option, "--out", str(tmp_path)])
        assert answer.exit_code == 2
        assert f"{option.split('=', maxsplit=1)[0]} has no meaning" in answer.stderr


def test_a_sweep_alone_needs_a_report(tmp_path: Path) -> None:
    from miniserve.cli import app

    answer = CliRunner().invoke(app, ["bench", "--sweep", "--out", str(tmp_path)])
    assert answer.exit_code == 2
    assert "there is no standard.json" in answer.output


def test_a_sweep_alone_needs_a_report_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "standard.json").write_text('{"machine": {"processor": "another"}}')
    with pytest.raises(ValueError, match="another machine"):
        runner.run_standard(StandardSize(), out=tmp_path, with_replay=False, with_sweep=True)


def test_a_mode_that_answered_nobody_has_an_empty_curve(tmp_path: Path) -> None:
    nobody = result(0.1, shed=3, n=3)
    results.save_samples({Mode.SYNC: [nobody], Mode.STATIC: [result(0.5, n=3)]}, tmp_path)
    with (tmp_path / "cdf.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["sync_s"] for row in rows} == {""}
    assert {row["static_s"] for row in rows} == {"0.500000", "1.000000", "1.500000"}


def test_a_trace_that_is_too_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "short.jsonl"
    standard_trace(0, 5, sentences=["She goed."]).save(path)
    with pytest.raises(ValueError, match="fewer than 5 × 2"):
        runner.run_standard(StandardSize(requests=2), out=tmp_path, trace=path)

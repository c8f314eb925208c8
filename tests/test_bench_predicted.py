"""A server keeps its record, and predictions are held beside what was measured."""

from __future__ import annotations

import asyncio

import httpx
import numpy as np
import pytest

from miniserve.bench import predicted
from miniserve.bench.predicted import Trial, measure, predict, record
from miniserve.bench.recorded import (
    RecordedServe,
    RecordingClient,
    from_json,
    recorded_app,
    to_json,
)
from miniserve.bench.size import QUICK, Size
from miniserve.latency import LatencyRecord
from miniserve.loadtest import LoadResult, Trace
from miniserve.settings import Mode, Settings
from miniserve.simulator import Policy
from miniserve.simulator.calibration import Generation, Recording, Run
from miniserve.simulator.prediction import Prediction
from miniserve.trace import StepEntry, StepRecord
from tests.fakes import TIMING, FakeClient, running

# ---- the server --------------------------------------------------------------------------------

STEPS = [
    StepRecord(
        7, 1.25, 0.001, (StepEntry("a", 0, "prefill", 9), StepEntry("b", 1, "decode", 1)), 2, 3
    )
]


def test_a_recording_survives_the_wire() -> None:
    recording = Recording([Generation("a", 1 / 3, 9, 31, 0.1, 0.2, 0.3)], STEPS)
    assert from_json(to_json(recording)) == recording
    assert from_json(to_json(recording)).steps[0].entries[1].kind == "decode"


def test_the_whole_service_notes_what_the_engine_was_asked() -> None:
    async def run() -> list[Recording]:
        app = recorded_app(Settings(), lambda _: FakeClient())
        taken = []
        async with running(app) as client:
            await client.get("/recorded")  # the warm-up
            for number in range(2):
                await client.post(
                    "/correct",
                    json={"sentence": "He goed to school."},
                    headers={"x-request-id": f"run-{number}"},
                )
            for _ in range(2):
                taken.append(from_json((await client.get("/recorded")).text))
        return taken

    first, second = asyncio.run(run())
    assert [one.request_id for one in first.generations] == ["run-0", "run-1"]
    one, other = first.generations
    assert one.arrival < other.arrival
    assert (one.prompt, one.output, one.queue_s) == (9, 31, TIMING.queue_s)
    assert one.start == one.arrival + TIMING.queue_s
    assert one.took == pytest.approx(TIMING.prefill_s + TIMING.decode_s)
    assert second == Recording([], [])


def test_a_generation_that_fails_is_not_noted() -> None:
    async def run() -> RecordingClient:
        inner = FakeClient()
        inner.error = RuntimeError("no")
        client = RecordingClient(inner)
        await client.start()
        with pytest.raises(RuntimeError, match="no"):
            await client.generate("x", max_tokens=1, request_id="x")
        assert client.status() == inner.state
        await client.stop()
        assert (inner.started, inner.stopped) == (1, 1)
        return client

    assert asyncio.run(run()).recording == Recording([], [])


def test_a_recorded_server_is_the_whole_server_and_tells_its_steps() -> None:
    with RecordedServe(Mode.CONTINUOUS) as server:
        server.take()
        answer = httpx.post(
            f"{server.url}/correct",
            json={"sentence": "He goed to school."},
            headers={"x-request-id": "one"},
            timeout=60,
            trust_env=False,
        )
        assert answer.status_code == 200
        recording = server.take()
    (one,) = recording.generations
    assert one.request_id == "one"
    # A step for each token of the answer; the last ones may still be on their way.
    assert 0 < len(recording.steps) <= one.output
    assert recording.steps[0].num_tokens == one.prompt
    # Both clocks are the same.
    assert one.arrival <= recording.steps[0].start <= one.start + one.took


# ---- the stretches -----------------------------------------------------------------------------


def test_a_stretch_has_a_clock_of_its_own() -> None:
    trace = Trace(np.array([0.5, 1.0, 3.0, 3.5]), ("a", "b", "c", "d"))
    assert trace.cut(0, 2).offsets.tolist() == [0.5, 1.0]
    part = trace.cut(2, 2)
    assert part.offsets.tolist() == [2.0, 2.5]
    assert part.sentences == ("c", "d")


def test_a_prediction_has_as_many_requests_as_its_time_holds() -> None:
    size = Size(predicted_s=6.0, predicted_requests=(200, 1000))
    assert [size.predicted_count(rate) for rate in (5.0, 100.0, 300.0)] == [200, 600, 1000]
    assert QUICK.predicted_count(100.0) < 60


def served(took: float, outside_s: float, n: int = 40) -> Run:
    """Requests far apart, each `took` seconds in the engine."""
    records, made = [], []
    for i in range(n):
        records.append(
            LatencyRecord(float(i), float(i), None, i + took + outside_s, 200, None, str(i))
        )
        made.append(Generation(str(i), float(i), 10, 20, 0.0, 0.0, took))
    return Run(LoadResult(records, {"warmup_s": 0.0}, 0.0), Recording(made, []))


def test_a_trial_is_predicted_from_its_own_calibration() -> None:
    quick = Trial(0.5, served(0.025, 0.001), [served(0.010, 0.001), served(0.020, 0.001)])
    slow = Trial(0.5, served(0.5, 0.001), [served(0.6, 0.001), served(0.6, 0.001)])
    said = predict(Policy(Mode.ASYNC), [quick])
    assert said.requests == 40
    assert said.measured_p50 == pytest.approx(0.026)
    assert 0.0105 < said.predicted_p50 < 0.0215
    assert said.predicted_p95 < 0.0215
    both = predict(Policy(Mode.ASYNC), [quick, slow])
    assert both.requests == 80
    assert both.measured_p95 == pytest.approx(0.501)
    assert both.predicted_p95 == pytest.approx(0.601)


class FakeServer:
    """Answers a stretch at once, and notes it; asked for a capacity, it says 100 requests/s."""

    url = "http://nowhere"

    def __init__(self, mode: Mode, **settings: object) -> None:
        self.rates: list[float] = []
        self.sentences: list[str] = []

    def __enter__(self) -> FakeServer:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def take(self) -> Recording:
        return Recording([], [])

    async def closed(self, url: str, sentences: object, users: int, **_: object) -> LoadResult:
        records = [
            LatencyRecord(i / 100, i / 100, None, (i + 1) / 100, 200, None, str(i))
            for i in range(200)
        ]
        return LoadResult(records, {"warmup_s": 0.0}, 0.0)

    async def open(self, url: str, trace: Trace, **_: object) -> LoadResult:
        self.rates.append((len(trace.sentences) - 1) / float(trace.offsets[-1] - trace.offsets[0]))
        self.sentences += trace.sentences
        return LoadResult([], {"warmup_s": 0.0}, 0.0)


def test_each_load_lies_between_two_of_its_calibration(monkeypatch: pytest.MonkeyPatch) -> None:
    server = FakeServer(Mode.ASYNC)
    monkeypatch.setattr(predicted, "RecordedServe", lambda *_, **__: server)
    monkeypatch.setattr(predicted, "run_closed_loop", server.closed)
    monkeypatch.setattr(predicted, "run_open_loop", server.open)
    even = Trace(np.arange(1.0, 151.0), tuple(str(i) for i in range(150)))
    monkeypatch.setattr(Trace, "load", lambda _: even)
    size = Size(shares=(0.5, 0.8), predicted_rounds=2, predicted_requests=(90, 90))
    capacity, trials = record(Policy(Mode.ASYNC), size)
    assert capacity == pytest.approx(100.0)
    assert [trial.share for trial in trials] == [0.5, 0.8, 0.5, 0.8]
    assert server.rates == pytest.approx([45.0, 50.0, 55.0, 72.0, 80.0, 88.0] * 2)
    # 15 + 45 + 15 requests for each trial, none twice before the trace is at its end.
    assert server.sentences == [str(i) for i in range(150)] * 2


def test_the_table_has_a_row_for_each_mode_and_load(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def recorded(policy: Policy, size: Size) -> tuple[float, list[Trial]]:
        calls.append(policy)
        return 100.0, []

    def said(policy: Policy, trials: list[Trial]) -> Prediction:
        return Prediction(policy, 400, 0.010, 0.011, 0.020, 0.018)

    monkeypatch.setattr(predicted, "record", recorded)
    monkeypatch.setattr(predicted, "predict", said)
    (table,) = measure(Size(shares=(0.5, 0.8)))
    assert [policy.mode for policy in calls] == list(Mode)
    assert [policy.slots for policy in calls] == [1, 1, 16, 16]
    assert [(row["mode"], row["load"]) for row in table.rows] == [
        (mode.value, load) for mode in Mode for load in ("50%", "80%")
    ]
    first = table.rows[0]
    assert (first["offered_per_s"], first["requests"]) == (50.0, "400")
    assert (first["error_of_p50"], first["error_of_p95"]) == ("+10%", "-10%")
    assert (first["measured_p95_ms"], first["predicted_p95_ms"]) == (20.0, 18.0)

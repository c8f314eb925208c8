import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniserve.latency import (
    DROPPED,
    MIN_BEYOND,
    LatencyRecord,
    cdf,
    latencies,
    load,
    percentile,
    save,
    summary,
)

seconds = st.floats(min_value=0.0, max_value=1e6, allow_nan=False)
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


def record(
    intended: float = 0.0,
    took: float | None = 0.1,
    status: int = 200,
    error: str | None = None,
    lag: float = 0.0,
) -> LatencyRecord:
    done = None if took is None else intended + took
    return LatencyRecord(intended, intended + lag, done, done, status, error, f"r-{intended}")


@st.composite
def any_record(draw: st.DrawFn) -> LatencyRecord:
    stamps = sorted(draw(st.lists(seconds, min_size=4, max_size=4)))
    return LatencyRecord(
        intended=stamps[0],
        sent=stamps[1],
        first_byte=draw(st.sampled_from([stamps[2], None])),
        done=draw(st.sampled_from([stamps[3], None])),
        status=draw(st.sampled_from([0, 200, 204, 302, 422, 429, 500, 503])),
        error=draw(st.none() | st.just(DROPPED) | texts),
        request_id=draw(texts),
    )


def test_a_record_tells_its_latency_from_its_service_time_and_its_lag() -> None:
    one = LatencyRecord(1.0, 1.25, 2.0, 3.0, 200, None, "a")
    assert (one.latency, one.service, one.lag, one.ok) == (2.0, 1.75, 0.25, True)


def test_a_request_that_never_ended_takes_for_ever() -> None:
    one = record(took=None, status=0, error="timeout")
    assert math.isinf(one.latency)
    assert math.isinf(one.service)
    assert not one.ok


@pytest.mark.parametrize(
    ("status", "error", "ok", "shed"),
    [
        (200, None, True, False),
        (204, None, True, False),
        (302, None, False, False),
        (429, None, False, True),
        (503, None, False, True),
        (500, None, False, False),
        (200, "ReadError", False, False),
        (503, "timeout", False, False),
    ],
)
def test_only_a_whole_answer_is_an_answer(
    status: int, error: str | None, ok: bool, shed: bool
) -> None:
    one = record(status=status, error=error)
    assert (one.ok, one.shed) == (ok, shed)


@given(st.lists(seconds, min_size=1, max_size=200), st.floats(0.0, 1.0))
def test_percentiles_agree_with_numpy(values: list[float], q: float) -> None:
    result = percentile(values, q)
    assert result.value == float(np.quantile(values, q))
    assert (result.n, result.q) == (len(values), q)


@given(st.integers(1, 2000), st.floats(0.0, 1.0))
def test_a_percentile_counts_the_samples_that_lie_beyond_it(n: int, q: float) -> None:
    values = np.arange(n, dtype=np.float64)
    result = percentile(values, q)
    assert abs(result.beyond - np.count_nonzero(values > result.value)) <= 1
    assert abs(result.beyond - n * (1 - q)) <= 1


def test_ties_do_not_make_a_percentile_less_certain() -> None:
    assert percentile([1.0] * 1000, 0.95).beyond == 50


def test_a_percentile_is_quotable_with_enough_samples_beyond_it() -> None:
    few, enough = percentile(np.zeros(800), 0.99), percentile(np.zeros(1000), 0.99)
    assert few.beyond < MIN_BEYOND <= enough.beyond
    assert (few.quotable, enough.quotable) == (False, True)


def test_no_samples_make_no_percentile() -> None:
    nothing = percentile([], 0.5)
    assert math.isnan(nothing.value)
    assert (nothing.n, nothing.beyond, nothing.quotable) == (0, 0, False)


@pytest.mark.parametrize(("values", "q"), [([1.0], 1.5), ([1.0], -0.1), ([math.inf], 0.5)])
def test_a_percentile_of_nonsense_is_refused(values: list[float], q: float) -> None:
    with pytest.raises(ValueError, match=r"."):
        percentile(values, q)


@given(st.lists(seconds, min_size=1, max_size=100))
def test_a_cdf_is_the_share_of_values_up_to_x(values: list[float]) -> None:
    x, share = cdf(values)
    data = np.array(values)
    assert (np.diff(x) >= 0).all()
    assert share[-1] == 1.0
    for at in set(values):
        assert share[x <= at].max() == pytest.approx(np.mean(data <= at))


def test_a_cdf_over_all_that_was_offered_levels_off_below_one() -> None:
    x, share = cdf([3.0, 1.0], offered=4)
    assert x.tolist() == [1.0, 3.0]
    assert share.tolist() == [0.25, 0.5]
    assert cdf([])[0].size == 0
    with pytest.raises(ValueError, match="3 values"):
        cdf([1.0, 2.0, 3.0], offered=2)


def test_a_summary_counts_every_outcome_once() -> None:
    records = [
        record(0.0),
        record(1.0, took=0.3),
        record(2.0, status=503),
        record(3.0, status=429),
        record(4.0, status=500),
        record(5.0, took=None, status=0, error="timeout"),
        record(6.0, took=None, status=0, error=DROPPED),
    ]
    result = summary(records)
    assert (result.offered, result.answered, result.shed, result.failed) == (7, 2, 2, 3)
    assert result.errors == {
        "HTTP 503": 1,
        "HTTP 429": 1,
        "HTTP 500": 1,
        "timeout": 1,
        DROPPED: 1,
    }
    assert result.p50.n == 2
    assert result.p50.value == pytest.approx(0.2)
    assert result.goodput_rps is None


def test_quick_refusals_do_not_improve_the_percentiles() -> None:
    slow = [record(float(i), took=2.0) for i in range(5)]
    refused = [record(float(i), took=0.001, status=503) for i in range(5, 10)]
    assert summary(slow + refused).p50.value == summary(slow).p50.value == 2.0


def test_failures_stay_in_the_denominator_of_goodput() -> None:
    good = [record(float(i), took=0.1) for i in range(6)]
    late = [record(float(i), took=0.9) for i in range(6, 8)]
    lost = [record(float(i), took=None, status=0, error="timeout") for i in range(8, 11)]
    result = summary(good + late + lost, slo_s=0.5)
    assert result.duration_s == 10.0
    assert result.goodput_share == pytest.approx(6 / 11)
    assert result.goodput_rps == pytest.approx(0.6)
    assert result.throughput_rps == pytest.approx(0.8)


def test_duration_lasts_until_the_last_answer() -> None:
    assert summary([record(1.0), record(2.0, took=5.0)]).duration_s == 6.0


def test_a_run_on_schedule_is_valid() -> None:
    result = summary([record(i / 10, lag=0.001) for i in range(100)])
    assert (result.valid, result.reason) == (True, "")
    assert result.offered_rps == pytest.approx(10.0)
    assert result.achieved_rps == pytest.approx(10.0)
    assert result.lag_p99_s == pytest.approx(0.001)


def test_a_late_generator_spoils_its_run_and_says_so() -> None:
    records = [record(i / 10, lag=0.2) for i in range(100)]
    result = summary(records)
    assert not result.valid
    assert "lag p99 200 ms, limit 25 ms" in result.reason
    assert "requests per second" not in result.reason  # it was late, but it sent them all
    assert summary([record(i / 10, lag=0.02) for i in range(100)]).valid


def test_a_generator_that_cannot_keep_the_rate_spoils_its_run_and_says_so() -> None:
    behind = [record(i / 100, took=9.0, lag=i / 100) for i in range(100)]
    result = summary(behind)
    assert not result.valid
    assert result.achieved_rps == pytest.approx(50.0)
    assert "it sent 50.0 of 100.0 requests per second (0 dropped), limit 95%" in result.reason


@pytest.mark.parametrize("kept", [range(0), range(1), range(80), range(20, 100), range(0, 100, 2)])
def test_what_the_generator_drops_spoils_its_run(kept: range) -> None:
    def one(i: int) -> LatencyRecord:
        return record(i / 10) if i in kept else record(i / 10, None, status=0, error=DROPPED)

    result = summary([one(i) for i in range(100)])
    assert result.failed == 100 - len(kept)
    assert result.achieved_rps == pytest.approx(10.0 * len(kept) / 100)
    assert f"({100 - len(kept)} dropped)" in result.reason
    assert not result.valid


def test_a_burst_of_which_much_is_dropped_is_no_valid_run() -> None:
    dropped = [record(0.0, None, status=0, error=DROPPED)] * 10
    assert summary([record(0.0)] * 100).valid
    assert "10 of 110 requests were dropped" in summary([record(0.0)] * 100 + dropped).reason


def test_nothing_at_all_can_be_summed_up_and_is_no_valid_run() -> None:
    result = summary([], slo_s=1.0)
    assert (result.offered, result.answered, result.valid) == (0, 0, False)
    assert result.reason == "no request was measured"
    assert json.loads(json.dumps(result.as_dict(), allow_nan=False))["p95_s"] is None


@given(st.lists(any_record(), max_size=30), seconds)
def test_whatever_happened_a_summary_adds_up_and_fits_into_json(
    records: list[LatencyRecord], slo_s: float
) -> None:
    result = summary(records, slo_s)
    assert result.offered == len(records) == result.answered + result.shed + result.failed
    assert sum(result.errors.values()) == result.shed + result.failed
    assert result.answered == latencies(records).size
    if records:
        assert result.goodput_share is not None
        assert result.goodput_share <= result.answered / result.offered
    row = json.loads(json.dumps(result.as_dict(), allow_nan=False))
    assert row["p95"]["n"] == result.answered
    assert row["p95"]["value"] == row["p95_s"]


@given(records=st.lists(any_record(), max_size=20))
def test_records_come_back_from_disk_to_the_last_bit(
    records: list[LatencyRecord], tmp_path_factory: pytest.TempPathFactory
) -> None:
    conditions = {"rate": 0.1, "seed": 7, "note": "größer", "nested": {"a": [1, None]}}
    path = tmp_path_factory.mktemp("run") / "run"
    save(records, conditions, path)
    assert load(path) == (records, conditions)


def test_the_conditions_lie_beside_the_samples(tmp_path: Path) -> None:
    table, notes = save([record()], {"seed": 1}, tmp_path / "load_8.5.csv")
    assert (table.name, notes.name) == ("load_8.5.csv", "load_8.5.json")
    other, _ = save([record()], {"seed": 1}, tmp_path / "load_8.5")
    assert other == table
    assert table.read_text().splitlines()[0].startswith('"intended","sent","first_byte"')
    assert json.loads(notes.read_text()) == {"seed": 1}


def test_another_table_is_not_taken_for_a_run(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="columns"):
        load(tmp_path / "x.csv")

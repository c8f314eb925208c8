import math
from fractions import Fraction
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniserve.latency import LatencyRecord
from miniserve.queueing import (
    Lengths,
    UnstableQueue,
    capacity_continuous,
    capacity_static,
    continuous_gain,
    erlang_c,
    harmonic,
    inoue_bound,
    intervals_of,
    littles_law,
    mg1_wait,
    mm1_sojourn,
    mm1_sojourn_quantile,
    mm1_wait,
    running_intervals,
    tail_at_scale,
    universal_scalability,
    utilisation,
)
from miniserve.trace import StepEntry, StepRecord
from tests.queueing_oracles import batch_service_mean, mmc_wait

# ---- single queues -----------------------------------------------------------------------------


def test_pollaczek_khinchine_contains_the_others() -> None:
    rate, service = 8.0, 0.1
    assert mg1_wait(rate, service, 2 * service**2) == mm1_wait(rate, service)
    constant = mg1_wait(rate, service, service**2)
    assert constant == pytest.approx(mm1_wait(rate, service) / 2)
    assert mm1_wait(rate, service) + service == pytest.approx(mm1_sojourn(rate, service))
    assert mm1_sojourn(rate, service) == pytest.approx(1 / (10 - 8))


def test_p99_of_mm1_is_ln_100_over_the_spare_rate() -> None:
    assert mm1_sojourn_quantile(8.0, 0.1, 0.99) == pytest.approx(math.log(100) / 2)
    assert mm1_sojourn_quantile(8.0, 0.1, 0.0) == 0.0


def birth_death(rate: float, service: float, servers: int, states: int = 4000) -> list[float]:
    """The stationary distribution of M/M/c from its balance equations, by summing the chain."""
    weights = [1.0]
    for n in range(1, states):
        weights.append(weights[-1] * rate * service / min(n, servers))
    total = math.fsum(weights)
    return [w / total for w in weights]


@pytest.mark.parametrize(("load", "servers"), [(0.3, 1), (0.8, 2), (0.9, 7), (0.95, 40)])
def test_erlang_c_against_the_balance_equations(load: float, servers: int) -> None:
    service = 0.25
    rate = load * servers / service
    chain = birth_death(rate, service, servers)
    assert erlang_c(rate, service, servers) == pytest.approx(sum(chain[servers:]))
    waiting = math.fsum((n - servers) * p for n, p in enumerate(chain) if n > servers)
    assert mmc_wait(rate, service, servers) == pytest.approx(waiting / rate)


def test_one_server_of_mmc_is_mm1() -> None:
    assert mmc_wait(8.0, 0.1, 1) == pytest.approx(mm1_wait(8.0, 0.1))
    assert erlang_c(8.0, 0.1, 1) == pytest.approx(0.8)


def test_many_servers_do_not_overflow() -> None:
    assert 0.0 < erlang_c(990.0, 1.0, 1000) < 1.0


@pytest.mark.parametrize(
    "call",
    [
        lambda: mm1_wait(10.0, 0.1),
        lambda: mm1_sojourn(11.0, 0.1),
        lambda: mg1_wait(10.0, 0.1, 0.02),
        lambda: erlang_c(40.0, 0.1, 4),
        lambda: mm1_sojourn_quantile(10.0, 0.1, 0.5),
        lambda: inoue_bound(10.0, 0.1, 0.5),
    ],
)
def test_an_unstable_queue_says_so(call: object) -> None:
    assert callable(call)
    with pytest.raises(UnstableQueue, match="grows without end"):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: mm1_wait(-1.0, 0.1),
        lambda: mm1_wait(math.nan, 0.1),
        lambda: utilisation(1.0, 0.0),
        lambda: mg1_wait(1.0, 0.1, 0.001),
        lambda: mm1_sojourn_quantile(1.0, 0.1, 1.0),
        lambda: mm1_sojourn_quantile(1.0, 0.1, -0.1),
        lambda: erlang_c(1.0, 0.1, 0),
        lambda: harmonic(0),
        lambda: universal_scalability(2, 1.5, 0.0),
        lambda: universal_scalability(2, 0.1, -1.0),
        lambda: tail_at_scale(1.2, 10),
        lambda: tail_at_scale(0.1, 0),
        lambda: inoue_bound(1.0, 0.1, -1.0),
        lambda: capacity_static(0, 10.0, 0.1),
    ],
)
def test_outside_the_domain_is_an_error(call: object) -> None:
    assert callable(call)
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - any message
        call()
    assert not isinstance(caught.value, UnstableQueue)


def test_scaling_law_peaks_where_it_says() -> None:
    assert universal_scalability(1, 0.1, 0.01) == 1.0
    assert universal_scalability(64, 0.0, 0.0) == 64.0
    peak = math.sqrt((1 - 0.1) / 0.01)
    best = max(np.linspace(1, 40, 4000), key=lambda n: universal_scalability(n, 0.1, 0.01))
    assert best == pytest.approx(peak, abs=0.02)


def test_the_tail_at_scale() -> None:
    assert tail_at_scale(0.01, 100) == pytest.approx(0.634, abs=5e-4)
    assert tail_at_scale(0.01, 1) == pytest.approx(0.01)


# ---- lengths and batches -----------------------------------------------------------------------

SMALL = Lengths({(3, 2): 1, (4, 5): 2, (3, 9): 3})


@pytest.mark.parametrize("batch", [1, 2, 3, 4])
def test_longest_of_a_batch_against_every_batch_there_is(batch: int) -> None:
    outputs = [n for (_, n), k in SMALL.counts.items() for _ in range(k)]
    every = [max(members) for members in product(outputs, repeat=batch)]
    assert SMALL.expected_max(batch) == pytest.approx(float(Fraction(sum(every), len(every))))


def test_moments_and_quantiles() -> None:
    assert SMALL.mean_prompt == pytest.approx((3 + 8 + 9) / 6)
    assert SMALL.mean_output == pytest.approx((2 + 10 + 27) / 6)
    square = (4 + 50 + 243) / 6
    assert SMALL.output_variation == pytest.approx(square / SMALL.mean_output**2 - 1)
    quantiles = {0.0: 2, 1 / 6: 2, 0.4: 5, 0.5: 5, 0.6: 9, 1.0: 9}
    assert {q: SMALL.output_quantile(q) for q in quantiles} == quantiles


def test_a_quantile_at_a_step_is_the_step_and_not_the_next_one() -> None:
    hundred = Lengths({(1, n): 1 for n in range(1, 101)})
    assert [hundred.output_quantile(n / 100) for n in range(1, 101)] == list(range(1, 101))


def test_sampling_is_seeded_and_follows_the_counts() -> None:
    n = 60_000
    drawn = SMALL.sample(np.random.default_rng(1), n)
    assert drawn == SMALL.sample(np.random.default_rng(1), n)
    for pair, count in SMALL.counts.items():
        share = count / SMALL.total
        error = math.sqrt(share * (1 - share) / n)
        assert drawn.count(pair) / n == pytest.approx(share, abs=5 * error)


def test_lengths_survive_a_file(tmp_path: Path) -> None:
    SMALL.save(tmp_path / "lengths.json", "a note")
    assert Lengths.load(tmp_path / "lengths.json").counts == SMALL.counts


def test_pairs_that_stand_twice_are_added_up(tmp_path: Path) -> None:
    path = tmp_path / "lengths.json"
    path.write_text('{"rows": [[13, 20, 5], [13, 20, 7]]}')
    assert Lengths.load(path).counts == {(13, 20): 12}


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"rows": 3}', '{"rows": [[1, 2]]}', '{"rows": [[1, 2, 1.9]]}', '{"rows": []}'],
)
def test_another_file_is_not_lengths(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="does not hold lengths"):
        Lengths.load(path)


@pytest.mark.parametrize("counts", [{}, {(1, 0): 1}, {(0, 1): 1}, {(1, 1): 0}])
def test_empty_lengths_are_an_error(counts: dict[tuple[int, int], int]) -> None:
    with pytest.raises(ValueError, match="at least"):
        Lengths(counts)


@pytest.mark.parametrize("batch", [8, 32])
def test_gain_for_exponential_lengths_is_the_harmonic_number(batch: int) -> None:
    # Geometric lengths in whole tokens come to the exponential as the mean grows.
    gains = [continuous_gain(Lengths.geometric(1, mean), batch) for mean in (20.0, 200.0, 2000.0)]
    errors = [abs(gain - harmonic(batch)) for gain in gains]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.002 * harmonic(batch)


def test_harmonic_numbers() -> None:
    assert harmonic(8) == pytest.approx(2.718, abs=5e-4)
    assert harmonic(32) == pytest.approx(4.058, abs=5e-4)
    # The same by inclusion and exclusion over which of the B is the largest.
    assert harmonic(8) == pytest.approx(
        sum((-1) ** (k + 1) * math.comb(8, k) / k for k in range(1, 9))
    )


@given(st.integers(1, 100), st.integers(1, 60), st.integers(1, 64))
def test_gain_for_uniform_lengths_stays_below_two(low: int, spread: int, batch: int) -> None:
    gain = continuous_gain(Lengths.uniform(5, low, low + spread), batch)
    assert gain + 1e-12 >= 1.0
    assert gain < 2.0


def test_capacities_differ_by_the_gain() -> None:
    step = 0.004
    static = capacity_static(16, SMALL.expected_max(16), step)
    continuous = capacity_continuous(16, SMALL.mean_output, step)
    assert continuous / static == pytest.approx(continuous_gain(SMALL, 16))
    assert static == pytest.approx(16 / (SMALL.expected_max(16) * step))
    assert capacity_static(16, 9.0, step, 0.001) == pytest.approx(16 / (9 * step + 16 * 0.001))


@pytest.mark.parametrize("load", [0.05, 0.3, 0.5, 0.7, 0.8])
def test_inoue_bound_lies_above_the_exact_mean_and_close_to_it(load: float) -> None:
    alpha, fixed = 0.1438, 1.8874  # milliseconds: the paper's fit to a Tesla V100
    exact = batch_service_mean(load / alpha, alpha, fixed)
    bound = inoue_bound(load / alpha, alpha, fixed)
    assert exact <= bound * (1 + 1e-9)
    assert bound < exact * (1.35 if load < 0.3 else 1.005)


def test_inoue_bound_of_lone_requests_is_md1() -> None:
    # Without a fixed cost batching changes nothing in light traffic: both come to α.
    assert inoue_bound(1e-6, 0.1, 0.0) == pytest.approx(0.1 + mg1_wait(1e-6, 0.1, 0.1**2))


# ---- Little's law ------------------------------------------------------------------------------

stays = st.lists(
    st.tuples(st.floats(0, 100), st.floats(0, 20)).map(lambda pair: (pair[0], pair[0] + pair[1])),
    min_size=1,
    max_size=40,
)


@given(stays, st.floats(-5, 90), st.floats(0.5, 60))
def test_the_law_with_both_ends_is_an_identity(
    intervals: list[tuple[float, float]], start: float, length: float
) -> None:
    little = littles_law(intervals, start, start + length)
    assert pytest.approx(little.product + little.correction, abs=1e-9) == little.L


@given(stays)
def test_a_window_that_is_empty_at_both_ends_needs_no_correction(
    intervals: list[tuple[float, float]],
) -> None:
    intervals.append((0.0, 130.0))  # so that the window is never of no length
    little = littles_law(intervals)
    assert little.correction == 0.0
    assert pytest.approx(little.product) == little.L
    assert little.arrivals == len(intervals)


def test_number_inside_is_integrated_not_inferred() -> None:
    little = littles_law([(0.0, 2.0), (1.0, 3.0), (1.0, 2.0)], 0.0, 4.0)
    assert pytest.approx((1 * 1 + 3 * 1 + 1 * 1) / 4) == little.L
    assert [little.rate, little.W] == pytest.approx([3 / 4, 5 / 3])


def test_what_is_cut_off_is_said() -> None:
    little = littles_law([(-3.0, 1.0), (2.0, 7.0), (3.0, math.inf)], 0.0, 4.0)
    assert (little.carried_in_s, little.carried_out_s) == (1.0, 3.0)
    assert little.unfinished == 1
    assert little.arrivals == 2
    assert pytest.approx((5.0 + 1.0) / 2) == little.W
    assert pytest.approx((1 + 2 + 1) / 4) == little.L
    assert pytest.approx(little.product + little.correction) == little.L


def test_an_empty_window_has_no_mean_time() -> None:
    little = littles_law([], 0.0, 1.0)
    assert (little.L, little.rate, little.product) == (0.0, 0.0, 0.0)
    assert math.isnan(little.W)


@pytest.mark.parametrize(
    ("intervals", "start", "end"),
    [
        ([], None, None),
        ([(0.0, math.inf)], None, None),
        ([(1.0, 0.5)], None, None),
        ([(0.0, 1.0)], 2.0, 2.0),
    ],
)
def test_windows_that_make_no_sense(
    intervals: list[tuple[float, float]], start: float | None, end: float | None
) -> None:
    with pytest.raises(ValueError, match=r"window|departure"):
        littles_law(intervals, start, end)


def test_intervals_of_latency_records() -> None:
    records = [
        LatencyRecord(0.0, 0.1, 0.5, 0.6, 200, None, "a"),
        LatencyRecord(0.2, 0.2, 0.25, 0.25, 503, None, "b"),
        LatencyRecord(0.3, 0.3, None, None, 0, "timeout", "c"),
    ]
    assert intervals_of(records) == [(0.1, 0.6), (0.2, 0.25)]


def test_intervals_of_a_trace_hold_a_slot_while_it_is_padded() -> None:
    trace = [
        StepRecord(0, 1.0, 0.5, (StepEntry("a", 0, "prefill", 4),), 1, 0),
        StepRecord(
            1, 1.5, 0.5, (StepEntry("a", 0, "padding", 1), StepEntry("b", 1, "prefill", 3)), 2, 0
        ),
        StepRecord(2, 3.0, 1.0, (StepEntry("b", 1, "decode", 1),), 1, 0),
    ]
    assert running_intervals(trace) == [(1.0, 2.0), (1.5, 4.0)]

"""When requests are meant to be sent: the pure half of the load generator."""

from pathlib import Path
from typing import Any

import ciw
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from miniserve.loadtest import (
    PoissonClock,
    Trace,
    constant,
    gamma,
    poisson,
    standard_trace,
)

SENTENCES = ("She goed home.", "They was late.", "¿Él fue?")

# Schedules


def gaps(offsets: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, Any]:
    return np.diff(offsets, prepend=0.0)


@pytest.mark.parametrize("seed", range(5))
def test_poisson_gaps_are_exponential(seed: int) -> None:
    sample = gaps(poisson(25.0, 4000, seed))
    assert stats.kstest(sample, "expon", args=(0, 1 / 25)).pvalue > 0.01
    # The test has teeth: a rate that is 10 % off, or arrivals in clumps, do not pass it.
    assert stats.kstest(sample, "expon", args=(0, 1 / 27.5)).pvalue < 1e-3
    clumps = gaps(gamma(25.0, 4000, seed, burstiness=0.5))
    assert stats.kstest(clumps, "expon", args=(0, 1 / 25)).pvalue < 1e-6


@pytest.mark.parametrize("seed", range(3))
def test_poisson_arrivals_are_independent_of_each_other(seed: int) -> None:
    sample = gaps(poisson(25.0, 4000, seed))
    assert abs(np.corrcoef(sample[:-1], sample[1:])[0, 1]) < 0.05


# Since Python 3.12, copying an iterator of itertools warns; ciw does so, and it does no harm before
# Python 3.14.
@pytest.mark.filterwarnings("ignore:Pickle, copy, and deepcopy support:DeprecationWarning")
def test_poisson_arrivals_queue_as_theory_says() -> None:
    """An independent simulator, fed our arrivals, waits what Pollaczek and Khinchine computed."""
    rate, service, n = 0.7, 1.0, 15_000

    def mean_wait(offsets: np.ndarray[Any, Any]) -> float:
        network = ciw.create_network(
            arrival_distributions=[ciw.dists.Sequential([*gaps(offsets).tolist(), 1e9])],
            service_distributions=[ciw.dists.Deterministic(service)],
            number_of_servers=[1],
        )
        simulation = ciw.Simulation(network)
        simulation.simulate_until_max_customers(n, method="Finish")
        return float(np.mean([record.waiting_time for record in simulation.get_all_records()]))

    wait = rate * service**2 / (2 * (1 - rate * service))
    assert mean_wait(poisson(rate, n, seed=1)) == pytest.approx(wait, rel=0.1)
    assert mean_wait(constant(rate, n)) == pytest.approx(0.0, abs=1e-6)
    assert mean_wait(gamma(rate, n, 1, burstiness=0.25)) > 1.5 * wait


@pytest.mark.parametrize("burstiness", [0.25, 1.0, 4.0])
def test_burstiness_sets_the_spread_of_the_gaps_and_not_their_mean(burstiness: float) -> None:
    sample = gaps(gamma(10.0, 50_000, 3, burstiness))
    assert sample.mean() == pytest.approx(0.1, rel=0.03)
    assert sample.std() / sample.mean() == pytest.approx(burstiness**-0.5, rel=0.03)


def test_a_seed_names_a_schedule() -> None:
    assert poisson(5.0, 50, 1).tolist() == poisson(5.0, 50, 1).tolist()
    assert poisson(5.0, 50, 1).tolist() != poisson(5.0, 50, 2).tolist()
    assert poisson(5.0, 50, 1)[:20].tolist() == poisson(5.0, 20, 1).tolist()
    assert gamma(5.0, 50, 1, burstiness=1.0).tolist() == poisson(5.0, 50, 1).tolist()
    np.testing.assert_allclose(poisson(10.0, 50, 1), poisson(5.0, 50, 1) / 2)


def test_constant_gaps_are_constant() -> None:
    assert constant(4.0, 4).tolist() == [0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize(("rate", "n"), [(0.0, 1), (-1.0, 1), (float("nan"), 1), (1.0, -1)])
def test_an_impossible_schedule_is_refused(rate: float, n: int) -> None:
    with pytest.raises(ValueError, match=r"rate|schedule"):
        poisson(rate, n, 0)
    with pytest.raises(ValueError, match=r"rate|schedule"):
        constant(rate, n)
    with pytest.raises(ValueError, match="burstiness"):
        gamma(1.0, 1, 0, burstiness=0.0)


# Traces


@given(
    st.lists(
        st.tuples(
            st.floats(0.0, 1e3, allow_nan=False),
            st.text(st.characters(exclude_categories=["Cs"])),
        ),
        max_size=20,
    )
)
def test_a_trace_comes_back_from_disk(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[float, str]]
) -> None:
    rows.sort(key=lambda row: row[0])
    path = tmp_path_factory.mktemp("trace") / "trace.jsonl"
    offsets = np.array([at for at, _ in rows], dtype=np.float64)
    Trace(offsets, tuple(text for _, text in rows)).save(path)
    back = Trace.load(path)
    assert back.offsets.tolist() == offsets.tolist()
    assert back.sentences == tuple(text for _, text in rows)
    assert len(path.read_bytes().split(b"\n")) == len(rows) + 1


@pytest.mark.parametrize("line", ["{}", '{"at": 2}', "[1]", "nonsense", '{"at": "x"}'])
def test_a_broken_trace_names_the_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text('{"at": 1, "sentence": "a"}\n' + line + "\n")
    with pytest.raises(ValueError, match=r"trace\.jsonl, line 2"):
        Trace.load(path)


@pytest.mark.parametrize("offsets", [[1.0, 0.5], [-1.0, 0.0], [0.0, float("nan")], [0.0]])
def test_a_trace_runs_forward_and_says_what_to_send(offsets: list[float]) -> None:
    with pytest.raises(ValueError, match="offsets"):
        Trace(np.array(offsets), ("a", "b"))


def test_a_trace_replayed_faster_is_the_same_trace() -> None:
    unit = standard_trace(seed=3, n=100, sentences=SENTENCES)
    fast = unit.at_rate(40.0)
    np.testing.assert_allclose(fast.offsets * 40.0, unit.offsets)
    assert fast.sentences == unit.sentences
    np.testing.assert_allclose(
        fast.offsets, standard_trace(seed=3, n=100, rate=40.0, sentences=SENTENCES).offsets
    )
    with pytest.raises(ValueError, match="rate"):
        unit.at_rate(0.0)


def test_the_standard_trace_has_no_favourites_and_holds_still() -> None:
    names = tuple(f"s{i}" for i in range(10))
    one = standard_trace(seed=1, n=30, sentences=names)
    assert sorted(one.sentences) == sorted(names * 3)
    assert one.sentences[:10] != names
    assert one.sentences == standard_trace(seed=1, n=30, sentences=names).sentences
    assert one.sentences != standard_trace(seed=2, n=30, sentences=names).sentences
    # A larger corpus changes what is sent and not when.
    other = standard_trace(seed=1, n=30, sentences=(*names, "new"))
    assert other.offsets.tolist() == one.offsets.tolist() == poisson(1.0, 30, 1).tolist()
    with pytest.raises(ValueError, match="at least one sentence"):
        standard_trace(seed=1, n=1, sentences=())
    with pytest.raises(ValueError, match="at least one sentence"):
        Trace.of(constant(1.0, 1), ())


# A rate that changes


def test_a_clock_at_one_rate_is_an_ordinary_poisson_schedule() -> None:
    clock = PoissonClock(25.0, seed=4)
    offsets = [clock.advance() for _ in range(2000)]
    np.testing.assert_allclose(offsets, poisson(25.0, 2000, 4))


@pytest.mark.parametrize("seed", range(3))
def test_arrivals_stay_poisson_when_the_rate_moves(seed: int) -> None:
    """Measured in expected arrivals instead of seconds, the gaps are exponential with mean 1."""
    rng = np.random.default_rng(100 + seed)
    clock = PoissonClock(5.0, seed)
    needs: list[float] = []
    need, at = 0.0, 0.0
    change = float(rng.exponential(0.1))
    while len(needs) < 3000:
        if clock.due <= change:
            due = clock.advance()
            needs.append(need + (due - at) * clock.rate)
            need, at = 0.0, due
        else:
            need += (change - at) * clock.rate
            at = change
            clock.change_rate(float(rng.choice([0.0, 2.0, 10.0, 80.0])), change)
            change += float(rng.exponential(0.1))
    assert stats.kstest(needs, "expon").pvalue > 0.01
    assert stats.kstest(np.array(needs) * 1.1, "expon").pvalue < 0.01


def test_a_new_rate_acts_on_the_gap_under_way() -> None:
    clock = PoissonClock(0.01, seed=0)
    before = clock.due
    clock.change_rate(10.0, now=before / 2)
    assert clock.due == pytest.approx(before / 2 + before / 2 * 0.01 / 10.0)
    clock.change_rate(0.0, now=before / 2)
    assert clock.due == float("inf")
    with pytest.raises(ValueError, match="pause"):
        clock.advance()
    with pytest.raises(ValueError, match="rate"):
        clock.change_rate(-1.0, now=before)
    clock.change_rate(1.0, now=before)
    with pytest.raises(ValueError, match="taken first"):
        clock.change_rate(2.0, now=clock.due + 1.0)

"""The simulator against formulas, the Lindley recursion and another simulator.

Every tolerance is a number of standard errors, by batch means or over independent seeds.
"""

import json
import math
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ciw
import numpy as np
import pytest
from typer.testing import CliRunner

from miniserve.cli import app
from miniserve.queueing import (
    Lengths,
    harmonic,
    inoue_bound,
    mg1_wait,
    mm1_sojourn_quantile,
    mm1_wait,
)
from miniserve.scheduler import ContinuousScheduler, Request, SchedulerOutput
from miniserve.settings import Mode
from miniserve.simulator import (
    Policy,
    mean_of,
    poisson_requests,
    poisson_times,
    random_router,
    run,
    run_fleet,
    shortest_queue_router,
    simulate,
    standard_exponential,
    two_choices_router,
)
from miniserve.simulator.digits import nine_digits, to_json
from miniserve.stepcost import StepCost
from tests.queueing_oracles import batch_service_mean, lindley, mmc_wait

SERRORS = 4.0
"""Standard errors that a right answer may be off by: one run in 16,000 is further away."""

COST = StepCost(a=0.0005, b=0.00005, c=0.00004)
LENGTHS = Lengths.uniform(13, 15, 56)

EXPECTED_FIRST = [
    "0x1.812a131f7a67fp+0",
    "0x1.cb5f9b795e4cdp-1",
    "0x1.8db200a195218p+0",
    "0x1.cd396d5eab510p-3",
]
EXPECTED_RUN = [7240, 11.0649861, 0.0658613948, 0.154699647]

ONE_SLOT = Policy(Mode.CONTINUOUS, max_num_seqs=1, max_num_batched_tokens=10**9)
PER_TOKEN = StepCost(a=0.0, b=0.0, c=1e-6)
"""With this cost a prompt of k tokens and an answer of one token is k microseconds of service."""


def served_for(services: list[float], times: list[float]) -> Iterator[Request]:
    for i, (at, service) in enumerate(zip(times, services, strict=True)):
        yield Request(str(i), range(max(1, round(service / PER_TOKEN.c))), 1, at)


def exponential(mean: float, n: int, seed: int) -> list[float]:
    return [mean * x for x in standard_exponential(np.random.default_rng(seed), n).tolist()]


# ---- workload ----------------------------------------------------------------------------------


def test_exponentials_without_a_logarithm_are_exponential() -> None:
    n = 200_000
    drawn = standard_exponential(np.random.default_rng(3), n)
    for power, moment, variance in [(1, 1.0, 1.0), (2, 2.0, 20.0), (3, 6.0, 684.0)]:
        error = math.sqrt(variance / n)
        assert (drawn**power).mean() == pytest.approx(moment, abs=SERRORS * error)
    # Kolmogorov and Smirnov: sup |F_n − F| √n exceeds 1.95 once in a thousand.
    steps = np.arange(n) / n
    assert np.abs(1 - np.exp(-np.sort(drawn)) - steps).max() * math.sqrt(n) < 1.95


def test_the_first_exponentials_are_these_on_every_machine() -> None:
    first = standard_exponential(np.random.default_rng(7), 4).tolist()
    assert [x.hex() for x in first] == EXPECTED_FIRST


def test_another_rate_stretches_the_same_arrivals() -> None:
    slow = np.array(list(poisson_times(10.0, 5000, seed=5)))
    fast = np.array(list(poisson_times(40.0, 5000, seed=5)))
    assert slow == pytest.approx(4 * fast, rel=1e-12)
    assert slow[-1] / 5000 == pytest.approx(0.1, abs=SERRORS * 0.1 / math.sqrt(5000))


def test_no_rate_is_an_error() -> None:
    with pytest.raises(ValueError, match="rate above 0"):
        next(poisson_times(0.0, 1, seed=0))


# ---- one slot: queues with a formula -----------------------------------------------------------


def test_one_slot_follows_the_lindley_recursion_request_by_request() -> None:
    times = list(poisson_times(8.0, 3000, seed=1))
    services = [round(s * 1e6) / 1e6 for s in exponential(0.1, 3000, seed=2)]
    result = run(ONE_SLOT, served_for(services, times), PER_TOKEN)
    assert result.samples.waits == pytest.approx(lindley(times, services), abs=1e-9)


def two_point(n: int, seed: int) -> list[float]:
    """Service times with a variance: 0.02 s, and one in ten 0.82 s; E[S] = 0.1, E[S²] = 0.0676."""
    drawn = np.random.default_rng(seed).random(n)
    return [0.82 if u < 0.1 else 0.02 for u in drawn.tolist()]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("M/M/1", mm1_wait(7.0, 0.1)),
        ("M/D/1", mg1_wait(7.0, 0.1, 0.1**2)),
        ("M/G/1", mg1_wait(7.0, 0.1, 0.9 * 0.02**2 + 0.1 * 0.82**2)),
    ],
)
def test_the_mean_wait_is_what_pollaczek_and_khinchine_say(kind: str, expected: float) -> None:
    n = 150_000
    services = {
        "M/M/1": exponential(0.1, n, seed=11),
        "M/D/1": [0.1] * n,
        "M/G/1": two_point(n, seed=11),
    }[kind]
    times = list(poisson_times(7.0, n, seed=12))
    result = run(ONE_SLOT, served_for(services, times), PER_TOKEN)
    wait = mean_of(result.samples.waits)
    assert wait.standard_error < 0.06 * expected  # or the next line would say little
    assert wait.value == pytest.approx(expected, abs=SERRORS * wait.standard_error)
    assert result.utilisation == pytest.approx(0.7, abs=0.02)
    if kind == "M/M/1":
        tail = mm1_sojourn_quantile(7.0, 0.1, 0.95)
        assert result.samples.quantile(0.95) == pytest.approx(tail, rel=0.06)


def test_a_bounded_queue_refuses_what_the_formula_says() -> None:
    # M/M/1/K: a share (1−ρ)ρ^K / (1−ρ^(K+1)) of all arrivals finds the system full.
    rate, service, places = 12.0, 0.1, 6
    load = rate * service
    expected = (1 - load) * load**places / (1 - load ** (places + 1))
    policy = Policy(
        Mode.CONTINUOUS, max_num_seqs=1, max_num_batched_tokens=10**9, max_waiting=places - 1
    )
    n, shares = 10_000, []
    for seed in range(8):
        services = exponential(service, n, seed=100 + seed)
        times = list(poisson_times(rate, n, seed=seed))
        shares.append(run(policy, served_for(services, times), PER_TOKEN).shed_share)
    error = float(np.std(shares, ddof=1)) / math.sqrt(len(shares))
    assert np.mean(shares) == pytest.approx(expected, abs=SERRORS * error)


def test_knobs_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(ValueError, match=r"max_num_batched_tokens \(16\) must be at least"):
        Policy(max_num_seqs=64, max_num_batched_tokens=16)
    outcome = CliRunner().invoke(
        app, ["simulate", "--max-num-seqs", "64", "--max-num-batched-tokens", "16"]
    )
    assert outcome.exit_code == 2
    assert "max_num_batched_tokens (16)" in outcome.stderr
    assert Policy(Mode.STATIC, 64, max_num_batched_tokens=16).slots == 64  # which has no budget


@pytest.mark.parametrize("mode", [Mode.SYNC, Mode.ASYNC])
def test_one_after_another_has_one_slot_whatever_the_knob_says(mode: Mode) -> None:
    policy = Policy(mode, max_num_seqs=8, max_waiting=3)
    assert (policy.max_num_seqs, policy.slots, policy.max_in_flight) == (8, 1, 4)
    result = simulate(policy, LENGTHS, COST, rate=1e6, n=10)
    assert (result.mean_batch, result.as_dict()["slots"]) == (1.0, 1)


# ---- many slots --------------------------------------------------------------------------------


def test_slots_are_the_servers_of_mmc() -> None:
    # Geometric answers, and a step whose cost does not depend on the batch: c servers at work.
    servers, mean_tokens, step = 4, 60, 0.01
    service = mean_tokens * step
    rate = 0.8 * servers / service
    policy = Policy(Mode.CONTINUOUS, max_num_seqs=servers)
    lengths = Lengths.geometric(1, mean_tokens)
    result = simulate(policy, lengths, StepCost(a=step, b=0.0, c=0.0), rate=rate, n=30_000, seed=4)
    wait = mean_of(result.samples.waits)
    expected = mmc_wait(rate, service, servers)
    # Arrivals wait for the end of the step that runs: up to one step more than in M/M/c.
    assert wait.standard_error < 0.1 * expected
    assert wait.value == pytest.approx(expected, abs=SERRORS * wait.standard_error + step)


def ciw_waits(network: Any, horizon: float, seed: int, node: set[int]) -> list[float]:
    ciw.seed(seed)
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_time(horizon)
    records = simulation.get_all_records(only=["service"])
    return [r.waiting_time for r in records if r.node in node and r.arrival_date > horizon / 20]


def test_mmc_against_another_simulator() -> None:
    servers, service = 3, 0.3
    rate = 0.75 * servers / service
    expected = mmc_wait(rate, service, servers)
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(rate)],
        service_distributions=[ciw.dists.Exponential(1 / service)],
        number_of_servers=[servers],
    )
    theirs = [float(np.mean(ciw_waits(network, 400.0, seed, {1}))) for seed in range(5)]
    policy = Policy(Mode.CONTINUOUS, max_num_seqs=servers)
    lengths, cost = Lengths.geometric(1, 60), StepCost(a=service / 60, b=0.0, c=0.0)
    ours = [
        mean_of(simulate(policy, lengths, cost, rate=rate, n=3000, seed=s).samples.waits).value
        for s in range(5)
    ]
    error = math.hypot(*(float(np.std(x, ddof=1)) / math.sqrt(5) for x in (theirs, ours)))
    assert np.mean(ours) == pytest.approx(np.mean(theirs), abs=SERRORS * error + cost.a)
    assert error < expected / 4


@pytest.mark.parametrize("load", [0.3, 0.7])
def test_batch_service_meets_the_exact_mean_and_stays_under_inoues_bound(load: float) -> None:
    # Milliseconds: the paper's fit to a Tesla V100. A batch that never waits and has no limit.
    alpha, fixed = 0.1438, 1.8874
    policy = Policy(Mode.STATIC, max_num_seqs=100_000, max_wait_s=0.0)
    cost = StepCost(a=fixed, b=alpha, c=0.0)
    rate = load / alpha
    result = simulate(policy, Lengths.fixed(1, 1), cost, rate=rate, n=60_000, seed=6)
    mean = mean_of(result.samples.latencies)
    assert mean.standard_error < 0.02 * mean.value
    exact = batch_service_mean(rate, alpha, fixed)
    assert mean.value == pytest.approx(exact, abs=SERRORS * mean.standard_error)
    assert mean.value < inoue_bound(rate, alpha, fixed) + SERRORS * mean.standard_error


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("max_num_seqs", [1, 8])
def test_flooded_servers_carry_what_the_formula_says(mode: Mode, max_num_seqs: int) -> None:
    policy = Policy(mode, max_num_seqs=max_num_seqs)
    result = simulate(policy, LENGTHS, COST, rate=1e6, n=3000, seed=2)
    carried = result.answered / result.duration_s
    # Lengths are a sample: the error of their mean, and the last batch that is not full.
    assert carried == pytest.approx(policy.capacity(LENGTHS, COST), rel=0.02)


def test_exponential_lengths_gain_the_harmonic_number() -> None:
    lengths, cost = Lengths.geometric(1, 100.0), StepCost(a=0.01, b=0.0, c=0.0)
    carried = {}
    for mode in (Mode.STATIC, Mode.CONTINUOUS):
        result = simulate(Policy(mode, 8), lengths, cost, rate=1e6, n=4000, seed=3)
        carried[mode] = result.answered / result.duration_s
    gain = carried[Mode.CONTINUOUS] / carried[Mode.STATIC]
    # 500 batches, each with a relative spread of the longest of about 0.45.
    assert gain == pytest.approx(harmonic(8), rel=SERRORS * 0.45 / math.sqrt(500))


# ---- fleets ------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [Mode.STATIC, Mode.CONTINUOUS])
def test_a_fleet_of_one_is_a_single_server_to_the_last_digit(mode: Mode) -> None:
    policy = Policy(mode, 4)
    rate = 0.8 * policy.capacity(LENGTHS, COST)
    single = run(policy, poisson_requests(rate, LENGTHS, 2000, seed=8), COST)
    requests = poisson_requests(rate, LENGTHS, 2000, seed=8)
    fleet = run_fleet([policy.scheduler()], requests, COST, random_router(0))
    assert fleet.samples.latencies.tolist() == single.samples.latencies.tolist()
    assert fleet.duration_s == single.duration_s
    assert fleet.busy == [single.utilisation]


def test_requests_of_one_moment_share_a_step() -> None:
    requests = [Request(str(i), range(3), 2, 1.0) for i in range(4)]
    policy = Policy(Mode.CONTINUOUS, 4)
    fleet = run_fleet([policy.scheduler()], requests, COST, random_router(0))
    assert set(fleet.samples.waits.tolist()) == {0.0}
    assert len(set(fleet.samples.latencies.tolist())) == 1


SECOND = StepCost(a=1.0, b=0.0, c=0.0)


def test_no_token_of_a_fleet_ends_an_answer() -> None:
    requests = [Request("a", range(3), 10, 0.0)]
    fleet = run_fleet([ContinuousScheduler(2, 0)], requests, SECOND, random_router(0))
    assert fleet.samples.latencies.tolist() == [10.0]


class Hesitant(ContinuousScheduler):
    """Asks so many times to be asked again at once, before it begins."""

    def __init__(self, times: int) -> None:
        super().__init__(1, -2)
        self.times = times

    def schedule(self, now: float) -> SchedulerOutput:
        if self.waiting and self.times > 0:
            self.times -= 1
            return SchedulerOutput([], [], [], wait_until=now)
        return super().schedule(now)


def test_a_fleet_does_not_wait_for_ever_for_a_scheduler_that_hesitates() -> None:
    requests = [Request("a", range(3), 1, 0.0)]
    fleet = run_fleet([Hesitant(1)], requests, SECOND, random_router(0))
    assert fleet.duration_s == pytest.approx(1.0001)  # as on the virtual clock
    with pytest.raises(RuntimeError, match="computes nothing"):
        run_fleet([Hesitant(10**9)], requests, SECOND, random_router(0))


def test_random_routing_splits_into_independent_queues() -> None:
    n, replicas = 120_000, 4
    times = list(poisson_times(replicas * 7.0, n, seed=21))
    requests = served_for(exponential(0.1, n, seed=22), times)
    fleet = run_fleet(
        [ONE_SLOT.scheduler() for _ in range(replicas)], requests, PER_TOKEN, random_router(23)
    )
    wait = mean_of(fleet.samples.waits)
    expected = mm1_wait(7.0, 0.1)
    assert wait.standard_error < 0.06 * expected
    assert wait.value == pytest.approx(expected, abs=SERRORS * wait.standard_error)
    assert fleet.busy == pytest.approx([0.7] * replicas, abs=0.04)


def test_join_the_shortest_queue_against_another_simulator() -> None:
    replicas, service, horizon = 3, 0.1, 250.0
    rate = replicas * 8.0
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(rate)] + [None] * replicas,
        service_distributions=[ciw.dists.Deterministic(0.0)]
        + [ciw.dists.Exponential(1 / service)] * replicas,
        number_of_servers=[math.inf] + [1] * replicas,
        routing=ciw.routing.NetworkRouting(
            routers=[ciw.routing.JoinShortestQueue(destinations=[2, 3, 4])]
            + [ciw.routing.Leave()] * replicas
        ),
    )
    theirs = [float(np.mean(ciw_waits(network, horizon, seed, {2, 3, 4}))) for seed in range(5)]
    ours = []
    n = int(rate * horizon)
    for seed in range(5):
        times = list(poisson_times(rate, n, seed=seed))
        requests = served_for(exponential(service, n, seed=50 + seed), times)
        schedulers = [ONE_SLOT.scheduler() for _ in range(replicas)]
        fleet = run_fleet(schedulers, requests, PER_TOKEN, shortest_queue_router(seed))
        ours.append(float(fleet.samples.waits.mean()))
    error = math.hypot(*(float(np.std(x, ddof=1)) / math.sqrt(5) for x in (theirs, ours)))
    assert np.mean(ours) == pytest.approx(np.mean(theirs), abs=SERRORS * error)
    assert error < np.mean(theirs) / 5


def test_looking_at_queues_shortens_the_tail() -> None:
    policy = Policy(Mode.CONTINUOUS, 8)
    replicas = 8
    rate = 0.85 * replicas * policy.capacity(LENGTHS, COST)
    p95 = []
    for router in (random_router(1), two_choices_router(1), shortest_queue_router(1)):
        requests = poisson_requests(rate, LENGTHS, 12_000, seed=9)
        schedulers = [policy.scheduler() for _ in range(replicas)]
        p95.append(run_fleet(schedulers, requests, COST, router).samples.quantile(0.95))
    assert p95[0] > 1.1 * p95[1] > 1.1 * p95[2]


def test_routers_look_where_they_say() -> None:
    shortest = shortest_queue_router(0)
    assert shortest([3, 1, 2]) == 1
    assert {shortest([1, 0, 0]) for _ in range(64)} == {1, 2}
    two = two_choices_router(0)
    assert {two([9, 0]) for _ in range(16)} == {1}
    assert two([5]) == 0
    assert {two([4, 0, 9]) for _ in range(64)} == {0, 1}
    assert {random_router(0)([9, 0, 4]) for _ in range(1)} <= {0, 1, 2}


# ---- what a run says ---------------------------------------------------------------------------


def test_two_runs_write_the_same_bytes(tmp_path: Path) -> None:
    paths = [tmp_path / "one.json", tmp_path / "two.json"]
    for path in paths:
        args = "simulate --mode continuous --requests 500 --seed 7 --json"
        outcome = CliRunner().invoke(app, [*args.split(), str(path)])
        assert outcome.exit_code == 0, outcome.output
    assert paths[0].read_bytes() == paths[1].read_bytes()
    report = json.loads(paths[0].read_text())
    assert report["rate_rps"] == pytest.approx(0.85 * report["capacity_rps"])
    assert report["result"]["answered"] == 500


@pytest.mark.parametrize(
    "args", ["--json {folder}/nowhere/x.json", "--json {folder}", "--rate nan", "--max-wait-s inf"]
)
def test_what_cannot_be_done_is_said_before_anything_is_simulated(
    args: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("miniserve.simulator.simulate", None)
    outcome = CliRunner().invoke(app, ["simulate", *args.format(folder=tmp_path).split()])
    assert outcome.exit_code == 2
    assert args.split(maxsplit=1)[0] in outcome.stderr


def test_these_numbers_come_out_on_every_machine() -> None:
    result = simulate(Policy(Mode.CONTINUOUS), LENGTHS, COST, n=2000, seed=7).as_dict()
    latency = result["latency_s"]
    assert [result["steps"], result["duration_s"], latency["p50"], latency["p99"]] == EXPECTED_RUN


def test_memory_is_what_is_in_flight_and_the_samples() -> None:
    def peak(n: int) -> int:
        tracemalloc.start()
        simulate(Policy(Mode.CONTINUOUS), LENGTHS, COST, n=n, seed=1)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    # Both have filled a whole block of drawn arrivals. Two floats a request, in arrays that grow by
    # an eighth at a time.
    few, many = 4200, 9000
    assert peak(many) - peak(few) < (many - few) * 2 * 8 * 2


def test_progress_is_told() -> None:
    seen: list[int] = []
    simulate(Policy(Mode.ASYNC), LENGTHS, COST, n=5000, seed=0, on_progress=seen.append)
    assert seen == [0, 4096, 5000]


def test_batch_means_are_wider_than_independent_ones_where_neighbours_are_alike() -> None:
    rng = np.random.default_rng(0)
    independent = rng.normal(size=32_000)
    alike = np.repeat(rng.normal(size=320), 100)
    assert mean_of(independent).standard_error == pytest.approx(1 / math.sqrt(32_000), rel=0.5)
    assert mean_of(alike).standard_error == pytest.approx(1 / math.sqrt(320), rel=0.5)
    assert math.isnan(mean_of(np.array([1.0])).standard_error)
    assert math.isnan(mean_of(np.array([])).value)


def test_json_holds_nine_digits_and_no_nan() -> None:
    value = {"a": 1 / 3, "b": [math.nan, 2], "c": {"d": math.inf}}
    assert nine_digits(value) == {"a": 0.333333333, "b": [None, 2], "c": {"d": None}}
    assert to_json({"b": 1.0, "a": 2}) == '{\n  "a": 2,\n  "b": 1.0\n}\n'

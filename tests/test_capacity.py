"""Plans: what is promised holds in the simulator, and the sizes move the way they should."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from miniserve.capacity import (
    Plan,
    Slo,
    SloUnreachable,
    best_batch,
    carried,
    overloaded,
    own_time,
    plan,
    queue_bound,
    retry_after,
)
from miniserve.capacity.search import CEILING
from miniserve.cli import app
from miniserve.latency import LatencyRecord
from miniserve.queueing import Lengths, mm1_sojourn_quantile
from miniserve.settings import LONGEST_QUEUE, Mode, Settings
from miniserve.simulator import Policy, poisson_requests, run, simulate
from miniserve.simulator.prediction import cost_of_run, lengths_of_trace, predict
from miniserve.simulator.published import (
    LLAMA2_7B_A100,
    LLAMA2_7B_A100_LONG,
    gain_against_spread,
    sweep,
    sweep_bounds,
)
from miniserve.simulator.standard import standard_cost, standard_lengths
from miniserve.stepcost import StepCost
from miniserve.trace import StepEntry, StepRecord

COST = StepCost(a=0.0005, b=0.00005, c=0.00004)
LENGTHS = Lengths.uniform(13, 15, 56)
SLO = Slo(0.25)


# ---- the rate within an SLO --------------------------------------------------------------------


def test_rate_within_the_slo_of_an_mm1_queue() -> None:
    # One slot, and geometric prompts of many small tokens: M/M/1, whose p95 is ln 20 / (μ−λ).
    service, tokens = 0.1, 500
    cost = StepCost(a=0.0, b=0.0, c=service / tokens)
    geometric = Lengths.geometric(1, tokens).counts
    lengths = Lengths({(n, 1): count for (_, n), count in geometric.items()})
    policy = Policy(Mode.ASYNC, max_num_batched_tokens=10**9)
    slo = Slo(1.0)
    found = carried(policy, lengths, cost, slo, n=20_000, seed=3)
    expected = 1 / service - np.log(20) / slo.latency_s
    assert mm1_sojourn_quantile(expected, service, 0.95) == pytest.approx(1.0)
    # The p95 of 20,000 correlated latencies is known to some 10 %, and the rate to a third of that.
    assert found.carried_rps == pytest.approx(expected, rel=0.05)
    assert found.latency_s <= 1.0


def test_the_rate_found_meets_the_slo_and_a_higher_one_does_not() -> None:
    policy = Policy(Mode.CONTINUOUS, 8)
    slo = Slo(0.15)
    found = carried(policy, LENGTHS, COST, slo, n=2000)
    at = simulate(policy, LENGTHS, COST, rate=found.carried_rps, n=2000)
    above = simulate(policy, LENGTHS, COST, rate=1.03 * found.carried_rps, n=2000)
    assert at.samples.quantile(0.95) == found.latency_s <= slo.latency_s
    assert above.samples.quantile(0.95) > slo.latency_s


def test_an_easy_slo_is_carried_up_to_the_ceiling_and_an_impossible_one_not_at_all() -> None:
    policy = Policy(Mode.CONTINUOUS, 8)
    easy = carried(policy, LENGTHS, COST, Slo(60.0), n=500)
    assert easy.carried_rps == pytest.approx(CEILING * easy.capacity_rps)
    assert carried(policy, LENGTHS, COST, Slo(0.001), n=500).carried_rps < 0.01 * easy.capacity_rps


def test_a_tighter_slo_means_smaller_batches() -> None:
    sizes = []
    for latency in (0.1, 0.2, 1.0):
        found = best_batch(
            Policy(Mode.CONTINUOUS),
            LENGTHS,
            COST,
            Slo(latency),
            batch_sizes=(2, 4, 8, 16, 32),
            n=1500,
        )
        assert found is not None
        sizes.append(found.policy.max_num_seqs)
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]


# ---- the queue bound ---------------------------------------------------------------------------


@pytest.mark.parametrize(("batch", "slo"), [(1, 0.4), (8, 0.2), (16, 0.5), (16, 2.0)])
def test_the_bound_keeps_the_slo_under_overload(batch: int, slo: float) -> None:
    policy = Policy(Mode.CONTINUOUS, batch)
    bound = queue_bound(policy, LENGTHS, COST, Slo(slo))
    assert bound > 0
    result = overloaded(replace(policy, max_waiting=bound), LENGTHS, COST, n=6000, seed=1)
    # The formula knows the mean of what comes out, not its spread: a tenth over is its error.
    assert result.samples.quantile(0.95) < 1.1 * slo
    assert result.samples.quantile(0.95) > 0.8 * slo
    # Two of three go through: what is over the capacity is refused, and not much more.
    assert 0.2 < result.shed_share < 0.36
    far_too_long = replace(policy, max_waiting=3 * bound + 40)
    longer = overloaded(far_too_long, LENGTHS, COST, n=6000, seed=1)
    assert longer.samples.quantile(0.95) > 1.2 * slo


def test_no_queue_where_the_steps_alone_take_too_long() -> None:
    policy = Policy(Mode.CONTINUOUS, 16)
    assert own_time(policy, LENGTHS, COST, 0.95) > 0.05
    assert queue_bound(policy, LENGTHS, COST, Slo(0.05)) == 0


def test_static_batches_meet_two_batch_times() -> None:
    policy = Policy(Mode.STATIC, 8)
    own = own_time(policy, LENGTHS, COST, 0.95)
    assert own == pytest.approx(2 * 8 / policy.capacity(LENGTHS, COST))
    bounded = replace(policy, max_waiting=0)
    latency = overloaded(bounded, LENGTHS, COST, n=4000).samples.quantile(0.95)
    assert latency < own + policy.max_wait_s


def test_retry_after_is_when_the_queue_has_been_worked_off() -> None:
    policy = Policy(Mode.CONTINUOUS, 16, max_waiting=1000)
    capacity = policy.capacity(LENGTHS, COST)
    seconds = retry_after(policy, LENGTHS, COST)
    assert seconds - 1 < 1016 / capacity <= seconds
    assert retry_after(replace(policy, max_waiting=0), LENGTHS, COST) == 1
    assert retry_after(replace(policy, max_waiting=LONGEST_QUEUE), LENGTHS, COST) == 60, (
        "the server never says more"
    )


# ---- whole plans -------------------------------------------------------------------------------


def how_of(made: Plan, what: str) -> str:
    [found] = [step.how for step in made.steps if step.what == what]
    return found


def test_a_plan_keeps_its_word() -> None:
    made = plan(LENGTHS, COST, SLO, batch_sizes=(4, 8, 16, 32), n=2000)
    assert [one.policy.mode for one in made.modes] == [Mode.ASYNC, Mode.STATIC, Mode.CONTINUOUS]
    rates = [one.carried_rps for one in made.modes]
    assert rates == sorted(rates)
    assert made.policy.mode is Mode.CONTINUOUS
    assert made.rate_rps == rates[-1]
    usual = simulate(made.policy, LENGTHS, COST, rate=made.rate_rps, n=4000, seed=9)
    full = overloaded(made.policy, LENGTHS, COST, n=4000, seed=9)
    for result in (usual, full):  # another seed than the plan's
        assert result.samples.quantile(0.95) < 1.1 * SLO.latency_s
    steps = {step.what: step.value for step in made.steps}
    assert steps["queue bound"] == made.policy.max_waiting
    assert steps["queue bound"] <= steps["queue bound, predicted"]
    assert steps["refused then"] > 0
    assert how_of(made, "queue bound") == "simulated at 1.5 × capacity"
    assert steps["Retry-After"] == made.retry_after_s
    assert steps["p95 when overloaded"] <= 1e3 * SLO.latency_s
    mean = steps["in flight at that rate"] / made.rate_rps
    assert 0.02 < mean < SLO.latency_s


def test_overhead_outside_the_engine_is_taken_off_the_slo() -> None:
    with_http = plan(LENGTHS, COST, Slo(0.35), overhead_s=0.1, batch_sizes=(8, 16), n=1000)
    without = plan(LENGTHS, COST, Slo(0.25), batch_sizes=(8, 16), n=1000)
    assert with_http.rate_rps == pytest.approx(without.rate_rps)
    assert with_http.policy == without.policy


def test_an_unreachable_slo_says_so() -> None:
    with pytest.raises(SloUnreachable, match=r"no mode answers 95% of requests within 0\.01 s"):
        plan(LENGTHS, COST, Slo(0.01), n=500)


@pytest.mark.parametrize(("latency", "quantile"), [(0.0, 0.5), (1.0, 0.0), (1.0, 1.0)])
def test_an_slo_that_means_nothing_is_an_error(latency: float, quantile: float) -> None:
    with pytest.raises(ValueError, match="SLO"):
        Slo(latency, quantile)


def run_plan(*args: str) -> Result:
    return CliRunner().invoke(app, ["plan", "--requests", "300", *args])


def run_simulate(*args: str) -> Result:
    return CliRunner().invoke(app, ["simulate", *args])


def test_the_command_prints_a_plan_and_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    outcome = run_plan("--slo", "0.5", "--json", str(path))
    assert outcome.exit_code == 0, outcome.output
    written = json.loads(path.read_text())
    assert "miniserve serve " + " ".join(written["serve_args"]) in outcome.output
    assert "E[max] / E[length]" in outcome.output  # and not taken for a style
    assert [one["policy"]["mode"] for one in written["modes"]] == ["async", "static", "continuous"]


def test_the_command_prints_arguments_that_settings_know() -> None:
    outcome = run_plan("--slo", "0.5", "--serve-args")
    assert outcome.exit_code == 0, outcome.output
    words = outcome.stdout.split()
    given = dict(zip(words[::2], words[1::2], strict=True))
    names = {name.removeprefix("--").replace("-", "_"): value for name, value in given.items()}
    settings = Settings.model_validate(names)
    assert settings.mode is Mode.CONTINUOUS
    assert settings.max_num_seqs == int(given["--max-num-seqs"])


def test_the_command_says_what_cannot_be() -> None:
    assert run_plan("--slo", "0.002").exit_code == 2
    assert run_plan("--slo", "0.3", "--overhead", "0.4").exit_code == 2
    assert run_plan("--lengths", str(Path(__file__))).exit_code == 2
    assert run_plan("--step-cost", "no/such/file.json").exit_code == 2
    assert run_plan("--slo", "inf").exit_code == 2
    assert run_plan("--requests", "1000000000").exit_code == 2
    assert run_simulate("--requests", "1000000000").exit_code == 2


@pytest.mark.parametrize("option", ["--lengths", "--step-cost"])
def test_a_file_that_nests_too_deeply_is_refused(tmp_path: Path, option: str) -> None:
    deep = tmp_path / "deep.json"
    deep.write_text("[" * 100_000)
    for outcome in (run_plan(option, str(deep)), run_simulate(option, str(deep))):
        assert outcome.exit_code == 2, outcome.output


def test_no_longer_queue_is_planned_than_a_server_takes() -> None:
    made = plan(LENGTHS, COST, Slo(3000.0), batch_sizes=(16,), n=300)
    assert made.policy.max_waiting == LONGEST_QUEUE
    assert Settings(max_waiting=LONGEST_QUEUE).max_waiting == LONGEST_QUEUE
    with pytest.raises(ValueError, match="max_waiting"):
        Settings(max_waiting=LONGEST_QUEUE + 1)
    assert how_of(made, "queue bound").startswith("the longest that serve takes; not tried out")


def test_a_bound_that_no_trial_has_filled_is_not_said_to_be_tried_out() -> None:
    made = plan(LENGTHS, COST, Slo(4.0), batch_sizes=(16,), n=300)
    steps = {step.what: step.value for step in made.steps}
    assert steps["queue bound"] == steps["queue bound, predicted"] > 300
    assert how_of(made, "queue bound") == "not tried out: 300 requests do not fill it"
    assert steps["refused then"] == 0
    assert how_of(made, "refused then") == "simulated; the queue was never full"


def test_the_standard_machine_and_lengths_are_there() -> None:
    assert standard_cost().seconds(1, 1) > 0
    assert 5 < standard_lengths().mean_prompt < standard_lengths().mean_output < 100


# ---- published shapes --------------------------------------------------------------------------


def test_published_points_lie_on_the_cost() -> None:
    for batch, short, long in [(1, 11e-3, 17e-3), (32, 13e-3, 34e-3)]:
        assert LLAMA2_7B_A100.seconds(batch, batch) == pytest.approx(short)
        assert LLAMA2_7B_A100_LONG.seconds(batch, batch) == pytest.approx(long)


def test_the_wider_the_lengths_the_larger_the_gain() -> None:
    gains = gain_against_spread(LLAMA2_7B_A100, 8, n=800)
    formula = [gain.formula for gain in gains]
    assert formula[0] == pytest.approx(1.0)
    assert formula[:4] == sorted(formula[:4])
    for gain in gains:
        # Prompts are read in both modes, so the simulated gain stays below the formula's.
        assert gain.simulated < 1.08 * gain.formula
        assert gain.simulated > 0.75 * gain.formula


def test_latency_stays_flat_and_then_explodes() -> None:
    policy = Policy(Mode.CONTINUOUS, 8)
    capacity = policy.capacity(LENGTHS, COST)
    points = sweep(policy, LENGTHS, COST, [0.1 * capacity, 0.5 * capacity, 1.3 * capacity], n=2000)
    p95 = [point.p95 for point in points]
    assert p95[1] < 3 * p95[0]
    assert p95[2] > 5 * p95[1]
    assert points[1].throughput == pytest.approx(0.5 * capacity, rel=0.1)
    assert points[2].throughput == pytest.approx(capacity, rel=0.05)


def test_a_longer_queue_refuses_less_and_waits_longer() -> None:
    policy = Policy(Mode.CONTINUOUS, 8)
    rate = 1.2 * policy.capacity(LENGTHS, COST)
    points = sweep_bounds(policy, LENGTHS, COST, rate, [0, 10, 100], n=3000)
    assert [p.shed_share for p in points] == sorted((p.shed_share for p in points), reverse=True)
    assert [p.p95 for p in points] == sorted(p.p95 for p in points)


def test_orca_in_shape_continuous_answers_sooner_at_every_load() -> None:
    # U(32, 512) and U(1, 128), as in the paper; the prompts thinned to every 16th.
    lengths = Lengths({(p, n): 1 for p in range(32, 513, 16) for n in range(1, 129)})
    modes = (Mode.STATIC, Mode.CONTINUOUS)
    policies = [Policy(mode, 16, max_num_batched_tokens=2048) for mode in modes]
    capacity = policies[0].capacity(lengths, LLAMA2_7B_A100)
    for share in (0.4, 0.8):
        static, continuous = (
            sweep(policy, lengths, LLAMA2_7B_A100, [share * capacity], n=600)[0]
            for policy in policies
        )
        assert continuous.mean < static.mean


# ---- against a live run ------------------------------------------------------------------------


def test_a_trace_tells_the_lengths() -> None:
    def entry(name: str, kind: str, count: int) -> StepEntry:
        return StepEntry(name, 0, kind, count)  # type: ignore[arg-type]

    steps = [
        [entry("a", "prefill", 5)],
        [entry("a", "prefill", 2), entry("b", "prefill", 3)],
        [entry("a", "decode", 1), entry("b", "decode", 1)],
        [entry("a", "padding", 1), entry("b", "decode", 1)],
    ]
    trace = [StepRecord(i, float(i), 1.0, tuple(rows), 2, 0) for i, rows in enumerate(steps)]
    assert lengths_of_trace(trace) == {"a": (7, 2), "b": (3, 3)}
    guessed = StepRecord(4, 4.0, 1.0, (entry("b", "decode", 3),), 1, 0)
    with pytest.raises(ValueError, match="num_speculative_tokens"):
        lengths_of_trace([*trace, guessed])


def test_the_cost_of_a_run_includes_what_held_it_up() -> None:
    """Steps by a known cost, one in seven interrupted for as long again, and a pause after each."""
    true, pause = StepCost(0.002, 0.0003, 0.0001), 0.0004
    trace: list[StepRecord] = []
    now, interrupted = 0.0, 0.0
    for step in range(420):
        batch, prompt = 1 + step % 5, 7 * (step % 3)
        rows = [StepEntry(str(i), i, "decode", 1) for i in range(batch)]
        rows += [StepEntry("new", 9, "prefill", prompt)] if prompt else []
        took = true.seconds(len(rows), batch + prompt)
        if step % 7 == 0:
            interrupted += took
            took *= 2
        trace.append(StepRecord(step, now, took, tuple(rows), len(rows), 0))
        now += took + pause
    cost = cost_of_run(trace)
    usual = sum(record.duration for record in trace) - interrupted
    scale = 1 + interrupted / usual
    assert cost.a == pytest.approx(true.a * scale + pause, rel=0.01)
    assert cost.b == pytest.approx(true.b * scale, rel=0.05)
    assert cost.c == pytest.approx(true.c * scale, rel=0.05)
    total = sum(cost.seconds(record.batch, record.num_tokens) for record in trace)
    assert total == pytest.approx(now, rel=0.01)


@pytest.mark.parametrize("mode", list(Mode))
def test_a_run_of_the_simulator_is_predicted_exactly(mode: Mode) -> None:
    policy = Policy(mode, 4)
    rate = 0.7 * policy.capacity(LENGTHS, COST)
    requests = list(poisson_requests(rate, LENGTHS, 400, seed=5))
    lengths = {r.request_id: (len(r.prompt_token_ids), r.max_tokens) for r in requests}
    records = []

    def record(done: object) -> None:
        assert hasattr(done, "finish_time")
        records.append(
            LatencyRecord(
                intended=done.arrival_time - 0.001,  # type: ignore[attr-defined]
                sent=done.arrival_time,  # type: ignore[attr-defined]
                first_byte=None,
                done=done.finish_time + 0.004,
                status=200,
                error=None,
                request_id=done.request_id,  # type: ignore[attr-defined]
            )
        )

    run(policy, requests, COST, on_finish=record)
    said = predict(records, lengths, COST, policy, overhead_s=0.004)
    assert said.requests == 400
    assert said.error_p50 == pytest.approx(0.0, abs=1e-9)
    assert said.error_p95 == pytest.approx(0.0, abs=1e-9)
    slower = predict(records, lengths, StepCost(COST.a * 1.2, COST.b, COST.c), policy)
    assert slower.error_p95 > 0.05


def test_what_cannot_be_predicted_says_so() -> None:
    record = LatencyRecord(0.0, 0.0, 0.1, 0.1, 200, None, "x")
    with pytest.raises(ValueError, match="no length for request 'x'"):
        predict([record], {}, COST, Policy())
    with pytest.raises(ValueError, match="no request was answered"):
        predict([], {}, COST, Policy())

"""The switches of production engines: what must always hold, then which way each moves a figure."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miniserve.features import Features, FeatureScheduler
from miniserve.kv_blocks import blocks_for
from miniserve.scheduler import ContinuousScheduler, Request, Scheduler, SchedulerOutput
from miniserve.stepcost import StepCost
from miniserve.trace import StepRecord
from miniserve.virtual_clock import Totals, run

EOS = 0
SECOND = StepCost(a=1.0, b=0.0, c=0.0)
COST = StepCost(a=0.001, b=0.00002, c=0.00005)


def request(name: str, at: float = 0.0, output: int = 5, prompt: int = 3) -> Request:
    return Request(name, range(prompt), output, at)


class Watched(FeatureScheduler):
    """Holds every schedule against the rules."""

    def schedule(self, now: float) -> SchedulerOutput:
        before = list(self.running)
        output = super().schedule(now)
        features = self.features
        kept = [self._rank(r) for r in before if r in self.running]
        preempted = [self._rank(r) for r in before if r not in self.running]
        if preempted:
            assert max(kept) <= min(preempted)
            assert all(r in before for r in self.running)  # nobody is admitted in such a step
        assert self.num_free_blocks >= 0
        held = self._blocks.held
        assert (
            self.num_free_blocks + sum(held.values())
            == features.num_blocks - features.prefix_blocks
        )
        running = {r.request_id for r in self.running}
        assert set(held) == running
        assert not running & set(self.waiting)
        slots = [r.slot for r in self.running]
        assert None not in slots
        assert len(set(slots)) == len(slots) <= self.max_num_seqs
        assert len(set(map(id, output.requests))) == len(output.requests)
        assert bool(output.requests) == bool(self.requests)  # whoever is here, somebody gets on
        for r, count in zip(output.requests, output.num_tokens, strict=True):
            assert r.request_id in running
            assert count >= 1
            blocks = held[r.request_id] + self._shared[r.request_id]
            assert blocks >= blocks_for(r.num_computed_tokens + count, features.block_size)
        if features.chunked_prefill:
            assert sum(output.num_tokens) <= self.max_num_batched_tokens
        return output


def run_all(
    scheduler: Scheduler, requests: list[Request]
) -> tuple[list[Request], Totals, list[StepRecord]]:
    finished: list[Request] = []
    records: list[StepRecord] = []
    totals = run(scheduler, requests, COST, on_finish=finished.append, on_step=records.append)
    return finished, totals, records


@st.composite
def cases(draw: Any) -> tuple[FeatureScheduler, list[Request]]:
    paged = draw(st.booleans())
    block_size = draw(st.sampled_from([1, 4, 16]))
    prefix = draw(st.integers(0, 12)) if paged else 0
    lengths = draw(
        st.lists(st.tuples(st.integers(0, 30), st.integers(1, 25)), min_size=1, max_size=12)
    )
    gaps = draw(st.lists(st.floats(0, 0.02), min_size=len(lengths), max_size=len(lengths)))
    priorities = draw(st.lists(st.integers(0, 2), min_size=len(lengths), max_size=len(lengths)))
    requests = [
        Request(f"r{i}", range(max(1, prefix) + prompt), output, at)
        for i, ((prompt, output), at) in enumerate(
            zip(lengths, np.cumsum(gaps).tolist(), strict=True)
        )
    ]
    longest = max(len(r.prompt_token_ids) + r.max_tokens - 1 for r in requests)
    least = blocks_for(longest, block_size) + prefix // block_size
    features = Features(
        num_blocks=least + draw(st.integers(0, 12)),
        block_size=block_size,
        max_model_len=longest,
        paged=paged,
        chunked_prefill=draw(st.booleans()),
        cached_prefix=prefix,
        priority=(lambda r: priorities[int(r.request_id[1:])]) if draw(st.booleans()) else None,
    )
    slots = draw(st.integers(1, 6))
    budget = slots + draw(st.integers(0, 40))
    return Watched(slots, EOS, features, max_num_batched_tokens=budget), requests


@settings(max_examples=150, deadline=None)
@given(cases())
def test_whatever_the_switches(case: tuple[FeatureScheduler, list[Request]]) -> None:
    scheduler, requests = case
    finished, totals, _ = run_all(scheduler, requests)
    assert sorted(r.request_id for r in finished) == sorted(r.request_id for r in requests)
    assert all(len(r.output_token_ids) == r.max_tokens for r in requests)
    features = scheduler.features
    assert scheduler.num_free_blocks == features.num_blocks - features.prefix_blocks
    assert scheduler.requests == {}
    assert scheduler.running == []
    # Every token is accounted for: needed, thrown away, or spared.
    needed = sum(len(r.prompt_token_ids) + r.max_tokens - 1 for r in requests)
    cached, discarded = scheduler.num_cached_tokens, scheduler.num_discarded_tokens
    assert totals.num_tokens == needed + discarded - cached
    if not features.cached_prefix:
        assert cached == 0
    if not features.paged:
        assert scheduler.num_preemptions == 0  # what is reserved is never taken back


@settings(max_examples=50, deadline=None)
@given(cases())
def test_with_memory_for_all_it_is_the_continuous_scheduler(
    case: tuple[FeatureScheduler, list[Request]],
) -> None:
    scheduler, requests = case
    features = Features(num_blocks=10_000)
    slots, budget = scheduler.max_num_seqs, scheduler.max_num_batched_tokens
    again = [replace_request(r) for r in requests]
    run_all(Watched(slots, EOS, features, budget), requests)
    run_all(ContinuousScheduler(slots, EOS, budget), again)
    assert [r.finish_time for r in requests] == [r.finish_time for r in again]


def replace_request(r: Request) -> Request:
    return Request(r.request_id, r.prompt_token_ids, r.max_tokens, r.arrival_time)


# --- by hand --------------------------------------------------------------------------------------


def test_preemption_by_hand() -> None:
    """Two requests of 4 + 5 tokens in 3 blocks of 4: the younger one gives way, and comes back."""
    scheduler = Watched(2, EOS, Features(num_blocks=3, block_size=4))
    old, young = request("old", output=5, prompt=4), request("young", 0.5, 5, prompt=4)
    finished: list[Request] = []
    records: list[StepRecord] = []
    run(scheduler, [old, young], SECOND, on_finish=finished.append, on_step=records.append)
    # At 0 `old` reads; at 1 `young` reads and `old` takes its 2nd block; at 2 `young` wants a 2nd.
    who = [[(e.request_id, e.num_tokens) for e in record.entries] for record in records]
    assert who[:3] == [[("old", 4)], [("old", 1), ("young", 4)], [("old", 1)]]
    assert scheduler.num_preemptions == 1
    assert scheduler.num_discarded_tokens == 4
    # `young` had written one token, so 5 are known; they fit only once `old` is gone, at 5.
    assert who[3:6] == [[("old", 1)], [("old", 1)], [("young", 5)]]
    assert (old.finish_time, young.finish_time) == (5.0, 9.0)
    assert young.first_scheduled_time == 1.0
    assert young.first_token_time == 2.0


def test_an_abort_gives_blocks_back_wherever_the_request_is() -> None:
    scheduler = Watched(2, EOS, Features(num_blocks=3, block_size=4))
    for name in ("a", "b"):
        scheduler.add_request(request(name, output=5, prompt=4))
    for _ in range(2):
        output = scheduler.schedule(0.0)
        scheduler.update(output, [7] * len(output.requests), 0.0)
    assert list(scheduler.waiting) == ["b"]  # preempted
    assert scheduler.abort("b", 0.0) is not None
    assert scheduler.num_free_blocks == 1
    assert scheduler.abort("a", 0.0) is not None
    assert scheduler.num_free_blocks == 3
    assert not scheduler.requests


def test_the_last_in_rank_is_preempted_even_if_it_came_first() -> None:
    features = Features(num_blocks=3, block_size=4, priority=lambda r: float(r.request_id == "low"))
    scheduler = Watched(2, EOS, features)
    low, high = request("low", output=5, prompt=4), request("high", 0.5, 5, prompt=4)
    run(scheduler, [low, high], SECOND)
    assert scheduler.num_preemptions == 1
    assert high.finish_time == 6.0
    assert (low.finish_time or 0.0) > 6.0


def test_higher_priority_first() -> None:
    order = {"a": 2.0, "b": 1.0, "c": 0.0, "d": 1.0}
    scheduler = Watched(1, EOS, Features(100, priority=lambda r: order[r.request_id]))
    finished: list[Request] = []
    run(scheduler, [request(name) for name in order], SECOND, on_finish=finished.append)
    assert [r.request_id for r in finished] == ["c", "b", "d", "a"]


def test_what_can_never_fit_is_refused() -> None:
    scheduler = FeatureScheduler(2, EOS, Features(num_blocks=2, block_size=4, cached_prefix=4))
    with pytest.raises(ValueError, match="do not fit"):
        scheduler.add_request(request("long", output=2, prompt=4))
    with pytest.raises(ValueError, match="prefix"):
        scheduler.add_request(request("short", output=1, prompt=3))
    reserved = FeatureScheduler(2, EOS, Features(64, max_model_len=16, paged=False))
    with pytest.raises(ValueError, match="max_model_len"):
        reserved.add_request(request("long", output=15, prompt=3))
    assert scheduler.requests == reserved.requests == {}


@pytest.mark.parametrize(
    "wrong",
    [{"num_blocks": 0}, {"block_size": 0}, {"cached_prefix": -1}, {"max_model_len": 0},
     {"paged": False, "cached_prefix": 16}],
)  # fmt: skip
def test_impossible_features(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"at least|needs paged"):
        Features(**({"num_blocks": 8} | wrong))


# --- which way a switch moves a figure ------------------------------------------------------------


def load(n: int = 400, rate: float = 150, prompt: int = 13, seed: int = 3) -> list[Request]:
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.exponential(1 / rate, n)).tolist()
    outputs = rng.integers(5, 60, n).tolist()
    return [Request(f"r{i}", range(prompt), outputs[i], times[i]) for i in range(n)]


def p95(requests: list[Request]) -> float:
    times = [(r.finish_time or np.nan) - r.arrival_time for r in requests]
    return float(np.quantile(times, 0.95))


def test_paged_memory_holds_more_requests_and_answers_sooner() -> None:
    reserved = Features(num_blocks=64, max_model_len=256, paged=False)
    runs = {}
    for features in [reserved, replace(reserved, paged=True)]:
        finished, _, records = run_all(Watched(32, EOS, features), load())
        runs[features.paged] = (max(record.batch for record in records), p95(finished))
    assert runs[False][0] == 64 // (256 // 16)
    assert runs[True][0] >= 3 * runs[False][0]
    assert runs[True][1] < 0.5 * runs[False][1]


def test_less_memory_more_preemptions_more_work_later_answers() -> None:
    figures = []
    for num_blocks in [200, 20, 12]:
        scheduler = Watched(32, EOS, Features(num_blocks))
        finished, totals, _ = run_all(scheduler, load(rate=100))
        figures.append((scheduler.num_preemptions, totals.num_tokens, p95(finished)))
    assert figures[0][0] == 0
    for ample, scarce in itertools.pairwise(figures):
        assert all(x < y for x, y in zip(ample, scarce, strict=True)), figures


def test_chunks_shorten_the_stall_and_delay_the_newcomer() -> None:
    stalls, first_tokens = {}, {}
    for chunked in [True, False]:
        features = Features(num_blocks=100, chunked_prefill=chunked)
        early = [request(f"short {i}", output=100, prompt=13) for i in range(3)]
        late = request("long", 0.01, 20, prompt=400)
        _, _, records = run_all(Watched(4, EOS, features, 32), [*early, late])
        writing = [r for r in records if any(e.kind == "decode" for e in r.entries)]
        stalls[chunked] = max(r.duration for r in writing)
        assert late.first_token_time is not None
        first_tokens[chunked] = late.first_token_time
    assert stalls[True] < 0.2 * stalls[False]
    assert first_tokens[True] > first_tokens[False]


def test_a_cached_prefix_is_read_once() -> None:
    runs = {}
    for prefix in [0, 200]:
        scheduler = Watched(16, EOS, Features(400, cached_prefix=prefix))
        finished, totals, _ = run_all(scheduler, load(rate=40, prompt=213))
        runs[prefix] = (totals.num_tokens, p95(finished))
        if prefix:
            spared = scheduler.num_cached_tokens
    assert runs[0][0] - runs[200][0] == spared  # whole blocks of 16: 192 tokens each
    assert spared % 192 == 0
    assert 0.9 * 400 <= spared / 192 < 400
    assert runs[200][1] < 0.7 * runs[0][1]


def test_priority_takes_from_one_and_gives_to_the_other() -> None:
    def urgent(r: Request) -> bool:
        return int(r.request_id[1:]) % 5 == 0

    runs = {}
    for priority in [None, lambda r: 0.0 if urgent(r) else 1.0]:
        finished, totals, _ = run_all(Watched(6, EOS, Features(200, priority=priority)), load())
        by_class = {c: p95([r for r in finished if urgent(r) is c]) for c in (True, False)}
        runs[priority is not None] = (by_class, totals.num_tokens)
    assert runs[True][0][True] < 0.5 * runs[False][0][True]
    assert runs[True][0][False] > runs[False][0][False]
    assert runs[True][1] == runs[False][1]  # not a token more or less is computed

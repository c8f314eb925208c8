"""Latencies from the virtual clock, for panels that are tested without the tutor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from miniserve.latency import LatencyRecord
from miniserve.queueing import Lengths
from miniserve.scheduler import Request
from miniserve.settings import Mode
from miniserve.simulator import Policy, poisson_requests, run, simulate
from miniserve.stepcost import StepCost
from miniserve.widgets import Curve, Setting
from miniserve.widgets.preview import record_of


def virtual_preview(
    lengths: Lengths,
    cost: StepCost,
    *,
    modes: Sequence[str] = (),
    max_num_seqs: int = 4,
    http_s: float = 0.0,
    n: int = 600,
    seed: int = 0,
) -> Callable[[Setting], list[Curve]]:
    """Return a function that computes the latency curves of a setting; a panel's `preview`.

    Args:
        lengths: of prompts and answers, in tokens.
        cost: seconds of a step.
        modes: a curve for each; by default the one that the panel's chooser says.
        max_num_seqs: the batch size, if the panel has no slider for it.
        http_s: seconds that HTTP adds to each request.
        n: requests in a run.
        seed: of arrivals and lengths.
    """

    def preview(setting: Setting) -> list[Curve]:
        curves = []
        for mode in modes or [setting.mode or "continuous"]:
            policy = _policy(mode, setting, max_num_seqs)
            result = simulate(policy, lengths, cost, rate=setting.rate, n=n, seed=seed)
            took = result.samples.latencies + http_s
            label = f"computed: {mode}" if len(modes) > 1 else "computed on the virtual clock"
            curves.append(Curve(label, took, mode=mode, offered=result.offered, role="preview"))
        return curves

    return preview


def virtual_race(
    lengths: Lengths,
    cost: StepCost,
    rate: float,
    *,
    modes: Sequence[str] = ("static", "continuous"),
    max_num_seqs: int = 4,
    n: int = 300,
    seed: int = 0,
) -> dict[str, list[LatencyRecord]]:
    """Run the same requests through each mode on the virtual clock; records by mode, for a `Race`.

    `rate` in requests per second; see `virtual_preview` for the others.
    """
    setting = Setting(rate=rate, max_num_seqs=max_num_seqs)
    runs = {}
    for mode in modes:
        ended: list[Request] = []
        requests = poisson_requests(rate, lengths, n, seed)
        run(_policy(mode, setting, max_num_seqs), requests, cost, on_finish=ended.append)
        runs[mode] = [record_of(request) for request in sorted(ended, key=_arrival)]
    return runs


def _arrival(request: Request) -> float:
    return request.arrival_time


def _policy(mode: str, setting: Setting, max_num_seqs: int) -> Policy:
    wait: dict[str, Any] = {}
    if setting.max_wait_s is not None:
        wait["max_wait_s"] = setting.max_wait_s
    return Policy(
        Mode(mode),
        max_num_seqs=setting.max_num_seqs or max_num_seqs,
        max_waiting=setting.max_waiting,
        **wait,
    )

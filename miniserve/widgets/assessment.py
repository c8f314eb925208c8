"""What a rate, a batch size and a queue bound lead to, tried out on the virtual clock. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from miniserve.capacity import Slo, own_time, queue_bound
from miniserve.queueing import Lengths
from miniserve.settings import Mode
from miniserve.simulator import Policy
from miniserve.simulator.published import LoadPoint, sweep_bounds
from miniserve.stepcost import StepCost
from miniserve.widgets.controls import Setting
from miniserve.widgets.curves import ms

_GRID = 9
"""Queue bounds that are tried for a curve, beside the one that the slider says."""


@dataclass(frozen=True)
class Assessment:
    """What a setting leads to. `bounds` and `points` belong together; `here` is the slider's."""

    policy: Policy
    rate: float
    slo: Slo
    capacity: float
    own_s: float
    advised: int
    """The queue bound of the formula."""
    bounds: Sequence[int]
    points: Sequence[LoadPoint]

    @property
    def here(self) -> LoadPoint:
        """The point at the slider's own queue bound."""
        return self.points[list(self.bounds).index(self.policy.max_waiting or 0)]

    @property
    def words(self) -> str:
        """The numbers behind the curves, in HTML."""
        at, load = self.here, self.rate / self.capacity
        answered = self.rate * (1 - at.shed_share)
        kept = "kept" if at.p95 <= self.slo.latency_s else "broken"
        return (
            f"Capacity <b>{self.capacity:.0f}/s</b>, so the load is <b>{load:.0%}</b>. "
            f"With at most {self.policy.max_waiting} waiting: p95 <b>{ms(at.p95)}</b> "
            f"(SLO {ms(self.slo.latency_s)}: {kept}), <b>{at.shed_share:.1%}</b> refused, "
            f"L = λW = {answered:.1f}/s × {ms(at.mean)} = <b>{answered * at.mean:.1f}</b>.<br>"
            f"<span class='miniserve-note'>By formula: ({ms(self.slo.latency_s)} − "
            f"{ms(self.own_s)} for the answer itself) × {self.capacity:.0f}/s = "
            f"a queue of at most {self.advised}.</span>"
        )


def assess(
    setting: Setting,
    lengths: Lengths,
    cost: StepCost,
    slo: Slo,
    highest: int,
    *,
    n: int = 1500,
    seed: int = 0,
) -> Assessment:
    """Try a setting out on the virtual clock, with queue bounds from 0 to `highest`."""
    assert setting.max_num_seqs is not None
    assert setting.max_waiting is not None
    policy = Policy(Mode.CONTINUOUS, setting.max_num_seqs, max_waiting=setting.max_waiting)
    grid = {round(highest * i / (_GRID - 1)) for i in range(_GRID)}
    bounds = sorted(grid | {setting.max_waiting})
    return Assessment(
        policy=policy,
        rate=setting.rate,
        slo=slo,
        capacity=policy.capacity(lengths, cost),
        own_s=own_time(policy, lengths, cost, slo.quantile),
        advised=queue_bound(policy, lengths, cost, slo),
        bounds=bounds,
        points=sweep_bounds(policy, lengths, cost, setting.rate, bounds, n=n, seed=seed),
    )

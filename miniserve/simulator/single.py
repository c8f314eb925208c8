"""One server on the virtual clock: the live engine's schedulers, a step cost, a seed.

Numbers come out the same to the last byte on every machine: the clock adds up Python floats,
arrivals and lengths are drawn without a logarithm, and what is written is rounded
(`simulator.digits`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from miniserve import virtual_clock
from miniserve.queueing import Lengths
from miniserve.queueing.batches import capacity
from miniserve.scheduler import ContinuousScheduler, Request, Scheduler, StaticScheduler
from miniserve.settings import Mode
from miniserve.simulator.digits import nine_digits
from miniserve.simulator.samples import Samples, mean_of
from miniserve.simulator.workload import poisson_requests
from miniserve.stepcost import Cost, StepCost

_NO_EOS = -2
"""On the virtual clock answers end by length alone."""

OnProgress = Callable[[int], object]
"""Is told now and then how many requests have come so far."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How a server shares its model: a mode and its knobs, named as in `miniserve.settings`.

    Raises ValueError if the knobs do not go together.
    """

    mode: Mode = Mode.CONTINUOUS
    max_num_seqs: int = 16
    """Of no meaning in the modes sync and async: see `slots`."""
    max_wait_s: float = 0.005
    max_num_batched_tokens: int = 256
    max_waiting: int | None = None
    """Requests that may wait beyond those in a slot; None: no bound."""

    def __post_init__(self) -> None:
        self.scheduler()  # which knows what it cannot do

    @property
    def slots(self) -> int:
        """Requests in a step together at most."""
        return 1 if self.mode in (Mode.SYNC, Mode.ASYNC) else self.max_num_seqs

    def scheduler(self) -> Scheduler:
        """Make the scheduler: sync and async run one request after another, as one slot does.

        The live `sync` is slower and refuses nobody: its answers leave in groups
        (`simulator.under_load.one_by_one`).
        """
        if self.mode is Mode.STATIC:
            return StaticScheduler(self.slots, _NO_EOS, self.max_wait_s)
        return ContinuousScheduler(self.slots, _NO_EOS, self.max_num_batched_tokens)

    @property
    def max_in_flight(self) -> int | None:
        """Requests that may be inside together, as `BatchingClient` counts them."""
        return None if self.max_waiting is None else self.slots + self.max_waiting

    def capacity(self, lengths: Lengths, cost: StepCost) -> float:
        """Return the most requests/s that can be carried, from the formula for full batches."""
        return capacity(lengths, cost, self.slots, static=self.mode is Mode.STATIC)


@dataclass(frozen=True, slots=True)
class RunResult:
    """What came of one run. Times in seconds, rates in requests per second."""

    policy: Policy
    offered: int
    answered: int
    shed: int
    duration_s: float
    """From time zero to the last answer."""
    utilisation: float
    """Share of that time in which a step was running."""
    steps: int
    mean_batch: float
    """Rows in a step, padding included; NaN without steps."""
    samples: Samples = field(repr=False)

    @property
    def shed_share(self) -> float:
        """Refused requests over all that came."""
        return self.shed / self.offered if self.offered else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the run's numbers as JSON can hold them, rounded to nine significant digits."""
        latency, wait = mean_of(self.samples.latencies), mean_of(self.samples.waits)
        row = {
            "policy": asdict(self.policy),
            "slots": self.policy.slots,
            "offered": self.offered,
            "answered": self.answered,
            "shed": self.shed,
            "duration_s": self.duration_s,
            "throughput_rps": self.answered / self.duration_s if self.duration_s else math.nan,
            "utilisation": self.utilisation,
            "steps": self.steps,
            "mean_batch": self.mean_batch,
            "latency_s": {
                "mean": latency.value,
                "standard_error": latency.standard_error,
                **{f"p{q}": self.samples.quantile(q / 100) for q in (50, 95, 99)},
            },
            "wait_s": {"mean": wait.value, "standard_error": wait.standard_error},
        }
        rounded = nine_digits(row)
        assert isinstance(rounded, dict)
        return rounded


def run(
    policy: Policy,
    requests: Iterable[Request],
    cost: Cost,
    *,
    on_progress: OnProgress | None = None,
    on_finish: Callable[[Request], object] | None = None,
) -> RunResult:
    """Run requests (in order of arrival) through one server until all have ended.

    Memory: what is in flight, and two numbers for each request.
    """
    samples = Samples()
    offered = shed = 0

    def coming() -> Iterator[Request]:
        nonlocal offered
        for request in requests:
            if on_progress is not None and offered % 4096 == 0:
                on_progress(offered)
            offered += 1
            yield request
        if on_progress is not None:
            on_progress(offered)

    def count_shed(_: Request) -> None:
        nonlocal shed
        shed += 1

    def finish(request: Request) -> None:
        samples.add(request)
        if on_finish is not None:
            on_finish(request)

    totals = virtual_clock.run(
        policy.scheduler(),
        coming(),
        cost,
        max_in_flight=policy.max_in_flight,
        on_finish=finish,
        on_shed=count_shed,
    )
    return RunResult(
        policy=policy,
        offered=offered,
        answered=len(samples),
        shed=shed,
        duration_s=totals.now,
        utilisation=totals.busy_s / totals.now if totals.now else 0.0,
        steps=totals.steps,
        mean_batch=totals.rows / totals.steps if totals.steps else math.nan,
        samples=samples,
    )


def simulate(
    policy: Policy,
    lengths: Lengths,
    cost: StepCost,
    *,
    rate: float | None = None,
    load: float = 0.85,
    n: int = 10_000,
    seed: int = 0,
    on_progress: OnProgress | None = None,
) -> RunResult:
    """Run n Poisson requests at `rate` per second; by default at `load` times the capacity."""
    if rate is None:
        rate = load * policy.capacity(lengths, cost)
    requests = poisson_requests(rate, lengths, n, seed)
    return run(policy, requests, cost, on_progress=on_progress)

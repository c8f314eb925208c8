"""What the simulator predicts beside what a live server does, over HTTP, in each mode.

For each mode a server that keeps a record is started, and its capacity measured. Then stretches of
the standard load are sent to it, three for each trial: one for the calibration a little below the
load in question, one at that load, one for the calibration a little above. What the simulator knows
of the stretch in the middle is when its requests were sent and how long they are; what work costs
it knows from the other two. As these lie just before and after, whatever else the machine does
disturbs all three alike.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from miniserve.bench.recorded import RecordedServe
from miniserve.bench.serving import DROPS_NOTHING, MAX_WAITING
from miniserve.bench.size import Size
from miniserve.bench.tables import Cell, Table
from miniserve.latency import latencies
from miniserve.loadtest import Trace, run_closed_loop, run_open_loop
from miniserve.paths import STANDARD_LOAD
from miniserve.settings import Mode
from miniserve.simulator import Policy
from miniserve.simulator.calibration import Run
from miniserve.simulator.prediction import Prediction
from miniserve.simulator.under_load import latencies_under_load

_TIMEOUT_S = 60.0
_WARM_UP = 40

#: Users in the closed loop that measures the capacity, for each request that the mode works on at
#: a time.
_USERS = 4

#: Loads of a trial's stretches, in shares of the one that is predicted: what work costs changes
#: with the load (caches stay warm, the event loop takes more), so it is calibrated on both sides.
_AROUND = (0.9, 1.0, 1.1)

#: Times that a stretch is simulated, each with other draws.
_DRAWS = 5


@dataclass(frozen=True)
class Trial:
    """A stretch at a share of the capacity, and the calibration's before and after it."""

    share: float
    live: Run
    known: Sequence[Run]


def measure(size: Size) -> list[Table]:
    """One row for each mode and load."""
    rows = []
    for mode in Mode:
        policy = Policy(mode, size.max_num_seqs)
        capacity, trials = record(policy, size)
        for share in size.shares:
            one = predict(policy, [trial for trial in trials if trial.share == share])
            rows.append(_row(mode, share, share * capacity, one))
    return [Table("Predicted beside measured", _about(size), rows)]


def record(policy: Policy, size: Size) -> tuple[float, list[Trial]]:
    """A mode's capacity in requests/s, and its trials, in the order in which they were made."""
    whole = Trace.load(STANDARD_LOAD)
    with RecordedServe(
        policy.mode, max_num_seqs=size.max_num_seqs, max_waiting=MAX_WAITING
    ) as server:
        capacity = _capacity(server, whole, policy, size)
        count = size.predicted_count(capacity) // size.predicted_rounds
        parts = _parts(whole, count // 3, count, count // 3)

        def stretch(share: float) -> Run:
            run = run_open_loop(
                server.url,
                next(parts).at_rate(share * capacity),
                timeout_s=_TIMEOUT_S,
                max_in_flight=DROPS_NOTHING,
            )
            return Run(asyncio.run(run), server.take())

        server.take()  # what was done so far is nobody's
        trials = []
        for _ in range(size.predicted_rounds):
            for share in size.shares:
                before, live, after = (stretch(near * share) for near in _AROUND)
                trials.append(Trial(share, live, [before, after]))
    return capacity, trials


def _capacity(server: RecordedServe, trace: Trace, policy: Policy, size: Size) -> float:
    """What the server answers a second when some users for each slot send without a pause."""
    users = _USERS * policy.slots

    def flood(n: int) -> float:
        run = run_closed_loop(server.url, trace.sentences, users, n=n, timeout_s=_TIMEOUT_S)
        return asyncio.run(run).summary().throughput_rps

    return flood(size.predicted_count(flood(_WARM_UP)) // 2)


def _parts(trace: Trace, *counts: int) -> Iterator[Trace]:
    """Stretch after stretch of the trace, of these lengths in turn; from the start at its end."""
    first = 0
    for count in itertools.cycle(counts):
        if first + count > len(trace.sentences):
            first = 0
        yield trace.cut(first, count)
        first += count


def predict(policy: Policy, trials: Sequence[Trial]) -> Prediction:
    """Hold the stretches of some trials, together, beside their predictions."""
    measured = [latencies(trial.live.client.measured) for trial in trials]
    predicted = [
        latency
        for trial in trials
        for draw in range(_DRAWS)
        for latency in latencies_under_load(trial.known, trial.live, policy, seed=2 * draw)
    ]
    return Prediction.of(policy, np.concatenate(measured), predicted)


def _row(mode: Mode, share: float, rate: float, one: Prediction) -> dict[str, Cell]:
    return {
        "mode": mode.value,
        "load": f"{share:.0%}",
        "offered_per_s": rate,
        "requests": str(one.requests),
        "measured_p50_ms": one.measured_p50 * 1e3,
        "predicted_p50_ms": one.predicted_p50 * 1e3,
        "error_of_p50": f"{one.error_p50:+.0%}",
        "measured_p95_ms": one.measured_p95 * 1e3,
        "predicted_p95_ms": one.predicted_p95 * 1e3,
        "error_of_p95": f"{one.error_p95:+.0%}",
    }


def _about(size: Size) -> str:
    below, _, above = _AROUND
    return (
        f"Each mode over HTTP at shares of its own capacity ({size.max_num_seqs} slots where "
        f"requests share the model), in {size.predicted_rounds} stretches that begin and end "
        f"empty. Before and after each come stretches of other sentences at {below:g} and "
        f"{above:g} times the rate. From these the simulator knows what work costs while HTTP "
        "takes its share of the processor (static and continuous: steps; sync and async: "
        "generations) and how long answers take outside the engine; it draws from both. Of the "
        "stretch that it predicts it knows the moments of sending and the lengths. If the speed "
        "of the machine changes from one stretch to the next, that is in the errors too."
    )

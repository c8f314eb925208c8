"""Latency under open-loop load: over HTTP, straight to the engine, and as the simulator predicts.

*Saturation* is what the server answers a second when 4 users a slot send without a pause. At shares
of it, each stretch of the standard load goes to `miniserve serve` and, in turns, to the same engine
in a process of its own but without HTTP. The difference is what HTTP adds. The second run also
leaves a trace of steps, from which the simulator predicts the first one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from statistics import median

from miniserve.bench.direct import run_direct
from miniserve.bench.offline import STANDARD_LOAD
from miniserve.bench.serving import ServeProcess, raise_file_limit
from miniserve.bench.size import Size
from miniserve.bench.standard import stretches
from miniserve.bench.tables import Cell, Spread, Table
from miniserve.engine import BatchingClient
from miniserve.latency import Percentile, Summary
from miniserve.loadtest import LoadResult, Target, Trace, run_closed_loop, run_open_loop
from miniserve.serve import open_client
from miniserve.settings import Mode, Settings
from miniserve.simulator import Policy
from miniserve.simulator.prediction import Prediction, cost_of_run, lengths_of_trace, predict
from miniserve.trace import StepRecord

_USERS_A_SLOT = 4
_TIMEOUT_S = 30.0
_MAX_IN_FLIGHT = 8192


@dataclass(frozen=True)
class Pair:
    """One trace at one rate: over HTTP and straight to the engine, and the prediction."""

    share: float
    rate: float
    http: Summary
    direct: Summary
    predicted: Prediction


async def compare(
    server: ServeProcess, engine: BatchingClient, trace: Trace, run_id: str, overhead_s: float
) -> tuple[LoadResult, LoadResult, Prediction]:
    """Send a trace to both, and predict the first run from what the second one's steps took."""
    steps: list[StepRecord] = []
    engine.listeners.append(steps.append)
    try:
        direct = await run_direct(engine, trace, run_id=run_id)
    finally:
        engine.listeners.remove(steps.append)
    http = await run_open_loop(
        server.url, trace, timeout_s=_TIMEOUT_S, max_in_flight=_MAX_IN_FLIGHT, run_id=run_id
    )
    policy = Policy(Mode.CONTINUOUS, engine.max_num_seqs)
    cost = cost_of_run(steps)
    return (
        http,
        direct,
        predict(http.measured, lengths_of_trace(steps), cost, policy, overhead_s=overhead_s),
    )


async def measure(size: Size) -> list[Table]:
    """Find the saturation, then compare at each share of it."""
    raise_file_limit()
    settings = Settings(mode=Mode.CONTINUOUS, max_num_seqs=size.max_num_seqs, max_waiting=4096)
    traces = stretches(Trace.load(STANDARD_LOAD), size.load_requests)[: size.load_traces]
    users = _USERS_A_SLOT * size.max_num_seqs
    pairs = []
    async with AsyncExitStack() as stack:
        server = stack.enter_context(
            ServeProcess(Mode.CONTINUOUS, max_num_seqs=size.max_num_seqs, max_waiting=4096)
        )
        engine = open_client(settings)
        assert isinstance(engine, BatchingClient)
        await engine.start()
        stack.push_async_callback(engine.stop)
        null = Target(server.url, "/healthz", "GET", None)
        idle = await run_closed_loop(null, ["-"], 1, n=5 * size.null_requests)
        floods = [
            await run_closed_loop(server.url, trace.sentences, users, n=len(trace.sentences))
            for trace in traces
        ]
        saturation = Spread.of(flood.summary().throughput_rps for flood in floods)
        assert saturation is not None
        for number, trace in enumerate(traces):
            for share in size.shares:
                rate = share * saturation.median
                http, direct, predicted = await compare(
                    server,
                    engine,
                    trace.at_rate(rate),
                    f"{share}-{number}",
                    idle.summary().p50.value,
                )
                pairs.append(Pair(share, rate, http.summary(), direct.summary(), predicted))
    return tables(pairs, saturation, size)


def tables(pairs: Sequence[Pair], saturation: Spread, size: Size) -> list[Table]:
    """The latencies, what HTTP adds to them, and what was predicted."""
    shares = sorted({pair.share for pair in pairs})
    groups = [[pair for pair in pairs if pair.share == share] for share in shares]
    about = (
        f"`miniserve serve`, continuous mode, {size.max_num_seqs} slots; saturation "
        f"{saturation.median:.0f} ({saturation.low:.0f}–{saturation.high:.0f}) corrections/s; "
        f"traces of {size.load_requests} requests, Poisson arrivals, latency from the intended "
        f"moment; median (lowest–highest) of {len(groups[0])}."
    )
    added = (
        "The same traces straight to the same engine (a process of its own), without HTTP. "
        "What HTTP adds is the difference of the two percentiles, trace by trace."
    )
    predicted = (
        "The simulator runs the arrivals and lengths of the HTTP runs with the step cost of the "
        "runs without HTTP, and adds the p50 of a null route. What it predicts, it has not seen."
    )
    return [
        Table("Open-loop latency over HTTP", about, [_latency_row(group) for group in groups]),
        Table("What HTTP adds to a correction", added, [_added_row(group) for group in groups]),
        Table("Predicted beside measured", predicted, [_predicted_row(group) for group in groups]),
    ]


def _load(group: Sequence[Pair]) -> dict[str, Cell]:
    return {"load": f"{group[0].share:.0%}", "offered_per_s": group[0].rate}


def _latency_row(group: Sequence[Pair]) -> dict[str, Cell]:
    runs = [pair.http for pair in group]
    invalid = sum(not run.valid for run in runs)
    return {
        **_load(group),
        "p50_ms": Spread.of((_quoted(run.p50) for run in runs), 1e3),
        "p95_ms": Spread.of((_quoted(run.p95) for run in runs), 1e3),
        "p99_ms": Spread.of((_quoted(run.p99) for run in runs), 1e3),
        "not_answered": str(sum(run.offered - run.answered for run in runs)),
        "valid": "yes" if not invalid else f"{len(runs) - invalid} of {len(runs)}",
    }


def _added_row(group: Sequence[Pair]) -> dict[str, Cell]:
    p50 = [(pair.http.p50.value, pair.direct.p50.value) for pair in group]
    p95 = [(_quoted(pair.http.p95), _quoted(pair.direct.p95)) for pair in group]
    return {
        **_load(group),
        "without_p50_ms": Spread.of((direct for _, direct in p50), 1e3),
        "added_to_p50_ms": Spread.of((http - direct for http, direct in p50), 1e3),
        "without_p95_ms": Spread.of((direct for _, direct in p95), 1e3),
        "added_to_p95_ms": Spread.of(
            (None if a is None or b is None else a - b for a, b in p95), 1e3
        ),
    }


def _predicted_row(group: Sequence[Pair]) -> dict[str, Cell]:
    made = [pair.predicted for pair in group]
    return {
        **_load(group),
        "measured_p50_ms": Spread.of((one.measured_p50 for one in made), 1e3),
        "predicted_p50_ms": Spread.of((one.predicted_p50 for one in made), 1e3),
        "measured_p95_ms": Spread.of((one.measured_p95 for one in made), 1e3),
        "predicted_p95_ms": Spread.of((one.predicted_p95 for one in made), 1e3),
        "error_of_p95": f"{median(one.error_p95 for one in made):+.0%}",
    }


def _quoted(percentile: Percentile) -> float | None:
    """The value, if enough samples lie beyond it."""
    return percentile.value if percentile.quotable and not math.isnan(percentile.value) else None

"""The standard load test: the four modes, one after the other, under the same requests.

1. *Capacity*: 4 users a slot send to the static batcher without a pause. What it answers a second
   is its capacity on this machine, and sets the rate.
2. *SLO*: twice the p95 of a single user in front of the continuous batcher.
3. *Traces*: each of the five traces is replayed to each mode, open loop, in turns; so whatever else
   the machine does disturbs all modes alike.
4. *Sweep* (asked for on its own): other rates, until a mode no longer keeps up.

All servers run from the start to the end, as `miniserve serve` processes; those that are not loaded
sleep. The conditions of a run are part of its result.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from statistics import median

from miniserve.bench.serving import DROPS_NOTHING, ServeProcess
from miniserve.latency import Summary
from miniserve.loadtest import LoadResult, Trace, run_closed_loop, run_open_loop
from miniserve.settings import Mode

Say = Callable[[str], None]
Servers = Mapping[Mode, ServeProcess]

#: A mode that answers less than this share within the SLO is not asked for still more.
_HOPELESS = 0.02


@dataclass(frozen=True)
class StandardSize:
    """What is run. Times in seconds; `load` and `sweep` in shares of the static capacity."""

    max_num_seqs: int = 16
    max_wait_s: float = 0.005
    load: float = 0.85
    traces: int = 5
    requests: int = 1000
    capacity_requests: int = 1000
    unloaded_requests: int = 250
    timeout_s: float = 30.0
    sweep: tuple[float, ...] = (0.1, 0.2, 0.3, 0.45, 0.6, 0.75, 0.9, 1.05, 1.25, 1.5)
    sweep_s: float = 4.0
    sweep_requests: tuple[int, int] = (120, 1000)
    sweep_traces: int = 3


@dataclass(frozen=True)
class Baseline:
    """What was measured first: requests/s, and the SLO in seconds."""

    static_capacity_rps: float
    unloaded_p95_s: float

    @property
    def slo_s(self) -> float:
        """Twice the p95 of a request that is alone."""
        return 2.0 * self.unloaded_p95_s


@dataclass(frozen=True)
class Point:
    """One mode at one rate in the sweep, with a result for each trace."""

    mode: Mode
    share: float
    rate: float
    results: Sequence[LoadResult] = field(repr=False)


@contextmanager
def serving(size: StandardSize, modes: Sequence[Mode] = tuple(Mode)) -> Iterator[Servers]:
    """A server of each mode, ready. SIGTERM ends them as Ctrl-C does."""
    settings = {
        "max_num_seqs": size.max_num_seqs,
        "max_wait_s": size.max_wait_s,
        "request_timeout_s": size.timeout_s,
    }
    with ExitStack() as stack:
        if threading.current_thread() is threading.main_thread():
            before = signal.signal(signal.SIGTERM, signal.default_int_handler)
            stack.callback(signal.signal, signal.SIGTERM, before)
        yield {mode: stack.enter_context(ServeProcess(mode, **settings)) for mode in modes}


def measure_baseline(
    servers: Servers, size: StandardSize, sentences: Sequence[str], say: Say
) -> Baseline:
    """Measure the capacity of the static batcher, and the latency of an idle engine."""
    for server in servers.values():  # whatever is done only once is done before anything is timed
        _users(server, sentences, users=4, n=40)
    users = 4 * size.max_num_seqs
    flood = _users(servers[Mode.STATIC], sentences, users=users, n=size.capacity_requests)
    capacity = flood.summary().throughput_rps
    alone = _users(servers[Mode.CONTINUOUS], sentences, users=1, n=size.unloaded_requests)
    found = Baseline(capacity, alone.summary().p95.value)
    say(
        f"static capacity {capacity:.1f} requests/s; unloaded p95 "
        f"{found.unloaded_p95_s * 1e3:.1f} ms, so the SLO is {found.slo_s * 1e3:.0f} ms"
    )
    return found


def replay(
    servers: Servers, size: StandardSize, traces: Sequence[Trace], found: Baseline, say: Say
) -> dict[Mode, list[LoadResult]]:
    """Replay every trace to every mode at the standard load; the order of the modes rotates."""
    rate = size.load * found.static_capacity_rps
    results: dict[Mode, list[LoadResult]] = {mode: [] for mode in servers}
    for number, trace in enumerate(traces):
        modes = list(servers)
        for mode in modes[number % len(modes) :] + modes[: number % len(modes)]:
            result = _open_loop(servers[mode], trace, rate, size, f"{mode}-{number}")
            result.conditions.update(mode=mode.value, trace=number, rate=rate)
            results[mode].append(result)
            say(f"trace {number}, {mode:10}  {_line(result.summary(found.slo_s))}")
    return results


def sweep(
    servers: Servers, size: StandardSize, traces: Sequence[Trace], found: Baseline, say: Say
) -> list[Point]:
    """Raise the rate step by step, until a mode is beyond hope; the modes take turns."""
    points = []
    hopeful = list(servers)
    for share in size.sweep:
        rate = share * found.static_capacity_rps
        few, many = size.sweep_requests
        n = int(min(max(few, rate * size.sweep_s), many))
        results: dict[Mode, list[LoadResult]] = {mode: [] for mode in hopeful}
        for number, trace in enumerate(traces[: size.sweep_traces]):
            part = trace.cut(0, n)
            for mode in hopeful:
                result = _open_loop(servers[mode], part, rate, size, f"sweep-{mode}-{number}")
                results[mode].append(result)
                summary = result.summary(found.slo_s)
                say(f"{share:4.0%} = {rate:5.1f}/s, {mode:10}  {_line(summary)}")
        points += [Point(mode, share, rate, results[mode]) for mode in hopeful]
        hopeful = [mode for mode in hopeful if _share_within(results[mode], found) >= _HOPELESS]
    return points


def _share_within(results: Sequence[LoadResult], found: Baseline) -> float:
    return median(result.summary(found.slo_s).goodput_share or 0.0 for result in results)


def _open_loop(
    server: ServeProcess, trace: Trace, rate: float, size: StandardSize, run_id: str
) -> LoadResult:
    run = run_open_loop(
        server.url,
        trace.at_rate(rate),
        timeout_s=size.timeout_s,
        max_in_flight=DROPS_NOTHING,
        run_id=run_id,
    )
    return asyncio.run(run)


def _users(server: ServeProcess, sentences: Sequence[str], *, users: int, n: int) -> LoadResult:
    return asyncio.run(run_closed_loop(server.url, sentences, users, n=n))


def _line(summary: Summary) -> str:
    percentiles = [summary.p50, summary.p95, summary.p99]
    times = " / ".join(f"{p.value * 1e3:.0f}" for p in percentiles)
    return (
        f"p50/p95/p99 {times} ms, {summary.goodput_share or 0.0:.0%} within the SLO, "
        f"{summary.shed} shed, {summary.failed} failed{'' if summary.valid else '; NOT VALID'}"
    )

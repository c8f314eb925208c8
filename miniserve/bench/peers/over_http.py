"""llama.cpp's server and this one, over HTTP, under the same open load.

Both answer OpenAI's `/v1/completions` on 16 slots; the same Poisson traces go to one and to the
other in turns.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from miniserve.bench.peers.engines.llama_cpp import LlamaCpp, LlamaServer
from miniserve.bench.peers.engines.own import Own
from miniserve.bench.peers.workload import Workload
from miniserve.bench.serving import ServeProcess
from miniserve.bench.tables import Spread
from miniserve.latency import Summary
from miniserve.loadtest import LoadResult, Target, Trace, poisson, run_closed_loop, run_open_loop
from miniserve.loadtest.client import MAX_IN_FLIGHT
from miniserve.settings import Mode
from miniserve.tutor import prompt_for

_WARMUP_S = 1.0
_SEED = 20
_LOAD = 0.8

#: Each connection keeps one of llama.cpp's HTTP threads; with the usual few, an open load would
#: mostly measure the wait for one.
_THREADS_HTTP = ("--threads-http", str(MAX_IN_FLIGHT))

OWN, LLAMA = Own.name, LlamaCpp.name

#: Runs a load and returns its result: a trace (open loop), or sentences for so many users.
RunOpen = Callable[[Target, Trace], LoadResult]
RunClosed = Callable[[Target, Sequence[str], int], LoadResult]


class Latency(NamedTuple):
    """Over all traces; seconds from the intended moment to the last byte."""

    saturation_per_s: float  #: answered with as many users as slots, each at once asking again
    p50_s: Spread | None
    p95_s: Spread | None
    answered: int
    offered: int
    valid: bool


def target(url: str, load: Workload) -> Target:
    """How either server is asked for a correction."""

    def body(sentence: str) -> object:
        prompt = prompt_for(sentence)
        return {
            "model": "tutor",
            "prompt": prompt,
            "max_tokens": load.max_tokens,
            "temperature": 0,
        }

    return Target(url, path="/v1/completions", body=body)


def traces(load: Workload, rate: float, seconds: float, count: int) -> list[Trace]:
    """`count` Poisson traces of about `seconds` seconds each."""
    requests = max(1, round(rate * seconds))
    return [
        Trace.of(poisson(rate, requests, _SEED + number), load.sentences) for number in range(count)
    ]


def run_open(aim: Target, trace: Trace) -> LoadResult:
    """Send one trace; the first second of it warms up."""
    return asyncio.run(run_open_loop(aim, trace, warmup_s=_WARMUP_S))


def run_closed(aim: Target, sentences: Sequence[str], users: int) -> LoadResult:
    """Let `users` ask for each sentence once, all of them busy all the time."""
    return asyncio.run(run_closed_loop(aim, sentences, users, n=len(sentences)))


def latency(saturation: Summary, runs: Sequence[Summary]) -> Latency:
    """Medians over the traces, with their range."""
    return Latency(
        saturation.throughput_rps,
        Spread.of_known(run.p50.value for run in runs),
        Spread.of_known(run.p95.value for run in runs),
        sum(run.answered for run in runs),
        sum(run.offered for run in runs),
        all(run.valid for run in runs),
    )


def compare(
    load: Workload,
    *,
    seconds: float,
    count: int,
    slots: int,
    run_open: RunOpen = run_open,
    run_closed: RunClosed = run_closed,
) -> tuple[float, dict[str, Latency]]:
    """Load both servers at 80 % of llama.cpp's saturation over HTTP.

    Returns:
        The rate, and what was found.

    Raises:
        NotInstalled: there is no llama.cpp.
        RuntimeError: a server does not start.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="miniserve-peers-")))
        llama = LlamaServer(load.checkpoint, slots, folder, options=_THREADS_HTTP)
        stack.callback(llama.stop)
        own = stack.enter_context(
            ServeProcess(Mode.CONTINUOUS, max_num_seqs=slots, checkpoint=load.checkpoint)
        )
        aims = {OWN: target(own.url, load), LLAMA: target(llama.url, load)}
        for aim in aims.values():  # warms up
            run_closed(aim, load.sentences[:slots], slots)
        full = {
            name: run_closed(aim, load.sentences, slots).summary() for name, aim in aims.items()
        }
        rate = _LOAD * full[LLAMA].throughput_rps
        if not rate > 0:
            raise RuntimeError("llama-server answers nothing")
        found: dict[str, list[Summary]] = {name: [] for name in aims}
        for number, trace in enumerate(traces(load, rate, seconds, count)):
            for name in list(aims) if number % 2 == 0 else list(aims)[::-1]:
                found[name].append(run_open(aims[name], trace).summary())
    return rate, {name: latency(full[name], runs) for name, runs in found.items()}


def p95_ratio(found: Mapping[str, Latency]) -> float | None:
    """This server's p95 ÷ llama.cpp's."""
    own, theirs = found[OWN].p95_s, found[LLAMA].p95_s
    return own.median / theirs.median if own and theirs else None

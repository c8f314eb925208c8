"""Latency under open-loop load, over HTTP and straight to the engine.

1. *Saturation*: what the server answers a second when 4 users a slot send without a pause.
2. *Without HTTP*: the same sentences straight to the same engine, all at once. That tells the
   engine's own throughput.
3. *What HTTP adds*: short stretches of the standard load at half the saturation, to the engine
   and to the server in turns, so that whatever else the machine does disturbs both alike. The
   server's own metrics tell how much of its answers' time was spent outside the engine. A bare
   uvicorn gets them, too: what it takes to answer at once, anybody's HTTP would.
4. *Latency*: whole traces over HTTP, at shares of the saturation.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from contextlib import AsyncExitStack

import httpx
import numpy as np

from miniserve.bench.direct import run_direct
from miniserve.bench.null_route import bare_uvicorn
from miniserve.bench.open_loop_tables import Added, Run, tables
from miniserve.bench.serving import (
    DROPS_NOTHING,
    MAX_WAITING,
    ServeProcess,
    ServerProcess,
    settings_of,
)
from miniserve.bench.size import Size
from miniserve.bench.tables import Spread, Table
from miniserve.engine import BatchingClient
from miniserve.latency import LatencyRecord, latencies, percentile
from miniserve.loadtest import LoadClient, LoadResult, Target, Trace, run_closed_loop, run_open_loop
from miniserve.paths import STANDARD_LOAD
from miniserve.serve import open_client
from miniserve.settings import Mode

_USERS_A_SLOT = 4
_HALF = 0.5
_TIMEOUT_S = 30.0
_IN_ENGINE = "miniserve:e2e_request_latency_seconds"


async def measure(size: Size) -> list[Table]:
    """Measure in the order above."""
    slots = size.max_num_seqs
    settings = settings_of(Mode.CONTINUOUS, max_num_seqs=slots, max_waiting=MAX_WAITING)
    whole = Trace.load(STANDARD_LOAD)
    traces = whole.stretches(size.load_requests)[: size.load_traces]
    short = whole.stretches(size.added_requests)[: 1 + size.added_stretches]
    async with AsyncExitStack() as stack:
        server = stack.enter_context(
            ServeProcess(Mode.CONTINUOUS, max_num_seqs=slots, max_waiting=MAX_WAITING)
        )
        engine = open_client(settings)
        assert isinstance(engine, BatchingClient)
        await engine.start()
        stack.push_async_callback(engine.stop)
        users = _USERS_A_SLOT * slots
        floods = [
            await run_closed_loop(server.url, trace.sentences, users, n=len(trace.sentences))
            for trace in traces
        ]
        saturation = Spread.of(flood.summary().throughput_rps for flood in floods)
        alone = await _alone(engine, traces)
        bare = stack.enter_context(bare_uvicorn())
        added = await _added(server, bare, engine, short, _HALF * saturation.median)
        runs = []
        for number, trace in enumerate(traces):
            for share in size.shares:
                rate = share * saturation.median
                result = await _over_http(server, trace.at_rate(rate), f"{share}-{number}")
                runs.append(Run(share, rate, result.summary()))
    return tables(runs, added, saturation, alone, size)


async def _over_http(server: ServeProcess, trace: Trace, run_id: str) -> LoadResult:
    return await run_open_loop(
        server.url, trace, timeout_s=_TIMEOUT_S, max_in_flight=DROPS_NOTHING, run_id=run_id
    )


async def _alone(engine: BatchingClient, traces: Sequence[Trace]) -> Spread:
    """The engine's own requests/s: each trace, all at once."""
    rates = []
    for number, trace in enumerate(traces):
        at_once = Trace(np.zeros(len(trace.sentences)), trace.sentences)
        flood = await run_direct(engine, at_once, run_id=str(number))
        rates.append(flood.summary().throughput_rps)
    return Spread.of(rates)


async def _added(
    server: ServeProcess,
    bare: ServerProcess,
    engine: BatchingClient,
    short: Sequence[Trace],
    rate: float,
) -> list[Added]:
    """Each stretch to all three, in turns.

    One client sends all stretches to a server, so that only the first, which is not counted, has
    to open its connections.
    """
    added = []
    records: list[LatencyRecord] = []
    idle: list[LatencyRecord] = []
    async with (
        LoadClient(Target(server.url), timeout_s=_TIMEOUT_S, on_record=records.append) as client,
        LoadClient(Target(bare.url), timeout_s=_TIMEOUT_S, on_record=idle.append) as bare_client,
    ):
        for number, trace in enumerate(short):
            timed = trace.at_rate(rate)
            direct = await run_direct(engine, timed, run_id=f"short-{number}")
            before = await _seconds_in_engine(server)
            records.clear()
            await _send(client, timed)
            in_engine = await _seconds_in_engine(server) - before
            idle.clear()
            await _send(bare_client, timed)
            if number == 0 or not all(record.ok for record in records):
                continue  # what failed took its time in the engine, but none of an answer's
            took = latencies(records)
            p50 = percentile(took, 0.5).value
            outside = float(took.mean()) - in_engine / len(records)
            at_once = float(latencies(idle).mean())
            added.append(Added(direct.summary().p50.value, p50, outside, at_once))
    return added


async def _send(client: LoadClient, trace: Trace) -> None:
    """Send a trace, beginning now, and wait for its last answer."""
    start = client.now()
    for number, (offset, sentence) in enumerate(zip(trace.offsets, trace.sentences, strict=True)):
        intended = start + float(offset)
        await asyncio.sleep(max(0.0, intended - client.now()))
        client.launch(number, intended, client.target.content(sentence))
    await client.settle(_TIMEOUT_S)


async def _seconds_in_engine(server: ServeProcess) -> float:
    """What all generations of the server so far took in its engine, together."""
    async with httpx.AsyncClient(trust_env=False) as client:
        return read_sum((await client.get(f"{server.url}/metrics")).text, _IN_ENGINE)


def read_sum(metrics: str, name: str) -> float:
    """The sum of a histogram in the Prometheus text format.

    Raises:
        ValueError: it is not there.
    """
    found = re.search(rf"^{name}_sum (\S+)$", metrics, re.MULTILINE)
    if found is None:
        raise ValueError(f"the metrics have no {name}")
    return float(found[1])

"""The same open loop as over HTTP, but straight to an engine client in this process."""

from __future__ import annotations

import asyncio
import time

from miniserve.client import EngineClient
from miniserve.completion import EngineError
from miniserve.latency import LatencyRecord
from miniserve.loadtest import LoadResult, Trace
from miniserve.tutor import MAX_TOKENS, prompt_for

_OK, _FAILED = 200, 500


async def run_direct(client: EngineClient, trace: Trace, *, run_id: str) -> LoadResult:
    """Send each sentence of the trace at its moment; ids are `run_id`-0, -1, …

    The records look like those of a run over HTTP: an answer is a 200, a failure a 500.
    """
    records: list[LatencyRecord] = []
    origin = time.perf_counter()

    def now() -> float:
        return time.perf_counter() - origin

    async def ask(request_id: str, intended: float, prompt: str) -> None:
        status, error, sent = _OK, None, now()
        try:
            await client.generate(prompt, max_tokens=MAX_TOKENS, request_id=request_id)
        except EngineError as failure:
            status, error = _FAILED, type(failure).__name__
        done = now()
        records.append(LatencyRecord(intended, sent, done, done, status, error, request_id))

    prompts = [prompt_for(sentence) for sentence in trace.sentences]
    async with asyncio.TaskGroup() as group:
        for number, (prompt, offset) in enumerate(zip(prompts, trace.offsets, strict=True)):
            await asyncio.sleep(max(0.0, float(offset) - now()))
            group.create_task(ask(f"{run_id}-{number}", float(offset), prompt))
    records.sort(key=lambda record: record.intended)
    return LoadResult(records, {"warmup_s": 0.0, "run_id": run_id}, origin)

"""Fit the step cost to the engine's own trace: `data/latency/step_cost.json`.

The standard load's requests go to an engine in a process of its own, without HTTP in front: first
at a light load, then at heavier ones, so that every batch size comes with and without prompts.

Run it with `python -m miniserve.bench.step_cost`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from miniserve.engine_process import EngineProcess
from miniserve.loadtest import Trace
from miniserve.paths import DATA_DIR, STANDARD_LOAD
from miniserve.serve import open_client
from miniserve.settings import Mode, Settings
from miniserve.stepcost import fit
from miniserve.trace import StepRecord
from miniserve.tutor import prompt_for

#: Requests per second, lightest first; the last one floods the engine.
RATES = (20.0, 60.0, 120.0, 180.0, 1000.0)


async def record(settings: Settings, trace: Trace, requests: int) -> list[StepRecord]:
    """The step records of `requests` requests at each of the rates."""
    client = open_client(settings)
    assert isinstance(client, EngineProcess)
    records: list[StepRecord] = []
    await client.start()
    try:
        await _send(client, trace, 20, 20.0, settings.max_tokens)  # a first run warms things up
        client.listeners.append(records.append)
        for rate in RATES:
            await _send(client, trace, requests, rate, settings.max_tokens)
    finally:
        await client.stop()
    return records


async def _send(
    client: EngineProcess, trace: Trace, requests: int, rate: float, max_tokens: int
) -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    async with asyncio.TaskGroup() as group:
        for number in range(requests):
            due = start + float(trace.offsets[number]) / rate
            await asyncio.sleep(max(0.0, due - loop.time()))
            prompt = prompt_for(trace.sentences[number])
            request = client.generate(prompt, max_tokens=max_tokens, request_id=str(number))
            group.create_task(request)


def main() -> None:
    """Measure, fit, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--requests", type=int, default=200, help="for each rate")
    parser.add_argument("--out", type=Path, default=DATA_DIR / "latency" / "step_cost.json")
    arguments = parser.parse_args()
    settings = Settings(mode=Mode.CONTINUOUS, max_num_seqs=16, max_waiting=arguments.requests)
    trace = Trace.load(STANDARD_LOAD)
    found = fit(asyncio.run(record(settings, trace, arguments.requests)))
    found.save(
        arguments.out,
        date=datetime.now(UTC).date().isoformat(),
        machine=f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        mode="continuous, engine in a process, without HTTP",
        max_num_seqs=settings.max_num_seqs,
        requests=arguments.requests,
        rates_rps=RATES,
    )
    print(found)


if __name__ == "__main__":
    main()

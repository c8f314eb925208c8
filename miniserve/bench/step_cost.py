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

from miniserve.bench.direct import run_direct
from miniserve.bench.serving import settings_of
from miniserve.engine_process import EngineProcess
from miniserve.loadtest import Trace
from miniserve.paths import DATA_DIR, STANDARD_LOAD
from miniserve.serve import open_client
from miniserve.settings import Mode, Settings
from miniserve.stepcost import fit
from miniserve.trace import StepRecord

#: Requests per second, lightest first; the last one floods the engine.
RATES = (20.0, 60.0, 120.0, 180.0, 1000.0)


async def record(settings: Settings, trace: Trace, requests: int) -> list[StepRecord]:
    """The step records of `requests` requests at each of the rates.

    Raises:
        RuntimeError: not all of them were answered.
    """
    client = open_client(settings)
    assert isinstance(client, EngineProcess)
    records: list[StepRecord] = []
    await client.start()
    try:
        await _send(client, trace.cut(0, 20), RATES[0])  # a first run warms things up
        client.listeners.append(records.append)
        for rate in RATES:
            await _send(client, trace.cut(0, requests), rate)
    finally:
        await client.stop()
    return records


async def _send(client: EngineProcess, trace: Trace, rate: float) -> None:
    result = await run_direct(client, trace.at_rate(rate), run_id=f"{rate:g}")
    if errors := result.summary().errors:
        raise RuntimeError(f"not all requests were answered: {errors}")


def main() -> None:
    """Measure, fit, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--requests", type=int, default=200, help="for each rate")
    parser.add_argument("--out", type=Path, default=DATA_DIR / "latency" / "step_cost.json")
    arguments = parser.parse_args()
    settings = settings_of(Mode.CONTINUOUS, max_num_seqs=16, max_waiting=arguments.requests)
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

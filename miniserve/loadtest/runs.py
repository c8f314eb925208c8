"""One run from start to end: an open loop over a schedule, and a closed loop beside it.

Both are coroutines. In a notebook, where the kernel's own loop is busy with other things, give a
run a loop of its own: `await asyncio.to_thread(asyncio.run, run_open_loop(url, trace))`.
"""

import asyncio
import itertools
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from miniserve.latency import LatencyRecord, Summary, save, summary
from miniserve.loadtest.arrivals import Trace
from miniserve.loadtest.client import MAX_IN_FLIGHT, LoadClient, OnRecord, Target

NAP_S = 0.1
"""Longest sleep between two looks at `stop`."""


class Flag(Protocol):
    """Something that says stop: a `threading.Event` (from anywhere) or an `asyncio.Event`."""

    def is_set(self) -> bool:
        """Return whether to stop."""
        ...


@dataclass(frozen=True)
class LoadResult:
    """What came of a run. Every request has its record, in the order of intended starts."""

    records: list[LatencyRecord]
    conditions: dict[str, Any]
    """What was run, on what, and how. Callers add what only they know (seed, arrivals)."""
    origin: float
    """Zero of the records' clock on `time.perf_counter`, to lay them over a server's own trace."""

    @property
    def measured(self) -> list[LatencyRecord]:
        """The records without the warm-up, which is told by its *intended* start."""
        warmup_s = self.conditions["warmup_s"]
        return [record for record in self.records if record.intended >= warmup_s]

    def summary(self, slo_s: float | None = None) -> Summary:
        """Sum up the measured records (see `miniserve.latency.summary`)."""
        return summary(self.measured, slo_s)

    def save(self, path: str | Path) -> tuple[Path, Path]:
        """Write all records and the conditions (see `miniserve.latency.save`)."""
        return save(self.records, self.conditions, path)


async def run_open_loop(
    url: str | Target,
    trace: Trace,
    *,
    timeout_s: float = 30.0,
    warmup_s: float = 0.0,
    drain_s: float | None = None,
    max_in_flight: int = MAX_IN_FLIGHT,
    on_record: OnRecord | None = None,
    stop: Flag | None = None,
    run_id: str | None = None,
) -> LoadResult:
    """Send each request of the trace at its moment, whatever became of those before it.

    Nothing is gated: the only cap is `max_in_flight` sockets, and a request beyond it is recorded
    as dropped. Each request has `timeout_s`; when the schedule ends, the last ones get `drain_s`
    (default: a second more than that). `stop` ends the schedule early; what it had not sent then
    was not offered. `on_record` is called on this loop as each request ends, and what it raises
    ends the run. Ids are `run_id`-0, -1, … and travel as `X-Request-ID`.
    """
    target = Target.of(url)
    contents = [target.content(sentence) for sentence in trace.sentences]
    drain_s = timeout_s + 1.0 if drain_s is None else drain_s
    records: list[LatencyRecord] = []
    started_at = datetime.now(UTC)
    async with LoadClient(
        target,
        timeout_s=timeout_s,
        max_in_flight=max_in_flight,
        on_record=_keeper(records, on_record),
        run_id=run_id,
    ) as client:
        for index, (offset, content) in enumerate(zip(trace.offsets, contents, strict=True)):
            # Each wait is taken from the schedule, not from the last send: no drift.
            if not await _until(float(offset), client, stop):
                break
            client.launch(index, float(offset), content)
        await client.drain(drain_s)
    return _result(
        records,
        client,
        started_at,
        loop="open",
        requests=len(contents),
        warmup_s=warmup_s,
        timeout_s=timeout_s,
        drain_s=drain_s,
        max_in_flight=max_in_flight,
        stopped_early=len(records) < len(contents),
    )


async def run_closed_loop(
    url: str | Target,
    sentences: Sequence[str],
    concurrency: int,
    *,
    n: int | None = None,
    duration_s: float | None = None,
    think_s: float = 0.0,
    timeout_s: float = 30.0,
    warmup_s: float = 0.0,
    drain_s: float | None = None,
    on_record: OnRecord | None = None,
    stop: Flag | None = None,
) -> LoadResult:
    """Let `concurrency` users send, wait for the answer, think for `think_s`, and send again.

    It ends after `n` requests or `duration_s` seconds, whichever is given (both: the first).
    Nobody has a plan here, so a request is intended when its user gets round to it: latency is
    service time, and the waiting that a stall would cause to others is never seen.
    """
    if concurrency < 1 or not sentences or (n is None and duration_s is None):
        raise ValueError("a closed loop needs users, sentences, and an end: n or duration_s")
    target = Target.of(url)
    contents = [target.content(sentence) for sentence in sentences]
    drain_s = timeout_s + 1.0 if drain_s is None else drain_s
    records: list[LatencyRecord] = []
    numbers = itertools.count() if n is None else iter(range(n))
    started_at = datetime.now(UTC)

    async def user(client: LoadClient) -> None:
        for index in numbers:
            if _over(client, stop, duration_s):
                return
            await client.send(index, client.now(), contents[index % len(contents)])
            if think_s > 0 and not await _until(client.now() + think_s, client, stop, duration_s):
                return

    async with (
        LoadClient(
            target,
            timeout_s=timeout_s,
            on_record=_keeper(records, on_record),
        ) as client,
        asyncio.TaskGroup() as group,
    ):
        users = {group.create_task(user(client)) for _ in range(concurrency)}
        while users and not _over(client, stop, duration_s):
            _, users = await asyncio.wait(users, timeout=NAP_S)
        if users:
            _, users = await asyncio.wait(users, timeout=drain_s)
        for late in users:
            late.cancel()
    return _result(
        records,
        client,
        started_at,
        loop="closed",
        concurrency=concurrency,
        requests=n,
        duration_s=duration_s,
        think_s=think_s,
        warmup_s=warmup_s,
        timeout_s=timeout_s,
        drain_s=drain_s,
        stopped_early=stop is not None and stop.is_set(),
    )


def _keeper(records: list[LatencyRecord], on_record: OnRecord | None) -> OnRecord:
    def keep(record: LatencyRecord) -> None:
        records.append(record)
        if on_record is not None:
            on_record(record)

    return keep


def _over(client: LoadClient, stop: Flag | None, duration_s: float | None) -> bool:
    late = duration_s is not None and client.now() >= duration_s
    return late or (stop is not None and stop.is_set())


async def _until(
    moment: float, client: LoadClient, stop: Flag | None, duration_s: float | None = None
) -> bool:
    """Sleep until `moment` on the client's clock; return False as soon as the run is over."""
    await asyncio.sleep(0)  # even a generator that is late lets the requests it made go out
    while not _over(client, stop, duration_s):
        if (delay := moment - client.now()) <= 0:
            return True
        await asyncio.sleep(min(delay, NAP_S))
    return False


def _result(
    records: list[LatencyRecord], client: LoadClient, started_at: datetime, **settings: Any
) -> LoadResult:
    records.sort(key=lambda record: record.intended)
    conditions = {
        "started_at": started_at.isoformat(timespec="seconds"),
        "took_s": round(client.now(), 3),
        "run_id": client.run_id,
        "url": client.target.address,
        "method": client.target.method,
        **settings,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
    }
    return LoadResult(records, conditions, client.origin)

"""Memory of `miniserve serve`, and how long it takes to be ready."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Mapping
from typing import NamedTuple

from miniserve.bench.serving import ServeProcess
from miniserve.bench.size import Size
from miniserve.bench.tables import Spread, Table
from miniserve.loadtest import Trace, run_closed_loop
from miniserve.paths import STANDARD_LOAD
from miniserve.settings import Mode

_REQUESTS = 200


class Process(NamedTuple):
    """A process as `ps` lists it; resident memory in KiB."""

    parent: int
    rss: int


def read_processes(listing: str) -> dict[int, Process]:
    """Read lines of pid, parent's pid and resident memory."""
    rows = (line.split() for line in listing.splitlines())
    return {int(pid): Process(int(parent), int(rss)) for pid, parent, rss in rows}


def family(processes: Mapping[int, Process], root: int) -> list[int]:
    """Resident memory in KiB of a process and of its children, largest child first."""
    children = [process.rss for process in processes.values() if process.parent == root]
    return [processes[root].rss, *sorted(children, reverse=True)]


def measure(size: Size) -> list[Table]:
    """Start a server several times; load each for a moment, and look at its processes."""
    sentences = Trace.load(STANDARD_LOAD).sentences[:_REQUESTS]
    starts, found = [], []
    for _ in range(size.starts):
        with ServeProcess(Mode.CONTINUOUS) as server:
            starts.append(server.ready_after_s)
            asyncio.run(run_closed_loop(server.url, sentences, 32, n=len(sentences)))
            command = ["ps", "-A", "-o", "pid=,ppid=,rss="]
            listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            found.append(family(read_processes(listing), server.pid))
    in_mib = 1 / 1024
    rows = [
        {
            "start_until_ready_s": Spread.of(starts),
            "server_mib": Spread.of((rss[0] for rss in found), in_mib),
            "engine_mib": Spread.of((rss[1] for rss in found), in_mib),
            "all_processes_mib": Spread.of((sum(rss) for rss in found), in_mib),
        }
    ]
    about = (
        f"`miniserve serve`, continuous mode, {size.starts} starts: seconds until `/readyz` says "
        f"200 (model loaded, one correction made), and resident memory after {_REQUESTS} "
        "corrections. Pages that processes share are counted in each."
    )
    return [Table("Start-up and memory", about, rows)]

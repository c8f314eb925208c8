"""An independent word on throughput: `wrk` against this package's own closed loop.

Both keep the same number of connections busy for the same time, in turns, on the same server.
Where the server is the slower part (`/correct`), they must agree. On a cheap route the slower part
is the load generator: there the figure says how much this package's generator can send at all.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from miniserve.bench.serving import ServeProcess
from miniserve.bench.size import Size
from miniserve.bench.tables import Cell, Spread, Table
from miniserve.loadtest import LoadResult, Target, Trace, run_closed_loop
from miniserve.paths import STANDARD_LOAD
from miniserve.settings import Mode

_SCRIPT = """
local bodies = {%s}
local number = 0
local headers = {["Content-Type"] = "application/json"}
request = function()
  number = number %% #bodies + 1
  return wrk.format("POST", nil, headers, bodies[number])
end
"""


def lua_script(bodies: Sequence[str]) -> str:
    """A script for `wrk` that posts ASCII bodies in turn."""
    return _SCRIPT % ", ".join(json.dumps(body) for body in bodies)  # Lua's quotes are JSON's


def read_rate(said: str) -> float:
    """Answers with a 2xx or 3xx a second, from what `wrk` writes at its end.

    Raises:
        ValueError: it is not the report of `wrk`, or connections failed.
    """
    rate = re.search(r"^Requests/sec:\s+([\d.]+)$", said, re.MULTILINE)
    total = re.search(r"^\s*(\d+) requests in ", said, re.MULTILINE)
    if rate is None or total is None or "Socket errors" in said:
        raise ValueError(f"wrk says: {said.strip()}")
    refused = re.search(r"^\s*Non-2xx or 3xx responses: (\d+)$", said, re.MULTILINE)
    share = int(refused[1]) / int(total[1]) if refused else 0.0
    return float(rate[1]) * (1.0 - share)


def rate_within(result: LoadResult, seconds: float) -> float:
    """Answers with a 2xx a second within the first `seconds` of a run."""
    in_time = (r for r in result.records if r.ok and r.done is not None and r.done <= seconds)
    return sum(1 for _ in in_time) / seconds


def measure(size: Size) -> list[Table]:
    """Load both routes with both tools; a table without rows where `wrk` is not installed."""
    title = "Cross-check with wrk"
    program = shutil.which("wrk")
    if program is None:
        return [Table(title, "Skipped: `wrk` is not installed.", [])]
    sentences = Trace.load(STANDARD_LOAD).sentences[:1000]
    rows: list[dict[str, Cell]] = []
    with (
        ServeProcess(Mode.CONTINUOUS) as server,
        tempfile.TemporaryDirectory(prefix="miniserve-bench-") as folder,
    ):
        correct = Target(server.url)
        script = Path(folder) / "post.lua"
        bodies = [(correct.content(sentence) or b"").decode() for sentence in sentences]
        script.write_text(lua_script(bodies), encoding="ascii")
        cheap = Target(server.url, "/healthz", "GET", None)
        for target, arguments in ((correct, ["--script", str(script)]), (cheap, [])):
            asyncio.run(run_closed_loop(target, sentences, size.connections, n=50))  # warms up
            ours, theirs = [], []
            for _ in range(size.cross_checks):
                seconds = size.cross_check_s
                load = asyncio.run(
                    run_closed_loop(target, sentences, size.connections, duration_s=seconds)
                )
                ours.append(rate_within(load, seconds))
                command = [program, "-t1", f"-c{size.connections}", f"-d{seconds:.0f}s"]
                said = subprocess.run(
                    [*command, *arguments, target.address],
                    capture_output=True,
                    text=True,
                    check=True,
                    timeout=10 * seconds + 60,
                )
                theirs.append(read_rate(said.stdout))
            rows.append(
                {
                    "route": f"`{target.method} {target.path}`",
                    "miniserve_bench_per_s": Spread.of(ours),
                    "wrk_per_s": Spread.of(theirs),
                    "ratio": Spread.of(a / b for a, b in zip(ours, theirs, strict=True)),
                }
            )
    about = (
        f"Closed loop, {size.connections} connections, {size.cross_check_s:g} s; median "
        f"(lowest–highest) of {size.cross_checks}, in turns. On `/correct` the server sets the "
        "pace and the two must agree; on the cheap route the Python generator itself does."
    )
    return [Table(title, about, rows)]

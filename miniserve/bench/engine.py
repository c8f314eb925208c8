"""The engine's benchmark: from a matrix product to a request over HTTP, one table after the other.

Run it with `python -m miniserve.bench.engine`, on a machine that does nothing else: seven minutes.
`--only steps http` runs parts of it, `--quick` shows in a minute that everything runs. The
tables go to `bench.json` and `bench.md`; a part that is run alone replaces its own tables there.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import threadpoolctl

from miniserve.bench import (
    cross_check,
    footprint,
    guesses,
    null_route,
    offline,
    open_loop,
    predicted,
    report,
    scheduling,
    steps,
)
from miniserve.bench.machine import load_average, machine, now
from miniserve.bench.size import QUICK, Size
from miniserve.bench.tables import Table, markdown
from miniserve.paths import DATA_DIR

PARTS: dict[str, Callable[[Size], list[Table]]] = {
    "steps": steps.measure,
    "offline": offline.measure,
    "guesses": guesses.measure,
    "scheduler": scheduling.measure,
    "http": null_route.measure,
    "load": lambda size: asyncio.run(open_loop.measure(size)),
    "predicted": predicted.measure,
    "wrk": cross_check.measure,
    "footprint": footprint.measure,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    parser.add_argument("--quick", action="store_true", help="small numbers, and no files")
    parser.add_argument("--out", type=Path, help="folder of the files (default: data/latency)")
    given = parser.parse_args(arguments)
    out = given.out or (None if given.quick else DATA_DIR / "latency")
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        about = machine()
        print(*(f"{name}: {value}" for name, value in about.items()), sep="\n", end="\n\n")
        for name, measure in PARTS.items():
            if name in given.only:
                date, load, start = now(), load_average(), time.monotonic()
                tables = measure(QUICK if given.quick else Size())
                took = time.monotonic() - start
                print(*map(markdown, tables), f"({name}: {took:.0f} s)\n", sep="\n", flush=True)
                if out is not None:  # at once, in case a later part fails
                    parts = {name: report.part(tables, date, took, load)}
                    report.save(out, about, parts, order=list(PARTS))


if __name__ == "__main__":
    main()

"""The tables of `miniserve.bench.open_loop`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from miniserve.bench.size import Size
from miniserve.bench.tables import Cell, Spread, Table
from miniserve.latency import Percentile, Summary


@dataclass(frozen=True)
class Run:
    """One trace over HTTP; `rate` in requests per second."""

    share: float
    rate: float
    http: Summary


@dataclass(frozen=True)
class Added:
    """The same stretch straight to the engine and over HTTP, in seconds.

    outside: mean of what an answer over HTTP took outside the engine.
    bare: mean of what an answer of bare uvicorn took, which does nothing, at the same moments.
    """

    direct: float  #: p50
    http: float  #: p50
    outside: float
    bare: float


def tables(
    runs: Sequence[Run],
    added: Sequence[Added],
    saturation: Spread,
    alone: Spread | None,
    size: Size,
) -> list[Table]:
    """The saturation, what HTTP adds, and the latencies."""
    shares = sorted({run.share for run in runs})
    groups = [[run for run in runs if run.share == share] for share in shares]
    about_added = (
        f"{len(added)} stretches of {size.added_requests} requests at half the saturation; the "
        "same engine (a process of its own) with and without HTTP, in turns; median (quartiles). "
        "Client and server take processor time, so the difference of the p50s has the engine's "
        "being slower in it where cores are few or shared; the mean time outside the engine has "
        "only the rest, the client's own work and late timers included. The last row is what "
        "remains if nothing is done at all: a bare uvicorn that answers at once, at the same "
        "moments (it wakes up from idling, as do the others)."
    )
    about = (
        f"`miniserve serve`, continuous mode, {size.max_num_seqs} slots, traces of "
        f"{size.load_requests} requests, Poisson arrivals, latency from the intended moment; "
        f"median (lowest–highest) of {len(groups[0])}."
    )
    most: list[dict[str, Cell]] = [
        {"what": "over HTTP, 4 users a slot", "corrections_per_s": saturation},
        {"what": "straight to the engine, all at once", "corrections_per_s": alone},
    ]
    about_most = f"{size.max_num_seqs} slots; median (lowest–highest) of {size.load_traces}."
    return [
        Table("Saturation", about_most, most),
        Table("What HTTP adds to a correction", about_added, _added_rows(added)),
        Table("Open-loop latency over HTTP", about, [_latency_row(group) for group in groups]),
    ]


def _added_rows(added: Sequence[Added]) -> list[dict[str, Cell]]:
    columns = {
        "p50 without HTTP": [one.direct for one in added],
        "p50 over HTTP": [one.http for one in added],
        "difference": [one.http - one.direct for one in added],
        "mean time outside the engine": [one.outside for one in added],
        "mean time of bare uvicorn": [one.bare for one in added],
    }
    return [
        {"what": what, "latency_ms": Spread.quartiles(values, 1e3)}
        for what, values in columns.items()
    ]


def _load(group: Sequence[Run]) -> dict[str, Cell]:
    return {"load": f"{group[0].share:.0%}", "offered_per_s": group[0].rate}


def _latency_row(group: Sequence[Run]) -> dict[str, Cell]:
    runs = [run.http for run in group]
    invalid = sum(not run.valid for run in runs)
    return {
        **_load(group),
        "p50_ms": Spread.of_known((_quoted(run.p50) for run in runs), 1e3),
        "p95_ms": Spread.of_known((_quoted(run.p95) for run in runs), 1e3),
        "p99_ms": Spread.of_known((_quoted(run.p99) for run in runs), 1e3),
        "not_answered": str(sum(run.offered - run.answered for run in runs)),
        "valid": "yes" if not invalid else f"{len(runs) - invalid} of {len(runs)}",
    }


def _quoted(percentile: Percentile) -> float | None:
    """The value, if enough samples lie beyond it."""
    return percentile.value if percentile.quotable else None

"""What HTTP costs a request that does nothing: a null route of the server beside bare uvicorn.

`GET /healthz` goes through the whole middleware and FastAPI's routing, and computes nothing. One
connection sends one request after the other, to the two servers in turns.
"""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from http.client import HTTPConnection
from statistics import median
from urllib.parse import urlsplit

from miniserve.bench.serving import ServeProcess, ServerProcess
from miniserve.bench.size import Size
from miniserve.bench.tables import Cell, Spread, Table
from miniserve.settings import Mode

_UVICORN = (
    "-m uvicorn miniserve.bench.bare:app --port 0 --lifespan off --no-access-log --no-server-header"
)


def bare_uvicorn() -> ServerProcess:
    """uvicorn with an application that does nothing."""
    return ServerProcess([sys.executable, *_UVICORN.split()], {}, ready="/")


def round_trips(connection: HTTPConnection, path: str, requests: int) -> float:
    """Median seconds of `requests` GETs, one after the other.

    Raises:
        RuntimeError: an answer is not a 200.
    """
    seconds = []
    for _ in range(requests):
        begin = time.perf_counter()
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        seconds.append(time.perf_counter() - begin)
        if response.status != 200:
            raise RuntimeError(f"{path} answers {response.status}")
    return median(seconds)


def measure(size: Size) -> list[Table]:
    """Time both servers in turns, and take the difference round by round."""
    bare, full = [], []
    with ExitStack() as stack:
        servers = [
            stack.enter_context(bare_uvicorn()),
            stack.enter_context(ServeProcess(Mode.CONTINUOUS)),
        ]
        connections = [
            HTTPConnection(urlsplit(server.url).netloc, timeout=30) for server in servers
        ]
        for connection in connections:
            stack.callback(connection.close)
            round_trips(connection, "/healthz", size.null_requests)  # warms up
        for _ in range(size.rounds):
            bare.append(round_trips(connections[0], "/healthz", size.null_requests))
            full.append(round_trips(connections[1], "/healthz", size.null_requests))
    difference = [two - one for one, two in zip(bare, full, strict=True)]
    rows: list[dict[str, Cell]] = [
        {"what": what, "round_trip_ms": Spread.quartiles(seconds, 1e3)}
        for what, seconds in (
            ("bare uvicorn", bare),
            ("`GET /healthz`, all middleware", full),
            ("difference", difference),
        )
    ]
    about = (
        f"One connection, one request after the other; median (quartiles) of {size.rounds} rounds' "
        f"medians of {size.null_requests} requests, the servers in turns. The client's own share, "
        "the same in both, is in the round trips and not in the difference."
    )
    return [Table("A request that does nothing", about, rows)]

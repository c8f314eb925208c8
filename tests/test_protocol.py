"""The bound on a request's head, on a bare application and real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from miniserve.protocol import MAX_HEAD_BYTES, BoundedHeads

HEAD = b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"
PATIENCE_S = 20.0

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Hasty(BoundedHeads):
    """Gives a head a tenth of a second."""

    head_timeout_s = 0.1


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the path; `/slow` after three times as long as a head has."""
    body = scope["path"].encode()
    if body == b"/slow":
        await asyncio.sleep(0.3)
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def connected(keep_alive_s: int = 60) -> AsyncIterator[Stream]:
    """A connection to a server that speaks through `Hasty`."""
    config = uvicorn.Config(application, log_config=None, timeout_keep_alive=keep_alive_s)
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: Hasty(config, state, {}), "127.0.0.1"
    )
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        yield reader, writer
        writer.close()


def play(sent: list[bytes], *, keep_alive_s: int = 60, pause_s: float = 0.0) -> bytes:
    """What comes back, up to the end of the connection, for pieces sent one after the other."""

    async def run() -> bytes:
        async with asyncio.timeout(PATIENCE_S), connected(keep_alive_s) as (reader, writer):
            for piece in sent:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause_s)
            return await reader.read()

    return asyncio.run(run())


def refusal(answer: bytes, status: bytes, name: str) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 " + status)
    assert b"content-type: application/problem+json" in head
    assert b"content-length: %d" % len(body) in head
    assert json.loads(body)["type"] == f"urn:miniserve:{name}"


@pytest.mark.parametrize("cut", [1, 5, 20, len(HEAD % b"a") - 1])
def test_half_a_head_is_told_in_time(cut: int) -> None:
    refusal(play([(HEAD % b"a")[:cut]]), b"408 Request Timeout", "head-timeout")


def test_a_head_that_trickles_is_no_excuse() -> None:
    answer = play([b"G", b"E", b"T"], pause_s=0.03)
    refusal(answer, b"408 Request Timeout", "head-timeout")


def test_a_head_in_pieces_is_fine() -> None:
    whole = HEAD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") % b"a"
    answer = play([whole[:7], whole[7:25], whole[25:]], pause_s=0.01)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"/a")


def test_the_second_head_has_a_bound_as_well() -> None:
    answer = play([HEAD % b"a", b"GET /b HT"], pause_s=0.05)
    first, second = answer.split(b"/a", maxsplit=1)
    assert first.startswith(b"HTTP/1.1 200 ")
    refusal(second, b"408 Request Timeout", "head-timeout")


def test_half_a_head_waits_for_the_answer_before_it() -> None:
    answer = play([HEAD % b"slow" + b"GET /b HT"])
    first, second = answer.split(b"/slow", maxsplit=1)
    assert first.startswith(b"HTTP/1.1 200 ")
    refusal(second, b"408 Request Timeout", "head-timeout")


def test_a_long_head_is_refused_before_its_end() -> None:
    begin = b"GET /a HTTP/1.1\r\nHost: x\r\nX: "
    answer = play([begin + b"x" * (MAX_HEAD_BYTES - len(begin)), b"x"], pause_s=0.01)
    refusal(answer, b"431 Request Header Fields Too Large", "head-too-large")


def test_a_head_as_long_as_allowed_is_served() -> None:
    begin, end = b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: ", b"\r\n\r\n"
    whole = begin + b"x" * (MAX_HEAD_BYTES - len(begin) - len(end)) + end
    assert play([whole[:20_000], whole[20_000:]]).startswith(b"HTTP/1.1 200 ")


def test_a_silent_connection_is_closed() -> None:
    assert play([], keep_alive_s=0) == b""

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
    """Answer with the path; `/slow` after three times as long as a head has, `/read` after the
    whole body.
    """
    body = scope["path"].encode()
    while body == b"/read" and (await receive()).get("more_body"):
        pass
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
    answer = play([begin, b"x" * MAX_HEAD_BYTES, b"x"], pause_s=0.02)
    refusal(answer, b"431 Request Header Fields Too Large", "head-too-large")


@pytest.mark.parametrize("where", ["url", "one header", "many headers"])
def test_a_long_head_in_one_piece_is_refused_too(where: str) -> None:
    path = b"a" * MAX_HEAD_BYTES if where == "url" else b"a"
    header = b"X: " + b"x" * MAX_HEAD_BYTES + b"\r\n" if where == "one header" else b""
    headers = b"X: x\r\n" * (MAX_HEAD_BYTES // 2 + 1) if where == "many headers" else header
    answer = play([b"GET /%s HTTP/1.1\r\n%s\r\n" % (path, headers)])
    refusal(answer, b"431 Request Header Fields Too Large", "head-too-large")


@pytest.mark.parametrize("after", [b"GET /%s HTTP/1.1\r\n\r\n" % (b"b" * 40_000), b"\0\0"])
def test_a_request_before_a_bad_head_gets_its_answer(after: bytes) -> None:
    answer = play([HEAD % b"slow" + after])
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"/slow")


def test_a_bad_body_is_a_400_at_once() -> None:
    head = b"POST /slow HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert play([head + b"zz\r\nabc\r\n"]).startswith(b"HTTP/1.1 400 ")
    assert play([head, b"zz\r\nabc\r\n"], pause_s=0.01).startswith(b"HTTP/1.1 400 ")


def test_a_long_body_is_no_head() -> None:
    body = b"x" * (2 * MAX_HEAD_BYTES)
    request = b"POST /a HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    last = HEAD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") % b"b"
    answer = play([request + last[:9], last[9:]], pause_s=0.01)
    assert answer.count(b"HTTP/1.1 200 ") == 2
    assert answer.endswith(b"/b")


def test_a_head_as_long_as_allowed_is_served() -> None:
    begin = b"GET /a HTTP/1.1\r\nConnection: close\r\nX: "
    counted = len(b"/aConnectioncloseX")
    whole = begin + b"x" * (MAX_HEAD_BYTES - counted) + b"\r\n\r\n"
    assert play([whole]).startswith(b"HTTP/1.1 200 ")
    assert play([whole[:20_000], whole[20_000:]], pause_s=0.01).startswith(b"HTTP/1.1 200 ")


CHUNKED = b"POST /%s HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n"


def test_trailers_are_served() -> None:
    last = HEAD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") % b"b"
    answer = play([CHUNKED % b"read", b"X: y\r\n\r\n" + last], pause_s=0.01)
    assert answer.count(b"HTTP/1.1 200 ") == 2


@pytest.mark.parametrize("trailer", [b"x" * 20_000, b"X: " + b"x" * 15_000 + b"\r\n"])
def test_trailers_count_as_a_head(trailer: bytes) -> None:
    answer = play([CHUNKED % b"read", b"X: ", *[trailer] * 4], pause_s=0.01)
    refusal(answer, b"431 Request Header Fields Too Large", "head-too-large")


def test_trailers_after_the_answer_only_end_the_connection() -> None:
    answer = play([CHUNKED % b"a", b"X: ", b"x" * 20_000, b"x" * 20_000], pause_s=0.05)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"/a")


@pytest.mark.parametrize("sent", [[], [b"\r\n"], [b"\r\n", b"\r\n"]])
def test_a_silent_connection_is_closed(sent: list[bytes]) -> None:
    assert play(sent, keep_alive_s=1) == b""


def test_a_body_that_comes_after_its_answer_leaves_no_connection_open() -> None:
    head = b"POST /a HTTP/1.1\r\nContent-Length: 2\r\n\r\n"
    answer = play([head, b"ab"], keep_alive_s=1, pause_s=0.05)
    assert answer.endswith(b"/a")

"""HTTP/1.1 and its bounds, on a bare application and real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from miniserve.protocol import MAX_HEAD_BYTES, BoundedConnection
from tests.fakes import until

HEAD = b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
PATIENCE_S = 20.0


class Hasty(BoundedConnection):
    """Gives a head a tenth of a second, and a client two to read."""

    head_timeout_s = 0.1
    write_timeout_s = 0.2


@dataclass
class Events:
    """What the application waits for, and what it says."""

    release: asyncio.Event = field(default_factory=asyncio.Event)
    told: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Talk:
    """Both ends of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    server: ServerState
    events: Events

    @property
    def num_queued(self) -> int:
        """Requests that wait behind another one."""
        return sum(len(c.pipeline) for c in self.server.connections if isinstance(c, Hasty))

    @property
    def num_unparsed(self) -> int:
        """Bytes that the server has read too early."""
        return sum(len(c._unparsed) for c in self.server.connections if isinstance(c, Hasty))


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the path, `/read` with the body; `/slow` after three times as long as a head has,
    `/held` when it is released, `/left` when the client is gone, `/long` with 64 MB.
    """
    body, times = scope["path"].encode(), 1
    events: Events = scope["state"]["events"]
    if body == b"/read":
        body, message = b"", await receive()
        while message.get("more_body"):
            body += message["body"]
            message = await receive()
        body += message.get("body", b"")
        for _ in range(2):  # meanwhile the event loop reads what comes, if it may
            await asyncio.sleep(0)
    elif body == b"/slow":
        await asyncio.sleep(0.3)
    elif body == b"/held":
        await events.release.wait()
    elif body == b"/left":
        while (await receive())["type"] != "http.disconnect":
            pass
        events.told.set()
    elif body == b"/long":
        body, times = b"x" * (1 << 20), 64
    headers = [(b"content-length", b"%d" % (times * len(body)))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for left in reversed(range(times)):
        await send({"type": "http.response.body", "body": body, "more_body": left > 0})


@asynccontextmanager
async def connected(keep_alive_s: int = 60) -> AsyncIterator[Talk]:
    """A connection to a server that speaks through `Hasty`."""
    config = uvicorn.Config(application, log_config=None, timeout_keep_alive=keep_alive_s)
    state, events = ServerState(), Events()
    server = await asyncio.get_running_loop().create_server(
        lambda: Hasty(config, state, {"events": events}), "127.0.0.1"
    )
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        yield Talk(reader, writer, state, events)
        writer.close()


def talk(script: Callable[[Talk], Awaitable[bytes]], keep_alive_s: int = 60) -> bytes:
    """What a client brings home."""

    async def run() -> bytes:
        async with asyncio.timeout(PATIENCE_S), connected(keep_alive_s) as both:
            return await script(both)

    return asyncio.run(run())


def play(sent: list[bytes], *, keep_alive_s: int = 60, pause_s: float = 0.0) -> bytes:
    """What comes back, up to the end of the connection, for pieces sent one after the other."""

    async def script(both: Talk) -> bytes:
        for piece in sent:
            both.writer.write(piece)
            await both.writer.drain()
            await asyncio.sleep(pause_s)
        return await both.reader.read()

    return talk(script, keep_alive_s)


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
    answer = play([b"GET /%s HTTP/1.1\r\nHost: x\r\n%s\r\n" % (path, headers)])
    refusal(answer, b"431 Request Header Fields Too Large", "head-too-large")


@pytest.mark.parametrize("after", [b"GET /%s HTTP/1.1\r\n\r\n" % (b"b" * 40_000), b"\0\0"])
def test_a_request_before_a_bad_head_gets_its_answer(after: bytes) -> None:
    answer = play([HEAD % b"slow" + after])
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"/slow")


BAD_CHUNK = b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n"
LONG_TRAILER = b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"x" * 40_000


@pytest.mark.parametrize("bad", [BAD_CHUNK, b"Expect: 100-continue\r\n" + BAD_CHUNK, LONG_TRAILER])
@pytest.mark.parametrize("before", [b"slow", b"read"])
def test_a_request_before_a_bad_body_gets_its_answer(
    bad: bytes, before: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    request = b"POST /read HTTP/1.1\r\nHost: x\r\n" + bad
    answer = play([HEAD % before + HEAD % before + request])
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"HTTP/1.1 ") == answer.count(b"HTTP/1.1 200 ") == 2
    assert caplog.record_tuples == []


@pytest.mark.parametrize("path", [b"slow", b"read"])
@pytest.mark.parametrize("header", [b"", b"Expect: 100-continue\r\n"])
def test_a_bad_body_is_a_400_at_once(
    path: bytes, header: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    request = b"POST /%s HTTP/1.1\r\nHost: x\r\n%s" % (path, header) + BAD_CHUNK
    refusal(play([request]), b"400 Bad Request", "invalid-http")
    begin = request.index(b"zz")
    answer = play([request[:begin], request[begin:]], pause_s=0.01)
    refusal(
        answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n"), b"400 Bad Request", "invalid-http"
    )
    assert "RuntimeError" not in caplog.text  # of a word after the last one


@pytest.mark.parametrize(
    "sent",
    [b"\0\0", b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n"],
)
def test_what_is_no_http_is_a_problem(sent: bytes) -> None:
    refusal(play([sent]), b"400 Bad Request", "invalid-http")


@pytest.mark.parametrize("hosts", [b"", b"Host: x\r\nHost: x\r\n"])
def test_there_is_one_host(hosts: bytes) -> None:
    request = b"GET /a HTTP/1.1\r\n%s\r\n" % hosts
    refusal(play([request]), b"400 Bad Request", "no-host")
    first, second = play([HEAD % b"a", request], pause_s=0.05).split(b"/a", maxsplit=1)
    assert first.startswith(b"HTTP/1.1 200 ")
    refusal(second, b"400 Bad Request", "no-host")


def test_http_1_0_needs_no_host() -> None:
    assert play([b"GET /a HTTP/1.0\r\n\r\n"]).startswith(b"HTTP/1.1 200 ")


INNER = HEAD % b"inner"


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: %d\r\n\r\n%s" % (len(INNER), INNER),
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(INNER), INNER),
    ],
)
def test_upgrade_is_ignored(protocol: bytes, rest: bytes, caplog: pytest.LogCaptureFixture) -> None:
    request = b"POST /read HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
    request += b"Upgrade: %s\r\n%s" % (protocol, rest)
    body = request.index(INNER)
    for sent in [[request + LAST], [request[:body], request[body:], LAST]]:
        answer = play(sent, pause_s=0.02)
        assert answer.count(b"HTTP/1.1 200 ") == 2
        assert INNER + b"HTTP/1.1 200 " in answer
        assert answer.endswith(b"/b")
    assert caplog.record_tuples == []


def test_a_request_behind_an_upgrade_without_a_body_is_answered() -> None:
    upgrade = (HEAD % b"a").replace(b"\r\n\r\n", b"\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
    answer = play([upgrade * 100 + LAST])
    assert answer.count(b"HTTP/1.1 200 ") == 101
    assert answer.endswith(b"/b")


def test_a_long_body_is_no_head() -> None:
    body = b"x" * (2 * MAX_HEAD_BYTES)
    request = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    answer = play([request + LAST[:9], LAST[9:]], pause_s=0.01)
    assert answer.count(b"HTTP/1.1 200 ") == 2
    assert answer.endswith(b"/b")


def test_a_head_as_long_as_allowed_is_served() -> None:
    begin = b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: "
    counted = len(b"/aHostxConnectioncloseX")
    whole = begin + b"x" * (MAX_HEAD_BYTES - counted) + b"\r\n\r\n"
    assert play([whole]).startswith(b"HTTP/1.1 200 ")
    assert play([whole[:20_000], whole[20_000:]], pause_s=0.01).startswith(b"HTTP/1.1 200 ")


CHUNKED = b"POST /%s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n"


def test_trailers_are_served() -> None:
    answer = play([CHUNKED % b"read", b"X: y\r\n\r\n" + LAST], pause_s=0.01)
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
    head = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"
    answer = play([head, b"ab"], keep_alive_s=1, pause_s=0.05)
    assert answer.endswith(b"/a")


@pytest.mark.parametrize("sent", [b"", HEAD % b"a"])
def test_empty_lines_keep_no_connection_open(sent: bytes) -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            writer.write(b"\r\n")
            await asyncio.sleep(0.1)

    async def script(both: Talk) -> bytes:
        both.writer.write(sent)
        dripping = asyncio.create_task(drip(both.writer))
        with suppress(ConnectionError):
            await both.reader.read()
        dripping.cancel()
        return b"closed"

    assert talk(script, keep_alive_s=1) == b"closed"


def test_no_connection_is_idle_whose_request_came_around_the_answer_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Hasty, "head_timeout_s", PATIENCE_S)

    async def script(both: Talk) -> bytes:
        second = HEAD % b"held"
        both.writer.write(HEAD % b"a" + second[:9])
        await both.reader.readuntil(b"/a")
        both.writer.write(second[9:])
        asyncio.get_running_loop().call_later(1.2, both.events.release.set)
        return await both.reader.readuntil(b"/held")

    assert talk(script, keep_alive_s=1).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("padding", [0, 1000])
def test_little_waits_on_a_connection_and_all_is_answered(padding: int) -> None:
    request = b"GET /read HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n" % (b"x" * padding)
    one_read = 1 << 18  # of asyncio

    async def script(both: Talk) -> bytes:
        both.writer.write(HEAD % b"held" + request * 2_000 + LAST)
        await until(lambda: both.num_queued > 0)
        both.events.release.set()
        answer = piece = b"begin"
        while piece:
            assert both.num_queued < 100
            assert both.num_unparsed <= one_read
            answer += (piece := await both.reader.read(4096))
        return answer

    answer = talk(script)
    assert answer.count(b"HTTP/1.1 200 ") == 2_002
    assert answer.endswith(b"/b")


@pytest.mark.parametrize("pause_s", [0.0, 0.05])
def test_every_request_learns_that_its_client_left(pause_s: float) -> None:
    async def script(both: Talk) -> bytes:
        for _ in range(3):
            both.writer.write(HEAD % b"left")
            await asyncio.sleep(pause_s)
        await until(lambda: both.num_queued == 2, PATIENCE_S)
        both.writer.close()
        await both.events.told.wait()
        return b"told"

    assert talk(script) == b"told"


def test_who_does_not_read_is_cut_off() -> None:
    async def script(both: Talk) -> bytes:
        both.writer.write(HEAD % b"long" + HEAD % b"a")
        await until(lambda: both.num_queued > 0)
        await until(lambda: not both.server.connections and not both.server.tasks)
        return b"cut"

    assert talk(script) == b"cut"


def test_who_leaves_only_a_little_unread_is_cut_off_too() -> None:
    async def script(both: Talk) -> bytes:
        both.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await until(lambda: both.server.connections)
        [connection] = both.server.connections
        while not (unread := connection.transport.get_write_buffer_size()):
            both.writer.write((HEAD % (b"a" * 1_000)) * 10)  # until the system's buffers are full
            await asyncio.sleep(0.001)
        assert unread < 1 << 16  # what asyncio takes for much
        await until(lambda: not both.server.connections)
        return b"cut"

    assert talk(script) == b"cut"

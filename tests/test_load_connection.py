"""The load generator's own HTTP, against answers written by hand."""

import asyncio

import pytest

from miniserve.latency import LatencyRecord
from miniserve.loadtest import LoadClient, Target
from tests.streams import serving

pytestmark = pytest.mark.anyio


async def ask(
    answer: bytes, *, closes: bool = False, times: int = 1, method: str = "POST"
) -> list[LatencyRecord]:
    """Send requests one after the other to a server that writes `answer` to each."""
    records: list[LatencyRecord] = []
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.read(65_536):
            seen.append(head)
            writer.write(answer)
            if closes:
                break
        writer.close()

    async with serving(serve) as url:
        target = Target(url, "/a path?q=1", method, headers={"Host": "elsewhere", "X-Key": "k"})
        client = LoadClient(target, timeout_s=5.0, on_record=records.append, run_id="run")
        async with client:
            for number in range(times):
                await client.send(number, client.now(), None if method == "HEAD" else b"{}")
    assert len(seen) == len(records) == times
    first = seen[0]
    assert first.startswith(method.encode() + b" /a%20path?q=1 HTTP/1.1\r\n")
    assert first.count(b"host: ") == first.count(b"host: elsewhere\r\n") == 1
    assert b"\r\nx-key: k\r\n" in first
    assert b"\r\nx-request-id: run-0\r\n" in first
    return records


@pytest.mark.parametrize(
    ("answer", "closes"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", False),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", False),
        (b"HTTP/1.1 100 Go on\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", False),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}", True),
        (b"HTTP/1.1 200 OK\r\n\r\n{}", True),
    ],
)
async def test_an_answer_is_whole_however_it_is_framed(answer: bytes, closes: bool) -> None:
    for record in await ask(answer, closes=closes, times=3):
        assert (record.status, record.error) == (200, None)
        assert record.first_byte is not None
        assert record.done is not None


async def test_an_answer_without_a_body_does_not_wait_for_one() -> None:
    [record] = await ask(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", method="HEAD")
    assert (record.status, record.error) == (200, None)
    assert [r.status for r in await ask(b"HTTP/1.1 204 No Content\r\n\r\n", times=2)] == [204, 204]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", 0),
        (b"", 0),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{", 200),
    ],
)
async def test_what_is_no_answer_or_half_of_one_is_an_error(answer: bytes, status: int) -> None:
    [record] = await ask(answer, closes=True)
    assert (record.status, record.error) == (status, "RemoteProtocolError")
    assert record.done is None

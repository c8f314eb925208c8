"""Malformed HTTP at the socket: whatever comes, the server answers the next good request."""

import contextlib
import socket

import pytest

from tests.service.process import PATIENCE_S, ServerProcess

GOOD_BODY = b'{"sentence": "He goed to school."}'
GOOD = (
    b"POST /correct HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(GOOD_BODY), GOOD_BODY)
)


def connect(server: ServerProcess) -> socket.socket:
    return socket.create_connection(server.address, PATIENCE_S)


def read_all(connection: socket.socket) -> bytes:
    """Read until the server closes the connection."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            received += piece
    return received


def assert_it_still_serves(server: ServerProcess) -> None:
    assert server.http.get("/healthz").status_code == 200
    assert server.correct("He goed.").status_code == 200


@pytest.mark.parametrize(
    "rubbish",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 100,
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon here\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nBad\x00Name: 1\r\n\r\n",
        b"POST /correct HTTP/1.1\r\nHost: x\r\nContent-Length: minus one\r\n\r\n",
        b"POST /correct HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /correct HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST /correct HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
        b"POST /correct HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_rubbish_is_a_400_and_the_end_of_its_connection(
    server: ServerProcess, rubbish: bytes
) -> None:
    with connect(server) as connection:
        connection.sendall(rubbish)
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert_it_still_serves(server)


def test_slow_headers_hold_up_nobody_else(server: ServerProcess) -> None:
    with connect(server) as connection:
        for byte in GOOD[:40]:
            connection.sendall(bytes([byte]))
        assert_it_still_serves(server)
        connection.sendall(GOOD[40:])
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_a_head_without_end_is_refused(server: ServerProcess) -> None:
    with connect(server) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        for number in range(40):  # a little more than a head may have
            connection.sendall(b"X-Header-%d: %s\r\n" % (number, b"x" * 1_000))
        assert read_all(connection).startswith(b"HTTP/1.1 431 ")
    assert_it_still_serves(server)


def test_half_a_body_and_away(server: ServerProcess) -> None:
    for _ in range(20):
        with connect(server) as connection:
            connection.sendall(GOOD[:-5])
    assert_it_still_serves(server)


def test_half_a_request_and_a_reset(server: ServerProcess) -> None:
    for cut in (5, 30, len(GOOD) - 3, len(GOOD)):
        connection = connect(server)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.sendall(GOOD[:cut])
        connection.close()
    assert_it_still_serves(server)


def test_pipelined_requests_are_answered_in_order(server: ServerProcess) -> None:
    probe = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with connect(server) as connection:
        connection.sendall(GOOD + probe + GOOD + last)
        answer = read_all(connection)
    places = [answer.find(text) for text in (b'"corrected"', b'"ok"', b'"ready"')]
    assert -1 not in places
    assert places == sorted(places)
    assert answer.count(b"HTTP/1.1 200 OK") == 4


def test_chunks_of_one_byte_make_one_body(server: ServerProcess) -> None:
    start = (
        b"POST /correct HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    pieces = b"".join(b"1\r\n%c\r\n" % byte for byte in GOOD_BODY)
    with connect(server) as connection:
        connection.sendall(start + pieces + b"0\r\n\r\n")
        assert read_all(connection).startswith(b"HTTP/1.1 200 ")


def test_two_lengths_of_one_body_are_refused(server: ServerProcess) -> None:
    both = GOOD.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n")
    with connect(server) as connection:
        connection.sendall(both)
        assert connection.recv(1000).startswith(b"HTTP/1.1 400 ")
    assert_it_still_serves(server)


def test_a_body_that_stops_half_way_is_given_up(tmp_path: object) -> None:
    with (
        ServerProcess(request_timeout_s=0.5) as server,
        connect(server) as connection,
    ):
        connection.sendall(GOOD[:-5])
        assert read_all(connection).startswith(b"HTTP/1.1 408 ")
        assert_it_still_serves(server)

"""413 for a body that is too long, however declared; the application is not called."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import Message

from miniserve.middleware.body_size import BodySize
from tests.asgi import DISCONNECT, Answer, Inner, call, chunk, scope_for

pytestmark = pytest.mark.anyio

MAX = 100


async def send(
    messages: list[Message], *headers: tuple[bytes, bytes], timeout_s: float = 10.0
) -> tuple[Answer, Inner]:
    inner = Inner()
    layer = BodySize(inner, MAX, timeout_s)
    return await call(layer, scope_for(headers=list(headers)), messages), inner


def length(count: int) -> tuple[bytes, bytes]:
    return (b"content-length", str(count).encode())


async def test_a_body_of_the_longest_length_passes_whole() -> None:
    answer, inner = await send([chunk(b"x" * 60, more=True), chunk(b"y" * 40)], length(100))
    assert answer.status == 200
    assert inner.bodies == [b"x" * 60 + b"y" * 40]


async def test_an_honest_length_is_refused() -> None:
    answer, inner = await send([chunk(b"x" * 101)], length(101))
    assert (answer.status, inner.scopes) == (413, [])
    assert answer.json["type"] == "urn:miniserve:body-too-large"
    assert answer.headers["connection"] == "close"


async def test_a_chunked_body_is_counted() -> None:
    answer, inner = await send([chunk(b"x" * 10, more=True)] * 11 + [chunk(b"")])
    assert (answer.status, inner.scopes) == (413, [])


async def test_a_length_that_claims_too_little_does_not_help() -> None:
    answer, inner = await send([chunk(b"x" * 101)], length(5))
    assert (answer.status, inner.scopes) == (413, [])


async def test_a_length_that_claims_too_much_is_refused_at_its_word() -> None:
    answer, inner = await send([chunk(b"x")], length(10**9))
    assert (answer.status, inner.scopes) == (413, [])


async def test_a_client_that_asks_first_is_told_before_it_sends() -> None:
    answer, inner = await send([], length(10**9), (b"expect", b"100-continue"))
    assert (answer.status, inner.scopes) == (413, [])


async def test_a_body_that_does_not_come_is_a_408() -> None:
    answer, inner = await send([chunk(b"x", more=True)], length(50), timeout_s=0.02)
    assert (answer.status, inner.scopes) == (408, [])
    assert answer.headers["connection"] == "close"


async def test_a_client_that_goes_away_while_it_sends_is_not_handed_on() -> None:
    answer, inner = await send([chunk(b"x", more=True), DISCONNECT], length(50))
    assert (answer.status, inner.scopes) == (499, [])


async def test_after_the_body_the_application_hears_of_a_disconnect() -> None:
    heard: list[Message] = []

    async def app(scope: object, receive: object, send: object) -> None:
        heard.append(await receive())  # type: ignore[operator]
        heard.append(await receive())  # type: ignore[operator]

    await call(BodySize(app, MAX, 10.0), scope_for(), [chunk(b"x"), DISCONNECT])
    assert heard == [chunk(b"x"), DISCONNECT]


@given(st.lists(st.binary(max_size=70), max_size=6))
@settings(max_examples=50)
def test_whatever_the_pieces_the_body_is_whole_or_refused(pieces: list[bytes]) -> None:
    answer, inner = asyncio.run(send([*(chunk(p, more=True) for p in pieces), chunk(b"")]))
    whole = b"".join(pieces)
    assert inner.bodies == ([whole] if len(whole) <= MAX else [])
    assert answer.status == (200 if len(whole) <= MAX else 413)

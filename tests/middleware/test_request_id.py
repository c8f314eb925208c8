"""Echoed, or made; never what could harm a log."""

import re

import pytest

from miniserve.middleware.request_id import RequestID
from tests.asgi import Inner, call, scope_for

pytestmark = pytest.mark.anyio


async def request_id_for(sent: bytes | None) -> tuple[str, str]:
    inner = Inner()
    headers = [] if sent is None else [(b"x-request-id", sent)]
    answer = await call(RequestID(inner), scope_for(headers=headers))
    return answer.headers["x-request-id"], inner.scopes[0]["state"]["request_id"]


@pytest.mark.parametrize("sent", [b"a", b"8f14e45f-ceea.4_A", b"x" * 64])
async def test_a_harmless_id_is_echoed(sent: bytes) -> None:
    assert await request_id_for(sent) == (sent.decode(), sent.decode())


@pytest.mark.parametrize(
    "sent", [None, b"", b"x" * 65, b"a b", b"a\nb", b'a"b', b"caf\xe9", b"a\n", b"\x1b[31m"]
)
async def test_any_other_id_is_replaced(sent: bytes | None) -> None:
    echoed, known = await request_id_for(sent)
    assert echoed == known
    assert re.fullmatch("[0-9a-f]{32}", echoed)


async def test_ids_differ() -> None:
    assert len({(await request_id_for(None))[0] for _ in range(10)}) == 10


async def test_other_scopes_pass() -> None:
    seen = []

    async def app(scope: object, receive: object, send: object) -> None:
        seen.append(scope)

    async def unused() -> None: ...

    await RequestID(app)({"type": "lifespan"}, unused, unused)  # type: ignore[arg-type]
    assert seen == [{"type": "lifespan"}]

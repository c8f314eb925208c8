"""One line a request, however it ends, without a word of the client's."""

import asyncio
import json
import logging
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from miniserve.metrics import Metrics
from miniserve.middleware.access_log import AccessLog
from miniserve.middleware.count_requests import CountRequests
from tests.asgi import Inner, call, chunk, scope_for
from tests.fakes import Panic

pytestmark = pytest.mark.anyio

CANARY = "qZjXw"


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Any:
    """A function that gives the access log so far, one dictionary a line."""
    caplog.set_level(logging.INFO, "miniserve.access")
    return lambda: [
        json.loads(record.getMessage())
        for record in caplog.records
        if record.name == "miniserve.access"
    ]


async def test_a_line_says_who_what_and_how_long(lines: Any) -> None:
    scope = scope_for(state={"request_id": "abc"}, client=("10.1.2.3", 5))
    await call(AccessLog(Inner()), scope)
    [line] = lines()
    assert line.pop("duration_ms") >= 0
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "request_id": "abc",
        "client": "10.1.2.3",
        "method": "POST",
        "route": "unmatched",
        "status": 200,
    }


async def test_nothing_that_the_client_made_up_is_in_the_line(
    lines: Any, caplog: pytest.LogCaptureFixture
) -> None:
    scope = scope_for(
        f"/{CANARY}",
        CANARY,
        query_string=CANARY.encode(),
        headers=[(b"user-agent", CANARY.encode()), (CANARY.encode(), CANARY.encode())],
    )
    await call(AccessLog(Inner()), scope, [chunk(CANARY.encode())])
    [line] = lines()
    assert (line["method"], line["route"]) == ("OTHER", "unmatched")
    assert CANARY not in caplog.text


async def test_an_unexpected_error_becomes_a_500_with_a_line_and_a_traceback(
    lines: Any, caplog: pytest.LogCaptureFixture
) -> None:
    scope = scope_for(state={"request_id": "abc"})
    answer = await call(AccessLog(Inner(error=KeyError("why"))), scope)
    assert (answer.status, answer.json["type"]) == (500, "urn:miniserve:internal")
    assert "why" not in str(answer.json)
    [line] = lines()
    assert line["status"] == 500
    [record] = [r for r in caplog.records if r.name == "miniserve.error"]
    assert record.exc_info is not None
    assert record.exc_info[0] is KeyError
    assert "abc" in record.getMessage()


async def test_a_panic_of_a_library_becomes_a_500_too(lines: Any) -> None:
    answer = await call(AccessLog(Inner(error=Panic("at the disco"))), scope_for())
    assert answer.status == 500
    assert [line["status"] for line in lines()] == [500]


async def test_a_client_has_an_address_or_none(lines: Any) -> None:
    for client in ((CANARY, 0), None, ("2001:db8::1", 5)):
        await call(AccessLog(Inner()), scope_for(client=client))
    assert [line["client"] for line in lines()] == [None, None, "2001:db8::1"]


async def test_an_error_after_half_an_answer_is_passed_on(lines: Any) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise KeyError("too late")

    with pytest.raises(KeyError):
        await call(AccessLog(app), scope_for())
    assert [line["status"] for line in lines()] == [200]


async def test_a_request_that_is_cancelled_is_told_so_and_has_its_line(lines: Any) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    metrics = Metrics()
    layer = CountRequests(AccessLog(app), metrics)
    task = asyncio.ensure_future(layer(scope_for(), asyncio.Queue[Message]().get, send))
    await asyncio.sleep(0.01)
    task.cancel()
    await task
    assert sent[0]["status"] == 503
    assert [line["status"] for line in lines()] == [503]
    labels = {"method": "POST", "route": "unmatched", "status": "503"}
    assert metrics.registry.get_sample_value("miniserve:http_requests_total", labels) == 1

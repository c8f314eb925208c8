"""Every request is counted once, under few labels."""

import asyncio
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from miniserve.metrics import Metrics
from miniserve.middleware.access_log import AccessLog
from miniserve.middleware.count_requests import CountRequests
from tests.asgi import Inner, call, scope_for

pytestmark = pytest.mark.anyio


def counts(metrics: Metrics) -> dict[tuple[str, ...], float]:
    [family] = metrics.http_requests.collect()
    return {
        (s.labels["method"], s.labels["route"], s.labels["status"]): s.value
        for s in family.samples
        if s.name.endswith("_total")
    }


def in_flight(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("miniserve:http_requests_in_flight")


async def test_answers_errors_and_cancellations_are_counted() -> None:
    metrics = Metrics()
    await call(CountRequests(Inner(), metrics), scope_for())
    await call(CountRequests(AccessLog(Inner(error=KeyError())), metrics), scope_for())

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()

    task = asyncio.create_task(call(CountRequests(AccessLog(endless), metrics), scope_for()))
    await asyncio.sleep(0.01)
    assert in_flight(metrics) == 1
    task.cancel()
    await asyncio.wait([task])
    assert in_flight(metrics) == 0
    route = ("POST", "unmatched")
    assert counts(metrics) == {(*route, "200"): 1, (*route, "500"): 1, (*route, "503"): 1}


async def test_the_documentation_has_labels_of_its_own() -> None:
    metrics = Metrics()
    for path in ("/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect", "/nowhere"):
        await call(CountRequests(Inner(), metrics), scope_for(path, "GET", app=FastAPI()))
    routes = [route for _, route, _ in counts(metrics)]
    assert routes == ["/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect", "unmatched"]


async def test_a_layer_that_refuses_has_the_routes_template_for_a_label() -> None:
    app, metrics = FastAPI(), Metrics()

    @app.delete("/students/{student_id}")
    def delete(student_id: int) -> None: ...

    for path in ("/students/7", "/students/8", "/students/7/more"):
        await call(CountRequests(Inner(), metrics), scope_for(path, "DELETE", app=app))
    told = {route: number for (_, route, _), number in counts(metrics).items()}
    assert told == {"/students/{student_id}": 2, "unmatched": 1}


async def test_labels_are_bounded_whatever_clients_make_up() -> None:
    metrics = Metrics()
    for index in range(50):
        changes: dict[str, Any] = {"path": f"/made-up-{index}", "method": f"MADE{index}"}
        await call(CountRequests(Inner(), metrics), scope_for() | changes)
    assert counts(metrics) == {("OTHER", "unmatched", "200"): 50}

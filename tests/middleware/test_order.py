"""The order of the layers: stated once, and what follows from it."""

import json
import logging

import httpx
import pytest
from fastapi import FastAPI

import miniserve.middleware
from miniserve.app import create_app
from miniserve.metrics import Metrics
from miniserve.middleware import middleware_stack
from miniserve.settings import Settings
from tests.fakes import FakeClient, running

pytestmark = pytest.mark.anyio

ORDER = ["RequestID", "CountRequests", "AccessLog", "RateLimit", "BodySize", "InjectionFilter"]


def whole_app(client: FakeClient, metrics: Metrics, **changes: object) -> FastAPI:
    settings = Settings.model_validate({"rate_limit": 0.001, "rate_limit_burst": 3} | changes)
    return create_app(
        lambda _: metrics.around(client),
        settings,
        middleware=middleware_stack(settings, metrics, clock=lambda: 0.0),
        routers=[metrics.router()],
    )


def test_the_order_is_the_one_that_the_page_states() -> None:
    stack = middleware_stack(Settings(rate_limit=1), Metrics())
    assert [getattr(layer.cls, "__name__", "") for layer in stack] == ORDER
    text = miniserve.middleware.__doc__ or ""
    places = [text.index(f"{number}. `{name}`") for number, name in enumerate(ORDER, 1)]
    assert places == sorted(places)


def test_without_a_rate_there_is_no_rate_limit() -> None:
    stack = middleware_stack(Settings(), Metrics())
    assert "RateLimit" not in [getattr(layer.cls, "__name__", "") for layer in stack]


async def test_every_answer_has_an_id_a_line_and_a_count(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "miniserve.access")
    client, metrics = FakeClient(), Metrics()
    async with running(whole_app(client, metrics)) as http:
        answers: list[httpx.Response] = [
            await http.post("/correct", json={"sentence": "He goed to school."}),
            await http.post("/correct", json={"sentence": "x\ny"}),
            await http.post("/correct", content=b"x" * 20_000),
            await http.post("/correct", json={"sentence": "He goed to school."}),
            await http.get("/nowhere"),
            await http.get("/healthz"),
        ]
    assert [a.status_code for a in answers] == [200, 422, 413, 429, 429, 200]
    lines = [json.loads(r.getMessage()) for r in caplog.records if r.name == "miniserve.access"]
    assert [line["status"] for line in lines] == [200, 422, 413, 429, 429, 200]
    routes = ["/correct"] * 4 + ["unmatched", "/healthz"]
    assert [line["route"] for line in lines] == routes
    assert [line["request_id"] for line in lines] == [a.headers["x-request-id"] for a in answers]
    for line in lines:
        labels = {"method": line["method"], "route": line["route"], "status": str(line["status"])}
        count = metrics.registry.get_sample_value("miniserve:http_requests_total", labels)
        assert count == sum(
            all(str(other[key]) == value for key, value in labels.items()) for other in lines
        )
    assert len(client.calls) == 2  # the warm-up, and the one that was let through


async def test_an_unexpected_error_has_an_id_a_line_and_a_count_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "miniserve.access")
    client, metrics = FakeClient(), Metrics()
    async with running(whole_app(client, metrics)) as http:
        client.error = KeyError("why")
        answer = await http.post(
            "/correct", json={"sentence": "He goed to school."}, headers={"x-request-id": "mine"}
        )
    assert (answer.status_code, answer.headers["x-request-id"]) == (500, "mine")
    labels = {"method": "POST", "route": "/correct", "status": "500"}
    assert metrics.registry.get_sample_value("miniserve:http_requests_total", labels) == 1
    assert client.request_ids[-1] == "mine"


async def test_the_rate_limit_refuses_before_the_body_is_read() -> None:
    metrics = Metrics()
    async with running(whole_app(FakeClient(), metrics, rate_limit_burst=1)) as http:
        await http.get("/nowhere")
        assert (await http.post("/correct", content=b"x" * 20_000)).status_code == 429

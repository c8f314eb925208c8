"""The numbers at `/metrics` equal the traffic, and gauges come back to zero."""

import asyncio
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from miniserve.app import create_app
from miniserve.client import EngineState, EngineStatus, EngineUnavailable, QueueFull, StepFailed
from miniserve.completion import Completion, Timing
from miniserve.metrics import Metrics
from miniserve.settings import Settings
from tests.fakes import TIMING, FakeClient, running, until

pytestmark = pytest.mark.anyio

#: vLLM's names for the same things, after the prefix.
VLLM_NAMES = {
    "num_requests_running",
    "num_requests_waiting",
    "time_to_first_token_seconds",
    "e2e_request_latency_seconds",
    "request_queue_time_seconds",
    "prompt_tokens",
    "generation_tokens",
    "request_success",
}


#: A remote engine's: it does not say when it began.
WHOLE = Timing(queue_s=0.0, prefill_s=0.0, decode_s=0.3)


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(f"miniserve:{name}", labels) or 0.0


async def generate(metrics: Metrics, client: FakeClient) -> None:
    measured = metrics.around(client)
    await measured.generate("x\n", max_tokens=9, request_id="a")


async def test_a_generation_is_measured() -> None:
    metrics, client = Metrics(), FakeClient()
    await generate(metrics, client)
    assert value(metrics, "request_success_total", finished_reason="stop") == 1
    assert value(metrics, "prompt_tokens_total") == 9
    assert value(metrics, "generation_tokens_total") == 31
    assert value(metrics, "request_queue_time_seconds_sum") == pytest.approx(TIMING.queue_s)
    ttft = TIMING.queue_s + TIMING.prefill_s
    assert value(metrics, "time_to_first_token_seconds_sum") == pytest.approx(ttft)
    assert value(metrics, "e2e_request_latency_seconds_count") == 1


async def test_what_an_engine_does_not_tell_is_not_measured() -> None:
    metrics, client = Metrics(), FakeClient()
    whole = replace(await client.generate("x\n", max_tokens=9, request_id="a"), timing=WHOLE)

    async def generate_whole(prompt: str, *, max_tokens: int, request_id: str) -> Completion:
        return whole

    client.generate = generate_whole  # type: ignore[method-assign]
    await generate(metrics, client)
    assert value(metrics, "request_success_total", finished_reason="stop") == 1
    assert value(metrics, "request_queue_time_seconds_count") == 0
    assert value(metrics, "time_to_first_token_seconds_count") == 0


async def test_failures_are_counted_by_kind_and_not_among_the_latencies() -> None:
    metrics, client = Metrics(), FakeClient()
    errors = [QueueFull(1), EngineUnavailable("gone"), StepFailed("oops"), StepFailed("oops")]
    for error in errors:
        client.error = error
        with pytest.raises(type(error)):
            await generate(metrics, client)
    client.error = None
    client.gate.clear()
    task = asyncio.create_task(generate(metrics, client))
    await until(lambda: client.num_in_flight == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert value(metrics, "request_failure_total", error="StepFailed") == 2
    assert value(metrics, "request_failure_total", error="QueueFull") == 1
    assert value(metrics, "request_failure_total", error="Cancelled") == 1
    assert value(metrics, "e2e_request_latency_seconds_count") == 0


async def test_gauges_show_the_engine_as_it_is_when_they_are_read() -> None:
    metrics, client = Metrics(), FakeClient()
    assert value(metrics, "num_requests_running") == 0
    metrics.around(client)
    client.state = EngineStatus(EngineState.READY, num_running=3, num_waiting=2)
    assert value(metrics, "num_requests_running") == 3
    assert value(metrics, "num_requests_waiting") == 2
    assert value(metrics, "engine_ready") == 1
    client.state = EngineStatus(EngineState.FAILED)
    assert value(metrics, "num_requests_running") == value(metrics, "engine_ready") == 0


async def test_the_route_speaks_prometheus_and_vllms_names() -> None:
    metrics = Metrics()
    app = create_app(lambda _: metrics.around(FakeClient()), Settings(), routers=[metrics.router()])
    async with running(app) as http:
        await http.post("/correct", json={"sentence": "He goed to school."})
        answer = await http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    names = {family.name for family in text_string_to_metric_families(answer.text)}
    ours = {name.removeprefix("miniserve:") for name in names if name.startswith("miniserve:")}
    assert ours >= VLLM_NAMES
    assert "process_open_fds" in names


async def test_two_applications_do_not_share_their_numbers() -> None:
    first, second = Metrics(), Metrics()
    await generate(first, FakeClient())
    assert value(second, "generation_tokens_total") == 0


async def test_start_and_stop_pass_through() -> None:
    client = FakeClient()
    measured = Metrics().around(client)
    await measured.start()
    await measured.stop()
    assert (client.started, client.stopped) == (1, 1)
    assert measured.status() == client.status()

"""What Prometheus reads at `/metrics`: names as in vLLM where the thing is the same.

Two places are measured: the HTTP side, by a middleware that counts every answer, and the engine
side, by a client around the client. Each application has a registry of its own, and every label has
few values.
"""

from __future__ import annotations

import asyncio
import time

from fastapi import APIRouter, Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from miniserve.client import ClientAround, EngineClient, EngineState, EngineStatus
from miniserve.completion import Completion

_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The instruments of one application.

    What is called `process_…` is of the process that answers HTTP; an engine in a process of its
    own is not in it.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._client: EngineClient | None = None
        self._gauge("num_requests_running", "Requests in a slot.").set_function(
            lambda: self._status().num_running
        )
        self._gauge("num_requests_waiting", "Requests that wait for a slot.").set_function(
            lambda: self._status().num_waiting
        )
        self._gauge("engine_ready", "1 if the engine takes requests.").set_function(
            lambda: self._status().state is EngineState.READY
        )
        self.http_in_flight = self._gauge("http_requests_in_flight", "HTTP requests not ended.")
        self.http_requests = self._counter(
            "http_requests", "HTTP requests that have ended.", "method", "route", "status"
        )
        self.success = self._counter(
            "request_success", "Generations that ended as they should.", "finished_reason"
        )
        self.failure = self._counter(
            "request_failure", "Generations that ended otherwise.", "error"
        )
        self.prompt_tokens = self._counter(
            "prompt_tokens", "Prompt tokens of those that succeeded."
        )
        self.generation_tokens = self._counter(
            "generation_tokens", "Generated tokens of those that succeeded."
        )
        self.queue_time = self._histogram("request_queue_time_seconds", "Time spent waiting.")
        self.time_to_first_token = self._histogram(
            "time_to_first_token_seconds", "Time to the first token."
        )
        self.e2e_latency = self._histogram(
            "e2e_request_latency_seconds", "Time in the engine, all of it."
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"miniserve:{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"miniserve:{name}", text, registry=self.registry)

    def _histogram(self, name: str, text: str) -> Histogram:
        return Histogram(f"miniserve:{name}", text, buckets=_SECONDS, registry=self.registry)

    def _status(self) -> EngineStatus:
        if self._client is None:
            return EngineStatus(EngineState.STARTING)
        return self._client.status()

    def around(self, client: EngineClient) -> EngineClient:
        """The same client, measured."""
        self._client = client
        return MeasuredClient(client, self)

    def router(self) -> APIRouter:
        """The route `/metrics`."""
        router = APIRouter(tags=["probes"])

        @router.get(
            "/metrics",
            summary="Counts and times, for Prometheus",
            response_class=Response,
            responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
        )
        async def metrics() -> Response:
            """The text format of Prometheus."""
            return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)

        return router


class MeasuredClient(ClientAround):
    """An engine client that counts what passes through it."""

    def __init__(self, client: EngineClient, metrics: Metrics) -> None:
        super().__init__(client)
        self._metrics = metrics

    async def generate(self, prompt: str, *, max_tokens: int, request_id: str) -> Completion:
        """See `EngineClient.generate`."""
        metrics = self._metrics
        start = time.perf_counter()
        try:
            completion = await super().generate(
                prompt, max_tokens=max_tokens, request_id=request_id
            )
        except asyncio.CancelledError:
            metrics.failure.labels("Cancelled").inc()
            raise
        except Exception as error:
            metrics.failure.labels(type(error).__name__).inc()
            raise
        timing = completion.timing
        metrics.success.labels(completion.finish_reason).inc()
        metrics.prompt_tokens.inc(completion.num_prompt_tokens)
        metrics.generation_tokens.inc(completion.num_output_tokens)
        if timing.in_parts:
            metrics.queue_time.observe(timing.queue_s)
            metrics.time_to_first_token.observe(timing.queue_s + timing.prefill_s)
        metrics.e2e_latency.observe(time.perf_counter() - start)
        return completion

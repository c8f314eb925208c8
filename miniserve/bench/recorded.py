"""`miniserve serve` that keeps a record: what was asked of the engine, and every step it made.

It is the whole server of any mode, with one more client around the engine's client. `GET /recorded`
hands out what has been noted since it was last asked. For benchmarks only: run it with
`python -m miniserve.bench.recorded`, under the settings of `miniserve serve`.
"""

from __future__ import annotations

import json
import sys
import time

import httpx
from fastapi import FastAPI, Response

from miniserve.bench.serving import ServeProcess
from miniserve.cli import announce
from miniserve.client import ClientAround, EngineClient
from miniserve.completion import Completion
from miniserve.engine import BatchingClient
from miniserve.lifecycle import OpenClient
from miniserve.serve import build_app, open_client, run
from miniserve.settings import Settings
from miniserve.simulator.calibration import Generation, Recording
from miniserve.sockets import listen
from miniserve.trace import StepEntry, StepRecord

_TIMEOUT_S = 60.0


class RecordingClient(ClientAround):
    """An engine client that notes what passes through it; `recording` is what it has noted."""

    def __init__(self, client: EngineClient) -> None:
        super().__init__(client)
        self.recording = Recording([], [])
        if isinstance(client, BatchingClient):
            client.listeners.append(self._note_step)

    async def generate(self, prompt: str, *, max_tokens: int, request_id: str) -> Completion:
        """See `EngineClient.generate`."""
        start = time.perf_counter()
        completion = await super().generate(prompt, max_tokens=max_tokens, request_id=request_id)
        self.recording.generations.append(
            Generation(
                request_id=request_id,
                arrival=start,
                prompt=completion.num_prompt_tokens,
                output=completion.num_output_tokens,
                queue_s=completion.timing.queue_s,
                prefill_s=completion.timing.prefill_s,
                decode_s=completion.timing.decode_s,
            )
        )
        return completion

    def _note_step(self, record: StepRecord) -> None:
        self.recording.steps.append(record)


class RecordedServe(ServeProcess):
    """A server that keeps a record, as a process."""

    program = ("miniserve.bench.recorded",)

    def take(self) -> Recording:
        """What has been noted since this was last asked."""
        answer = httpx.get(f"{self.url}/recorded", trust_env=False, timeout=_TIMEOUT_S)
        return from_json(answer.raise_for_status().text)


def recorded_app(settings: Settings, open_client: OpenClient = open_client) -> FastAPI:
    """The whole service, and `/recorded` beside it."""
    clients: list[RecordingClient] = []

    def open_recorded(settings: Settings) -> EngineClient:
        clients.append(RecordingClient(open_client(settings)))
        return clients[-1]

    app = build_app(settings, open_recorded)

    @app.get("/recorded")
    async def recorded() -> Response:
        (client,) = clients
        content, client.recording = client.recording, Recording([], [])
        return Response(to_json(content), media_type="application/json")

    return app


def to_json(recording: Recording) -> str:
    """Write a recording as nested lists."""
    return json.dumps(recording)


def from_json(text: str) -> Recording:
    """Read what `to_json` wrote."""
    generations, steps = json.loads(text)
    return Recording(
        [Generation(*row) for row in generations],
        [
            StepRecord(step, start, duration, tuple(StepEntry(*row) for row in rows), *counts)
            for step, start, duration, rows, *counts in steps
        ],
    )


def main() -> int:
    """Serve until SIGTERM; returns the exit code."""
    settings = Settings()
    listener = listen(settings.host, settings.port)
    announce(f"mode {settings.mode}, recorded,", listener)
    return run(recorded_app(settings), settings, listener)


if __name__ == "__main__":
    sys.exit(main())

"""Many requests and every kind of fault at once: each has exactly one outcome, and all counts
agree.
"""

import asyncio
import collections
import json
import random
import signal

import httpx
import pytest

from tests.service.process import ServerProcess, eventually
from tests.service.test_engine_death import engine_of

#: What a request does, and how often.
FAULTS = {
    "good": 60,
    "invalid": 8,
    "too_large": 4,
    "boom": 4,
    "too_slow": 2,
    "leaves": 12,
    "leaves_half_way": 6,
    "unknown_route": 4,
}
#: The statuses that each may end with. A request that shares a step with "boom" fails with it, the
#: queue may be full, a killed engine is away for a moment (which is said before what is wrong with
#: a sentence), and a busy machine may be too slow for anything (408, 504).
OUTCOMES = {
    "good": {200, 408, 503, 504},
    "invalid": {422, 408, 503},
    "too_large": {413},
    "boom": {503, 408, 504},
    "too_slow": {504, 408, 503},
    "unknown_route": {404, 408},
}


class Soak:
    """Clients that send requests with faults, and note what came of each."""

    def __init__(self, server: ServerProcess, seed: int) -> None:
        self.server = server
        self.random = random.Random(seed)
        self.outcomes: dict[str, tuple[str, int | None]] = {}

    async def run(self, count: int, concurrency: int) -> None:
        """Send `count` requests, `concurrency` at a time."""
        kinds = iter(self.random.choices(list(FAULTS), list(FAULTS.values()), k=count))
        limits = httpx.Limits(max_connections=concurrency)
        async with httpx.AsyncClient(
            base_url=self.server.url, timeout=60, limits=limits, verify=False
        ) as http:

            async def client() -> None:
                for kind in kinds:
                    await self.one(http, kind)

            await asyncio.gather(*(client() for _ in range(concurrency)))

    async def one(self, http: httpx.AsyncClient, kind: str) -> None:
        name = f"soak-{len(self.outcomes)}"
        self.outcomes[name] = (kind, None)
        if kind.startswith("leaves"):
            await self.leave(name, half_way=kind == "leaves_half_way")
            return
        sentence = {
            "good": f"Say {self.random.randint(5, 40)}.",
            "invalid": "a\nb",
            "too_large": "x" * 20_000,
            "boom": "boom",
            "too_slow": "Say 125.",
            "unknown_route": "x",
        }[kind]
        path = "/nowhere" if kind == "unknown_route" else "/correct"
        answer = await http.post(path, json={"sentence": sentence}, headers={"X-Request-ID": name})
        self.outcomes[name] = (kind, answer.status_code)
        assert answer.headers["x-request-id"] == name
        if answer.status_code == 200:
            assert answer.json()["corrected"] == sentence

    async def leave(self, name: str, *, half_way: bool) -> None:
        """Ask, and go away before the answer comes, or before the question is whole."""
        body = json.dumps({"sentence": "Say 100."}).encode()
        request = (
            f"POST /correct HTTP/1.1\r\nHost: x\r\nX-Request-ID: {name}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body
        _, writer = await asyncio.open_connection(*self.server.address)
        writer.write(request[:-5] if half_way else request)
        await writer.drain()
        await asyncio.sleep(self.random.random() * 0.1)
        writer.close()
        await writer.wait_closed()


def soak(count: int, *, kills: int, seed: int) -> None:
    with ServerProcess(
        slow={"step_s": 0.002}, max_num_seqs=8, max_waiting=16, request_timeout_s=0.2
    ) as server:
        run = Soak(server, seed)

        async def both() -> None:
            soaking = asyncio.create_task(run.run(count, concurrency=24))
            for _ in range(kills):
                await asyncio.sleep(2)
                if (engine := engine_of(server)) is not None:
                    engine.send_signal(signal.SIGKILL)
            await soaking

        asyncio.run(both())
        # The last kill may come after the last request, and be noticed after a look at /readyz.
        eventually(lambda: server.correct("Say 5.").status_code == 200, "the engine is up")
        eventually(lambda: server.running() == 0, "nothing is in flight")
        assert server.metric("num_requests_running") == server.metric("num_requests_waiting") == 0

        # Client and log: each request that got an answer has one line, with the same status.
        lines = collections.defaultdict(list)
        for line in server.log():
            if str(line["request_id"]).startswith("soak-"):
                lines[line["request_id"]].append(line["status"])
        assert len(run.outcomes) == count
        for name, (kind, status) in run.outcomes.items():
            if status is None:
                assert kind.startswith("leaves")
                assert len(lines[name]) == 1
            else:
                assert status in OUTCOMES[kind], kind
                assert lines[name] == [status]

        # Log and metrics: the same counts, to the last one.
        samples = server.metrics()
        for route in ("/correct", "unmatched"):
            logged = collections.Counter(line["status"] for line in server.log(route=route))
            for status, number in logged.items():
                labels = {"route": route, "status": str(status)}
                assert server.metric("http_requests_total", samples, **labels) == number
            assert server.metric("http_requests_total", samples, route=route) == logged.total()
        server.signal()
        assert server.exit_code() == 0
        assert "never" not in server.stderr  # neither "never awaited" nor "never retrieved"


def test_a_short_soak() -> None:
    soak(250, kills=1, seed=1)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_twenty_thousand_requests() -> None:
    soak(20_000, kills=5, seed=2)

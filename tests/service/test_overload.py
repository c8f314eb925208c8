"""Ten times more requests than the server can take: it takes what it can, in time, and refuses the
rest.
"""

import asyncio
import statistics

import psutil  # type: ignore[import-untyped]
import pytest

from miniserve.loadtest import Trace, poisson, run_open_loop
from tests.service.process import ServerProcess, eventually

SLOTS, WAITING = 4, 8
STEP_S, TOKENS = 0.02, 20
CAPACITY = SLOTS / (STEP_S * TOKENS)  # requests per second, on a machine that does nothing else


def times(server: ServerProcess, status: int) -> list[float]:
    """Seconds that the server spent on each request that ended so."""
    return [line["duration_ms"] / 1000 for line in server.log(status=status, route="/correct")]


def overload(duration_s: float) -> None:
    slow = {"step_s": STEP_S}
    with ServerProcess(slow=slow, max_num_seqs=SLOTS, max_waiting=WAITING) as server:
        server.correct(f"Say {TOKENS}.")
        before = server.metrics()
        process = psutil.Process(server.process.pid)
        memory = process.memory_info().rss
        rate = 10 * CAPACITY
        offsets = poisson(rate, round(rate * duration_s), seed=1)
        trace = Trace.of(offsets, [f"Say {TOKENS}."])
        result = asyncio.run(run_open_loop(server.url, trace, timeout_s=60))

        # Each request has one of two ends, and none is lost.
        taken = [r for r in result.records if r.status == 200]
        refused = [r for r in result.records if r.status == 503]
        assert len(taken) + len(refused) == len(offsets)
        assert len(taken) >= SLOTS + WAITING
        assert len(refused) > len(offsets) / 2
        assert server.metric("http_requests_total", route="/correct", status="503") == len(refused)
        assert server.metric("request_failure_total", error="QueueFull") == len(refused)

        # Little's law is what a queue bound promises: with at most N in the engine at a throughput
        # of X, the mean stay is N / X at most, on a machine however slow. A tenth is for the turns
        # of the event loop between the engine's answer and the end of the measurement.
        def engine_s(part: str) -> float:
            name = f"e2e_request_latency_seconds_{part}"
            return server.metric(name) - server.metric(name, before)

        assert engine_s("count") == len(taken)
        mean_s = engine_s("sum") / len(taken)
        first, last = min(r.sent for r in taken), max(r.done or 0.0 for r in taken)
        plan_s = (SLOTS + WAITING) * (last - first) / len(taken)
        assert mean_s <= 1.1 * plan_s
        # A refusal waits for nobody. Both sides are the server's own: the generator may be slow.
        spent = {status: statistics.median(times(server, status)) for status in (200, 503)}
        assert spent[503] < spent[200]
        print(
            f"{len(taken)} answered and {len(refused)} refused in {last - first:.0f} s; "
            f"mean in the engine {mean_s:.2f} s (by the bound {plan_s:.2f} s at most); "
            f"medians at the server: answered {spent[200]:.3f} s, refused {spent[503]:.3f} s"
        )

        # And afterwards all is as before.
        eventually(lambda: server.correct(f"Say {TOKENS}.").status_code == 200, "it serves again")
        assert server.metric("num_requests_running") == server.metric("num_requests_waiting") == 0
        eventually(lambda: server.running() == 0, "nothing is in flight")
        assert process.memory_info().rss - memory < 48 * 2**20


def test_ten_times_the_capacity() -> None:
    overload(duration_s=3.0)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_ten_times_the_capacity_for_a_minute() -> None:
    overload(duration_s=60.0)

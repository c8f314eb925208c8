"""What the simulator says of a run of a live server whose costs are known from other runs of it.

All four modes: `static` and `continuous` are the live engine's schedulers on the virtual clock,
`sync` and `async` are one server that works requests off in order.
"""

from __future__ import annotations

from collections.abc import Sequence

from miniserve.scheduler import Request
from miniserve.settings import Mode
from miniserve.simulator.calibration import (
    Blocks,
    GenerationCost,
    Run,
    SteppedCost,
    seconds_outside,
)
from miniserve.simulator.single import Policy, run
from miniserve.stepcost import Cost


def latencies_under_load(
    calibration: Sequence[Run], live: Run, policy: Policy, seed: int
) -> list[float]:
    """Predict the latency of each answered request of `live`, in seconds.

    Of that run, only the moments of sending and the lengths of prompts and answers are looked at.
    What work costs and what an answer takes outside the engine is drawn from the calibration's runs
    with `seed`.

    Raises:
        ValueError: the calibration has too little in it.
    """
    lengths = {one.request_id: (one.prompt, one.output) for one in live.server.generations}
    asked = sorted(
        (record for record in live.client.measured if record.request_id in lengths),
        key=lambda record: record.sent,
    )
    sent = [record.sent for record in asked]
    pairs = [lengths[record.request_id] for record in asked]
    if policy.mode in (Mode.SYNC, Mode.ASYNC):
        cost = GenerationCost.of(calibration, seed)
        services = [cost.seconds(prompt, output) for prompt, output in pairs]
        done = one_by_one(sent, services, together=policy.mode is Mode.SYNC)
    else:
        done = step_by_step(sent, pairs, SteppedCost.of(calibration, seed), policy)
    outside = Blocks(
        seconds_outside(calibration, alone=policy.mode is Mode.SYNC), seed + 1, length=1
    )
    return [
        end - record.intended + outside.draw()
        for end, record in zip(done, asked, strict=True)
        if record.ok  # an answer that could not be read has cost as much as any other
    ]


def one_by_one(
    arrivals: Sequence[float], services: Sequence[float], *, together: bool
) -> list[float]:
    """When each request leaves a server that works them off one by one, in order of arrival.

    This is Lindley's recursion: each begins when it is there and the one before it has ended.

    together: as where the event loop itself generates. It reads all requests that came while it was
    blocked, generates for one after the other, and writes the answers when the last is made; so a
    group leaves together, and who comes meanwhile is in the next group. Source for the recursion:
    D. V. Lindley, "The Theory of Queues with a Single Server" (1952).
    """
    leaving: list[float] = []
    group_began = now = float("-inf")
    group: list[float] = []
    for arrival, service in zip(arrivals, services, strict=True):
        if arrival > group_began:  # not read with the others
            leaving += [now] * len(group) if together else group
            group, now = [], max(now, arrival)
            group_began = now
        now += service
        group.append(now)
    return leaving + ([now] * len(group) if together else group)


def step_by_step(
    arrivals: Sequence[float], lengths: Sequence[tuple[int, int]], cost: Cost, policy: Policy
) -> list[float]:
    """When each request leaves an engine that steps through them as the policy's scheduler says."""
    requests = [
        Request(str(i), range(prompt), output, arrival)
        for i, (arrival, (prompt, output)) in enumerate(zip(arrivals, lengths, strict=True))
    ]
    run(policy, requests, cost)
    return [request.finish_time for request in requests if request.finish_time is not None]

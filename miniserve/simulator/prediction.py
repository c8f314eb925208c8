"""What the simulator says of a run that a live server has made.

The requests of the run (when each was sent, how long its prompt and answer were) go through the
same scheduler with the step cost of the machine. The difference that is left is what the model does
not know: HTTP, the event loop, and what else the machine was doing.

With a cost fitted to this very run (`cost_of_run`), what is tested is the scheduler and the form of
the cost; `simulator.under_load` predicts runs that it has not seen.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from miniserve.latency import Floats, LatencyRecord, latencies, percentile
from miniserve.scheduler import Request
from miniserve.simulator.single import Policy, run
from miniserve.stepcost import StepCost, fit
from miniserve.trace import StepRecord, pause_between

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Prediction:
    """Measured and predicted latency of one run, in seconds."""

    policy: Policy
    requests: int
    measured_p50: float
    predicted_p50: float
    measured_p95: float
    predicted_p95: float

    @classmethod
    def of(
        cls,
        policy: Policy,
        measured: Sequence[float] | Floats,
        predicted: Sequence[float] | Floats,
    ) -> Prediction:
        """Hold latencies side by side, in seconds; of `predicted` there may be more."""
        return cls(
            policy=policy,
            requests=len(measured),
            measured_p50=percentile(measured, 0.50).value,
            predicted_p50=percentile(predicted, 0.50).value,
            measured_p95=percentile(measured, 0.95).value,
            predicted_p95=percentile(predicted, 0.95).value,
        )

    @property
    def error_p50(self) -> float:
        """Predicted over measured, minus one: 0.1 says 10 % too much."""
        return self.predicted_p50 / self.measured_p50 - 1.0

    @property
    def error_p95(self) -> float:
        """The same for the p95."""
        return self.predicted_p95 / self.measured_p95 - 1.0


def lengths_of_trace(trace: Iterable[StepRecord]) -> dict[str, Pair]:
    """Return (prompt tokens, output tokens) of every request in a trace, by request id.

    The step that reads the end of a prompt makes the first token, and each decode step one more. A
    request whose first step is missing from the trace comes out too short: trace the whole run.

    Raises:
        ValueError: a decode step verified guesses; the trace does not say how many were right.
    """
    prompts: dict[str, int] = {}
    decodes: dict[str, int] = {}
    for record in trace:
        for entry in record.entries:
            if entry.kind == "prefill":
                prompts[entry.request_id] = prompts.get(entry.request_id, 0) + entry.num_tokens
            elif entry.kind == "decode":
                if entry.num_tokens > 1:
                    raise ValueError("the trace holds guesses: run with num_speculative_tokens=0")
                decodes[entry.request_id] = decodes.get(entry.request_id, 0) + 1
    return {name: (tokens, 1 + decodes.get(name, 0)) for name, tokens in prompts.items()}


def cost_of_run(trace: Sequence[StepRecord]) -> StepCost:
    """Return what a step cost in this run, interruptions and the engine's loop included.

    `miniserve.stepcost.fit` goes by medians and by the steps alone: it is about the model. To
    predict this run, one also needs what held the model up. So the fit is scaled until all steps
    together take as long as they took, and gets on top the mean pause before a step that goes on
    with a request (taking in commands, handing out answers). Raises what `fit` raises.
    """
    cost = fit(trace).cost
    took = sum(record.duration for record in trace)
    scale = took / sum(cost.seconds(record.batch, record.num_tokens) for record in trace)
    pauses = itertools.starmap(pause_between, itertools.pairwise(trace))
    known = [pause for pause in pauses if pause is not None]
    pause = statistics.mean(known) if known else 0.0
    return StepCost(cost.a * scale + pause, cost.b * scale, cost.c * scale)


def predict(
    records: Sequence[LatencyRecord],
    lengths: Mapping[str, Pair],
    cost: StepCost,
    policy: Policy,
    *,
    overhead_s: float = 0.0,
) -> Prediction:
    """Predict a live run's p50 and p95 from its arrivals and lengths, and hold them side by side.

    Args:
        records: of the run, on one clock. Only those that were answered are looked at.
        lengths: (prompt, output) by request id, for example of `lengths_of_trace`.
        cost: of the same machine, for example from `cost_of_run`.
        policy: what the server ran with, without its queue bound: who was refused is known.
        overhead_s: seconds of a request outside the engine, such as the p50 of a null route; added
            to each predicted latency.

    Raises:
        ValueError: no record was answered, or one of those answered has no length.
    """
    answered = sorted((r for r in records if r.ok), key=lambda r: r.sent)
    missing = [r.request_id for r in answered if r.request_id not in lengths]
    if not answered or missing:
        what = f"no length for request {missing[0]!r}" if missing else "no request was answered"
        raise ValueError(f"nothing to predict: {what}")

    def requests() -> Iterator[Request]:
        for record in answered:
            prompt, output = lengths[record.request_id]
            yield Request(record.request_id, range(prompt), output, record.sent)

    intended = {record.request_id: record.intended for record in answered}
    predicted: list[float] = []

    def finish(request: Request) -> None:
        assert request.finish_time is not None
        predicted.append(request.finish_time - intended[request.request_id] + overhead_s)

    run(policy, requests(), cost, on_finish=finish)
    return Prediction.of(policy, latencies(answered), predicted)

"""An engine's trace as blocks of a timeline, and the words for each block. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from miniserve.scheduler import Request
from miniserve.trace import EntryKind, StepRecord
from miniserve.widgets.curves import ms


@dataclass(frozen=True)
class RequestInfo:
    """What a timeline can say about a request; empty or None where nothing is known.

    arrival_time: seconds on the trace's clock.
    """

    sentence: str = ""
    arrival_time: float | None = None
    output: str = ""

    @classmethod
    def of(
        cls,
        requests: Iterable[Request],
        sentences: Sequence[str] = (),
        outputs: Sequence[str] = (),
    ) -> dict[str, RequestInfo]:
        """Describe the requests of a scheduler, with sentences and outputs in the same order."""
        found = {}
        for index, request in enumerate(requests):
            made = outputs[index] if index < len(outputs) else ""
            found[request.request_id] = cls(
                sentence=sentences[index] if index < len(sentences) else "",
                arrival_time=request.arrival_time,
                output=made or f"{len(request.output_token_ids)} tokens",
            )
        return found


@dataclass(frozen=True)
class Segment:
    """A request in one slot, doing one kind of work over a stretch of steps.

    first and last are step numbers, both inside; start and end are seconds on the trace's clock.
    """

    request_id: str
    slot: int
    kind: EntryKind
    first: int
    last: int
    start: float
    end: float
    num_tokens: int


def segments(records: Iterable[StepRecord]) -> list[Segment]:
    """Join the entries of consecutive steps into blocks, in the order in which the blocks begin."""
    finished: list[Segment] = []
    open_now: dict[int, Segment] = {}
    for record in records:
        end = record.start + record.duration
        going_on: dict[int, Segment] = {}
        for entry in record.entries:
            before = open_now.pop(entry.slot, None)
            joins = (
                before is not None
                and before.last == record.step - 1
                and (before.request_id, before.kind) == (entry.request_id, entry.kind)
            )
            if before is not None and not joins:
                finished.append(before)
            going_on[entry.slot] = Segment(
                entry.request_id,
                entry.slot,
                entry.kind,
                before.first if before and joins else record.step,
                record.step,
                before.start if before and joins else record.start,
                end,
                entry.num_tokens + (before.num_tokens if before and joins else 0),
            )
        finished.extend(open_now.values())
        open_now = going_on
    finished.extend(open_now.values())
    return sorted(finished, key=lambda segment: (segment.first, segment.slot))


def colour_numbers(*traces: Iterable[Segment]) -> dict[str, int]:
    """Number the requests in the order in which they first appear, over all traces."""
    numbers: dict[str, int] = {}
    for trace in traces:
        for segment in trace:
            numbers.setdefault(segment.request_id, len(numbers))
    return numbers


_KINDS = {
    "prefill": "reads its prompt (prefill)",
    "decode": "writes its answer (decode)",
    "padding": "has ended; its row is computed for nobody (padding)",
}


def hover_text(
    segment: Segment, first_start: float, infos: Mapping[str, RequestInfo] | None
) -> str:
    """Say what a block is, in a few short lines of Plotly's HTML.

    Args:
        segment: the block.
        first_start: when the request was first in a step, in seconds on the trace's clock.
        infos: what is known about requests.
    """
    info = (infos or {}).get(segment.request_id, RequestInfo())
    steps = f"step {segment.first}"
    if segment.last > segment.first:
        steps = f"steps {segment.first}–{segment.last}"
    lines = [f"<b>{segment.request_id}</b> {_KINDS[segment.kind]}"]
    lines.append(f"{steps}, {ms(segment.end - segment.start)}, {segment.num_tokens} tokens")
    if info.sentence:
        lines.append(f"asked: {info.sentence}")
    if info.arrival_time is not None:
        lines.append(f"waited: {ms(max(0.0, first_start - info.arrival_time))}")
    if info.output:
        lines.append(f"made: {info.output}")
    return "<br>".join(line.replace("\n", " / ") for line in lines)


@dataclass(frozen=True)
class Progress:
    """A trace up to a moment: the step that runs then, and the waste so far."""

    step: StepRecord | None
    rows: int
    wasted: int

    def __str__(self) -> str:
        if self.step is None:
            return "nothing has run yet"
        share = self.wasted / self.rows if self.rows else 0.0
        return (
            f"step {self.step.step}: {self.step.batch} rows, {self.step.num_waiting} waiting, "
            f"{ms(self.step.duration)}; wasted so far {self.wasted} of {self.rows} rows "
            f"({share:.0%})"
        )


def progress(records: Iterable[StepRecord], moment: float, x: str) -> Progress:
    """Describe a trace up to `moment`: a step number if x is "step", else seconds on its clock."""
    step, rows, wasted = None, 0, 0
    for record in records:
        if (record.step if x == "step" else record.start) >= moment:
            break
        step = record
        rows += record.batch
        wasted += record.num_wasted
    return Progress(step, rows, wasted)

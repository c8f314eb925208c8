"""What became of the requests of a run: their counts, and what was measured. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from miniserve.latency import LatencyRecord, Summary, summary
from miniserve.widgets.controls import Setting

UNFINISHED = "unfinished"
"""The error of a request that was still in flight when the load ended."""


@dataclass(frozen=True)
class Counts:
    """What became of the requests of a run. `given_up`: still in flight some time after Stop."""

    offered: int = 0
    answered: int = 0
    shed: int = 0
    failed: int = 0
    given_up: int = 0
    in_flight: int = 0

    def html(self) -> str:
        """Say it in one line of HTML."""
        words = [
            f"<b>{self.offered}</b> offered",
            f"<b>{self.answered}</b> answered",
            f"<b>{self.shed}</b> shed",
            f"<b>{self.failed}</b> failed",
            f"<b>{self.in_flight}</b> in flight",
        ]
        if self.given_up:
            words.append(f"<b>{self.given_up}</b> given up at Stop")
        return f"<div class='miniserve-counts'>{' · '.join(words)}</div>"


@dataclass(frozen=True)
class LoadResults:
    """What a panel measured under one setting; `counts` are those of the whole run."""

    setting: Setting
    records: Sequence[LatencyRecord]
    counts: Counts

    @property
    def summary(self) -> Summary:
        """Percentiles, rates and the generator's own lag."""
        return summary(self.records)


def outcome(record: LatencyRecord) -> str:
    """Say in one word what became of a request; the words are the fields of `Counts`."""
    if record.ok:
        return "answered"
    if record.shed:
        return "shed"
    return "given_up" if record.error == UNFINISHED else "failed"

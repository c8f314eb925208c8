"""An answer of the tutor as HTML: the changed words marked, and where the time went. Pure."""

from __future__ import annotations

import difflib
import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from miniserve.palette import BLUE, ORANGE, PINK, SKY_BLUE, ink
from miniserve.widgets.curves import ms

PARTS = {
    "queue": ("waiting in the queue", ORANGE),
    "prefill": ("reading the prompt (prefill)", BLUE),
    "decode": ("writing the answer (decode)", SKY_BLUE),
    "http": ("HTTP and all else", PINK),
}
"""The parts of a request's time, in their order, with what they mean and their colours."""


@dataclass(frozen=True)
class Answer:
    """What came back for a sentence.

    parts: seconds in the queue, in prefill, in decode, and in HTTP (all the rest); without the
    server's own timing only `http`. problem: why there is no correction; empty if there is one.
    """

    sentence: str
    corrected: str = ""
    explanation: str = ""
    total_s: float = 0.0
    parts: Mapping[str, float] = field(default_factory=dict)
    status: int = 0
    problem: str = ""

    @property
    def ok(self) -> bool:
        """Whether there is a correction."""
        return not self.problem


def read_parts(server_timing: str, total_s: float) -> dict[str, float]:
    """Read a `Server-Timing` header (`queue;dur=0.4, …`, milliseconds); the rest is HTTP's."""
    found = {
        name: float(duration) / 1e3
        for name, duration in re.findall(r"(\w+)\s*;\s*dur=([\d.]+)", server_timing)
        if name in PARTS
    }
    return {**found, "http": max(0.0, total_s - sum(found.values()))}


def marked(sentence: str, corrected: str) -> str:
    """Return the corrected sentence as HTML: what is new underlined, what was there struck out."""
    before, after = sentence.split(), corrected.split()
    pieces = []
    matcher = difflib.SequenceMatcher(a=before, b=after, autojunk=False)
    for kind, i1, i2, j1, j2 in matcher.get_opcodes():
        old, new = html.escape(" ".join(before[i1:i2])), html.escape(" ".join(after[j1:j2]))
        if kind == "equal":
            pieces.append(new)
            continue
        if old:
            pieces.append(f"<del class='miniserve-old'>{old}</del>")
        if new:
            pieces.append(f"<ins class='miniserve-new'>{new}</ins>")
    return " ".join(pieces)


def answer_html(answer: Answer) -> str:
    """Return an answer as HTML, or the problem that came in its place."""
    if not answer.ok:
        words = html.escape(answer.problem)
        return f"<div class='miniserve-warning' role='status'>⚠ {words}</div>"
    same = answer.corrected == answer.sentence
    verdict = " <span class='miniserve-note'>(nothing to correct)</span>" if same else ""
    return (
        "<div role='status'>"
        f"<div class='miniserve-answer'>{marked(answer.sentence, answer.corrected)}{verdict}</div>"
        f"<div>{html.escape(answer.explanation)}</div>{time_bar(answer)}</div>"
    )


def time_bar(answer: Answer) -> str:
    """Return a bar, 100 % of the time wide, with one stretch for each part, and a key."""
    total = sum(answer.parts.values()) or 1.0
    bars, key = [], []
    for name, (meaning, colour) in PARTS.items():
        if name not in answer.parts:
            continue
        seconds = answer.parts[name]
        share = 100 * seconds / total
        label = ms(seconds) if share > 9 else ""
        bars.append(
            f"<div style='width:{share:.2f}%;background:{colour};color:{ink(colour)}' "
            f"title='{meaning}: {ms(seconds)}'>{label}</div>"
        )
        key.append(
            f"<span><i style='background:{colour}'></i>{meaning}: <b>{ms(seconds)}</b></span>"
        )
    return (
        f"<div class='miniserve-bar' role='img' aria-label='{ms(total)} in all'>"
        f"{''.join(bars)}</div><div class='miniserve-key'>{''.join(key)}"
        f"<span>in all: <b>{ms(total)}</b></span></div>"
    )

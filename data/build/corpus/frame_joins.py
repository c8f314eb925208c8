"""Which frames can be joined: plain statements of one tense."""

from __future__ import annotations

from functools import cache

from .frame_parser import Frame, frames
from .wordlists import words

PAST_WORDS = {
    "was",
    "were",
    "had",
    "did",
    "didn't",
    "wasn't",
    "weren't",
    "hadn't",
    "could",
    "couldn't",
    "would",
    "wouldn't",
}


def tense(f: Frame) -> str:
    """'past' or 'pres', by the marks and the auxiliaries; '' if both are there."""
    forms = {p.form for p in f.pieces}
    texts = {p.text.lower() for p in f.pieces}
    past = bool(forms & {"past", "be-was", "be-were"} or texts & PAST_WORDS)
    pres = bool(
        forms & {"pres3", "pres", "be-is", "be-are", "be-am"}
        or any(p.form.startswith(("have", "do")) for p in f.pieces)
    )
    return "" if past and pres else "past" if past else "pres" if pres else ""


def joinable(f: Frame) -> bool:
    """Whether the frame is a plain statement that can be joined to another."""
    first = f.pieces[0].text
    return (
        bool(tense(f))
        and f.source[-1] == "."
        and first[0].isupper()
        and first in STARTS
        and first not in {"Because", "When", "If", "Although", "While", "After", "Before"}
        and not any(t in f.source for t in '?!";:')
    )


STARTS = frozenset(words("starts"))


@cache
def joinables() -> dict[str, tuple[Frame, ...]]:
    """Plain statements by tense."""
    rows = [f for read in frames().values() for f in read if joinable(f) and not f.marker]
    return {t: tuple(f for f in rows if tense(f) == t) for t in ("past", "pres")}

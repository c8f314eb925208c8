"""Hand-written frames (`frames/*.txt`): the syntax, the parser, which mark can carry which error.

Syntax: `[lemma|form]` marks a verb, `{word|type}` a word that may be swapped, `@Last_night` a
past marker, `<wrong=>right|code|lemma>` a mistake (`slips`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .forms import NO_BE
from .inflect import Verb
from .lexicon import Lexicon
from .slips import SYNTAX, Slip, parse_slip
from .wordlists import words

FOLDER = Path(__file__).parent / "frames"
PIECE = re.compile(
    SYNTAX
    + r"|\[([^\]|]+)\|([^\]]+)\]|\{([^}|]+)\|(\w+)\}|@([^\s,.?!]+)|((?:[^\s\[\]{}@<]|<(?=\s))+)"
)
KINDS = {
    "pres3": ("s_missing",),
    "pres": ("s_added",),
    "pp": ("participle_have", "misspelled_past"),
    "past": ("overregular_past", "misspelled_past", "doubled_past", "past_marker"),
    "ppp": ("participle_passive", "misspelled_past"),
    "ppt": ("participle_passive", "misspelled_past"),  # of a thing that can do nothing itself
    "base-did": ("after_did",),
    "base-modal": ("after_modal",),
    "base-to": ("after_to",),
    "ing": ("progressive",),
    "ger": ("gerund",),  # without saying
    "gsub": ("gerund",),  # swimming is fun
    "edj": ("feeling",),  # I was bored
    "ingj": ("feeling",),  # it was boring
    "of": ("after_modal",),  # should have, not *should of*
    "caus": ("participle_have",),  # I had it repaired
    "red": ("participle_passive",),  # the letter written by my aunt
    "born": ("doubled_past",),  # I was born, not *borned*
    "bare": ("after_let",),  # let me go
    "seq": ("past_sequence", "overregular_past", "misspelled_past", "doubled_past"),
    "state": ("progressive", "s_added"),  # I have two sisters, not *am having*
    "state3": ("progressive", "s_missing"),
    "cond": ("time_clause", "s_added"),  # when I arrive, not *will arrive*
    "cond3": ("time_clause", "s_missing"),
    "since": ("since_perfect",),  # I have lived here since 2010, not *live*
    "since3": ("since_perfect",),
    "had": ("past_sequence",),  # when I came, it had left
    "wish": ("past_sequence",),  # I wish I knew
    "have3": ("s_missing",),
    "do3": ("s_missing",),
    "have": ("s_added",),
    "do": ("s_added",),
    "be-am": ("be_agreement",),
    "be-is": ("be_agreement",),
    "be-are": ("be_agreement",),
    "be-was": ("be_agreement", "past_marker"),
    "be-were": ("be_agreement", "past_marker"),
}

#: The forms that a mark of *be* may have, besides `be-…`.
OF_BE = frozenset(("pp", "ing", "bare", "base-did", "base-modal", "base-to", "since", "since3"))


@dataclass(frozen=True)
class Piece:
    """One piece of a frame: plain text, a verb mark, or a swappable word."""

    text: str
    form: str = ""
    type: str = ""
    glue: bool = False  # no space before it
    slip: Slip | None = None


@dataclass(frozen=True)
class Frame:
    """A parsed frame."""

    pieces: tuple[Piece, ...]
    marker: str
    source: str


def parse(line: str) -> Frame:
    """Parse a frame. Raises ValueError for a mark of unknown form, type or code, or half a mark."""
    if half := PIECE.sub("", line).strip():
        raise ValueError(f"{half!r} is no mark in {line!r}")
    pieces: list[Piece] = []
    marker = ""
    end = 0
    for m in PIECE.finditer(line):
        glue = bool(pieces) and m.start() == end
        end = m.end()
        lemma, form, word, kind, mark, plain = m.groups()[5:]
        if m[1] is not None:
            slip = parse_slip(*m.groups()[:5])
            pieces.append(Piece(slip.lemma, f"slip:{slip.right}", "", glue, slip))
        elif lemma is not None:
            f = form.partition(":")[0]
            if f not in KINDS:
                raise ValueError(f"unknown form {form!r} in {line!r}")
            if lemma == "be" and not (f in OF_BE or f.startswith("be-")):
                raise ValueError(f"'be' has no form {form!r} in {line!r}")
            pieces.append(Piece(lemma, form, "", glue))
        elif word is not None:
            if kind not in {"n", "ns", "u", "name", "place", "adj", "num", "adv"}:
                raise ValueError(f"unknown type {kind!r} in {line!r}")
            pieces.append(Piece(word, "", kind, glue))
        elif mark is not None:
            marker = mark.replace("_", " ")
            pieces.append(Piece(marker, "", "", glue))
        else:
            pieces.append(Piece(plain, "", "", glue))
    return Frame(tuple(pieces), marker, line)


@cache
def frames() -> dict[str, tuple[Frame, ...]]:
    """All frames by file name. Raises ValueError for a line that is none."""
    return {
        path.stem: tuple(
            parse(line.strip())
            for line in path.read_text(encoding="utf-8").splitlines()
            if line.strip() and not line.startswith("#")
        )
        for path in sorted(FOLDER.glob("*.txt"))
    }


BREAKS = {
    "and",
    "but",
    "because",
    "when",
    "who",
    "that",
    "which",
    "so",
    "while",
    "where",
    "if",
    "since",
    "although",
    "though",
    "before",
    "after",
    "until",
    "as",
    "than",
    "whose",
}


def same_clause(f: Frame, i: int) -> bool:
    """Whether the frame's past marker stands in the clause of piece i."""
    at = [j for j, p in enumerate(f.pieces) if f.marker and p.text == f.marker]
    if not at:
        return False
    lo, hi = sorted((at[0], i))
    between = [p.text.lower() for p in f.pieces[lo + 1 : hi]]
    return not any(t in BREAKS or t[-1] in ".?!;" for t in between) and not any(
        t == "," for t in between[1:]
    )


TIMES = {
    "today",
    "morning",
    "night",
    "evening",
    "week",
    "year",
    "day",
    "ago",
    "always",
    "often",
    "never",
    "afternoon",
    "weekend",
    "tonight",
    "summer",
    "time",
    "once",
    "already",
    "just",
    "month",
    "minutes",
    "hours",
    "years",
    "days",
    "soon",
    "now",
    "early",
    "late",
    "again",
}


def plain_past(f: Frame) -> bool:
    """Whether the frame is one clause in the simple past, without a time of its own."""
    marks = [p for p in f.pieces if p.form]
    texts = [p.text.lower().strip(".,!?") for p in f.pieces]
    return (
        not f.marker
        and len(marks) == 1
        and marks[0].form == "past"
        and len(f.pieces) <= 11
        and not any(t in BREAKS or t in TIMES or t.endswith("day") or t.isdigit() for t in texts)
        and not any("," in p.text or ";" in p.text for p in f.pieces)
        and not {"i", "he", "she", "we", "they", "you"} & set(texts[1:])
        and texts[0] not in {"who", "what", "which", "how", "if"}
        and f.pieces[0].text[0] not in "\"'"
    )


WRONG: dict[str, Callable[[Verb], tuple[str, ...]]] = {
    "overregular_past": lambda v: v.over,
    "doubled_past": lambda v: v.doubled,
    "misspelled_past": lambda v: v.spell or v.slip or v.slip_pp,
}


def kinds_of(f: Frame, i: int, lex: Lexicon) -> Iterator[str]:
    """The error kinds that the verb mark of piece i can carry."""
    p = f.pieces[i]
    if p.slip:
        yield p.slip.kind
        return
    for k in KINDS[p.form.partition(":")[0]]:
        if k == "past_marker" and not (same_clause(f, i) or plain_past(f)):
            continue
        if p.text in lex.verbs and k in WRONG and not WRONG[k](lex.verbs[p.text]):
            continue
        yield k
    if p.form in {"pres", "pres3"} and p.text in NO_BE and i and f.pieces[i - 1].text in PRONOUNS:
        yield "progressive"  # I am agree
    if p.form in {"past", "be-was", "be-were"} and subject_number(f, i):
        if p.text in NO_PASSIVE:
            yield "participle_passive"  # it was happened
        if OVER.search(f.marker) and same_clause(f, i):
            yield "perfect_past"  # I have seen it two days ago
    after_when = i > 1 and f.pieces[i - 2].text.lower() in TIME_WORDS and not p.glue
    if p.form in {"be-am", "be-is", "be-are"} and after_when and FUTURE.search(f.source):
        yield "time_clause"  # when I will be at home


PRONOUNS = frozenset(("I", "You", "We", "They", "He", "She", "It"))
MANY = frozenset(("i", "you", "we", "they"))
NO_PASSIVE = frozenset(words("events"))
TIME_WORDS = frozenset(words("time_words"))
TIME_UNITS = frozenset(words("time_units"))
FUTURE = re.compile(r"\b(will|won't)\b|'ll\b")
#: Past markers of a time that is surely over (*this morning* may not be).
OVER = re.compile(r"\bago\b|yesterday|\blast\b|\b1[0-9]{3}\b|\b20[01][0-9]\b|\bday before\b", re.I)


def subject_number(f: Frame, i: int) -> str:
    """'s' or 'p' where the subject before piece i is surely singular or plural, else ''."""
    if not i or f.pieces[i - 1].form:
        return ""
    last = f.pieces[i - 1]
    begin = i - 1
    while begin and f.pieces[begin - 1].text.lower() not in BREAKS and f.pieces[begin].text != ",":
        begin -= 1
    subject = f.pieces[begin:i]
    if any(p.form for p in subject) or len(subject) > 3:
        subject = subject[-1:]
        if last.text.lower() not in MANY | {"he", "she", "it"}:
            return ""
    words_ = {p.text.lower() for p in subject}
    if words_ & {"and", "or", "of", "with", "to", "in", "on", "at", "for", "not", "never"}:
        return ""
    if last.text.lower() in MANY:
        return "p"
    if last.text.lower() in {"he", "she", "it"} or last.type in {"name", "n", "u"}:
        return "s"
    return "p" if last.type == "ns" else ""


PAST_MODALS = {"can": "could", "will": "would", "may": "might"}


def right_form(p: Piece, lex: Lexicon) -> str:
    """The right form for a verb mark."""
    form, _, given = p.form.partition(":")
    if given:
        return given
    if p.text in PAST_MODALS:
        return PAST_MODALS[p.text]
    if form.startswith("be-"):
        return form[3:]
    if form in {"since", "since3"}:
        have = "has" if form == "since3" else "have"
        return f"{have} {'been' if p.text == 'be' else lex.verbs[p.text].pp}"
    if p.text == "be":
        return {"pp": "been", "ing": "being"}.get(form, "be")
    v = lex.verbs[p.text]
    if form in {"have3", "do3"}:
        return v.s
    return {
        "pres3": v.s,
        "state3": v.s,
        "cond3": v.s,
        "past": v.past,
        "seq": v.past,
        "had": v.past,
        "wish": v.past,
        "pp": v.pp,
        "ppp": v.pp,
        "ppt": v.pp,
        "ing": v.ing,
        "ger": v.ing,
        "gsub": v.ing,
        "ingj": v.ing,
        "edj": v.pp,
        "caus": v.pp,
        "red": v.pp,
        "born": "born",
    }.get(form, v.lemma)

"""*Be* left out, or put in where it has no place, and *-ing* alone for a habit."""

from __future__ import annotations

from collections.abc import Iterator

from . import explain
from .frame_parser import Frame
from .lexicon import Lexicon
from .pair import (
    ASKING,
    BE,
    MODALS,
    OBJECTS,
    PRESENT_BE,
    PRONOUNS,
    STATES,
    THIRD,
    Pair,
    has_subject,
    said,
    time_is_clear,
)
from .wordlists import words

CONTRACTED = {"i'm": "I", "you're": "you", "we're": "we", "they're": "they"}
CONTRACTED |= {"he's": "he", "she's": "she", "it's": "it"}
#: What tells, before a plain word, that *be* is missing; and what does so after a pronoun only.
DEGREES = frozenset(words("degrees"))
AFTER_PRONOUN = frozenset(words("after_pronoun"))
BEFORE_NOUN = frozenset(("a", "an", "no", "some", "two", "many", "only"))
NO_OBJECTS = frozenset((*words("no_objects"), *words("events")))
ACTS = frozenset(words("acts"))


def missing_be(f: Frame, i: int, lex: Lexicon) -> Iterator[Pair]:
    """My mother cooking dinner; I going home; what you doing?"""
    if f.pieces[i].form != "ing" or i < 1 or f.pieces[i].glue:
        return
    ing, before = said(f, i, lex), said(f, i - 1, lex)
    low = before.lower()
    if low in CONTRACTED:
        subject = CONTRACTED[low]
        subject = subject.capitalize() if before[0].isupper() else subject
        wrong, right = f"{subject} {ing}", f"{before} {ing}"
        yield Pair(i - 1, i, right, wrong, explain.missing("be", wrong, right))
    elif low in BE and has_subject(f, i - 1) and time_is_clear(f, i - 1, low):
        right = f"{low} {ing}"
        yield Pair(i - 1, i, right, ing, explain.missing("be", ing, right))
    elif i == 3 and low in PRONOUNS and said(f, 1, lex) in PRESENT_BE:
        if said(f, 0, lex).lower() not in ASKING:
            return
        wrong, right = f"{before} {ing}", f"{said(f, 1, lex)} {before} {ing}"
        yield Pair(1, i, right, wrong, explain.missing("be", wrong, right))


def missing_copula(f: Frame, i: int, lex: Lexicon) -> Iterator[Pair]:
    """She very tired; my name Anna; there a spider in the bath; I born in Rome."""
    be = f.pieces[i].form.removeprefix("be-")
    if be not in BE or not 0 < i < len(f.pieces) - 1 or f.pieces[i].glue:
        return
    after, before = f.pieces[i + 1], said(f, i - 1, lex).lower()
    if after.form or after.glue:
        return
    subject = has_subject(f, i)
    told = subject and (after.type == "adj" or after.text in DEGREES)
    told = told or (before in PRONOUNS and subject and after.text in AFTER_PRONOUN)
    told = told or (before == "there" and i == 1 and after.text in BEFORE_NOUN)
    told = told or (before == "name" and subject and after.type == "name")
    born = after.text == "born" and (subject or before == "who")
    if (told and time_is_clear(f, i, be)) or born:
        right = f"{be} {after.text}"
        yield Pair(i, i + 1, right, after.text, explain.missing("be", after.text, right))


def needless_be(f: Frame, i: int, lex: Lexicon) -> Iterator[Pair]:
    """We must be learn ten words; this book is belongs to Anna."""
    lemma, form = f.pieces[i].text, f.pieces[i].form
    if lemma not in lex.verbs or i < 1 or f.pieces[i].glue:
        return
    v, before = lex.verbs[lemma], said(f, i - 1, lex)
    having_to = before == "to" and said(f, i - 2, lex) in {"have", "has", "had"}
    if (form == "base-to" and having_to) or (form == "base-modal" and before in MODALS):
        acts = lemma in NO_OBJECTS or said(f, i + 1, lex).lower() in OBJECTS
        if not acts or v.pp == lemma or v.adjlike:
            return  # "must be read", "will be open", "has to be clean"
        wrong = f"be {lemma}"
    elif form == "pres3" and lemma in STATES and has_subject(f, i):
        wrong = f"is {v.s}"
    else:
        return
    right = said(f, i, lex)
    yield Pair(i, i, right, wrong, explain.needless_be(lemma, wrong, right))


def be_for_do(f: Frame, i: int, lex: Lexicon) -> Iterator[Pair]:
    """Are you like pizza? ("Is he work here?" may want *working* as well.) Do you hungry?"""
    lemma = f.pieces[i].text
    if i == 2 and f.pieces[i].form == "base-did" and lemma in STATES and lemma != "have":
        do, subject = said(f, 0, lex), said(f, 1, lex)
        asked = {"Do": "Am" if subject == "I" else "Are", "Does": "Is"}.get(do)
        if asked and subject.lower() in PRONOUNS:
            wrong, right = f"{asked} {subject}", f"{do} {subject}"
            yield Pair(0, 1, right, wrong, explain.wrong_question(do, wrong, right))
    if i == 0 and f.pieces[0].form.startswith("be-") and len(f.pieces) > 2:
        be, subject = said(f, 0, lex), said(f, 1, lex)
        asked = {"Are": "Do", "Is": "Does", "Was": "Did", "Were": "Did"}.get(be)
        told = f.pieces[2].type == "adj" or f.pieces[2].text.rstrip("?") in DEGREES
        if asked and subject.lower() in PRONOUNS and told:
            wrong, right = f"{asked} {subject}", f"{be} {subject}"
            yield Pair(0, 1, right, wrong, explain.wrong_question(be, wrong, right))


def was_past(f: Frame, i: int, lex: Lexicon) -> Iterator[Pair]:
    """I was went to the market; we were saw a film. ("It was broke" may want *broken*.)"""
    lemma = f.pieces[i].text
    acts = lemma in NO_OBJECTS or (lemma in ACTS and said(f, i + 1, lex).lower() in OBJECTS)
    if f.pieces[i].form != "past" or not acts or lemma not in lex.verbs or i < 1:
        return
    subject, v = said(f, i - 1, lex), lex.verbs[lemma]
    if subject.lower() in PRONOUNS and v.past not in {v.pp, v.lemma}:
        be = "was" if subject.lower() in THIRD | {"i"} else "were"
        wrong = f"{be} {v.past}"
        yield Pair(i, i, v.past, wrong, explain.needless_be(v.lemma, wrong, v.past))


def habit(f: Frame, i: int, lex: Lexicon) -> Iterator[Pair]:
    """My mother doing yoga every morning."""
    lemma = f.pieces[i].text
    often = "every" in (p.text.lower() for p in f.pieces)
    if f.pieces[i].form not in {"pres", "pres3"} or lemma not in lex.verbs or lemma in STATES:
        return
    if often and has_subject(f, i) and said(f, i - 1, lex).lower() not in ASKING:
        v, right = lex.verbs[lemma], said(f, i, lex)
        yield Pair(i, i, right, v.ing, explain.habit(v.ing, right))

"""Passives whose *be* is left out or is a *do*."""

from __future__ import annotations

from collections.abc import Iterator

from . import explain
from .forms import BY_ITSELF
from .frame_parser import BREAKS, Frame
from .lexicon import Lexicon
from .pair import BE, DO_FOR_BE, MODALS, OBJECTS, Pair, has_subject, said, time_is_clear

HAVE = frozenset(("have", "has", "had"))


def missing_passive(f: Frame, i: int, lex: Lexicon) -> Iterator[Pair]:
    """Smoking should banned; it has postponed; the bridge built in 1932; the room is cleaning."""
    # "He has invited" may want an object, and "it has moved" is right.
    thing = f.pieces[i].form == "ppt" and f.pieces[i].text not in BY_ITSELF
    if f.pieces[i].form not in {"ppt", "ppp"} or i < 2 or f.pieces[i].glue:
        return
    before, earlier, participle = said(f, i - 1, lex), said(f, i - 2, lex), said(f, i, lex)
    wrong = participle
    if before == "be":
        told = earlier in MODALS
    elif before == "been":
        told = thing and earlier in HAVE
    elif before == "being":
        told, wrong = thing and earlier in BE, lex.verbs[f.pieces[i].text].ing
    else:
        told = thing and before in BE and is_all(f, i - 1, lex)
    if told and wrong != f.pieces[i].text:
        right = f"{before} {participle}"
        yield Pair(i - 1, i, right, wrong, explain.missing("be", wrong, right))


def is_all(f: Frame, i: int, lex: Lexicon) -> bool:
    """Whether a frame is one clause, whose verb is the *be* of piece i and a participle.

    Or else "the bridge built in 1932" may go on, or "it based her on a story" be meant.
    """
    plain = [p.text.lower() for j, p in enumerate(f.pieces) if j not in {i, i + 1}]
    alone = sum(bool(p.form) for p in f.pieces) == 2 and not BREAKS.intersection(plain)
    alone = alone and not any(text[-1] in ",;:?" for text in plain)
    year = any(len(text.strip(".!")) == 4 and text.strip(".!").isdigit() for text in plain)
    clear = time_is_clear(f, i, said(f, i, lex)) or year
    return alone and clear and has_subject(f, i) and said(f, i + 2, lex) not in OBJECTS


def do_for_be(f: Frame, i: int, lex: Lexicon) -> Iterator[Pair]:
    """Dogs don't allowed in this park."""
    passive = f.pieces[i].form in {"ppp", "ppt"} and i > 1
    if not passive or said(f, i - 1, lex) != "n't" or not f.pieces[i - 2].form.startswith("be-"):
        return
    be, participle = said(f, i - 2, lex), said(f, i, lex)
    if participle != f.pieces[i].text:
        wrong, right = f"{DO_FOR_BE[be]}n't {participle}", f"{be}n't {participle}"
        yield Pair(i - 2, i, right, wrong, explain.passive_do(wrong, right))

"""Modals that are treated as if they were verbs like others, and *would* left out."""

from __future__ import annotations

from collections.abc import Iterator

from . import explain
from .frame_parser import BREAKS, Frame, same_clause
from .lexicon import Lexicon
from .pair import PRONOUNS, THIRD, Pair, said

ABLE = ["be", "able", "to"]
TAKES_NO_S = frozenset(("can", "must", "should", "may", "might"))


def modal_form(f: Frame, i: int, lex: Lexicon) -> Iterator[Pair]:
    """She cans sing; he doesn't can swim; do you can help me?"""
    if f.pieces[i].form != "base-modal" or i < 2 or f.pieces[i - 1].glue:
        return
    modal, before = said(f, i - 1, lex), said(f, i - 2, lex)
    third = before.lower() in THIRD or f.pieces[i - 2].type in {"name", "n"}
    if modal in TAKES_NO_S and third:
        yield Pair(i - 1, i - 1, modal, f"{modal}s", explain.modal_s(modal))
    if modal in {"can't", "cannot"} and (third or before.lower() in PRONOUNS):
        do = "does" if third else "do"
        for wrong in (f"{do}n't can", f"{do}n't can", f"{do} not can", "not can"):
            yield Pair(i - 1, i - 1, modal, wrong, explain.modal_do("can", wrong, modal))
    if i == 2 and before == "Can" and modal.lower() in PRONOUNS:
        do = "Does" if modal in THIRD else "Do"
        wrong, right = f"{do} {modal} can", f"Can {modal}"
        yield Pair(0, 1, right, wrong, explain.modal_do("can", wrong, right))


def missing_would(f: Frame, i: int, lex: Lexicon) -> Iterator[Pair]:
    """If I were rich, I buy a boat."""
    if f.pieces[i].form != "base-modal" or f.pieces[i].text not in lex.verbs:
        return
    before = said(f, i - 2, lex)
    supposed = {"if", "If"}.intersection(p.text for p in f.pieces)
    begins = i == 2 or f.pieces[i - 3].text[-1] == "," or f.pieces[i - 3].text in BREAKS
    if said(f, i - 1, lex) == "would" and supposed and begins and before.lower() in PRONOUNS:
        v = lex.verbs[f.pieces[i].text]
        wrong = v.s if before.lower() in THIRD else v.lemma
        right = f"would {v.lemma}"
        yield Pair(i - 1, i, right, wrong, explain.missing_would(wrong, right))


def modal_can(f: Frame, i: int, lex: Lexicon) -> Iterator[Pair]:
    """She will can read soon."""
    if f.pieces[i].form != "base-to" or i < 4 or f.pieces[i].glue:
        return
    words = [said(f, j, lex) for j in range(i - 4, i)]
    if words[0] in {"will", "might", "may", "should", "would", "must"} and words[1:] == ABLE:
        base = said(f, i, lex)
        wrong, right = f"can {base}", f"be able to {base}"
        yield Pair(i - 3, i, right, wrong, explain.second_modal(words[0], "can", wrong, right))


def past_must(f: Frame, i: int, lex: Lexicon) -> Iterator[Pair]:
    """Last night I must go home early."""
    had = f.pieces[i].form == "past" and f.pieces[i].text == "have" and same_clause(f, i)
    if had and said(f, i + 1, lex) == "to" and not f.pieces[i].glue:
        yield Pair(i, i + 1, "had to", "must", explain.past_must())

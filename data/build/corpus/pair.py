"""An error of two words at once: what it is, and what a frame must have for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from .forms import NO_BE, NO_PROGRESSIVE
from .frame_parser import BREAKS, Frame, Piece, right_form
from .lexicon import Lexicon
from .wordlists import words

PRESENT_BE = frozenset(("am", "is", "are"))
BE = PRESENT_BE | {"was", "were"}
DO_FOR_BE = {"am": "do", "is": "does", "are": "do", "was": "did", "were": "did"}
THIRD = frozenset(("he", "she", "it"))
PRONOUNS = THIRD | {"i", "you", "we", "they"}
OBJECT_PRONOUNS = frozenset(("me", "you", "him", "her", "us", "them"))
OBJECTS = frozenset(words("object_words"))  # begin an object
ASKING = frozenset(("what", "where", "why", "when", "how", "who"))
#: What begins no clause whose *be* may be missed: "there is", "what is happening", "who is coming".
NO_SUBJECT = ASKING | {"there", "here", "that", "which"}
#: Verbs that mean a state: *is know* cannot want *knowing*.
STATES = NO_PROGRESSIVE | NO_BE
MODALS = frozenset(words("plain_modals"))
PAST = frozenset(("past", "seq", "be-was", "be-were"))


@dataclass(frozen=True)
class Pair:
    """Pieces `first` to `last` of a frame as they are right and wrong, and the explanation."""

    first: int
    last: int
    right: str
    wrong: str
    why: str

    def joined(self, f: Frame) -> tuple[Frame, int]:
        """The frame with these pieces as one, and its index."""
        begin, end = f.pieces[self.first], f.pieces[self.last]
        lemma = next((p.text for p in (end, begin) if p.form), "be")
        piece = Piece(lemma, f"pair:{self.right}", "", begin.glue)
        rest = f.pieces[self.last + 1 :]
        return replace(f, pieces=(*f.pieces[: self.first], piece, *rest)), self.first


def said(f: Frame, i: int, lex: Lexicon) -> str:
    """Piece i as it is printed when it is right; '' before the beginning and after the end."""
    if not 0 <= i < len(f.pieces):
        return ""
    p = f.pieces[i]
    return right_form(p, lex) if p.form else p.text


def has_subject(f: Frame, i: int) -> bool:
    """Whether a short plain subject begins the clause of piece i and ends right before it."""
    begin = i
    while begin and f.pieces[begin - 1].text.lower() not in BREAKS:
        if f.pieces[begin - 1].text[-1] in ",.;:?!":
            break
        begin -= 1
    subject = f.pieces[begin:i]
    return (
        0 < len(subject) <= 4
        and not any(p.form for p in subject)
        and subject[0].text.lower() not in NO_SUBJECT
    )


def time_is_clear(f: Frame, i: int, be: str) -> bool:
    """Whether the sentence tells the time of a *be* that is left out: the present needs no help."""
    others = (p.form for j, p in enumerate(f.pieces) if j != i)
    return be in PRESENT_BE or bool(f.marker) or bool(PAST.intersection(others))


@cache
def forms_of(lex: Lexicon, lemmas: tuple[str, ...]) -> frozenset[str]:
    """All forms of those of these verbs that the lexicon has."""
    verbs = [lex.verbs[lemma] for lemma in lemmas if lemma in lex.verbs]
    return frozenset().union(*({v.lemma, v.s, v.past, v.pp, v.ing} for v in verbs))

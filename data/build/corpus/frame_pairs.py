"""Errors of two words at once: *my mother cooking*, *decided studying*, *what you want?*

The words of a frame that such an error touches become one piece, which is printed as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from . import explain
from .forms import NO_PROGRESSIVE, be_form
from .frame_parser import BREAKS, Frame, Piece, right_form
from .lexicon import Lexicon
from .sentence import NP
from .wordlists import words

PAIR_KINDS = frozenset(("missing_be", "infinitive", "do_support"))
PRESENT_BE = frozenset(("am", "is", "are"))
BE = PRESENT_BE | {"was", "were"}
CONTRACTED = {"i'm": "I", "you're": "you", "we're": "we", "they're": "they"}
CONTRACTED |= {"he's": "he", "she's": "she", "it's": "it"}
SUBJECTS = frozenset(CONTRACTED.values()) | {"i"}
ASKING = frozenset(("what", "where", "why", "when", "how", "who"))
DEGREES = frozenset(("very", "so", "too", "really", "quite", "afraid", "ready", "late", "angry"))
#: What begins no clause whose *be* may be missed: "there is", "what is happening", "who is coming".
NO_SUBJECT = ASKING | {"there", "here", "that", "which", "it", "this"}
PAST = frozenset(("past", "seq", "be-was", "be-were"))
INFINITIVE_VERBS = tuple(words("infinitive_verbs"))
BASE_VERBS = tuple(words("base_verbs"))


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
        piece = Piece(end.text if end.form else "be", f"pair:{self.right}", "", begin.glue)
        rest = f.pieces[self.last + 1 :]
        return replace(f, pieces=(*f.pieces[: self.first], piece, *rest)), self.first


def pairs(f: Frame, i: int, lex: Lexicon) -> dict[str, tuple[Pair, ...]]:
    """Error kind -> what it may do to the verb mark of piece i and the words beside it."""
    found = {
        "missing_be": (*missing_be(f, i, lex), *missing_copula(f, i)),
        "infinitive": infinitive(f, i, lex),
        "do_support": (*question_do(f, i, lex), *negative_do(f, i, lex)),
    }
    return {kind: made for kind, made in found.items() if made}


def said(f: Frame, i: int, lex: Lexicon) -> str:
    """Piece i as it is printed when it is right; '' before the beginning."""
    if i < 0:
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


def missing_be(f: Frame, i: int, lex: Lexicon) -> tuple[Pair, ...]:
    """My mother cooking dinner; I going home; what you doing?"""
    if f.pieces[i].form != "ing" or i < 1 or f.pieces[i].glue:
        return ()
    ing, before = said(f, i, lex), said(f, i - 1, lex)
    low = before.lower()
    if low in CONTRACTED:
        subject = CONTRACTED[low]
        subject = subject.capitalize() if before[0].isupper() else subject
        wrong, right = f"{subject} {ing}", f"{before} {ing}"
        return (Pair(i - 1, i, right, wrong, explain.missing_be(wrong, right)),)
    if low in BE and has_subject(f, i - 1) and time_is_clear(f, i - 1, low):
        right = f"{low} {ing}"
        return (Pair(i - 1, i, right, ing, explain.missing_be(ing, right)),)
    asked = i == 3 and f.pieces[0].text.lower() in ASKING and low in SUBJECTS
    if asked and said(f, 1, lex) in PRESENT_BE:
        wrong, right = f"{before} {ing}", f"{said(f, 1, lex)} {before} {ing}"
        return (Pair(1, i, right, wrong, explain.missing_be(wrong, right)),)
    return ()


def missing_copula(f: Frame, i: int) -> tuple[Pair, ...]:
    """She very tired."""
    be = f.pieces[i].form.removeprefix("be-")
    if be not in BE or i + 1 == len(f.pieces):
        return ()
    after = f.pieces[i + 1]
    told = (after.type == "adj" or after.text in DEGREES) and not after.glue
    if not (told and has_subject(f, i) and time_is_clear(f, i, be)):
        return ()
    right = f"{be} {after.text}"
    return (Pair(i, i + 1, right, after.text, explain.missing_be(after.text, right)),)


@cache
def forms_of(lex: Lexicon, lemmas: tuple[str, ...]) -> frozenset[str]:
    """All forms of those of these verbs that the lexicon has."""
    verbs = [lex.verbs[lemma] for lemma in lemmas if lemma in lex.verbs]
    return frozenset().union(*({v.lemma, v.s, v.past, v.pp, v.ing} for v in verbs))


def infinitive(f: Frame, i: int, lex: Lexicon) -> tuple[Pair, ...]:
    """Decided studying; want go."""
    if f.pieces[i].form != "base-to" or f.pieces[i].text not in lex.verbs or i < 2:
        return ()
    trigger = said(f, i - 2, lex).lower()
    if f.pieces[i - 1].text != "to" or f.pieces[i - 1].glue or f.pieces[i].glue:
        return ()
    v = lex.verbs[f.pieces[i].text]
    if trigger in {"like", "love"} and said(f, i - 3, lex).lower() in {"would", "i'd", "we'd"}:
        wrongs = [v.lemma]
    elif trigger in forms_of(lex, INFINITIVE_VERBS):
        wrongs = [v.ing, v.ing, v.lemma]
    elif trigger in forms_of(lex, BASE_VERBS):
        wrongs = [v.lemma]
    else:
        return ()
    right = f"to {v.lemma}"
    return tuple(
        Pair(i - 1, i, right, wrong, explain.infinitive(trigger, wrong, right)) for wrong in wrongs
    )


def question_do(f: Frame, i: int, lex: Lexicon) -> tuple[Pair, ...]:
    """What you want? Where he went?"""
    if i != 3 or f.pieces[i].form != "base-did" or f.pieces[i].text not in lex.verbs:
        return ()
    asking, do, subject = (said(f, j, lex) for j in range(3))
    if asking.lower() not in ASKING or subject.lower() not in SUBJECTS:
        return ()
    v = lex.verbs[f.pieces[i].text]
    verb = {"do": v.lemma, "does": v.s, "did": v.past}.get(do)
    if verb is None:
        return ()
    wrong, right = f"{subject} {verb}", f"{do} {subject} {v.lemma}"
    return (Pair(1, i, right, wrong, explain.question_do(do, wrong, right)),)


def negative_do(f: Frame, i: int, lex: Lexicon) -> tuple[Pair, ...]:
    """I am not understand. ("He is not work" may want *working* as well.)"""
    lemma = f.pieces[i].text
    if f.pieces[i].form != "base-did" or lemma not in NO_PROGRESSIVE or lemma == "have" or i < 2:
        return ()
    first = i - 2 if f.pieces[i - 1].text == "not" else i - 1
    do = said(f, first, lex) + (" not" if first == i - 2 else "")
    negatives = {"don't": "do", "do not": "do", "doesn't": "does", "does not": "does"}
    if do not in negatives or f.pieces[first].glue or not has_subject(f, first):
        return ()
    right = f"{negatives[do]} not"
    number = "s" if right == "does not" else "p"
    person = any(p.text == "I" for p in f.pieces[max(0, first - 2) : first])
    be = be_form(NP([], "s", pron="I") if person else NP([], number), past=False)
    why = explain.negative_do(lemma, f"{be} not", right)
    wrongs = [f"{be} not"]
    if said(f, first - 1, lex).lower() in SUBJECTS:
        wrongs.append({"am": "'m", "is": "'s", "are": "'re"}[be] + " not")
    return tuple(Pair(first, i - 1, right, wrong, why) for wrong in wrongs)

"""Errors of two words at once: *my mother cooking*, *decided studying*, *what you want?*

The words of a frame that such an error touches become one piece, which is printed as a whole.
"""

from __future__ import annotations

from . import explain
from .forms import NO_BE, NO_PROGRESSIVE, be_form
from .frame_auxiliaries import (
    missing_do,
    missing_would,
    modal_form,
    object_infinitive,
    question_order,
    still_going_on,
)
from .frame_parser import Frame
from .lexicon import Lexicon
from .pair import PRESENT_BE, Pair, forms_of, has_subject, said, time_is_clear
from .sentence import NP
from .wordlists import words

PAIR_KINDS = frozenset(("missing_be", "infinitive", "do_support", "question_order", "modal_form"))
PAIR_KINDS |= {"still_going_on"}
BE = PRESENT_BE | {"was", "were"}
CONTRACTED = {"i'm": "I", "you're": "you", "we're": "we", "they're": "they"}
CONTRACTED |= {"he's": "he", "she's": "she", "it's": "it"}
SUBJECTS = frozenset(CONTRACTED.values()) | {"i"}
ASKING = frozenset(("what", "where", "why", "when", "how", "who"))
DEGREES = frozenset(("very", "so", "too", "really", "quite", "afraid", "ready", "late", "angry"))
INFINITIVE_VERBS = tuple(words("infinitive_verbs"))
BASE_VERBS = tuple(words("base_verbs"))


def pairs(f: Frame, i: int, lex: Lexicon) -> dict[str, tuple[Pair, ...]]:
    """Error kind -> what it may do to the verb mark of piece i and the words beside it."""
    found = {
        "missing_be": (*missing_be(f, i, lex), *missing_copula(f, i)),
        "infinitive": (*infinitive(f, i, lex), *object_infinitive(f, i, lex)),
        "do_support": (
            *question_do(f, i, lex),
            *negative_do(f, i, lex),
            *missing_do(f, i, lex),
        ),
        "question_order": tuple(question_order(f, i, lex)),
        "modal_form": (*modal_form(f, i, lex), *missing_would(f, i, lex)),
        "still_going_on": tuple(still_going_on(f, i, lex)),
    }
    return {kind: made for kind, made in found.items() if made}


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
    states = NO_PROGRESSIVE | NO_BE
    if f.pieces[i].form != "base-did" or lemma not in states or lemma == "have" or i < 2:
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

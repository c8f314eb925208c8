"""*Do* left out or put in, and questions that are not in the order of questions."""

from __future__ import annotations

from collections.abc import Iterator

from . import explain
from .forms import be_form
from .frame_parser import Frame
from .lexicon import Lexicon
from .pair import ASKING, PRONOUNS, STATES, THIRD, Pair, has_subject, said, time_is_clear
from .sentence import NP

MEASURES = frozenset(("long", "often", "far", "soon"))
BEFORE_SUBJECT = frozenset(("am", "is", "are", "was", "were", "have", "has", "had"))
BEFORE_SUBJECT |= {"can", "could", "will", "would", "should"}
NEGATIVES = {"don't": "do", "do not": "do", "doesn't": "does", "does not": "does"}
NEGATIVES |= {"didn't": "did", "did not": "did"}


def question_order(f: Frame, i: int, lex: Lexicon) -> Iterator[Pair]:
    """Where you are going? Why you didn't come?"""
    first = 2 if said(f, 1, lex).lower() in MEASURES else 1
    asked = said(f, 0, lex).lower() in ASKING and f.pieces[-1].text.endswith("?")
    if not asked or i != first + 2:
        return
    auxiliary, subject = said(f, first, lex), said(f, first + 1, lex)
    known = auxiliary in BEFORE_SUBJECT or auxiliary.endswith("n't")
    if known and subject.lower() in PRONOUNS:
        right, wrong = f"{auxiliary} {subject}", f"{subject} {auxiliary}"
        why = explain.question_order(auxiliary, subject, wrong, right)
        yield Pair(first, first + 1, right, wrong, why)


def question_do(f: Frame, i: int, lex: Lexicon) -> Iterator[Pair]:
    """What you want? When have you arrived? When the last train leaves? What means this word?"""
    if i < 3 or f.pieces[i].form != "base-did" or f.pieces[i].text not in lex.verbs:
        return
    asking, do, subject = (said(f, j, lex) for j in range(3))
    v = lex.verbs[f.pieces[i].text]
    verb = {"do": v.lemma, "does": v.s, "did": v.past}.get(do)
    if verb is None or asking.lower() not in ASKING:
        return
    wrongs: list[str] = []
    if i == 3 and subject.lower() in PRONOUNS:
        right = f"{do} {subject} {v.lemma}"
        wrongs.append(f"{subject} {verb}")
        if asking.lower() == "when" and do == "did" and subject in PRONOUNS:
            wrongs.append(f"{'has' if subject in THIRD else 'have'} {subject} {v.pp}")
    elif i <= 5 and not any(p.form for p in f.pieces[2:i]):
        who = " ".join(said(f, j, lex) for j in range(2, i))
        right = f"{do} {who} {v.lemma}"
        wrongs.append(f"{verb} {who}" if v.lemma in {"mean", "cost"} else f"{who} {verb}")
    for wrong in wrongs:
        yield Pair(1, i, right, wrong, explain.question_do(do, wrong, right))


def who_did(f: Frame, i: int, lex: Lexicon) -> Iterator[Pair]:
    """Who did told you?"""
    lemma = f.pieces[i].text
    if i == 1 and f.pieces[i].form == "past" and lemma in lex.verbs:
        asking = said(f, 0, lex)
        v = lex.verbs[lemma]
        if asking in {"Who", "who", "What"} and f.pieces[-1].text.endswith("?"):
            wrong = f"did {v.past}"
            yield Pair(i, i, v.past, wrong, explain.who_did(asking, wrong, v.past))


def negation(f: Frame, i: int, lex: Lexicon) -> tuple[int, str]:
    """Where the negated *do* before piece i stands, after a subject, and its form; '' if none."""
    first = i - 2 if said(f, i - 1, lex) == "not" else i - 1
    do = NEGATIVES.get(said(f, first, lex) + (" not" if first == i - 2 else ""), "")
    stands = do and not f.pieces[first].glue and has_subject(f, first)
    return first, do if stands else ""


def negative_do(f: Frame, i: int, lex: Lexicon) -> Iterator[Pair]:
    """I am not understand. ("He is not work" may want *working* as well.)"""
    lemma = f.pieces[i].text
    if f.pieces[i].form != "base-did" or lemma not in STATES or lemma == "have" or i < 2:
        return
    first, do = negation(f, i, lex)
    if do not in {"do", "does"}:
        return
    right = f"{do} not"
    person = any(p.text == "I" for p in f.pieces[max(0, first - 2) : first])
    number = "s" if do == "does" else "p"
    be = be_form(NP([], "s", pron="I") if person else NP([], number), past=False)
    why = explain.negative_do(lemma, f"{be} not", right)
    wrongs = [f"{be} not"]
    if said(f, first - 1, lex).lower() in PRONOUNS:
        wrongs.append({"am": "'m", "is": "'s", "are": "'re"}[be] + " not")
    for wrong in wrongs:
        yield Pair(first, i - 1, right, wrong, why)


def missing_do(f: Frame, i: int, lex: Lexicon) -> Iterator[Pair]:
    """He not like me; she no want to go."""
    lemma = f.pieces[i].text
    if f.pieces[i].form != "base-did" or lemma not in lex.verbs:
        return
    v = lex.verbs[lemma]
    first, do = negation(f, i, lex)
    if not do or (do == "did" and not time_is_clear(f, i, do)):
        return
    right = f"{do} not {lemma}"
    wrongs = [f"not {lemma}", f"not {lemma}", f"no {lemma}"]
    wrongs += {"do": [], "does": [f"not {v.s}"], "did": [f"not {v.past}"]}[do]
    for wrong in wrongs:
        yield Pair(first, i, right, wrong, explain.missing_do(do, wrong, right))

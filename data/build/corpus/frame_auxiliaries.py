"""More errors of two words at once, most of them with an auxiliary.

*Where you are going?*, *he not like me*, *it is raining since noon*, *she cans sing*, *I want you
go there*.
"""

from __future__ import annotations

from collections.abc import Iterator

from . import explain
from .frame_parser import BREAKS, Frame, right_form
from .lexicon import Lexicon
from .pair import Pair, forms_of, has_subject, said, time_is_clear
from .wordlists import words

THIRD = frozenset(("he", "she", "it"))
PRONOUNS = THIRD | {"i", "you", "we", "they"}
OBJECT_PRONOUNS = frozenset(("me", "you", "him", "her", "us", "them"))
ASKING = frozenset(("what", "where", "why", "when", "how", "who"))
MEASURES = frozenset(("long", "often", "far", "soon"))
BEFORE_SUBJECT = frozenset(("am", "is", "are", "was", "were", "have", "has", "had"))
BEFORE_SUBJECT |= {"can", "could", "will", "would", "should"}
TAKES_NO_S = frozenset(("can", "must", "should", "may", "might"))
TIME_UNITS = frozenset(words("time_units"))
PRESENT_HAVE = {"have": "are", "has": "is", "haven't": "aren't", "hasn't": "isn't"}
CONTRACTED_HAVE = {"i've": "I'm", "you've": "you're", "we've": "we're", "they've": "they're"}
ASK_SOMEONE = tuple(words("ask_someone"))


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


def missing_do(f: Frame, i: int, lex: Lexicon) -> Iterator[Pair]:
    """He not like me; she no want to go."""
    lemma = f.pieces[i].text
    if f.pieces[i].form != "base-did" or lemma not in lex.verbs:
        return
    v = lex.verbs[lemma]
    first = i - 2 if said(f, i - 1, lex) == "not" else i - 1
    do = said(f, first, lex) + (" not" if first == i - 2 else "")
    do = do.removesuffix(" not").removesuffix("n't")
    if said(f, first, lex) == do and first == i - 1:
        return  # a question
    if do not in {"do", "does", "did"} or f.pieces[first].glue or not has_subject(f, first):
        return
    if do == "did" and not time_is_clear(f, i, do):
        return
    right = f"{do} not {lemma}"
    wrongs = [f"not {lemma}", f"not {lemma}", f"no {lemma}"]
    wrongs += {"do": [], "does": [f"not {v.s}"], "did": [f"not {v.past}"]}[do]
    for wrong in wrongs:
        yield Pair(first, i, right, wrong, explain.missing_do(do, wrong, right))


def says_how_long(f: Frame, i: int) -> bool:
    """Whether piece i is followed by *since …* or *for two years*."""
    after = [p.text.lower().strip(".,?!") for p in f.pieces[i + 1 :]]
    lasting = (
        word in TIME_UNITS for j, word in enumerate(after) if "for" in after[max(0, j - 3) : j]
    )
    return "since" in after or any(lasting)


def still_going_on(f: Frame, i: int, lex: Lexicon) -> Iterator[Pair]:
    """It is raining since noon; I'm working here for five years."""
    if f.pieces[i].form != "ing" or said(f, i - 1, lex) != "been" or i < 2:
        return
    if not says_how_long(f, i) and (said(f, 0, lex).lower() != "how" or i < 4):
        return
    have, ing = said(f, i - 2, lex), said(f, i, lex)
    if have.lower() in CONTRACTED_HAVE:
        subject = CONTRACTED_HAVE[have.lower()]
        wrong, right = f"{subject} {ing}", f"{have} been {ing}"
        why = explain.since_perfect(
            wrong, right[0].lower() + right[1:] if subject != "I'm" else right
        )
        wrong = wrong[0].upper() + wrong[1:] if have[0].isupper() else wrong
        yield Pair(i - 2, i, right, wrong, why)
    elif have in PRESENT_HAVE:
        be = "am" if said(f, i - 3, lex) == "I" and have == "have" else PRESENT_HAVE[have]
        wrong, right = f"{be} {ing}", f"{have} been {ing}"
        yield Pair(i - 2, i, right, wrong, explain.since_perfect(wrong, right))
    elif have.lower() in PRONOUNS and said(f, i - 3, lex) in PRESENT_HAVE:
        asked = said(f, i - 3, lex)
        wrong, right = f"{PRESENT_HAVE[asked]} {have} {ing}", f"{asked} {have} been {ing}"
        yield Pair(i - 3, i, right, wrong, explain.since_perfect(wrong, right))


def modal_form(f: Frame, i: int, lex: Lexicon) -> Iterator[Pair]:
    """She cans sing; he doesn't can swim."""
    if f.pieces[i].form != "base-modal" or i < 2 or f.pieces[i - 1].glue:
        return
    modal, before = said(f, i - 1, lex), said(f, i - 2, lex)
    third = before.lower() in THIRD or f.pieces[i - 2].type in {"name", "n"}
    if modal in TAKES_NO_S and third:
        yield Pair(i - 1, i - 1, modal, f"{modal}s", explain.modal_s(modal))
    if modal in {"can't", "cannot"} and (third or before.lower() in PRONOUNS):
        do = "does" if third else "do"
        for wrong in (f"{do}n't can", f"{do}n't can", f"{do} not can", "not can"):
            yield Pair(i - 1, i - 1, modal, wrong, explain.modal_not(modal, wrong))


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


def object_infinitive(f: Frame, i: int, lex: Lexicon) -> Iterator[Pair]:
    """I want you go there."""
    piece = f.pieces[i]
    if piece.form != "base-to" or i < 4 or said(f, i - 1, lex) != "to" or f.pieces[i - 1].glue:
        return
    someone = said(f, i - 2, lex).lower() in OBJECT_PRONOUNS or f.pieces[i - 2].type == "name"
    trigger = said(f, i - 3, lex)
    if someone and trigger.lower() in forms_of(lex, ASK_SOMEONE):
        base = right_form(piece, lex)
        why = explain.infinitive(trigger.lower(), base, f"to {base}")
        yield Pair(i - 1, i, f"to {base}", base, why)

"""Infinitives without *to*, and the present for what began in the past."""

from __future__ import annotations

from collections.abc import Iterator

from . import explain
from .frame_parser import TIME_UNITS, Frame, right_form
from .lexicon import Lexicon
from .pair import MODALS, OBJECT_PRONOUNS, PRONOUNS, Pair, forms_of, has_subject, said
from .specs import ITTO
from .wordlists import words

LASTING = frozenset(("know", "own", "love"))
PRESENT_HAVE = {"have": "are", "has": "is", "haven't": "aren't", "hasn't": "isn't"}
CONTRACTED_HAVE = {"i've": "I'm", "you've": "you're", "we've": "we're", "they've": "they're"}
CONTRACTED_HAVE |= {"he's": "he's", "she's": "she's", "it's": "it's"}
INFINITIVE_VERBS = tuple(words("infinitive_verbs"))
BASE_VERBS = tuple(words("base_verbs"))
ASK_SOMEONE = tuple(words("ask_someone"))
BETWEEN = frozenset(("never", "already", "just", "always", "also"))


def is_asked(f: Frame, i: int, lex: Lexicon) -> bool:
    """Whether piece i is somebody whom the verb before it asks or tells to do something."""
    someone = said(f, i, lex).lower() in OBJECT_PRONOUNS or f.pieces[i].type == "name"
    return someone and said(f, i - 1, lex).lower() in forms_of(lex, ASK_SOMEONE)


def infinitive(f: Frame, i: int, lex: Lexicon) -> Iterator[Pair]:
    """Decided studying; want go; it is hard find a flat; I want you go there."""
    if f.pieces[i].form != "base-to" or i < 2 or f.pieces[i].glue:
        return
    if f.pieces[i - 1].text != "to" or f.pieces[i - 1].glue:
        return
    trigger, base = said(f, i - 2, lex).lower(), right_form(f.pieces[i], lex)
    wrongs = [base]
    if is_asked(f, i - 2, lex):
        trigger = said(f, i - 3, lex).lower()
    elif trigger in {"like", "love"} and said(f, i - 3, lex).lower() in {"would", "i'd", "we'd"}:
        pass
    elif trigger in forms_of(lex, INFINITIVE_VERBS) and base in lex.verbs:
        wrongs += [lex.verbs[base].ing] * 2
    elif trigger not in forms_of(lex, BASE_VERBS) and trigger not in ITTO:
        return
    for wrong in wrongs:
        yield Pair(i - 1, i, f"to {base}", wrong, explain.infinitive(trigger, wrong, f"to {base}"))


def negative_infinitive(f: Frame, i: int, lex: Lexicon) -> Iterator[Pair]:
    """She told us don't talk."""
    if f.pieces[i].form != "base-to" or i < 4 or f.pieces[i].glue:
        return
    trigger, base = said(f, i - 4, lex).lower(), said(f, i, lex)
    if is_asked(f, i - 3, lex) and said(f, i - 2, lex) == "not":
        right = f"not to {base}"
        for wrong in (f"don't {base}", f"don't {base}", f"to don't {base}"):
            yield Pair(i - 2, i, right, wrong, explain.infinitive(trigger, wrong, right))


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
    question = (said(f, 0, lex).lower(), said(f, 1, lex)) == ("how", "long")
    if not says_how_long(f, i) and (not question or i < 4):
        return
    have, ing = said(f, i - 2, lex), said(f, i, lex)
    if have.lower() in CONTRACTED_HAVE:
        be = CONTRACTED_HAVE[have.lower()]
        wrong, right = f"{be} {ing}", f"{have} been {ing}"
        inside = right if be == "I'm" else right[0].lower() + right[1:]
        why = explain.since_perfect(wrong, inside)
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


def how_long(f: Frame, i: int, lex: Lexicon) -> Iterator[Pair]:
    """How long do you know her? ("How long are you here?" may ask about the future.)"""
    lemma = f.pieces[i].text
    is_so = lemma == "be" and said(f, i + 1, lex).rstrip("?") in {"married", "together", "ill"}
    if i != 4 or f.pieces[i].form != "pp" or not (lemma in LASTING or is_so):
        return
    how, long, have, subject = (said(f, j, lex) for j in range(4))
    if (how.lower(), long) != ("how", "long") or subject not in PRONOUNS:
        return
    if have in PRESENT_HAVE:
        do = "does" if have == "has" else "do"
        wrong = f"{PRESENT_HAVE[have]} {subject}" if lemma == "be" else f"{do} {subject} {lemma}"
        right = f"{have} {subject} {said(f, i, lex)}"
        yield Pair(2, i, right, wrong, explain.since_perfect(wrong, right))


def missing_have(f: Frame, i: int, lex: Lexicon) -> Iterator[Pair]:
    """He gone home; I never been there."""
    if f.pieces[i].form != "pp" or f.marker or f.pieces[i].glue:
        return
    participle = said(f, i, lex)
    first = i - 2 if said(f, i - 1, lex) in BETWEEN else i - 1
    have, lemma = said(f, first, lex), f.pieces[i].text
    alone = participle not in {lemma, "had"} and (
        lemma == "be" or participle != lex.verbs[lemma].past
    )
    after_modal = said(f, first - 1, lex) in MODALS | {"to"}
    if have in {"have", "has"} and alone and has_subject(f, first) and not after_modal:
        wrong = " ".join(said(f, j, lex) for j in range(first + 1, i + 1))
        right = f"{have} {wrong}"
        yield Pair(first, i, right, wrong, explain.missing("have", wrong, right))


def if_would_have(f: Frame, i: int, lex: Lexicon) -> Iterator[Pair]:
    """If you would have told me."""
    if f.pieces[i].form != "pp" or said(f, i - 1, lex) != "had" or f.pieces[i].glue:
        return
    if "if" in [p.text.lower() for p in f.pieces[max(0, i - 4) : i - 1]]:
        participle = said(f, i, lex)
        wrong, right = f"would have {participle}", f"had {participle}"
        yield Pair(i - 1, i, right, wrong, explain.if_would(wrong, right))

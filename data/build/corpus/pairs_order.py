"""Questions inside a sentence, and the auxiliary that a tag or a short answer repeats."""

from __future__ import annotations

from collections.abc import Iterator

from . import explain
from .frame_parser import BREAKS, Frame
from .lexicon import Lexicon
from .pair import ASKING, DO_FOR_BE, OBJECT_PRONOUNS, PRONOUNS, THIRD, Pair, forms_of, said
from .wordlists import words

DETERMINERS = frozenset(words("poss")) | {"the", "a", "an", "this", "that", "these", "those"}
KNOWING = tuple(words("knowing"))
MEASURED = frozenset(("time", "much", "long", "old", "far", "often"))
OWN_DO = {"pres": "do", "pres3": "does", "past": "did", "seq": "did"}


def asks(f: Frame, i: int, lex: Lexicon) -> bool:
    """Whether piece i opens a question that a verb before it asks: I don't know *what* …"""
    if i < 1 or f.pieces[i].text not in ASKING:
        return False
    before = said(f, i - 1, lex).lower()
    if before in OBJECT_PRONOUNS and i > 1:
        before = said(f, i - 2, lex).lower()
    return before in forms_of(lex, KNOWING) | {"sure", "idea"}


def indirect_question(f: Frame, i: int, lex: Lexicon) -> Iterator[Pair]:
    """I don't know what does it mean; tell me where is the station."""
    first = next((j for j in range(i - 1, 0, -1) if f.pieces[j].text in ASKING), i)
    if f.pieces[i].glue or f.pieces[i].text == "have" or not asks(f, first, lex):
        return
    first += 1 + (f.pieces[first + 1].text in MEASURED)
    subject = f.pieces[first:i]
    texts = [said(f, j, lex) for j in range(first, i)]
    odd = any(p.form for p in subject) or BREAKS.intersection(texts) or "to" in texts
    if not odd and subject:  # or "how deep the cut was" is asked about
        named = subject[0].type == "name" or subject[0].text.istitle()
        odd = not (named or subject[0].text.lower() in PRONOUNS | DETERMINERS)
    if odd or not 0 < len(subject) <= 4 or any(text[-1] in ",.;:" for text in texts):
        return
    verb, who = said(f, i, lex), " ".join(texts)
    form = f.pieces[i].form.partition(":")[0]
    if form.startswith("be-"):
        wrong = f"{verb} {who}"
    elif form in OWN_DO:
        wrong = f"{OWN_DO[form]} {who} {f.pieces[i].text}"
    else:
        return
    right = f"{who} {verb}"
    yield Pair(first, i, right, wrong, explain.indirect_question(wrong, right))


def tag(f: Frame, i: int, lex: Lexicon) -> Iterator[Pair]:
    """You speak French, aren't you? Leila loves jazz, and so am I."""
    first = next((j for j, p in enumerate(f.pieces) if p.form), -1)
    if i != first or len(f.pieces) < i + 3:
        return
    at = len(f.pieces) - 2
    auxiliary, subject = f.pieces[at].text, f.pieces[-1].text.rstrip(".?!")
    asked = f.pieces[-1].text[-1] == "?" and f.pieces[at - 1].text[-1] == ","
    answers = f.pieces[at - 1].text in {"so", "neither", "nor"}
    person = subject.lower() in PRONOUNS
    if f.pieces[at].form or not ((asked and person) or (answers and (person or subject.istitle()))):
        return
    bare = auxiliary.removesuffix("n't")
    first_person, one = subject.lower() == "i", subject.lower() in THIRD | {"i"}
    be = {"do": "am" if first_person else "are", "does": "is", "did": "was" if one else "were"}
    other = (be | DO_FOR_BE).get(bare)
    wrong = f"{other}{auxiliary[len(bare) :]}"
    if other and wrong != "amn't":
        yield Pair(at, at, auxiliary, wrong, explain.tag(asked, wrong, auxiliary))

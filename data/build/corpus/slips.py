"""Slips: mistakes typed by hand in a frame, where no rule could plant them.

`<wrong=>right|code|lemma>` or `<wrong=>right|code|lemma|word>`: the words as they are wrong and
right, what kind of mistake it is, the base form of its verb, and, where the explanation names it,
the word that asks for the right form.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from . import explain
from .forms import NO_BE
from .inflect import Verb
from .sentence import NP

SYNTAX = r"<([^<>|=]+)=>([^<>|]+)\|(\w+)\|([\w'-]+)(?:\|([^<>|]+))?>"
BE = Verb("be", "is", "was", "been", "being", irregular=True, shaky=False)
SUBJECTS = {"s": NP([]), "p": NP([], "p"), "I": NP([], pron="I"), "you": NP([], "p", pron="you")}
DO = re.compile(r"\b(do|does|did)(?=\b|n't)")
#: What may stand between *be* and the word that says something: 'is still hungry'.
LIGHT = frozenset(
    (
        "a", "all", "almost", "already", "also", "always", "an", "as", "at", "by", "even", "from",
        "in", "just", "my", "never", "no", "not", "now", "often", "on", "only", "our", "really",
        "so", "still", "the", "too", "usually", "very", "you",
    )
)  # fmt: skip


@dataclass(frozen=True)
class Slip:
    """A mistake and its correction."""

    wrong: str
    right: str
    code: str
    lemma: str
    asks: str = ""

    @property
    def kind(self) -> str:
        """The error kind."""
        made = self.code == "base" and not DO.match(self.asks)
        return "after_let" if made else CODES[self.code].kind

    def why(self, verb: Verb) -> str:
        """The explanation, with the forms of `verb`, which is the lemma's.

        Raises ValueError when the right words do not end in the form that the code is about.
        """
        code = CODES[self.code]
        form: str = getattr(verb, code.form) if code.form else ""
        if form and self.right.lower().split()[-1] != form:
            raise ValueError(f"{self.right!r} does not end in {form!r}")
        return code.why(self, verb)


@dataclass(frozen=True)
class Code:
    """A code: its error kind, the explanation, and which form of the verb ends the right words."""

    kind: str
    why: Callable[[Slip, Verb], str]
    form: str = ""


def _changed(s: Slip, least: int = 1) -> tuple[str, str]:
    """What changes, wrong and right, in at least so many words: *is leaving* → *was leaving* is
    *is* → *was*.

    How far a mark reaches is as whoever typed it liked; an explanation names the same words always.
    """
    old, new = s.wrong.split(), s.right.split()
    for end in (-1, 0):
        while min(len(old), len(new)) > least and old[end] == new[end]:
            del old[end], new[end]
    return " ".join(old), " ".join(new)


def _low(words: str) -> str:
    """A verb as it is within a sentence: 'Is' → 'is'."""
    return words[0].lower() + words[1:]


def _because(reason: str) -> Callable[[Slip, Verb], str]:
    """An explanation that always gives the same reason."""
    return lambda s, v: explain.becomes(reason, s.wrong, s.right)


def _verb(s: Slip) -> tuple[str, str]:
    """The verb that changes, in small letters."""
    wrong, right = _changed(s)
    return _low(wrong), _low(right)


def _missing_be(s: Slip, v: Verb) -> str:
    """With the next word that says something: 'even older' → 'is even older'."""
    wrong, right = s.wrong, s.right
    if right.lower().endswith(wrong.lower()):
        old = wrong.split()
        last = next((n for n, word in enumerate(old, 1) if word.lower() not in LIGHT), len(old))
        wrong, right = " ".join(old[:last]), " ".join(right.split()[: last + 1])
    return explain.missing("be", wrong, right)


def _needless(s: Slip, v: Verb) -> str:
    be, _, rest = s.wrong.partition(" ")
    if v.lemma in NO_BE and rest == v.lemma:
        return explain.no_be(explain.aux_name(be), rest, s.right)
    return explain.needless_be(v.lemma, s.wrong, s.right)


def _order(s: Slip, v: Verb) -> str:
    auxiliary, _, subject = s.right.partition(" ")
    if s.wrong.lower().split() != [*subject.lower().split(), auxiliary.lower()]:
        raise ValueError(f"{s.right!r} is not {s.wrong!r} in question order")
    return explain.question_order(_low(auxiliary), subject, s.wrong, s.right)


def _do(s: Slip) -> str:
    """The form of *do* in the right words."""
    found = DO.search(s.right.lower())
    if not found:
        raise ValueError(f"no form of 'do' in {s.right!r}")
    return found[1]


def _spelled(s: Slip, v: Verb) -> str:
    participle = s.right.lower() != v.past
    if participle and s.right.lower() != v.pp:
        raise ValueError(f"{s.right!r} is no past form of {v.lemma!r}")
    return (explain.misspelled if s.wrong.lower() in v.spell else explain.slip)(v, participle)


def _born(s: Slip, v: Verb) -> str:
    wrong, right = _verb(s)
    if right not in {"born", "was", "were"}:
        raise ValueError(f"{s.right!r} is no birth in the past")
    return explain.born() if right == "born" else explain.birth(wrong, right)


def _modal_do(s: Slip, v: Verb) -> str:
    modal = next((m for m in ("must", "should") if m in s.wrong.lower().split()), "can")
    return explain.modal_do(modal, s.wrong, s.right)


def _second_modal(s: Slip, v: Verb) -> str:
    second = "must" if "must" in s.wrong.lower().split() else "can"
    return explain.second_modal(s.asks, second, s.wrong, s.right)


CODES = {
    "be": Code("missing_be", _missing_be),
    "have": Code("missing_have", lambda s, v: explain.missing("have", s.wrong, s.right)),
    "nobe": Code("needless_be", _needless),
    "nopas": Code("participle_passive", lambda s, v: explain.no_passive(v.lemma, s.wrong, s.right)),
    "ask": Code(
        "needless_be",
        lambda s, v: explain.wrong_question(s.right.split()[0], *_changed(s, least=2)),
    ),
    "qdo": Code("do_support", lambda s, v: explain.question_do(_do(s), s.wrong, s.right)),
    "who": Code("do_support", lambda s, v: explain.who_did(s.asks, s.wrong, s.right)),
    "order": Code("question_order", _order),
    "ind": Code("question_order", lambda s, v: explain.indirect_question(s.wrong, s.right)),
    "tag": Code("tag", lambda s, v: explain.tag(True, s.wrong, s.right)),
    "so": Code("tag", lambda s, v: explain.tag(False, *_verb(s))),
    "ndo": Code("do_support", lambda s, v: explain.missing_do(_do(s), s.wrong, s.right)),
    "negdo": Code("do_support", lambda s, v: explain.negative_do(v.lemma, s.wrong, s.right)),
    "pasdo": Code("needless_be", lambda s, v: explain.passive_do(s.wrong, s.right)),
    "ger": Code("gerund", lambda s, v: explain.gerund(s.asks, v), "ing"),
    "gsub": Code("gerund", lambda s, v: explain.gerund_subject(v), "ing"),
    "inf": Code("infinitive", lambda s, v: explain.infinitive(s.asks, s.wrong, s.right)),
    "to": Code("after_to", lambda s, v: explain.after_to(v.lemma), "lemma"),
    "base": Code("after_did", lambda s, v: explain.after_did(s.asks, v), "lemma"),
    "modal": Code("after_modal", lambda s, v: explain.after_modal(s.asks, s.right.split()[0])),
    "mto": Code("modal_form", lambda s, v: explain.modal_to(s.asks)),
    "of": Code("after_modal", lambda s, v: explain.have_not_of(s.asks)),
    "can": Code("modal_form", _modal_do),
    "able": Code("modal_form", _second_modal),
    "must": Code("modal_form", lambda s, v: explain.past_must()),
    "irr": Code("overregular_past", lambda s, v: explain.overregular(v), "past"),
    "dbl": Code("doubled_past", lambda s, v: explain.doubled(v), "past"),
    "spell": Code("misspelled_past", _spelled),
    "s": Code("s_missing", lambda s, v: explain.s_missing(*_verb(s))),
    "nos": Code("s_added", lambda s, v: explain.s_added(_verb(s)[1])),
    "agr": Code("be_agreement", lambda s, v: explain.be_agreement(SUBJECTS[s.asks], *_verb(s))),
    "pp": Code("participle_have", lambda s, v: explain.participle_have(s.asks, v), "pp"),
    "ppp": Code("participle_passive", lambda s, v: explain.participle_passive(s.asks, v), "pp"),
    "red": Code("participle_passive", lambda s, v: explain.participle_alone(v), "pp"),
    "rel": Code("progressive", lambda s, v: explain.active_alone(v), "ing"),
    "prog": Code("progressive", lambda s, v: explain.progressive(s.asks, v), "ing"),
    "state": Code("progressive", lambda s, v: explain.state(v.lemma, s.wrong, s.right)),
    "habit": Code("habit", lambda s, v: explain.habit(s.wrong, s.right)),
    "ed": Code("feeling", lambda s, v: explain.feeling(v, feels=True), "pp"),
    "ing": Code("feeling", lambda s, v: explain.feeling(v, feels=False), "ing"),
    "past": Code("past_marker", lambda s, v: explain.past_marker(s.asks, *_verb(s))),
    "over": Code("perfect_past", lambda s, v: explain.perfect_past(s.asks, s.wrong, s.right)),
    "since": Code("since_perfect", lambda s, v: explain.since_perfect(s.wrong, s.right)),
    "perf": Code(
        "since_perfect", _because("What has happened up to now is in the present perfect")
    ),
    "seq": Code("past_sequence", lambda s, v: explain.past_sequence(s.asks, *_verb(s))),
    "time": Code("time_clause", lambda s, v: explain.time_clause(s.asks, s.wrong, s.right)),
    "wish": Code("past_sequence", lambda s, v: explain.after_wish(s.asks, *_verb(s))),
    "ifw": Code("past_sequence", lambda s, v: explain.if_would(s.wrong, s.right)),
    "imp": Code("command", lambda s, v: explain.command(*map(_low, (s.wrong, s.right)))),
    "now": Code("in_progress", _because("What is going on right now takes the progressive")),
    "inv": Code("inversion", lambda s, v: explain.inversion(s.asks, s.wrong, s.right)),
    "havebe": Code("have_for_be", _because("English says this with 'be'")),
    "fut": Code("future_marker", lambda s, v: explain.future_marker(s.asks, *_verb(s))),
    "conf": Code("other_verb", lambda s, v: explain.other_verb(v.lemma, *_verb(s))),
    "neg2": Code("second_negative", lambda s, v: explain.second_negative(s.asks, s.wrong, s.right)),
    "purp": Code("infinitive", _because("A purpose is told with 'to'")),
    "subj": Code("question_order", _because("In a question, the subject stands before the verb")),
    "begin": Code("since_perfect", _because("What began it, after 'since', is in the simple past")),
    "perfaux": Code("missing_have", _because("The perfect is made with 'have'")),
    "born": Code("participle_passive", _born),
    "futperf": Code(
        "future_marker", _because("What will be over by then is in the future perfect")
    ),
    "will": Code("future_marker", _because("A promise or an offer takes 'will'")),
    "better": Code("modal_form", _because("The phrase is 'had better'")),
    "notbe": Code("do_support", _because("'Be' is made negative without 'do'")),
    "nperf": Code("do_support", _because("A perfect is made negative with 'have'")),
    "notto": Code("infinitive", _because("An infinitive or -ing form takes 'not' before it")),
    "third": Code("past_sequence", lambda s, v: explain.did_not_happen(s.wrong, s.right)),
    "excl": Code("question_order", _because("An exclamation is in the order of a statement")),
    "would": Code("modal_form", lambda s, v: explain.missing_would(s.wrong, s.right)),
}
#: Codes whose explanation names a word that asks for the right form.
ASKING = frozenset(
    (
        "who", "ger", "inf", "base", "modal", "mto", "able", "of", "agr", "pp", "ppp", "prog",
        "past", "over", "seq", "time", "wish", "inv", "fut", "neg2",
    )
)  # fmt: skip


def parse_slip(wrong: str, right: str, code: str, lemma: str, asks: str | None) -> Slip:
    """A slip from the parts of its mark. Raises ValueError when the code is unknown, or the word
    that it asks for is missing or not wanted.
    """
    if code not in CODES or (asks is not None) != (code in ASKING):
        raise ValueError(f"bad code {code!r} of <{wrong}=>{right}>")
    if code == "agr" and asks not in SUBJECTS:
        raise ValueError(f"no such subject: {asks!r}")
    return Slip(wrong, right, code, lemma, asks or "")

"""Examples from frames: swapped nouns, now and then other verbs, and errors."""

from __future__ import annotations

import re
from typing import NamedTuple

from miniserve.copying import NO_CHANGE

from .forms import Retry
from .frame_changes import SUBJECTS, FrameChanges
from .frame_errors import BES, DOS, HAVES, MODALS
from .frame_pairs import PAIR_KINDS, pairs
from .frame_parser import Frame, kinds_of, right_form, same_clause
from .frame_table import by_kind
from .pair import Pair
from .sentence import LONGEST, MOST_WORDS, Err, Example, Style, Token, W, render

#: A short question at the end, whose pronoun repeats the subject.
TAG = re.compile(r"\|tag[|>]|,\s*[a-z']+ (?:he|she|we|they)\?", re.IGNORECASE)
MOST_WORDS_OF_TWO = 18  # the explanations of both must fit into an answer
TWO_SHARE = 0.3  # of the examples with an error; only where another verb can carry one


class Plan(NamedTuple):
    """What is to be printed: a frame, and where it gets which mistakes."""

    frame: Frame
    kind: str  #: of the first mistake, or "correct"
    at: int  #: the piece that gets it; -1: none
    pair: Pair | None  #: the mistake, where a whole pair of words is exchanged
    also: int  #: the piece that gets a second mistake, of the kind `other`; -1: none
    other: str
    rate: float  #: how many of the words that may be exchanged are


class FrameWriter(FrameChanges):
    """Prints frames with a grammar's word choices."""

    def example(self, kind: str) -> Example | None:
        """One example of a kind from a random frame, or None."""
        plan = self.planned(kind)
        if plan is None:
            return None
        try:
            tokens, errors = self.printed_out(plan)
        except Retry:
            return None
        style = self.style(plan.frame, self.cut_mark(tokens), errors)
        wrong, right = render([token for token in tokens if token != ""], style)
        if not 3 <= len(wrong.split()) <= MOST_WORDS or len(wrong) > LONGEST:
            return None
        if not errors:
            lemma = next((p.text for p in plan.frame.pieces if p.form), "be")
            errors = [Err("correct", lemma, NO_CHANGE)]
        first = next((error for error in errors if error.kind == kind), None)
        two = len(errors) > 1
        if first is None or (two and len(wrong.split()) > MOST_WORDS_OF_TWO):
            return None
        why = " ".join(dict.fromkeys(error.why for error in errors))
        return Example(wrong, right, why, kind, first.lemma, ["frame", "two"] if two else ["frame"])

    def planned(self, kind: str) -> Plan | None:
        """A random frame that can carry the kind, varied."""
        g = self.g
        rows = by_kind(g.lex).get(kind)
        if not rows:
            return None
        f, at = g.rng.choice(rows)
        g.open = g.rng.choices((0.0, 0.4, 0.95), (50, 30, 20))[0]
        rate = g.rng.choices((0.0, 0.5, 1.0), (25, 40, 35))[0]
        if g.lex.held:
            g.open, rate = 1.0, 1.0
        g.err, g.want, g.marker, g.far = None, kind, "", 0.0
        slip = at >= 0 and f.pieces[at].slip is not None
        if not slip:
            f, at = self.marked(f, at, kind)
        f, at = self.introduced(*self.joined(f, at))
        f, at = self.modified(self.other_verbs(f), at)
        pair = None
        if at >= 0 and kind in PAIR_KINDS and not slip:
            choices = pairs(f, at, g.lex).get(kind)
            if choices is None:
                return None
            pair = g.rng.choice(choices)
            f, at = pair.joined(f)
        also, other = self.second(f, at) if kind != "correct" and g.chance(TWO_SHARE) else (-1, "")
        return Plan(f, kind, at, pair, also, other, rate)

    def printed_out(self, plan: Plan) -> tuple[list[Token], list[Err]]:
        """The words of a plan, right and wrong, and its mistakes.

        Raises Retry when the first mistake cannot be made here; a second one is left out then.
        """
        f = plan.frame
        tagged = plan.kind == "tag" or bool(TAG.search(f.source))
        # What an explanation names stays as it is: 'In 2015' marks the past.
        named = {w for p in f.pieces if p.slip for w in p.slip.asks.lower().split()}
        named.add(f.marker)
        tokens: list[Token] = []
        errors: list[Err] = []
        for i, p in enumerate(f.pieces):
            new: list[Token]
            new = [self.verb(plan, i, errors)] if p.form else self.words(plan, i, named, tagged)
            if p.glue and tokens:
                new[0] = glue(tokens.pop(), new[0])
            tokens += new
        return tokens, errors

    def verb(self, plan: Plan, i: int, errors: list[Err]) -> W:
        """The verb of piece i, with the mistake that is planned there (added to `errors`)."""
        p = plan.frame.pieces[i]
        w = W(right_form(p, self.g.lex))
        if i == plan.at and plan.pair:
            w.wrong = plan.pair.wrong
            errors.append(Err(plan.kind, p.text, plan.pair.why))
        elif i in {plan.at, plan.also}:
            try:
                kind = plan.kind if i == plan.at else plan.other
                errors.append(self.error(plan.frame, i, kind, w))
            except Retry:
                if i == plan.at:
                    raise
        # At the beginning; *I* has its capital everywhere.
        if w.right[0].isupper() and w.wrong and not w.right.startswith("I "):
            w.wrong = w.wrong[0].upper() + w.wrong[1:]
        return w

    def words(self, plan: Plan, i: int, named: set[str], tagged: bool) -> list[Token]:
        """Piece i, which is no verb: itself, another word, or for a pronoun another subject.

        What is `named` stays; where a short question repeats the subject (`tagged`), that does.
        """
        g, f, p = self.g, plan.frame, plan.frame.pieces[i]
        text = p.text
        if p.type:
            text = self.swap(p, plan.rate)
        elif text not in named and text.lower().strip(",.?!;:") not in named:
            text = self.varied(text)
        subject = text.lower() in SUBJECTS and not tagged and self.subject_here(f, i)
        if subject and g.chance(plan.rate * 0.4):
            return self.subject(SUBJECTS[text.lower()])
        following = f.pieces[i + 1].type if i + 1 < len(f.pieces) else ""
        return ["A_" if text.lower() in {"a", "an"} and following in {"n", "adj"} else text]

    @staticmethod
    def cut_mark(tokens: list[Token]) -> str:
        """Take the final mark off the tokens, and give it: "." or "?", say; "": there is none."""
        last = tokens[-1]
        if isinstance(last, str) and last[-1] in ".?!" and not last.endswith(("a.m.", "p.m.")):
            tokens[-1] = last[:-1]
            return last[-1]
        if isinstance(last, W) and last.right[-1] in ".?!":
            tokens[-1] = W(last.right[:-1], last.wrong[:-1] if last.wrong else None)
            return last.right[-1]
        return ""

    def style(self, f: Frame, end: str, errors: list[Err]) -> Style:
        """Capitals and the final mark, as people vary them; `end`: the frame's own mark."""
        g = self.g
        r = g.rng.random()
        if end and g.chance(0.02):
            end = {"!": "!!", "?": "??", ".": "..."}[end]
        style = Style(end, r < 0.06, 0.06 <= r < 0.14, g.rng.random() < 0.06)
        if end and g.chance(0.15):
            style.end = "" if g.chance(0.75) else "!" if end == "." else end
        elif not end and g.chance(0.3):
            style.end = "?" if self.asks(f) else "."
        if end[:1] == "?" and any(error.kind == "do_support" for error in errors):
            style.end = end  # or else "where he went" may be no question
        return style

    def second(self, f: Frame, at: int) -> tuple[int, str]:
        """Another piece that can carry an error, and its kind; (-1, "") where there is none."""
        open_to = [
            (i, k)
            for i, p in enumerate(f.pieces)
            if p.form
            and i != at
            # "if I know, I will" is another sentence, and right
            and "wish" not in {p.form, f.pieces[at].form}
            for k in kinds_of(f, i, self.g.lex)
            if k != "past_marker" or same_clause(f, i)
        ]
        return self.g.rng.choice(open_to) if open_to else (-1, "")

    @staticmethod
    def asks(f: Frame) -> bool:
        """Whether a frame without a final mark is a question."""
        first = f.pieces[0].text.lower()
        return first in DOS | BES | MODALS | HAVES | {
            "why",
            "when",
            "where",
            "who",
            "what",
            "how",
            "which",
            "whose",
        }


def glue(a: Token, b: Token) -> Token:
    """Two pieces without a space between them, keeping the verb mark."""
    if isinstance(a, str) and isinstance(b, str):
        return a + b
    aw = a if isinstance(a, W) else W(a)
    bw = b if isinstance(b, W) else W(b)
    wrong = None
    if aw.wrong is not None or bw.wrong is not None:
        wrong = (aw.wrong or aw.right) + (bw.wrong or bw.right)
    return W(aw.right + bw.right, wrong)

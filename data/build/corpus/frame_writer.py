"""Examples from frames: swapped nouns, now and then other verbs, and errors."""

from __future__ import annotations

import re

from miniserve.copying import NO_CHANGE

from .forms import Retry
from .frame_changes import SUBJECTS, FrameChanges
from .frame_errors import BES, DOS, HAVES, MODALS
from .frame_pairs import PAIR_KINDS, pairs
from .frame_parser import Frame, kinds_of, right_form, same_clause
from .frame_table import by_kind
from .sentence import LONGEST, MOST_WORDS, Err, Example, Style, Token, W, render

#: A short question at the end, whose pronoun repeats the subject.
TAG = re.compile(r"\|tag[|>]|,\s*[a-z']+ (?:he|she|we|they)\?", re.IGNORECASE)
TWO_SHARE = 0.3  # of the examples with an error; only where another verb can carry one


class FrameWriter(FrameChanges):
    """Prints frames with a grammar's word choices."""

    def example(self, kind: str) -> Example | None:
        """One example of a kind from a random frame, or None."""
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
        tagged = kind == "tag" or bool(TAG.search(f.source))
        # What an explanation names stays as it is: 'In 2015' marks the past.
        named = {w for p in f.pieces if p.slip for w in p.slip.asks.lower().split()}
        errs: list[Err] = []
        toks: list[Token] = []
        for i, p in enumerate(f.pieces):
            tok: Token
            if p.form:
                w = W(right_form(p, g.lex))
                if i == at and pair:
                    w.wrong = pair.wrong
                    errs.append(Err(kind, p.text, pair.why))
                elif i in {at, also}:
                    try:
                        errs.append(self.error(f, i, kind if i == at else other, w))
                    except Retry:
                        if i == at:
                            return None
                # At the beginning; *I* has its capital everywhere.
                if w.right[0].isupper() and w.wrong and not w.right.startswith("I "):
                    w.wrong = w.wrong[0].upper() + w.wrong[1:]
                tok = w
            else:
                text = (
                    self.swap(p, rate)
                    if p.type
                    else self.varied(p.text)
                    if p.text != f.marker and p.text.lower().strip(",.?!;:") not in named
                    else p.text
                )
                swappable = text.lower() in SUBJECTS and not tagged and self.subject_here(f, i)
                if swappable and g.chance(rate * 0.4):
                    toks += self.subject(SUBJECTS[text.lower()])
                    continue
                if (
                    text.lower() in {"a", "an"}
                    and i + 1 < len(f.pieces)
                    and (f.pieces[i + 1].type in {"n", "adj"})
                ):
                    text = "A_"
                tok = text
            if p.glue and toks:
                prev = toks.pop()
                toks.append(glue(prev, tok))
            else:
                toks.append(tok)
        last = toks[-1]
        end = ""
        if isinstance(last, str) and last[-1] in ".?!" and not last.endswith(("a.m.", "p.m.")):
            end = last[-1]
            toks[-1] = last[:-1]
        elif isinstance(last, W) and last.right[-1] in ".?!":
            end = last.right[-1]
            toks[-1] = W(last.right[:-1], last.wrong[:-1] if last.wrong else None)
        r = g.rng.random()
        if end in {"!", "?", "."} and g.chance(0.02):
            end = {"!": "!!", "?": "??", ".": "..."}[end]
        style = Style(end, r < 0.06, 0.06 <= r < 0.14, g.rng.random() < 0.06)
        if end and g.chance(0.15):
            style.end = "" if g.chance(0.75) else "!" if end == "." else end
        elif not end and g.chance(0.3):
            style.end = "?" if self.asks(f) else "."
        if end[:1] == "?" and any(e.kind == "do_support" for e in errs):
            style.end = end  # or else "where he went" may be no question
        wrong, right = render([t for t in toks if t != ""], style)
        if not 3 <= len(wrong.split()) <= MOST_WORDS or len(wrong) > LONGEST:
            return None
        lemma = next((p.text for p in f.pieces if p.form), "be")
        if not errs:
            errs = [Err("correct", lemma, NO_CHANGE)]
            if kind != "correct":
                return None
        first = next(e for e in errs if e.kind == kind)
        why = " ".join(dict.fromkeys(e.why for e in errs))
        tags = ["frame", "two"] if len(errs) > 1 else ["frame"]
        if len(errs) > 1 and len(wrong.split()) > 18:
            return None  # the explanations of both must fit into an answer
        return Example(wrong, right, why, kind, first.lemma, tags)

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

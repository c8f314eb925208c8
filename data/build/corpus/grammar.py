"""Whole sentences: joined clauses, relative clauses, embedded clauses, commands."""

from __future__ import annotations

from miniserve.copying import NO_CHANGE

from .forms import Retry
from .relatives import Relatives
from .sentence import LONGEST, MOST_WORDS, NP, Err, Example, Token, draw_style, render
from .specs import (
    BY_KIND,
    CALLS,
    FRONTABLE,
    GAP_INTRO,
    MATRIX_PAST,
    MATRIX_PRES,
    MATRIX_Q,
    PAIR_PAST,
    PAIR_PRES,
    PAST,
    PRES,
    SAYS,
    TAILS,
    Spec,
)

TIME_CONJ = frozenset(
    ("if", "unless", "before", "after", "until", "when", "whenever", "as soon as", "once")
)


class Grammar(Relatives):
    """Draws sentences of a wanted kind."""

    past = False  # of the clause that the sentence is made around

    # sentences -----------------------------------------------------------------------------------
    def correct_spec(self) -> Spec:
        """A clause of any kind for a correct sentence, everyday ones most often."""
        r = self.rng.random()
        if r < 0.3:
            return self.pick(PAST)
        if r < 0.55:
            return self.pick(PRES)
        return self.pick(BY_KIND[self.rng.choice(list(BY_KIND))])

    def layout(self, kind: str) -> tuple[list[Token], bool]:
        """The tokens of a whole sentence, and whether it is a question."""
        spec = self.correct_spec() if kind == "correct" else self.pick(BY_KIND[kind])
        past, q = spec[1], spec[3]
        self.past = past
        self.want = kind if kind != "correct" else "none"
        r = self.rng.random()
        if q:
            toks = self.clause(spec)
            if self.chance(0.08):
                conj = self.rng.choice(("when", "because", "if", "before"))
                self.want = "none"
                toks += [conj, *self.clause(self.pick(PAST if past else PRES), time=False)]
            return toks, True
        if kind == "correct" and r < 0.03:
            return self.imperative(), False
        if r < 0.56:
            if self.chance(0.03) and spec[0] in {"simple", "perf", "modal"}:
                who = self.np_sg([self.rng.choice(("who", "who", "which " + self.noun("person")))])
                if self.want in {"s_added", "none"} and self.chance(0.7):
                    who = NP(["how many " + self.nouns("person")], "p")
                if self.want != "s_added" or who.num == "p":
                    return self.clause(spec, who), True
            toks = self.clause(spec)
            r = self.rng.random()
            if r < 0.03:
                toks = [self.rng.choice(CALLS), *toks]
            elif r < 0.07 and spec[0] in {"simple", "modal", "prog", "haveto", "going"}:
                toks += self.purpose()
            elif r < 0.09:
                toks.append(self.rng.choice(TAILS))
            elif r < 0.10:
                toks = [self.name()[0], ",", *toks]
            elif r < 0.12:
                toks += [",", self.name()[0]]
            elif r < 0.135:
                toks = [self.rng.choice(SAYS[past]), *quoted(toks)]
            elif r < 0.16:
                return self.two(spec, toks), False
            return toks, False
        if r < 0.77:
            return self.pair(spec, past), False
        if r < 0.81:
            intro = self.rng.choice(GAP_INTRO[past])
            return [intro, *self.gap(spec)], intro.startswith("do ")
        if r < 0.85:
            return self.object_relative(spec, past)
        if r < 0.92:
            m = self.rng.choice(MATRIX_PAST if past else MATRIX_PRES)
            body = self.clause_no_front(spec)
            return [m, *body], m in MATRIX_Q
        toks = self.relative(spec, past)
        return toks, toks[0] == "do you know"

    def clause_no_front(self, spec: Spec) -> list[Token]:
        """A clause whose time adverbial does not come first."""
        self.depth += 1
        out = self.clause(spec)
        self.depth -= 1
        return out

    def two(self, spec: Spec, toks: list[Token]) -> list[Token]:
        """Two short sentences, the error in the first or the second."""
        self.want = "none"
        other = self.clause(self.pick(PAST if spec[1] else PRES), time=False)
        a, b = (toks, other) if self.chance(0.5) else (other, toks)
        return [*a, self.rng.choice((".", ".", ";", "!")), *b]

    def purpose(self) -> list[Token]:
        """to / in order to + infinitive."""
        return [*self.rng.choice((["to"], ["to"], ["in order to"])), *self.infinitive("to")]

    def pair(self, spec: Spec, past: bool) -> list[Token]:
        """Two joined clauses; the one after `spec` carries the error, the other is right."""
        conj = self.rng.choice(PAIR_PAST if past else PAIR_PRES)
        want = self.want
        flip = self.chance(0.5)
        self.clear_present = not past and conj in {"when", "if", "whenever"}
        if conj in TIME_CONJ and not past and spec[0] in {"modal", "going", "wouldlike"}:
            flip = False
        companions = [
            s
            for s in (PAST if past else PRES)
            if flip
            or past
            or conj not in TIME_CONJ
            or s[1][0] not in {"modal", "going", "wouldlike"}
        ]
        if flip:
            self.want = "none"
            a = self.clause(self.pick(companions), time=False)
            self.want = want
            b = self.clause_no_front(spec)
        else:
            a = self.clause_no_front(spec)
            self.want = "none"
            b = self.clause(self.pick(companions), time=False)
        comma = "," if conj in {"but", "so", "although", "and"} and self.chance(0.5) else ""
        if conj in FRONTABLE and self.chance(0.35):
            out = [conj, *b, *([","] if self.chance(0.6) else []), *a]
        else:
            out = [*a, *([comma] if comma else []), conj, *b]
        return out

    def example(self, kind: str) -> Example:
        """One example of a kind; draws until it fits."""
        while True:
            self.err, self.depth, self.first_lemma, self.marker = None, 0, "", ""
            self.clear_present = False
            self.far = 0.8 if self.chance(0.2) else 0.0
            stretch = self.chance(0.15)
            long = stretch or self.far > 0
            shares = (55, 30, 15) if long else (46, 30, 24)
            self.open = self.rng.choices((0.0, 0.35, 0.92), shares)[0]
            try:
                toks, question = self.layout(kind)
                if stretch:
                    toks = self.stretched(toks, self.past, question)
            except Retry:
                continue
            if kind != "correct" and self.err is None:
                continue
            ex = self.finish(toks, question)
            if ex is not None:
                return ex

    def finish(self, toks: list[Token], question: bool) -> Example | None:
        """Print the tokens; None if the sentence is too long or too short."""
        toks = [t for t in toks if t != ""]
        style = draw_style(self.rng, question)
        if not question and isinstance(toks[-1], str) and toks[-1].endswith("."):
            style.end = "" if style.end == "." else style.end
        wrong, right = render(toks, style)
        n = len(wrong.split())
        too_long = n > MOST_WORDS or len(wrong) > LONGEST
        if n < 3 or too_long or (n < 15 and self.rng.random() < (n - 11) * 0.07):
            return None
        if (self.err and wrong == right) or "  " in wrong or "\n" in wrong:
            return None
        err = self.err or Err("correct", self.first_lemma or "be", NO_CHANGE)
        return Example(wrong, right, err.why, err.kind, err.lemma)


def quoted(toks: list[Token]) -> list[Token]:
    """The tokens between straight double quotes."""
    toks = [t for t in toks if t != ""]
    first, last = toks[0], toks[-1]
    if not isinstance(first, str) or not isinstance(last, str) or first == "A_" or len(toks) < 3:
        raise Retry
    return ['"' + first[0].upper() + first[1:], *toks[1:-1], last + '"']

"""Long sentences: words between a subject and its verb, and clauses before and after a clause."""

from __future__ import annotations

from .clauses import Clauses
from .forms import Retry
from .lexicon import plural as plural_of
from .sentence import NP, Token
from .specs import CALLS, MATRIX_PAST, MATRIX_PRES, Spec
from .wordlists import words

ONE_OF = ("one of", "one of", "each of", "every one of", "neither of")
SOME_OF = ("both of", "most of", "some of", "many of", "a few of", "two of", "all of", "three of")
CAPITAL = frozenset((*CALLS, *MATRIX_PAST, *MATRIX_PRES))
HEADS = words("of_heads")
LEADS = words("leads")
CRIES = words("cries")
DETS = ("my", "the", "these", "his", "her", "our", "their", "those")
NEAR: dict[bool, list[Spec]] = {
    False: [
        ("simple", False, False, False),
        ("simple", False, False, False),
        ("cop", False, False, False),
        ("simple", False, True, False),
        ("prog", False, False, False),
        ("perf", False, False, False),
    ],
    True: [
        ("simple", True, False, False),
        ("simple", True, False, False),
        ("cop", True, False, False),
        ("simple", True, True, False),
    ],
}
AFTER = {
    True: ("because", "when", ", so", ", but", ", and", "although", "while", "before", "after"),
    False: ("because", "when", ", so", ", but", ", and", "although", "while", "if", "before"),
}
BEFORE = {
    True: ("when", "because", "although", "while", "after", "before", "as soon as", "since"),
    False: ("when", "because", "although", "while", "if", "before", "whenever", "since"),
}


class LongShapes(Clauses):
    """Draws subjects and sentences that are longer than usual."""

    _inside = False  # within a subject's own phrase: no more of them

    def human(self, allow_i: bool = True) -> NP:
        """A human subject, now and then a long one."""
        if self.far and not self._inside and self.chance(self.far):
            if self.chance(0.3):
                return self.counted("person")
            for _ in range(8):
                np = super().human(allow_i)
                if self._can_grow(np):
                    return self.farther(np)
        return super().human(allow_i)

    def thing(self, theme: str = "thingsubj") -> NP:
        """A subject that is no person, now and then a long one."""
        if self.far and not self._inside and self.chance(self.far):
            if self.chance(0.4):
                return self.counted("animal" if theme == "animal" else "thing")
            for _ in range(8):
                np = super().thing(theme)
                if self._can_grow(np):
                    return self.farther(np)
        return super().thing(theme)

    def _can_grow(self, np: NP) -> bool:
        """Short, of the third person, and its last noun is the one that counts."""
        joined = any(t == "and" or str(t).endswith(" of") for t in np.toks)
        return not np.pron and np.per == 3 and len(np.toks) <= 3 and not joined

    def counted(self, theme: str) -> NP:
        """one of my friends, both of them, the box of letters: the number is in the first word."""
        human = theme == "person"
        det = self.rng.choice(DETS)
        r = self.rng.random()
        if r < 0.33:
            toks: list[Token] = [self.rng.choice(ONE_OF), det, self.nouns(theme)]
            return self.np_sg(toks, human=human)
        if r < 0.5:
            some: list[Token] = [self.rng.choice(SOME_OF), det, self.nouns(theme)]
            if self.chance(0.4):
                some = [self.rng.choice(("a lot of", "lots of", "plenty of")), self.nouns(theme)]
            return NP(some, "p", human=human)
        plural = self.chance(0.3)
        first = self.rng.choice(("the", "the", "the", "these" if plural else "this"))
        head = self.one(HEADS)
        toks = [first, plural_of(head) if plural else head, "of", *self.opposite(plural)]
        if plural:
            return NP(toks, "p", 3, "", "their", "themselves", False)
        return self.np_sg(toks, human=False)

    def opposite(self, plural: bool) -> list[Token]:
        """A noun phrase of the other number, most of the time."""
        theme = self.rng.choice(("thing", "thing", "person", "animal", "place"))
        if self.chance(0.75 if plural else 0.25):
            return self.sg(theme, self.rng.choice(("the", "my", "A_", "this", "his", "our")))
        return [
            self.rng.choice(("the", "my", "these", "two", "her", "our")),
            *([self.adj()] if self.chance(0.3) else []),
            self.nouns(theme),
        ]

    def farther(self, np: NP) -> NP:
        """The noun phrase with phrases or a clause after its noun."""
        if self._inside or not self._can_grow(np):
            return np
        self._inside = True
        self.depth += 1
        name = len(np.toks) == 1 and str(np.toks[0])[0].isupper()
        r = self.rng.random()
        kept = self.want, self.marker, self.clause_past, self.first_lemma
        self.want = "none"
        try:
            if name or (r < 0.1 and np.human):
                tail: list[Token] = [",", "who", *self.short(np), ","]
            elif r < 0.52:
                tail = self.between(np)
                if self.chance(0.25):
                    tail += self.between(np)
            elif r < 0.8 or np.human:
                tail = [self.rng.choice(("who", "that") if np.human else ("that", "which"))]
                tail += self.short(np)
            else:
                that: list[Token] = list(self.rng.choice((["that"], ["which"], [])))
                past = self.chance(0.6)
                tail = [*that, *self.gap(("simple", past, False, False))]
                if past and self.chance(0.35):
                    tail.append(self.rng.choice(("yesterday", "last week", "in 2015", "last year")))
            if len(tail) > 9:
                raise Retry
        finally:
            self._inside = False
            self.depth -= 1
            self.want, self.marker, self.clause_past, self.first_lemma = kept
        return NP([*np.toks, *tail], np.num, np.per, "", np.own, np.refl, np.human, np.firm)

    def short(self, np: NP) -> list[Token]:
        """What *who* or *that* does: a right clause without its subject."""
        hidden = NP([], np.num, 3, "", np.own, np.refl, np.human)
        past = self.chance(0.45)
        spec = self.rng.choice(NEAR[past])
        if not np.human:
            spec = ("cop", past, False, False)
        return self.clause(spec, hidden)

    def between(self, np: NP) -> list[Token]:
        """A phrase after a subject's noun, often with a noun of the other number."""
        r = self.rng.random()
        if r < 0.15:
            return ["from", self.city() if self.chance(0.6) else self.country()]
        if r < 0.4:
            return ["with", *self.opposite(np.num == "p")]
        if r < 0.52:
            where = [self.rng.choice(("in", "near", "next to", "behind"))]
            return [*where, "my", self.rng.choice(self.lex.nouns["kin"]) + "'s", self.noun("place")]
        if np.human and r < 0.65:
            return ["in", "the", self.adj(), self.rng.choice(self.lex.nouns["clothespl"])]
        prep = self.one(("in", "on", "near", "behind", "next@to", "under", "between", "above"))
        if prep == "between":
            return ["between", "the", "two", self.nouns("place")]
        return [prep, *(self.place() if self.chance(0.5) else self.opposite(np.num == "p"))]

    def stretched(self, toks: list[Token], past: bool, question: bool) -> list[Token]:
        """The sentence with a right clause or a phrase before or after it."""
        if len(toks) > 14:
            return toks
        self.want = "none"
        self.depth += 1
        r = self.rng.random()
        first = toks[0] if isinstance(toks[0], str) else ""
        lead = first[:2] in {"I ", "I'"} or not (first in CAPITAL or first.endswith(":"))
        quoted = any(isinstance(t, str) and '"' in t for t in toks)
        joined = {t for t in toks if isinstance(t, str)}
        if quoted:
            out = toks
        elif question and r < 0.5:
            out = [*self.other(past), ".", *toks]
        elif question:
            out = [*toks, self.rng.choice(("when", "because", "before")), *self.other(past)]
        elif r < 0.42:
            conj = self.rng.choice([c for c in AFTER[past] if c.strip(", ") not in joined])
            mark: list[Token] = [","] if conj[0] == "," else []
            out = [*toks, *mark, conj.strip(", "), *self.other(past)]
        elif r < 0.66 and lead:
            conj = self.rng.choice([c for c in BEFORE[past] if c not in joined])
            out = [conj, *self.other(past), ",", *toks]
        elif r < 0.8 and lead:
            out = [self.one(LEADS), ",", *toks]
        elif r < 0.85:
            out = [*toks, self.rng.choice((".", ".", "!", ";")), *self.other(past)]
        elif r < 0.88:
            out = [self.one(CRIES), self.rng.choice("!!!,"), *toks]
        elif r < 0.91:
            out = [*toks, ",", *self.rng.choice(([], ["so"], ["but please"])), *self.imperative()]
        else:
            out = [*toks, *self.rng.choice((self.detail, self.with_whom, self.gerund_tail))()]
        self.depth -= 1
        return out

    def other(self, past: bool) -> list[Token]:
        """A right clause of the same time."""
        return self.clause(self.rng.choice(NEAR[past][:3] + NEAR[past]), time=False)

    def with_whom(self) -> list[Token]:
        """with her two sisters, for the whole family, because of the rain."""
        prep = self.rng.choice(("with", "for", "because of", "without", "like"))
        return [prep, *(self.opposite(self.chance(0.5)) if self.chance(0.6) else self.person())]

    def imperative(self) -> list[Token]:
        """A command."""
        e = self.entry(cls="hum")
        self.own, self.refl = "your", "yourself"
        head: list[Token] = [self.rng.choice(("", "don't", "please", "never", "let's", "always"))]
        self.first_lemma = e.verb.lemma
        return [*[h for h in head if h], e.verb.lemma, *self.expand(self.comp_of(e))]

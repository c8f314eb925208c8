"""Complements of verbs: slots, infinitives, gerunds, that-clauses."""

from __future__ import annotations

import random

from . import explain
from .forms import Retry
from .lexicon import Entry, Lexicon
from .sentence import NP, Token, W
from .specs import NESTED, PAST, PRES, THEMES, Spec
from .verbgroup import VerbGroups


class Complements(VerbGroups):
    """Fills the complements of verbs."""

    def __init__(
        self,
        rng: random.Random,
        lex: Lexicon,
        held_pairs: frozenset[str] = frozenset(),
        only_held: bool = False,
    ) -> None:
        super().__init__(rng, lex, held_pairs, only_held)
        self.depth = 0
        self.question = False
        self.first_lemma = ""
        self.far = 0.0  # how often a subject is kept apart from its verb in this sentence

    # complements ---------------------------------------------------------------------------------
    def comp_of(self, e: Entry) -> list[str]:
        """One of the entry's complements; nested ones only near the top."""
        for _ in range(8):
            c = self.rng.choice(e.comps)
            if self.depth and any(t in NESTED for t in c):
                continue
            return c
        raise Retry

    def slot(self, t: str, prev: str) -> list[Token]:
        """The phrase for one slot of a complement."""
        rng = self.rng
        if t == "HUM":
            return self.person()
        if t == "TO":
            return self.to()
        if t == "AT":
            return self.at()
        if t == "PLACE":
            return self.place()
        if t in {"CITY", "COUNTRY"}:
            return [self.city() if t == "CITY" else self.country()]
        if t in {"FOOD", "THING", "NOUN", "GIFT", "ANIMAL"} and prev == "A":
            theme = "abstract" if t == "NOUN" and self.chance(0.3) else THEMES[t]
            return self.sg(theme)
        if t == "CLOTHESN" and prev == "A":
            return self.sg("clothes")
        if t in THEMES:
            return [self.noun(THEMES[t])]
        if t in {"NOUNS", "NOUNX"}:
            if prev in {"two", "OWN", "NUM", "the"} or t == "NOUNX":
                return [self.nouns("thing")]
            return self.pl("thing")
        if t in {"FOODS", "FOODPL", "ANIMALS"}:
            theme = "animal" if t == "ANIMALS" else "food"
            if t == "FOODPL" or prev in {"the", "some"}:
                return [self.nouns(theme)]
            return [self.nouns(theme)] if self.chance(0.5) else self.pl(theme)
        if t == "MASSFOOD":
            return [rng.choice(self.lex.nouns["massfood"])]
        if t == "DRINK":
            return [rng.choice(self.lex.nouns["drink"])]
        if t == "CLOTHES":
            det = rng.choice(([], [self.own], ["the"], ["new"], ["some"]))
            return [*det, rng.choice(self.lex.nouns["clothespl"])]
        if t == "SPORT":
            return [rng.choice(self.lex.nouns["sport"])]
        if t == "INSTR":
            return ["the", rng.choice(self.lex.nouns["instr"])]
        if t == "SUBJECT":
            return [rng.choice(self.lex.nouns["subject"])]
        if t == "TOPIC":
            r = rng.random()
            if r < 0.5:
                return [rng.choice(self.lex.nouns["topic"])]
            return self.sg("thing") if r < 0.75 else self.pl("thing")
        if t == "LANG":
            return [rng.choice(self.lex.names["langs"])]
        if t == "JOB":
            return [
                "A_",
                self.noun("person")
                if self.chance(self.open * 0.6)
                else rng.choice(self.lex.nouns["job"]),
            ]
        if t == "NAME":
            return [self.name()[0]]
        if t == "OWN":
            return [self.own]
        if t == "REFL":
            return [self.refl]
        if t == "NUM":
            return [self.num()]
        if t == "DIG":
            return [self.digits()]
        if t == "CLOCK":
            return [self.clock()]
        if t == "PRICE":
            return [self.price()]
        if t == "DATEY":
            return [str(rng.randint(1850, 2022))]
        if t == "DATEM":
            return [rng.choice(("May", "June", "March", "October", "summer", "winter"))]
        if t == "ADV":
            return [self.adverb()]
        if t == "ADJF":
            return [rng.choice(("very", "so", "")) + " " + self.adj("people")]
        if t == "ADJC":
            return ["A_", self.adj()]
        if t == "VEH":
            return [rng.choice(self.lex.nouns["vehicle"])]
        if t == "VEHP":
            return [
                rng.choice(("the", "A_", "the", self.own)),
                rng.choice(self.lex.nouns["vehicle"]),
            ]
        if t == "INF":
            return ["to", *self.infinitive("to")]
        if t == "INFV":
            return self.infinitive("to" if prev == "to" else "let")
        if t == "BASE":
            return self.infinitive("let")
        if t == "ING":
            self.depth += 1
            e = self.entry(cls="hum")
            out: list[Token] = [e.verb.ing, *self.expand(self.comp_of(e))]
            self.depth -= 1
            return out
        if t == "INFT":
            return [rng.choice(("work", "fall", "move", "grow", "look old", "be easy", "help"))]
        if t == "CL":
            return self.that_clause()
        raise KeyError(t)

    def infinitive(self, after: str) -> list[Token]:
        """A base verb with its complement, after *to* (may carry the error) or bare."""
        self.depth += 1
        if self.chance(0.06):
            w = W("be")
            if after == "to" and self.wants("after_to"):
                self.plant(
                    w,
                    self.rng.choice(("is", "was", "is", "been", "being")),
                    "be",
                    explain.after_to("be"),
                )
            out: list[Token] = [
                w,
                self.adj("people")
                if self.chance(0.6)
                else "A_ " + self.rng.choice(self.lex.nouns["job"]),
            ]
        else:
            e = self.entry(cls="hum")
            out = [self.base(e.verb, after), *self.expand(self.comp_of(e))]
        self.depth -= 1
        return out

    def pick(self, specs: list[tuple[float, Spec]]) -> Spec:
        """One spec by weight."""
        return self.rng.choices([s for _, s in specs], [w for w, _ in specs])[0]

    def clause(self, spec: Spec, subj: NP | None = None, time: bool = True) -> list[Token]:
        """A clause; see `Clauses`."""
        raise NotImplementedError

    def that_clause(self) -> list[Token]:
        """A clause after *that*: always right, no time of its own."""
        want, self.want = self.want, "none"
        own, refl, marker, past = self.own, self.refl, self.marker, self.clause_past
        self.depth += 1
        g = self.pick(PAST if self.clause_past else PRES)
        out = self.clause(g, time=False)
        self.depth -= 1
        self.want = want
        self.own, self.refl, self.marker, self.clause_past = own, refl, marker, past
        return out

    clause_past = False

    def farther(self, np: NP) -> NP:
        """A noun phrase with words between its noun and the verb; see `LongShapes`."""
        raise NotImplementedError

    def gerund_subject(self) -> NP:
        """A gerund with its complement, as a singular subject."""
        self.own, self.refl = "your", "yourself"
        return NP(self.slot("ING", ""), "s", 3, "", "its", "itself", False)

    def gerund_tail(self) -> list[Token]:
        """before / after / without / by / instead of + gerund."""
        prep = self.rng.choice(("before", "after", "without", "by", "instead of", "while"))
        return [prep, *self.slot("ING", "")]

    def expand(self, comp: list[str]) -> list[Token]:
        """Fill the slots of a complement."""
        out: list[Token] = []
        prev = ""
        for i, t in enumerate(comp):
            if t == "A" and i + 1 < len(comp) and comp[i + 1] in THEMES:
                prev = "A"
                continue
            if t.isupper() and len(t) > 1 and t not in {"TV"}:
                out += self.slot(t, prev)
            elif t in {"a", "an"}:
                out.append("A_")
            else:
                out.append(t)
            prev = t
        return out

"""Clauses around *be*: copula, *there is*, *here are*."""

from __future__ import annotations

from . import explain
from .complements import Complements
from .forms import Retry, been_or_is
from .sentence import NP, Token, W
from .specs import ADJTO, COMPARED, ITTO, SUPER, Spec


class BeClauses(Complements):
    """Draws clauses around *be*."""

    def bind(self, subj: NP) -> None:
        """Make possessives and reflexives agree with the subject."""
        self.own, self.refl = subj.own, subj.refl

    def pool(self, spec: Spec) -> str:
        """Which verbs can carry the wanted error."""
        if self.want in {"overregular_past", "doubled_past"}:
            return "irregular"
        if self.want == "misspelled_past":
            return "slip" if self.chance(0.35) else "spell"
        if self.want == "past_marker" and self.chance(0.4):
            return "irregular"
        if self.want in {"participle_have", "participle_passive"} and self.chance(0.85):
            return "irregular"
        if self.want == "progressive":
            return self.rng.choices(("all", "spell", "no_be"), (78, 15, 7))[0]
        return "all"

    def subject_for(self, cls: str, neg: bool) -> NP:
        """A subject that can carry the wanted agreement error."""
        for _ in range(12):
            s = self.subject(cls)
            if self.want == "s_missing" and not s.third:
                continue
            if self.want == "s_added" and s.third:
                continue
            if neg and s.toks[0] in {"nobody", "no one"}:
                continue
            return s
        raise Retry

    def copula(self, spec: Spec, subj: NP | None) -> list[Token]:
        """*be* with an adjective, a noun or a place; *be* + adjective + to."""
        g, past, neg, q = spec
        if g == "adjto" and self.chance(0.35):
            be = self.be(NP(["it"], pron="it"), past)
            extra = ["for", *self.person()] if self.chance(0.25) else []
            return ["it", be, self.rng.choice(ITTO), *extra, "to", *self.infinitive("to")]
        human = subj.human if subj is not None else self.chance(0.68)
        if subj is None:
            subj = self.human() if human else self.thing()
            if not human and self.chance(0.12):
                subj = self.gerund_subject()
            if neg and subj.toks[0] in {"nobody", "no one"}:
                raise Retry
        self.bind(subj)
        self.first_lemma = self.first_lemma or "be"
        if g == "modalbe":
            m = self.rng.choice(("will", "can", "must", "should", "would", "might", "could", "may"))
            w = W("be")
            if self.wants("after_modal"):
                bag = ("is", "was", "are", "being", been_or_is(m))
                self.plant(w, self.rng.choice(bag), "be", explain.after_modal(m, "be"))
            return [*subj.toks, m, w, *self.predicate(subj, human)]
        if g == "perfbe":
            have = self.have(subj, past, False, not q)
            name = have if isinstance(have, str) else have.right
            adv = [self.rng.choice(("always", "never", "already"))] if self.chance(0.3) else []
            if q:
                return [
                    have,
                    *subj.toks,
                    *self.rng.choice(([], ["ever"])),
                    self.been(name),
                    *self.predicate(subj, human),
                ]
            return [*subj.toks, have, *adv, self.been(name), *self.predicate(subj, human)]
        nt = neg and self.chance(0.75)
        be = self.be(subj, past, nt, not q)
        mid: list[Token] = ["not"] if neg and not nt else self.midadv(0.08) if not neg else []
        if g == "adjto":
            return [*subj.toks, be, *mid, self.one(ADJTO), "to", *self.infinitive("to")]
        pred = self.predicate(subj, human)
        if q:
            wh = [self.rng.choice(("why", "where", "when", "how"))] if self.chance(0.25) else []
            if wh and wh[0] in {"where", "how"}:
                return [*wh, be, *subj.toks]
            return [*wh, be, *subj.toks, *mid, *pred]
        return [*subj.toks, be, *mid, *pred]

    def predicate(self, subj: NP, human: bool) -> list[Token]:
        """What follows *be*."""
        r = self.rng.random()
        theme = "people" if human else "things"
        if r < 0.07:
            comp = self.one(COMPARED)
            if self.chance(0.2):
                comp = "much " + comp
            return [comp, "than", *(self.person() if human else self.sg("thing"))]
        if r < 0.10:
            return ["as", self.adj(theme), "as", *(self.person() if human else self.sg("thing"))]
        if r < 0.14 and subj.num == "s":
            return [
                "the",
                self.one(SUPER),
                self.noun("person" if human else "thing"),
                *self.rng.choice(([], ["in", *self.place()], ["of all"])),
            ]
        if r < 0.58:
            deg = self.rng.choices(("", "very", "so", "too", "really"), (60, 22, 7, 6, 5))[0]
            out: list[Token] = [deg] if deg else []
            out.append(self.adj(theme))
            if self.chance(0.06):
                out += ["and", self.adj(theme)]
            elif self.chance(0.05):
                out += ["for", *self.person()]
            return out
        if r < 0.76:
            return self.at()
        if r < 0.9:
            if subj.num == "p" and (subj.pron != "you"):
                return (
                    self.pl("person" if human else "thing")
                    if self.chance(0.5)
                    else [self.adj(), self.nouns("person" if human else "thing")]
                )
            return self.sg(
                "person" if human else "thing", self.rng.choice(("A_", "A_", "my", "the"))
            )
        if r < 0.95:
            return ["like", *(self.person() if human else self.sg("thing"))]
        return [
            self.rng.choice(
                (
                    "late",
                    "early",
                    "here",
                    "away",
                    "at home",
                    "from " + self.city(),
                    f"{self.num()} years old",
                )
            )
        ]

    def here(self) -> list[Token]:
        """*Here are your keys*, *These are my books*."""
        sing = self.chance(0.5)
        toks: list[Token] = (
            self.sg("thing", self.rng.choice(("my", "your", "the", "A_", "his")))
            if sing
            else [self.rng.choice(("my", "your", "the", "some", "her")), self.nouns("thing")]
        )
        head = self.rng.choice(
            ("here", "there", "this", "that") if sing else ("here", "there", "these", "those")
        )
        subj = NP(toks, "s" if sing else "p", human=False)
        self.first_lemma = self.first_lemma or "be"
        return [head, self.be(subj, False, False, False), *toks]

    def there(self, spec: Spec) -> list[Token]:
        """*there is* and its like."""
        _, past, neg, q = spec
        if self.chance(0.45):
            r = self.rng.random()
            toks: list[Token] = (
                self.sg("thing", "A_")
                if r < 0.6
                else ["some" if not (neg or q) else "any", self.rng.choice(self.lex.nouns["mass"])]
                if r < 0.75
                else ["no", self.rng.choice(self.lex.nouns["mass"])]
                if r < 0.82
                else ["A_", self.noun("animal")]
            )
            subj = NP(toks, "s", human=False)
        else:
            det = self.rng.choice(
                (
                    "many",
                    "some",
                    "two",
                    "three",
                    "a lot of",
                    "a few",
                    "no",
                    "several",
                    "five",
                    str(self.rng.randint(2, 99)),
                    "too many",
                )
            )
            if neg or q:
                det = self.rng.choice(("any", "many", "any", "two"))
            if det == "no" and neg:
                det = "any"
            noun = self.nouns(self.rng.choice(("thing", "person", "animal", "place")))
            if self.chance(0.1):
                noun = self.rng.choice(("people", "children", "people", "women", "men"))
            subj = NP([det, noun], "p", human=False)
        self.first_lemma = self.first_lemma or "be"
        be = self.be(subj, past, neg, False)
        body = subj.toks
        tail = self.at() if self.chance(0.75) else []
        return [be, "there", *body, *tail] if q else ["there", be, *body, *tail]

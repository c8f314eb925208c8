"""Sentences around a relative clause."""

from __future__ import annotations

from .forms import Retry
from .long_shapes import LongShapes
from .sentence import NP, Token
from .specs import OBJECT_INTRO, PAST, PRES, Spec


class Relatives(LongShapes):
    """Draws sentences with a relative clause."""

    def object_relative(self, spec: Spec, past: bool) -> tuple[list[Token], bool]:
        """the cake (that) she baked: as an object, or as the subject of *be*."""
        thing = self.sg("thing", "the") if self.chance(0.7) else ["the", self.nouns("thing")]
        rel = [r for r in [self.rng.choice(("that", "that", "which", ""))] if r]
        want = self.want
        if spec[0] in {"cop", "adjto"} and not spec[2]:
            if want != "be_agreement" and want != "none":
                raise Retry
            self.want = "none"
            self.depth += 1
            sub = self.gap(("simple", past, False, False))
            self.depth -= 1
            self.want = want
            sg = not str(thing[-1]).endswith("s")
            head = NP([], "s" if sg else "p", human=False)
            return [
                *thing,
                *rel,
                *sub,
                self.be(head, past, False, False),
                *self.predicate(head, False),
            ], False
        self.depth += 1
        sub = self.gap(spec)
        self.depth -= 1
        if self.chance(0.6):
            intro = self.rng.choice(OBJECT_INTRO[past])
            if intro.endswith(" is") and str(thing[-1]).endswith("s"):
                intro = intro[:-2] + "are"
                intro = intro.replace("this", "these").replace("that", "those")
            return [intro, *thing, *rel, *sub], intro.startswith(("do ", "where "))
        self.want = "none"
        head = NP([], "p" if str(thing[-1]).endswith("s") else "s", human=False)
        return [
            *thing,
            *rel,
            *sub,
            self.be(head, past, False, False),
            *self.predicate(head, False),
        ], False

    def relative(self, spec: Spec, past: bool) -> list[Token]:
        """A subject or an object with a relative clause; the error is in one of the two."""
        want = self.want
        sg = self.chance(0.6)
        if self.want == "s_missing":
            sg = True
        elif self.want == "s_added":
            sg = False
        toks = (
            self.sg("person", self.rng.choice(("the", "the", "A_", "this")))
            if sg
            else self.pl("person")
        )
        head = NP(
            toks,
            "s" if sg else "p",
            3,
            "",
            "his" if sg else "their",
            "himself" if sg else "themselves",
        )
        rel = self.rng.choice(("who", "who", "that"))
        other = self.pick(PAST if past else PRES)
        while other[0] in {"there", "passive"}:
            other = self.pick(PAST if past else PRES)
        if spec[0] in {"there", "passive"} or spec[0].startswith("passive"):
            raise Retry
        self.depth += 1
        hidden = NP([], head.num, 3, "", head.own, head.refl)
        mode = self.rng.random()
        if mode < 0.4:  # error in the main clause
            self.want = "none"
            sub = self.clause(other, hidden, time=False)
            self.want = want
            main = self.clause(spec, hidden)
            out = [*head.toks, rel, *sub, *main]
        elif mode < 0.7:  # error in the relative clause
            sub = self.clause(spec, hidden)
            self.want = "none"
            main = self.clause(other, hidden, time=False)
            out = [*head.toks, rel, *sub, *main]
        else:
            intro = self.rng.choice(
                (
                    "I know",
                    "we met",
                    "she has",
                    "he saw",
                    "there was",
                    "this is",
                    "do you know",
                    "I talked to",
                    "they found",
                )
                if sg
                else ("I know", "we met", "she has", "I saw")
            )
            sub = self.clause(spec, hidden)
            out = [intro, *head.toks, rel, *sub]
        self.depth -= 1
        return out

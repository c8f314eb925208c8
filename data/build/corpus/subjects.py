"""Subjects of every kind."""

from __future__ import annotations

from .nouns import COLLECTIVE, INDEF, POSS, PRONS
from .phrases import Phrases
from .sentence import NP, Token


class Subjects(Phrases):
    """Draws subjects."""

    def pronoun(self, among: str = "I I you he he she she we they it") -> NP:
        """A subject pronoun."""
        p = self.rng.choice(among.split())
        num, per, own, refl = PRONS[p]
        return NP([p], num, per, p, own, refl, p != "it")

    def np_sg(self, toks: list[Token], sex: str = "", human: bool = True) -> NP:
        """Third person singular around tokens."""
        sex = sex or self.rng.choice("mf")
        if human:
            own, refl = ("his", "himself") if sex == "m" else ("her", "herself")
        else:
            own, refl = "its", "itself"
        return NP(toks, "s", 3, "", own, refl, human)

    def post(self, theme: str = "thing") -> list[Token]:
        """A phrase after the subject's head noun."""
        r = self.rng.random()
        if r < 0.5:
            return [
                "with",
                *(
                    self.sg("clothes", self.rng.choice(("the", "A_")))
                    if self.chance(0.5)
                    else ["the", self.adj(), self.rng.choice(self.lex.nouns["clothespl"])]
                ),
            ]
        if r < 0.8:
            return [
                self.one(("in", "on", "near", "behind", "next@to", "at", "from")),
                *self.place(),
            ]
        return ["from", self.city()]

    def human(self, allow_i: bool = True) -> NP:
        """A human subject."""
        r = self.rng.random()
        if r < 0.40:
            return self.pronoun(
                "I I you he he she she we they" if allow_i else "he she they you we"
            )
        if r < 0.54:
            name, sex = self.name()
            return self.np_sg([name], sex)
        if r < 0.66:
            kin = self.rng.choice(self.lex.nouns["kin"])
            if self.chance(0.15):
                return self.np_sg([self.rng.choice(POSS), kin + "'s", self.noun("person")])
            return self.np_sg([self.rng.choice(POSS), kin])
        if r < 0.71:
            return NP([self.rng.choice(POSS), self.rng.choice(self.lex.nouns["kinpl"])], "p")
        if r < 0.81:
            np = self.np_sg(self.sg("person"))
            if self.chance(0.2):
                np.toks += self.post()
            return np
        if r < 0.88:
            toks = self.pl("person")
            if self.chance(0.2):
                toks += self.post()
            return NP(toks, "p")
        if r < 0.94:
            return self.compound()
        if r < 0.965:
            return self.np_sg([self.rng.choice(INDEF)])
        if r < 0.98:
            return NP([self.rng.choice(COLLECTIVE)], "p")
        if r < 0.988:  # a group: singular here, but a plural verb is no clear error
            poss = self.rng.choice(("my", "the", "our", "her", "his"))
            return NP(
                [poss, self.rng.choice(self.lex.nouns["collective"])],
                "s",
                3,
                "",
                "its",
                "itself",
                True,
                False,
            )
        head = self.rng.choice(("one of", "each of"))
        return self.np_sg(
            [
                head,
                self.rng.choice(("my", "his", "the", "her", "our", "these")),
                self.nouns("person"),
            ]
        )

    def compound(self) -> NP:
        """Two joined subjects."""
        r = self.rng.random()
        if r < 0.35:
            return NP(
                [
                    self.rng.choice(POSS[:1] * 3 + POSS),
                    self.rng.choice(self.lex.nouns["kin"]),
                    "and",
                    "I",
                ],
                "p",
                1,
                "",
                "our",
                "ourselves",
            )
        if r < 0.7:
            return NP([self.name()[0], "and", self.name()[0]], "p")
        if r < 0.8:
            return NP([self.name()[0], "and", "I"], "p", 1, "", "our", "ourselves")
        p = self.rng.choice(POSS)
        return NP(
            [
                p,
                self.rng.choice(self.lex.nouns["kin"]),
                "and",
                *self.rng.choice(([p], [])),
                self.rng.choice(self.lex.nouns["kin"]),
            ],
            "p",
        )

    def thing(self, theme: str = "thingsubj") -> NP:
        """A subject that is no person."""
        r = self.rng.random()
        if r < 0.16:
            return NP(["it"], "s", 3, "it", "its", "itself", False)
        if r < 0.20:
            return NP(["they"], "p", 3, "they", "their", "themselves", False)
        if r < 0.225 and theme == "thingsubj":
            word = self.rng.choice(
                ("this", "that", "something", "everything", "nothing", "this", "that", "this one")
            )
            return NP([word], "s", 3, "", "its", "itself", False)
        if r < 0.24 and theme == "thingsubj":
            return NP(
                [self.rng.choice(("these", "those", "both", "the other ones"))],
                "p",
                3,
                "",
                "their",
                "themselves",
                False,
            )
        if r < 0.252 and theme == "thingsubj":
            word = self.rng.choice(self.lex.nouns["smass"])
            article: list[Token] = ["the"] if word == "news" or self.chance(0.1) else []
            return NP([*article, word], "s", 3, "", "its", "itself", False)
        if r < 0.28 and theme == "thingsubj":
            det = self.rng.choice(("the", "the", "this", "my", "our"))
            return NP(
                [det, self.rng.choice(self.lex.nouns["mass"])], "s", 3, "", "its", "itself", False
            )
        if r < 0.74:
            np = self.np_sg(self.sg(theme), human=False)
            if self.chance(0.12):
                np.toks += [self.one(("in", "on", "near", "behind", "under")), *self.place()]
            elif self.chance(0.04):
                np.toks = [
                    self.rng.choice(("one of", "each of")),
                    self.rng.choice(("my", "the", "these", "his")),
                    self.nouns(theme),
                ]
            return np
        np = NP(self.pl(theme), "p", 3, "", "their", "themselves", False)
        if self.chance(0.12):
            np.toks += [self.one(("in", "on", "near", "behind", "under")), *self.place()]
        return np

    def gerund_subject(self) -> NP:
        """A gerund as the subject; filled in by the grammar."""
        raise NotImplementedError

    def subject(self, cls: str, allow_i: bool = True) -> NP:
        """A subject of a class: hum, thing, animal, it, any."""
        if cls == "ger":
            return self.gerund_subject()
        if cls == "it":
            return NP(["it"], "s", 3, "it", "its", "itself", False)
        if cls == "thing":
            return self.thing()
        if cls == "animal":
            return self.thing("animal")
        if cls == "any" and self.chance(0.25):
            return self.thing()
        return self.human(allow_i)

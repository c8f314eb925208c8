"""Noun phrases, places, times: everything in a sentence that is not its verb group."""

from __future__ import annotations

import random

from .lexicon import Lexicon, made_up, plural
from .sentence import NP, Token
from .wordlists import words

NUMS = words("nums")
DAYS = words("days")
MONTHS = words("months")
PRONS = {
    "I": ("s", 1, "my", "myself"),
    "you": ("s", 2, "your", "yourself"),
    "he": ("s", 3, "his", "himself"),
    "she": ("s", 3, "her", "herself"),
    "it": ("s", 3, "its", "itself"),
    "we": ("p", 1, "our", "ourselves"),
    "they": ("p", 3, "their", "themselves"),
}
OBJ = words("obj")
POSS = words("poss")
ADVS = words("advs")
MID = words("mid")
NEVER_HAVE = words("never_have")
PREPS = words("preps")
INDEF = ("everyone", "everybody", "nobody", "no one", "somebody", "someone")
COLLECTIVE = (
    "people",
    "the police",
    "the children",
    "some people",
    "many people",
    "most people",
    "the women",
    "the men",
    "all the students",
    "both boys",
    "these men",
    "two women",
    "a lot of people",
    "children",
    "the mice",
    "cattle",
    "his feet",
    "my teeth",
)
LOTS = words("lots")


class Phrases:
    """Draws phrases. `open` (0 to 1) is the share of open-vocabulary words in this sentence."""

    def __init__(self, rng: random.Random, lex: Lexicon) -> None:
        self.rng = rng
        self.lex = lex
        self.open = 0.0
        self.own = "my"
        self.refl = "myself"

    def chance(self, p: float) -> bool:
        """True with probability p."""
        return self.rng.random() < p

    def one(self, seq: list[str] | tuple[str, ...]) -> str:
        """One item, '@' read as a space."""
        return self.rng.choice(seq).replace("@", " ")

    def noun(self, theme: str) -> str:
        """A singular noun of a theme, or an open one."""
        if self.chance(0.02):
            return self.typo(self.rng.choice(self.lex.nouns[theme]))
        if self.chance(self.open):
            r = self.rng.random()
            if r < 0.40:
                return self.rng.choice(self.lex.open_nouns)[0]
            if r < 0.60:
                while True:
                    w = self.rng.choice(self.lex.proper).lower()
                    if not w.endswith(("s", "men", "x", "z", "ch", "sh", "en", "est")):
                        return w
            if r < 0.82:
                return made_up(self.rng, self.lex.held)
            theme = self.rng.choice(("thing", "person", "animal", "abstract", "food", "place"))
        return self.rng.choice(self.lex.nouns[theme])

    def typo(self, word: str) -> str:
        """A word with two letters swapped, one doubled or one lost: it is to be kept as it is."""
        if len(word) < 5 or " " in word:
            return word
        i = self.rng.randrange(1, len(word) - 2)
        r = self.rng.random()
        if r < 0.4:
            return word[:i] + word[i + 1] + word[i] + word[i + 2 :]
        return word[:i] + word[i] * (2 if r < 0.7 else 0) + word[i + 1 :]

    def nouns(self, theme: str) -> str:
        """A plural noun."""
        if self.chance(self.open):
            if self.chance(0.6):
                return self.rng.choice(self.lex.open_nouns)[1]
            if self.chance(0.5):
                return made_up(self.rng, self.lex.held) + "s"
        return plural(self.rng.choice(self.lex.nouns[theme]))

    def adj(self, theme: str = "attr") -> str:
        """An adjective."""
        if self.chance(self.open * 0.8):
            return self.rng.choice(self.lex.open_adjs)
        return self.rng.choice(self.lex.adjs[theme])

    def name(self) -> tuple[str, str]:
        """(name, 'm' or 'f')."""
        sex = self.rng.choice("mf")
        if self.chance(0.15 + self.open * 0.6):
            if self.chance(0.7):
                return self.rng.choice(self.lex.proper), sex
            return made_up(self.rng, self.lex.held, True), sex
        first = self.rng.choice(self.lex.names[sex])
        r = self.rng.random()
        if r < 0.05:
            title = "Mr." if sex == "m" else self.rng.choice(("Mrs.", "Ms.", "Miss"))
            return f"{title} {self.rng.choice(self.lex.names['surnames'])}", sex
        if r < 0.07:
            return f"Dr. {self.rng.choice(self.lex.names['surnames'])}", sex
        if r < 0.13:
            return f"{first} {self.rng.choice(self.lex.names['surnames'])}", sex
        return first, sex

    def city(self) -> str:
        """A city."""
        if self.chance(0.1 + self.open * 0.6):
            return (
                self.rng.choice(self.lex.proper)
                if self.chance(0.7)
                else made_up(self.rng, self.lex.held, True)
            )
        if self.chance(0.12):
            return self.rng.choice(self.lex.names["cities2"])
        return self.rng.choice(self.lex.names["cities"])

    def det(self) -> str:
        """A determiner for a singular noun."""
        r = self.rng.random()
        if r < 0.36:
            return "the"
        if r < 0.66:
            return "A_"
        if r < 0.90:
            return self.rng.choice(POSS) if self.chance(0.5) else self.own
        return self.rng.choice(("this", "that", "another", "every", "this", "that"))

    def sg(self, theme: str, det: str | None = None) -> list[Token]:
        """Determiner + (adjective) + singular noun."""
        out: list[Token] = [det or self.det()]
        if self.chance(0.05):
            out = [self.name()[0] + "'s"]
        if self.chance(0.2):
            out.append(self.adj())
            if self.chance(0.06):
                out.append(self.adj())
        elif self.chance(0.03):
            out.append(
                self.rng.choice(
                    (
                        "second-hand",
                        "well-known",
                        "old-fashioned",
                        "ten-year-old",
                        "half-empty",
                        "twenty-page",
                        "brand-new",
                    )
                )
            )
        out.append(self.noun(theme))
        if self.chance(0.015):
            out += [
                "called",
                '"' + self.adj().capitalize() + " " + self.noun(theme).capitalize() + '"',
            ]
        return out

    def pl(self, theme: str) -> list[Token]:
        """A plural noun phrase."""
        r = self.rng.random()
        out: list[Token] = []
        if r < 0.30:
            out.append("the")
        elif r < 0.45:
            out.append(self.rng.choice(POSS))
        elif r < 0.60:
            out.append(self.one(LOTS))
        elif r < 0.72:
            out.append(self.num())
        elif r < 0.80:
            out.append(self.rng.choice(("these", "those")))
        if self.chance(0.2):
            out.append(self.adj())
        out.append(self.nouns(theme))
        return out

    def num(self) -> str:
        """A number above one."""
        r = self.rng.random()
        if r < 0.7:
            return self.rng.choice(NUMS)
        return str(self.rng.randint(2, 400)) if r < 0.95 else f"{self.rng.randint(1, 99)},000"

    def digits(self) -> str:
        """A number in digits."""
        return str(self.rng.randint(2, 99))

    def clock(self) -> str:
        """A time of day."""
        r = self.rng.random()
        if r < 0.4:
            return self.rng.choice(NUMS[:9]) + self.rng.choice((" o'clock", " o'clock", ""))
        if r < 0.8:
            return (
                f"{self.rng.randint(1, 12)}:{self.rng.choice(('00', '15', '30', '45', '10', '05'))}"
            )
        if r < 0.9:
            return f"{self.rng.randint(1, 12)} {self.rng.choice(('a.m.', 'p.m.', 'pm', 'am'))}"
        return self.rng.choice(("noon", "midnight", "half past six", "a quarter to nine", "night"))

    def price(self) -> str:
        """An amount of money."""
        n = self.rng.choice((str(self.rng.randint(2, 900)), self.rng.choice(NUMS)))
        r = self.rng.random()
        if r < 0.3 and n[0].isdigit():
            return self.rng.choice(("$", "£", "€")) + n + self.rng.choice(("", "", ".50", ",000"))
        return f"{n} {self.rng.choice(('dollars', 'euros', 'pounds', 'pesos', 'yen'))}"

    def place(self) -> list[Token]:
        """Determiner + place noun."""
        return self.sg("place", self.rng.choice(("the", "the", "the", "the", "A_", self.own)))

    def at(self) -> list[Token]:
        """Where."""
        r = self.rng.random()
        if r < 0.18:
            return [
                self.rng.choice(
                    (
                        "at home",
                        "at school",
                        "at work",
                        "here",
                        "there",
                        "outside",
                        "upstairs",
                        "in bed",
                        "at the beach",
                        "in the park",
                        "in the kitchen",
                        "downtown",
                        "in class",
                        "abroad",
                        "at university",
                        "in the garden",
                        "on the bus",
                        "everywhere",
                    )
                )
            ]
        if r < 0.34:
            return ["in", self.city() if self.chance(0.7) else self.country()]
        if r < 0.42:
            return [self.rng.choice(("with", "with", "next to", "behind", "near")), *self.person()]
        return [
            self.rng.choice(
                (
                    "in",
                    "in",
                    "at",
                    "near",
                    "behind",
                    "by",
                    "next to",
                    "in front of",
                    "outside",
                    "on",
                    "under",
                    "inside",
                    "opposite",
                )
            ),
            *self.place(),
        ]

    def to(self) -> list[Token]:
        """Where to."""
        r = self.rng.random()
        if r < 0.12:
            return ["home"]
        if r < 0.34:
            return [
                "to",
                self.rng.choice(
                    (
                        "school",
                        "work",
                        "bed",
                        "church",
                        "class",
                        "university",
                        "the beach",
                        "the park",
                        "the doctor",
                        "the cinema",
                    )
                ),
            ]
        if r < 0.5:
            return ["to", self.city() if self.chance(0.7) else self.country()]
        return [self.rng.choice(("to", "to", "to", "into", "towards")), *self.place()]

    def country(self) -> str:
        """A country or region."""
        return self.rng.choice(self.lex.names["countries"])

    def person(self) -> list[Token]:
        """A human object."""
        r = self.rng.random()
        if r < 0.28:
            return [self.rng.choice(OBJ)]
        if r < 0.45:
            return [self.name()[0]]
        if r < 0.68:
            poss = self.own if self.chance(0.5) else self.rng.choice(POSS)
            if self.chance(0.25):
                return [poss, self.rng.choice(self.lex.nouns["kinpl"])]
            return [
                poss,
                *([self.adj()] if self.chance(0.05) else []),
                self.rng.choice(self.lex.nouns["kin"])
                if not self.chance(self.open * 0.5)
                else self.noun("person"),
            ]
        if r < 0.73:
            return [
                self.rng.choice(POSS),
                self.rng.choice(self.lex.nouns["kin"]) + "'s",
                self.noun("person"),
            ]
        if r < 0.78:
            return [
                self.rng.choice(
                    (
                        "everyone",
                        "nobody",
                        "somebody",
                        "people",
                        "everybody",
                        "the whole class",
                        "the children",
                        "one of my friends",
                    )
                )
            ]
        return self.sg("person") if self.chance(0.7) else self.pl("person")

    def adverb(self) -> str:
        """A manner adverb."""
        return (
            self.rng.choice(self.lex.open_advs) if self.chance(self.open * 0.5) else self.one(ADVS)
        )

    # subjects ------------------------------------------------------------------------------------
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
        if r < 0.985:
            return NP([self.rng.choice(COLLECTIVE)], "p")
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

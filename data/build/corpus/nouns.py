"""Words and noun phrases, everyday or from the open vocabulary."""

from __future__ import annotations

import random

from .lexicon import Lexicon, plural
from .made_up import acronym, foreign, made_up
from .sentence import Token
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
VERB_NOUNS = words("verb_nouns")  # and verbs, too: a correction is no reason to touch them
VERB_NAMES = words("verb_names")
LOTS = words("lots")


class Nouns:
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
        if self.chance(0.04):
            return self.rng.choice(VERB_NOUNS)
        if self.chance(0.02):
            return f"{self.rng.choice(self.lex.nouns[theme])} {self.rng.choice(VERB_NOUNS)}"
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
        if self.chance(0.03):
            return plural(self.rng.choice(VERB_NOUNS))
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
        if self.chance(0.02):
            return self.rng.choice(VERB_NAMES), sex
        if self.chance(0.03):
            return (foreign if self.chance(0.7) else acronym)(self.rng), sex
        if self.chance(0.15 + self.open * 0.6):
            if self.chance(0.7):
                return self.rng.choice(self.lex.proper), sex
            return made_up(self.rng, self.lex.held, True), sex
        if self.chance(0.03):
            return self.rng.choice(self.lex.names["marked"]), sex
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
        if out[0] in {"the", "my", "your", "his", "her", "our"} and self.chance(0.05):
            out.append(self.rng.choice(("last", "last", "next", "first", "other", "second")))
        elif self.chance(0.2):
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

"""Places, people, times and amounts: what surrounds a verb group."""

from __future__ import annotations

from .nouns import ADVS, NUMS, OBJ, POSS, Nouns
from .sentence import Token


class Phrases(Nouns):
    """Draws phrases around nouns."""

    def digits(self) -> str:
        """A number in digits."""
        return str(self.rng.randint(2, 99))

    def figure(self) -> str:
        """A number of one to six digits."""
        n = self.rng.randint(2, 10 ** self.rng.choice((2, 2, 3, 3, 4, 5, 6)))
        return f"{n:,}" if n >= 1000 and self.chance(0.7) else str(n)

    def detail(self) -> list[Token]:
        """A number, a price or a code at the end of a clause: it is to be copied."""
        n = self.rng.randint
        r = n(0, 13)
        return [
            (
                f"at {n(1, 23)}:{n(0, 59):02}",
                f"for {self.price()}",
                f"in room {n(1, 999)}",
                f"{self.rng.choice(('on', 'until', 'before'))} the {self.ordinal()}",
                f"for {n(1, 99)}.{n(1, 9)} km",
                f"at number {n(1, 400)}",
                f"on page {n(1, 900)}",
                f"on bus {n(1, 200)}",
                "24/7",
                f"with {n(2, 99)}% of {self.own} {self.noun('thing')}",
                f"on flight {chr(n(65, 90))}{chr(n(65, 90))}{n(10, 9999)}",
                f"from {n(1, 12)} to {n(1, 12)}",
                f"with {self.figure()} {self.nouns('person')}",
                f"from platform {n(1, 20)}",
            )[r]
        ]

    def ordinal(self) -> str:
        """1st to 31st."""
        n = self.rng.randint(1, 31)
        return f"{n}{'th' if n in {11, 12, 13} else {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th')}"

    def clock(self) -> str:
        """A time of day."""
        r = self.rng.random()
        if r < 0.4:
            return self.rng.choice(NUMS[:9]) + self.rng.choice((" o'clock", " o'clock", ""))
        if r < 0.8:
            minutes = self.rng.choice(("00", "15", "30", "45", "10", "05", "50"))
            return f"{self.rng.randint(1, 23)}:{minutes}"
        if r < 0.9:
            return f"{self.rng.randint(1, 12)} {self.rng.choice(('a.m.', 'p.m.', 'pm', 'am'))}"
        return self.rng.choice(("noon", "midnight", "half past six", "a quarter to nine", "night"))

    def price(self) -> str:
        """An amount of money."""
        n = self.rng.choice((self.figure(), self.figure(), self.rng.choice(NUMS)))
        r = self.rng.random()
        if r < 0.6 and n[0].isdigit():
            cents = f".{self.rng.randint(1, 99):02}" if "," not in n and self.chance(0.2) else ""
            return self.rng.choice(("$", "£", "€")) + n + cents
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

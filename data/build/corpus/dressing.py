"""What people type around and between the words: brackets, dashes, capitals, emoji, list marks.

All of it is to come back letter for letter, so it is put into the sentence and its correction at
the same place. The explanation never speaks of it.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable
from dataclasses import replace

from .frame_joins import STARTS
from .lexicon import Lexicon
from .made_up import acronym, foreign
from .sentence import LONGEST, MOST_WORDS, Example
from .wordlists import spaced, words

MOST_BYTES = 210  # a character of another script takes two to four, and mostly as many tokens

EMOJI = ((0x1F300, 0x1F64F), (0x1F680, 0x1F6C5), (0x1F90D, 0x1F9FF), (0x2600, 0x26FF))
COMMON_EMOJI = words("emoji")
SMILEYS = words("smileys")
OPENERS = words("openers")
CLOSERS = spaced("closers")
ASIDES = spaced("asides")
TOKENS = (
    "at 10:45", "at 5 p.m.", "for €20", "for $4.99", "for £3", "(50%)", "at 20°C",
    "on www.example.com", "on https://example.org", "via e-mail", "to anna.k@example.com",
    "with @tom_99", "at info@shop.example", "in C++", "in C#", "with Python 3.11", "on GitHub",
    "in main.py", "with Wi-Fi", "24/7", "on TV", "at IKEA", "by 10%", "at no. 7", "in room 12B",
    "on the A4", "at 30 km/h", "in the USA", "for NASA", "on BBC One", "at McDonald's", "in the UK",
    "after COVID-19", "with O'Brien", "on YouTube", "in ver. 2.0.1", "by Smith & Sons", "at AT&T",
    "on page 3-4", "(p. 7)", "in H&M", "with a 4x4", "with R2-D2", "for A/B tests", "in Q3",
)  # fmt: skip
QUOTES = ("()", "[]", "**", "__", '""', "''", "“”", "«»")
ASIDE_MARKS = ("( )", "( )", "( )", "[ ]", "-  -", "–  –", "— —", "...  ...")  # cut in the middle
PAUSES = (" - ", " – ", " — ", "—", "; ", " ... ", "... ", ": ", " / ")
#: Contractions that are no other words without their apostrophe (*we're*, *I'll* would be).
SHORT = re.compile(
    r"(?i)\b([a-z]+n|i|you|they|we|he|she|that|what|let|who|there|where)"
    r"['’](t|m|ve|(?<=u.)re|(?<=y.)re|(?<!i.)s)\b"
)
TYPED_SHARE = 0.2  # of the sentences with a contraction
TAIL = re.compile(r"[.,!?;:\"'”’)]*$")


def emoji(rng: random.Random) -> str:
    """One to three emoji."""
    count = rng.choices((1, 2, 3), (8, 2, 1))[0]
    if rng.random() < 0.5:
        return "".join(rng.choices(COMMON_EMOJI, k=count))
    return "".join(chr(rng.randint(*rng.choice(EMOJI))) for _ in range(count))


def lowered(sentence: str) -> str:
    """The sentence with a small letter, where its first word is not likely to be a name."""
    first = sentence.partition(" ")[0]
    return first.lower() + sentence[len(first) :] if first in STARTS - {"I"} else sentence


def body_and_tail(text: str) -> tuple[str, str]:
    """A text without the marks at its end, and these."""
    body = TAIL.sub("", text)
    return body, text[len(body) :]


def without_apostrophes(ex: Example) -> Example:
    """dont, im, theyve: contractions as people type them who are in a hurry. The explanation, too,
    names what stands there.
    """
    if not SHORT.search(ex.sentence):
        return ex
    new = replace(
        ex,
        sentence=SHORT.sub(r"\1\2", ex.sentence),
        corrected=SHORT.sub(r"\1\2", ex.corrected),
        explanation=SHORT.sub(r"\1\2", ex.explanation),
    )
    if new.sentence[:2] in {"Im", "Iv"}:
        return replace(new, sentence="i" + new.sentence[1:], corrected="i" + new.corrected[1:])
    return new


def changed(sentence: str, at: int, length: int, change: Callable[[str], str]) -> str:
    """The sentence with `length` of its words, from number `at` on, changed together."""
    pieces = sentence.split(" ")
    span = change(" ".join(pieces[at : at + length]))
    return " ".join([*pieces[:at], span, *pieces[at + length :]])


class Dresser:
    """Dresses examples. `share`: of those that it is given."""

    def __init__(self, rng: random.Random, lex: Lexicon, share: float) -> None:
        self.rng, self.lex, self.share = rng, lex, share
        self._ways: tuple[tuple[Callable[[Example], Example | None], float], ...] = (
            (self.one_in_capitals, 1),
            (self.opened, 2),
            (self.closed, 2),
            (self.smiling, 2.5),
            (self.with_aside, 3),
            (self.marked, 2.5),
            (self.paused, 1.5),
            (self.with_token, 3),
            (self.another_name, 4),
        )

    def dress(self, ex: Example) -> Example:
        """The example, now and then with something around or between its words."""
        rng = self.rng
        if rng.random() < TYPED_SHARE:
            ex = without_apostrophes(ex)
        if rng.random() >= self.share:
            return ex
        ways, weights = zip(*self._ways, strict=True)
        new: Example | None = ex
        for way in rng.choices(ways, weights, k=rng.choice((1, 1, 1, 2))):
            new = way(new) if new else None
        if new is None or len(new.sentence) > LONGEST or len(new.sentence.split()) > MOST_WORDS:
            return ex
        spelled = len(new.sentence.encode())
        if spelled > MOST_BYTES or spelled > len(new.sentence) + 40:
            return ex
        return new if new.sentence.isprintable() else ex

    @staticmethod
    def both(ex: Example, change: Callable[[str], str]) -> Example:
        """The same change on both sides."""
        return replace(ex, sentence=change(ex.sentence), corrected=change(ex.corrected))

    def one_in_capitals(self, ex: Example) -> Example | None:
        """She REALLY likes it."""
        return self.at_word(ex, str.upper, longest=1)

    def opened(self, ex: Example) -> Example:
        """1. She likes it."""
        r = self.rng.random()
        if r < 0.75:
            mark = self.rng.choice(OPENERS)
        elif r < 0.9:
            mark = self.rng.choice(self.lex.names[self.rng.choice("mf")]) + ":"
        else:
            mark = emoji(self.rng)
        goes_on = mark[-1] == "," or mark in SMILEYS
        return self.both(ex, lambda s: f"{mark} {lowered(s) if goes_on else s}")

    def closed(self, ex: Example) -> Example:
        """She likes it (really)."""
        mark = self.rng.choice(CLOSERS)
        keep = self.rng.random() < 0.4 and mark[0] == " "
        return self.both(ex, lambda s: (s if keep else s.rstrip(".!?")) + mark)

    def smiling(self, ex: Example) -> Example:
        """She likes it 😊."""
        r, rng = self.rng.random(), self.rng
        mark = emoji(rng) if r < 0.7 else rng.choice(SMILEYS)
        gap = "" if r < 0.15 else " "
        bare = rng.random() < 0.4
        return self.both(ex, lambda s: (s.rstrip(".") if bare else s) + gap + mark)

    def with_aside(self, ex: Example) -> Example | None:
        """Tom (my brother) likes it."""
        rng = self.rng
        marks = rng.choice(ASIDE_MARKS)
        left, right = marks[: len(marks) // 2], marks[-(len(marks) // 2) :]
        r = rng.random()
        if r < 0.5:
            said = rng.choice(ASIDES)
        elif r < 0.7:
            said = rng.choice(("the ", "a ", "my ", "")) + rng.choice(self.lex.open_nouns)[0]
        elif r < 0.85:
            said = rng.choice(self.lex.proper)
        elif r < 0.95:
            said = str(rng.randint(1, 2100))
        else:
            said = acronym(rng)
        aside = f"{left}{said}{right}"
        at = self.gap(ex)
        if at is None:
            return None

        def put(s: str) -> str:
            before, after = (" ".join(part) for part in (s.split(" ")[:at], s.split(" ")[at:]))
            return before + aside + after if left == "—" else f"{before} {aside} {after}"

        return self.both(ex, put)

    def marked(self, ex: Example) -> Example | None:
        """She likes (red) wine."""
        left, right = tuple(self.rng.choice(QUOTES))

        def mark(span: str) -> str:
            body, tail = body_and_tail(span)
            return left + body + right + tail

        if self.rng.random() < 0.15:
            return self.both(ex, lambda s: left + s + right)
        return self.at_word(ex, mark, longest=3)

    def paused(self, ex: Example) -> Example | None:
        """She left - he stayed."""
        rng = self.rng
        commas = ex.sentence.count(", ")
        if commas == 0 or commas != ex.corrected.count(", "):
            if (
                ex.sentence.count(" and ") != ex.corrected.count(" and ")
                or " and " not in ex.sentence
            ):
                return None
            other = rng.choice((" & ", " & ", " + ", "/", " and/or "))
            return self.both(ex, lambda s: s.replace(" and ", other, 1))
        pause = rng.choice(PAUSES)
        return self.both(ex, lambda s: s.replace(", ", pause, 1))

    def with_token(self, ex: Example) -> Example | None:
        """She likes it at 10:45."""
        rng = self.rng
        r = rng.random()
        if r < 0.6:
            token = rng.choice(TOKENS)
        elif r < 0.85:
            token = rng.choice(("in ", "with ", "from ", "at ", "near ")) + foreign(rng)
        else:
            token = rng.choice(("for ", "at ", "with the ", "by ")) + acronym(rng)
        if ex.sentence.endswith("?") and rng.random() < 0.5:
            return None

        def put(s: str) -> str:
            body, tail = body_and_tail(s)
            return f"{body} {token}{tail}"

        return self.both(ex, put)

    def another_name(self, ex: Example) -> Example | None:
        """東京 likes it: another word for one that begins with a capital."""
        rng = self.rng
        new = foreign(rng) if rng.random() < 0.7 else acronym(rng)
        places = [
            i
            for i in self.same(ex)
            if i and re.fullmatch(r"[A-Z][a-z]+[.,!?]?", ex.sentence.split(" ")[i])
        ]
        if not places:
            return None
        at = rng.choice(places)

        def rename(word: str) -> str:
            return new + word.lstrip(string.ascii_letters)

        return self.both(ex, lambda s: changed(s, at, 1, rename))

    def at_word(self, ex: Example, change: Callable[[str], str], longest: int) -> Example | None:
        """Change a span of words that both sides share."""
        same = set(self.same(ex))
        length = self.rng.randint(1, longest)
        starts = [i for i in same if all(i + k in same for k in range(length))]
        if not starts:
            return None
        at = self.rng.choice(sorted(starts))
        return self.both(ex, lambda s: changed(s, at, length, change))

    def gap(self, ex: Example) -> int | None:
        """A place between two words, at the same index on both sides."""
        count = len(ex.sentence.split(" "))
        if count != len(ex.corrected.split(" ")) or count < 3:
            return None
        return self.rng.randrange(1, count)

    @staticmethod
    def same(ex: Example) -> list[int]:
        """Which words the correction does not change and the explanation does not name."""
        wrong, right = ex.sentence.split(" "), ex.corrected.split(" ")
        if len(wrong) != len(right):
            return []
        why = ex.explanation.lower()
        return [
            i
            for i, (a, b) in enumerate(zip(wrong, right, strict=True))
            if a == b and body_and_tail(a.lower())[0] not in why
        ]

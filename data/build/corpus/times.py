"""Time adverbials by tense, and which of them mark the past."""

from __future__ import annotations

from .nouns import DAYS, MONTHS, NUMS
from .phrases import Phrases
from .wordlists import words

PAST_PLAIN = words("past_plain")
NOW = words("now")
HABIT = words("habit")
FUTURE = words("future")
NEUTRAL = words("neutral")
PERFECT = words("perfect")
CHILD = (
    "when I was a child",
    "when I was young",
    "when he was a boy",
    "when she was young",
    "when we were children",
    "when I was ten",
    "when they were little",
    "when I was a kid",
    "as a child",
    "when you were little",
    "when I was at school",
    "when we lived there",
    "when I was six",
    "when she was twelve",
    "when he was at university",
    "when my parents were young",
    "in my childhood",
    "when we were students",
    "when I was your age",
)


def past_time(p: Phrases, rich: bool = True) -> str:
    """An adverbial that marks the past by itself."""
    r = p.rng.random()
    if r < 0.55 or not rich:
        return p.one(PAST_PLAIN)
    if r < 0.70:
        unit = p.rng.choice(("days", "weeks", "months", "years", "hours", "minutes"))
        return f"{p.rng.choice(NUMS) if p.chance(0.7) else p.digits()} {unit} ago"
    if r < 0.80:
        return p.rng.choice(
            (
                f"in {p.rng.randint(1850, 2022)}",
                f"in {p.rng.randint(1850, 2022)}",
                f"in the {p.rng.randint(5, 9)}0s",
                f"in the {p.rng.choice(('sixties', 'seventies', 'eighties', 'nineties'))}",
                f"on {p.rng.choice(MONTHS)} {p.rng.randint(1, 31)}, {p.rng.randint(1900, 2020)}",
            )
        )
    if r < 0.83:
        return f"when {p.rng.choice(('I was', 'she was', 'he was'))} {p.rng.randint(4, 30)}"
    if r < 0.92:
        return f"last {p.rng.choice((*DAYS, *DAYS, *MONTHS, 'spring', 'autumn', 'Christmas'))}"
    return p.rng.choice(CHILD)


def time_for(p: Phrases, tense: str) -> str:
    """A time adverbial that goes with a tense (past, pres, now, future, perfect, none)."""
    if tense == "past":
        if p.chance(0.6):
            return past_time(p)
        return p.rng.choice(
            (
                p.one(NEUTRAL),
                f"on {p.rng.choice(DAYS)}",
                f"at {p.clock()}",
                f"in {p.rng.choice(MONTHS)}",
                "this morning",
                "one day",
                f"on {p.rng.choice(MONTHS)} {p.rng.randint(1, 31)}",
                "that day",
                f"on {p.rng.randint(1, 31)} {p.rng.choice(MONTHS)}",
                f"for {p.rng.choice(NUMS)} years",
                "in those days",
                "then",
            )
        )
    if tense == "now":
        return p.one(NOW)
    if tense == "pres":
        return p.one(HABIT) if p.chance(0.8) else f"at {p.clock()}"
    if tense == "future":
        return p.one(FUTURE) if p.chance(0.7) else p.one(NEUTRAL)
    if tense == "perfect":
        if p.chance(0.2):
            return f"for {p.rng.choice(NUMS)} {p.rng.choice(('years', 'days', 'weeks', 'months'))}"
        return p.one(PERFECT)
    return p.one(NEUTRAL)

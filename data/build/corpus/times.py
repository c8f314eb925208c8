"""Time adverbials by tense, and which of them mark the past."""

from __future__ import annotations

from .phrases import DAYS, MONTHS, NUMS, Phrases

PAST_PLAIN = ("yesterday yesterday@morning yesterday@evening last@night last@week last@month last@year "
              "last@summer last@winter the@day@before@yesterday an@hour@ago a@week@ago a@year@ago "
              "a@month@ago yesterday last@night last@week long@ago a@few@days@ago "
              "a@long@time@ago yesterday@afternoon last@weekend a@minute@ago").split()
NOW = "now right@now at@the@moment today".split()
HABIT = ("every@day every@morning every@week every@night every@year on@Sundays on@weekends twice@a@week "
         "once@a@month in@the@morning in@the@evening after@school at@night every@summer in@winter "
         "three@times@a@day on@Saturday@mornings after@work these@days").split()
FUTURE = ("tomorrow next@week tonight soon next@year tomorrow@morning next@summer one@day "
          "in@two@days this@weekend later").split()
NEUTRAL = ("in@the@morning after@lunch before@breakfast together for@two@hours all@day on@Monday "
           "in@the@afternoon for@a@while again after@dinner during@the@holidays at@night").split()
PERFECT = ("twice many@times before this@week since@2015 for@three@years since@Monday lately "
           "for@a@long@time recently so@far since@last@year for@two@hours today").split()
CHILD = ("when I was a child", "when I was young", "when he was a boy", "when she was young",
         "when we were children", "when I was ten", "when they were little", "when I was a kid", "when you were little", "when I was at school",
         "when we lived there")


def past_time(p: Phrases, rich: bool = True) -> str:
    """An adverbial that marks the past by itself."""
    r = p.rng.random()
    if r < 0.55 or not rich:
        return p.one(PAST_PLAIN)
    if r < 0.70:
        unit = p.rng.choice(("days", "weeks", "months", "years", "hours", "minutes"))
        return f"{p.rng.choice(NUMS) if p.chance(0.7) else p.digits()} {unit} ago"
    if r < 0.80:
        return p.rng.choice((f"in {p.rng.randint(1850, 2022)}", f"in {p.rng.randint(1850, 2022)}",
                             f"in the {p.rng.randint(5, 9)}0s", f"on {p.rng.choice(MONTHS)} "
                             f"{p.rng.randint(1, 31)}, {p.rng.randint(1900, 2020)}"))
    if r < 0.92:
        return f"last {p.rng.choice((*DAYS, *DAYS, *MONTHS, 'spring', 'autumn', 'Christmas'))}"
    return p.rng.choice(CHILD)


def time_for(p: Phrases, tense: str) -> str:
    """A time adverbial that goes with a tense (past, pres, now, future, perfect, none)."""
    if tense == "past":
        if p.chance(0.6):
            return past_time(p)
        return p.rng.choice((p.one(NEUTRAL), f"on {p.rng.choice(DAYS)}", f"at {p.clock()}",
                             f"in {p.rng.choice(MONTHS)}", "this morning", "one day",
                             f"on {p.rng.choice(MONTHS)} {p.rng.randint(1, 31)}", "that day",
                             f"on {p.rng.randint(1, 31)} {p.rng.choice(MONTHS)}",
                             f"for {p.rng.choice(NUMS)} years", "in those days", "then"))
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

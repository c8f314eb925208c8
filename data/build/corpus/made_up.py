"""Made-up words, from syllables."""

from __future__ import annotations

import random

from .lexicon import held_out
from .wordlists import words

_ON = [*words("on"), ""]
_NU = words("nu")
_CO = ["", "", "", "", *words("co")]
_ACC = {"a": "á", "e": "é", "i": "í", "o": "ö", "u": "ü", "n": "ñ", "c": "ç"}


def made_up(rng: random.Random, held: bool, name: bool = False) -> str:
    """A made-up word of one to four syllables."""
    while True:
        n = rng.choices((1, 2, 3, 4), (2, 5, 3, 1))[0]
        w = "".join(
            rng.choice(_ON)
            + rng.choice(_NU)
            + (rng.choice(_CO) if i == n - 1 or rng.random() < 0.3 else "")
            for i in range(n)
        )
        if not 3 <= len(w) <= 12 or w.endswith(("s", "x", "sh", "th", "ed", "ch", "ing")):
            continue
        if name:
            if rng.random() < 0.15:
                i = rng.randrange(len(w))
                w = w[:i] + _ACC.get(w[i], w[i]) + w[i + 1 :]
            w = w.capitalize()
        if held_out(w) == held:
            return w

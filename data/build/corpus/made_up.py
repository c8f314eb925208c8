"""Made-up words, from syllables or from other alphabets, and abbreviations."""

from __future__ import annotations

import random

from .lexicon import held_out
from .wordlists import words

_ON = [*words("on"), ""]
_NU = words("nu")
_CO = ["", "", "", "", *words("co")]
_ACC = {"a": "á", "e": "é", "i": "í", "o": "ö", "u": "ü", "n": "ñ", "c": "ç"}

#: Alphabets whose letters other names are spelled with: first and last code point.
SCRIPTS = (
    (0x3B1, 0x3C9),  # Greek
    (0x430, 0x44F),  # Cyrillic
    (0x5D0, 0x5EA),  # Hebrew
    (0x627, 0x64A),  # Arabic
    (0x915, 0x939),  # Devanagari
    (0xE01, 0xE2E),  # Thai
    (0x10D0, 0x10F0),  # Georgian
    (0x3041, 0x3093),  # Hiragana
    (0x30A1, 0x30F3),  # Katakana
    (0x4E00, 0x9FA5),  # Chinese characters
    (0xAC00, 0xD7A3),  # Hangul
)
ACCENTED = (
    "àáâãäåæçèéêëìíîïðñòóôõöøùúûüýþÿāăąćčďđēęěğģīįıķļłńņňőœŕřśşšţťūůűųźżžơưạảấầẩậắằẵặ"
    "ẹẻẽếềểệỉịọỏốồổộớờởợụủứừữựỳỷỹßÁÅÇÉÍÎÓÖØÚÜÝČĐŁŘŚŞŠŽĐẤ"
)


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


def acronym(rng: random.Random) -> str:
    """Two to five capitals."""
    return "".join(rng.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=rng.choice((2, 3, 3, 3, 4, 4, 5))))


def foreign(rng: random.Random) -> str:
    """A made-up word with letters that English has not."""
    if rng.random() < 0.4:
        word = list(made_up(rng, held=False))
        for _ in range(rng.choice((1, 1, 2))):
            word[rng.randrange(len(word))] = rng.choice(ACCENTED)
        text = "".join(word)
        return text[0].upper() + text[1:]
    first, last = rng.choice(SCRIPTS)
    length = rng.randint(2, 3 if first >= 0x4E00 else 6)
    return "".join(chr(rng.randint(first, last)) for _ in range(length))

"""Tokens of a sentence, the planted error, and how both are printed."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field

MOST_WORDS, LONGEST = 26, 190  #: of an example; the second in characters
VOWEL_AN = re.compile(r"^(?:[aeiouáéíóúöü]|hour|honest|honou?r|heir|8|11|18)", re.I)
NOT_AN = re.compile(r"^(?:uni(?!n|m)|use|usu|eu|ewe|one\b|once|ukulele|uto|ub|11\d)", re.I)


@dataclass(eq=False)
class W:
    """A word of a verb group, which may carry the error."""

    right: str
    wrong: str | None = None


Token = str | W


@dataclass(frozen=True)
class Err:
    """The planted error: its kind, the verb's lemma, and the explanation."""

    kind: str
    lemma: str
    why: str


@dataclass
class NP:
    """A noun phrase. number 's' or 'p', person 1 to 3."""

    toks: list[Token]
    num: str = "s"
    per: int = 3
    pron: str = ""
    own: str = "their"
    refl: str = "themselves"
    human: bool = True
    firm: bool = True  # the number is beyond doubt

    @property
    def third(self) -> bool:
        """Third person singular."""
        return self.num == "s" and self.per == 3


@dataclass
class Style:
    """Surface choices that the correction must keep."""

    end: str = "."
    lower_start: bool = False
    lower_all: bool = False
    curly: bool = False


def is_an(word: str) -> bool:
    """Whether the article before `word` is *an*."""
    return bool(VOWEL_AN.match(word)) and not NOT_AN.match(word)


def join(words: list[str], style: Style) -> str:
    """Print words as a sentence in the given style."""
    out: list[str] = []
    flat = [p for w in words for p in w.split(" ") if p]
    for i, piece in enumerate(flat):
        w = piece
        if w == "A_":
            w = "an" if i + 1 < len(flat) and is_an(flat[i + 1].strip("\"'")) else "a"
        if out and (
            w[0] in ",.?!;:"
            or (w.startswith("'") and len(w) > 1 and w[1:] in {"s", "m", "re", "ve", "ll", "d"})
        ):
            out[-1] += w
        else:
            out.append(w)
    text = " ".join(out) + style.end
    text = re.sub(
        r"([.!?]) ([a-z])",
        lambda m: m[1] + " " + m[2].upper() if cap_after(text, m.start()) else m[0],
        text,
    )
    if style.lower_all:
        text = text.lower()
    elif not style.lower_start:
        m = re.search(r"\w", text)
        if m:
            text = text[: m.start()] + text[m.start()].upper() + text[m.start() + 1 :]
    if style.curly:
        text = text.replace("'", "’")
    return text


def cap_after(text: str, dot: int) -> bool:
    """Whether the mark at `dot` ends a sentence rather than a title or an hour."""
    return not text[:dot].endswith(("Mr", "Mrs", "Ms", "Dr", "St", "a.m", "p.m"))


def render(tokens: list[Token], style: Style) -> tuple[str, str]:
    """(as written, corrected)."""
    wrong = [t if isinstance(t, str) else (t.wrong or t.right) for t in tokens]
    right = [t if isinstance(t, str) else t.right for t in tokens]
    return join(wrong, style), join(right, style)


def draw_style(rng: random.Random, question: bool) -> Style:
    """Random surface choices, the usual ones most often."""
    r = rng.random()
    plain = "." if r < 0.70 else "!" if r < 0.74 else ""
    end = ("?" if r < 0.85 else "") if question else plain
    if end and rng.random() < 0.02:
        end = {"!": "!!", "?": rng.choice(("??", "?!")), ".": "..."}[end]
    r = rng.random()
    return Style(end, r < 0.07, 0.07 <= r < 0.15, rng.random() < 0.06)


@dataclass
class Example:
    """One line of the corpus."""

    sentence: str
    corrected: str
    explanation: str
    kind: str
    lemma: str
    tags: list[str] = field(default_factory=list)

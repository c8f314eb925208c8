"""What a correction leaves as it was: held to the sentence by rule, not only by training.

The model writes the whole sentence anew, and now and then something that it had only to copy comes
out bent: a name, an emoji, a word beside the verb. But whatever word a correction exchanges, its
explanation names; no sentence that the model has learned from is an exception. So an answer can be
held to its own explanation, and what is not named there is put back.

What does not matter for the grammar is not shown to the model at all. A sentence that is mostly in
capitals is asked about in small letters, of which the model knows far more; and where there is a
word in another script, or an address, it reads a name. All of it comes back with the answer.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import NamedTuple

#: The explanation of a sentence that is right.
NO_CHANGE = "No change is needed."

#: What stands for words in other scripts and for addresses; if there are more, the others stay.
_STAND_INS = ("Anna", "Peter", "Maria", "David", "Laura", "Martin", "Julia", "Thomas")

# The vowel signs of Hindi, say, are no letters to Python; they are in the ranges named here.
_LETTERS = r"(?:[^\W_]|[\u0300-\u1aff\ua800-\uabff])+"
_ADDRESS = re.compile(r"\S*(?:@|://|\bwww\.)\S*[\w/]")
_PIECE = re.compile(rf"{_ADDRESS.pattern}|(?<=\w)['’]{_LETTERS}|{_LETTERS}|\s+|[^\w\s]|_")
_WRITTEN_OUT = {
    "'m": ("am",),
    "'re": ("are",),
    "'s": ("is", "has"),
    "'ve": ("have",),
    "'d": ("had", "would"),
    "'ll": ("will",),
}


class Stretch(NamedTuple):
    """Some pieces of the sentence, what the model wrote there, and whether it named that change."""

    old: list[str]
    new: list[str]
    named: bool


class Asked:
    """A sentence, and how the model is to read it (`text`)."""

    def __init__(self, sentence: str) -> None:
        self._pieces = _pieces(sentence)
        self._stand_ins = _stand_ins_for(self._pieces)
        words = [piece for piece in self._pieces if len(piece) > 1 and _is_latin(piece)]
        self._in_capitals = 2 * sum(map(str.isupper, words)) > len(words)
        self._shown = [self._in_case(self._stand_ins.get(p, p)) for p in self._pieces]
        self.text = "".join(self._shown)

    def held_to(self, explanation: str, corrected: str) -> str | None:
        """`corrected` without the changes that `explanation` does not name, in the own letters.

        Where it names none of the changes, it may as well be the explanation that is wrong: a word
        put in for another stays. If more has changed, the two do not belong together: None.
        """
        stretches = self._stretches(corrected, {_plain(piece) for piece in _pieces(explanation)})
        some_named = any(stretch.named for stretch in stretches)
        kept: list[str] = []
        for old, new, is_named in stretches:
            words = sum(map(_is_latin, old)), sum(map(_is_latin, new))
            if is_named or (words == (1, 1) and not some_named):
                kept += new
            elif some_named or old == new or words == (0, 0) or explanation == NO_CHANGE:
                kept += old
            else:
                return None
        return "".join(kept)

    def in_own_words(self, explanation: str) -> str:
        """`explanation` with the words that others stood for."""
        for word, stand_in in self._stand_ins.items():
            found = re.compile(rf"\b{stand_in}\b", re.IGNORECASE)
            explanation = word.join(found.split(explanation))
        return explanation

    def _stretches(self, corrected: str, named: set[str]) -> list[Stretch]:
        """The sentence from its begin to its end, beside what the model made of it."""
        written = _pieces(self._in_case(corrected))
        matcher = SequenceMatcher(None, self._shown, written, autojunk=False)
        stretches = []
        for what, i, j, k, m in matcher.get_opcodes():
            old, new = self._pieces[i:j], written[k:m]
            if what == "equal":
                stretches.append(Stretch(old, old, named=False))
                continue
            if self._in_capitals and all(piece == piece.upper() for piece in old):
                new = [piece.upper() for piece in new]
            stretches.append(_change(old, new, named))
        return stretches

    def _in_case(self, text: str) -> str:
        return text.lower() if self._in_capitals else text


def _stand_ins_for(pieces: list[str]) -> dict[str, str]:
    """A name that is not in the sentence for each address and each word in another script."""
    used = {piece.lower() for piece in pieces}
    names = [name for name in _STAND_INS if name.lower() not in used]
    hidden = [
        piece
        for piece in dict.fromkeys(pieces)
        if _ADDRESS.fullmatch(piece) or (piece[0].isalpha() and not _is_latin(piece))
    ]
    return dict(zip(hidden, names, strict=False))


def _change(old: list[str], new: list[str], named: set[str]) -> Stretch:
    """Whether the words put in are named; where none are put in, those taken out.

    If one word stands for several that are not named, it replaces the one that is most like it.
    """
    put_in, taken_out = list(filter(_is_latin, new)), list(filter(_is_latin, old))
    if not _are_named(put_in or taken_out, named):
        return Stretch(old, new, named=False)
    if len(new) == 1 and len(taken_out) > 1 and not _are_named(taken_out, named):
        likeness = [SequenceMatcher(None, piece, new[0]).ratio() for piece in old]
        place = likeness.index(max(likeness))
        new = [*old[:place], *new, *old[place + 1 :]]
    return Stretch(old, new, named=True)


def _are_named(words: list[str], named: set[str]) -> bool:
    return bool(words) and all(
        not named.isdisjoint((_plain(word), *_WRITTEN_OUT.get(_plain(word), ()))) for word in words
    )


def _pieces(text: str) -> list[str]:
    """Words, spaces and single marks; together they are the text. `He's` is two: `He` and `'s`."""
    return _PIECE.findall(text)


def _is_latin(piece: str) -> bool:
    """Whether it has a Latin letter: nothing else can be a verb."""
    return re.search(r"[A-Za-zÀ-ɏ]", piece) is not None


def _plain(piece: str) -> str:
    """A piece in small letters, with a straight apostrophe."""
    return piece.lower().replace("’", "'")

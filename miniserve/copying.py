"""What a correction leaves as it was: held to the sentence by rule, not only by training.

The model writes the whole sentence anew, and now and then something that it had only to copy comes
out bent: a name, an emoji, a word beside the verb. But whatever word a correction exchanges, its
explanation names; no sentence that the model has learned from is an exception. So an answer can be
held to its own explanation, and what is not named there is put back.

Capitals are no part of grammar either. A sentence that is mostly in capitals is given to the model
in small letters, of which it knows far more, and gets its capitals back with the answer.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import NamedTuple

#: The explanation of a sentence that is right.
NO_CHANGE = "No change is needed."

_PIECE = re.compile(r"(?<=\w)['’][^\W_]+|[^\W_]+|\s+|[^\w\s]|_")
_WRITTEN_OUT = {
    "'m": ("am",),
    "'re": ("are",),
    "'s": ("is", "has"),
    "'ve": ("have",),
    "'d": ("had", "would"),
    "'ll": ("will",),
}


def in_capitals(sentence: str) -> bool:
    """Whether more than half of the words are in capitals; single letters are not counted."""
    words = [word for word in _pieces(sentence) if len(word) > 1 and word.isalpha()]
    return 2 * sum(word.isupper() for word in words) > len(words)


def as_asked(sentence: str) -> str:
    """The sentence as the model is to read it: in small letters if it was in capitals."""
    return sentence.lower() if in_capitals(sentence) else sentence


def _pieces(text: str) -> list[str]:
    """Words, spaces and single marks; together they are the text. `He's` is two: `He` and `'s`."""
    return _PIECE.findall(text)


class _Stretch(NamedTuple):
    """Some pieces of the sentence, what the model wrote there, and whether it named that change."""

    old: list[str]
    new: list[str]
    named: bool


def held_to_explanation(sentence: str, corrected: str, explanation: str) -> str | None:
    """`corrected` without the changes that `explanation` does not name, in the sentence's capitals.

    Where it names none of the changes, it may as well be the explanation that is wrong: a word put
    in for another stays. If more than that has changed, the two do not belong together: None.
    """
    capitals = in_capitals(sentence)
    before = _pieces(sentence)
    after = _pieces(corrected.lower() if capitals else corrected)
    known = [piece.lower() for piece in before] if capitals else before
    named = {_plain(piece) for piece in _pieces(explanation)}
    stretches = []
    matcher = SequenceMatcher(None, known, after, autojunk=False)
    for what, i, j, k, m in matcher.get_opcodes():
        old, new = before[i:j], after[k:m]
        if what == "equal":
            stretches.append(_Stretch(old, old, named=False))
            continue
        if capitals and all(piece == piece.upper() for piece in old):
            new = [piece.upper() for piece in new]
        stretches.append(_change(old, new, named))
    some_named = any(stretch.named for stretch in stretches)
    kept: list[str] = []
    for old, new, is_named in stretches:
        words = sum(map(_is_word, old)), sum(map(_is_word, new))
        if is_named or (words == (1, 1) and not some_named):
            kept += new
        elif some_named or old == new or words == (0, 0) or explanation == NO_CHANGE:
            kept += old
        else:
            return None
    return "".join(kept)


def _change(old: list[str], new: list[str], named: set[str]) -> _Stretch:
    """Whether the words put in are named; where none are put in, those taken out.

    If one word stands for several that are not named, it replaces the one that is most like it.
    """
    put_in, taken_out = list(filter(_is_word, new)), list(filter(_is_word, old))
    if not _are_named(put_in or taken_out, named):
        return _Stretch(old, new, named=False)
    if len(new) == 1 and len(taken_out) > 1 and not _are_named(taken_out, named):
        likeness = [SequenceMatcher(None, piece, new[0]).ratio() for piece in old]
        place = likeness.index(max(likeness))
        new = [*old[:place], *new, *old[place + 1 :]]
    return _Stretch(old, new, named=True)


def _are_named(words: list[str], named: set[str]) -> bool:
    return bool(words) and all(
        not named.isdisjoint((_plain(word), *_WRITTEN_OUT.get(_plain(word), ()))) for word in words
    )


def _is_word(piece: str) -> bool:
    """Whether it has a Latin letter: nothing else can be a verb."""
    return re.search(r"[A-Za-zÀ-ɏ]", piece) is not None


def _plain(piece: str) -> str:
    """A piece in small letters, with a straight apostrophe."""
    return piece.lower().replace("’", "'")

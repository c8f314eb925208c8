"""What a correction leaves as it was: held to the sentence by rule, not only by training.

The model writes the whole sentence anew, and now and then something that it had only to copy comes
out bent: a name, an emoji, a word left out or written twice. So its sentence is laid beside the one
that was sent, and what cannot be a correction is put back. A correction exchanges a word for
another, or takes an auxiliary out, puts one in or moves it; and whatever it does, the explanation
mostly names.

What does not matter for the grammar is not shown to the model at all. A sentence that is mostly in
capitals is asked about in small letters, of which the model knows far more; and where there is a
word in another script, or an address, it reads a name. All of it comes back with the answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

#: The explanation of a sentence that is right.
NO_CHANGE = "No change is needed."

#: What stands for words in other scripts and for addresses; if there are more, the others stay.
_STAND_INS = ("Anna", "Peter", "Maria", "David", "Laura", "Martin", "Julia", "Thomas")

#: Of 200 letters of English are some 80 pieces; to compare ".,.,." with ",,,,," takes cubic time.
_MOST_PAIRS = 20_000

#: Two forms of one verb, mostly, as similar as this: *wait* and *waiting*, not *go* and *went*.
_ALIKE = 0.6

#: What joins letters (Persian, Hindi) or emoji (a family of three).
JOINERS = "\u200c\u200d"

# The vowel signs of Hindi, say, are no letters to Python; they are in the ranges named here.
_SIGNS = rf"[\u0300-\u1aff\ua800-\uabff{JOINERS}]"
_LETTERS = rf"(?:[^\W_]|{_SIGNS})+"
_ADDRESS = re.compile(rf"(?<!\S)\S*(?:@|://|\bwww\.)\S*(?:[\w/]|{_SIGNS})")  # tried once a word
_PIECE = re.compile(rf"{_ADDRESS.pattern}|(?<=\w)['’]{_LETTERS}|{_LETTERS}|\s+|[^\w\s]|_")
_QUOTED = re.compile(r"(?<!\w)'(.+?)'(?!\w)")
_VERDICT = re.compile(rf"(not )?{_QUOTED.pattern}( becomes)?")  # of what is called wrong
_BECOMES = re.compile(rf"{_QUOTED.pattern} becomes {_QUOTED.pattern}")
_BASE_FORM = re.compile(r"base form '(\w+)'")
_MAY_GO = {
    *("am", "is", "are", "was", "were", "be", "been"),
    *("do", "does", "did", "have", "has", "had", "will", "to"),
}
_MAY_MOVE = _MAY_GO | {"can", "could", "would", "should", "must", "may", "might", "'t"}
_MAY_MOVE |= {"didn", "don", "doesn", "isn", "aren", "wasn", "weren", "hasn", "haven", "couldn"}
_MAY_MOVE |= {"won", "wouldn", "shouldn"}
_PRONOUNS = {"i", "you", "he", "she", "it", "we", "they"}
_WRITTEN_OUT = {
    "'m": ("am",),
    "'re": ("are",),
    "'s": ("is", "has"),
    "'ve": ("have",),
    "'d": ("had", "would"),
    "'ll": ("will",),
}
_NEGATED = (
    *("is", "are", "was", "were", "has", "have", "had", "does", "did"),
    *("could", "would", "should", "must"),
)
_CONTRACTED = (
    *("i'm", "i've", "you're", "you've", "you'll", "he's", "she's", "we've"),
    *("they're", "they've", "they'll", "that's", "there's", "what's"),
)
#: What a piece can stand for besides: *isn* (of *isn't*), and what is typed without its apostrophe.
#: *Don* and *won* are words of their own.
_MEANS = {
    **{f"{verb}n": (verb,) for verb in _NEGATED},
    **{f"{verb}nt": (verb, f"{verb}n") for verb in _NEGATED},
    **{"dont": ("do", "don"), "wont": ("will", "won"), "cant": ("can",)},
    **{
        first + end: (first, *_WRITTEN_OUT[f"'{end}"])
        for first, end in (word.split("'") for word in _CONTRACTED)
    },
}
_NOT = {"not", "cannot", "'t", "cant", "dont", "wont", *(f"{verb}nt" for verb in _NEGATED)}


class _Change(NamedTuple):
    """A stretch of the sentence: its pieces, how they were shown, and what was written for them;
    and the word that follows.
    """

    old: list[str]
    shown: list[str]
    new: list[str]
    following: str

    @property
    def of_words(self) -> bool:
        """Whether words changed, and not only marks or spaces."""
        return self.shown != self.new and bool(_words(self.shown + self.new))


class Asked:
    """A sentence, and how the model is to read it (`text`)."""

    def __init__(self, sentence: str) -> None:
        self._pieces = _pieces(sentence)
        self._stand_ins = _stand_ins_for(self._pieces)
        words = [piece for piece in self._pieces if len(piece) > 1 and _is_latin(piece)]
        self._in_capitals = 2 * sum(map(str.isupper, words)) > len(words)
        self._shown = [self._in_case(self._stand_ins.get(p, p)) for p in self._pieces]
        self.text = "".join(self._shown)

    def held(self, corrected: str, explanation: str) -> str | None:
        """`corrected` with what is no correction put back; None if it is not what was explained.

        That is so where an error is explained, and of what changed in the words nothing may stand;
        and where there is too much to compare, as no sentence of English has it.

        Where the explanation names a change, one that it does not name is put back too: such a
        change is the right correction of a second error far less often than an innocent word bent.
        Where it says that there is none, a word that is only left out comes back.
        """
        written = _pieces(self._in_case(corrected))
        if written != self._shown and len(written) * len(self._shown) > _MOST_PAIRS:
            return None
        changes = list(self._changes(written))
        named = _named_in(explanation) | _moved(changes)
        standing = [c for c in changes if c.shown != c.new and _may_stand(c, named)]
        if _negatives(written) < _negatives(self._shown) and not _affirms(explanation):
            standing = [c for c in standing if _negatives(c.new) >= _negatives(c.shown)]
        if explanation == NO_CHANGE:
            standing = [c for c in standing if _is_named(c, named, explanation) or _words(c.new)]
        standing = [c for c in standing if _is_named(c, named, explanation)] or standing
        if explanation != NO_CHANGE and not standing and any(c.of_words for c in changes):
            return None
        return "".join(
            self._in_place_of(change, named) if change in standing else "".join(change.old)
            for change in changes
        )

    def in_own_words(self, explanation: str) -> str:
        """`explanation` with the words that others stood for, and no blank inside its quotes."""
        explanation = _QUOTED.sub(lambda found: f"'{found[1].strip()}'", explanation)
        own = {name.lower(): word for word, name in self._stand_ins.items()}
        if not own:
            return explanation
        names = re.compile(rf"\b({'|'.join(own)})\b", re.IGNORECASE)
        return names.sub(lambda found: own.get(found[1].lower(), found[1]), explanation)

    def _changes(self, written: list[str]) -> Iterator[_Change]:
        """From begin to end, what is as it was too."""
        matcher = SequenceMatcher(None, self._shown, written, autojunk=False)
        for _, i, j, k, m in matcher.get_opcodes():
            following = next(filter(_is_latin, self._shown[j:]), "")
            yield _Change(self._pieces[i:j], self._shown[i:j], written[k:m], following)

    def _in_place_of(self, change: _Change, named: set[str]) -> str:
        """What was written, in the sentence's letters.

        If one word stands for several, those that may go are gone, but for the one it replaces.
        """
        own = {self._in_case(name): word for word, name in self._stand_ins.items()}
        new = [own.get(piece, piece) for piece in change.new]
        if self._in_capitals and all(piece == piece.upper() for piece in change.old):
            new = [piece.upper() for piece in new]
        places = [place for place, piece in enumerate(change.shown) if _is_latin(piece)]
        if len(places) < 2 or len(new) != 1 or not _is_latin(new[0]):
            return "".join(new)
        replaced = _replaced(change, places, named)
        gone = {p for p in places if p != replaced and _may_go(change.old[p], named)}
        kept: list[str] = []
        for place, piece in enumerate(change.old):
            second = piece.isspace() and place - 1 in gone and (not kept or kept[-1].isspace())
            if place not in gone and not second:  # of the spaces around what is gone
                kept.append(new[0] if place == replaced else piece)
        if len(change.old) - 1 in gone and kept[-1].isspace():
            kept.pop()
        return "".join(kept)

    def _in_case(self, text: str) -> str:
        return text.lower() if self._in_capitals else text


def is_about(explanation: str, sentence: str, corrected: str) -> bool:
    """Whether something that it quotes, if it quotes anything, stands in the corrected sentence;
    and in the one that was sent, something of whatever it calls wrong.

    Or else it teaches a word that nobody wrote: "'seek' becomes 'seks'" beside *she seeks*,
    "'are', not 'am'" beside *do you hungry?*
    """
    named = _named_in(explanation)
    if named and not _any_named(_words(_pieces(corrected)), named):
        return False
    said = _meanings(_pieces(sentence))
    for denied, quoted, replaced in _VERDICT.findall(explanation):
        words = _meanings(_words(_pieces(quoted)))
        # A beginning will do, for what is written without its apostrophe: 'are' in "they arent".
        known = any(part.startswith(word) for word in words for part in said)
        if words and (denied or replaced) and not known:
            return False
    return True


def in_short(sentence: str, corrected: str) -> str:
    """What a correction changed, for one that is not explained: "'leaded' becomes 'led'."."""
    old, new = sentence.split(), corrected.split()
    begin = end = 0
    shorter = min(len(old), len(new))
    while begin < shorter and old[begin] == new[begin]:
        begin += 1
    while end < shorter - begin and old[-1 - end] == new[-1 - end]:
        end += 1
    if begin + end == shorter:  # words were only put in or taken out: name their neighbours
        begin, end = max(0, begin - 1), max(0, end - 1)
    before, after = (" ".join(words[begin : len(words) - end]) for words in (old, new))
    return f"'{before.rstrip('.,;:?!')}' becomes '{after.rstrip('.,;:?!')}'."


def _stand_ins_for(pieces: list[str]) -> dict[str, str]:
    """A name that is not in the sentence for each address and each word in another script.

    If there are more than names, the others stay.
    """
    used = {piece.lower() for piece in pieces}
    names = [name for name in _STAND_INS if name.lower() not in used]
    hidden = [
        piece
        for piece in dict.fromkeys(pieces)
        if _ADDRESS.fullmatch(piece) or (piece[0].isalpha() and not _is_latin(piece))
    ]
    return dict(zip(hidden, names, strict=False))


def _replaced(change: _Change, places: list[int], named: set[str]) -> int:
    """The one of these places whose word the new one stands for.

    Of the auxiliaries, if it is one, or else of the other words, it is the one that is like it, or
    one that is named, or any.
    """
    word = change.new[0]
    among = [p for p in places if _is_auxiliary(change.shown[p]) == _is_auxiliary(word)] or places
    like = {p: SequenceMatcher(None, change.shown[p], word).ratio() for p in among}
    alike = [p for p in among if like[p] >= _ALIKE]
    known = [p for p in among if _any_named([change.old[p]], named)]
    return max(alike or known or among, key=like.__getitem__)


def _may_stand(change: _Change, named: set[str]) -> bool:
    """Whether a change can be a correction.

    Words put in are named, or it is one word for another that is no name. Words taken out are such
    as may go.
    """
    shown, new = change.shown, change.new
    if any(not (piece.isspace() or _is_latin(piece) or piece in shown) for piece in new):
        return False  # no correction puts a mark in
    taken_out, put_in = _words(shown), _words(new)
    if not put_in:
        return bool(taken_out) and all(_may_go(word, named) for word in taken_out)
    staying = [word for word in taken_out if not _may_go(word, named)] or taken_out
    unnamed = [word for word in put_in if not _any_named([word], named | _meanings(taken_out))]
    # One word for another, and named ones before it: "have forgotten" for *forgot*.
    return not unnamed or (len(staying) == 1 and unnamed == put_in[-1:] and staying[0].islower())


def _is_named(change: _Change, named: set[str], explanation: str) -> bool:
    """Whether it puts a named word in, or takes a named one out and puts none in.

    Of a contraction, what is taken out has to be what the explanation takes out: *has*, if *shes
    kept* is to be *she kept*. And no *to* is named before what the explanation calls a base form.
    """
    put_in, taken_out = _meanings(_words(change.new)), _meanings(_words(change.shown))
    if _words(change.shown) == ["to"] and not put_in:
        return "to" in named or change.following in _BASE_FORM.findall(explanation)
    if put_in and put_in < taken_out:
        gone = taken_out - put_in
        pairs = _BECOMES.findall(explanation)
        return any(gone & (_meanings(_pieces(a)) - _meanings(_pieces(b))) for a, b in pairs)
    return not named.isdisjoint(put_in or taken_out)


def _negatives(pieces: Sequence[str]) -> int:
    return sum(piece.lower().replace("’", "'") in _NOT for piece in pieces)


def _affirms(explanation: str) -> bool:
    """Whether it takes a negative away, as from *don't never*."""
    pairs = _BECOMES.findall(explanation)
    return any(_negatives(_pieces(new)) < _negatives(_pieces(old)) for old, new in pairs)


def _named_in(explanation: str) -> set[str]:
    """What an explanation quotes, and what that can stand for."""
    return _meanings(_pieces(" ".join(_QUOTED.findall(explanation))))


def _any_named(words: list[str], named: set[str]) -> bool:
    return not named.isdisjoint(_meanings(words))


def _moved(changes: Sequence[_Change]) -> set[str]:
    """Auxiliaries that were taken out in one place and put in at another (*where you are?*).

    Of *you didn't* and *didn't you*, two pieces and one, it is the pronoun that seems to move.
    """
    taken_out, put_in = set[str](), set[str]()
    for _, shown, new, _ in changes:
        if shown != new:
            taken_out |= _meanings(shown)
            put_in |= _meanings(new)
    negated = any("'t" in _written_out(piece) for change in changes for piece in change.shown)
    return taken_out & put_in & (_MAY_MOVE | _PRONOUNS if negated else _MAY_MOVE)


def _may_go(word: str, named: set[str]) -> bool:
    return _is_auxiliary(word) or _any_named([word], named)


def _is_auxiliary(word: str) -> bool:
    return not _MAY_GO.isdisjoint(_written_out(word))


def _pieces(text: str) -> list[str]:
    """Words, spaces and single marks; together they are the text. `He's` is two: `He` and `'s`."""
    return _PIECE.findall(text)


def _words(pieces: list[str]) -> list[str]:
    return list(filter(_is_latin, pieces))


def _is_latin(piece: str) -> bool:
    """Whether it has a Latin letter: nothing else can be a verb."""
    return re.search(r"[A-Za-zÀ-ɏ]", piece) is not None


def _written_out(piece: str) -> tuple[str, ...]:
    """What a piece can stand for, in small letters: itself, and for half a contraction the word."""
    plain = piece.lower().replace("’", "'")
    return plain, *_WRITTEN_OUT.get(plain, ())


def _meanings(pieces: list[str]) -> set[str]:
    """What any of these pieces can stand for."""
    written_out = {part for piece in pieces for part in _written_out(piece)}
    return written_out.union(*(_MEANS.get(part, ()) for part in written_out))

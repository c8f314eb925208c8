"""Words: verbs by frequency, everyday nouns by theme, the open dictionary, made-up words.

A corpus from one seed is the same wherever it is made, as long as lists and frames are the same and
lemminflect and wordfreq have the locked versions.
"""

from __future__ import annotations

import json
import random
import zlib
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate

from .dictionary import dictionary_file
from .inflect import Verb, add_s, irregular, irregular_table, regular
from .wordlists import LISTS

HELD_BUCKETS = 40  # one open word in 40 is kept for the unseen-words split
PLURALS = {
    "man": "men",
    "woman": "women",
    "child": "children",
    "person": "people",
    "mouse": "mice",
    "goose": "geese",
    "sheep": "sheep",
    "deer": "deer",
    "fish": "fish",
    "wolf": "wolves",
    "knife": "knives",
    "shelf": "shelves",
    "leaf": "leaves",
    "wife": "wives",
    "calf": "calves",
    "waitress": "waitresses",
    "policeman": "policemen",
    "fireman": "firemen",
    "postman": "postmen",
    "gentleman": "gentlemen",
    "potato": "potatoes",
    "tomato": "tomatoes",
    "mango": "mangoes",
    "photo": "photos",
    "radio": "radios",
    "piano": "pianos",
    "thief": "thieves",
    "buffalo": "buffaloes",
    "life": "lives",
    "foot": "feet",
    "tooth": "teeth",
    "scarf": "scarves",
    "loaf": "loaves",
    "roof": "roofs",
    "kangaroo": "kangaroos",
    "video": "videos",
}


def plural(noun: str) -> str:
    """The plural of an everyday noun (the head is the last word)."""
    head, _, last = noun.rpartition(" ")
    return (head + " " if head else "") + PLURALS.get(last, add_s(last))


def held_out(word: str) -> bool:
    """Whether an open word is kept out of training."""
    return zlib.crc32(word.lower().encode()) % HELD_BUCKETS == 0


@dataclass
class Entry:
    """A verb with its usual complements and the kind of subject it takes."""

    verb: Verb
    subj: str
    comps: list[list[str]]
    weight: float = 1.0
    everyday: bool = True
    spell_weight: float = 0.0
    passive: list[list[str]] = field(default_factory=list)


def _read(name: str) -> dict[str, list[str]]:
    out: dict[str, list[str]] = {}
    for line in (LISTS / name).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            key, _, rest = line.partition(": ")
            words = rest.split("|") if key in {"topic", "cities2"} else rest.split()
            out[key] = [w.replace("@", " ") for w in dict.fromkeys(words)]
    return out


class Lexicon:
    """All words of the generator. `held=True` draws open words from the held-out part only."""

    def __init__(self, held: bool = False) -> None:
        raw = json.loads(dictionary_file().read_text(encoding="utf-8"))
        self.held = held
        self.nouns: dict[str, list[str]] = _read("nouns.txt")
        self.adjs = _read("adjs.txt")
        names = _read("names.txt")
        self.names = {
            k: [w for w in v if k not in {"m", "f"} or held_out(w) == held]
            for k, v in names.items()
        }
        self.open_nouns: list[tuple[str, str]] = [  # the commonest are never held out
            (sg, pl)
            for i, (sg, pl) in enumerate(raw["nouns"])
            if (i >= 600 and held_out(sg)) == held
        ]
        self.proper: list[str] = [
            w for w in raw["proper"] if held_out(w) == held and not w.endswith(("ed", "ing", "ly"))
        ]
        self.open_adjs: list[str] = [a for a in raw["adjs"] if not held_out(a)]
        self.open_advs: list[str] = [a for a in raw["advs"] if not held_out(a)]
        real = frozenset(
            [x for v in raw["verbs"].values() for x in v[:3]]
            + list(raw["verbs"])
            + [p for p, _ in raw["nouns"]]
            + [p for _, p in raw["nouns"]]
            + raw["adjs"]
        ) | frozenset(f for b, (p, pp, _) in irregular_table().items() for f in (b, p, pp))
        self.verbs: dict[str, Verb] = {b: irregular(b) for b in irregular_table()}
        self.british: dict[str, str] = {}
        for b, (past, s, ing, shaky, _, alt) in raw["verbs"].items():
            self.verbs[b] = regular(b, past, s, ing, shaky, real)
            if shaky:
                self.british[b] = alt
        self.freq: dict[str, float] = {b: v[4] for b, v in raw["verbs"].items()} | raw["irr"]
        self._entries()

    def _entries(self) -> None:
        groups: dict[tuple[str, str], Entry] = {}
        for line in (LISTS / "everyday.txt").read_text(encoding="utf-8").splitlines():
            if not line or line.startswith("#"):
                continue
            head, _, rest = line.partition("|")
            lemma, *subj = head.split()
            if lemma not in self.verbs:
                continue
            comps = [c.split() for c in rest.split(";") if c.strip() and "~x" not in c]
            comps = [[] if c == ["-"] else c for c in comps]
            if not comps:
                continue
            key = (lemma, subj[0][1:] if subj else "hum")
            e = groups.setdefault(key, Entry(self.verbs[lemma], key[1], []))
            e.comps += comps
        self.everyday = list(groups.values())
        per: dict[str, int] = {}
        for e in self.everyday:
            per[e.verb.lemma] = per.get(e.verb.lemma, 0) + 1
        for e in self.everyday:
            e.weight = max(self.freq[e.verb.lemma], 2e-6) ** 0.45 / per[e.verb.lemma]
        generic = [
            c.split()
            for c in [
                "A NOUN",
                "A NOUN",
                "A THING",
                "HUM",
                "HUM",
                "NOUNS",
                "the NOUNS",
                "AT",
                "",
                "ADV",
                "A NOUN AT",
                "OWN NOUNX",
                "A ANIMAL",
                "A NOUN ADV",
                "A NOUN of A NOUN",
                "NUM NOUNS",
                "HUM ADV",
                "A NOUN with HUM",
            ]
        ]
        done = {e.verb.lemma for e in self.everyday}
        for e in self.everyday:  # everyday spelling traps (stoped, studyed) before typos (likeed)
            e.spell_weight = e.weight * (
                1.0
                if e.verb.past == e.verb.lemma + e.verb.lemma[-1] + "ed"
                or e.verb.past.endswith("ied")
                else 0.12
            )
        self.rare = [
            Entry(v, "any", generic, max(self.freq[b], 1e-7) ** 0.25, everyday=False)
            for b, v in self.verbs.items()
            if b not in done and b != "be"
        ]
        for e in self.rare:
            e.spell_weight = e.weight * (
                1.0
                if e.verb.past[-3:] == "ied"
                or e.verb.past == e.verb.lemma + e.verb.lemma[-1] + "ed"
                else 0.15
            )


class Picker:
    """Weighted choice over entries, with the cumulative weights kept."""

    def __init__(self, entries: list[Entry], spell: bool = False) -> None:
        self.entries = entries
        self.cum = list(accumulate(e.spell_weight if spell else e.weight for e in entries))

    def pick(self, rng: random.Random) -> Entry:
        """One entry, by weight."""
        return rng.choices(self.entries, cum_weights=self.cum)[0]


@cache
def lexicon(held: bool = False) -> Lexicon:
    """The shared lexicon."""
    return Lexicon(held)

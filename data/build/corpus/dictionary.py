"""The open dictionary, made once with lemminflect and wordfreq, and kept under its inputs' name."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

from .inflect import BLOCKED, BLOCKED_PARTS, add_ed, add_ing, add_s, doubles, irregular_table
from .wordlists import LISTS, words

SLIPS = frozenset(words("no_variants"))
CACHE = Path(__file__).parents[1] / "cache"
# The lemma in [go|past] and in <goed=>went|irr|go>.
FRAMED = re.compile(r"(?:\[|<[^|>]*=>[^|>]*\|[a-z]+\|)([a-z]+)(?=[|>])")


def everyday_verbs() -> list[str]:
    """The verbs of the list, then those that only the frames have, or the slips in them."""
    lines = (LISTS / "everyday.txt").read_text(encoding="utf-8").splitlines()
    listed = dict.fromkeys(line.split()[0] for line in lines if line and not line.startswith("#"))
    framed: set[str] = set()
    for path in (LISTS.parent / "frames").glob("*.txt"):
        framed |= set(FRAMED.findall(path.read_text(encoding="utf-8")))
    return [*listed, *sorted(framed - set(listed))]


def dictionary_file() -> Path:
    """The dictionary as JSON; it is made if there is none of these inputs yet."""
    sources = [LISTS / "irregular.txt", LISTS / "words.txt", Path(__file__)]
    texts = [*everyday_verbs(), *(path.read_text(encoding="utf-8") for path in sources)]
    digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]
    path = CACHE / f"dictionary-{digest}.json"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}")  # others may be making it too
        part.write_text(json.dumps(build()), encoding="utf-8")
        part.replace(path)
    return path


def build() -> dict[str, Any]:
    """Verbs with their forms, nouns with plurals, adjectives, adverbs, names, by frequency."""
    import wordfreq
    from lemminflect import getAllLemmas, getInflection

    def forms(v: str, tag: str) -> list[str]:
        return list(getInflection(v, tag))

    irr = irregular_table()
    realpast = {f for p, pp, _ in irr.values() for f in (p, pp)}
    everyday = everyday_verbs()
    top = [
        w
        for w in wordfreq.top_n_list("en", 350000, wordlist="best")
        if w.isascii() and w.isalpha() and w.islower() and not BLOCKED_PARTS.search(w)
    ]
    verbs: dict[str, list[Any]] = {}
    prefixes = (
        "re",
        "un",
        "over",
        "under",
        "out",
        "mis",
        "fore",
        "up",
        "with",
        "be",
        "pre",
        "in",
        "inter",
        "down",
        "off",
        "counter",
        "hand",
        "ham",
        "co",
        "de",
        "back",
        "by",
    )
    for w in list(dict.fromkeys(everyday + top)):
        if w in irr or w in verbs or len(w) < 3 or w in {"seed", "singe", "have", "be"}:
            continue
        lem = getAllLemmas(w)
        if w not in everyday:
            if w in BLOCKED or w in realpast or w.endswith(("ed", "ing")) or "VERB" not in lem:
                continue
            if lem["VERB"] != (w,) or wordfreq.zipf_frequency(w, "en") < 1.9:
                continue
            if any(w == p + b for p in prefixes for b in irr) or "AUX" in lem or "ADV" in lem:
                continue
        # lemminflect takes some common slips (*occured*) for a second standard form.
        past, s, ing = (
            [form for form in forms(w, tag) if form not in SLIPS] for tag in ("VBD", "VBZ", "VBG")
        )
        if w in everyday:
            past = [x for x in past if x.endswith("ed")] or [add_ed(w, doubles(w))]
            s, ing = s or [add_s(w)], ing or [add_ing(w, doubles(w))]
        if not past or not s or not ing or any(not p.endswith("ed") for p in past):
            continue
        # Of two spellings the usual one: *controlled*, not *controled*.
        past.sort(key=lambda form: -wordfreq.word_frequency(form, "en"))
        ing.sort(key=lambda form: -wordfreq.word_frequency(form, "en"))
        if w not in everyday and (len(s) > 1 or s[0] != add_s(w)):
            continue
        f = sum(wordfreq.word_frequency(x, "en") for x in sorted({w, past[0], s[0], ing[0]}))
        verbs[w] = [past[0], s[0], ing[0], len(past) > 1, f, past[-1]]
    nouns, adjs, advs, proper = [], [], [], []
    allv = {x for v in verbs.values() for x in v[:3]} | set(verbs) | realpast
    for w in top:
        lem = getAllLemmas(w)
        if len(w) < 3 or w in BLOCKED or w in allv:
            continue
        if not lem and 4 <= len(w) <= 13 and wordfreq.zipf_frequency(w, "en") < 4.2:
            proper.append(w.capitalize())
        if set(lem) == {"NOUN"} and lem["NOUN"] == (w,):
            pl = forms(w, "NNS")
            if len(pl) == 1 and pl[0] != w and pl[0].endswith("s") and not w.endswith("s"):
                nouns.append([w, pl[0]])
        elif set(lem) == {"ADJ"} and lem["ADJ"] == (w,):
            adjs.append(w)
        elif set(lem) == {"ADV"} and w.endswith("ly"):
            advs.append(w)
    irrf = {
        b: sum(wordfreq.word_frequency(x, "en") for x in sorted({b, p, pp}))
        for b, (p, pp, _) in irr.items()
    }
    return {
        "verbs": verbs,
        "nouns": nouns,
        "adjs": adjs,
        "advs": advs,
        "irr": irrf,
        "proper": proper,
    }

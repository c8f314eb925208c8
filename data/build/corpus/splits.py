"""What is kept out of training, and how the shards of the corpus are drawn."""

from __future__ import annotations

import json
import random
import re
import zlib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from .dressing import Dresser
from .frame_parser import frames
from .frame_writer import FrameWriter
from .grammar import Grammar
from .lexicon import lexicon
from .sentence import Example
from .specs import FRAME_WEIGHTS, GRAMMAR_WEIGHTS, WEIGHTS

FRAME_SHARE = 0.7
DRESSED_SHARE = 0.25
SHARD = 10_000


def held_pairs() -> frozenset[str]:
    """'lemma/kind' pairs that never occur in training: about 5 % of those of less common verbs.

    The commonest 250 verbs have none: a tutor that has never seen *was ate* is of no use.
    """
    lex = lexicon()
    verbs = sorted({e.verb.lemma for e in lex.everyday}, key=lambda b: (-lex.freq[b], b))
    pairs = [
        f"{b}/{k}" for b in verbs[250:] for k in WEIGHTS if k not in {"correct", "be_agreement"}
    ]
    return frozenset(p for p in pairs if zlib.crc32(("pair " + p).encode()) % 20 == 0)


def plain(sentence: str) -> str:
    """A sentence reduced to its words, for comparing across styles."""
    return re.sub(r"[^\w' ]", "", sentence.lower().replace("’", "'")).strip()


def forbidden(folder: Path, generated: Sequence[str] = ()) -> frozenset[str]:
    """Sentences (reduced) of the test splits, both sides: none may be generated.

    `generated` names the splits made by the generator that count besides those typed by hand.
    """
    paths = [*folder.glob("everyday*.jsonl"), *(folder / f"{name}.jsonl" for name in generated)]
    out: set[str] = set()
    for path in sorted(paths):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.strip():
                row = json.loads(line)
                out |= {plain(row[k]) for k in ("sentence", "corrected") if k in row}
    return frozenset(out)


@cache
def held_words() -> frozenset[str]:
    """Dictionary words and names (lower case) that only the unseen-words split may use."""
    lex = lexicon(True)
    words = [w for p in lex.open_nouns for w in p] + lex.names["m"] + lex.names["f"]
    common = {w for theme in lex.nouns.values() for w in theme} | set(lex.verbs) | {"wouldn"}
    for rows in frames().values():
        common |= {w for f in rows for w in re.findall(r"[^\W\d_]+", f.source.lower())}
    return frozenset(w.lower() for w in words + lex.proper if w.lower() not in common)


def stream(seed: str, held: bool = False, only_held_pairs: bool = False) -> Iterator[Example]:
    """Examples without end, the kinds by weight, a share of them from frames."""
    rng = random.Random(seed)
    g = Grammar(rng, lexicon(held), held_pairs(), only_held_pairs)
    fw = FrameWriter(g)
    dresser = Dresser(rng, g.lex, DRESSED_SHARE)
    weights = WEIGHTS
    if only_held_pairs:
        weights = {k: w for k, w in GRAMMAR_WEIGHTS.items() if k != "be_agreement"}
    kinds = list(weights)
    while True:
        kind = rng.choices(kinds, list(weights.values()))[0]
        framed = g.chance(FRAME_SHARE) and not only_held_pairs
        ex = fw.example(kind) if framed or kind in FRAME_WEIGHTS else None
        if ex is None and kind in FRAME_WEIGHTS:
            continue
        yield dresser.dress(ex if ex is not None else g.example(kind))

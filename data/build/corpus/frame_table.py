"""Which frames can carry which error, and how often each file of frames is drawn."""

from __future__ import annotations

from functools import cache

from .frame_pairs import pairs
from .frame_parser import PAST_MODALS, Frame, frames, kinds_of
from .lexicon import Lexicon

# Files drawn more often than the others; slips are below.
WEIGHT = {
    "long": 3,
    "agreement": 3,
    "contrasts": 3,
    "contrasts_b": 3,
    "contrasts_c": 3,
    "contrasts_d": 3,
    "contrasts_e": 3,
    "contrasts_f": 3,
    "contrasts_g": 20,
    "contrasts_h": 4,
    "contrasts_i": 8,
    "contrasts_j": 12,
    "contrasts_k": 20,
    "gerunds": 3,
    "bare": 3,
    "sequences": 3,
    "mixed": 8,
    "feelings": 6,
    "mixed_b": 8,
    "gerunds_b": 6,
    "gerunds_c": 6,
    "participles": 7,
    "agreement_b": 6,
    "sequences_b": 5,
    "registers": 5,
    "chat": 4,
    "lookalikes": 6,
    "tenses": 8,
    "states": 6,
    "perfects": 6,
    "conditionals": 5,
    "long_subjects": 8,
    "traps": 6,
    "learner_c": 6,
    "learner_d": 8,
    "auxiliaries": 8,
    "learner_b": 3,
    "auxiliaries_b": 7,
    "complements": 6,
    "lookalikes_b": 6,
    "agreement_c": 6,
    "tenses_b": 6,
    "learner_e": 6,
    "registers_b": 5,
    "nothing_wrong": 6,
    "questions": 8,
    "passives": 7,
    "complements_b": 6,
    "essays": 6,
    "office": 5,
    "speech": 5,
    "long_b": 6,
    "nothing_wrong_b": 6,
    "nothing_wrong_c": 6,
    "nothing_wrong_d": 6,
    "long_c": 8,
}


SLIPS_WEIGHT = 8  # of each file of slips


def weight(name: str) -> int:
    """How often each frame of a file is drawn, for one frame of the oldest files."""
    return SLIPS_WEIGHT if name.startswith("slips_") else WEIGHT.get(name, 1)


@cache
def by_kind(lex: Lexicon) -> dict[str, list[tuple[Frame, int]]]:
    """Error kind -> (frame, index of the piece that can carry it)."""
    out: dict[str, list[tuple[Frame, int]]] = {}
    known = {"be", *PAST_MODALS, *lex.verbs}
    for name, rows in frames().items():
        for f in rows:
            if any(p.form and p.text not in known for p in f.pieces):
                continue
            for i, p in enumerate(f.pieces):
                if not p.form:
                    continue
                for k in (*kinds_of(f, i, lex), *pairs(f, i, lex)):
                    out.setdefault(k, []).extend([(f, i)] * weight(name))
            out.setdefault("correct", []).extend([(f, -1)] * weight(name))
    return out

"""Which errors of two words at once a frame can carry: *my mother cooking*, *what you want?*

Most have to do with an auxiliary. The words of a frame that such an error touches become one piece,
which is printed as a whole (`pair`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .frame_parser import Frame
from .lexicon import Lexicon
from .pair import Pair
from .pairs_be import be_for_do, habit, missing_be, missing_copula, needless_be, was_past
from .pairs_do import missing_do, negative_do, question_do, question_order, who_did
from .pairs_modal import missing_would, modal_can, modal_form, past_must
from .pairs_order import indirect_question, tag
from .pairs_passive import do_for_be, missing_passive
from .pairs_verb import (
    how_long,
    if_would_have,
    infinitive,
    missing_have,
    negative_infinitive,
    still_going_on,
)

Maker = Callable[[Frame, int, Lexicon], Iterator[Pair]]
MAKERS: dict[str, tuple[Maker, ...]] = {
    "missing_be": (missing_be, missing_copula, missing_passive),
    "needless_be": (needless_be, be_for_do, do_for_be, was_past),
    "habit": (habit,),
    "infinitive": (infinitive, negative_infinitive),
    "do_support": (question_do, who_did, negative_do, missing_do),
    "question_order": (question_order, indirect_question),
    "modal_form": (modal_form, modal_can, past_must, missing_would, if_would_have),
    "missing_have": (missing_have,),
    "still_going_on": (still_going_on, how_long),
    "tag": (tag,),
}
PAIR_KINDS = frozenset(MAKERS)


def pairs(f: Frame, i: int, lex: Lexicon) -> dict[str, tuple[Pair, ...]]:
    """Error kind -> what it may do to the verb mark of piece i and the words beside it."""
    found = {
        kind: tuple(pair for maker in makers for pair in maker(f, i, lex))
        for kind, makers in MAKERS.items()
    }
    return {kind: made for kind, made in found.items() if made}

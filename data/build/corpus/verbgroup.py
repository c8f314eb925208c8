"""Verb groups: auxiliaries and verb forms, with the error planted where one is wanted."""

from __future__ import annotations

from dataclasses import dataclass

from .forms import MODAL_VERBS, MODAL_W, NO_BE, NT, VerbForms
from .inflect import Verb
from .nouns import MID, NEVER_HAVE
from .sentence import NP, Token, W


@dataclass
class Group:
    """A verb group: the auxiliary that inverts in a question, words between, the verb."""

    aux: Token | None
    mid: list[Token]
    verb: list[Token]


class VerbGroups(VerbForms):
    """Draws whole verb groups."""

    def midadv(self, p: float = 0.12) -> list[Token]:
        """Perhaps an adverb in mid position."""
        return [self.one(MID)] if self.chance(p) else []

    def group(
        self, g: str, past: bool, neg: bool, q: bool, subj: NP, v: Verb, comp: list[str]
    ) -> Group:
        """The verb group of kind `g` (a word of `specs`) for `subj` and the verb `v`."""
        c = not q
        full = neg and not q and self.chance(0.18)  # "does not"
        nt = neg and not full
        tail: list[Token] = ["not"] if full else []
        if g == "simple":
            if not neg and not q:
                return Group(None, self.midadv(), [self.simple(subj, v, past)])
            aux = self.do(subj, past, nt)
            return Group(
                aux, tail + (self.midadv(0.05) if not neg else []), [self.base(v, aux.right)]
            )
        if g in {"perf", "perfprog"}:
            never = neg and not q and self.chance(0.25)
            aux2 = self.have(subj, past, nt and not never, c)
            name = aux2 if isinstance(aux2, str) else aux2.right
            mid: list[Token] = ["never"] if never else list(tail)
            if q:
                mid += self.rng.choice(([], ["ever"], ["already"], [], ["just"]))
            elif not neg and self.chance(0.4):
                mid.append(self.rng.choice(NEVER_HAVE))
            if g == "perfprog":
                return Group(aux2, [*mid, "been"], [self.ing(v, "been", comp, subj)])
            return Group(aux2, mid, [self.participle(v, name, comp, False, bool(mid), False)])
        if g == "prog" and not neg and not q and v.lemma in NO_BE and self.wants("progressive"):
            extra, verb = self.no_be(subj, v, past)
            return Group(extra, [], [verb])
        if g == "prog":
            aux2 = self.be(subj, past, nt, c)
            name = aux2 if isinstance(aux2, str) else aux2.right
            return Group(
                aux2, tail + (self.midadv(0.1) if not neg else []), [self.ing(v, name, comp, subj)]
            )
        if g in {"modal", "modalperf"}:
            m = self.rng.choices(MODAL_VERBS, MODAL_W)[0]
            if nt and m in NT:
                m = NT[m]
            elif neg and not tail:
                tail = ["not"]
            if m == "can" and tail and self.chance(0.7):
                m, tail = "cannot", []
            surf: Token = W(m)
            if m in {"will"} and c and subj.pron and not neg and self.chance(0.4):
                surf = "'ll"
            elif (
                m == "would"
                and c
                and subj.pron
                and not neg
                and self.chance(0.3)
                and (self.want != "after_modal" and g == "modal")
            ):
                surf = "'d"
            if g == "modalperf":
                return Group(
                    surf, [*tail, "have"], [self.participle(v, "have", comp, False, False, False)]
                )
            mid = tail + (self.midadv(0.08) if not neg else [])
            return Group(surf, mid, [*self.modal_to(m, v), self.base(v, m)])
        if g == "going":
            aux2 = self.be(subj, past, nt, c)
            return Group(aux2, [*tail, "going", "to"], [self.base(v, "to")])
        if g == "haveto":
            if not neg and not q:
                h = self.simple(subj, self.lex.verbs["have"], past)
                return Group(None, [*self.midadv(0.1), h, "to"], [self.base(v, "to")])
            aux3 = self.do(subj, past, nt)
            h = self.base(self.lex.verbs["have"], aux3.right)
            return Group(aux3, [*tail, h, "to"], [self.base(v, "to")])
        if g == "usedto":
            return Group(None, [*self.midadv(0.05), "used", "to"], [self.base(v, "to")])
        if g == "wouldlike":
            surf = (
                "'d"
                if subj.pron and c and self.chance(0.5) and self.want != "after_modal"
                else (W("would"))
            )
            like = self.base(self.lex.verbs["like"], "would")
            return Group(surf, [like, "to"], [self.base(v, "to")])
        raise ValueError(g)

"""Clauses around full verbs, and the choice among all clauses."""

from __future__ import annotations

from .forms import Retry
from .lexicon import Entry
from .passives import Passives
from .sentence import NP, Token
from .specs import NESTED, Spec
from .times import past_time, time_for


class Clauses(Passives):
    """Draws clauses."""

    def clause(self, spec: Spec, subj: NP | None = None, time: bool = True) -> list[Token]:
        """A clause. Plants the wanted error (self.want) if there is one still to plant."""
        g, past = spec[:2]
        self.clause_past = past
        self.marker = past_time(self) if self.want == "past_marker" and self.err is None else ""
        marker = self.marker
        tense = (
            "past"
            if past and g not in {"perf", "perfbe"}
            else "now"
            if g == "prog"
            else "perfect"
            if g in {"perf", "perfprog", "perfbe"}
            else "future"
            if g in {"modal", "going", "wouldlike"}
            else "pres"
        )
        if g in {"cop", "adjto", "modalbe", "here"}:
            tense = "past" if past else "now"
        if g == "there":
            toks = self.there(spec)
        elif g == "here":
            toks, time = self.here(), False
        elif g in {"cop", "adjto", "modalbe", "perfbe"}:
            toks = self.copula(spec, subj)
        elif g.startswith("passive"):
            toks = self.passive(spec)
        else:
            toks = self.verbal(spec, subj)
        if marker:
            adv = marker
        elif time and self.chance(0.34 if self.depth == 0 else 0.1):
            adv = time_for(self, tense)
            if g in {"modal", "modalperf"} and " ago" in adv:
                adv = ""
        else:
            adv = ""
        if adv and adv not in {"ever"}:
            if self.chance(0.42) and self.depth == 0 and subj is None and time:
                comma = "," if self.chance(0.45) else ""
                return [adv, comma, *toks] if comma else [adv, *toks]
            toks = [*toks, adv]
        return toks

    def verbal(self, spec: Spec, subj: NP | None) -> list[Token]:
        """A clause around a full verb."""
        g, past, neg, q = spec
        need = ""
        if self.want == "after_to" and g in {"simple", "prog"} and self.err is None:
            need = "to"
        e = self.entry(self.pool(spec), "hum" if subj is not None and subj.human else "")
        if need:
            for _ in range(60):
                if any(c[-1] in {"INF", "INFV"} for c in e.comps if c):
                    break
                e = self.entry(self.pool(spec), "hum")
            else:
                raise Retry
        if subj is None:
            subj = self.subject_for(e.subj, neg)
        self.bind(subj)
        if need:
            comp = self.rng.choice([c for c in e.comps if c and c[-1] in {"INF", "INFV"}])
        else:
            comp = self.comp_of(e)
        self.first_lemma = self.first_lemma or e.verb.lemma
        wh: list[Token] = []
        if q and self.depth == 0:
            wh, comp = self.wh(e, comp)
        shared = (
            g == "simple"
            and not neg
            and not q
            and not need
            and self.depth == 0
            and self.chance(0.11)
        )
        want = self.want
        later = shared and self.chance(0.5)
        if later:
            self.want = "none"
        gr = self.group(g, past, neg, q, subj, e.verb, comp)
        tail = self.expand(comp)
        self.want = want
        if shared:
            tail += self.second_verb(e, subj, past)
        if need and self.err is None:
            raise Retry
        if e.everyday and comp and comp[-1] not in NESTED and not shared and self.depth == 0:
            if self.chance(0.08):
                tail += self.at()
            elif self.chance(0.05):
                tail += self.detail()
            elif self.chance(0.05):
                tail += self.gerund_tail()
        aux = [gr.aux] if gr.aux is not None else []
        if q:
            return [*wh, *aux, *subj.toks, *gr.mid, *gr.verb, *tail]
        return [*subj.toks, *aux, *gr.mid, *gr.verb, *tail]

    def second_verb(self, first: Entry, subj: NP, past: bool) -> list[Token]:
        """and + another verb with the same subject; carries the error if it is still to plant."""
        e = self.entry(self.pool(("simple", past, False, False)), first.subj)
        self.bind(subj)
        conj = self.rng.choice(("and", "and", "and", ", and", "or", "but", "and then", "and never"))
        self.depth += 1
        out = [conj, self.simple(subj, e.verb, past), *self.expand(self.comp_of(e))]
        self.depth -= 1
        return out

    def gap(self, spec: Spec) -> list[Token]:
        """A clause without its object, as in *what she bought* or *the cake that she baked*."""
        g, past, neg, _ = spec
        if g not in {"simple", "perf", "modal", "going", "prog"}:
            raise Retry
        for _i in range(60):
            e = self.entry(self.pool(spec), "hum")
            if (
                e.everyday
                and e.verb.lemma not in {"become", "have"}
                and any(len(c) == 2 and c[0] == "A" for c in e.comps)
            ):
                break
        else:
            raise Retry
        subj = self.subject_for("hum", neg)
        self.bind(subj)
        self.marker = past_time(self) if self.want == "past_marker" and self.err is None else ""
        self.first_lemma = self.first_lemma or e.verb.lemma
        gr = self.group(g, past, neg, False, subj, e.verb, ["A"])
        aux = [gr.aux] if gr.aux is not None else []
        tail: list[Token] = [self.marker] if self.marker else []
        if not tail and self.chance(0.15):
            tail = ["for", *self.person()] if self.chance(0.5) else self.at()
        return [*subj.toks, *aux, *gr.mid, *gr.verb, *tail]

    def wh(self, e: Entry, comp: list[str]) -> tuple[list[Token], list[str]]:
        """A question word, and the complement that is left."""
        r = self.rng.random()
        if r < 0.42:
            return [], comp
        if r < 0.62 and e.everyday:
            obj = [
                c for c in e.comps if (len(c) == 2 and c[0] == "A") or c in (["FOODS"], ["DRINK"])
            ]
            if obj:
                ask = self.rng.choice(("what", "what", "which", "many", "else"))
                if ask == "which":
                    return [self.rng.choice(("which", "what")), self.noun("thing")], []
                if ask == "many":
                    return ["how", "many", self.nouns("thing")], []
                return (["what", "else"] if ask == "else" and self.chance(0.3) else ["what"]), []
        if r < 0.72:
            plain = [
                c
                for c in e.comps
                if not any(
                    t
                    in {
                        "TO",
                        "AT",
                        "PLACE",
                        "CITY",
                        "COUNTRY",
                        "home",
                        "here",
                        "there",
                        "out",
                        "away",
                        "to",
                        "in",
                    }
                    | NESTED
                    for t in c
                )
            ]
            if plain:
                return ["where"], self.rng.choice(plain)
        return [
            self.rng.choice(
                (
                    "why",
                    "when",
                    "how",
                    "how often",
                    "what time",
                    "why",
                    "how long",
                    "when",
                    "how soon",
                )
            )
        ], comp

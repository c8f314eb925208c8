"""Passive clauses."""

from __future__ import annotations

from .be_clauses import BeClauses
from .forms import ALWAYS_OBJECT, NO_PASSIVE, PASSIVE_BARE, Retry
from .sentence import NP, Token
from .specs import THEMES, Spec


class Passives(BeClauses):
    """Draws passive clauses."""

    def passive(self, spec: Spec) -> list[Token]:
        """A passive clause; its subject is the verb's usual object."""
        g, past, neg, q = spec
        for _ in range(60):
            e = self.entry(self.pool(spec))
            if e.verb.lemma in NO_PASSIVE or e.subj in {"thing", "it", "animal"}:
                continue
            comps = [
                c
                for c in e.comps
                if (len(c) == 2 and c[0] in {"A", "the", "OWN", "a"})
                or c in (["HUM"], ["FOODS"], ["NOUNS"], ["ANIMALS"])
            ]
            if comps:
                break
        else:
            raise Retry
        c = ["NOUNS" if t == "NOUNX" else t for t in self.rng.choice(comps)]
        if c == ["HUM"] and (not e.everyday or self.chance(0.6)):
            subj = self.human()
        else:
            word = c[-1]
            theme = THEMES.get(word, "food" if word == "FOODS" else "thing")
            if word in THEMES or word in {"FOODS", "NOUNS", "ANIMALS", "HUM"}:
                theme = "animal" if word == "ANIMALS" else theme
                sing = self.chance(0.6)
                toks = (
                    self.sg(theme, self.rng.choice(("the", "the", "this", "my", "A_")))
                    if sing
                    else self.pl(theme)
                )
                subj = NP(toks, "s" if sing else "p", human=False)
            else:
                plur = (word.endswith("s") and not word.endswith(("ss", "us", "bus"))) or word in {
                    "people",
                    "children",
                }
                if word in {"hair", "homework"}:
                    plur = False
                det = (
                    "the"
                    if c[0] != "OWN"
                    else self.rng.choice(("my", "his", "her", "our", "their"))
                )
                subj = NP([det, word], "p" if plur else "s", human=False)
            if self.chance(0.15):
                subj = (
                    NP(["they"], "p", 3, "they", human=False)
                    if subj.num == "p"
                    else NP(["it"], "s", 3, "it", human=False)
                )
        if self.chance(self.far):
            subj = self.farther(subj)
        self.bind(subj)
        self.first_lemma = self.first_lemma or e.verb.lemma
        by = self.chance(0.38)
        thing = not subj.human and subj.pron != "they"
        bare = by or (e.verb.lemma in (PASSIVE_BARE if thing and e.everyday else ALWAYS_OBJECT))
        nt = neg and self.chance(0.8)
        mid: list[Token] = ["not"] if neg and not nt else []
        if g == "passive":
            be = self.be(subj, past, nt, not q and self.want != "participle_passive")
            name = be if isinstance(be, str) else be.right
            aux: list[Token] = [be]
        elif g == "passive_perf":
            aux, name = [self.have(subj, past, nt, False)], "been"
            mid += [*self.rng.choice(([], ["already"], ["just"], [])), "been"]
        elif g == "passive_modal":
            m = self.rng.choice(
                ("can", "must", "should", "will", "could", "can't", "might", "would", "won't")
            )
            aux, name = [m], "be"
            mid += ["be"]
        else:
            aux, name = [self.be(subj, past, False, not q)], "being"
            mid += ["being"]
        part = self.participle(e.verb, name, [], True, False, bare)
        tail: list[Token] = (
            ["by", *self.rng.choice((self.person(), self.sg("person")))] if by else []
        )
        if not by and self.chance(0.35):
            tail = self.at()
        if self.chance(0.1):
            mid.append(self.rng.choice(("often", "always", "never", "badly", "usually")))
        if q:
            wh = [self.rng.choice(("when", "where", "why", "how"))] if self.chance(0.5) else []
            return [*wh, *aux, *subj.toks, *mid, part, *tail]
        return [*subj.toks, *aux, *mid, part, *tail]

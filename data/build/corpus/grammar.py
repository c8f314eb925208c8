"""The grammar: complements, clauses and whole sentences."""

from __future__ import annotations

import random

from . import explain
from .inflect import Verb
from .lexicon import Entry, Lexicon
from .phrases import Phrases  # noqa: F401
from .sentence import NP, Err, Example, Token, W, draw_style, render
from .times import past_time, time_for
from .verbgroup import NO_PASSIVE, Retry, VerbGroups

Spec = tuple[str, bool, bool, bool]  # group, past, negative, question

NESTED = frozenset({"INF", "INFV", "CL", "ING", "BASE", "INFT"})
THEMES = {
    "FOOD": "food", "THING": "thing", "NOUN": "thing", "GIFT": "gift", "ANIMAL": "animal",
    "CLOTHESN": "clothes", "THINGN": "thing", "ANIMALN": "animal",
}
BY_KIND: dict[str, list[tuple[float, Spec]]] = {
    "overregular_past": [(1, ("simple", True, False, False))],
    "doubled_past": [(1, ("simple", True, False, False))],
    "misspelled_past": [(8, ("simple", True, False, False)), (1.2, ("perf", False, False, False)),
                        (0.4, ("perf", True, False, False)), (0.3, ("perf", False, True, False)),
                        (1, ("passive", True, False, False))],
    "participle_have": [(6, ("perf", False, False, False)), (2, ("perf", False, True, False)),
                        (2.5, ("perf", False, False, True)), (3, ("perf", True, False, False)),
                        (0.7, ("perf", True, True, False)), (1.2, ("modalperf", False, False, False))],
    "participle_passive": [(6, ("passive", True, False, False)), (3, ("passive", False, False, False)),
                           (1, ("passive", True, True, False)), (1, ("passive", True, False, True)),
                           (0.5, ("passive", False, True, False)),
                           (2, ("passive_perf", False, False, False)),
                           (1.5, ("passive_modal", False, False, False)),
                           (1, ("passive_prog", False, False, False))],
    "s_missing": [(8, ("simple", False, False, False)), (3.5, ("simple", False, True, False)),
                  (2, ("simple", False, False, True)), (1.2, ("perf", False, False, False)),
                  (0.4, ("perf", False, True, False)), (0.5, ("perf", False, False, True)),
                  (0.5, ("haveto", False, False, False)), (0.3, ("perfprog", False, False, False))],
    "s_added": [(8, ("simple", False, False, False)), (3.5, ("simple", False, True, False)),
                (2, ("simple", False, False, True)), (1.2, ("perf", False, False, False)),
                (0.4, ("perf", False, True, False)), (0.5, ("perf", False, False, True)),
                (0.5, ("haveto", False, False, False)), (0.3, ("perfprog", False, False, False))],
    "be_agreement": [(4, ("cop", False, False, False)), (4, ("cop", True, False, False)),
                     (0.8, ("cop", False, True, False)), (0.8, ("cop", True, True, False)),
                     (1, ("cop", False, False, True)), (0.8, ("cop", True, False, True)),
                     (1.5, ("prog", False, False, False)), (1.5, ("prog", True, False, False)),
                     (0.4, ("prog", False, True, False)), (0.4, ("prog", False, False, True)),
                     (0.4, ("prog", True, False, True)), (0.5, ("going", False, False, False)),
                     (1.3, ("there", False, False, False)), (1.3, ("there", True, False, False)),
                     (0.4, ("there", False, False, True)), (0.3, ("there", True, False, True)),
                     (0.3, ("there", False, True, False)),
                     (0.8, ("passive", False, False, False)), (0.8, ("passive", True, False, False))],
    "after_did": [(4, ("simple", True, True, False)), (4, ("simple", True, False, True)),
                  (3, ("simple", False, True, False)), (2.5, ("simple", False, False, True)),
                  (0.4, ("simple", True, True, True)), (0.3, ("haveto", True, True, False)),
                  (0.3, ("haveto", False, True, False))],
    "after_modal": [(8, ("modal", False, False, False)), (3.5, ("modal", False, True, False)),
                    (3, ("modal", False, False, True)), (0.7, ("wouldlike", False, False, False)),
                    (0.8, ("modalbe", False, False, False))],
    "after_to": [(4, ("simple", True, False, False)), (4, ("simple", False, False, False)),
                 (1, ("simple", True, True, False)), (1, ("simple", False, True, False)),
                 (1, ("simple", True, False, True)), (1, ("simple", False, False, True)),
                 (2, ("haveto", False, False, False)), (2, ("haveto", True, False, False)),
                 (1, ("haveto", False, True, False)), (0.5, ("haveto", False, False, True)),
                 (2, ("going", False, False, False)), (0.7, ("going", True, False, False)),
                 (0.6, ("going", False, True, False)), (0.6, ("going", False, False, True)),
                 (1.5, ("usedto", True, False, False)), (1.5, ("wouldlike", False, False, False)),
                 (2.5, ("adjto", False, False, False)), (1.5, ("adjto", True, False, False)),
                 (0.5, ("prog", False, False, False))],
    "progressive": [(6, ("prog", False, False, False)), (5, ("prog", True, False, False)),
                    (1.3, ("prog", False, True, False)), (1, ("prog", True, True, False)),
                    (2, ("prog", False, False, True)), (1, ("prog", True, False, True))],
    "past_marker": [(9, ("simple", True, False, False)), (2, ("simple", True, True, False)),
                    (1.3, ("simple", True, False, True)), (1.3, ("cop", True, False, False)),
                    (0.8, ("prog", True, False, False))],
}
KIND_W = {
    "overregular_past": 9, "misspelled_past": 6, "doubled_past": 4, "participle_have": 9,
    "participle_passive": 6, "s_missing": 12, "s_added": 8, "be_agreement": 9, "after_did": 9,
    "after_modal": 7, "after_to": 7, "progressive": 7, "past_marker": 8, "correct": 26,
}
PRES: list[tuple[float, Spec]] = [
    (8, ("simple", False, False, False)), (3, ("simple", False, True, False)),
    (6, ("cop", False, False, False)), (2, ("prog", False, False, False)),
    (2, ("modal", False, False, False)), (1, ("modal", False, True, False)),
    (1, ("perf", False, False, False)), (0.5, ("going", False, False, False)),
    (0.7, ("haveto", False, False, False)), (0.7, ("passive", False, False, False)),
    (0.5, ("there", False, False, False)), (0.4, ("cop", False, True, False)),
    (0.4, ("wouldlike", False, False, False)), (0.3, ("perfprog", False, False, False)),
]
PAST: list[tuple[float, Spec]] = [
    (9, ("simple", True, False, False)), (3, ("simple", True, True, False)),
    (6, ("cop", True, False, False)), (2, ("prog", True, False, False)),
    (1, ("perf", True, False, False)), (0.7, ("haveto", True, False, False)),
    (0.8, ("passive", True, False, False)), (0.4, ("usedto", True, False, False)),
    (0.5, ("there", True, False, False)), (0.3, ("modal", False, True, False)),
]
ADJTO = ("happy ready afraid able glad sorry sure sad free careful surprised too@tired too@young "
         "too@shy too@lazy too@old happy excited ready willing proud unable likely old@enough "
         "strong@enough too@busy eager").split()
ITTO = ("hard easy important difficult nice fun dangerous good necessary impossible time great "
        "possible better bad time").split()
PAIR_PAST = ("because", "when", "so", "but", "and", "before", "after", "although", "while", "until")
PAIR_PRES = ("because", "when", "so", "but", "and", "if", "before", "although", "while", "unless",
             "after", "until")
FRONTABLE = frozenset("because when before after although while if unless".split())
MATRIX_PRES = ("I think", "I think that", "I know that", "I know", "I hope", "I'm sure",
               "He says that", "She thinks", "They say that", "We believe that", "I don't think",
               "My mother says that", "It is true that", "I'm afraid", "Everyone knows that",
               "I don't know why", "I don't know if", "Do you know why", "I wonder why",
               "She doesn't know that", "Do you think", "Maybe", "Of course,", "I guess",
               "They don't know where", "Can you tell me if", "I heard that", "Sometimes")
MATRIX_PAST = ("I think that", "He said that", "She said", "I knew that", "They told me that",
               "I heard that", "I know that", "We thought that", "He told us that", "I remember that",
               "Do you remember when", "I don't know why", "She says that", "Nobody knows why",
               "I didn't know that", "It is true that", "The teacher said that", "I thought",
               "I'm glad that", "Luckily,", "Then", "Suddenly", "After that,", "Maybe")
MATRIX_Q = frozenset(("Do you know why", "Do you think", "Can you tell me if",
                      "Do you remember when"))
CALLS = ("Please", "No,", "Yes,", "Well,", "Oh,", "Sorry,", "Hey,")


class Grammar(VerbGroups):
    """Draws sentences of a wanted kind."""

    def __init__(self, rng: random.Random, lex: Lexicon, held_pairs: frozenset[str] = frozenset(),
                 only_held: bool = False) -> None:
        super().__init__(rng, lex, held_pairs, only_held)
        self.depth = 0
        self.question = False
        self.first_lemma = ""

    # complements ---------------------------------------------------------------------------------
    def comp_of(self, e: Entry, need: str = "") -> list[str]:
        """One of the entry's complements; nested ones only near the top."""
        for _ in range(8):
            c = self.rng.choice(e.comps)
            if self.depth and any(t in NESTED for t in c):
                continue
            if need and need not in c:
                continue
            return c
        raise Retry

    def slot(self, t: str, prev: str) -> list[Token]:  # noqa: PLR0911
        """The phrase for one slot of a complement."""
        rng = self.rng
        if t == "HUM":
            return self.person()
        if t == "TO":
            return self.to()
        if t == "AT":
            return self.at()
        if t == "PLACE":
            return self.place()
        if t in {"CITY", "COUNTRY"}:
            return [self.city() if t == "CITY" else self.country()]
        if t in {"FOOD", "THING", "NOUN", "GIFT", "ANIMAL"} and prev == "A":
            theme = "abstract" if t == "NOUN" and self.chance(0.3) else THEMES[t]
            return self.sg(theme)
        if t == "CLOTHESN" and prev == "A":
            return self.sg("clothes")
        if t in THEMES:
            return [self.noun(THEMES[t])]
        if t in {"NOUNS", "NOUNX"}:
            if prev in {"two", "OWN", "NUM", "the"} or t == "NOUNX":
                return [self.nouns("thing")]
            return self.pl("thing")
        if t in {"FOODS", "FOODPL", "ANIMALS"}:
            theme = "animal" if t == "ANIMALS" else "food"
            if t == "FOODPL" or prev in {"the", "some"}:
                return [self.nouns(theme)]
            return [self.nouns(theme)] if self.chance(0.5) else self.pl(theme)
        if t == "MASSFOOD":
            return [rng.choice(self.lex.nouns["massfood"])]
        if t == "DRINK":
            return [rng.choice(self.lex.nouns["drink"])]
        if t == "CLOTHES":
            det = rng.choice(([], [self.own], ["the"], ["new"], ["some"]))
            return [*det, rng.choice(self.lex.nouns["clothespl"])]
        if t == "SPORT":
            return [rng.choice(self.lex.nouns["sport"])]
        if t == "INSTR":
            return ["the", rng.choice(self.lex.nouns["instr"])]
        if t == "SUBJECT":
            return [rng.choice(self.lex.nouns["subject"])]
        if t == "TOPIC":
            r = rng.random()
            if r < 0.5:
                return [rng.choice(self.lex.nouns["topic"])]
            return self.sg("thing") if r < 0.75 else self.pl("thing")
        if t == "LANG":
            return [rng.choice(self.lex.names["langs"])]
        if t == "JOB":
            return ["A_", self.noun("person") if self.chance(self.open * 0.6)
                    else rng.choice(self.lex.nouns["job"])]
        if t == "NAME":
            return [self.name()[0]]
        if t == "OWN":
            return [self.own]
        if t == "REFL":
            return [self.refl]
        if t == "NUM":
            return [self.num()]
        if t == "DIG":
            return [self.digits()]
        if t == "CLOCK":
            return [self.clock()]
        if t == "PRICE":
            return [self.price()]
        if t == "DATEY":
            return [str(rng.randint(1850, 2022))]
        if t == "DATEM":
            return [rng.choice(("May", "June", "March", "October", "summer", "winter"))]
        if t == "ADV":
            return [self.adverb()]
        if t == "ADJF":
            return [rng.choice(("very", "so", "")) + " " + self.adj("people")]
        if t == "ADJC":
            return ["A_", self.adj()]
        if t == "VEH":
            return [rng.choice(self.lex.nouns["vehicle"])]
        if t == "VEHP":
            return [rng.choice(("the", "A_", "the", self.own)), rng.choice(self.lex.nouns["vehicle"])]
        if t == "INF":
            return ["to", *self.infinitive("to")]
        if t == "INFV":
            return self.infinitive("to" if prev == "to" else "let")
        if t == "BASE":
            return self.infinitive("let")
        if t == "ING":
            self.depth += 1
            e = self.entry(cls="hum")
            out: list[Token] = [e.verb.ing, *self.expand(self.comp_of(e))]
            self.depth -= 1
            return out
        if t == "INFT":
            return [rng.choice(("work", "fall", "move", "grow", "look old", "be easy", "help"))]
        if t == "CL":
            return self.that_clause()
        raise KeyError(t)

    def infinitive(self, after: str) -> list[Token]:
        """A base verb with its complement, after *to* (may carry the error) or bare."""
        self.depth += 1
        if self.chance(0.06):
            w = W("be")
            if after == "to" and self.wants("after_to"):
                self.plant(w, self.rng.choice(("is", "was", "is", "been", "being")), "be",
                           explain.after_to("be"))
            out: list[Token] = [w, self.adj("people") if self.chance(0.6) else "A_ "
                                + self.rng.choice(self.lex.nouns["job"])]
        else:
            e = self.entry(cls="hum")
            out = [self.base(e.verb, after), *self.expand(self.comp_of(e))]
        self.depth -= 1
        return out

    def that_clause(self) -> list[Token]:
        """A clause after *that*: always right, no time of its own."""
        want, self.want = self.want, "none"
        own, refl = self.own, self.refl
        self.depth += 1
        g = self.pick(PAST if self.clause_past else PRES)
        out = self.clause(g, time=False)
        self.depth -= 1
        self.want = want
        self.own, self.refl = own, refl
        return out

    clause_past = False

    def expand(self, comp: list[str]) -> list[Token]:
        """Fill the slots of a complement."""
        out: list[Token] = []
        prev = ""
        for i, t in enumerate(comp):
            if t == "A" and i + 1 < len(comp) and comp[i + 1] in THEMES:
                prev = "A"
                continue
            if t.isupper() and len(t) > 1 and t not in {"TV"}:
                out += self.slot(t, prev)
            elif t in {"a", "an"}:
                out.append("A_")
            else:
                out.append(t)
            prev = t
        return out

    # clauses -------------------------------------------------------------------------------------
    def pick(self, specs: list[tuple[float, Spec]]) -> Spec:
        """One spec by weight."""
        return self.rng.choices([s for _, s in specs], [w for w, _ in specs])[0]

    def bind(self, subj: NP) -> None:
        """Make possessives and reflexives agree with the subject."""
        self.own, self.refl = subj.own, subj.refl

    def pool(self, spec: Spec) -> str:
        """Which verbs can carry the wanted error."""
        if self.want in {"overregular_past", "doubled_past"}:
            return "irregular"
        if self.want == "misspelled_past":
            return "spell"
        if self.want in {"participle_have", "participle_passive"} and self.chance(0.85):
            return "irregular"
        return "all"

    def subject_for(self, cls: str, neg: bool) -> NP:
        """A subject that can carry the wanted agreement error."""
        for _ in range(12):
            s = self.subject(cls)
            if self.want == "s_missing" and not s.third:
                continue
            if self.want == "s_added" and s.third:
                continue
            if neg and s.toks[0] in {"nobody", "no one"}:
                continue
            return s
        raise Retry

    def clause(self, spec: Spec, subj: NP | None = None, time: bool = True) -> list[Token]:
        """A clause. Plants the wanted error (self.want) if there is one still to plant."""
        g, past, neg, q = spec
        self.clause_past = past
        self.marker = past_time(self) if self.want == "past_marker" and self.err is None else ""
        marker = self.marker
        tense = ("past" if past and g != "perf" else "now" if g == "prog" else "perfect"
                 if g in {"perf", "perfprog"} else "future" if g in {"modal", "going", "wouldlike"}
                 else "pres")
        if g in {"cop", "adjto", "modalbe"}:
            tense = "past" if past else "now"
        if g == "there":
            toks = self.there(spec)
        elif g in {"cop", "adjto", "modalbe"}:
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
        gr = self.group(g, past, neg, q, subj, e.verb, comp)
        tail = self.expand(comp)
        if need and self.err is None:
            raise Retry
        if e.everyday and comp and comp[-1] not in NESTED and self.chance(0.08) and self.depth == 0:
            tail += self.at()
        aux = [gr.aux] if gr.aux is not None else []
        if q:
            return [*wh, *aux, *subj.toks, *gr.mid, *gr.verb, *tail]
        return [*subj.toks, *aux, *gr.mid, *gr.verb, *tail]

    def wh(self, e: Entry, comp: list[str]) -> tuple[list[Token], list[str]]:
        """A question word, and the complement that is left."""
        r = self.rng.random()
        if r < 0.42:
            return [], comp
        if r < 0.62 and e.everyday:
            obj = [c for c in e.comps if len(c) == 2 and c[0] == "A" or c in (["FOODS"], ["DRINK"])]
            if obj:
                ask = self.rng.choice(("what", "what", "which", "many", "else"))
                if ask == "which":
                    return [self.rng.choice(("which", "what")), self.noun("thing")], []
                if ask == "many":
                    return ["how", "many", self.nouns("thing")], []
                return (["what", "else"] if ask == "else" and self.chance(0.3) else ["what"]), []
        if r < 0.72:
            plain = [c for c in e.comps if not any(t in {"TO", "AT", "PLACE", "CITY", "COUNTRY",
                     "home", "here", "there", "out", "away", "to", "in"} | NESTED for t in c)]
            if plain:
                return ["where"], self.rng.choice(plain)
        return [self.rng.choice(("why", "when", "how", "how often", "what time", "why", "how long",
                                 "when", "how soon"))], comp

    def copula(self, spec: Spec, subj: NP | None) -> list[Token]:
        """*be* with an adjective, a noun or a place; *be* + adjective + to."""
        g, past, neg, q = spec
        if g == "adjto" and self.chance(0.35):
            be = self.be(NP(["it"], pron="it"), past)
            extra = ["for", *self.person()] if self.chance(0.25) else []
            return ["it", be, self.rng.choice(ITTO), *extra, "to", *self.infinitive("to")]
        human = subj.human if subj is not None else self.chance(0.68)
        if subj is None:
            subj = self.human() if human else self.thing()
            if neg and subj.toks[0] in {"nobody", "no one"}:
                raise Retry
        self.bind(subj)
        self.first_lemma = self.first_lemma or "be"
        if g == "modalbe":
            m = self.rng.choice(("will", "can", "must", "should", "would", "might", "could", "may"))
            w = W("be")
            if self.wants("after_modal"):
                self.plant(w, self.rng.choice(("is", "was", "are", "been", "being")), "be",
                           explain.after_modal(m, "be"))
            return [*subj.toks, m, w, *self.predicate(subj, human)]
        nt = neg and self.chance(0.75)
        be = self.be(subj, past, nt, not q)
        mid: list[Token] = ["not"] if neg and not nt else self.midadv(0.08) if not neg else []
        if g == "adjto":
            return [*subj.toks, be, *mid, self.one(ADJTO), "to", *self.infinitive("to")]
        pred = self.predicate(subj, human)
        if q:
            wh = [self.rng.choice(("why", "where", "when", "how"))] if self.chance(0.25) else []
            if wh and wh[0] in {"where", "how"}:
                return [*wh, be, *subj.toks]
            return [*wh, be, *subj.toks, *mid, *pred]
        return [*subj.toks, be, *mid, *pred]

    def predicate(self, subj: NP, human: bool) -> list[Token]:
        """What follows *be*."""
        r = self.rng.random()
        theme = "people" if human else "things"
        if r < 0.58:
            deg = self.rng.choices(("", "very", "so", "too", "really"), (60, 22, 7, 6, 5))[0]
            out: list[Token] = [deg] if deg else []
            out.append(self.adj(theme))
            if self.chance(0.06):
                out += ["and", self.adj(theme)]
            elif self.chance(0.05):
                out += ["than", *self.person()] if False else ["for", *self.person()]
            return out
        if r < 0.76:
            return self.at()
        if r < 0.9:
            if subj.num == "p" and (subj.pron != "you"):
                return self.pl("person" if human else "thing") if self.chance(0.5) else [
                    self.adj(), self.nouns("person" if human else "thing")]
            return self.sg("person" if human else "thing", self.rng.choice(("A_", "A_", "my", "the")))
        if r < 0.95:
            return ["like", *(self.person() if human else self.sg("thing"))]
        return [self.rng.choice(("late", "early", "here", "away", "at home", "from " + self.city(),
                                 f"{self.num()} years old"))]

    def there(self, spec: Spec) -> list[Token]:
        """*there is* and its like."""
        _, past, neg, q = spec
        if self.chance(0.45):
            r = self.rng.random()
            toks = (self.sg("thing", "A_") if r < 0.6 else
                    ["some" if not (neg or q) else "any", self.rng.choice(self.lex.nouns["mass"])]
                    if r < 0.75 else ["no", self.rng.choice(self.lex.nouns["mass"])] if r < 0.82
                    else ["A_", self.noun("animal")])
            subj = NP(toks, "s", human=False)
        else:
            det = self.rng.choice(("many", "some", "two", "three", "a lot of", "a few", "no", "several",
                                   "five", str(self.rng.randint(2, 99)), "too many"))
            if neg or q:
                det = self.rng.choice(("any", "many", "any", "two"))
            if det == "no" and neg:
                det = "any"
            noun = self.nouns(self.rng.choice(("thing", "person", "animal", "place")))
            if self.chance(0.1):
                noun = self.rng.choice(("people", "children", "people", "women", "men"))
            subj = NP([det, noun], "p", human=False)
        self.first_lemma = self.first_lemma or "be"
        be = self.be(subj, past, neg, False)
        body = subj.toks
        tail = self.at() if self.chance(0.75) else []
        return [be, "there", *body, *tail] if q else ["there", be, *body, *tail]

    def passive(self, spec: Spec) -> list[Token]:
        """A passive clause; its subject is the verb's usual object."""
        g, past, neg, q = spec
        for _ in range(60):
            e = self.entry(self.pool(spec))
            if e.verb.lemma in NO_PASSIVE or e.subj in {"thing", "it", "animal"}:
                continue
            comps = [c for c in e.comps if len(c) == 2 and c[0] in {"A", "the", "OWN", "a"}
                     or c in (["HUM"], ["FOODS"], ["NOUNS"], ["ANIMALS"])]
            if comps:
                break
        else:
            raise Retry
        c = self.rng.choice(comps)
        if c == ["HUM"] and (not e.everyday or self.chance(0.6)):
            subj = self.human()
        else:
            word = c[-1]
            theme = THEMES.get(word, "food" if word == "FOODS" else "thing")
            if word in THEMES or word in {"FOODS", "NOUNS", "ANIMALS", "HUM"}:
                theme = "animal" if word == "ANIMALS" else theme
                sing = self.chance(0.6)
                toks = self.sg(theme, self.rng.choice(("the", "the", "this", "my", "A_"))) if sing \
                    else self.pl(theme)
                subj = NP(toks, "s" if sing else "p", human=False)
            else:
                plur = word.endswith("s") and not word.endswith(("ss", "us", "bus")) or word in {
                    "people", "children"}
                if word in {"hair", "homework"}:
                    plur = False
                det = "the" if c[0] != "OWN" else self.rng.choice(("my", "his", "her", "our", "their"))
                subj = NP([det, word], "p" if plur else "s", human=False)
            if self.chance(0.15):
                subj = NP(["they"], "p", 3, "they", human=False) if subj.num == "p" else NP(
                    ["it"], "s", 3, "it", human=False)
        self.bind(subj)
        self.first_lemma = self.first_lemma or e.verb.lemma
        by = self.chance(0.38)
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
            m = self.rng.choice(("can", "must", "should", "will", "could", "can't", "might", "would",
                                 "won't"))
            aux, name = [m], "be"
            mid += ["be"]
        else:
            aux, name = [self.be(subj, past, False, not q)], "being"
            mid += ["being"]
        part = self.participle(e.verb, name, [], True, False, by)
        tail: list[Token] = ["by", *self.rng.choice((self.person(), self.sg("person")))] if by else []
        if not by and self.chance(0.35):
            tail = self.at()
        if self.chance(0.1):
            mid.append(self.rng.choice(("often", "always", "never", "badly", "usually")))
        if q:
            wh = [self.rng.choice(("when", "where", "why", "how"))] if self.chance(0.5) else []
            return [*wh, *aux, *subj.toks, *mid, part, *tail]
        return [*subj.toks, *aux, *mid, part, *tail]

    # sentences -----------------------------------------------------------------------------------
    def correct_spec(self) -> Spec:
        """A clause of any kind for a correct sentence, everyday ones most often."""
        r = self.rng.random()
        if r < 0.3:
            return self.pick(PAST)
        if r < 0.55:
            return self.pick(PRES)
        return self.pick(BY_KIND[self.rng.choice(list(BY_KIND))])

    def layout(self, kind: str) -> tuple[list[Token], bool]:
        """The tokens of a whole sentence, and whether it is a question."""
        spec = self.correct_spec() if kind == "correct" else self.pick(BY_KIND[kind])
        past, q = spec[1], spec[3]
        self.want = kind if kind != "correct" else "none"
        r = self.rng.random()
        if q:
            toks = self.clause(spec)
            if self.chance(0.08):
                conj = self.rng.choice(("when", "because", "if", "before"))
                self.want = "none"
                toks += [conj, *self.clause(self.pick(PAST if past else PRES), time=False)]
            return toks, True
        if kind == "correct" and r < 0.03:
            return self.imperative(), False
        if r < 0.56:
            if self.chance(0.03) and spec[0] in {"simple", "perf", "modal"}:
                who = self.np_sg([self.rng.choice(("who", "who", "which " + self.noun("thing")))])
                if self.want not in {"s_added"}:
                    who.firm = True
                    return self.clause(spec, who), True
            toks = self.clause(spec)
            if self.chance(0.03):
                toks = [self.rng.choice(CALLS), *toks]
            elif self.chance(0.04):
                toks += self.purpose()
            return toks, False
        if r < 0.80:
            return self.pair(spec, past), False
        if r < 0.90:
            m = self.rng.choice(MATRIX_PAST if past else MATRIX_PRES)
            body = self.clause_no_front(spec)
            return [m, *body], m in MATRIX_Q
        toks = self.relative(spec, past)
        return toks, toks[0] == "do you know"

    def clause_no_front(self, spec: Spec) -> list[Token]:
        """A clause whose time adverbial does not come first."""
        self.depth += 1
        out = self.clause(spec)
        self.depth -= 1
        return out

    def purpose(self) -> list[Token]:
        """to / in order to + infinitive."""
        return [*self.rng.choice((["to"], ["to"], ["in order to"])), *self.infinitive("to")]

    def imperative(self) -> list[Token]:
        """A command."""
        e = self.entry(cls="hum")
        self.own, self.refl = "your", "yourself"
        head: list[Token] = [self.rng.choice(("", "don't", "please", "never", "let's", "always"))]
        self.first_lemma = e.verb.lemma
        return [*[h for h in head if h], e.verb.lemma, *self.expand(self.comp_of(e))]

    def pair(self, spec: Spec, past: bool) -> list[Token]:
        """Two joined clauses; the one after `spec` carries the error, the other is right."""
        conj = self.rng.choice(PAIR_PAST if past else PAIR_PRES)
        want = self.want
        flip = self.chance(0.5)
        if conj in {"if", "unless", "before", "after", "until", "when"} and not past and spec[0] in {
                "modal", "going", "wouldlike"}:
            flip = False
        companions = [s for s in (PAST if past else PRES)
                      if flip or past or conj not in {"if", "unless", "before", "after", "until", "when"}
                      or s[1][0] not in {"modal", "going", "wouldlike"}]
        if flip:
            self.want = "none"
            a = self.clause(self.pick(companions), time=False)
            self.want = want
            b = self.clause_no_front(spec)
        else:
            a = self.clause_no_front(spec)
            self.want = "none"
            b = self.clause(self.pick(companions), time=False)
        comma = "," if conj in {"but", "so", "although", "and"} and self.chance(0.5) else ""
        if conj in FRONTABLE and self.chance(0.35):
            out = [conj, *b, *([","] if self.chance(0.6) else []), *a]
        else:
            out = [*a, *([comma] if comma else []), conj, *b]
        return out

    def relative(self, spec: Spec, past: bool) -> list[Token]:
        """A subject or an object with a relative clause; the error is in one of the two."""
        want = self.want
        sg = self.chance(0.6)
        if self.want == "s_missing":
            sg = True
        elif self.want == "s_added":
            sg = False
        toks = self.sg("person", self.rng.choice(("the", "the", "A_", "this"))) if sg else self.pl("person")
        head = NP(toks, "s" if sg else "p", 3, "", "his" if sg else "their",
                  "himself" if sg else "themselves")
        rel = self.rng.choice(("who", "who", "that"))
        other = self.pick(PAST if past else PRES)
        while other[0] in {"there", "passive"}:
            other = self.pick(PAST if past else PRES)
        if spec[0] in {"there", "passive"} or spec[0].startswith("passive"):
            raise Retry
        self.depth += 1
        hidden = NP([], head.num, 3, "", head.own, head.refl)
        mode = self.rng.random()
        if mode < 0.4:  # error in the main clause
            self.want = "none"
            sub = self.clause(other, hidden, time=False)
            self.want = want
            main = self.clause(spec, hidden)
            out = [*head.toks, rel, *sub, *main]
        elif mode < 0.7:  # error in the relative clause
            sub = self.clause(spec, hidden)
            self.want = "none"
            main = self.clause(other, hidden, time=False)
            out = [*head.toks, rel, *sub, *main]
        else:
            intro = self.rng.choice(("I know", "we met", "she has", "he saw", "there was",
                                     "this is", "do you know", "I talked to", "they found")
                                    if sg else ("I know", "we met", "she has", "I saw"))
            sub = self.clause(spec, hidden)
            out = [intro, *head.toks, rel, *sub]
        self.depth -= 1
        return out

    def example(self, kind: str) -> Example:
        """One example of a kind; draws until it fits."""
        while True:
            self.open = self.rng.choices((0.0, 0.35, 0.92), (30, 25, 45))[0]
            self.err, self.depth, self.first_lemma, self.marker = None, 0, "", ""
            try:
                toks, question = self.layout(kind)
            except Retry:
                continue
            if kind != "correct" and self.err is None:
                continue
            ex = self.finish(toks, question)
            if ex is not None:
                return ex

    def finish(self, toks: list[Token], question: bool) -> Example | None:
        """Print the tokens; None if the sentence is too long or too short."""
        toks = [t for t in toks if t != ""]
        style = draw_style(self.rng, question)
        if not question and isinstance(toks[-1], str) and toks[-1].endswith("."):
            style.end = "" if style.end == "." else style.end
        wrong, right = render(toks, style)
        n = len(wrong.split())
        if not 3 <= n <= 22 or len(wrong) > 190 or self.rng.random() < (n - 11) * 0.09:
            return None
        if self.err and wrong == right:
            print("BUG", toks, self.err, wrong)
        if "  " in wrong or "\n" in wrong:
            return None
        err = self.err or Err("correct", self.first_lemma or "be", explain.NO_CHANGE)
        return Example(wrong, right, err.why, err.kind, err.lemma)


def unused(_: Verb) -> None:
    """Keep the type import for readers."""

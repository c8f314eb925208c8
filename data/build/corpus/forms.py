"""Verb forms, with the error planted where one is wanted."""

from __future__ import annotations

import random

from . import explain
from .inflect import Verb
from .lexicon import Entry, Lexicon, Picker
from .sentence import NP, Err, Token, W
from .subjects import Subjects
from .wordlists import words

MODAL_VERBS = words("modals")
MODAL_W = (30, 16, 26, 14, 16, 12, 5, 7)
NT = {
    "can": "can't",
    "could": "couldn't",
    "will": "won't",
    "would": "wouldn't",
    "should": "shouldn't",
    "must": "mustn't",
}
# "can gone" is *can go*; after other modals, "must gone" wants *must have gone*.
NO_PAST_MODALS = frozenset(("can", "will", "won't", "shall"))
# Stative or odd in the progressive; "is need" would have another correction.
NO_PROGRESSIVE = frozenset(words("no_progressive"))
# Of these, "I am agree" wants *am* out, not *agreeing* in.
NO_BE = frozenset(words("no_be"))
NO_PASSIVE = frozenset(words("no_passive"))
# Never without an object: who or what *was tell* can only have been told.
ALWAYS_OBJECT = frozenset(words("always_object"))
# Verbs that a thing does by itself too: *it has moved* needs no *been*.
BY_ITSELF = frozenset(words("by_itself"))
# A thing that *was write* can only have been written.
PASSIVE_BARE = ALWAYS_OBJECT | frozenset(words("passive_bare"))

# "He is given a book" is right, "he is cleaned a room" is not.
TWO_OBJECTS = frozenset(words("two_objects"))
NO_OBJECTS = frozenset(words("no_objects"))

SHORT_HAVE = {"'s": "has", "'d": "had"}
BEEN_WRONG = ("was", "was", "were", "be", "being", "is")
SLIP_SHARE = 0.3  # of the misspellings of a verb that has both kinds
SHORT_BE = {"am": "'m", "is": "'s", "are": "'re"}


def been_or_is(after: str) -> str:
    """A wrong form for *be* after a modal or *to*: *been*, but "must been" wants *have been*."""
    return "been" if after == "to" or after in NO_PAST_MODALS else "is"


def be_form(subj: NP, past: bool) -> str:
    """The form of *be* that agrees."""
    if past:
        return "was" if subj.num == "s" and subj.per != 2 else "were"
    return "am" if subj.pron == "I" else "is" if subj.third else "are"


class Retry(Exception):
    """The draw cannot carry the wanted error; draw again."""


class VerbForms(Subjects):
    """Draws verb forms. `want` is the error kind to plant in the clause being made."""

    def __init__(
        self, rng: random.Random, lex: Lexicon, held_pairs: frozenset[str], only_held: bool
    ) -> None:
        super().__init__(rng, lex)
        self.want = ""
        self.err: Err | None = None
        self.marker = ""
        self.clear_present = False  # another clause shows that the time is the present
        self.held_pairs = held_pairs
        self.only_held = only_held
        ev, rare = lex.everyday, lex.rare
        irr = {e.verb.lemma for e in ev if e.verb.irregular}
        self.pools = {
            "all": (Picker(ev), Picker(rare)),
            "irregular": (
                Picker([e for e in ev if e.verb.lemma in irr]),
                Picker([e for e in rare if e.verb.irregular]),
            ),
            "spell": (
                Picker([e for e in ev if e.verb.spell], True),
                Picker([e for e in rare if e.verb.spell], True),
            ),
            "slip": (
                Picker([e for e in ev if e.verb.slip or e.verb.slip_pp]),
                Picker([e for e in rare if e.verb.slip]),
            ),
            "no_be": (Picker([e for e in ev if e.verb.lemma in NO_BE]),) * 2,
        }
        self.past_forms = frozenset(v.past for v in lex.verbs.values() if v.irregular)

    def plant(self, w: W, wrong: str, lemma: str, why: str) -> None:
        """Put the wanted error on `w`. Raises Retry when it may not be there."""
        if wrong == w.right or self.err is not None:
            raise Retry
        pair = f"{lemma}/{self.want}"
        if (pair in self.held_pairs) != self.only_held:
            raise Retry
        w.wrong = wrong
        self.err = Err(self.want, lemma, why)

    def wants(self, kind: str) -> bool:
        """Whether this kind is wanted and still to be planted."""
        return self.want == kind and self.err is None

    def entry(self, pool: str = "all", cls: str = "") -> Entry:
        """A verb entry. `cls` restricts the kind of subject."""
        common, rare = self.pools[pool]
        rate = (
            (0.08 + 0.14 * (self.want == "doubled_past"))
            if pool == "irregular"
            else 0.07 + 0.28 * self.open
        )
        for _ in range(40):
            e = (rare if self.chance(rate) else common).pick(self.rng)
            if not cls or e.subj in (cls, "any"):
                return e
        raise Retry

    # forms ---------------------------------------------------------------------------------------
    def be(self, subj: NP, past: bool, neg: bool = False, contract: bool = True) -> Token:
        """A form of *be* that agrees."""
        right = be_form(subj, past)
        if right == "am":
            wrong = self.rng.choice(("is", "are", "is"))
        elif right == "are" and self.chance(0.05):
            wrong = "am"
        else:
            wrong = {"was": "were", "were": "was", "is": "are", "are": "is"}[right]
        if neg and right != "am":
            right, wrong = right + "n't", "isn't" if wrong == "am" else wrong + "n't"
        w = W(right)
        if self.wants("be_agreement"):
            if not subj.firm:
                raise Retry
            self.plant(w, wrong, "be", explain.be_agreement(subj, wrong, right))
        elif self.wants("past_marker") and past:
            pres = be_form(subj, past=False)
            if neg and pres == "am":
                raise Retry
            pres += "n't" if neg else ""
            self.plant(w, pres, "be", explain.past_marker(self.marker, pres, right))
        elif contract and not past and not neg and subj.pron and self.chance(0.45):
            return SHORT_BE[right]
        return w

    def have(self, subj: NP, past: bool, neg: bool, contract: bool = True) -> Token:
        """A form of the auxiliary *have* that agrees."""
        nt = "n't" if neg else ""
        if past:
            if contract and subj.pron and subj.pron != "it" and not neg and self.chance(0.25):
                return "'d"
            return W("had" + nt)
        w = W(("has" if subj.third else "have") + nt)
        if self.wants("s_missing") and subj.third and subj.firm:
            self.plant(w, "have" + nt, "have", explain.s_missing("have" + nt, w.right))
        elif self.wants("s_added") and not subj.third:
            self.plant(w, "has" + nt, "have", explain.s_added(w.right))
        elif contract and not neg and subj.pron and self.chance(0.4):
            return "'s" if subj.third else "'ve"
        return w

    def do(self, subj: NP, past: bool, neg: bool) -> W:
        """A form of the auxiliary *do* that agrees."""
        nt = "n't" if neg else ""
        pres = ("does" if subj.third else "do") + nt
        if past:
            w = W("did" + nt)
            if self.wants("past_marker"):
                wrong = "don't" if neg and self.chance(0.5) else pres
                self.plant(w, wrong, "do", explain.past_marker(self.marker, wrong, w.right))
            return w
        w = W(pres)
        if self.wants("s_missing") and subj.third and subj.firm:
            self.plant(w, "do" + nt, "do", explain.s_missing("do" + nt, w.right))
        elif self.wants("s_added") and not subj.third:
            self.plant(w, "does" + nt, "do", explain.s_added(w.right))
        return w

    def simple(self, subj: NP, v: Verb, past: bool) -> W:
        """A finite form of the verb itself."""
        if past:
            w = W(v.past)
            if self.want in {"", "correct"} and self.chance(0.3):
                w.right = self.lex.british.get(v.lemma, v.past)
            done = v.irregular and v.pp not in {v.past, v.lemma} and not v.shaky
            if self.wants("overregular_past") and done and subj.human and self.chance(0.08):
                self.plant(w, v.pp, v.lemma, explain.overregular(v))  # we seen
            elif self.wants("overregular_past") and v.over:
                self.plant(w, self.rng.choice(v.over), v.lemma, explain.overregular(v))
            elif self.wants("misspelled_past") and (v.spell or v.slip):
                self.misspell(w, v, v.slip, participle=False)
            elif self.wants("doubled_past") and v.doubled:
                self.plant(w, self.rng.choice(v.doubled), v.lemma, explain.doubled(v))
            elif self.wants("past_marker"):
                if v.lemma == v.past or v.lemma in self.past_forms:
                    raise Retry
                use_s = self.chance(0.4 if subj.third else 0.05)
                wrong = v.s if use_s else v.lemma
                self.plant(w, wrong, v.lemma, explain.past_marker(self.marker, wrong, v.past))
            return w
        w = W(v.s if subj.third else v.lemma)
        if self.wants("s_missing") and subj.third and subj.firm:
            if (v.lemma == v.past and not self.clear_present) or v.lemma in self.past_forms - {
                v.past
            }:
                raise Retry
            wrong = self.rng.choice(v.s_wrong) if v.s_wrong and self.chance(0.2) else v.lemma
            self.plant(w, wrong, v.lemma, explain.s_missing(wrong, v.s))
        elif self.wants("s_added") and not subj.third:
            self.plant(w, v.s, v.lemma, explain.s_added(v.lemma))
        return w

    def base(self, v: Verb, after: str) -> W:
        """The base form after do/does/did, a modal or *to*; `after` names the auxiliary."""
        w = W(v.lemma)
        name = explain.aux_name(after)
        if name.startswith(("do", "did")) and self.wants("after_did"):
            bag = (
                [v.past] * 6 + [v.s] * 2 + [v.pp]
                if name.startswith("did")
                else ([v.s] * 6 + [v.past] * 2)
            )
            if self.chance(0.05):
                bag = [v.ing]
            self.plant(w, self.rng.choice(bag), v.lemma, explain.after_did(name, v))
        elif name == "to" and self.wants("after_to"):
            bag = [v.past] * 8 + [v.s] * 8 + [v.ing] * 3
            self.plant(w, self.rng.choice(bag), v.lemma, explain.after_to(v.lemma))
        elif (
            name not in {"to", "let"}
            and not name.startswith(("do", "did"))
            and self.wants("after_modal")
        ):
            bag = [v.past] * 8 + [v.s] * 9 + [v.ing] * 2
            if name in NO_PAST_MODALS or v.pp == v.past:
                bag += [v.pp] * 2  # or else it is no past: "must gone" wants *must have gone*
            self.plant(w, self.rng.choice(bag), v.lemma, explain.after_modal(name, v.lemma))
        return w

    def participle(
        self, v: Verb, aux: str, comp: list[str], passive: bool, adv: bool, by: bool
    ) -> W:
        """The past participle after *have* or, `passive`, after *be*."""
        w = W(v.pp)
        short = not passive and aux in SHORT_HAVE  # "I'd see it" is right: I would
        name = explain.aux_name(aux if passive else SHORT_HAVE.get(aux, aux))
        kind = "participle_passive" if passive else "participle_have"
        if self.wants("misspelled_past") and (v.spell or v.slip_pp):
            self.misspell(w, v, v.slip_pp, participle=True)
        elif self.wants(kind):
            bag: list[str] = []
            if v.irregular and not v.shaky:
                bag += [x for x in [v.past] * 5 if x != v.pp] + list(v.over[:1]) * 2
            solid = (
                by
                if passive
                else adv
                or (bool(comp) and comp[0] in {"A", "the", "a", "HUM", "OWN", "some", "NUM"})
            )
            if solid and not short and v.lemma not in {v.pp, v.past} and not v.adjlike:
                bag += [v.lemma] * 2
                if not passive:
                    bag.append(v.ing)  # he has giving me a book
            if passive and v.past == v.pp:
                bag += v.doubled[:1]  # was builted
            if not bag:
                raise Retry
            text = explain.participle_passive if passive else explain.participle_have
            self.plant(w, self.rng.choice(bag), v.lemma, text(name, v))
        return w

    def misspell(self, w: W, v: Verb, slips: tuple[str, ...], participle: bool) -> None:
        """A past or participle with a letter wrong."""
        if slips and (not v.spell or self.chance(SLIP_SHARE)):
            self.plant(w, self.rng.choice(slips), v.lemma, explain.slip(v, participle))
        else:
            why = explain.misspelled(v, participle)
            self.plant(w, self.rng.choice(v.spell), v.lemma, why)

    def no_be(self, subj: NP, v: Verb, past: bool) -> tuple[W, W]:
        """I am agree: a form of *be* that is to go, and the verb in the tense that it showed."""
        be = be_form(subj, past)
        right = v.past if past else v.s if subj.third else v.lemma
        extra = W("")
        self.plant(extra, be, v.lemma, explain.no_be(be, v.lemma, right))
        if not past and subj.pron and self.chance(0.3):
            extra.wrong = SHORT_BE[be]
        return extra, W(right, v.lemma)

    def modal_to(self, modal: str, v: Verb) -> list[Token]:
        """must to go: now and then a *to* that is to go, after a modal."""
        if not self.wants("after_modal") or not self.chance(0.06):
            return []
        extra = W("")
        self.plant(extra, "to", v.lemma, explain.modal_to(modal))
        return [extra]

    def been(self, aux: str) -> W:
        """*been* after have/has/had."""
        w = W("been")
        if self.wants("participle_have"):
            name = explain.aux_name(SHORT_HAVE.get(aux, aux))
            wrong = ("was", "was", "were", "being") if aux == "'d" else BEEN_WRONG
            self.plant(
                w,
                self.rng.choice(wrong),
                "be",
                f"After '{name}', use the past participle: "
                "the principal parts of 'be' are 'be', 'was', 'been'.",
            )
        return w

    def ing(self, v: Verb, aux: str, comp: list[str], subj: NP) -> W:
        """The -ing form after *be*."""
        w = W(v.ing)
        if self.wants("progressive"):
            if v.adjlike or v.lemma in NO_PROGRESSIVE:
                raise Retry
            if v.lemma in ALWAYS_OBJECT and (not comp or comp[0] in {"AT", "ADV"}):
                raise Retry  # a passive
            bag = [v.s] * 2 + list(v.ing_wrong) * (8 // max(1, len(v.ing_wrong)))
            obj = bool(comp) and comp[0] in {"A", "the", "a", "OWN", "some", "NUM"}
            acts = obj and bool(subj.pron) and subj.pron != "it"
            if (
                v.lemma not in {v.pp, "run"}
                or v.lemma in {"come"}
                or (v.lemma == "run" and "TO" in comp)
                or acts  # he is read a book
            ):
                bag += [v.lemma] * 12
            if v.lemma in NO_OBJECTS or (obj and v.lemma not in TWO_OBJECTS):
                bag += [v.pp] * 4  # she is rehearsed the scene, he is snored: no passive
            if v.irregular and v.past != v.pp and acts:
                bag += [v.past] * 3
            self.plant(
                w, self.rng.choice(bag), v.lemma, explain.progressive(explain.aux_name(aux), v)
            )
        return w

"""Errors in frames: which wrong form a mark gets, and the explanation."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import ClassVar

from . import explain
from .forms import (
    ALWAYS_OBJECT,
    BY_ITSELF,
    NO_PROGRESSIVE,
    NT,
    PASSIVE_BARE,
    Retry,
    be_form,
    been_or_is,
)
from .frame_parser import (
    BREAKS,
    NO_PASSIVE,
    PAST_MODALS,
    TIME_UNITS,
    TIME_WORDS,
    Frame,
    Piece,
    right_form,
    subject_number,
)
from .grammar import Grammar
from .inflect import Verb
from .sentence import NP, Err, W
from .slips import BE
from .wordlists import words

HAVES = {"have", "has", "had", "haven't", "hasn't", "hadn't", "having", "'ve", "'s", "'d"}
HAVES |= {"shoulda", "coulda", "woulda"}
BES = {
    "am",
    "is",
    "are",
    "was",
    "were",
    "be",
    "been",
    "being",
    "isn't",
    "aren't",
    "wasn't",
    "weren't",
    "'s",
    "'re",
    "'m",
    "get",
    "gets",
    "got",
}
DOS = {"do", "does", "did", "don't", "doesn't", "didn't"}
MODALS = {
    "can",
    "could",
    "will",
    "would",
    "shall",
    "should",
    "may",
    "might",
    "must",
    "can't",
    "cannot",
    "couldn't",
    "won't",
    "wouldn't",
    "shouldn't",
    "mustn't",
    "'ll",
    "'d",
}
OBJECTS = frozenset(words("object_words"))  # begin an object
ACTORS = frozenset(("I", "He", "She", "We", "They"))
PLURAL = {"i", "you", "we", "they", "children", "people", "who"}
DOERS = {"i", "you", "he", "she", "we", "they", "who", "everyone", "nobody", "people"}
# How the same is typed without apostrophes.
TYPED = {w.replace("'", ""): w for w in HAVES | BES | DOS | MODALS if w.endswith("n't")}
TYPED |= {"im": "i'm", "ive": "i've", "youve": "you've", "weve": "we've", "theyve": "they've"}
TYPED |= {"youre": "you're", "theyre": "they're", "hes": "he's", "shes": "she's", "thats": "that's"}
FLIP = {"has": "have", "hasn't": "haven't", "does": "do", "doesn't": "don't"}
FLIP |= {b: a for a, b in FLIP.items()}
GERUND_VERBS = frozenset(words("gerund_verbs"))
GERUND_WORDS = frozenset(words("gerund_words"))
LET_VERBS = frozenset(words("let_verbs"))
HAVE_VERBS = frozenset(("have", "get"))
SHORTENED = {"have": "'ve", "has": "'s", "am": "'m", "is": "'s", "are": "'re", "will": "'ll"}
LET_FIRST = frozenset(("let", "make", "help"))
LET_WORDS = frozenset(words("let_words"))
NO_ING = frozenset(words("no_ing"))  # "saw him leaving" is right, "made him leaving" is not
WISHES = {"wish": "wish", "wishes": "wishes", "wished": "wished", "only": "if only"}
WISHES |= {"time": "it's time", "rather": "would rather", "if": "if", "though": "as though"}


class FrameErrors:
    """Plants errors in frames, with the verb-group rules of a grammar."""

    def __init__(self, g: Grammar) -> None:
        self.g = g
        verbs = g.lex.verbs
        self.forms: dict[str, set[str]] = {
            lemma: {v.lemma, v.s, v.past, v.pp, v.ing}
            for lemma in GERUND_VERBS | LET_VERBS | HAVE_VERBS
            if (v := verbs.get(lemma))
        }
        self.never_to = frozenset().union(
            *(self.forms.get(lemma, ()) for lemma in words("never_to"))
        )
        self.pasts = {e.verb.past for e in g.lex.everyday if e.verb.past != e.verb.lemma}
        self.pasts |= {"was", "were", "did", "didn't", "wasn't", "weren't", "couldn't"}

    def printed(self, p: Piece) -> str:
        """A piece as it is printed when it is right, in small letters, without marks."""
        text = right_form(p, self.g.lex) if p.form else p.text
        return text.lower().replace("’", "'").strip(',.?!;:"()')

    def trigger(self, f: Frame, i: int, verbs: frozenset[str], others: frozenset[str]) -> str:
        """The nearest word before piece i that asks for its form: a form of one of `verbs`, or one
        of `others`.
        """
        said = [self.printed(p) for p in f.pieces[:i]]
        asks = others.union(*(self.forms.get(lemma, ()) for lemma in verbs))
        for j in range(len(said) - 1, -1, -1):
            if said[j] == "to" and "to" in others and j:
                return f"{said[j - 1]} to"
            if said[j] in asks:
                return said[j]
        raise Retry

    def known_past(self, f: Frame, i: int) -> str:
        """The verb nearest to piece i that shows the past: one before it, else one in a clause that
        begins after it.
        """
        said = [self.printed(p) for p in f.pieces]
        begins = next((j for j in range(i, len(said)) if said[j] in BREAKS), len(said))
        for j in chain(range(i - 1, -1, -1), range(begins, len(said))):
            if said[j] in self.pasts or f.pieces[j].form in {"past", "seq"}:
                return said[j]
        raise Retry

    def present(self, f: Frame, i: int, w: W) -> str:
        """The present form of the verb in piece i, with -s now and then where that may be meant."""
        lemma = f.pieces[i].text
        if lemma in PAST_MODALS:
            return NT.get(lemma, lemma) if w.right.endswith("n't") else lemma
        v = self.g.lex.verbs[lemma]
        if v.past == lemma or lemma in self.g.past_forms:
            raise Retry
        plural = f.pieces[i - 1].type == "ns" or self.printed(f.pieces[i - 1]) in PLURAL
        third = not plural and self.g.chance(0.6 if f.pieces[i].form in {"had", "wish"} else 0.3)
        return (v.s if third else lemma) + ("n't" if w.right.endswith("n't") else "")

    def before(self, f: Frame, i: int, among: set[str], default: str) -> str:
        """The nearest auxiliary before piece i (written out)."""
        for p in reversed(f.pieces[:i]):
            w = right_form(p, self.g.lex) if p.form else p.text
            w = w.lower().replace("’", "'").rstrip(",.?!")
            w = TYPED.get(w, w)
            if w in among:
                return w
            tail = "'" + w.rpartition("'")[2]
            if "'" in w and tail in among:
                return tail
        return default

    def error(self, f: Frame, i: int, kind: str, w: W) -> Err:
        """Plant `kind` on the verb of piece i. Raises Retry when it cannot be."""
        g, p = self.g, f.pieces[i]
        rng = g.rng
        form = p.form.partition(":")[0]
        right = w.right
        g.want, g.err = kind, None
        low = right.lower().replace("’", "'")
        if p.slip:
            why = p.slip.why(BE if p.text == "be" else g.lex.verbs[p.text])
            g.plant(w, p.slip.wrong, p.text, why)
        elif form in {"have3", "have", "do3", "do"}:
            wrong = FLIP.get(TYPED.get(low, low))
            if wrong is None:
                raise Retry
            if low in TYPED:
                wrong = wrong.replace("'", "")
            why = explain.s_missing(wrong, low) if kind == "s_missing" else explain.s_added(low)
            g.plant(w, wrong, p.text, why)
        elif p.text in PAST_MODALS:
            (self.wish_error if form == "wish" else self.sequence_error)(f, i, w)
        elif kind == "time_clause":
            self.will_clause(f, i, w)
        elif kind == "perfect_past":
            self.perfect_past(f, i, w)
        elif form.startswith("be-"):
            self.be_error(f, i, kind, w, low)
        elif form in {"since", "since3"}:
            self.since(f, i, w)
        elif kind == "participle_passive" and form == "past":
            self.no_passive(f, i, w)
        elif kind == "progressive" and form in {"state", "state3"}:
            self.state(f, i, w)
        elif kind == "progressive" and form in {"pres", "pres3"}:
            subj = NP([], "s" if form == "pres3" else "p", pron=f.pieces[i - 1].text)
            be = be_form(subj, past=False)
            g.plant(w, f"{be} {p.text}", p.text, explain.no_be(be, p.text, right))
        else:
            if p.text == "be":
                if form == "pp":
                    aux = self.before(f, i, HAVES, "")
                    if not aux:
                        raise Retry
                    w.wrong = g.been(aux).wrong
                    if g.err is None:
                        raise Retry
                    return g.err
                if form not in {"base-to", "base-modal"}:
                    raise Retry
                aux = explain.aux_name(self.before(f, i, MODALS, ""))
                been = been_or_is("to" if form == "base-to" else aux)
                wrong = rng.choice(("is", "was", "is", been, "being"))
                if (form == "base-modal" and not aux) or aux == "had":
                    raise Retry
                g.plant(
                    w,
                    wrong,
                    "be",
                    explain.after_to("be") if form == "base-to" else explain.after_modal(aux, "be"),
                )
            else:
                self.verb_error(f, i, form, w, g.lex.verbs[p.text])
        if g.err is None:
            raise Retry
        return g.err

    def verb_error(self, f: Frame, i: int, form: str, w: W, v: Verb) -> None:
        """An error on a full verb, by the form that its mark names."""
        if form == "seq":
            form = "had" if self.g.want == "past_sequence" else "past"
        self.PLANTERS[form](self, f, i, w, v)

    def gerund_subject(self, f: Frame, i: int, w: W, v: Verb) -> None:
        """Swim is fun."""
        self.g.plant(w, v.lemma, v.lemma, explain.gerund_subject(v))

    def feeling(self, f: Frame, i: int, w: W, v: Verb) -> None:
        """I am boring; the film was bored."""
        feels = f.pieces[i].form == "edj"
        self.g.plant(w, v.ing if feels else v.pp, v.lemma, explain.feeling(v, feels))

    def have_not_of(self, f: Frame, i: int, w: W, v: Verb) -> None:
        """Should of gone."""
        why = explain.have_not_of(self.before(f, i, MODALS, "should"))
        self.g.plant(w, "of", v.lemma, why)

    def causative(self, f: Frame, i: int, w: W, v: Verb) -> None:
        """I had my car repair."""
        bag = [x for x in [v.lemma] * 3 + [v.past, v.ing] if x != v.pp]
        aux = self.trigger(f, i, HAVE_VERBS, frozenset())
        self.g.plant(w, self.g.rng.choice(bag), v.lemma, explain.participle_have(aux, v))

    def reduced(self, f: Frame, i: int, w: W, v: Verb) -> None:
        """A letter write by my aunt."""
        if v.lemma == v.pp:
            raise Retry
        bag = [x for x in [v.lemma] * 4 + [v.past] if x != v.pp]
        self.g.plant(w, self.g.rng.choice(bag), v.lemma, explain.participle_alone(v))

    def borned(self, f: Frame, i: int, w: W, v: Verb) -> None:
        """I was borned."""
        self.g.plant(w, "borned", v.lemma, explain.born())

    def gerund(self, f: Frame, i: int, w: W, v: Verb) -> None:
        """Without say."""
        trigger = self.trigger(f, i, GERUND_VERBS, GERUND_WORDS)
        misspelled = list(v.ing_wrong) * (4 // max(1, len(v.ing_wrong)))
        bag = [v.lemma] * 14 + [v.s, v.past] + misspelled
        before = self.printed(f.pieces[i - 1])
        if before in self.never_to or before in TIME_UNITS:
            bag += [f"to {v.lemma}"] * 7  # finished to paint, spent two hours to paint
        self.g.plant(w, self.g.rng.choice(bag), v.lemma, explain.gerund(trigger, v))

    def bare(self, f: Frame, i: int, w: W, v: Verb) -> None:
        """Let him goes."""
        try:
            trigger = self.trigger(f, i, LET_FIRST, frozenset())
        except Retry:
            trigger = self.trigger(f, i, LET_VERBS, LET_WORDS)
        bag = [v.past] * 7 + [v.s] * 8
        if trigger in NO_ING:
            # made us to wait, let us using
            bag += [v.ing] * (5 if trigger in LET_FIRST else 2) + [f"to {v.lemma}"] * 6
        self.g.plant(w, self.g.rng.choice(bag), v.lemma, explain.after_did(trigger, v))

    def wish(self, f: Frame, i: int, w: W, v: Verb) -> None:
        """I wish I know."""
        self.wish_error(f, i, w)

    def sequence(self, f: Frame, i: int, w: W, v: Verb) -> None:
        """He sat down and open a book."""
        self.sequence_error(f, i, w)

    def simple_present(self, f: Frame, i: int, w: W, v: Verb) -> None:
        """She go; they goes."""
        third = f.pieces[i].form.partition(":")[0].endswith("3")
        subj = NP(["he"]) if third else NP(["they"], "p")
        self.g.clear_present = self.in_present(f, i)
        w.wrong = self.g.simple(subj, v, False).wrong

    def simple_past(self, f: Frame, i: int, w: W, v: Verb) -> None:
        """They goed; yesterday she go."""
        self.g.marker = f.marker
        subj = NP(["he"]) if self.g.chance(0.4) else NP(["they"], "p")
        w.wrong = self.g.simple(subj, v, True).wrong

    def perfect(self, f: Frame, i: int, w: W, v: Verb) -> None:
        """Has went."""
        aux = self.before(f, i, HAVES, "")
        if not aux:
            raise Retry
        comp = ["the"] if self.has_object(f, i) else []
        w.wrong = self.g.participle(v, aux, comp, passive=False, adv=False, by=False).wrong

    def passive(self, f: Frame, i: int, w: W, v: Verb) -> None:
        """Was broke; was designing by."""
        aux = self.before(f, i, BES, "")
        if not aux:
            raise Retry
        sure = f.pieces[i].form.startswith("ppt") or self.next_word(f, i) == "by"
        acts = v.lemma in BY_ITSELF  # "it will be closing" is right
        if sure and not acts and self.g.wants("participle_passive") and self.g.chance(0.12):
            why = explain.participle_passive(explain.aux_name(aux), v)
            self.g.plant(w, v.ing, v.lemma, why)
            return
        comp = ["the"] if self.has_object(f, i) else []
        by = sure or self.only_passive(f, i)
        w.wrong = self.g.participle(v, aux, comp, passive=True, adv=False, by=by).wrong

    def progressive(self, f: Frame, i: int, w: W, v: Verb) -> None:
        """Is work."""
        aux = self.before(f, i, BES, "")
        if not aux or aux in {"get", "gets", "got"}:
            raise Retry
        if v.lemma in NO_PROGRESSIVE:
            if not v.ing_wrong:
                raise Retry
            wrong = self.g.rng.choice(v.ing_wrong)  # forgeting; "is forget" may want *forgotten*
            self.g.plant(w, wrong, v.lemma, explain.progressive(explain.aux_name(aux), v))
            return
        comp = ["the", "TO"] if self.has_object(f, i) else ["TO"]
        subj = NP([], pron="he") if f.pieces[0].text in ACTORS else NP([])
        w.wrong = self.g.ing(v, aux, comp, subj).wrong

    def after_did(self, f: Frame, i: int, w: W, v: Verb) -> None:
        """Did he went."""
        self.base(w, v, self.before(f, i, DOS, ""))

    def after_modal(self, f: Frame, i: int, w: W, v: Verb) -> None:
        """Can sings."""
        self.base(w, v, self.before(f, i, MODALS, ""))

    def after_to(self, f: Frame, i: int, w: W, v: Verb) -> None:
        """Wants to went."""
        self.base(w, v, "to")

    def base(self, w: W, v: Verb, aux: str) -> None:
        """A wrong form instead of the base form after `aux`; 'd may be *had*."""
        if aux in {"", "'d"}:
            raise Retry
        w.wrong = self.g.base(v, aux).wrong

    #: What plants an error on a mark of each form.
    PLANTERS: ClassVar[dict[str, Callable[[FrameErrors, Frame, int, W, Verb], None]]] = {
        "gsub": gerund_subject,
        "edj": feeling,
        "ingj": feeling,
        "of": have_not_of,
        "caus": causative,
        "red": reduced,
        "born": borned,
        "ger": gerund,
        "bare": bare,
        "wish": wish,
        "had": sequence,
        "pres3": simple_present,
        "pres": simple_present,
        "state3": simple_present,
        "state": simple_present,
        "cond3": simple_present,
        "cond": simple_present,
        "past": simple_past,
        "pp": perfect,
        "ppp": passive,
        "ppt": passive,
        "ing": progressive,
        "base-did": after_did,
        "base-modal": after_modal,
        "base-to": after_to,
    }

    @staticmethod
    def next_word(f: Frame, i: int) -> str:
        """The word after piece i, in small letters."""
        return f.pieces[i + 1].text.lower() if i + 1 < len(f.pieces) else ""

    def has_object(self, f: Frame, i: int) -> bool:
        """Whether the word after piece i begins an object."""
        return self.next_word(f, i) in OBJECTS

    def plant_two(
        self, f: Frame, i: int, w: W, first: str, second: str, why: Callable[[str], str]
    ) -> None:
        """Plant the words 'first second'; after a pronoun now and then with *first* contracted.

        `why` makes the explanation from the words written out.
        """
        pronoun = f.pieces[i - 1].text.lower() in {"i", "you", "we", "they", "he", "she"}
        short = SHORTENED[first] if pronoun and self.g.chance(0.35) else first
        self.g.plant(w, f"{short} {second}", f.pieces[i].text, why(f"{first} {second}"))

    def subject_be(self, f: Frame, i: int, past: bool) -> str:
        """The form of *be* that agrees with the subject before piece i."""
        number = subject_number(f, i)
        if not number:
            raise Retry
        return self.be_after(f, i, number, past)

    @staticmethod
    def be_after(f: Frame, i: int, number: str, past: bool) -> str:
        """The form of *be* after the subject before piece i, whose number is known."""
        first = f.pieces[i - 1].text in {"I", "i"}
        return be_form(NP([], "s", pron="I") if first else NP([], number), past)

    def perfect_past(self, f: Frame, i: int, w: W) -> None:
        """I have seen it two days ago."""
        number = subject_number(f, i)
        if not number:
            raise Retry
        have, lemma = "have" if number == "p" else "has", f.pieces[i].text
        participle = "been" if lemma == "be" else self.g.lex.verbs[lemma].pp
        self.plant_two(
            f, i, w, have, participle, lambda wrong: explain.perfect_past(f.marker, wrong, w.right)
        )

    def will_clause(self, f: Frame, i: int, w: W) -> None:
        """when I will arrive."""
        word = self.trigger(f, i, frozenset(), TIME_WORDS)
        trigger = {"soon": "as soon as", "case": "in case", "time": "by the time"}.get(word, word)
        self.plant_two(
            f,
            i,
            w,
            "will",
            f.pieces[i].text,
            lambda wrong: explain.time_clause(trigger, wrong, w.right),
        )

    def state(self, f: Frame, i: int, w: W) -> None:
        """I am knowing."""
        v = self.g.lex.verbs[f.pieces[i].text]
        third = f.pieces[i].form == "state3"
        be = self.be_after(f, i, "s" if third else "p", past=False)
        self.plant_two(f, i, w, be, v.ing, lambda wrong: explain.state(v.lemma, wrong, w.right))

    def since(self, f: Frame, i: int, w: W) -> None:
        """I live here since 2010."""
        lemma, third = f.pieces[i].text, f.pieces[i].form == "since3"
        if lemma == "be":
            wrong = self.be_after(f, i, "s" if third else "p", past=False)
        else:
            v = self.g.lex.verbs[lemma]
            wrong = v.s if third else v.lemma
        self.g.plant(w, wrong, lemma, explain.since_perfect(wrong, w.right))

    def no_passive(self, f: Frame, i: int, w: W) -> None:
        """it was happened."""
        lemma = f.pieces[i].text
        if lemma not in NO_PASSIVE:
            raise Retry
        v = self.g.lex.verbs[lemma]
        wrong = f"{self.subject_be(f, i, past=True)} {v.pp}"
        self.g.plant(w, wrong, lemma, explain.no_passive(lemma, wrong, w.right))

    def sequence_error(self, f: Frame, i: int, w: W) -> None:
        """A present, or *will*, where another verb shows the past."""
        wrong = self.present(f, i, w)
        why = explain.past_sequence(self.known_past(f, i), wrong, w.right)
        self.g.plant(w, wrong, f.pieces[i].text, why)

    def wish_error(self, f: Frame, i: int, w: W) -> None:
        """A present after *wish* and the like."""
        said = self.before(f, i, set(WISHES), "")
        if not said:
            raise Retry
        lemma = f.pieces[i].text
        if said == "if" and lemma not in PAST_MODALS and self.g.chance(0.4):
            wrong = f"would {lemma}"
            self.g.plant(w, wrong, lemma, explain.if_would(wrong, w.right))
            return
        wrong = self.present(f, i, w)
        self.g.plant(w, wrong, lemma, explain.after_wish(WISHES[said], wrong, w.right))

    def only_passive(self, f: Frame, i: int) -> bool:
        """Whether *be* and the base form at piece i can only be meant as a passive."""
        lemma = f.pieces[i].text
        people = self.g.lex.nouns["person"]
        return lemma in ALWAYS_OBJECT or (
            lemma in PASSIVE_BARE
            and not any(
                q.type == "name" or q.text.lower() in DOERS or q.text in people
                for q in f.pieces[:i]
            )
        )

    @staticmethod
    def in_present(f: Frame, i: int) -> bool:
        """Whether another clause shows that piece i (*put*, *hurt*) is in the present."""
        others = {q.form for j, q in enumerate(f.pieces) if j != i}
        return bool(others & {"pres3", "pres", "be-is", "be-are", "be-am"}) and any(
            q.text.lower() in {"when", "if", "whenever", "because", "before", "everything"}
            for q in f.pieces
        )

    def be_error(self, f: Frame, i: int, kind: str, w: W, low: str) -> None:
        """An agreement or tense error on *be*."""
        g = self.g
        nt = "n't" if low.endswith("n't") else ""
        bare = low.removesuffix("n't")
        near = [q.text for q in f.pieces[max(0, i - 1) : i + 2]]
        subj = NP([], "p" if bare in {"are", "were"} else "s")
        if "I" in near and "and" not in [q.text for q in f.pieces[max(0, i - 2) : i]]:
            subj.pron = "I"
        elif any(x.lower() == "you" for x in near) and bare in {"are", "were"}:
            subj.pron = "you"
        if bare == "am":
            subj.pron = "I"
        if kind == "past_marker":
            pres = ("am" if subj.pron == "I" else "is") if bare == "was" else "are"
            if pres == "am" and nt:
                raise Retry
            g.plant(w, pres + nt, "be", explain.past_marker(f.marker, pres + nt, low))
            return
        if bare == "am":
            wrong = g.rng.choice(("is", "are", "is"))
        elif bare == "are" and "I" in near and not nt and subj.pron != "I":
            wrong = g.rng.choice(("is", "am", "am"))  # Ben and I am
        else:
            wrong = {"is": "are", "are": "is", "was": "were", "were": "was"}[bare]
        g.plant(w, wrong + nt, "be", explain.be_agreement(subj, wrong + nt, low))

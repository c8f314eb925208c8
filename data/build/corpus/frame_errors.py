"""Errors in frames: which wrong form a mark gets, and the explanation."""

from __future__ import annotations

from . import explain
from .forms import ALWAYS_OBJECT, NO_PROGRESSIVE, PASSIVE_BARE, Retry, be_form
from .frame_parser import Frame, right_form
from .grammar import Grammar
from .inflect import Verb
from .sentence import NP, Err, W

HAVES = {"have", "has", "had", "haven't", "hasn't", "hadn't", "having", "'ve", "'s", "'d"}
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
DOERS = {"i", "you", "he", "she", "we", "they", "who", "everyone", "nobody", "people"}
FLIP = {"has": "have", "hasn't": "haven't", "does": "do", "doesn't": "don't"}
FLIP |= {b: a for a, b in FLIP.items()}


class FrameErrors:
    """Plants errors in frames, with the verb-group rules of a grammar."""

    def __init__(self, g: Grammar) -> None:
        self.g = g

    def before(self, f: Frame, i: int, among: set[str], default: str) -> str:
        """The nearest auxiliary before piece i (written out)."""
        for p in reversed(f.pieces[:i]):
            w = right_form(p, self.g.lex) if p.form else p.text
            w = w.lower().replace("’", "'").rstrip(",.?!")
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
        if form in {"have3", "have", "do3", "do"}:
            wrong = FLIP.get(low)
            if wrong is None:
                raise Retry
            why = explain.s_missing(wrong, low) if kind == "s_missing" else explain.s_added(low)
            g.plant(w, wrong, p.text, why)
        elif form.startswith("be-"):
            self.be_error(f, i, kind, w, low)
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
                wrong = rng.choice(("is", "was", "is", "been", "being"))
                aux = explain.aux_name(self.before(f, i, MODALS, ""))
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
        """An error on a full verb."""
        g = self.g
        subj = NP(["he"]) if form == "pres3" else NP(["they"], "p")
        nxt = f.pieces[i + 1].text.lower() if i + 1 < len(f.pieces) else ""
        obj = nxt in {
            "a",
            "an",
            "the",
            "my",
            "his",
            "her",
            "our",
            "their",
            "your",
            "some",
            "two",
            "it",
            "him",
            "me",
            "us",
            "them",
            "three",
        }
        if form in {"pres3", "pres"}:
            g.clear_present = self.in_present(f, i)
            self.copy(w, g.simple(subj, v, False))
        elif form == "past":
            g.marker = f.marker
            self.copy(w, g.simple(NP(["he"]) if g.chance(0.4) else NP(["they"], "p"), v, True))
        elif form in {"pp", "ppp", "ppt"}:
            passive = form != "pp"
            aux = self.before(f, i, BES if passive else HAVES, "")
            if not aux or aux in {"get", "gets", "got"}:
                raise Retry
            by = form == "ppt" or nxt == "by" or self.only_passive(f, i)
            self.copy(w, g.participle(v, aux, ["the"] if obj else [], passive, False, by))
        elif form == "ing":
            aux = self.before(f, i, BES, "")
            if not aux or aux in {"get", "gets", "got"}:
                raise Retry
            if v.lemma in NO_PROGRESSIVE:
                if not v.ing_wrong:
                    raise Retry
                wrong = g.rng.choice(v.ing_wrong)  # forgeting; "is forget" may want *forgotten*
                g.plant(w, wrong, v.lemma, explain.progressive(explain.aux_name(aux), v))
                return
            self.copy(
                w,
                g.ing(
                    v,
                    aux,
                    ["the", "TO"] if obj else ["TO"],
                    NP([], pron="he")
                    if f.pieces[0].text in {"I", "He", "She", "We", "They"}
                    else NP([]),
                ),
            )
        else:
            among = {"base-did": DOS, "base-modal": MODALS}.get(form, set())
            aux = "to" if form == "base-to" else self.before(f, i, among, "")
            if aux == "'d":
                raise Retry
            if not aux:
                raise Retry
            self.copy(w, g.base(v, aux))

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

    def copy(self, w: W, made: W) -> None:
        """Take over the wrong form that the verb-group rules chose."""
        w.wrong = made.wrong

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

"""Examples from frames: swapped nouns, now and then other verbs, and at most one error."""

from __future__ import annotations

from . import explain
from .frame_parser import Frame, Piece, by_kind, plain_past, right_form
from .grammar import Grammar
from .inflect import Verb
from .sentence import NP, Err, Example, Style, Token, W, render
from .specs import KEEP_VERBS
from .times import past_time
from .verbgroup import NO_PROGRESSIVE, Retry

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
SUBJECTS = {"he": "s", "she": "s", "they": "p", "we": "p"}
FLIP = {"has": "have", "hasn't": "haven't", "does": "do", "doesn't": "don't"}
FLIP |= {b: a for a, b in FLIP.items()}


class FrameWriter:
    """Prints frames with a grammar's word choices."""

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
            self.copy(w, g.simple(subj, v, False))
        elif form == "past":
            g.marker = f.marker
            self.copy(w, g.simple(NP(["he"]) if g.chance(0.4) else NP(["they"], "p"), v, True))
        elif form in {"pp", "ppp"}:
            passive = form == "ppp"
            aux = self.before(f, i, BES if passive else HAVES, "")
            if not aux or aux in {"get", "gets", "got"}:
                raise Retry
            if aux in {"'s", "'d"} and not passive:
                aux = "has" if aux == "'s" else "had"
            self.copy(w, g.participle(v, aux, ["the"] if obj else [], passive, False, nxt == "by"))
        elif form == "ing":
            aux = self.before(f, i, BES, "")
            if not aux or aux in {"get", "gets", "got", "be", "been"} or v.lemma in NO_PROGRESSIVE:
                raise Retry
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
        else:
            wrong = {"is": "are", "are": "is", "was": "were", "were": "was"}[bare]
        g.plant(w, wrong + nt, "be", explain.be_agreement(subj, wrong + nt, low))

    def swap(self, p: Piece, rate: float) -> str:
        """A swappable word, swapped at `rate`."""
        g = self.g
        if not g.chance(rate):
            return p.text
        theme = g.rng.choice(("thing", "thing", "person", "animal", "food", "place"))
        t = p.type
        if t == "n":
            return g.noun(theme)
        if t == "ns":
            return g.nouns(theme)
        if t == "u":
            return g.rng.choice(g.lex.nouns[g.rng.choice(("mass", "massfood", "drink"))])
        if t == "name":
            return g.name()[0] if not g.chance(g.open) else g.rng.choice(g.lex.proper)
        if t == "place":
            return g.city()
        if t == "adj":
            return g.adj()
        if t == "num":
            return g.num()
        return g.adverb()

    def example(self, kind: str) -> Example | None:
        """One example of a kind from a random frame, or None."""
        g = self.g
        rows = by_kind(g.lex).get(kind)
        if not rows:
            return None
        f, at = g.rng.choice(rows)
        g.open = g.rng.choices((0.0, 0.4, 0.95), (35, 33, 32))[0]
        rate = g.rng.choices((0.0, 0.5, 1.0), (15, 35, 50))[0]
        if g.lex.held:
            g.open, rate = 1.0, 1.0
        g.err, g.want, g.marker = None, kind, ""
        f, at = self.marked(f, at, kind)
        f = self.other_verbs(f)
        toks: list[Token] = []
        for i, p in enumerate(f.pieces):
            tok: Token
            if p.form:
                w = W(right_form(p, g.lex))
                if i == at:
                    try:
                        g.err = self.error(f, i, kind, w)
                    except Retry:
                        return None
                    if w.right[0].isupper() and w.wrong:
                        w.wrong = w.wrong[0].upper() + w.wrong[1:]
                tok = w
            else:
                text = self.swap(p, rate) if p.type else p.text
                if text.lower() in SUBJECTS and self.subject_here(f, i) and g.chance(rate * 0.4):
                    toks += self.subject(SUBJECTS[text.lower()])
                    continue
                if (
                    text.lower() in {"a", "an"}
                    and i + 1 < len(f.pieces)
                    and (f.pieces[i + 1].type in {"n", "adj"})
                ):
                    text = "A_"
                tok = text
            if p.glue and toks:
                prev = toks.pop()
                toks.append(glue(prev, tok))
            else:
                toks.append(tok)
        last = toks[-1]
        end = ""
        if isinstance(last, str) and last[-1] in ".?!" and not last.endswith(("a.m.", "p.m.")):
            end = last[-1]
            toks[-1] = last[:-1]
        elif isinstance(last, W) and last.right[-1] in ".?!":
            end = last.right[-1]
            toks[-1] = W(last.right[:-1], last.wrong[:-1] if last.wrong else None)
        r = g.rng.random()
        style = Style(end, r < 0.06, 0.06 <= r < 0.14, g.rng.random() < 0.06)
        if end and g.chance(0.15):
            style.end = "" if g.chance(0.75) else "!" if end == "." else end
        elif not end and g.chance(0.3):
            style.end = "?" if self.asks(f) else "."
        wrong, right = render([t for t in toks if t != ""], style)
        if not 3 <= len(wrong.split()) <= 22 or len(wrong) > 190:
            return None
        lemma = next((p.text for p in f.pieces if p.form), "be")
        err = g.err or Err("correct", lemma, explain.NO_CHANGE)
        if kind != "correct" and err.kind == "correct":
            return None
        return Example(wrong, right, err.why, err.kind, err.lemma, ["frame"])

    @staticmethod
    def subject_here(f: Frame, i: int) -> bool:
        """Whether piece i begins a clause and a verb or an adverb follows it."""
        start = i == 0 or f.pieces[i - 1].text.lower() in {
            "that",
            "because",
            "when",
            "if",
            "and",
            "but",
            "so",
            "think",
            "while",
        }
        nxt = f.pieces[i + 1] if i + 1 < len(f.pieces) else Piece("")
        return (
            start
            and not nxt.glue
            and (
                bool(nxt.form)
                or nxt.text
                in {
                    "always",
                    "often",
                    "never",
                    "can",
                    "will",
                    "would",
                    "should",
                    "must",
                    "can't",
                    "has",
                    "had",
                    "have",
                    "was",
                    "were",
                    "is",
                    "are",
                    "didn't",
                    "doesn't",
                    "don't",
                    "couldn't",
                    "could",
                    "might",
                    "may",
                    "won't",
                    "usually",
                    "still",
                }
            )
        )

    def subject(self, num: str) -> list[Token]:
        """Another subject of the same number, no pronoun."""
        g = self.g
        for _ in range(40):
            s = g.human(False)
            if s.num == num and not s.pron and s.per == 3 and len(s.toks) < 6:
                return s.toks
        return ["he" if num == "s" else "they"]

    def marked(self, f: Frame, at: int, kind: str) -> tuple[Frame, int]:
        """The frame with another past marker, or with one added when the error needs it."""
        g = self.g
        if f.marker:
            if not g.chance(0.6):
                return f, at
            new = past_time(g, g.chance(0.7))
            if new.startswith(("when", "as a")):
                return f, at
            out = [Piece(new, "", "", p.glue) if p.text == f.marker else p for p in f.pieces]
            return Frame(tuple(out), new, f.source), at
        if kind != "past_marker" and not (plain_past(f) and g.chance(0.25)):
            return f, at
        new = past_time(g)
        out = list(f.pieces)
        if g.chance(0.4):
            comma = [Piece(",", "", "", True)] if g.chance(0.5) else []
            first = out[0]
            if not first.form and not first.type and first.text.split("'")[0] not in {"I", "Mr."}:
                out[0] = Piece(first.text[0].lower() + first.text[1:])
            shift = 1 + len(comma)
            return Frame((Piece(new), *comma, *out), new, f.source), at + shift if at >= 0 else at
        last = out[-1]
        end = last.text[-1] if last.text[-1] in ".!?" else ""
        if end and not last.form and not last.type and len(last.text) > 1:
            out[-1] = Piece(last.text[:-1], "", "", last.glue)
        elif end and not last.form and not last.type:
            out.pop()
        out.append(Piece(new))
        if end:
            out.append(Piece(end, "", "", True))
        return Frame(tuple(out), new, f.source), at

    def other_verbs(self, f: Frame) -> Frame:
        """The frame with some verbs exchanged: its shape is kept, its words are not."""
        g = self.g
        if not g.chance(0.3):
            return f
        out = list(f.pieces)
        for i, p in enumerate(out):
            plain = p.form in {
                "pres3",
                "pres",
                "past",
                "pp",
                "ing",
                "base-did",
                "base-modal",
                "base-to",
            }
            if plain and p.text not in KEEP_VERBS and g.chance(0.7):
                e = g.entry(
                    "irregular" if g.lex.verbs[p.text].irregular and g.chance(0.8) else "all"
                )
                if e.verb.lemma in KEEP_VERBS or e.verb.shaky:
                    continue
                out[i] = Piece(e.verb.lemma, p.form, "", p.glue)
        return Frame(tuple(out), f.marker, f.source)

    @staticmethod
    def asks(f: Frame) -> bool:
        """Whether a frame without a final mark is a question."""
        first = f.pieces[0].text.lower()
        return first in DOS | BES | MODALS | HAVES | {
            "why",
            "when",
            "where",
            "who",
            "what",
            "how",
            "which",
            "whose",
        }


def glue(a: Token, b: Token) -> Token:
    """Two pieces without a space between them, keeping the verb mark."""
    if isinstance(a, str) and isinstance(b, str):
        return a + b
    aw = a if isinstance(a, W) else W(a)
    bw = b if isinstance(b, W) else W(b)
    wrong = None
    if aw.wrong is not None or bw.wrong is not None:
        wrong = (aw.wrong or aw.right) + (bw.wrong or bw.right)
    return W(aw.right + bw.right, wrong)

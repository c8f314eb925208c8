"""Changes to a frame that keep its grammar: other nouns, verbs, subjects, past markers."""

from __future__ import annotations

import re

from .frame_errors import GERUND_VERBS, LET_VERBS, FrameErrors
from .frame_joins import STARTS, joinable, joinables, tense
from .frame_parser import PAST_MODALS, Frame, Piece, plain_past
from .long_shapes import LEADS
from .sentence import Token
from .specs import KEEP_VERBS
from .times import past_time
from .wordlists import spaced, words

JOIN_SHARE = 0.2  # of the frames that can be joined
ASKS = frozenset(words("asks"))
OWNERS = ("my", "our", "your", "their")
SUBJECTS = {"he": "s", "she": "s", "they": "p", "we": "p"}
MODIFIED_SHARE = 0.3  # of the frames with a noun right before its verb
DETERMINERS = frozenset(("the", "my", "our", "his", "her", "their", "your", "this", "these", "a"))
AFTER_NOUNS = spaced("after_nouns")
AFTER_SUBJECT = frozenset(("past", "pres", "pres3", "seq", "have", "have3", "do", "do3"))
AFTER_SUBJECT |= {"be-is", "be-are", "be-was", "be-were"}
# Verbs whose frames depend on them.
KEPT = KEEP_VERBS | GERUND_VERBS | LET_VERBS | PAST_MODALS.keys()


class FrameChanges(FrameErrors):
    """Varies frames."""

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

    def varied(self, text: str) -> str:
        """A plain word of a frame: another owner, other digits, or the word itself."""
        g = self.g
        bare, end = (text[:-1], text[-1]) if text[-1] in ",.?!;:" else (text, "")
        if text in OWNERS and g.chance(0.3):
            return g.rng.choice((*OWNERS, "his", "her"))
        if not any(c.isdigit() for c in bare) or g.chance(0.25):
            return text
        if re.fullmatch(r"[12][0-9]{3}", bare):
            return f"{g.rng.randint(1850, 2022)}{end}"
        if re.fullmatch(r"[0-9]+:[0-9]+", bare):
            return f"{g.rng.randint(1, 23)}:{g.rng.randint(0, 59):02}{end}"
        if bare[-2:] in {"st", "nd", "rd", "th"}:
            return g.ordinal() + end
        return re.sub(r"[1-9]", lambda m: str(g.rng.randint(1, 9)), bare) + end

    def introduced(self, f: Frame, at: int) -> tuple[Frame, int]:
        """Now and then the frame with a phrase or a name before it, or a name after it."""
        g, first = self.g, f.pieces[0]
        if not g.chance(0.15) or first.form or first.type or first.glue or f.source[0] in "\"'":
            return f, at
        last = f.pieces[-1]
        if g.chance(0.35) and not last.form and not last.type and last.text[-1] in ".?!":
            end = last.text.lstrip("abcdefghijklmnopqrstuvwxyz'-")
            if end in {".", "?", "!"} and (not last.glue or last.text == end):
                head = list(f.pieces[:-1])
                if last.text != end:
                    head.append(Piece(last.text[:-1], "", "", last.glue))
                tail = [Piece(",", "", "", True), Piece(g.name()[0]), Piece(end, "", "", True)]
                return Frame((*head, *tail), f.marker, f.source), at
        plain = first.text in STARTS and "?" not in f.source
        text = g.one(LEADS) if plain and g.chance(0.75) else g.name()[0]
        if not plain and (first.text == "I" or first.text.lower() == first.text):
            return f, at
        word, marker = first.text, f.marker
        if word not in {"I", "I'm", "I've", "I'd", "I'll"}:
            known = word == marker or word in STARTS or word.lower() in ASKS
            if not known:
                return f, at
            word = word[0].lower() + word[1:]
            marker = word if first.text == marker else marker
        head2 = [Piece(text), Piece(",", "", "", True), Piece(word)]
        shift = at + 2 if at >= 0 else at
        return Frame((*head2, *f.pieces[1:]), marker, f.source), shift

    def modified(self, f: Frame, at: int) -> tuple[Frame, int]:
        """Now and then the frame with a phrase between a noun and its verb."""
        g = self.g
        places = [
            i
            for i in range(1, len(f.pieces))
            if f.pieces[i].form.partition(":")[0] in AFTER_SUBJECT
            and not f.pieces[i].glue
            and (f.pieces[i - 1].type in {"n", "ns"} or self.ends_noun_phrase(f, i))
            and f.pieces[i - 1].text != f.marker
        ]
        if not places or len(f.pieces) > 22 or not g.chance(MODIFIED_SHARE):
            return f, at
        i = g.rng.choice(places)
        phrase = [Piece(word) for word in g.rng.choice(AFTER_NOUNS).split()]
        pieces = (*f.pieces[:i], *phrase, *f.pieces[i:])
        return Frame(pieces, f.marker, f.source), at + len(phrase) if at >= i else at

    @staticmethod
    def ends_noun_phrase(f: Frame, i: int) -> bool:
        """Whether a determiner and one word stand before piece i: a noun, before a verb."""
        if i < 2:
            return False
        first, noun = f.pieces[i - 2 : i]
        return (
            first.text.lower() in DETERMINERS
            and noun.text.isalpha()
            and not (noun.form or noun.glue or first.glue)
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

    def joined(self, f: Frame, at: int) -> tuple[Frame, int]:
        """Now and then the frame joined to a second statement of the same tense."""
        g = self.g
        if not g.chance(JOIN_SHARE) or not joinable(f):
            return f, at
        other = g.rng.choice(joinables()[tense(f)])
        if len(f.pieces) + len(other.pieces) > 27:
            return f, at
        conj = g.rng.choice((", and", ", but", " because", ", so", " and", " while", " although"))
        first, second = (f, other) if g.chance(0.5) else (other, f)
        head = list(first.pieces)
        last = head[-1]
        if last.text == ".":
            head.pop()
        elif not last.form and not last.type:
            head[-1] = Piece(last.text[:-1], "", "", last.glue)
        join = [Piece(",", "", "", True)] if conj[0] == "," else []
        join.append(Piece(conj.strip(", ")))
        tail = list(second.pieces)
        if tail[0].text != "I" and not tail[0].form and not tail[0].type:
            tail[0] = Piece(tail[0].text[0].lower() + tail[0].text[1:])
        shift = len(head) + len(join) if second is f and at >= 0 else 0
        return Frame((*head, *join, *tail), f.marker, f.source), at + shift

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
                "ger",
                "bare",
                "seq",
                "cond",
                "cond3",
            }
            if plain and p.text not in KEPT and g.chance(0.7):
                e = g.entry(
                    "irregular" if g.lex.verbs[p.text].irregular and g.chance(0.8) else "all"
                )
                if e.verb.lemma in KEEP_VERBS or e.verb.shaky:
                    continue
                out[i] = Piece(e.verb.lemma, p.form, "", p.glue)
        return Frame(tuple(out), f.marker, f.source)

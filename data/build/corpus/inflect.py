"""Verbs and their forms, right and wrong.

Irregular verbs come from a hand-checked table (`lists/irregular.txt`); regular ones are inflected
by lemminflect and cross-checked by the spelling rules here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from .wordlists import LISTS, words

VOWELS = "aeiou"
# Regular verbs whose lemma is also an ordinary adjective: "The shop is open" is no mistake.
ADJECTIVE_LIKE = frozenset(words("adjective_like"))
BLOCKED = frozenset(words("blocked"))


BLOCKED_PARTS = re.compile(
    r"sex|porn|nazi|rape|slut|fuck|shit|cunt|nympho|ejacul|masturb|penis|vagin|whor|nigg|fagg|orgas|"
    r"boner|erotic|incest|pedoph|paedoph|hitler|holocaust|isis$|hooker|jihad|genital|testic|anus|"
    r"bastard|retard|lesb|gay|jew|negro|tits|boob|cock|dildo|anal$|bdsm|naked|nude|suicid|^kill|"
    r"murder|terroris|slave|semen|sperm|pussy|dyke|kike|spic$|chink|tranny|crip|hentai|milf|xxx|"
    r"cocaine|heroin$|cretin|moron|gangba|castrat|lynch|genocid|molest|prostitu|pimp|escort|viagra|"
    r"twat|wank|bitch|hoe$|hump|stfu|wtf|sodom|coitus|fetish|condom|bukkake|rectal|rectum|urin|feces"
)


@dataclass(frozen=True)
class Verb:
    """One verb: its right forms, and the wrong forms that people write for them."""

    lemma: str
    s: str
    past: str
    pp: str
    ing: str
    irregular: bool
    shaky: bool  # two standard past forms: never called wrong
    over: tuple[str, ...] = ()  # goed
    spell: tuple[str, ...] = ()  # stoped
    slip: tuple[str, ...] = ()  # happend, bougth
    slip_pp: tuple[str, ...] = ()  # hiden
    doubled: tuple[str, ...] = ()  # wented
    ing_wrong: tuple[str, ...] = ()  # stoping
    s_wrong: tuple[str, ...] = ()  # studys

    @property
    def adjlike(self) -> bool:
        """Whether the bare lemma can stand after *be* as an adjective."""
        return self.lemma in ADJECTIVE_LIKE


def doubles(w: str) -> bool:
    """Whether a word of one syllable doubles its last consonant before -ed and -ing."""
    return bool(re.fullmatch(r"[^aeiou]*(?:qu)?[aeiouy][^aeiouwxy]", w)) and len(w) > 2


def add_ed(w: str, double: bool = False) -> str:
    """Spell w + -ed by the ordinary rules."""
    if w.endswith("e"):
        return w + "d"
    if w.endswith("y") and w[-2] not in VOWELS:
        return w[:-1] + "ied"
    if w.endswith("c"):
        return w + "ked"
    return w + (w[-1] if double else "") + "ed"


def add_s(w: str) -> str:
    """Spell w + -s (third person, plural) by the ordinary rules."""
    if w == "have":
        return "has"
    if (
        re.search(r"(s|x|z|ch|sh)$", w)
        or w in {"go", "do", "echo", "veto", "torpedo"}
        or (re.fullmatch(r"(under|over|out|re|un)(go|do)", w))
    ):
        return w + ("zes" if w == "quiz" else "es")
    if w.endswith("y") and w[-2] not in VOWELS:
        return w[:-1] + "ies"
    return w + "s"


def add_ing(w: str, double: bool = False) -> str:
    """Spell w + -ing by the ordinary rules."""
    if w.endswith("ie"):
        return w[:-2] + "ying"
    if w.endswith("e") and not re.search(r"(ee|oe|ye)$", w) and w not in {"singe", "binge", "be"}:
        return w[:-1] + "ing"
    if w.endswith("c"):
        return w + "king"
    return w + (w[-1] if double else "") + "ing"


# Look like wrong forms of an irregular verb and are words of their own.
REAL_WORDS = frozenset(words("real_words"))
ING_DOUBLE = frozenset(words("ing_double"))


def _wrong_past_regular(w: str, past: str) -> list[str]:
    out = []
    if w.endswith("y"):
        out += [w + "ed", w + "ed"] if past.endswith("ied") else [w[:-1] + "ied"]
    elif (
        w.endswith("c")
        or past == w + w[-1] + "ed"
        or (w.endswith("e") and len(w) > 3 and not w.endswith("ee"))
    ):
        out.append(w + "ed")
    elif (re.search(r"[^aeiou][aeiou][bdgklmnprt]$", w) and not doubles(w)) or re.search(
        r"[aeiou]{2}[dknpt]$", w
    ):
        out.append(w + w[-1] + "ed")
    return [x for x in out if x != past]


SLIPS = {
    "thought": ("thougth", "tought"),
    "brought": ("brougth", "broght"),
    "bought": ("bougth", "boght"),
    "caught": ("caugth", "cought"),
    "taught": ("taugth",),
    "fought": ("fougth",),
    "chosen": ("choosen",),
    "lost": ("losted",),
    "known": ("knowen",),
    "shown": ("showen",),
}


def _slips(w: str, form: str) -> list[str]:
    """Misspellings of a past or participle that break none of the rules about its ending."""
    out = list(SLIPS.get(form, ()))
    if len(form) > 5:
        out += [
            form[: m.start()] + form[m.start() + 1 :]
            for m in re.finditer(r"([bcdfglmnprst])\1", form)
        ]
    if form == w + "ed" and re.search(r"[^aeiou](en|er|on)$", w):
        out.append(w + "d")
    if form == w + "d" and re.search(r"[^aeiou]i[lt]e$", w):
        out.append(w[:-1] + w[-2] + "ed")  # smilled
    return [x for x in out if x != form]


def _wrong_ing(w: str, ing: str) -> list[str]:
    out = []
    if ing == w + w[-1] + "ing":
        out.append(w + "ing")
    elif w.endswith("e") and ing == w[:-1] + "ing":
        out.append(w + "ing")
        if re.search(r"[^aeiou][aeiou][tmvkn]e$", w):
            out.append(w[:-1] + w[-2] + "ing")
    elif w.endswith("ie"):
        out += ["laying"] if w == "lie" else [w[:-1] + "ing", w + "ing"]
    elif w.endswith("c"):
        out.append(w + "ing")  # panicing
    elif w.endswith("y"):
        out.append(w[:-1] + "ing")
    return [x for x in out if x != ing]


def _wrong_s(w: str, s: str) -> list[str]:
    if w == "have":
        return ["haves"]
    if s == w + "s":
        return [w[:-1] + "ies"] if w.endswith("y") else []
    if s.endswith("ies"):
        return [w + "s"]
    if s == w + "es":
        return [w + "s"] if not w.endswith("s") else []
    return []


OTHER_PASTS = {"bring": ("brang", "brung")}
# Two standard participles, one of which is no past tense.
NOT_PAST = {"show": ("shown",)}


def _over(w: str) -> list[str]:
    out = [add_ed(w), add_ed(w), *OTHER_PASTS.get(w, ())]
    if doubles(w):
        out += [add_ed(w, True)] * 2
    if w.endswith("y"):
        out.append(w + "ed")
    if w in {"begin", "forget", "forbid", "upset", "reset"}:
        out.append(add_ed(w, True))
    return out


def _doubled(past: str, lemma: str) -> list[str]:
    if past == lemma or past.endswith("ed"):
        return []
    out = [past + ("d" if past.endswith("e") else "ed")]
    if doubles(past) and past[-1] not in "dt":
        out.append(past + past[-1] + "ed")
    return out


@cache
def irregular_table() -> dict[str, tuple[str, str, bool]]:
    """Base -> (past, participle, shaky) for every irregular verb of the hand-checked table."""
    out: dict[str, tuple[str, str, bool]] = {}
    for line in (LISTS / "irregular.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            base, past, pp, *star = line.split()
            out[base] = (past, pp, bool(star))
    return out


def real_forms() -> frozenset[str]:
    """Every right past and participle form in the irregular table."""
    return frozenset(f for p, pp, _ in irregular_table().values() for f in (p, pp))


def irregular(base: str) -> Verb:
    """The irregular verb `base`, with its wrong forms. Raises KeyError if unknown."""
    past, pp, shaky = irregular_table()[base]
    double = doubles(base) or base in ING_DOUBLE
    ing = add_ing(base, double)
    real = real_forms()
    lemmas = irregular_table()
    bad = {past, pp, *REAL_WORDS} - ({"seed"} if base == "see" else set())
    over = (
        NOT_PAST.get(base, ())
        if shaky
        else tuple(x for x in _over(base) if x not in bad and x not in real)
    )
    dbl = (
        ()
        if shaky
        else tuple(
            x for x in _doubled(past, base) if x not in bad and x not in lemmas and x not in over
        )
    )
    return Verb(
        base,
        add_s(base),
        past,
        pp,
        ing,
        True,
        shaky,
        over,
        (),
        () if shaky else tuple(x for x in _slips(base, past) if x not in real and x not in bad),
        () if shaky else tuple(x for x in _slips(base, pp) if x not in real and x not in bad),
        dbl,
        tuple(x for x in _wrong_ing(base, ing) if x not in bad),
        tuple(_wrong_s(base, add_s(base))),
    )


def regular(base: str, past: str, s: str, ing: str, shaky: bool, real: frozenset[str]) -> Verb:
    """A regular verb from its forms; `real` holds the words that must not serve as wrong forms."""
    spell = (
        ()
        if shaky
        else tuple(x for x in _wrong_past_regular(base, past) if x == "planed" or x not in real)
    )
    slip = () if shaky else tuple(x for x in _slips(base, past) if x not in real and x not in spell)
    ingw = () if shaky else tuple(x for x in _wrong_ing(base, ing) if x not in real | REAL_WORDS)
    return Verb(
        base,
        s,
        past,
        past,
        ing,
        False,
        shaky,
        (),
        spell,
        slip,
        slip,
        (),
        ingw,
        tuple(x for x in _wrong_s(base, s) if x not in real),
    )

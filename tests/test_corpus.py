"""The committed verb corpus, and the rules of its generator that need no dictionary."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from functools import cache
from itertools import chain
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import cast

import pytest

from data.build.corpus.dressing import Dresser, without_apostrophes
from data.build.corpus.forms import Retry, VerbForms
from data.build.corpus.frame_errors import FrameErrors
from data.build.corpus.frame_joins import joinable, tense
from data.build.corpus.frame_pairs import pairs
from data.build.corpus.frame_parser import frames, parse, right_form
from data.build.corpus.frame_writer import TAG
from data.build.corpus.grammar import Grammar
from data.build.corpus.inflect import (
    Verb,
    add_ed,
    add_ing,
    add_s,
    doubles,
    irregular,
    irregular_table,
)
from data.build.corpus.lexicon import Lexicon
from data.build.corpus.sentence import Example, Style, W, is_an, render
from data.build.corpus.slips import BE, SYNTAX, parse_slip
from data.build.corpus.splits import forbidden
from miniserve.tutor import Correction, parse_answer

ROOT = Path(__file__).parents[1]
VERBS = ROOT / "data" / "verbs"
SPLITS = ("train_sample", "test_sentences", "test_verb_kind", "test_names")
PARTS = r"the principal parts of '\w+' are '\w+', '\w+', '\w+'\."
EXPLANATION = {
    "correct": r"No change is needed\.",
    "overregular_past": r"The past tense of '\w+' is the irregular form '\w+'\.",
    "misspelled_past": r"The past (tense|participle) of '\w+' is spelled '\w+', .*\.",
    "doubled_past": r"'\w+' is already the past tense of '\w+', so it takes no -ed\.",
    "participle_have": r"After '[\w']+', use the past participle: " + PARTS,
    "participle_passive": r"A passive needs the past participle after '[\w']+': " + PARTS,
    "s_missing": r"With a third-person singular subject, '[\w']+' becomes '[\w']+'\.",
    "s_added": r"Only a third-person singular subject takes -s, so the verb is '[\w']+'\.",
    "be_agreement": r"(A (plural|singular) subject|'I'|'You') takes '[\w']+', not '[\w']+'\.",
    "after_did": r"After '[\w']+', use the base form '\w+'\.",
    "after_modal": r"After the modal '[\w']+', use the base form '\w+'\.",
    "after_to": r"After 'to', use the base form '\w+'\.",
    "progressive": r"After '[\w']+', the progressive needs the -ing form '\w+'\.",
    "past_marker": r"'[^']+(’[^']+)?' marks the past, so '[\w']+' becomes '[\w']+'\.",
}


@cache
def rows(split: str) -> tuple[dict[str, str], ...]:
    lines = (VERBS / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(json.loads(line) for line in lines)


def reduced(sentence: str) -> str:
    return re.sub(r"[^\w' ]", "", sentence.lower().replace("’", "'")).strip()


def words(sentence: str) -> set[str]:
    return set(re.findall(r"[^\W\d_]+", sentence.lower()))


@pytest.mark.parametrize("split", SPLITS)
def test_every_line_is_well_formed(split: str) -> None:
    for row in rows(split):
        assert set(row) == {"sentence", "corrected", "explanation", "kind", "lemma"}
        assert all(isinstance(v, str) and v and "\n" not in v for v in row.values())
        assert 3 <= len(row["sentence"].split()) <= 26, row
        assert len(row["sentence"]) <= 200
        assert row["sentence"].isprintable()


@pytest.mark.parametrize("split", SPLITS)
def test_exactly_one_word_differs(split: str) -> None:
    for row in rows(split):
        wrong, right = row["sentence"].split(), row["corrected"].split()
        assert len(wrong) == len(right), row
        changed = sum(a != b for a, b in zip(wrong, right, strict=True))
        assert changed == (row["kind"] != "correct"), row


@pytest.mark.parametrize("split", SPLITS)
def test_explanations_follow_the_kind(split: str) -> None:
    for row in rows(split):
        assert re.fullmatch(EXPLANATION[row["kind"]], row["explanation"]), row


@pytest.mark.parametrize("split", ["train_sample", "test_sentences", "test_names"])
def test_every_kind_is_there_and_a_fifth_is_correct(split: str) -> None:
    kinds = Counter(row["kind"] for row in rows(split))
    total = sum(kinds.values())
    assert set(kinds) == set(EXPLANATION)
    assert min(kinds.values()) > 0.02 * total
    assert 0.15 < kinds["correct"] / total < 0.25


def test_the_splits_have_the_promised_sizes() -> None:
    assert len(rows("train_sample")) == 20_000
    assert all(len(rows(s)) == 2_000 for s in SPLITS[1:])


def test_no_sentence_is_in_two_splits() -> None:
    seen: dict[str, str] = {}
    for split in SPLITS:
        for row in rows(split):
            for key in {reduced(row["sentence"]), reduced(row["corrected"])}:
                assert seen.setdefault(key, split) == split, (key, split)


@pytest.mark.parametrize("hand", sorted(p.name for p in VERBS.glob("everyday*.jsonl")))
def test_no_hand_typed_sentence_is_generated(hand: str) -> None:
    typed = set()
    for line in (VERBS / hand).read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        typed |= {reduced(row["sentence"]), reduced(row["corrected"])}
    assert typed
    for split in SPLITS:
        hits = [r["sentence"] for r in rows(split) if reduced(r["sentence"]) in typed]
        hits += [r["corrected"] for r in rows(split) if reduced(r["corrected"]) in typed]
        assert not hits


def test_held_out_verb_kind_pairs_are_not_trained() -> None:
    held = {(r["lemma"], r["kind"]) for r in rows("test_verb_kind")}
    assert len(held) >= 80
    assert not held & {(r["lemma"], r["kind"]) for r in rows("train_sample")}


def test_held_out_words_are_not_trained() -> None:
    trained = set().union(
        *(words(r["sentence"]) | words(r["corrected"]) for r in rows("train_sample"))
    )
    typed = set().union(*(words(f.source) for found in frames().values() for f in found))
    assert all(words(r["sentence"]) - trained - typed for r in rows("test_names"))


def test_many_verbs() -> None:
    lemmas = {r["lemma"] for r in rows("train_sample")}
    table = irregular_table()
    assert len(lemmas & set(table)) >= 180
    assert len(lemmas - set(table)) >= 400


def test_varied_surface() -> None:
    sentences = [r["sentence"] for r in rows("train_sample")]
    n = len(sentences)
    assert 0.05 < sum(s[0].islower() for s in sentences) / n < 0.30
    assert 0.10 < sum(s[-1] not in '.!?"' for s in sentences) / n < 0.45
    assert 0.08 < sum(s.endswith("?") for s in sentences) / n < 0.30
    assert any("’" in s for s in sentences)
    assert any(re.search(r"\d", s) for s in sentences)
    assert sum(bool(re.search(r"[áéíóúñçöüè]", s)) for s in sentences) > 100


def test_answers_differ_in_length() -> None:
    lengths = sorted(len(r["explanation"]) for r in rows("train_sample"))
    assert lengths[-1] > 4 * lengths[0]


@pytest.mark.parametrize(
    ("base", "s", "ed", "ing"),
    [
        ("stop", "stops", "stopped", "stopping"),
        ("study", "studies", "studied", "studying"),
        ("play", "plays", "played", "playing"),
        ("like", "likes", "liked", "liking"),
        ("watch", "watches", "watched", "watching"),
        ("tie", "ties", "tied", "tying"),
        ("panic", "panics", "panicked", "panicking"),
        ("agree", "agrees", "agreed", "agreeing"),
        ("fix", "fixes", "fixed", "fixing"),
        ("rain", "rains", "rained", "raining"),
    ],
)
def test_spelling_rules(base: str, s: str, ed: str, ing: str) -> None:
    assert add_s(base) == s
    assert add_ed(base, doubles(base)) == ed
    assert add_ing(base, doubles(base)) == ing


def test_irregular_table_is_sound() -> None:
    table = irregular_table()
    assert len(table) >= 180
    for base in table:
        v = irregular(base)
        for wrong in (*v.over, *v.doubled):
            assert wrong not in {v.lemma, v.past, v.s, v.ing}
            assert wrong != v.pp or base == "show"  # "they shown it" is none of its two pasts
        if v.shaky:
            assert v.over == (("shown",) if base == "show" else ())
            assert not v.doubled


@pytest.mark.parametrize(
    ("base", "wrong"),
    [
        ("go", "goed"),
        ("buy", "buyed"),
        ("eat", "eated"),
        ("run", "runned"),
        ("see", "seed"),
        ("put", "putted"),
        ("pay", "payed"),
        ("sing", "singed"),
    ],
)
def test_overregular_forms(base: str, wrong: str) -> None:
    assert wrong in irregular(base).over


@pytest.mark.parametrize(
    ("base", "wrong"), [("go", "wented"), ("take", "tooked"), ("eat", "ated"), ("buy", "boughted")]
)
def test_doubled_forms(base: str, wrong: str) -> None:
    assert wrong in irregular(base).doubled


@pytest.mark.parametrize("base", ["learn", "burn", "dream", "hang", "shine", "show", "prove"])
def test_a_standard_regular_variant_is_never_called_wrong(base: str) -> None:
    v = irregular(base)
    assert v.shaky
    assert v.over == (("shown",) if base == "show" else ())
    assert not v.doubled


@pytest.mark.parametrize(
    ("word", "an"),
    [
        ("apple", True),
        ("hour", True),
        ("honest", True),
        ("uncle", True),
        ("8", True),
        ("university", False),
        ("uniform", False),
        ("European", False),
        ("house", False),
        ("one", False),
        ("unhappy", True),
        ("umbrella", True),
        ("user", False),
    ],
)
def test_article(word: str, an: bool) -> None:
    assert is_an(word) == an


def test_render_keeps_everything_but_the_verb() -> None:
    tokens: list[str | W] = ["A_", "old", "man", W("isn't", "aren't"), "here", ",", "Tom", "'s"]
    wrong, right = render(tokens, Style("!", lower_start=False, curly=True))
    assert wrong == "An old man aren’t here, Tom’s!"
    assert right == "An old man isn’t here, Tom’s!"
    assert render(tokens, Style("", lower_all=True))[1] == "an old man isn't here, tom's"


def test_frames_parse() -> None:
    parsed = list(chain.from_iterable(frames().values()))
    assert all(frame.pieces for frame in parsed)
    assert len(parsed) >= 2_000


def test_a_frame_names_its_marker_and_its_marks() -> None:
    frame = parse("@Last_night we [see|past] a {fox|n}.")
    assert frame.marker == "Last night"
    assert [(p.text, p.form, p.type) for p in frame.pieces if p.form or p.type] == [
        ("see", "past", ""),
        ("fox", "", "n"),
    ]
    with pytest.raises(ValueError, match="unknown form"):
        parse("He [go|perfect] home.")


def verb(lemma: str) -> Verb:
    """A verb without a dictionary: irregular, *be*, or with the forms of *stop*."""
    if lemma in irregular_table():
        return irregular(lemma)
    stop = Verb(lemma, "stops", "stopped", "stopped", "stopping", False, False, spell=("stoped",))
    return BE if lemma == "be" else stop


def test_a_slip_is_typed_with_its_mistake_its_correction_and_its_reason() -> None:
    frame = parse("She asked me <to locked=>to lock|to|lock>, not <open=>to open|inf|open|asked>!")
    first, second = (p for p in frame.pieces if p.slip)
    assert [p.text for p in frame.pieces if not p.slip] == ["She", "asked", "me", ",", "not", "!"]
    assert (first.text, first.form, first.slip and first.slip.wrong) == (
        "lock",
        "slip:to lock",
        "to locked",
    )
    assert second.slip
    assert second.slip.kind == "infinitive"
    assert parse("If x < 3, stop.").pieces[2].text == "<"


def test_the_service_would_answer_what_the_slips_teach() -> None:
    """Of each fiftieth typed mistake: an answer is held to its sentence without loss."""
    syntax, exchanged = re.compile(SYNTAX), re.compile(r"\{([^}|]+)\|\w+\}")
    lines = [
        line
        for path in sorted((ROOT / "data/build/corpus/frames").glob("slips_*.txt"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if "=>" in line
    ]
    told = 0
    for line in lines[::50]:
        marks = [parse_slip(*mark.groups()) for mark in syntax.finditer(line)]
        plain = exchanged.sub(r"\1", line)
        wrong, right = (syntax.sub(rf"\{side}", plain) for side in (1, 2))
        irregular_only = all(s.lemma in {"be", *irregular_table()} for s in marks)
        if irregular_only:
            why = " ".join(dict.fromkeys(slip.why(verb(slip.lemma)) for slip in marks))
            assert parse_answer(f"{right}\n{why}", wrong) == Correction(right, why)
            told += 1
    assert told > 500


@pytest.mark.parametrize(
    "mark",
    [
        "<goes=>go|nonsense|go>",  # no such code
        "<go=>going|ger|go>",  # after what?
        "<goed=>went|irr|go|yesterday>",  # needs no such word
        "<was=>were|agr|be|they>",  # s, p, I or you
    ],
)
def test_a_slip_that_makes_no_sense_is_refused(mark: str) -> None:
    with pytest.raises(ValueError, match=r"bad code|no such subject"):
        parse(f"They {mark} home.")


@pytest.mark.parametrize(
    ("mark", "kind", "why"),
    [
        ("<Do you=>Are you|ask|be>", "needless_be", "This question is asked with 'are'"),
        ("<am agree=>agree|nobe|agree>", "needless_be", "'Agree' needs no 'am'"),
        ("<will are=>are|nobe|be>", "needless_be", "'Be' needs no 'be' here"),
        ("<to wait=>wait|base|wait|made>", "after_let", "After 'made'"),
        ("<went=>go|base|go|didn't>", "after_did", "After 'didn't'"),
        ("<not like=>does not like|ndo|like>", "do_support", "The negative needs 'does'"),
        ("<you are=>are you|order|be>", "question_order", "'are' stands before 'you'"),
        ("<was=>were|agr|be|p>", "be_agreement", "A plural subject takes 'were', not 'was'"),
        ("<stoped=>stopped|spell|stop>", "misspelled_past", "with the 'p' doubled"),
        ("<hurted=>hurt|pp|hurt|have>", "participle_have", "'hurt', 'hurt', 'hurt'"),
        ("<can=>be able to|able|go|will>", "modal_form", "After 'will', 'can' is 'be able to'"),
        ("<must=>have to|able|go|will>", "modal_form", "After 'will', 'must' is 'have to'"),
        ("<don't must=>must not|can|go>", "modal_form", "'Must' needs no 'do'"),
        ("<doesn't can=>can't|can|go>", "modal_form", "'Can' needs no 'do'"),
        ("<went=>will go|fut|go|when i grow up>", "future_marker", "'When I grow up' is yet"),
        ("<went=>will go|fut|go|next monday>", "future_marker", "'Next Monday' is yet"),
        ("<Opens=>Open|imp|open>", "command", "'opens' becomes 'open'"),
        ("<sleeps=>is sleeping|now|sleep>", "in_progress", "'sleeps' becomes 'is sleeping'"),
        ("<he lied=>did he lie|inv|lie|not only>", "inversion", "After 'not only', the order"),
        ("<have=>am|havebe|be>", "have_for_be", "says this with 'be': 'have' becomes 'am'"),
        ("<felt=>fell|conf|fall>", "other_verb", "another verb: of 'fall', it is 'fell'"),
        ("<don't never eat=>never eat|neg2|eat|never>", "second_negative", "'Never' is negative"),
        ("<for buy=>to buy|purp|buy>", "infinitive", "A purpose is told with 'to'"),
        ("<see=>have seen|perf|see>", "since_perfect", "happened up to now"),
        ("<have been=>was|begin|be>", "since_perfect", "What began it, after 'since'"),
        ("<are seen=>have seen|perfaux|see>", "missing_have", "The perfect is made with 'have'"),
        ("<am=>was|born|be>", "participle_passive", "A birth is in the past: 'am' becomes 'was'"),
        ("<borned=>born|born|bear>", "participle_passive", "takes no -ed"),
        ("<will end=>will have ended|futperf|end>", "future_marker", "the future perfect"),
        ("<help=>will help|will|help>", "future_marker", "A promise or an offer takes 'will'"),
        ("<have better=>had better|better|go>", "modal_form", "The phrase is 'had better'"),
        ("<doesn't be=>isn't|notbe|be>", "do_support", "'Be' is made negative without 'do'"),
        ("<don't have seen=>haven't seen|nperf|see>", "do_support", "made negative with 'have'"),
        ("<to don't go=>not to go|notto|go>", "infinitive", "takes 'not' before it"),
        ("<knew=>had known|third|know>", "past_sequence", "takes the past perfect: 'knew'"),
        ("<would say=>would have said|third|say>", "past_sequence", "in the past takes 'have'"),
        ("<is it=>it is|excl|be>", "question_order", "in the order of a statement"),
        ("<has he left=>did he leave|over|leave|when>", "perfect_past", "'When' asks for a time"),
        ("<mean this=>this mean|subj|mean>", "question_order", "the subject stands before"),
    ],
)
def test_a_slip_explains_itself(mark: str, kind: str, why: str) -> None:
    slip = parse(mark).pieces[0].slip
    assert slip is not None
    assert slip.kind == kind
    assert why in slip.why(verb(slip.lemma))


@pytest.mark.parametrize(
    ("marks", "told"),
    [
        (("<is leaving=>was leaving|seq|be|said>", "<is=>was|seq|be|said>"), "'is' becomes 'was'"),
        (("<Do=>Does|s|do>", "<do=>does|s|do>"), "'do' becomes 'does'"),
        (("<never hear=>never heard|past|hear|last night>",), "'hear' becomes 'heard'"),
        (("<do I=>can I|so|do>", "<do=>can|so|do>"), "'do' becomes 'can'"),
        (("<Are you like=>Do you like|ask|like>", "<Are you=>Do you|ask|like>"), "'Do you'."),
        (("<late=>is late|be|be>", "<late now=>is late now|be|be>"), "'late' becomes 'is late'."),
        (("<so thin=>are so thin|be|be>",), "'so thin' becomes 'are so thin'"),
    ],
)
def test_an_explanation_names_the_same_words_however_far_a_mark_reaches(
    marks: tuple[str, ...], told: str
) -> None:
    for mark in marks:
        slip = parse(mark).pieces[0].slip
        assert slip is not None
        why = slip.why(verb(slip.lemma))
        assert told in why


@pytest.mark.parametrize(
    "mark",
    [
        "<go=>go away|to|go>",
        "<went=>go|pp|go|have>",
        "<are you=>is she|order|be>",
        "<you want=>you wanted|qdo|want>",
    ],
)
def test_a_slip_that_contradicts_its_code_has_no_explanation(mark: str) -> None:
    slip = parse(mark).pieces[0].slip
    assert slip is not None
    with pytest.raises(ValueError, match=r"does not end|question order|no form of 'do'"):
        slip.why(verb(slip.lemma))


@pytest.mark.parametrize(
    "line", ["I see the {n} here.", "He [go|past home.", "She <goed=>went|irr> home.", "Go [home"]
)
def test_half_a_mark_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="is no mark"):
        parse(line)


def test_a_base_form_after_to_has_its_to() -> None:
    for f in chain.from_iterable(frames().values()):
        for i, p in enumerate(f.pieces):
            if p.form == "base-to":
                assert "to" in [q.text.lower() for q in f.pieces[:i]], f.source


def test_frames_are_joined_only_within_a_tense() -> None:
    assert joinable(parse("She [read|pres3] the {paper|n}."))
    assert not joinable(parse("[Do|do3:Does] she [read|base-did] the {paper|n}?"))
    assert not joinable(parse('He [say|past], "Go home."'))
    assert not joinable(parse("When I [sleep|pres], I [snore|pres]."))
    assert tense(parse("We [see|past] a {fox|n}.")) == "past"
    assert tense(parse("We [see|pres] a {fox|n}.")) == "pres"
    assert tense(parse("I [think|pres] he [leave|past].")) == ""


def test_put_and_hurt_are_present_only_beside_another_present() -> None:
    for line, sure in (
        ("My {knee|n} [hurt|pres3] when I [run|pres].", True),
        ("She [put|pres3] the {cup|n} on the {table|n}.", False),
        ("It [cost|pres3] a lot, and it [break|pres3].", False),
    ):
        f = parse(line)
        at = next(i for i, p in enumerate(f.pieces) if p.form)
        assert FrameErrors.in_present(f, at) is sure


class Drawer:
    """What errors in frames take from a grammar, whose lexicon needs a dictionary."""

    held_pairs: frozenset[str] = frozenset()
    only_held = False
    plant = VerbForms.plant

    def __init__(self, kind: str, seed: int) -> None:
        verbs = {base: irregular(base) for base in irregular_table()}
        self.rng = random.Random(seed)
        self.lex = SimpleNamespace(
            verbs=verbs, everyday=[SimpleNamespace(verb=verb) for verb in verbs.values()]
        )
        self.past_forms = frozenset(verb.past for verb in verbs.values())
        self.want, self.err = kind, None

    def chance(self, p: float) -> bool:
        return self.rng.random() < p


@pytest.mark.parametrize(
    ("line", "kind", "wrong", "why"),
    [
        (
            "She left without [say|ger] a word.",
            "gerund",
            {"say", "says", "said", "saing"},
            "After 'without', use the -ing form 'saying'.",
        ),
        (
            "I look forward to [hear|ger] from you.",
            "gerund",
            {"hear", "hears", "heard"},
            "After 'forward to', use the -ing form 'hearing'.",
        ),
        (
            "She let the boys who had lost [go|bare] home.",
            "after_let",
            {"goes", "went", "going", "to go"},
            "After 'let', use the base form 'go'.",
        ),
        (
            "We saw him [fall|bare].",
            "after_let",
            {"falls", "fell"},
            "After 'saw', use the base form 'fall'.",
        ),
        (
            "He sat down and [write|seq] a {letter|n}.",
            "past_sequence",
            {"write", "writes"},
            "'Sat' is in the past, so '{}' becomes 'wrote'.",
        ),
        (
            "The {bus|n} [have|had] left when I got there.",
            "past_sequence",
            {"have", "has"},
            "'Got' is in the past, so '{}' becomes 'had'.",
        ),
        (
            "I wish they [know|wish:knew] it.",
            "past_sequence",
            {"know"},
            "After 'wish', the verb goes into the past: '{}' becomes 'knew'.",
        ),
        (
            "If only you [can|wish] see it!",
            "past_sequence",
            {"can"},
            "After 'if only', the verb goes into the past: '{}' becomes 'could'.",
        ),
        (
            "The poem, [write|red] in one night, made him famous.",
            "participle_passive",
            {"write", "wrote"},
            "Without a form of 'be', a passive is the past participle alone: "
            "the principal parts of 'write' are 'write', 'wrote', 'written'.",
        ),
        (
            "I was [bear|born] in {Lima|place}.",
            "doubled_past",
            {"borned"},
            "'Born' is already the past participle, so it takes no -ed.",
        ),
        (
            "You should [have|of] told me.",
            "after_modal",
            {"of"},
            "After 'should', it is the verb 'have', not 'of'.",
        ),
        (
            "I had my {car|n} [steal|caus] last week.",
            "participle_have",
            {"steal", "stole", "stealing"},
            "After 'had', use the past participle: "
            "the principal parts of 'steal' are 'steal', 'stole', 'stolen'.",
        ),
    ],
)
def test_errors_that_another_word_gives_away(
    line: str, kind: str, wrong: set[str], why: str
) -> None:
    frame = parse(line)
    at = next(i for i, piece in enumerate(frame.pieces) if piece.form)
    seen = set()
    for seed in range(60):
        drawer = Drawer(kind, seed)
        word = W(right_form(frame.pieces[at], cast(Lexicon, drawer.lex)))
        planted = FrameErrors(cast(Grammar, drawer)).error(frame, at, kind, word)
        assert word.wrong is not None
        assert planted.why == why.format(word.wrong)
        seen.add(word.wrong)
    assert seen == wrong


def test_a_held_out_pair_is_not_planted_by_a_slip_either() -> None:
    frame, drawer = parse("We were <swim=>swimming|prog|swim|were>."), Drawer("progressive", 0)
    word, errors = W("swimming"), FrameErrors(cast(Grammar, drawer))
    assert errors.error(frame, 2, "progressive", word).lemma == "swim"
    assert word.wrong == "swim"
    drawer.held_pairs = frozenset({"swim/progressive"})
    with pytest.raises(Retry):
        errors.error(frame, 2, "progressive", W("swimming"))


@pytest.mark.parametrize(
    ("line", "tagged"),
    [
        ("We [be|be-are] nearly there, aren't we?", True),
        ("They sleep, <isn't it=>don't they|tag|sleep>?", True),
        ("She [like|pres3] it, she says.", False),
    ],
)
def test_a_tag_keeps_its_subject(line: str, tagged: bool) -> None:
    assert bool(TAG.search(line)) == tagged


def test_an_error_that_nothing_gives_away_is_not_planted() -> None:
    for line, kind in (
        ("He [swim|ger] a lot.", "gerund"),
        ("He [go|bare] home.", "after_let"),
        ("Tom [write|seq] a letter.", "past_sequence"),
        ("They [know|wish] it.", "past_sequence"),
        ("Anything [put|red] there is lost.", "participle_passive"),
    ):
        drawer = Drawer(kind, 1)
        with pytest.raises(Retry):
            FrameErrors(cast(Grammar, drawer)).error(parse(line), 1, kind, W("x"))


class Irregular:
    """A lexicon that needs no dictionary."""

    verbs = MappingProxyType({base: irregular(base) for base in irregular_table()})


@pytest.mark.parametrize(
    ("line", "kind", "changes"),
    [
        ("My {mother|n} is [sing|ing].", "missing_be", {"singing": "is singing"}),
        ("I'm [go|ing] home.", "missing_be", {"I going": "I'm going"}),
        ("What are you [do|ing]?", "missing_be", {"you doing": "are you doing"}),
        ("The {bird|n} [be|be-is] very small.", "missing_be", {"very": "is very"}),
        ("Who is [sing|ing]?", "missing_be", {}),
        ("She was [sing|ing].", "missing_be", {}),  # or is she singing now?
        ("We chose to [go|base-to] home.", "infinitive", {"going": "to go", "go": "to go"}),
        ("I forgot to [go|base-to].", "infinitive", {"go": "to go"}),
        ("The way to [go|base-to].", "infinitive", {}),
        ("Where did she [go|base-did]?", "do_support", {"she went": "did she go"}),
        ("Why do you [weep|base-did]?", "do_support", {"you weep": "do you weep"}),
        (
            "I [do|do:don't] [know|base-did] him.",
            "do_support",
            {
                "am not": "do not",
                "'m not": "do not",
                "not know": "do not know",
                "no know": "do not know",
            },
        ),
        (
            "{Tom|name} [do|do3:doesn't] [swim|base-did].",  # not "is not": is he not swimming?
            "do_support",
            {
                "not swim": "does not swim",
                "no swim": "does not swim",
                "not swims": "does not swim",
            },
        ),
        ("He didn't [swim|base-did].", "do_support", {}),  # or does he not swim?
        ("Who [tell|past] you that?", "do_support", {"did told": "told"}),
        ("What does it [cost|base-did]?", "do_support", {"it costs": "does it cost"}),
        (
            "What does this word [cost|base-did]?",
            "do_support",
            {"costs this word": "does this word cost"},
        ),
        ("Smoking should be [forbid|ppp].", "missing_be", {"forbidden": "be forbidden"}),
        ("There [be|be-is] a {bird|n} in here.", "missing_be", {"a": "is a"}),
        ("I was born here.", "missing_be", {}),
        ("I [be|be-was] born here.", "missing_be", {"born": "was born"}),
        ("He [be|be-is] at home.", "missing_be", {"at": "is at"}),
        ("The {bird|n} [be|be-is] at home.", "missing_be", {}),
        ("It is hard to [find|base-to].", "infinitive", {"find": "to find"}),
        ("I let her to [go|base-to].", "infinitive", {}),
        ("I hope to [be|base-to] there.", "infinitive", {}),
        ("Where are you [go|ing]?", "question_order", {"you are": "are you"}),
        ("Why didn't he [come|base-did]?", "question_order", {"he didn't": "didn't he"}),
        ("How long have you [know|pp] him?", "question_order", {"you have": "have you"}),
        ("I know where you are [go|ing].", "question_order", {}),
        ("She can [sing|base-modal].", "modal_form", {"cans": "can"}),
        (
            "They can't [sing|base-modal].",
            "modal_form",
            {"don't can": "can't", "do not can": "can't", "not can": "can't"},
        ),
        ("Can you [sing|base-modal]?", "modal_form", {"Do you can": "Can you"}),
        ("If so, I would [sing|base-modal].", "modal_form", {"sing": "would sing"}),
        ("I would [sing|base-modal].", "modal_form", {}),
        ("We must [teach|base-modal] the boy.", "needless_be", {"be teach": "teach"}),
        ("We must [teach|base-modal].", "needless_be", {}),  # or be taught?
        ("She [know|pres3] it.", "needless_be", {"is knows": "knows"}),
        ("Do you [know|base-did] it?", "needless_be", {"Are you": "Do you"}),
        ("Do you [swim|base-did]?", "needless_be", {}),  # are you swimming?
        ("[be|be-are:Are] you hungry?", "needless_be", {"Do you": "Are you"}),
        ("It [be|be-is]n't [forbid|ppp].", "needless_be", {"doesn't forbidden": "isn't forbidden"}),
        ("She [swim|pres3] every day.", "habit", {"swimming": "swims"}),
        ("She [swim|pres3] well.", "habit", {}),
        (
            "I have been [swim|ing] for an hour.",
            "still_going_on",
            {"am swimming": "have been swimming"},
        ),
        ("I've been [swim|ing] for her.", "still_going_on", {}),
        (
            "it's been [swim|ing] since May.",
            "still_going_on",
            {"it's swimming": "it's been swimming"},
        ),
        ("They have never [see|pp] it.", "missing_have", {"never seen": "have never seen"}),
        ("They may have [see|pp] it.", "missing_have", {}),  # or see it?
        ("They have [teach|pp] it.", "missing_have", {}),  # or taught it?
        ("If he had [see|pp] it, …", "modal_form", {"would have seen": "had seen"}),
        ("It has been [forbid|ppt].", "missing_be", {"forbidden": "been forbidden"}),
        ("She has been [forbid|ppp].", "missing_be", {}),  # has she forbidden it?
        ("It is being [forbid|ppt].", "missing_be", {"forbidding": "being forbidden"}),
        ("It [be|be-was] [forbid|ppt] in 1932.", "missing_be", {"forbidden": "was forbidden"}),
        ("It [be|be-was] [forbid|ppt].", "missing_be", {}),  # or is forbidden?
        ("It [be|be-is] [forbid|ppt], he said.", "missing_be", {}),  # it, forbidden, …
        ("The man who [be|be-was] born here.", "missing_be", {"born": "was born"}),
        ("I [swim|past] to him.", "needless_be", {"was swam": "swam"}),
        ("They [see|past] a film.", "needless_be", {"were saw": "saw"}),
        ("They [see|past] and heard.", "needless_be", {}),  # or were seen?
        (
            "When did you [see|base-did] it?",
            "do_support",
            {
                "you saw": "did you see",
                "have you seen": "did you see",
            },
        ),
        (
            "When does the next bird [swim|base-did]?",
            "do_support",
            {
                "the next bird swims": "does the next bird swim",
            },
        ),
        ("She will be able to [swim|base-to].", "modal_form", {"can swim": "be able to swim"}),
        ("@Yesterday we [have|past] to swim.", "modal_form", {"must": "had to"}),
        ("We [have|past] to swim.", "modal_form", {}),  # or must?
        (
            "She told us not to [swim|base-to].",
            "infinitive",
            {
                "don't swim": "not to swim",
                "to don't swim": "not to swim",
            },
        ),
        ("She hopes not to [swim|base-to].", "infinitive", {}),
        ("I know what it [cost|pres3].", "question_order", {"does it cost": "it costs"}),
        (
            "Tell me where the bird [be|be-is].",
            "question_order",
            {
                "is the bird": "the bird is",
            },
        ),
        ("I know how much he [see|past].", "question_order", {"did he see": "he saw"}),
        ("I swim when she [swim|pres3].", "question_order", {}),
        ("How long has she [know|pp] him?", "still_going_on", {"does she know": "has she known"}),
        ("How long have you [be|pp] ill?", "still_going_on", {"are you": "have you been"}),
        ("How long have you [be|pp] here?", "still_going_on", {}),  # or will you be?
        ("How have you been [swim|ing]?", "still_going_on", {}),
        ("I know how deep the cut [be|be-is].", "question_order", {}),
        ("You [swim|pres], don't you?", "tag", {"aren't": "don't"}),
        ("He [be|be-was]n't there, was he?", "tag", {"did": "was"}),
        ("You can [swim|base-modal], can't you?", "tag", {}),
        ("She [swim|pres3], and so do I.", "tag", {"am": "do"}),
        ("I [be|be-am] late, aren't I?", "tag", {"don't": "aren't"}),
        (
            "How long has she been [swim|ing]?",
            "still_going_on",
            {"is she swimming": "has she been swimming"},
        ),
    ],
)
def test_errors_of_two_words(line: str, kind: str, changes: dict[str, str]) -> None:
    frame, lex = parse(line), cast(Lexicon, Irregular())
    found = [pair for i in range(len(frame.pieces)) for pair in pairs(frame, i, lex).get(kind, ())]
    assert {pair.wrong: pair.right for pair in found} == changes
    for pair in found:
        assert pair.right in pair.why
        joined, at = pair.joined(frame)
        printed = [right_form(p, lex) if p.form else p.text for p in joined.pieces]
        assert printed[at] == pair.right
        assert len(joined.pieces) == len(frame.pieces) - (pair.last - pair.first)


def test_contractions_without_apostrophes() -> None:
    why = "After 'didn't', use the base form 'go'."
    typed = without_apostrophes(Example("I’m sure we're late, he didn't went.", "…", why, "", ""))
    assert typed.sentence == "im sure we're late, he didnt went."
    assert typed.explanation == "After 'didnt', use the base form 'go'."
    plain = Example("It's Tom's 'taken'.", "…", "…", "", "")
    assert without_apostrophes(plain) is plain


def test_the_generator_leaves_out_every_test_sentence() -> None:
    out = forbidden(VERBS, generated=SPLITS)
    for split in SPLITS[1:]:
        assert all(reduced(r["sentence"]) in out for r in rows(split)[:50])
    assert reduced(rows(SPLITS[1])[0]["sentence"]) not in forbidden(VERBS)


class Words:
    """What a dresser takes from the lexicon, which needs a dictionary."""

    names = MappingProxyType({"m": ["Karl"], "f": ["Ann"]})
    open_nouns = (("lamp", "lamps"),)
    proper = ("Chilaw",)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("Tom goed to Rome, and Mia stayed.", "Tom went to Rome, and Mia stayed."),
        ("Yesterday the dogs and the cat sleep.", "Yesterday the dogs and the cat slept."),
        ("Is she happy?", "Is she happy?"),
        ("You must to go home", "You must go home"),
    ],
)
def test_dressing_changes_both_sides_alike(wrong: str, right: str) -> None:
    rng = random.Random(1)
    dresser = Dresser(rng, cast(Lexicon, Words()), share=1.0)
    plain = Example(wrong, right, "'Yesterday' marks the past.", "", "")
    dressed = [dresser.dress(plain) for _ in range(2_000)]
    planted = difference(wrong, right)
    for new in dressed:
        assert new.explanation == plain.explanation
        assert difference(new.sentence, new.corrected) in (planted, tuple(map(str.upper, planted)))
        assert new.sentence.isprintable()
        assert len(new.sentence) <= 190
    assert len({new.sentence for new in dressed}) > 300


def difference(wrong: str, right: str) -> tuple[str, str]:
    """What is left of both when their common start and end are taken off, in whole words."""
    a, b = re.findall(r"\w+|\W", wrong), re.findall(r"\w+|\W", right)
    while a and b and a[0] == b[0]:
        a, b = a[1:], b[1:]
    while a and b and a[-1] == b[-1]:
        a, b = a[:-1], b[:-1]
    return "".join(a), "".join(b)

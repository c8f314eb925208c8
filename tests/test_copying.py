"""What a correction leaves as it was, and what happens to capitals."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniserve.copying import NO_CHANGE, as_asked, held_to_explanation, in_capitals
from miniserve.paths import DATA_DIR


@pytest.mark.parametrize(
    ("sentence", "written", "explanation", "kept"),
    [
        (  # a name bent beside a right correction
            "Kotrina goed home.",
            "Katrina went home.",
            "The past tense of 'go' is the irregular form 'went'.",
            "Kotrina went home.",
        ),
        (  # half a character, and a lost space
            "He live in 東京 .",
            "He lives in 東\ufffd.",
            "With a third-person singular subject, 'live' becomes 'lives'.",
            "He lives in 東京 .",
        ),
        (  # a word dropped
            "Children needs love more than toys.",
            "Children need more than toys.",
            "Only a third-person singular subject takes -s, so the verb is 'need'.",
            "Children need love more than toys.",
        ),
        (  # a word doubled
            "She go there 😀.",
            "She goes there there 🚀.",
            "With a third-person singular subject, 'go' becomes 'goes'.",
            "She goes there 😀.",
        ),
        (  # a word may be taken out, even half of a contraction
            "I'm agree, he’s know.",
            "I agree, he knows.",
            "'Agree' needs no 'am': 'am agree' becomes 'agree'. "
            "'Know' needs no 'is': 'is know' becomes 'knows'.",
            "I agree, he knows.",
        ),
        (  # nothing that is named has changed: perhaps the explanation is what is wrong
            "He leaded us.",
            "He led us.",
            NO_CHANGE,
            "He led us.",
        ),
        ("We met in 大阪!", "We met in 大\ufffd!", NO_CHANGE, "We met in 大阪!"),
        ("We met in 大阪!", "We meet in 大\ufffd!", "Because.", "We meet in 大阪!"),
        ("Je ne sais pas.", "Je nes pas.", NO_CHANGE, "Je ne sais pas."),
    ],
)
def test_what_the_explanation_does_not_name_is_put_back(
    sentence: str, written: str, explanation: str, kept: str
) -> None:
    assert held_to_explanation(sentence, written, explanation) == kept


@pytest.mark.parametrize("written", ["We meet.", "We meet in the town.", "Lo, we met in town."])
def test_an_answer_that_does_not_belong_to_its_explanation_is_none(written: str) -> None:
    assert held_to_explanation("We met in town.", written, "Only 'he' takes -s.") is None


@pytest.mark.parametrize(
    "sentence",
    [
        "HE GOED TO SCHOOL.",
        "OK.",
        "WE SHAKED HANDS lol",
        "I SWIMMED",
        "NEWS: 3 DOGS BITED TOM (15)",
    ],
)
def test_a_sentence_in_capitals_is_asked_about_in_small_letters(sentence: str) -> None:
    assert in_capitals(sentence)
    assert as_asked(sentence) == sentence.lower()


@pytest.mark.parametrize(
    "sentence",
    ["He goed.", "I A 4 B.", "東京", "", "NASA goed there.", "US and UK was late.", "R2D2"],
)
def test_other_sentences_are_asked_about_as_they_are(sentence: str) -> None:
    assert not in_capitals(sentence)
    assert as_asked(sentence) == sentence


@pytest.mark.parametrize("written", ["he went home lol :d", "He Went Home lol :D"])
def test_capitals_come_back_with_the_answer(written: str) -> None:
    why = "The past tense of 'go' is the irregular form 'went'."
    assert held_to_explanation("HE GOED HOME lol :D", written, why) == "HE WENT HOME lol :D"


def test_a_contraction_in_capitals_is_corrected_in_capitals() -> None:
    why = "With a third-person singular subject, 'don't' becomes 'doesn't'."
    assert held_to_explanation("SHE DON'T KNOW.", "she doesn't know.", why) == "SHE DOESN'T KNOW."


def test_every_change_in_the_corpus_is_named() -> None:
    """What the rule rests on: it would undo no correction that the model has learned."""
    count = 0
    for path in sorted((DATA_DIR / "verbs").glob("test_*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            example = json.loads(line)
            for change in (str, str.upper):
                sentence = change(example["sentence"])
                written = example["corrected"]
                if change is str.upper:
                    written = written.lower()
                kept = held_to_explanation(sentence, written, example["explanation"])
                assert kept == change(example["corrected"])
                count += 1
    assert count == 12_000


@given(st.text(), st.text())
def test_an_answer_that_repeats_the_sentence_gives_it_back_letter_for_letter(
    sentence: str, explanation: str
) -> None:
    assert held_to_explanation(sentence, as_asked(sentence), explanation) == sentence


@given(st.text(), st.text(), st.text())
def test_any_three_texts_will_do(sentence: str, corrected: str, explanation: str) -> None:
    held_to_explanation(sentence, corrected, explanation)

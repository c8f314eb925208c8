"""What a correction leaves as it was, and what happens to capitals."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniserve.copying import NO_CHANGE, Asked, in_short, is_about
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
        (  # an auxiliary may move, whatever is explained
            "Where you are going?",
            "Where are you going?",
            NO_CHANGE,
            "Where are you going?",
        ),
        (
            "Why she didn’t come, Ann?",
            "Why didn't she come, Ana?",
            NO_CHANGE,
            "Why didn't she come, Ann?",
        ),
        (  # or the pronoun around it
            "Why you didn't came?",
            "Why didn't you come?",
            "After 'didn't', use the base form 'come'.",
            "Why didn't you come?",
        ),
        (  # another word may not
            "My brother never asks.",
            "My never brother asks.",
            NO_CHANGE,
            "My brother never asks.",
        ),
        (  # a word dropped
            "Children needs love more than toys.",
            "Children need more than toys.",
            "Only a third-person singular subject takes -s, so the verb is 'need'.",
            "Children need love more than toys.",
        ),
        (
            "She need love more than toys.",
            "She needs more than toys.",
            "With a third-person singular subject, 'need' becomes 'needs'.",
            "She needs love more than toys.",
        ),
        (
            "Last Friday we eat soup there.",
            "Last Friday we ate there.",
            "'Last Friday' marks the past, so 'eat' becomes 'ate'.",
            "Last Friday we ate soup there.",
        ),
        (  # of two words, one may go
            "He finished to paint the wall.",
            "He finished painting the wall.",
            "After 'finished', use the -ing form 'painting'.",
            "He finished painting the wall.",
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
        (  # beside a change that is explained, one that is not
            "We eat at that Thai place last Friday.",
            "We ate at that Thai placed last Friday.",
            "'Last Friday' marks the past, so 'eat' becomes 'ate'.",
            "We ate at that Thai place last Friday.",
        ),
        (
            "I am agree and he is known.",
            "I agree and he known.",
            "'Agree' needs no 'am': 'am agree' becomes 'agree'.",
            "I agree and he is known.",
        ),
        (  # what is left out without a word comes back
            "What he does does not matter.",
            "What he does not matter.",
            NO_CHANGE,
            "What he does does not matter.",
        ),
        (  # one explanation may serve two corrections
            "She goed out and he goed too.",
            "She went out and he went too.",
            "The past tense of 'go' is the irregular form 'went'.",
            "She went out and he went too.",
        ),
        (  # only what is quoted is named: this `is` is not
            "Theo are here.",
            "The is here.",
            "The verb is 'is'.",
            "Theo is here.",
        ),
        (
            "a@b.de c@d.de goed.",
            "went.",
            "'Anna Peter' and 'goed' become 'went'.",
            "a@b.de c@d.de went.",
        ),
        ("李雷 go.", "Anna Anna goes.", "'Anna' and 'go' become 'goes'.", "李雷 李雷 goes."),
        (  # a 'to' that is gone before a named word, beside another error
            "She made us to wait and then he tell us.",
            "She made us wait and then he told us.",
            "After 'made', use the base form 'wait'. 'Made' is in the past, so 'tell' becomes "
            "'told'.",
            "She made us wait and then he told us.",
        ),
        (  # of two words, the one that is like it goes, whatever else is named
            "He suggested to ask her, but she refused helping.",
            "He suggested asking her, but she refused to help.",
            "After 'suggested', use the -ing form 'asking'. After 'refused', use the infinitive: "
            "'helping' becomes 'to help'.",
            "He suggested asking her, but she refused to help.",
        ),
        (
            "I do not can finding it.",
            "I can't find it.",
            "'Can' needs no 'do': 'do not can' becomes 'can't'. After the modal 'can't', use the "
            "base form 'find'.",
            "I can't find it.",
        ),
        (  # no second space where a word has gone
            "Nobody doesn't like rain.",
            "Nobody likes rain.",
            "'Nobody' is negative already: 'doesn't like' becomes 'likes'.",
            "Nobody likes rain.",
        ),
        (
            "She wrote it, and nobody doesn't like it.",
            "She wrote it, and nobody likes it.",
            "'Nobody' is negative already: 'doesn't like' becomes 'likes'.",
            "She wrote it, and nobody likes it.",
        ),
        (  # a subject or an adverb lost beside a right correction
            "My mother have a car.",
            "My has a car.",
            "With a third-person singular subject, 'have' becomes 'has'.",
            "My mother has a car.",
        ),
        (
            "They always was late.",
            "They were late.",
            "A plural subject takes 'were', not 'was'.",
            "They always were late.",
        ),
        (
            "I think there was many.",
            "I think were many.",
            "A plural subject takes 'were', not 'was'.",
            "I think there were many.",
        ),
        (
            "李雷 have a car.",
            "has a car.",
            "With a third-person singular subject, 'have' becomes 'has'.",
            "李雷 has a car.",
        ),
        (
            "Don do not like it.",
            "does not like it.",
            "With a third-person singular subject, 'do' becomes 'does'.",
            "Don does not like it.",
        ),
        (  # a negation lost
            "I wont ate it.",
            "I will eat it.",
            "After the modal 'won't', use the base form 'eat'.",
            "I wont eat it.",
        ),
        (
            "I won't ate it.",
            "I will eat it.",
            "After the modal 'won't', use the base form 'eat'.",
            "I won't eat it.",
        ),
        ("I won a prize.", "I will win a prize.", NO_CHANGE, "I won a prize."),
        (  # half a contraction lost
            "Youre nice and he are nice.",
            "You nice and he is nice.",
            "A singular subject takes 'is', not 'are'.",
            "Youre nice and he is nice.",
        ),
        (  # a 'to' lost that no base form lets go
            "She made us to wait and tell us to go to bed.",
            "She made us wait and told us to go bed.",
            "After 'made', use the base form 'wait'. 'Made' is in the past, so 'tell' becomes "
            "'told'.",
            "She made us wait and told us to go to bed.",
        ),
        (
            "I want to eat what he eated.",
            "I want eat what he ate.",
            "The past tense of 'eat' is the irregular form 'ate'.",
            "I want to eat what he ate.",
        ),
        (  # half of a contraction is named by its verb
            "I weren't tell the truth.",
            "I wasn't told the truth.",
            "'I' takes 'was', not 'were'. A passive needs the past participle after 'was': the "
            "principal parts of 'tell' are 'tell', 'told', 'told'.",
            "I wasn't told the truth.",
        ),
        (  # and one without its apostrophe too
            "Hes flown home last night.",
            "He flew home last night.",
            "'Last night' names a time that is over, so 'has flown' becomes 'flew'.",
            "He flew home last night.",
        ),
        (  # an auxiliary that is named, and one word for another
            "You must forgot it.",
            "You must have forgotten it.",
            "After the modal 'must', use the base form 'have'.",
            "You must have forgotten it.",
        ),
        ("He leaded us.", "He led us.", NO_CHANGE, "He led us."),
        ("We met in 大阪!", "We met in 大\ufffd!", NO_CHANGE, "We met in 大阪!"),
        ("We met in 大阪!", "We meet in 大\ufffd!", "Because.", "We meet in 大阪!"),
        ("Je ne sais pas.", "Je nes pas.", NO_CHANGE, "Je ne sais pas."),
    ],
)
def test_what_the_explanation_does_not_name_is_put_back(
    sentence: str, written: str, explanation: str, kept: str
) -> None:
    assert Asked(sentence).held(written, explanation) == kept


@pytest.mark.parametrize(
    ("sentence", "corrected", "told"),
    [
        ("He leaded us.", "He led us.", "'leaded' becomes 'led'."),
        ("Where you are going?", "Where are you going?", "'you are' becomes 'are you'."),
        ("He can to swim.", "He can swim.", "'can to swim' becomes 'can swim'."),
        ("To go.", "Go.", "'To go' becomes 'Go'."),
        ("I been.", "I have been.", "'I been' becomes 'I have been'."),
        ("He go", "He goes", "'go' becomes 'goes'."),
        ("we was we was", "we were we was", "'was' becomes 'were'."),
    ],
)
def test_a_correction_in_short(sentence: str, corrected: str, told: str) -> None:
    assert in_short(sentence, corrected) == told


def test_an_explanation_is_about_the_verb_of_a_contraction() -> None:
    why = "A plural subject takes 'were', not 'was'."
    assert is_about(why, "We wasn't told.", "We weren't told.")
    assert is_about(why, "we wasnt told", "we werent told")
    assert not is_about(why, "We don't know.", "We doesn't know.")


def test_a_noun_bent_beside_an_auxiliary_is_no_correction() -> None:
    why = "A form of 'have' is missing: 'gone' becomes 'has gone'."
    assert (
        Asked("The dog gone home.").held("The dog has gone home.", why) == "The dog has gone home."
    )
    assert Asked("The dog gone home.").held("The cat has gone home.", why) is None


@pytest.mark.parametrize("written", ["We met.", "We met in the town.", "Lo, met we."])
def test_an_answer_that_does_not_belong_to_its_explanation_is_none(written: str) -> None:
    assert Asked("We met in town.").held(written, "Only 'he' takes -s.") is None


def test_what_would_take_long_to_compare_is_not() -> None:
    asked = Asked(".," * 100)
    assert asked.held(".,!" * 80, NO_CHANGE) is None
    assert asked.held(asked.text, NO_CHANGE) == ".," * 100


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
    assert Asked(sentence).text == sentence.lower()


@pytest.mark.parametrize(
    "sentence",
    ["He goed.", "I A 4 B.", "", "Đặng goed.", "NASA goed there.", "US and UK was late."],
)
def test_other_sentences_are_asked_about_as_they_are(sentence: str) -> None:
    assert Asked(sentence).text == sentence


@pytest.mark.parametrize("written", ["he went home lol :d", "He Went Home lol :D"])
def test_capitals_come_back_with_the_answer(written: str) -> None:
    why = "The past tense of 'go' is the irregular form 'went'."
    assert Asked("HE GOED HOME lol :D").held(written, why) == "HE WENT HOME lol :D"


def test_a_contraction_in_capitals_is_corrected_in_capitals() -> None:
    why = "With a third-person singular subject, 'don't' becomes 'doesn't'."
    assert Asked("SHE DON'T KNOW.").held("she doesn't know.", why) == "SHE DOESN'T KNOW."


@pytest.mark.parametrize(
    ("sentence", "asked"),
    [
        ("李雷 go to 学校 with 李雷.", "Anna go to Peter with Anna."),
        ("नेहा like Anna and Мария.", "Peter like Anna and Maria."),
        ("محمد, 33, work.", "Anna, 33, work."),
        ("MY FRIEND 李雷 GO HOME", "my friend anna go home"),
        ("Tokyo東京 is big.", "Tokyo東京 is big."),
        ("私は学校に行く。", "Anna。"),
        ("He read کتاب\u200cخانه 👩\u200d👧.", "He read Anna 👩\u200d👧."),
        ("Ask bob_x@mail.example.net, or (www.example.org/a?b=1).", "Ask Anna, or Peter)."),
        ("See https://example.org/, he say.", "See Anna, he say."),
        ("He tweet to @anna\\1!", "He tweet to Anna!"),
        ("一 二 三 四 五 六 七 八 九", "Anna Peter Maria David Laura Martin Julia Thomas 九"),
    ],
)
def test_a_name_stands_for_a_word_in_another_script(sentence: str, asked: str) -> None:
    assert Asked(sentence).text == asked
    assert Asked(sentence).held(asked, NO_CHANGE) == sentence


def test_the_words_come_back_with_the_answer() -> None:
    asked = Asked("Last 春节 李雷 go home.")
    why = "'Last Anna' marks the past, so 'go' becomes 'went'."
    assert asked.held("Last Anna Peter went home.", why) == "Last 春节 李雷 went home."
    assert asked.in_own_words(why) == "'Last 春节' marks the past, so 'go' becomes 'went'."


def test_no_mark_is_put_in() -> None:
    asked = Asked("My aunty cooked rice.")
    assert asked.held("My<ty cooked rice.", NO_CHANGE) == "My aunty cooked rice."


def test_no_word_that_came_back_is_taken_for_a_stand_in() -> None:
    asked = Asked("I wrote to peter@x.com that Иван go home.")
    assert asked.text == "I wrote to Anna that Peter go home."
    why = "After 'Anna', 'PETER' needs 'goes'."
    assert asked.in_own_words(why) == "After 'peter@x.com', 'Иван' needs 'goes'."


def test_every_change_in_the_corpus_is_named() -> None:
    """What the rule rests on: it would undo no correction that the model has learned."""
    count = 0
    for path in sorted((DATA_DIR / "verbs").glob("test_*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            example = json.loads(line)
            for change in (str, str.upper):
                assert (example["explanation"] == NO_CHANGE) == (example["kind"] == "correct")
                asked = Asked(change(example["sentence"]))
                written = Asked(change(example["corrected"])).text
                assert asked.held(written, example["explanation"]) == change(example["corrected"])
                count += 1
    assert count == 12_000


def test_an_address_in_capitals_may_end_in_a_vowel_sign() -> None:
    sentence = "I READ https://hi.wikipedia.org/wiki/\u0939\u093f EVERY DAY."
    assert Asked(sentence).text == "i read anna every day."


# Texts of any letters, and some in which addresses in capitals end in odd ones.
@given(st.text() | st.text("AB @./:W\u0301\u0939"), st.text())
def test_an_answer_that_repeats_the_sentence_gives_it_back_letter_for_letter(
    sentence: str, explanation: str
) -> None:
    asked = Asked(sentence)
    assert asked.held(asked.text, explanation) == sentence


@given(st.text(), st.text(), st.text())
def test_any_three_texts_will_do(sentence: str, corrected: str, explanation: str) -> None:
    asked = Asked(sentence)
    asked.held(corrected, explanation)
    asked.in_own_words(explanation)

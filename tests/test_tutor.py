"""Rules for sentences, the answer's format, and generation one token at a time."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from miniserve import tutor as tutor_module
from miniserve.completion import FinishReason, PromptTooLong
from miniserve.copying import NO_CHANGE, in_short
from miniserve.tutor import (
    AnswerError,
    Correction,
    SentenceError,
    Tutor,
    check_sentence,
    parse_answer,
    prompt_for,
    read_completion,
)
from tests.fakes import completion

EOS = 1
JOINERS = "\u200c\u200d"


class ScriptedModel:
    """Says the script's tokens in turn; notes how it was called."""

    def __init__(self, script: Sequence[int]) -> None:
        self.script = itertools.chain(script, itertools.repeat(7))
        self.calls: list[tuple[list[int], int]] = []
        self.freed: list[int] = []

    def step(
        self, slots: list[int], token_ids: list[int], num_tokens: list[int], starts: list[int]
    ) -> list[int]:
        assert slots == [0]
        assert num_tokens == [len(token_ids)]
        self.calls.append((list(token_ids), starts[0]))
        return [next(self.script)]

    def free(self, slots: list[int]) -> None:
        self.freed += slots


def scripted_tutor(
    monkeypatch: pytest.MonkeyPatch, script: Sequence[int], max_model_len: int = 32
) -> tuple[Tutor, ScriptedModel]:
    model = ScriptedModel(script)
    monkeypatch.setattr(tutor_module, "Llama", lambda *args, **kwargs: model)
    tokenizer = SimpleNamespace(
        encode=lambda text: SimpleNamespace(ids=[ord(c) for c in text]),
        decode=lambda ids: "".join(chr(i) for i in ids if i != EOS),
    )
    config = SimpleNamespace(max_position_embeddings=max_model_len)
    checkpoint: Any = SimpleNamespace(config=config, tokenizer=tokenizer, eos_token_id=EOS)
    return Tutor(checkpoint), model


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "empty"),
        (" \t\n ", "empty"),
        ("x" * 201, "too_long"),
        ("He goed.\nShe goed.", "line_break"),
        ("He goed.\r\nShe goed.", "line_break"),
        ("He goed.\u2028She goed.", "line_break"),
        ("He \x00 goed.", "not_printable"),
        ("He \x1b[31m goed.", "not_printable"),
        ("He \u202e goed.", "not_printable"),
        ("He \ud800 goed.", "not_printable"),
        ("He\tgoed.", "not_printable"),
        ("\u200c \u200d", "empty"),
    ],
)
def test_a_broken_rule_is_named_and_the_sentence_is_not_repeated(text: str, rule: str) -> None:
    with pytest.raises(SentenceError) as caught:
        check_sentence(text)
    assert caught.value.rule == rule
    assert not text.strip() or text not in str(caught.value)


def test_a_sentence_is_trimmed_at_its_ends_and_else_left_alone() -> None:
    assert check_sentence("  Él  goed to Łódź 3 times 🙂 \n") == "Él  goed to Łódź 3 times 🙂"
    family = "My family 👩\u200d👧\u200d👦 are from \u0645\u06cc\u200c\u062e."
    assert check_sentence(family) == family
    assert check_sentence(" " * 300 + "x" * 200 + "\n" * 300) == "x" * 200


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("He\u00a0goed\u2009home.", "He goed home."),
        ("\ufeffHe goed home.\u200b", "He goed home."),
        ("He un\u00addid it.", "He undid it."),
        ("\u00a0\ufeff He goed.", "He goed."),
        ("\u200d\u200b\u200dHe goed \u200c home.\u200d", "He goed  home."),
    ],
)
def test_what_a_copied_text_brings_with_it_is_no_fault(text: str, sentence: str) -> None:
    assert check_sentence(text) == sentence


def without(text: str, characters: str) -> str:
    """A text without some characters."""
    return text.translate(dict.fromkeys(map(ord, characters)))


@given(st.text())
@example("\x85")
@example("a\x1cb")
@example("a\u200d\u200cb \u200d\ufeff\u200dc")
def test_a_checked_sentence_is_one_printable_line_and_checking_twice_changes_nothing(
    text: str,
) -> None:
    try:
        sentence = check_sentence(text)
    except SentenceError:
        return
    assert 1 <= len(sentence) <= 200
    assert without(sentence, JOINERS).isprintable()
    assert sentence == sentence.strip() == check_sentence(sentence)
    unseen = "\u00ad\u200b\u2060\ufeff" + JOINERS
    assert without(sentence, JOINERS).split() == without(text, unseen).split()
    assert len(prompt_for(sentence).splitlines()) == 1


def test_an_answer_is_two_lines() -> None:
    expected = Correction("He went.", "Because of 'went'.")
    assert parse_answer("He went.\nBecause of 'went'.", "He goed.") == expected
    assert parse_answer(" He went. \n Because of 'went'. \n", "He goed.") == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "He went.",
        "He went.\n",
        "\nBecause.",
        "a\nb\nc",
        "a\n\nb",
        "a\x00\nb",
        "a\r\rb",
        "a\ufffd\nb",
        "He went and went and went and went and went and went and went and went.\nb",
        pytest.param("He went.\nx" + " 'a" * 40_000, id="quotes without end"),
        pytest.param("He went.\nx '" + "@" * 20_000, id="an address without end"),
    ],
)
def test_a_malformed_answer_is_a_typed_error(text: str) -> None:
    with pytest.raises(AnswerError):
        parse_answer(text, "He goed.")


def test_a_mark_that_stands_for_half_a_character_may_be_copied() -> None:
    answer = "It says \ufffd.\n'say' becomes 'says'."
    assert parse_answer(answer, "It say \ufffd.").corrected == "It says \ufffd."
    with pytest.raises(AnswerError, match="to its end"):
        parse_answer(answer.replace("'say'", "\ufffd"), "It say \ufffd.")


@given(st.text(), st.text(min_size=1))
def test_any_text_is_a_correction_or_a_typed_error(text: str, sentence: str) -> None:
    try:
        answer = parse_answer(text, check_sentence(sentence))
    except (AnswerError, SentenceError):
        return
    asked = check_sentence(sentence)
    assert (answer.explanation == NO_CHANGE) == (answer.corrected == asked)
    made = {NO_CHANGE, in_short(asked, answer.corrected)}
    assert answer.explanation in text or answer.explanation in made
    for line in (answer.corrected, answer.explanation):
        assert line
        assert line == line.strip()
        assert without(line, JOINERS).isprintable()


@given(st.text(alphabet="ab .'", min_size=1), st.text(alphabet="ab .'", min_size=1))
def test_a_sentence_that_comes_back_needs_no_change(sentence: str, explanation: str) -> None:
    if sentence.strip() and explanation.strip():
        answer = parse_answer(f"{sentence}\n{explanation}", sentence.strip())
        assert answer == Correction(sentence.strip(), NO_CHANGE)


def test_a_change_that_is_denied_is_told() -> None:
    answer = parse_answer(f"The guide led us.\n{NO_CHANGE}", "The guide leaded us.")
    assert answer == Correction("The guide led us.", "'leaded' becomes 'led'.")


def test_an_explanation_that_speaks_of_no_word_in_the_sentence_is_not_told() -> None:
    said = "With a third-person singular subject, 'seek' becomes 'seks'."
    answer = parse_answer(f"She seeks advice.\n{said}", "She seek advice.")
    assert answer == Correction("She seeks advice.", "'seek' becomes 'seeks'.")


def test_a_blank_that_begins_a_quote_is_taken_out() -> None:
    said = "A form of 'be' is missing: ' Fatima' becomes 'is Fatima'."
    answer = parse_answer(f"My name is Fatima.\n{said}", "My name Fatima.")
    assert answer.explanation == said.replace("' F", "'F")


@pytest.mark.parametrize(
    ("sentence", "corrected", "said", "told"),
    [
        # Nobody wrote *am*.
        ("Do you hungry?", "Are you hungry?", "A plural subject takes 'are', not 'am'.", False),
        ("You am late.", "You are late.", "A plural subject takes 'are', not 'am'.", True),
        ("We isnt in.", "We aren't in.", "A plural subject takes 'aren't', not 'isn't'.", True),
        ("I'm agree.", "I agree.", "'Agree' needs no 'am': 'am agree' becomes 'agree'.", True),
        ("He go.", "He goes.", "'Go' becomes 'goes', and 'sing' becomes 'sings'.", False),
    ],
)
def test_an_explanation_that_calls_a_word_wrong_which_nobody_wrote_is_not_told(
    sentence: str, corrected: str, said: str, told: bool
) -> None:
    answer = parse_answer(f"{corrected}\n{said}", sentence)
    assert answer == Correction(corrected, said if told else in_short(sentence, corrected))


def test_an_answer_that_was_cut_off_is_not_read() -> None:
    assert read_completion(completion(), "He goed to school.").corrected == "He went to school."
    with pytest.raises(AnswerError, match="cut off"):
        read_completion(completion(finish_reason="length"), "He goed to school.")


@pytest.mark.parametrize(
    ("text", "finish_reason", "message"),
    [
        ("It didn't last.\n'Last.\n'Last.\n'Last ago' marks the past.", "stop", "4 of two lines"),
        ("It didn't last.\n'Last ago' marks the past, so it 'does", "length", "after 31 tokens"),
        ("It didn't last.\n'Last.\n'Last.\n'Last.\n'Last.\n'La", "length", "after 31 tokens"),
        ("It didn't last.\n", "length", "after 31 tokens"),
    ],
)
def test_no_correction_is_taken_from_an_answer_that_lost_its_thread(
    text: str, finish_reason: FinishReason, message: str
) -> None:
    with pytest.raises(AnswerError, match=message) as failure:
        read_completion(completion(text, finish_reason), "It doesn't last long ago.")
    assert "last" not in str(failure.value).lower()  # what was sent is not repeated


def test_generation_feeds_the_prompt_once_and_then_token_after_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tutor, model = scripted_tutor(monkeypatch, [65, 66, EOS])
    made = tutor.generate("abc\n", 10)
    assert model.calls == [([97, 98, 99, 10], 0), ([65], 4), ([66], 5)]
    assert (made.text, made.finish_reason) == ("AB", "stop")
    assert (made.num_prompt_tokens, made.num_output_tokens) == (4, 3)
    assert made.timing.queue_s == 0
    assert made.timing.prefill_s >= 0
    assert made.timing.decode_s >= 0
    assert model.freed == [0]


def test_generation_ends_at_max_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    tutor, model = scripted_tutor(monkeypatch, [65] * 50)
    made = tutor.generate("abc\n", 28)
    assert (made.num_output_tokens, made.finish_reason) == (28, "length")
    assert len(model.calls) == 28


def test_generation_ends_between_two_tokens_when_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    tutor, model = scripted_tutor(monkeypatch, [65] * 50)
    asked = itertools.count()
    made = tutor.generate("abc\n", 20, stop=lambda: next(asked) == 3)
    assert (made.text, made.finish_reason) == ("AAA", "abort")
    assert model.freed == [0]


def test_a_prompt_that_leaves_no_room_and_an_answer_of_no_tokens_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tutor, model = scripted_tutor(monkeypatch, [65], max_model_len=32)
    with pytest.raises(PromptTooLong, match="32"):
        tutor.generate("abcd\n", 28)
    with pytest.raises(ValueError, match="max_tokens is 0"):
        tutor.generate("abc\n", 0)
    assert not model.calls


def test_the_slot_is_free_after_the_model_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    tutor, model = scripted_tutor(monkeypatch, [])
    monkeypatch.setattr(model, "step", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        tutor.generate("abc\n", 5)
    assert model.freed == [0]


def test_the_checkpoint_corrects(tutor: Tutor) -> None:
    answer = tutor.correct("  He goed to school. ")
    assert answer.corrected == "He went to school."
    assert "'went'" in answer.explanation


def test_the_checkpoint_gives_a_correction_or_a_typed_error_for_any_sentence(tutor: Tutor) -> None:
    @given(st.text(max_size=60))
    @settings(max_examples=15)
    def any_sentence(text: str) -> None:
        try:
            answer = tutor.correct(text)
        except (SentenceError, PromptTooLong, AnswerError):
            return
        assert without(answer.corrected, JOINERS).isprintable()
        assert without(answer.explanation, JOINERS).isprintable()

    any_sentence()


def test_no_text_becomes_a_special_token(tutor: Tutor) -> None:
    plain = tutor.generate("a b\n", max_tokens=1).num_prompt_tokens
    assert tutor.generate("a</s><s><pad> b\n", max_tokens=1).num_prompt_tokens > plain + 3


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="nowhere"):
        Tutor.load(tmp_path / "nowhere")

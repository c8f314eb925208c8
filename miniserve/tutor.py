"""The grammar tutor: rules for sentences, the prompt, the answer's format, and the model.

The format is lines. The prompt is the sentence and a line break; the answer is the corrected
sentence, a line break, and the explanation. A sentence never holds a line break, so nothing needs
escaping, and the plain text of any engine can be read.

An answer is read whole or not at all. Where the explanation has lost its thread or never ends, the
first line may still look like a correction; but the model that could not say what is wrong with a
sentence has often not known it either, and a learner must not be taught a guess. What is read is
held to the sentence that was asked about (`miniserve.copying`).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from miniserve.completion import (
    Completion,
    FinishReason,
    PromptTooLong,
    Timing,
    check_max_tokens,
)
from miniserve.copying import JOINERS, NO_CHANGE, Asked, in_short, is_about
from miniserve.model.checkpoint import Checkpoint, load_checkpoint
from miniserve.model.llama import Llama

#: The longest sentence, in characters, after the whitespace at its ends is trimmed.
MAX_SENTENCE_LENGTH = 200

#: The longest answer, in tokens: a long sentence and its longest explanation, and some to spare.
MAX_TOKENS = 128

#: What chapters, warm-up and examples ask about.
EXAMPLE_SENTENCE = "He goed to school."

_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
#: Soft hyphen, zero-width space, word joiner, byte order mark.
_UNSEEN = re.compile("[\u00ad\u200b\u2060\ufeff]")
#: At an end it joins nothing.
_LOOSE_JOINERS = re.compile(rf"(?<!\S)[{JOINERS}]+|[{JOINERS}]+(?!\S)")
_NO_JOINERS = str.maketrans("", "", JOINERS)

# Characters. An answer is laid beside its sentence in cubic time at worst, and what an explanation
# quotes is found in quadratic time.
_MOST_ADDED = 40
_LONGEST_EXPLANATION = 1_000

SentenceRule = Literal["empty", "too_long", "line_break", "not_printable"]

_RULES: dict[SentenceRule, str] = {
    "empty": "The sentence is empty.",
    "too_long": f"The sentence is longer than {MAX_SENTENCE_LENGTH} characters.",
    "line_break": "The sentence holds a line break.",
    "not_printable": "The sentence holds a character that is invisible or no printable text.",
}


class SentenceError(ValueError):
    """A sentence breaks a rule. The message names the rule and never repeats the sentence."""

    def __init__(self, rule: SentenceRule) -> None:
        super().__init__(_RULES[rule])
        self.rule = rule


class AnswerError(ValueError):
    """The model's text is not a corrected sentence and an explanation."""


@dataclass(frozen=True, slots=True)
class Correction:
    """What the tutor says; `corrected` equals the sentence if nothing was wrong with it."""

    corrected: str
    explanation: str


def trimmed(text: str) -> str:
    """A text without the whitespace at its ends, and without what copying has brought along.

    What a word processor or a web page leaves in copied text is no fault of the writer's: other
    kinds of spaces become ordinary ones, and marks that nobody sees are taken out.
    """
    return _LOOSE_JOINERS.sub("", _SPACES.sub(" ", _UNSEEN.sub("", text))).strip()


def check_sentence(text: str) -> str:
    """Return the sentence, `trimmed`.

    Raises:
        SentenceError: it is not 1 to 200 characters of printable text in one line. Printable is
            what `str.isprintable` accepts, and the invisible characters that join two letters or
            two emoji.
    """
    sentence = trimmed(text)
    if not sentence:
        raise SentenceError("empty")
    if len(sentence) > MAX_SENTENCE_LENGTH:
        raise SentenceError("too_long")
    if len(sentence.splitlines()) > 1:
        raise SentenceError("line_break")
    if not _is_printable(sentence):
        raise SentenceError("not_printable")
    return sentence


def prompt_for(sentence: str) -> str:
    """The text that the model continues."""
    return f"{Asked(sentence).text}\n"


def parse_answer(text: str, sentence: str) -> Correction:
    """Read the model's text: the corrected sentence in one line, the explanation in the next.

    What cannot be a correction of `sentence` is put back, see `Asked.held`; and where the two lines
    contradict each other, the first is believed.

    Raises:
        AnswerError: the text is anything else, or does not belong to `sentence`.
    """
    lines = text.strip().splitlines()
    if len(lines) != 2:
        raise AnswerError(
            f"The model's answer cannot be relied on: it has {len(lines)} of two lines. "
            "Other words may help."
        )
    written, explanation = (line.strip() for line in lines)
    if not written or not explanation:
        raise AnswerError("A line of the model's answer is empty.")
    if len(written) > 2 * len(sentence) + _MOST_ADDED:
        raise AnswerError("The model's answer is far longer than the sentence.")
    if len(explanation) > _LONGEST_EXPLANATION:
        raise AnswerError("The model's explanation is far longer than any.")
    asked = Asked(sentence)
    corrected = asked.held(written, explanation)
    if corrected is None:
        raise AnswerError("The model's answer changes words that its explanation does not name.")
    explanation = asked.in_own_words(explanation)
    if corrected == sentence:
        explanation = NO_CHANGE
    elif explanation == NO_CHANGE or not is_about(explanation, sentence, corrected):
        explanation = in_short(sentence, corrected)
    if not (_is_printable(corrected) and _is_printable(explanation)):
        raise AnswerError("The model's answer holds a character that is not printable.")
    half = "\N{REPLACEMENT CHARACTER}"  # what the tokenizer makes of half a character's bytes
    if half in explanation or corrected.count(half) > sentence.count(half):
        raise AnswerError("The model's answer holds a character that was not written to its end.")
    return Correction(corrected, explanation)


def read_completion(completion: Completion, sentence: str) -> Correction:
    """Read what an engine made of the prompt for `sentence`.

    Raises:
        AnswerError: the answer was cut off before its end, or `parse_answer` finds it malformed.
    """
    if completion.finish_reason != "stop":
        raise AnswerError(
            f"The model's answer was cut off after {completion.num_output_tokens} tokens, before "
            "its end, so it cannot be relied on. Other words may help."
        )
    return parse_answer(completion.text, sentence)


def _never() -> bool:
    return False


def _is_printable(text: str) -> bool:
    return text.translate(_NO_JOINERS).isprintable()


class Tutor:
    """The model and its tokenizer, one sentence at a time. Not for several threads at once."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.max_model_len = checkpoint.config.max_position_embeddings
        self._tokenizer = checkpoint.tokenizer
        self._eos_token_id = checkpoint.eos_token_id
        self._model = Llama(checkpoint, max_num_seqs=1, max_model_len=self.max_model_len)

    @classmethod
    def load(cls, path: Path) -> Tutor:
        """Read the checkpoint directory `path`; raises what `load_checkpoint` raises."""
        return cls(load_checkpoint(path))

    def generate(
        self, prompt: str, max_tokens: int = MAX_TOKENS, stop: Callable[[], bool] | None = None
    ) -> Completion:
        """Continue a prompt greedily, up to the end token, `max_tokens`, or until `stop` says so.

        Args:
            stop: asked before each step; True ends the generation with the reason "abort".

        Raises:
            PromptTooLong: the prompt and `max_tokens` do not fit into the model's context.
            ValueError: `max_tokens` is less than 1.
        """
        check_max_tokens(max_tokens)
        stop = stop or _never
        prompt_token_ids = self._tokenizer.encode(prompt).ids
        PromptTooLong.check(len(prompt_token_ids), max_tokens, self.max_model_len)
        made: list[int] = []
        next_token_ids, position = prompt_token_ids, 0
        start = first_token = time.perf_counter()
        finish_reason: FinishReason = "abort"
        try:
            while not stop():
                made.append(self._step(next_token_ids, position))
                position += len(next_token_ids)
                next_token_ids = made[-1:]
                if len(made) == 1:
                    first_token = time.perf_counter()
                if made[-1] == self._eos_token_id:
                    finish_reason = "stop"
                    break
                if len(made) >= max_tokens:
                    finish_reason = "length"
                    break
        finally:
            self._model.free([0])
        return Completion(
            text=self._tokenizer.decode(made),
            finish_reason=finish_reason,
            num_prompt_tokens=len(prompt_token_ids),
            num_output_tokens=len(made),
            timing=Timing(0.0, first_token - start, time.perf_counter() - first_token),
        )

    def correct(self, sentence: str) -> Correction:
        """Correct one sentence.

        Raises:
            SentenceError: the sentence breaks a rule.
            PromptTooLong: it has more tokens than the model can take.
            AnswerError: the model's answer is malformed.
        """
        sentence = check_sentence(sentence)
        return read_completion(self.generate(prompt_for(sentence)), sentence)

    def _step(self, token_ids: list[int], position: int) -> int:
        return int(self._model.step([0], token_ids, [len(token_ids)], [position])[0])

"""Score a tutor checkpoint on the test splits: ``python data/build/evaluate.py``.

Greedy decoding, exact match of the corrected sentence and of the explanation, per split and kind,
both as the service would answer. A wrong sentence whose difference reaches a word outside the verb
group is counted apart, as an innocent word lost.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path

import torch
from tokenizers import Tokenizer

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from data.build.training.checkpoint_dir import load_checkpoint
from data.build.training.tokenizer import BOS_ID, EOS_ID
from data.build.training.torch_llama import Shape, Weights, hidden_states, rope_table
from miniserve.tutor import AnswerError, Correction, parse_answer, prompt_for

DATA = Path(__file__).resolve().parents[1]
Example = dict[str, str]
#: The lists whose sentences nobody is to look at.
UNSEEN = {
    "everyday",
    "everyday_marks",
    *(f"everyday_blind_{letter}" for letter in "bchkmnopqrstuvw"),
}
AUXILIARIES = """
am is are was were be been being isn't aren't wasn't weren't do does did done don't doesn't didn't
has have had having haven't hasn't hadn't can could may might must shall should will would can't
couldn't won't wouldn't to
"""


def generate(
    shape: Shape, weights: Weights, prompts: Sequence[Sequence[int]], max_tokens: int = 128
) -> list[list[int]]:
    """Greedy tokens for each prompt, without the end token; prompts of one length run together."""
    answers: list[list[int]] = [[] for _ in prompts]
    groups: dict[int, list[int]] = defaultdict(list)
    for index, prompt in enumerate(prompts):
        groups[len(prompt)].append(index)
    with torch.no_grad():
        for group in groups.values():
            for begin in range(0, len(group), 128):
                members = group[begin : begin + 128]
                made = _generate(shape, weights, [prompts[m] for m in members], max_tokens)
                for member, answer in zip(members, made, strict=True):
                    answers[member] = answer
    return answers


def _generate(
    shape: Shape, weights: Weights, prompts: Sequence[Sequence[int]], max_tokens: int
) -> list[list[int]]:
    """The same for prompts of one length, in one batch."""
    length = len(prompts[0])
    size = (len(prompts), shape.num_key_value_heads, length + max_tokens, shape.head_dim)
    caches = [(torch.empty(size), torch.empty(size)) for _ in range(shape.num_hidden_layers)]
    answers: list[list[int]] = [[] for _ in prompts]
    rope = rope_table(shape)
    tokens, start, going = torch.tensor(prompts), 0, list(range(len(prompts)))
    while going and start < length + max_tokens - 1:
        embedded = weights["embed"][tokens]
        last = hidden_states(shape, weights, embedded, rope, start, caches)[:, -1]
        start += tokens.shape[1]
        tokens = (last @ weights["embed"].T).argmax(-1, keepdim=True)
        made = tokens.flatten().tolist()
        going = [row for row in going if made[row] != EOS_ID]
        for row in going:
            answers[row].append(made[row])
    return answers


def words(text: str) -> list[str]:
    """Words (with their apostrophes) and single punctuation marks."""
    return re.findall(r"\w+(?:'\w+)*|[^\w\s]", text)


def verb_forms(examples: Iterable[Example]) -> dict[str, set[str]]:
    """For each lemma, the words that some example changes from or to."""
    forms: dict[str, set[str]] = defaultdict(set)
    for example in examples:
        lemma = example.get("lemma", "")
        if lemma:
            forms[lemma].update(lemma + ending for ending in ("", "s", "es", "d", "ed", "ing"))
            forms[lemma].update(
                word.lower()
                for pair in _changes(example["sentence"], example["corrected"])
                for word in pair
            )
    return forms


def _changes(before: str, after: str) -> Iterable[list[str]]:
    old, new = words(before), words(after)
    for tag, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag != "equal":
            yield old[i:j]
            yield new[k:m]


def innocent_word_lost(example: Example, output: str, forms: dict[str, set[str]]) -> bool:
    """Whether ``output`` differs from the expected sentence in more than the verb group.

    The verb group: auxiliaries, the words that the correction itself changes, and the known forms
    of the verb. A word that the model puts where only words of the verb group stood is a wrong verb
    form, not a lost word.
    """
    expected = example["corrected"]
    if output == expected:
        return False
    group = set(AUXILIARIES.split()) | forms.get(example.get("lemma", ""), set())
    group.update(
        word.lower() for words_ in _changes(example["sentence"], expected) for word in words_
    )
    old, new = words(expected), words(output)
    if old == new:
        return True  # only the spaces differ
    for tag, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        touched = new[k:m] if tag == "insert" else old[i:j]
        if tag != "equal" and any(word.lower() not in group for word in touched):
            return True
    return False


@dataclass
class Score:
    """Counts of one split or of one kind in it."""

    examples: int = 0
    corrected: int = 0
    explanation: int = 0
    explained: int = 0  #: examples with an expected explanation (the everyday splits have none)
    lost: int = 0
    kinds: dict[str, Score] = field(default_factory=dict)

    def add(self, corrected: bool, explanation: bool | None, lost: bool) -> None:
        """Count one answer; ``explanation`` is None where none is expected."""
        self.examples += 1
        self.corrected += corrected
        self.explanation += explanation is True
        self.explained += explanation is not None
        self.lost += lost

    def row(self, name: str) -> str:
        """A Markdown table row."""
        corrected = f"{100 * self.corrected / max(self.examples, 1):.2f}"
        explanation = f"{100 * self.explanation / self.explained:.2f}" if self.explained else "–"
        return f"| {name} | {self.examples} | {corrected} | {explanation} | {self.lost} |"


@dataclass(frozen=True)
class Miss:
    """One wrong answer."""

    example: Example
    corrected: str
    explanation: str
    lost: bool

    def text(self) -> str:
        """Some lines for a person: the sentence, what came and what was expected."""
        wrong = self.corrected != self.example["corrected"]
        mark = "LOST " if self.lost else "wrong" if wrong else "expl."
        lines = [f"{mark} [{self.example.get('kind')}] {self.example['sentence']}"]
        if wrong:
            lines += [f"      got {self.corrected}", f"      not {self.example['corrected']}"]
        expected = self.example.get("explanation")
        if self.explanation != expected:
            lines += [f"      got {self.explanation}", f"      not {expected or '(none given)'}"]
        return "\n".join(lines)


def evaluate(
    shape: Shape, weights: Weights, tokenizer: Tokenizer, examples: Sequence[Example], raw: bool
) -> tuple[Score, list[Miss]]:
    """Generate an answer for each example and compare; `raw`: as the model writes it."""
    prompts = [tokenizer.encode(prompt_for(example["sentence"])).ids for example in examples]
    assert all(prompt[0] == BOS_ID for prompt in prompts)
    forms = verb_forms(examples)
    total, misses = Score(), []
    for example, ids in zip(examples, generate(shape, weights, prompts), strict=True):
        answer = read_answer(tokenizer.decode(ids), example["sentence"], raw)
        right = answer.corrected == example["corrected"]
        expected = example.get("explanation")
        explained = None if expected is None else answer.explanation == expected
        lost = answer.corrected != "" and innocent_word_lost(example, answer.corrected, forms)
        for score in (total, total.kinds.setdefault(example.get("kind", "?"), Score())):
            score.add(right, explained, lost)
        if not right or explained is False:
            misses.append(Miss(example, answer.corrected, answer.explanation, lost))
    return total, misses


def read_answer(text: str, sentence: str, raw: bool) -> Correction:
    """What the service would answer (nothing, if with an error), or raw: the two lines."""
    if raw:
        corrected, _, explanation = text.partition("\n")
        return Correction(corrected, explanation)
    try:
        return parse_answer(text, sentence)
    except AnswerError:
        return Correction("", "")


def read(path: Path, limit: int) -> list[Example]:
    """The first ``limit`` examples of a JSON Lines file (all of them for 0)."""
    with path.open(encoding="utf-8") as lines:
        examples: list[Example] = [json.loads(line) for line in lines]
    return examples[: limit or None]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Score a tutor checkpoint on the test splits.")
    parser.add_argument(
        "files", nargs="*", type=Path, help="JSON Lines files (default: all splits)"
    )
    parser.add_argument("--tutor", type=Path, default=DATA / "tutor")
    parser.add_argument(
        "--limit", type=int, default=0, help="score only the first so many examples of each file"
    )
    parser.add_argument(
        "--raw", action="store_true", help="as the model writes it, not held to the sentence"
    )
    parser.add_argument("--kinds", action="store_true", help="also one row for each kind")
    parser.add_argument(
        "--misses", type=int, default=0, help="show so many wrong answers of each file"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    shape, weights = load_checkpoint(arguments.tutor)
    tokenizer = Tokenizer.from_file(str(arguments.tutor / "tokenizer.json"))
    verbs = DATA / "verbs"
    files = arguments.files or [
        *sorted(verbs.glob("everyday*.jsonl")),
        *sorted(verbs.glob("test_*.jsonl")),
    ]
    print("| split | examples | corrected % | explanation % | innocent word lost |")
    print("|---|---:|---:|---:|---:|")
    shown: list[str] = []
    for path in files:
        score, misses = evaluate(
            shape, weights, tokenizer, read(path, arguments.limit), arguments.raw
        )
        print(score.row(path.stem), flush=True)
        if arguments.kinds:
            for kind in sorted(score.kinds):
                print(score.kinds[kind].row(f"… `{kind}`"))
        if misses and arguments.misses and path.stem not in UNSEEN:
            shown.append(f"\n{path.stem}")
            shown.extend(miss.text() for miss in misses[: arguments.misses])
    print("\n".join(shown))


if __name__ == "__main__":
    main()

"""The tutor's tokenizer: byte-level BPE of 2048 tokens, trained on the verb corpus.

The pre-tokenizer is GPT-2's, so every engine that knows GPT-2's splits our text the same way.
Digits are taken out of the training text, so no merge holds a digit and numbers are spelled digit
by digit; no line break is in it either, so ``"\\n"`` stays a token of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

VOCAB_SIZE = 2048
SPECIAL_TOKENS = ("<s>", "</s>", "<pad>")  #: ids 0, 1 and 2
BOS_ID, EOS_ID, PAD_ID = 0, 1, 2
_NO_DIGITS = {ord(digit): None for digit in "0123456789"}


def train_tokenizer(texts: Iterable[str], vocab_size: int = VOCAB_SIZE) -> Tokenizer:
    """Train on ``texts`` (each without line breaks); the same texts give the same tokenizer."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator((text.translate(_NO_DIGITS) for text in texts), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", BOS_ID)]
    )
    if tokenizer.get_vocab_size() != vocab_size:
        raise ValueError(f"the text is too small for {vocab_size} tokens")
    if len(tokenizer.encode("\n", add_special_tokens=False).ids) != 1:
        raise ValueError("the line break is not one token")
    return tokenizer


def corpus_texts(path: Path, examples: int) -> Iterator[str]:
    """The three lines of each of the first ``examples`` examples of a JSON Lines file."""
    with path.open(encoding="utf-8") as lines:
        for _, line in zip(range(examples), lines, strict=False):
            example = json.loads(line)
            yield example["sentence"]
            yield example["corrected"]
            yield example["explanation"]


def save_tokenizer(tokenizer: Tokenizer, directory: Path) -> None:
    """Write ``tokenizer.json``, and ``tokenizer_config.json`` for transformers."""
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(directory / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": SPECIAL_TOKENS[BOS_ID],
        "eos_token": SPECIAL_TOKENS[EOS_ID],
        "pad_token": SPECIAL_TOKENS[PAD_ID],
        "add_bos_token": True,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 256,
    }
    (directory / "tokenizer_config.json").write_text(
        json.dumps(config, indent=2) + "\n", encoding="utf-8"
    )

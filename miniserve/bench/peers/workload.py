"""What every engine is asked: sentences of the standard load, as token ids and as text."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from miniserve.loadtest import Trace
from miniserve.model.checkpoint import read_tokenizer
from miniserve.model.config import read_config
from miniserve.paths import STANDARD_LOAD, TUTOR_DIR
from miniserve.tutor import MAX_TOKENS, prompt_for


@dataclass(frozen=True)
class Workload:
    """Prompts and how an answer to them ends. Everybody is greedy."""

    checkpoint: Path
    sentences: tuple[str, ...]
    prompts: list[list[int]]  #: token ids, the first of them the begin token
    max_tokens: int
    eos_token_id: int


def workload(requests: int, checkpoint: Path = TUTOR_DIR, load: Path = STANDARD_LOAD) -> Workload:
    """The first `requests` different sentences of the standard load.

    Raises:
        ValueError: the load has fewer.
    """
    sentences = tuple(islice(dict.fromkeys(Trace.load(load).sentences), requests))
    if len(sentences) < requests:
        raise ValueError(f"{load.name} has {len(sentences)} different sentences, not {requests}")
    config = read_config(checkpoint / "config.json")
    tokenizer = read_tokenizer(checkpoint / "tokenizer.json", config)
    prompts = [tokenizer.encode(prompt_for(sentence)).ids for sentence in sentences]
    return Workload(checkpoint, sentences, prompts, MAX_TOKENS, config.eos_token_id)

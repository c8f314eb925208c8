"""Golden numbers of `transformers` for the NumPy model: ``python data/build/make_golden.py``.

Runs `LlamaForCausalLM` in float32 on the checkpoint and writes ``tests/golden/tutor.npz``, so that
the tests need no PyTorch. To be run again whenever ``data/tutor`` changes. Ragged rows are filled
with -1. Prompts at which the best two scores come nearer than 0.001 are left out: there another
order of the same additions may rightly choose another token.

- ``prompt_token_ids`` and ``output_token_ids``, (n, longest): greedy, without the end token
- ``first_logits`` (32, vocab): for the first 32 prompts, the scores of the first new token
- ``full_token_ids`` (t,), ``full_logits`` (t, vocab): one prompt with its answer, every position
- ``model_sha256``: of the ``model.safetensors`` that the numbers belong to
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import LlamaForCausalLM

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from data.build.training.tokenizer import EOS_ID

REPOSITORY = Path(__file__).resolve().parents[2]
SMALLEST_GAP = 1e-3
UNUSUAL = (
    "He goed to school.",
    "goed",
    "Room 1024 were closed at 17:45, on 03/06/2019!",
    "Żółw José eated 3½ crêpes — naïve, no?",
    "她 goed to 東京 🙂",
    "the the the the the the the the the the the the the the the the the the the the the the",
    "   ",
    "She don't knows that Wojciechowska's cat has went to the vet's in Llanfairpwllgwyngyll.",
)


def sentences(verbs: Path, count: int) -> list[str]:
    """The unusual ones, and a fixed choice from the test splits."""
    pool = []
    for path in sorted(verbs.glob("*.jsonl")):
        if path.stem.startswith("test_") or path.stem == "everyday_dev":
            lines = path.read_text(encoding="utf-8").splitlines()
            pool += [str(json.loads(line)["sentence"]) for line in lines]
    return [*UNUSUAL, *random.Random(0).sample(pool, count - len(UNUSUAL))]


def greedy(model: LlamaForCausalLM, prompts: list[list[int]], max_tokens: int) -> list[list[int]]:
    """Greedy tokens without the end token; empty where two scores come too near to each other.

    Prompts of one length run together, so that none is padded.
    """
    groups: dict[int, list[int]] = defaultdict(list)
    for index, prompt in enumerate(prompts):
        groups[len(prompt)].append(index)
    answers: list[list[int]] = [[] for _ in prompts]
    for length, members in groups.items():
        ids = torch.tensor([prompts[member] for member in members])
        made = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=max_tokens,
            do_sample=False,
            return_dict_in_generate=True,
            output_logits=True,
        )
        best = torch.stack(made.logits, dim=1).topk(2).values  # (batch, tokens, 2)
        gaps = best[..., 0] - best[..., 1]
        for place, (member, row) in enumerate(
            zip(members, made.sequences[:, length:].tolist(), strict=True)
        ):
            end = row.index(EOS_ID) if EOS_ID in row else len(row)
            if float(gaps[place, : end + 1].min()) > SMALLEST_GAP:
                answers[member] = row[:end]
    return answers


def ragged(rows: list[list[int]]) -> NDArray[np.int32]:
    """One row each, filled with -1."""
    table = np.full((len(rows), max(map(len, rows))), -1, np.int32)
    for index, row in enumerate(rows):
        table[index, : len(row)] = row
    return table


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Write the golden numbers of the NumPy model.")
    parser.add_argument("--tutor", type=Path, default=REPOSITORY / "data" / "tutor")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "tests" / "golden" / "tutor.npz")
    parser.add_argument("--prompts", type=int, default=200)
    given = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer = Tokenizer.from_file(str(given.tutor / "tokenizer.json"))
    model = LlamaForCausalLM.from_pretrained(given.tutor, dtype=torch.float32)
    texts = sentences(REPOSITORY / "data" / "verbs", given.prompts)
    prompts = [tokenizer.encode(text + "\n").ids for text in texts]
    with torch.no_grad():
        outputs = greedy(model, prompts, max_tokens=96)
        kept = [index for index, output in enumerate(outputs) if output]
        prompts, outputs = ([rows[index] for index in kept] for rows in (prompts, outputs))
        first = [model(torch.tensor([prompt])).logits[0, -1] for prompt in prompts[:32]]
        full = prompts[0] + outputs[0]
        full_logits = model(torch.tensor([full])).logits[0]
    given.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        given.out,
        prompt_token_ids=ragged(prompts),
        output_token_ids=ragged(outputs),
        first_logits=torch.stack(first).numpy(),
        full_token_ids=np.array(full, np.int32),
        full_logits=full_logits.numpy(),
        model_sha256=hashlib.sha256((given.tutor / "model.safetensors").read_bytes()).hexdigest(),
    )
    print(f"{given.out}: {len(prompts)} prompts, {given.out.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()

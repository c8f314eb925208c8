"""Train the tutor on the verb corpus: ``python data/build/train.py``.

One command from a seed. Everything is counted in steps, never in seconds, so a run that is stopped
(Ctrl-C or SIGTERM: it saves and leaves) and started again with the same command goes on exactly
where it was.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import torch
from batches import MicroBatch, Order, load_corpus, micro_batches
from checkpoint_dir import save_checkpoint
from optimizer import Optimizer, Schedule
from tokenizer import corpus_texts, save_tokenizer, train_tokenizer
from tokenizers import Tokenizer
from torch import Tensor
from torch_llama import Shape, Weights, hidden_states, initial_weights

CACHE = Path(__file__).resolve().parent / "cache"
Hidden = Callable[[Weights, Tensor], Tensor]


@dataclass(frozen=True)
class Recipe:
    """What the result depends on, besides the corpus."""

    examples: int = 360_000
    batch: int = 128
    muon_lr: float = 0.02
    adam_lr: float = 2e-3
    weight_decay: float = 0.01
    warmup: int = 100
    decay_part: float = 0.5
    average: float = 0.998
    seed: int = 0
    micro_tokens: int = 3200
    tokenizer_examples: int = 100_000

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole run."""
        return self.examples // self.batch


def learn(hidden: Hidden, weights: Weights, batch: MicroBatch, scale: float) -> float:
    """Add the gradients of ``scale`` times the summed cross entropy to the weights; the loss.

    The softmax over the tied embedding is done in pieces that stay in the cache, and its gradient
    on the way.
    """
    embed = weights["embed"].detach()
    states = hidden(weights, batch.ids).flatten(0, 1)[batch.places]
    seen = states.detach()
    to_states, to_embed, total = torch.empty_like(seen), torch.zeros(embed.shape), 0.0
    for start in range(0, len(batch.targets), 256):
        piece, target = seen[start : start + 256], batch.targets[start : start + 256, None]
        scores = (piece @ embed.T).float()
        logsumexp = scores.logsumexp(-1, keepdim=True)
        total += float((logsumexp - scores.gather(1, target)).sum())
        slope = scores.sub_(logsumexp).exp_()
        slope.scatter_add_(1, target, torch.full(target.shape, -1.0))
        narrow = slope.mul_(scale).to(seen.dtype)
        to_states[start : start + 256] = narrow @ embed
        to_embed += narrow.T @ piece
    torch.autograd.backward(states, to_states)
    assert weights["embed"].grad is not None
    weights["embed"].grad += to_embed.to(embed.dtype)
    return total * scale


def keep_freed_memory() -> None:
    """Ask glibc to keep large blocks: faulting them in anew in every operation costs a tenth."""
    libc = ctypes.CDLL(None) if sys.platform == "linux" else object()
    if isinstance(libc, ctypes.CDLL) and hasattr(libc, "mallopt"):
        no_mmap, trim_threshold, top_pad = (-4, 0), (-1, 2**31 - 1), (-2, 2**28)
        for option, value in (no_mmap, trim_threshold, top_pad):
            libc.mallopt(option, value)


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write, then rename: a run that is killed leaves the old file or the new one."""
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)


class Run:
    """A training run in a directory: its tokenizer, its state and its latest export."""

    def __init__(self, recipe: Recipe, corpus: Path, directory: Path, compiled: bool) -> None:
        self.recipe, self.directory, self.shape = recipe, directory, Shape()
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "recipe.json").write_text(json.dumps(asdict(recipe), indent=2) + "\n")
        if not (directory / "tokenizer.json").exists():
            texts = corpus_texts(corpus, recipe.tokenizer_examples)
            save_tokenizer(train_tokenizer(texts), directory)
        self.tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        self.corpus = load_corpus(corpus, self.tokenizer, directory / "tokens.npz")
        weights = initial_weights(self.shape, recipe.seed)
        self.optimizer = Optimizer(
            self.shape, weights, recipe.muon_lr, recipe.adam_lr, recipe.weight_decay
        )
        self.average = {name: tensor.clone() for name, tensor in weights.items()}
        self.done = 0
        if (directory / "state.pt").exists():
            saved = torch.load(directory / "state.pt", weights_only=True)
            self.optimizer.load_state(saved["optimizer"])
            self.average, self.done = saved["average"], saved["step"]
        hidden = partial(hidden_states, self.shape)
        self.hidden: Hidden = torch.compile(hidden, dynamic=True) if compiled else hidden
        self.schedule = Schedule(recipe.steps, recipe.warmup, int(recipe.steps * recipe.decay_part))
        self.order = Order(len(self.corpus), recipe.batch, recipe.seed)

    def step(self) -> float:
        """One step of the optimiser; the mean loss (nats a token) of its batch."""
        indices = self.order.indices(self.done)
        pieces = list(micro_batches(self.corpus, indices, self.recipe.micro_tokens))
        scale, loss = 1.0 / sum(len(piece.targets) for piece in pieces), 0.0
        for piece in pieces:
            loss += learn(self.hidden, self.optimizer.working, piece, scale)
            self.optimizer.collect()
        self.optimizer.step(self.done, self.schedule.factor(self.done))
        keep = min(self.recipe.average, (self.done + 1) / (self.done + 10))
        for name, tensor in self.average.items():
            tensor.lerp_(self.optimizer.masters[name], 1 - keep)
        self.done += 1
        return loss

    def save(self) -> None:
        """The state for a restart, and an export: the running average, at the end the weights."""
        state = {"step": self.done, "optimizer": self.optimizer.state(), "average": self.average}
        save_state(self.directory / "state.pt", state)
        ended = self.done == self.recipe.steps
        export = self.directory / "export"
        save_checkpoint(self.shape, self.optimizer.masters if ended else self.average, export)
        save_tokenizer(self.tokenizer, export)


def train(run: Run, save_every: int) -> bool:
    """Take steps until the run has ended (True) or a signal asks to stop (False)."""
    caught: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda which, frame: caught.append(which))
    losses: list[float] = []
    begun = time.monotonic()
    while run.done < run.recipe.steps and not caught:
        losses.append(run.step())
        if run.done % 50 == 0:
            speed = len(losses) * run.recipe.batch / (time.monotonic() - begun)
            state = f"step {run.done}/{run.recipe.steps} loss {sum(losses) / len(losses):.4f}"
            print(f"{state} {speed:.0f} examples/s", flush=True)
            losses, begun = [], time.monotonic()
        if run.done % save_every == 0:
            run.save()
    run.save()
    return run.done == run.recipe.steps


def main() -> int:
    """The command line; exit status 3 when the run was stopped before its end."""
    parser = argparse.ArgumentParser(description="Train the tutor; start again to go on.")
    parser.add_argument("--corpus", type=Path, default=CACHE / "corpus" / "train.jsonl")
    parser.add_argument("--run", type=Path, default=CACHE / "run", help="states and exports")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--eager", action="store_true", help="do not compile (needs no g++)")
    parser.add_argument("--save-every", type=int, default=250, metavar="STEPS")
    for field in fields(Recipe):
        kind = type(field.default)
        parser.add_argument("--" + field.name.replace("_", "-"), type=kind, default=field.default)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    keep_freed_memory()
    recipe = Recipe(**{field.name: getattr(given, field.name) for field in fields(Recipe)})
    run = Run(recipe, given.corpus, given.run, compiled=not given.eager)
    return 0 if train(run, given.save_every) else 3


if __name__ == "__main__":
    sys.exit(main())

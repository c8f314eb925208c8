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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from data.build.training.batches import MicroBatch, Order, load_corpus, micro_batches
from data.build.training.checkpoint_dir import load_checkpoint, save_checkpoint
from data.build.training.optimizer import Cycle, Optimizer, Schedule
from data.build.training.tokenizer import corpus_texts, save_tokenizer, train_tokenizer
from data.build.training.torch_llama import (
    Shape,
    Weights,
    block,
    hidden_states,
    initial_weights,
    rope_table,
)

BUILD = Path(__file__).resolve().parent
#: Tokens of a micro batch, and rows of a softmax at once: what the caches, or the memory, hold.
MICRO = {"cpu": (3_200, 256), "cuda": (65_536, 32_768)}


@dataclass(frozen=True)
class Stage:
    """So many steps of ``batch``, from the first ``examples`` of one corpus file."""

    corpus: str  #: below the corpus folder
    examples: int
    steps: int
    batch: int


@dataclass(frozen=True)
class Recipe:
    """What the result depends on, besides the corpus files."""

    stages: tuple[Stage, ...]
    cycles: tuple[Cycle, ...]
    muon_lr: float
    adam_lr: float
    weight_decay: float
    average: float  #: share that the running average of the weights keeps in a step
    seed: int
    skip_below: float = 0.0  #: nats; an example with less loss is passed over in the way back
    explanation_share: float = 1.0  #: how much a token of the explanation counts in the loss
    initial: str | None = None  #: checkpoint folder below the corpus folder to go on from
    tokenizer: str | None = None  #: folder, likewise, of a tokenizer to keep; or else it is
    tokenizer_examples: int = 0  #: trained on so many of the first stage's examples
    layers: int = Shape.num_hidden_layers

    @classmethod
    def read(cls, path: Path) -> Recipe:
        """From a JSON file with the same names.

        Raises TypeError for a missing or unknown name, ValueError if the steps do not add up.
        """
        content = json.loads(path.read_text(encoding="utf-8"))
        stages = tuple(Stage(**stage) for stage in content.pop("stages"))
        cycles = tuple(Cycle(**cycle) for cycle in content.pop("cycles"))
        recipe = cls(stages=stages, cycles=cycles, **content)
        if recipe.steps != sum(cycle.steps for cycle in cycles):
            raise ValueError(f"{path}: the stages and the cycles differ in their number of steps")
        return recipe

    @property
    def shape(self) -> Shape:
        """Of the model, unless it goes on from a checkpoint."""
        return Shape(num_hidden_layers=self.layers)

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole run."""
        return sum(stage.steps for stage in self.stages)


Forward = Callable[[Weights, Tensor], Tensor]  #: embeddings → states before the logits


def learn(forward: Forward, weights: Weights, batch: MicroBatch, scale: float, rows: int) -> Tensor:
    """Add the gradients of ``scale`` times the summed cross entropy to the weights; the loss.

    Each token counts as much as its share in the batch says.

    The embedding is tied to the softmax, and its gradient is made by hand at both ends: the softmax
    in pieces of so many ``rows``, which on a processor stay in the cache, with its slope on the
    way; and the tokens read by one sum in float32.
    """
    embed = weights["embed"].detach()
    x = embed[batch.ids].requires_grad_()
    states = forward(weights, x)
    seen = states.detach().flatten(0, 1)
    slopes, to_embed = torch.zeros_like(seen), torch.zeros_like(embed, dtype=torch.float32)
    total = torch.zeros((), device=embed.device)
    for start in range(0, len(batch.targets), rows):
        places, target = batch.places[start : start + rows], batch.targets[start : start + rows]
        piece = seen[places]
        scores = (piece @ embed.T).float()
        logsumexp = scores.logsumexp(-1, keepdim=True)
        share = batch.shares[start : start + rows, None]
        total += ((logsumexp - scores.gather(1, target[:, None])) * share).sum()
        slope = scores.sub_(logsumexp).exp_()
        slope.scatter_add_(1, target[:, None], slope.new_full((len(target), 1), -1.0))
        narrow = slope.mul_(share * scale).to(seen.dtype)
        slopes[places] = narrow @ embed
        to_embed += narrow.T @ piece
    states.backward(slopes.view_as(states))
    assert x.grad is not None
    to_embed.index_add_(0, batch.ids.flatten(), x.grad.flatten(0, 1).float())
    weights["embed"].grad = to_embed.to(embed.dtype)
    return total * scale


def losses(forward: Forward, weights: Weights, batch: MicroBatch, rows: int) -> Tensor:
    """The summed cross entropy of each example by its shares, (batch,), nats, no gradients."""
    with torch.no_grad():
        states = forward(weights, weights["embed"][batch.ids]).flatten(0, 1)
        total = torch.zeros(len(batch.ids), device=states.device)
        for start in range(0, len(batch.targets), rows):
            places, target = batch.places[start : start + rows], batch.targets[start : start + rows]
            scores = (states[places] @ weights["embed"].T).float()
            loss = F.cross_entropy(scores, target, reduction="none")
            loss *= batch.shares[start : start + rows]
            total.index_add_(0, places // batch.ids.shape[1], loss)
    return total


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

    def __init__(
        self,
        recipe: Recipe,
        corpora: Path,
        directory: Path,
        working: torch.dtype = torch.bfloat16,
        compiled: bool = False,
        device: str = "cpu",
    ) -> None:
        self.recipe, self.corpora, self.directory = recipe, corpora, directory
        self.shape, self.device = recipe.shape, torch.device(device)
        self._micro_tokens, self._rows = MICRO[self.device.type]
        directory.mkdir(parents=True, exist_ok=True)
        if recipe.initial is not None:
            self.shape, weights = load_checkpoint(corpora / recipe.initial)
        else:
            weights = initial_weights(self.shape, recipe.seed)
        kept = recipe.initial or recipe.tokenizer
        tokenizer = (directory if kept is None else corpora / kept) / "tokenizer.json"
        if kept is None and not tokenizer.exists():
            texts = corpus_texts(corpora / recipe.stages[0].corpus, recipe.tokenizer_examples)
            save_tokenizer(train_tokenizer(texts), directory)
        self.tokenizer = Tokenizer.from_file(str(tokenizer))
        weights = {name: tensor.to(self.device) for name, tensor in weights.items()}
        self.optimizer = Optimizer(
            self.shape, weights, recipe.muon_lr, recipe.adam_lr, recipe.weight_decay, working
        )
        self.average = {name: tensor.clone() for name, tensor in weights.items()}
        self.done = 0
        if (directory / "state.pt").exists():
            saved = torch.load(directory / "state.pt", self.device, weights_only=True)
            self.optimizer.load_state(saved["optimizer"])
            self.average, self.done = saved["average"], saved["step"]
        self.schedule = Schedule(recipe.cycles)
        self._block = torch.compile(block, dynamic=True) if compiled else block
        self._rope = rope_table(self.shape).to(self.device)
        self._stage = -1
        self._load_stage()

    def _load_stage(self) -> None:
        """Load the corpus of the stage that the next step belongs to, unless it is loaded."""
        before, number = 0, 0
        while self.done >= before + self.recipe.stages[number].steps:
            if number == len(self.recipe.stages) - 1:
                break
            before += self.recipe.stages[number].steps
            number += 1
        if number != self._stage:
            stage = self.recipe.stages[number]
            path = self.corpora / stage.corpus
            self._corpus = load_corpus(path, stage.examples, self.tokenizer)
            self._order = Order(len(self._corpus), stage.batch, self.recipe.seed + number)
            self._stage, self._before = number, before

    def _forward(self, weights: Weights, x: Tensor) -> Tensor:
        return hidden_states(self.shape, weights, x, self._rope, block=self._block)

    def step(self) -> Tensor:
        """One step of the optimiser; the mean loss (nats a token) of its batch."""
        self._load_stage()
        indices = self._order.indices(self.done - self._before)
        pieces = self._pieces(indices)
        scale = 1.0 / sum(len(piece.targets) for piece in pieces)
        loss = torch.zeros((), device=self.device)
        if self.recipe.skip_below:
            pieces, loss = self._hard(pieces, scale)
        for piece in pieces:
            loss += learn(self._forward, self.optimizer.working, piece, scale, self._rows)
            self.optimizer.collect()
        self.optimizer.step(self.done, self.schedule.factor(self.done))
        keep = min(self.recipe.average, (self.done + 1) / (self.done + 10))
        for name, tensor in self.average.items():
            tensor.lerp_(self.optimizer.masters[name], 1 - keep)
        self.done += 1
        return loss

    def _hard(self, pieces: list[MicroBatch], scale: float) -> tuple[list[MicroBatch], Tensor]:
        """The examples worth a way back, repacked, and the loss of the others.

        Late in a training most examples have next to no loss, so next to no gradient, and two
        thirds of the work on them are for nothing (Jiang et al. 2019, "Accelerating deep learning
        by focusing on the biggest losers"; here the choice is by a threshold).
        """
        weights = self.optimizer.working
        lost = [losses(self._forward, weights, piece, self._rows) for piece in pieces]
        each = torch.cat(lost)
        hard = each >= self.recipe.skip_below
        chosen = np.concatenate([piece.examples for piece in pieces])[hard.cpu().numpy()]
        return self._pieces(chosen), each[~hard].sum() * scale

    def _pieces(self, indices: NDArray[np.int64]) -> list[MicroBatch]:
        share = self.recipe.explanation_share
        return list(micro_batches(self._corpus, indices, self._micro_tokens, self.device, share))

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
    losses: list[Tensor] = []
    begun = time.monotonic()
    while run.done < run.recipe.steps and not caught:
        losses.append(run.step())
        if run.done % 50 == 0:
            loss = float(torch.stack(losses).mean())
            seconds = (time.monotonic() - begun) / len(losses)
            state = f"step {run.done}/{run.recipe.steps} loss {loss:.4f}"
            print(f"{state} {seconds:.3f} s a step", flush=True)
            losses, begun = [], time.monotonic()
        if run.done % save_every == 0:
            run.save()
    run.save()
    return run.done == run.recipe.steps


def main() -> int:
    """The command line; exit status 3 when the run was stopped before its end."""
    parser = argparse.ArgumentParser(description="Train the tutor; start again to go on.")
    parser.add_argument("--recipe", type=Path, default=BUILD / "recipes" / "part1.json")
    parser.add_argument("--corpora", type=Path, default=BUILD / "cache", help="corpus folder")
    parser.add_argument("--run", type=Path, default=BUILD / "cache" / "run", help="state, exports")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="cpu (the default) or cuda")
    parser.add_argument("--compile", action="store_true", help="a fifth faster; needs g++")
    parser.add_argument(
        "--precision",
        choices=("bfloat16", "float32"),
        default="bfloat16",
        help="of the working copies; float32 is the quicker one without AVX-512 BF16 or AMX",
    )
    parser.add_argument("--save-every", type=int, default=250, metavar="STEPS")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.backends.cuda.enable_cudnn_sdp(False)  # it plans for every new shape: 15 ms of a call
    keep_freed_memory()
    recipe, working = Recipe.read(given.recipe), getattr(torch, given.precision)
    run = Run(recipe, given.corpora, given.run, working, given.compile, given.device)
    return 0 if train(run, given.save_every) else 3


if __name__ == "__main__":
    sys.exit(main())

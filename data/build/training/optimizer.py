"""Muon for the matrices inside the layers, AdamW for the rest; float32 masters of bfloat16 copies.

Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/) replaces a matrix's momentum
by about its nearest orthogonal matrix, found by five Newton-Schulz steps. AdamW: Loshchilov and
Hutter 2019.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import torch
from torch import Tensor

from .torch_llama import Shape, Weights


@dataclass(frozen=True)
class Cycle:
    """Factor of the learning rates: up in ``warmup`` steps, 1, to 0 in the last ``decay`` steps."""

    steps: int
    warmup: int
    decay: int

    def factor(self, step: int) -> float:
        """The factor of ``step`` (0, 1, … ``steps`` - 1)."""
        return min((step + 1) / self.warmup, 1.0, (self.steps - step) / max(self.decay, 1))


@dataclass(frozen=True)
class Schedule:
    """Cycles one after the other: each starts anew where the one before has come to 0."""

    cycles: tuple[Cycle, ...]

    def factor(self, step: int) -> float:
        """The factor of ``step``, counted from the start of the first cycle."""
        for cycle in self.cycles:
            if step < cycle.steps:
                return cycle.factor(step)
            step -= cycle.steps
        return 0.0


def orthogonalize(matrices: Tensor, working: torch.dtype) -> Tensor:
    """Newton-Schulz: (many, rows, columns) → singular values about 1, same singular vectors."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrices.to(working)
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


class Optimizer:
    """Owns the float32 masters, the gradient sums, the moments and the narrower working copies."""

    def __init__(
        self,
        shape: Shape,
        weights: Weights,
        muon_lr: float,
        adam_lr: float,
        weight_decay: float,
        working: torch.dtype = torch.bfloat16,
    ) -> None:
        self.muon_lr, self.adam_lr, self.weight_decay = muon_lr, adam_lr, weight_decay
        self._dtype = working
        self.betas, self.momentum, self.eps = (0.9, 0.98), 0.95, 1e-8
        self.masters = weights
        self.working = {
            name: w.to(working, copy=True).requires_grad_() for name, w in weights.items()
        }
        self.gradients = {name: torch.zeros_like(w) for name, w in weights.items()}
        self.first = {name: torch.zeros_like(w) for name, w in weights.items()}
        adam = (name for name in weights if not self._is_muon(name))
        self.second = {name: torch.zeros_like(weights[name]) for name in adam}
        wide = shape.intermediate_size
        self._parts = {"qkv": (shape.q_rows, shape.kv_rows, shape.kv_rows), "gate_up": (wide, wide)}

    def _is_muon(self, name: str) -> bool:
        return self.masters[name].ndim == 2 and name != "embed"

    def collect(self) -> None:
        """Add the working copies' gradients to the float32 sums and clear them."""
        for name, copy in self.working.items():
            if copy.grad is not None:
                self.gradients[name] += copy.grad
                copy.grad = None

    def step(self, number: int, factor: float) -> None:
        """One update, learning rates times ``factor``; ``number``: steps before (Adam's bias)."""
        with torch.no_grad():
            self._muon(self.muon_lr * factor)
            for name in self.second:
                self._adamw(name, self.adam_lr * factor, number + 1)
            for name, master in self.masters.items():
                self.gradients[name].zero_()
                self.working[name].copy_(master)

    def _muon(self, lr: float) -> None:
        """All matrices of one size at once: a fused matrix counts as the parts it holds."""
        sizes: dict[torch.Size, list[tuple[Tensor, Tensor]]] = defaultdict(list)
        for name in filter(self._is_muon, self.masters):
            master, gradient, first = self.masters[name], self.gradients[name], self.first[name]
            first.lerp_(gradient, 1 - self.momentum)
            nesterov = gradient.lerp(first, self.momentum)
            master.mul_(1 - lr * self.weight_decay)
            rows = self._parts.get(name.rsplit(".", 1)[-1], (master.shape[0],))
            for part, update in zip(master.split(rows), nesterov.split(rows), strict=True):
                sizes[part.shape].append((part, update))
        for (rows_, columns), pairs in sizes.items():
            scale = max(1.0, rows_ / columns) ** 0.5
            turned = orthogonalize(torch.stack([update for _, update in pairs]), self._dtype)
            for (part, _), update in zip(pairs, turned.float(), strict=True):
                part.add_(update, alpha=-lr * scale)

    def _adamw(self, name: str, lr: float, count: int) -> None:
        master, gradient, first = self.masters[name], self.gradients[name], self.first[name]
        (beta1, beta2), second = self.betas, self.second[name]
        first.lerp_(gradient, 1 - beta1)
        second.lerp_(gradient.square(), 1 - beta2)
        if master.ndim == 2:
            master.mul_(1 - lr * self.weight_decay)
        root = (second / (1 - beta2**count)).sqrt_().add_(self.eps)
        master.addcdiv_(first, root, value=-lr / (1 - beta1**count))

    def state(self) -> dict[str, Weights]:
        """Everything that a restart needs."""
        return {"masters": self.masters, "first": self.first, "second": self.second}

    def load_state(self, saved: dict[str, Weights]) -> None:
        """Take back what `state` gave."""
        with torch.no_grad():
            for part, mine in self.state().items():
                for name, tensor in mine.items():
                    tensor.copy_(saved[part][name])
            for name, copy in self.working.items():
                copy.copy_(self.masters[name])

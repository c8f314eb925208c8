"""The numbers of one step on their way through the layers, and what is done between the products.

All arrays are cut out of working memory made earlier, and every operation writes into one of them.
A factor is left out wherever a matrix before or after can carry it (`llama.Layer` puts it there).
"""

from __future__ import annotations

import math

import numpy as np

from miniserve.model.arrays import ComplexArray, FloatArray
from miniserve.model.attention import GroupAttention
from miniserve.model.config import LlamaConfig
from miniserve.model.linear import Rows, choose_layout, parts_of_sum
from miniserve.model.scratch import Scratch


class Activations:
    """The arrays for `tokens` tokens; the products see them filled up to a convenient number."""

    def __init__(
        self, config: LlamaConfig, tokens: int, small_matrix_kernel: bool, scratch: Scratch
    ) -> None:
        layout, rows = choose_layout(tokens, small_matrix_kernel)
        heads, key_heads = config.num_attention_heads, config.num_key_value_heads
        size, turning = config.head_dim, heads + key_heads

        def make(name: str, columns: int, *stack: int) -> Rows:
            return Rows(scratch.array(name, *stack, rows, columns), layout)

        self.token_ids = np.zeros(rows, np.intp)  # those that fill up stay 0
        self.x = make("x", config.hidden_size)
        self.normed = make("normed", config.hidden_size)
        self.change = self.normed  # one is read before the other is written: they share memory
        parts = parts_of_sum(config.intermediate_size, small_matrix_kernel)
        self.changes = make("changes", config.hidden_size, parts)
        self.qkv = make("qkv", (turning + key_heads) * size)
        self.mixed = make("mixed", heads * size)
        self.gate_up = make("gate_up", config.intermediate_size, 2)
        self._inner = scratch.array("inner", rows, config.intermediate_size)
        self.inner = Rows(self._inner.reshape(rows, parts, -1).swapaxes(0, 1), layout)
        self.logits = make("logits", config.vocab_size)

        by_head = self.qkv.array[:tokens].reshape(tokens, turning + key_heads, size)
        self.queries = by_head[:, :heads]
        self.keys = by_head[:, heads:turning]
        self.values = by_head[:, turning:]
        self.mixed_by_head = self.mixed.array[:tokens].reshape(tokens, heads, size)
        self._pairs = self.qkv.array[:tokens].view(np.complex64)
        self.rotations = scratch.array("rotations", *self.qkv.array[:tokens].shape).view(
            np.complex64
        )
        self._gate, self._up = self.gate_up.array
        self._norms = scratch.array("norms", rows)
        self._norm_column = self._norms.reshape(rows, 1)
        self._epsilon = np.float32(config.rms_norm_eps * config.hidden_size)
        self._one = np.float32(1)
        self.scratch = scratch
        self.attention: GroupAttention | None = None  # the last one that worked on these arrays

    def norm(self) -> None:
        """`normed = x / |x|`: the RMS norm, but for its weights and the factor √hidden_size."""
        np.vecdot(self.x.array, self.x.array, out=self._norms)
        np.add(self._norms, self._epsilon, out=self._norms)
        np.sqrt(self._norms, out=self._norms)
        np.divide(self.x.array, self._norm_column, out=self.normed.array)

    def rotate(self) -> None:
        """Turn each pair of numbers of the queries and keys: one complex product, in place.

        The values are multiplied by 1, because an array without gaps is quicker to go through.
        """
        np.multiply(self._pairs, self.rotations, out=self._pairs)

    def swiglu(self) -> None:
        """`inner = silu(-gate) · -up`, where silu(z) = z · sigmoid(z) = z / (1 + exp(-z)).

        Both matrices carry a minus sign. By tanh it would need as many operations, but with AVX2
        NumPy's tanh takes half as long again as its exp. Where exp overflows, silu is 0, and so is
        this.
        """
        inner = self._inner
        np.exp(self._gate, out=inner)
        np.add(inner, self._one, out=inner)
        np.divide(self._up, inner, out=inner)
        np.multiply(inner, self._gate, out=inner)

    def add_change(self) -> None:
        """`x += change`."""
        np.add(self.x.array, self.change.array, out=self.x.array)

    def add_changes(self) -> None:
        """`x += ` each of the parts of `changes` (`linear.parts_of_sum`)."""
        for change in self.changes.array:
            np.add(self.x.array, change, out=self.x.array)


def norm_factor(weight: FloatArray) -> FloatArray:
    """What `Activations.norm` leaves out, for the inputs of the matrix that follows."""
    return weight * np.float32(math.sqrt(len(weight)))


def rotation_table(config: LlamaConfig, positions: int) -> ComplexArray:
    """(position, pair): e^(i·angle) for the pairs of all query and key heads, 1 for the values.

    The angle of pair j of a head at position p is p · rope_theta^(-2j / head_dim) (Su et al. 2021,
    section 3.2.2).
    """
    exponents = np.arange(0, config.head_dim, 2) / config.head_dim
    angles = np.outer(np.arange(positions), config.rope_theta**-exponents)
    turning = config.num_attention_heads + config.num_key_value_heads
    table = np.ones((positions, turning + config.num_key_value_heads, len(exponents)), np.complex64)
    table[:, :turning] = np.exp(1j * angles)[:, np.newaxis]
    return table.reshape(positions, -1)


def pairs_side_by_side(matrix: FloatArray, head_dim: int) -> FloatArray:
    """Reorder the rows (heads · head_dim) of a query or key matrix for `Activations.rotate`.

    Hugging Face keeps the two numbers of a pair half a head apart; a complex number needs them side
    by side. Queries and keys are only ever multiplied with each other, so the order within a head
    does not matter as long as both have the same.
    """
    halves = matrix.reshape(-1, 2, head_dim // 2, matrix.shape[1])
    return halves.swapaxes(1, 2).reshape(matrix.shape)

"""Rows times a weight matrix: most of the time of a step goes here, so the form of a call matters.

Nothing in this module changes what is computed. How fast NumPy's BLAS library is depends on the
number of rows, and each number of rows gets the layout that was measured to be quickest.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
import threadpoolctl

from miniserve.model.arrays import FloatArray
from miniserve.model.scratch import aligned

#: OpenBLAS's kernels that read small matrices in place; the others copy ("pack") them each time.
_SMALL_MATRIX_KERNELS = frozenset({"SkylakeX", "Cooperlake", "SapphireRapids"})
_BLOCK_COLUMNS = 64
_MOST_ROWS_IN_BLOCKS = 56
_MOST_ROWS_ONE_BY_ONE = 3
_MOST_INPUTS = 384


class Layout(IntEnum):
    """How a product of rows with a weight matrix is cut into calls of the BLAS library."""

    WHOLE = 0  #: one matrix product
    ONE_BY_ONE = 1  #: for each row a vector-matrix product, which reads the weights in place
    BLOCKS = 2  #: for each 64 columns a product so small that a small-matrix kernel takes it


def has_small_matrix_kernel() -> bool:
    """Whether this process's BLAS library is quick on small matrices (OpenBLAS with AVX-512 is)."""
    libraries = threadpoolctl.threadpool_info()
    return any(library.get("architecture") in _SMALL_MATRIX_KERNELS for library in libraries)


def choose_layout(rows: int, small_matrix_kernel: bool) -> tuple[Layout, int]:
    """The quickest layout for `rows` rows, and the number of rows to fill them up to.

    Measured over all matrices of a tutor with four layers, on one core of a 2024 server. With a
    small-matrix kernel, 16 rows take 0.8 ms in blocks and 1.4 as a whole. Without one, up to three
    rows are quickest one by one, and a number of rows that is no multiple of four is slow (15 rows
    2.3 ms, 16 rows 1.8), so that a few rows are better computed for nothing.
    """
    if small_matrix_kernel and rows <= _MOST_ROWS_IN_BLOCKS:
        return Layout.BLOCKS, rows + rows % 2
    if rows <= _MOST_ROWS_ONE_BY_ONE:
        return Layout.ONE_BY_ONE, rows
    return Layout.WHOLE, rows + -rows % 4


def parts_of_sum(inputs: int, small_matrix_kernel: bool) -> int:
    """In how many parts a product over `inputs` numbers is to be added up: 1 or 2.

    Over more than 384 numbers OpenBLAS adds up in one go for a few rows and in two for many. In two
    fixed parts the last digits of a result do not depend on how many rows share the batch, and the
    small-matrix kernel goes on to 44 rows instead of 22 (it takes up to a million multiplications).
    Other kernels round differently for different numbers of rows anyway.
    """
    return 2 if small_matrix_kernel and inputs > _MOST_INPUTS and inputs % 2 == 0 else 1


class Weight:
    """A weight matrix (in, out), or a stack of such, kept in the form that each layout reads."""

    def __init__(self, matrix: FloatArray, small_matrix_kernel: bool) -> None:
        whole = np.ascontiguousarray(matrix, np.float32)
        if small_matrix_kernel:
            self.keep(whole, np.ascontiguousarray(_in_blocks(whole)))
        else:
            self.keep(whole)

    def keep(self, whole: FloatArray, blocks: FloatArray | None = None) -> None:
        """Have the numbers in these arrays; `blocks` only for a small-matrix kernel."""
        self.kept = (whole,) if blocks is None else (whole, blocks)
        self.forms = (whole, whole[..., np.newaxis, :, :], self.kept[-1])  # as in `Layout`


def put_side_by_side(weights: Sequence[Weight]) -> None:
    """Move all forms of all weights into one piece of memory.

    A step reads every weight once. A piece of several megabytes gets huge pages from the operating
    system where it has them, and then the processor need not look up the address of each 4 KiB.
    """
    memory = aligned(sum(_padded(form.size) for weight in weights for form in weight.kept))
    start = 0
    for weight in weights:
        moved = []
        for form in weight.kept:
            place = memory[start : start + form.size].reshape(form.shape)
            place[...] = form
            moved.append(place)
            start += _padded(form.size)
        weight.keep(*moved)


def _padded(size: int) -> int:
    """`size` numbers, filled up to whole cache lines."""
    return size + -size % 16


class Rows:
    """An array (rows, columns), or a stack of such, and the views that `linear` uses."""

    def __init__(self, array: FloatArray, layout: Layout) -> None:
        self.array = array
        self.layout = layout
        self.as_input = self.as_output = array
        if layout is Layout.ONE_BY_ONE:
            self.as_input = self.as_output = array[..., np.newaxis, :]
        elif layout is Layout.BLOCKS:
            self.as_input = array[..., np.newaxis, :, :]
            self.as_output = _in_blocks(array)


def linear(x: Rows, weight: Weight, out: Rows) -> None:
    """`out = x @ weight`; a product each where `weight` is a stack."""
    np.matmul(x.as_input, weight.forms[x.layout], out=out.as_output)


def _in_blocks(array: FloatArray) -> FloatArray:
    """(…, rows, columns) seen as (…, blocks, rows, 64); as one block if 64 does not go into it."""
    *stack, rows, columns = array.shape
    width = _BLOCK_COLUMNS if columns % _BLOCK_COLUMNS == 0 else columns
    return array.reshape(*stack, rows, columns // width, width).swapaxes(-3, -2)

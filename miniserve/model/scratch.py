"""Working memory that is made once and used again in every step.

Asking for new memory costs more than many of the operations on it do.
"""

from __future__ import annotations

import math

import numpy as np

from miniserve.model.arrays import FloatArray

_CACHE_LINE = 64  # bytes


def aligned(size: int) -> FloatArray:
    """So many zeros, from the beginning of a cache line on.

    NumPy's own arrays begin anywhere, and then half of a processor's wide reads touch two lines.
    """
    memory = np.zeros(size + _CACHE_LINE // 4, np.float32)
    start = -memory.ctypes.data % _CACHE_LINE // 4
    return memory[start : start + size]


class Scratch:
    """Float arrays by name. Two arrays of one name share their memory, whatever their shapes.

    Contents are undefined but finite: zeros, or what an earlier step left behind.
    """

    def __init__(self) -> None:
        self._memory: dict[str, FloatArray] = {}

    def array(self, name: str, *shape: int) -> FloatArray:
        """An array of `shape`, in new memory only if no earlier one of this name was as large."""
        size = math.prod(shape)
        memory = self._memory.get(name)
        if memory is None or len(memory) < size:
            memory = self._memory[name] = aligned(size)
        return memory[:size].reshape(shape)

"""The key/value cache: one row a sequence, rows kept together.

A *slot* is the name that the scheduler uses for a sequence; it stays the same from first token to
last. A *row* is where the sequence's keys and values lie at the moment. Rows in use are always
0 … n-1: when one is freed, the last one moves into the gap. So a step over all sequences reads one
contiguous block, and nothing is gathered.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from miniserve.model.arrays import FloatArray, IntArray
from miniserve.model.config import LlamaConfig

#: Contexts are read in multiples of this many positions, so that a matrix product has no odd end.
CONTEXT_STEP = 16
#: Added to the score of a position that must not be seen; exp of the sum is exactly 0.
HIDDEN = np.float32(-1e30)


def rounded_context(positions: int) -> int:
    """`positions` rounded up to a multiple of `CONTEXT_STEP`."""
    return -(-int(positions) // CONTEXT_STEP) * CONTEXT_STEP


class KVCache:
    """Keys and values of up to `max_num_seqs` sequences of `max_model_len` tokens, made once.

    `keys[layer]` is (row, key head, head_dim, position): turned, so that queries @ keys needs no
    transpose. `values[layer]` is (row, key head, position, head_dim). `lengths[row]` counts the
    tokens in a row, and `bias[row]` is 0 at their positions and `HIDDEN` elsewhere.
    """

    def __init__(self, config: LlamaConfig, max_num_seqs: int, max_model_len: int) -> None:
        positions = rounded_context(max_model_len)
        # A token's key is written at one position of many matrix rows. With a power of two of bytes
        # between them they would all fall into the same few places of the processor's first cache;
        # an odd number of cache lines spreads them (32 sequences: 3 µs a layer instead of 8).
        if positions // CONTEXT_STEP % 2 == 0:
            positions += CONTEXT_STEP
        heads = (config.num_hidden_layers, max_num_seqs, config.num_key_value_heads)
        self.keys: FloatArray = np.zeros((*heads, config.head_dim, positions), np.float32)
        self.values: FloatArray = np.zeros((*heads, positions, config.head_dim), np.float32)
        self.bias: FloatArray = np.full((max_num_seqs, positions), HIDDEN)
        self.lengths: IntArray = np.zeros(max_num_seqs + 1, np.intp)  # the last is row -1: none
        self.positions = positions
        self.num_rows = 0
        self.moves = 0  # goes up whenever the row of a slot changes
        self.max_num_seqs = max_num_seqs
        self.max_model_len = max_model_len
        self._row_of_slot: IntArray = np.full(max_num_seqs, -1, np.intp)
        self._slot_of_row: IntArray = np.full(max_num_seqs, -1, np.intp)

    def open_rows(self, slots: IntArray, start: IntArray, count: IntArray) -> IntArray:
        """The row of each slot, for `count` more tokens from position `start` on.

        A slot that has no row gets the next free one. Raises `ValueError`, with nothing changed, if
        a slot does not exist or is named twice, or as `make_room` does.
        """
        self._check_slots(slots.tolist())
        rows = self._row_of_slot[slots]
        self.make_room(slots, rows, start, count)
        newcomers = slots[rows < 0]
        if len(newcomers):
            fresh = np.arange(self.num_rows, self.num_rows + len(newcomers))
            self._row_of_slot[newcomers] = fresh
            self._slot_of_row[fresh] = newcomers
            self.num_rows += len(newcomers)
            self.moves += 1
            rows = self._row_of_slot[slots]
        return rows

    def make_room(
        self, slots: IntArray, rows: IntArray, start: IntArray, count: IntArray | int
    ) -> None:
        """Make ready for `count` more tokens from position `start` on in each row.

        A row that holds more than `start` tokens forgets the rest: a static batch feeds a finished
        row at the same position again and again. Row -1 stands for no row and holds nothing.
        Raises `ValueError`, with nothing changed, if a row holds fewer than `start` tokens or has
        no room; the slots are named in the messages.
        """
        longest = int(np.argmax(start + count))
        if (start + count)[longest] > self.max_model_len:
            raise ValueError(f"slot {slots[longest]} would outgrow {self.max_model_len} tokens")
        held = self.lengths[rows]
        if held.tolist() != start.tolist():
            wrong = np.flatnonzero((start < 0) | (start > held))
            if len(wrong):
                slot, length, first = slots[wrong[0]], held[wrong[0]], start[wrong[0]]
                raise ValueError(f"slot {slot} holds {length} tokens and cannot go on at {first}")
            longer = held > start
            kept = np.arange(self.positions) < start[longer, np.newaxis]
            self.bias[rows[longer]] = np.where(kept, np.float32(0), HIDDEN)
            self.lengths[rows[longer]] = start[longer]

    def extend(self, rows: IntArray, positions: IntArray) -> None:
        """Count the tokens at each (row, position); the positions of a row must be ascending."""
        self.lengths[rows] = positions + 1
        self.bias[rows, positions] = 0

    def write(
        self, layer: int, rows: IntArray, positions: IntArray, keys: FloatArray, values: FloatArray
    ) -> None:
        """Store a key and a value, both (tokens, key heads, head_dim), at each (row, position)."""
        if len(rows) == 1:  # two numbers are quicker than two arrays of one number each
            row, position = int(rows[0]), int(positions[0])
            self.keys[layer, row, :, :, position] = keys[0]
            self.values[layer, row, :, position] = values[0]
        else:
            self.keys[layer][rows, :, :, positions] = keys
            self.values[layer][rows, :, positions] = values

    def read(
        self, layer: int, rows: slice | IntArray, context: int
    ) -> tuple[FloatArray, FloatArray]:
        """Keys (rows, heads, head_dim, context) and values (rows, heads, context, head_dim).

        Views where `rows` is a slice, copies otherwise. What lies beyond the length of a row is
        left over from before, but finite.
        """
        return self.keys[layer, rows, :, :, :context], self.values[layer, rows, :, :context]

    def free(self, slots: Sequence[int]) -> None:
        """Give the rows of `slots` back; a slot that holds nothing is left as it is.

        Raises `ValueError`, with nothing changed, if a slot does not exist or is named twice.
        """
        if len(slots) == 0:
            return
        self._check_slots(slots)
        self.moves += 1
        for slot in slots:
            row = int(self._row_of_slot[slot])
            if row >= 0:
                self._row_of_slot[slot] = -1
                self._fill_from_last(row)

    def _fill_from_last(self, row: int) -> None:
        """Move the last row into `row`, and have one row less."""
        last = self.num_rows = self.num_rows - 1
        if row != last:
            length = int(self.lengths[last])
            self.keys[:, row, :, :, :length] = self.keys[:, last, :, :, :length]
            self.values[:, row, :, :length] = self.values[:, last, :, :length]
            self.bias[row] = self.bias[last]
            self.lengths[row] = length
            self._slot_of_row[row] = moved = self._slot_of_row[last]
            self._row_of_slot[moved] = row
        self.bias[last] = HIDDEN
        self.lengths[last] = 0
        self._slot_of_row[last] = -1

    def _check_slots(self, slots: Sequence[int]) -> None:
        if min(slots) < 0 or max(slots) >= self.max_num_seqs:
            raise ValueError(f"slots {list(slots)}: each must be from 0 to {self.max_num_seqs - 1}")
        if len(set(slots)) != len(slots):
            raise ValueError(f"slots {list(slots)}: one is named twice")

"""The cache's book-keeping, held against a dictionary from slot to tokens."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from miniserve.model.config import LlamaConfig
from miniserve.model.kv_cache import HIDDEN, KVCache, rounded_context

SLOTS, LENGTH = 5, 20
CONFIG = LlamaConfig(
    vocab_size=10,
    hidden_size=8,
    intermediate_size=8,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=4,
    rms_norm_eps=1e-5,
    rope_theta=1e4,
    max_position_embeddings=32,
    eos_token_id=1,
    tie_word_embeddings=True,
)


def ints(*values: int) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    return np.array(values, np.intp)


class CacheMachine(RuleBasedStateMachine):
    """Random openings, writes and frees; every token has a number of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.cache = KVCache(CONFIG, SLOTS, LENGTH)
        self.held: dict[int, list[float]] = {}
        self.mark = 0.0

    @rule(
        slots=st.lists(st.integers(0, SLOTS - 1), min_size=1, max_size=SLOTS, unique=True),
        counts=st.lists(st.integers(1, 6), min_size=SLOTS, max_size=SLOTS),
        back=st.sampled_from([0, 0, 0, 1, 3]),
    )
    def feed(self, slots: list[int], counts: list[int], back: int) -> None:
        """Feed tokens, sometimes from an earlier position: what was beyond it is forgotten."""
        lengths = {slot: max(0, len(self.held.get(slot, [])) - back) for slot in slots}
        room = [(s, c) for s, c in zip(slots, counts, strict=False) if lengths[s] + c <= LENGTH]
        if not room:
            return
        names, count = ints(*(s for s, _ in room)), ints(*(c for _, c in room))
        start = ints(*(lengths[s] for s, _ in room))
        rows = self.cache.open_rows(names, start, count)
        for (slot, more), row, first in zip(room, rows, start, strict=True):
            self.held[slot] = self.held.get(slot, [])[:first]
            for position in range(first, first + more):
                self.mark += 1
                self.held.setdefault(slot, []).append(self.mark)
                value = np.full((1, 2, 4), self.mark, np.float32)
                for layer in range(2):
                    self.cache.write(
                        layer, ints(row), ints(position), value + layer, -value - layer
                    )
                self.cache.extend(ints(row), ints(position))

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def free(self, data: st.DataObject) -> None:
        slots = data.draw(st.lists(st.integers(0, SLOTS - 1), min_size=1, unique=True))
        self.cache.free(slots)
        for slot in slots:
            self.held.pop(slot, None)

    @invariant()
    def holds_what_was_written(self) -> None:
        assert self.cache.num_rows == len(self.held)
        if not self.held:
            return
        slots = ints(*self.held)
        start = ints(*(len(marks) for marks in self.held.values()))
        full = [slot for slot, marks in self.held.items() if len(marks) == LENGTH]
        if full:
            return
        rows = self.cache.open_rows(slots, start, np.ones_like(start))
        assert sorted(rows) == list(range(len(self.held)))
        for row, marks in zip(rows, self.held.values(), strict=True):
            length = len(marks)
            for layer in range(2):
                keys, values = self.cache.read(layer, ints(row), rounded_context(length))
                expected = np.array(marks, np.float32) + layer
                assert (keys[0, :, :, :length] == expected).all()
                assert (values[0, :, :length] == -expected[:, None]).all()
            assert (self.cache.bias[row, :length] == 0).all()
            assert (self.cache.bias[row, length:] == HIDDEN).all()


TestCacheMachine = CacheMachine.TestCase
TestCacheMachine.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


@pytest.fixture
def cache() -> KVCache:
    cache = KVCache(CONFIG, SLOTS, LENGTH)
    rows = cache.open_rows(ints(3, 1), ints(0, 0), ints(4, 2))
    cache.extend(rows.repeat((4, 2)), ints(0, 1, 2, 3, 0, 1))
    return cache


def test_rows_are_given_in_order_and_filled_from_the_end(cache: KVCache) -> None:
    assert cache.open_rows(ints(1, 3, 4), ints(2, 4, 0), ints(1, 1, 1)).tolist() == [1, 0, 2]
    cache.extend(ints(2), ints(0))
    moves = cache.moves
    cache.free([3])
    assert cache.moves > moves
    assert cache.open_rows(ints(1, 4), ints(2, 1), ints(1, 1)).tolist() == [1, 0]


def test_reading_side_by_side_rows_copies_nothing(cache: KVCache) -> None:
    keys, values = cache.read(0, slice(0, 2), 16)
    assert np.shares_memory(keys, cache.keys)
    assert np.shares_memory(values, cache.values)
    assert keys.shape == (2, 2, 4, 16)
    assert values.shape == (2, 2, 16, 4)


@pytest.mark.parametrize(
    ("slots", "start", "count", "message"),
    [
        ((5,), (0,), (1,), "each must be from 0 to 4"),
        ((-1,), (0,), (1,), "each must be from 0 to 4"),
        ((0, 0), (0, 0), (1, 1), "named twice"),
        ((3, 1), (4, 3), (1, 1), "slot 1 holds 2 tokens and cannot go on at 3"),
        ((3, 1), (0, 3), (1, 1), "slot 1 holds 2 tokens and cannot go on at 3"),
        ((3, 0), (4, 1), (1, 1), "slot 0 holds 0 tokens and cannot go on at 1"),
        ((3,), (-1,), (1,), "slot 3 holds 4 tokens and cannot go on at -1"),
        ((0,), (-1,), (1,), "slot 0 holds 0 tokens and cannot go on at -1"),
        ((3, 0), (4, 0), (1, 21), "slot 0 would outgrow 20 tokens"),
        ((1, 3), (2, 4), (18, 17), "slot 3 would outgrow 20 tokens"),
    ],
)
def test_misuse_changes_nothing(
    cache: KVCache,
    slots: tuple[int, ...],
    start: tuple[int, ...],
    count: tuple[int, ...],
    message: str,
) -> None:
    with pytest.raises(ValueError, match=message):
        cache.open_rows(ints(*slots), ints(*start), ints(*count))
    assert (cache.num_rows, cache.moves) == (2, 1)
    assert cache.open_rows(ints(3, 1), ints(4, 2), ints(16, 18)).tolist() == [0, 1]


@pytest.mark.parametrize("slots", [[5], [-1], [1, 5], [1, 1]])
def test_freeing_what_does_not_exist(cache: KVCache, slots: list[int]) -> None:
    with pytest.raises(ValueError, match="slots"):
        cache.free(slots)
    assert cache.num_rows == 2


def test_freeing_what_holds_nothing(cache: KVCache) -> None:
    cache.free([])
    cache.free([0, 2])
    assert cache.num_rows == 2


def test_matrix_rows_lie_an_odd_number_of_cache_lines_apart() -> None:
    for length in range(1, 65):
        cache = KVCache(CONFIG, 2, length)
        assert cache.keys.strides[-2] // 64 % 2 == 1
        assert cache.positions >= length

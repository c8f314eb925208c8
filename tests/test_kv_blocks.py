"""Blocks are neither made nor lost, whoever takes them and gives them back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniserve.kv_blocks import KVBlocks, blocks_for


@pytest.mark.parametrize(("tokens", "blocks"), [(0, 0), (1, 1), (16, 1), (17, 2)])
def test_the_last_block_may_be_part_empty(tokens: int, blocks: int) -> None:
    assert blocks_for(tokens, 16) == blocks


def test_who_asks_for_too_many_gets_none_of_them() -> None:
    blocks = KVBlocks(5)
    assert blocks.grow("a", 3)
    assert not blocks.grow("b", 3)
    assert (blocks.num_free, blocks.held) == (2, {"a": 3})
    blocks.release("a")
    blocks.release("a")
    assert blocks.grow("b", 3)
    assert (blocks.num_free, blocks.held) == (2, {"b": 3})


@given(
    st.integers(0, 20),
    st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.integers(0, 12))),
)
def test_free_and_held_are_always_all(
    num_blocks: int, changes: list[tuple[str, int | None]]
) -> None:
    blocks = KVBlocks(num_blocks)
    for name, wanted in changes:
        before = blocks.held.get(name, 0)
        if wanted is None:
            blocks.release(name)
            assert name not in blocks.held
        else:
            grown = blocks.grow(name, wanted)
            assert blocks.held.get(name, 0) == (max(before, wanted) if grown else before)
        assert blocks.num_free >= 0
        assert blocks.num_free + sum(blocks.held.values()) == num_blocks

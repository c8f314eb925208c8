from collections.abc import Sequence
from typing import Any

import pytest

from miniserve.checks import Verdict, chapter06
from miniserve.checks.chapter06 import Running


def right_admit(waiting_tokens: Sequence[int], free_blocks: int, block_size: int) -> int:
    admitted = 0
    for tokens in waiting_tokens:
        needed = (tokens + block_size - 1) // block_size
        if needed > free_blocks:
            break
        free_blocks -= needed
        admitted += 1
    return admitted


def rounds_down(waiting_tokens: Sequence[int], free_blocks: int, block_size: int) -> int:
    admitted = 0
    for tokens in waiting_tokens:
        if tokens // block_size > free_blocks:
            break
        free_blocks -= tokens // block_size
        admitted += 1
    return admitted


def one_too_many(waiting_tokens: Sequence[int], free_blocks: int, block_size: int) -> int:
    admitted = 0
    for tokens in waiting_tokens:
        if tokens // block_size + 1 > free_blocks:
            break
        free_blocks -= tokens // block_size + 1
        admitted += 1
    return admitted


def overtakes(waiting_tokens: Sequence[int], free_blocks: int, block_size: int) -> int:
    admitted = 0
    for tokens in waiting_tokens:
        needed = -(-tokens // block_size)
        if needed <= free_blocks:
            free_blocks -= needed
            admitted += 1
    return admitted


def counts_tokens(waiting_tokens: Sequence[int], free_blocks: int, block_size: int) -> int:
    """As if several requests could share a block."""
    free, admitted = free_blocks * block_size, 0
    for tokens in waiting_tokens:
        if tokens > free:
            break
        free -= tokens
        admitted += 1
    return admitted


def forgets_to_take(waiting_tokens: Sequence[int], free_blocks: int, block_size: int) -> int:
    return sum(-(-tokens // block_size) <= free_blocks for tokens in waiting_tokens)


def untouched(*args: Any) -> Any:
    raise NotImplementedError


def test_admit() -> None:
    assert chapter06.check_admit(right_admit).passed
    assert chapter06.check_admit(untouched).verdict is Verdict.NOT_STARTED


@pytest.mark.parametrize(
    "wrong", [rounds_down, one_too_many, overtakes, counts_tokens, forgets_to_take]
)
def test_wrong_admit(wrong: Any) -> None:
    assert chapter06.check_admit(wrong).verdict is Verdict.WRONG


def test_what_a_wrong_answer_is_told() -> None:
    report = chapter06.check_admit(counts_tokens)
    assert "half-empty blocks are not shared: expected 2, got 4" in report.detail


def right_victim(running: Sequence[Running]) -> str:
    return max(running, key=lambda r: (r.priority, r.arrival_time)).request_id


def test_victim() -> None:
    assert chapter06.check_victim(right_victim).passed
    assert chapter06.check_victim(untouched).verdict is Verdict.NOT_STARTED


@pytest.mark.parametrize(
    "wrong",
    [
        lambda running: running[-1].request_id,
        lambda running: max(running, key=lambda r: r.arrival_time).request_id,
        lambda running: min(running, key=lambda r: (r.priority, r.arrival_time)).request_id,
        lambda running: max(running, key=lambda r: r.priority).request_id,
        lambda running: min(running, key=lambda r: r.num_computed_tokens).request_id,
        lambda running: max(running, key=lambda r: (r.priority, -r.arrival_time)).request_id,
        lambda running: max(running, key=lambda r: (r.priority, r.arrival_time)),
    ],
)
def test_wrong_victims(wrong: Any) -> None:
    assert chapter06.check_victim(wrong).verdict is Verdict.WRONG

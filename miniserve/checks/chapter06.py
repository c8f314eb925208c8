"""Checks of chapter 06: admission by free blocks, and whom to preempt."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from miniserve.checks.cases import Case, Report, check_cases
from miniserve.kv_blocks import blocks_for

Admit = Callable[[Sequence[int], int, int], int]


class Running(NamedTuple):
    """What exercise 2 sees of a running request; the smaller priority number goes first."""

    request_id: str
    priority: int
    arrival_time: float
    num_computed_tokens: int


Choose = Callable[[Sequence[Running]], str]


def check_admit(admit: Admit) -> Report:
    """`admit(waiting_tokens, free_blocks, block_size)`: how many from the head of the queue fit."""

    def asking(tokens: list[int], free: int, size: int) -> Callable[[Admit], int]:
        return lambda learner: learner(list(tokens), free, size)

    rng = random.Random(6)
    mixed = [
        ([rng.randint(1, 90) for _ in range(rng.randint(1, 12))], rng.randint(0, 30), size)
        for size in (1, 4, 16)
        for _ in range(15)
    ]
    return check_cases(
        "admission by free blocks",
        admit,
        [
            Case("nobody waits", asking([], 4, 16), 0),
            Case("one request of 16 tokens, one block of 16", asking([16], 1, 16), 1),
            Case("17 tokens need a second block", asking([17], 1, 16), 0),
            Case("half-empty blocks are not shared", asking([8, 8, 8, 8], 2, 16), 2),
            Case("three of 10 tokens, two free blocks", asking([10, 10, 10], 2, 16), 2),
            Case("nobody overtakes the first", asking([100, 5, 5], 3, 16), 0),
            Case("nobody overtakes in the middle", asking([5, 100, 5], 3, 16), 1),
            Case("no free block", asking([1], 0, 16), 0),
            Case(
                "45 queues drawn at random",
                lambda learner: [learner(list(t), free, size) for t, free, size in mixed],
                [_admitted(*queue) for queue in mixed],
            ),
        ],
    )


def _admitted(waiting_tokens: Sequence[int], free_blocks: int, block_size: int) -> int:
    count = 0
    for tokens in waiting_tokens:
        free_blocks -= blocks_for(tokens, block_size)
        if free_blocks < 0:
            break
        count += 1
    return count


def check_victim(choose_victim: Choose) -> Report:
    """`choose_victim(running)`: the id of the least urgent; among equals, of the last to come."""

    def asking(*running: Running) -> Callable[[Choose], str]:
        return lambda learner: learner(list(running))

    a, b = Running("a", 0, 1.0, 50), Running("b", 0, 2.0, 90)
    low = Running("low", 3, 0.5, 200)
    rng = random.Random(7)
    many = [
        [
            Running(f"r{i}", rng.randint(0, 3), rng.random(), rng.randint(1, 99))
            for i in rng.sample(range(20), rng.randint(1, 8))
        ]
        for _ in range(50)
    ]
    return check_cases(
        "whom to preempt",
        choose_victim,
        [
            Case("only one runs", asking(a), "a"),
            Case("two of the same priority", asking(a, b), "b"),
            Case("the order of the list means nothing", asking(b, a), "b"),
            Case("one of low priority, which came first", asking(low, a, b), "low"),
            Case("one of high priority, which came last", asking(a, b._replace(priority=-1)), "a"),
            Case(
                "50 batches drawn at random",
                lambda learner: [learner(list(running)) for running in many],
                [max(running, key=lambda r: r[1:3]).request_id for running in many],
            ),
        ],
    )

"""How much the engine benchmark measures; `QUICK` is for seeing that it runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """Counts, and times in seconds; everything that is repeated is repeated in turns."""

    rounds: int = 20  #: of steps and their floor; of requests to a null route
    batches: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)
    prompts: tuple[tuple[int, int], ...] = ((1, 13), (4, 13), (16, 13), (1, 60))
    slots: tuple[int, ...] = (8, 16, 32)
    offline_requests: int = 600
    offline_repeats: int = 5
    guess_users: tuple[int, ...] = (1, 2, 3, 4, 8, 16)
    guess_requests: int = 100
    guess_repeats: int = 5
    waiting: tuple[int, ...] = (10, 100_000)
    scheduler_steps: int = 2000
    null_requests: int = 50
    max_num_seqs: int = 16
    shares: tuple[float, ...] = (0.5, 0.8)
    load_requests: int = 1000
    load_traces: int = 3
    added_requests: int = 150
    added_stretches: int = 12
    predicted_s: float = 6.0  #: of each mode and load
    predicted_requests: tuple[int, int] = (200, 600)  #: but as few and as many
    predicted_rounds: int = 3
    connections: int = 32
    cross_check_s: float = 2.0
    cross_checks: int = 6
    starts: int = 5

    def predicted_count(self, rate: float) -> int:
        """Requests of a prediction, at `rate` requests per second."""
        few, many = self.predicted_requests
        return int(min(max(few, rate * self.predicted_s), many))


QUICK = Size(
    rounds=2,
    batches=(1, 4),
    prompts=((1, 13),),
    slots=(8,),
    offline_requests=24,
    offline_repeats=2,
    guess_users=(1, 8),
    guess_requests=10,
    guess_repeats=1,
    waiting=(10, 1000),
    scheduler_steps=50,
    null_requests=5,
    load_requests=40,
    load_traces=1,
    added_requests=20,
    added_stretches=2,
    predicted_s=0.5,
    predicted_requests=(24, 48),
    predicted_rounds=1,
    connections=4,
    cross_check_s=1.0,
    cross_checks=1,
    starts=1,
)

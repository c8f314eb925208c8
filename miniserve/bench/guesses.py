"""What guessing ahead gains: the same answers, from two schedulers by turns.

A few users send one sentence after the other straight to the engine core, so that the number of
requests that write together stays what it is. No HTTP, no event loop, no other process.
"""

from __future__ import annotations

from functools import partial

from miniserve.bench.offline import serve_users, standard_prompts
from miniserve.bench.size import Size
from miniserve.bench.tables import Cell, Spread, Table
from miniserve.load import MakeScheduler, load_core
from miniserve.paths import TUTOR_DIR
from miniserve.scheduler import ContinuousScheduler
from miniserve.speculation import SpeculativeScheduler
from miniserve.tutor import MAX_TOKENS

_GUESSES = 4


def measure(size: Size) -> list[Table]:
    """Each number of users, by turns without guesses and with them.

    Each number has engines of its own, and no sentence twice: what has been answered once is
    guessed too well.
    """
    prompts = standard_prompts(size.guess_requests * (1 + size.guess_repeats))
    stretches = [
        prompts[start : start + size.guess_requests]
        for start in range(0, len(prompts), size.guess_requests)
    ]
    slots = size.max_num_seqs
    makers: list[MakeScheduler] = [
        partial(ContinuousScheduler, slots),
        partial(SpeculativeScheduler, slots, num_speculative_tokens=_GUESSES),
    ]
    rows: list[dict[str, Cell]] = []
    for users in size.guess_users:
        cores = [load_core(TUTOR_DIR, slots, make_scheduler) for make_scheduler in makers]
        for core in cores:  # so that some n-grams are known, as after a few seconds of service
            serve_users(core, stretches[0], users, MAX_TOKENS)
        runs = [
            [serve_users(core, stretch, users, MAX_TOKENS) for core in cores]
            for stretch in stretches[1:]
        ]
        answer_ms = 1e3 * users / size.guess_requests
        rows.append(
            {
                "users": users,
                "without_ms": Spread.of((run.seconds for run, _ in runs), answer_ms),
                "with_ms": Spread.of((run.seconds for _, run in runs), answer_ms),
                "times_as_fast": Spread.of(plain.seconds / run.seconds for plain, run in runs),
                "tokens_a_step_and_user": Spread.of(
                    run.tokens / run.steps / users for _, run in runs
                ),
            }
        )
    about = (
        f"Time × users ÷ answers; up to {_GUESSES} guesses a step, {slots} slots; the engine core "
        f"alone; stretches of {size.guess_requests} sentences by turns without and with; "
        f"median (lowest–highest) of {size.guess_repeats}."
    )
    return [Table("Guessing ahead", about, rows)]

"""What one step of the model costs, beside the floor: the same matrix products done plainly.

The floor is every product with a weight matrix that a decode step needs (queries, keys and values
in one, gate and up in one), as `x @ weight` with the weights as they come, and nothing else: no
attention, no norms, no Python around it. Step and floor are measured in turns, so that whatever
else the machine does disturbs both alike; medians are reported.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np

from miniserve.bench.size import Size
from miniserve.bench.tables import Cell, Spread, Table
from miniserve.model import Checkpoint, Llama, load_checkpoint
from miniserve.model.arrays import FloatArray
from miniserve.paths import TUTOR_DIR

Clock = Callable[[], float]

_STEPS_A_ROUND = 16


@dataclass(frozen=True)
class StepTime:
    """A decode step of `batch` sequences around position `context`; seconds."""

    batch: int
    context: int
    step: float  #: median
    floor: float  #: median
    ratio: Spread  #: of step to floor, in each round: median and quartiles


@dataclass(frozen=True)
class PrefillTime:
    """Reading `prompts` prompts of `tokens` tokens in one step."""

    prompts: int
    tokens: int
    seconds_per_token: float  #: median


def steady_clock() -> Clock:
    """Seconds of this thread's own processor time where that is counted finely, else wall time."""
    fine = time.get_clock_info("thread_time").resolution < 1e-6
    return time.thread_time if fine else time.perf_counter


def plain_products(checkpoint: Checkpoint) -> list[FloatArray]:
    """The weight matrices of a decode step, (in, out), in the order of use."""
    weights = checkpoint.weights
    matrices: list[FloatArray] = []

    def add(*names: str) -> None:
        parts = [weights[f"{name}.weight"] for name in names]
        matrices.append(np.ascontiguousarray(np.concatenate(parts).T))

    for layer in range(checkpoint.config.num_hidden_layers):
        attention, mlp = f"model.layers.{layer}.self_attn", f"model.layers.{layer}.mlp"
        add(f"{attention}.q_proj", f"{attention}.k_proj", f"{attention}.v_proj")
        add(f"{attention}.o_proj")
        add(f"{mlp}.gate_proj", f"{mlp}.up_proj")
        add(f"{mlp}.down_proj")
    add("model.embed_tokens" if checkpoint.config.tie_word_embeddings else "lm_head")
    return matrices


def measure_decode(
    checkpoint: Checkpoint, batch: int, *, context: int = 64, rounds: int = 20, clock: Clock
) -> StepTime:
    """Time decode steps and the floor in turns, `rounds` times 16 of each."""
    model = Llama(checkpoint, max_num_seqs=batch)
    products = plain_products(checkpoint)
    random = np.random.default_rng(0)
    inputs = {
        size: random.standard_normal((batch, size)).astype(np.float32)
        for size in {matrix.shape[0] for matrix in products}
    }
    outputs = [np.empty((batch, matrix.shape[1]), np.float32) for matrix in products]
    calls = [
        (inputs[matrix.shape[0]], matrix, out)
        for matrix, out in zip(products, outputs, strict=True)
    ]

    def floor() -> None:
        for x, matrix, out in calls:
            np.matmul(x, matrix, out=out)

    slots, ones = list(range(batch)), [1] * batch
    first = context - _STEPS_A_ROUND // 2
    tokens: list[int] = random.integers(0, checkpoint.config.vocab_size, batch * first).tolist()
    model.step(slots, tokens, [first] * batch, [0] * batch)
    steps, floors = [], []
    for _ in range(rounds + 1):  # the first one warms up
        token_ids = tokens[:batch]
        seconds = []
        for position in range(first, first + _STEPS_A_ROUND):
            starts = [position] * batch
            begin = clock()
            next_ids = model.step(slots, token_ids, ones, starts)
            seconds.append(clock() - begin)
            token_ids = next_ids.tolist()
        steps.append(median(seconds))
        seconds = []
        for _ in range(_STEPS_A_ROUND):
            begin = clock()
            floor()
            seconds.append(clock() - begin)
        floors.append(median(seconds))
    ratios = [step / low for step, low in zip(steps[1:], floors[1:], strict=True)]
    middle_step, middle_floor = median(steps[1:]), median(floors[1:])
    return StepTime(batch, context, middle_step, middle_floor, Spread.quartiles(ratios))


def measure_prefill(
    checkpoint: Checkpoint, prompts: int, tokens: int, *, rounds: int = 20, clock: Clock
) -> PrefillTime:
    """Time the reading of prompts of random tokens, from an empty cache each time."""
    model = Llama(checkpoint, max_num_seqs=prompts)
    slots, random = list(range(prompts)), np.random.default_rng(0)
    seconds = []
    for _ in range(rounds + 1):  # the first one warms up
        ids = random.integers(0, checkpoint.config.vocab_size, prompts * tokens).tolist()
        begin = clock()
        model.step(slots, ids, [tokens] * prompts, [0] * prompts)
        seconds.append(clock() - begin)
        model.free(slots)
    return PrefillTime(prompts, tokens, median(seconds[1:]) / (prompts * tokens))


def measure(size: Size) -> list[Table]:
    """Time decode steps beside their floor, and prefill."""
    checkpoint, clock, rounds = load_checkpoint(TUTOR_DIR), steady_clock(), size.rounds
    decode = [
        measure_decode(checkpoint, batch, rounds=rounds, clock=clock) for batch in size.batches
    ]
    prefill = [
        measure_prefill(checkpoint, prompts, tokens, rounds=rounds, clock=clock)
        for prompts, tokens in size.prompts
    ]
    about = (
        f"Context {decode[0].context}; the products alone are those of the step, done plainly; "
        f"in turns; medians of {rounds} rounds of {_STEPS_A_ROUND}, of the ratio also quartiles."
    )
    return [
        Table(
            "A decode step beside its matrix products", about, [decode_row(row) for row in decode]
        ),
        Table("Prefill", f"Medians of {rounds} steps.", [prefill_row(row) for row in prefill]),
    ]


def decode_row(row: StepTime) -> dict[str, Cell]:
    """A reading as a row of a table."""
    step, floor = row.step * 1e3, row.floor * 1e3
    return {"batch": row.batch, "step_ms": step, "products_alone_ms": floor, "ratio": row.ratio}


def prefill_row(row: PrefillTime) -> dict[str, Cell]:
    """A reading as a row of a table."""
    each = row.seconds_per_token * 1e6
    return {"prompts": row.prompts, "tokens_each": row.tokens, "a_token_us": each}

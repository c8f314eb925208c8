"""The step benchmark measures what it says; how fast the machine is, is not tested."""

from __future__ import annotations

from pathlib import Path

import pytest

from miniserve.bench import steps
from miniserve.bench.steps import PrefillTime, StepTime
from miniserve.bench.tables import Spread, Table, markdown
from miniserve.model import Checkpoint, load_checkpoint
from tests.tiny_checkpoint import write_tiny_checkpoint


class TickingClock:
    """Each look at it takes the same time, so everything that is timed seems to take one tick."""

    def __init__(self, tick: float) -> None:
        self.now = 0.0
        self.tick = tick

    def __call__(self) -> float:
        self.now += self.tick
        return self.now


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tiny") / "tiny"
    return write_tiny_checkpoint(directory, max_position_embeddings=80)


@pytest.fixture(scope="module")
def tiny(directory: Path) -> Checkpoint:
    return load_checkpoint(directory)


def test_the_floor_holds_every_matrix_once(tiny: Checkpoint) -> None:
    products = steps.plain_products(tiny)
    stored = sum(tensor.size for tensor in tiny.weights.values() if tensor.ndim == 2)
    assert sum(matrix.size for matrix in products) == stored
    assert len(products) == 4 * tiny.config.num_hidden_layers + 1
    assert all(matrix.flags.c_contiguous for matrix in products)


def test_decode(tiny: Checkpoint) -> None:
    row = steps.measure_decode(tiny, 3, context=20, rounds=4, clock=TickingClock(0.25))
    assert row == StepTime(3, 20, 0.25, 0.25, Spread(1.0, 1.0, 1.0))


def test_prefill(tiny: Checkpoint) -> None:
    row = steps.measure_prefill(tiny, 2, 5, rounds=3, clock=TickingClock(0.5))
    assert row == PrefillTime(2, 5, 0.05)


def test_rows() -> None:
    decode = steps.decode_row(StepTime(16, 64, 1.5e-3, 1e-3, Spread(1.5, 1.4, 1.75)))
    assert markdown(Table("", "", [decode])).splitlines()[-1] == (
        "| 16 | 1.50 | 1.00 | 1.50 (1.40–1.75) |"
    )
    prefill = steps.prefill_row(PrefillTime(4, 13, 50e-6))
    assert markdown(Table("", "", [prefill])).splitlines()[-1] == "| 4 | 13 | 50.0 |"

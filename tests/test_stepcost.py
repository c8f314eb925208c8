import json
from pathlib import Path

import numpy as np
import pytest

from miniserve.stepcost import StepCost, fit
from miniserve.trace import StepEntry, StepRecord

COST = StepCost(a=5e-4, b=2e-5, c=6e-5)


def record(batch: int, prompt: int, duration: float) -> StepRecord:
    """A step of `batch` rows, the first of which reads `prompt` tokens (0: all rows decode)."""
    entries = [StepEntry(str(i), i, "decode", 1) for i in range(batch)]
    if prompt:
        entries[0] = StepEntry("0", 0, "prefill", prompt)
    return StepRecord(0, 0.0, duration, tuple(entries), batch, 0)


def trace(noise: float = 0.0, seed: int = 0) -> list[StepRecord]:
    rng = np.random.default_rng(seed)
    records = []
    for _ in range(300):
        batch, prompt = int(rng.integers(1, 17)), int(rng.choice([0, 0, 7, 13, 20]))
        tokens = batch - 1 + prompt if prompt else batch
        seconds = COST.seconds(batch, tokens) * (1 + noise * rng.standard_normal())
        records.append(record(batch, prompt, seconds))
    return records


def test_recovers_the_constants_of_a_trace_without_noise() -> None:
    found = fit(trace())
    assert found.steps == 300
    np.testing.assert_allclose(
        [found.cost.a, found.cost.b, found.cost.c], [COST.a, COST.b, COST.c], rtol=1e-9
    )
    assert found.explained == pytest.approx(1)
    assert found.typical_error < 1e-9


def test_a_hiccup_does_not_bend_the_fit() -> None:
    records = trace(noise=0.02)
    shapes = {(r.batch, r.num_tokens) for r in records}
    hiccups = [r._replace(duration=1.0) for r in records[:5]]
    found = fit(records * 3 + hiccups)
    assert len(shapes) < 100
    for batch, tokens in [(1, 1), (8, 20), (16, 16)]:
        assert found.cost.seconds(batch, tokens) == pytest.approx(
            COST.seconds(batch, tokens), rel=0.05
        )
    assert found.typical_error < 0.05


def test_a_trace_that_cannot_tell_the_constants_apart_is_refused() -> None:
    only_decode = [record(batch, 0, 1e-3) for batch in range(1, 17)]
    for records in ([], only_decode):
        with pytest.raises(ValueError, match="different batches"):
            fit(records)


def test_save_and_load(tmp_path: Path) -> None:
    found = fit(trace(noise=0.01))
    found.save(tmp_path / "cost.json", machine="test")
    assert StepCost.load(tmp_path / "cost.json") == found.cost
    content = json.loads((tmp_path / "cost.json").read_text())
    assert content["conditions"] == {"machine": "test"}
    assert len(content["residuals_s"]) == 3


@pytest.mark.parametrize(
    "text", ["", "[]", '{"cost": {"a": 1}}', '{"cost": 3}', '{"cost": {"a": "x", "b": 1, "c": 1}}']
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "cost.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"cost\.json does not hold a step cost"):
        StepCost.load(path)


@pytest.mark.parametrize("costs", [(0, 0, 0), (1, 0, -1e-3), (-1, 0.1, 0.1), ("NaN", 1, 1)])
def test_a_cost_with_which_no_step_takes_time_is_refused(
    tmp_path: Path, costs: tuple[float, float, float]
) -> None:
    path = tmp_path / "cost.json"
    path.write_text(json.dumps({"cost": dict(zip("abc", costs, strict=True))}))
    with pytest.raises(ValueError, match="no step takes time"):
        StepCost.load(path)

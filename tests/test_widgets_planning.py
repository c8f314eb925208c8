import asyncio

import pytest

from miniserve.capacity import Slo, queue_bound
from miniserve.queueing import Lengths
from miniserve.settings import Mode
from miniserve.simulator import Policy
from miniserve.stepcost import StepCost
from miniserve.widgets.assessment import Assessment, assess
from miniserve.widgets.controls import Setting
from miniserve.widgets.planning import PlanPanel

COST = StepCost(a=0.004, b=0.0002, c=0.0001)
LENGTHS = Lengths.uniform(13, 15, 56)
SLO = Slo(0.6)


def made_panel(slo: Slo = SLO) -> PlanPanel:
    return PlanPanel(
        LENGTHS,
        COST,
        slo,
        rate=(1, 60, 40),
        max_num_seqs=(1, 8, 4),
        max_waiting=(0, 40, 8),
        n=300,
    )


def test_an_assessment_is_what_the_simulator_and_the_formula_say() -> None:
    setting = Setting(rate=40.0, max_num_seqs=4, max_waiting=7)
    made = assess(setting, LENGTHS, COST, SLO, 40, n=300)
    assert list(made.bounds) == sorted({0, 5, 10, 15, 20, 25, 30, 35, 40, 7})
    assert made.here is made.points[made.bounds.index(7)]
    assert made.advised == queue_bound(Policy(Mode.CONTINUOUS, 4), LENGTHS, COST, SLO)
    refused = [point.shed_share for point in made.points]
    assert refused == sorted(refused, reverse=True)
    assert f"{made.here.shed_share:.1%}" in made.words
    assert f"at most {made.advised}." in made.words


def test_an_slo_about_another_quantile_is_refused() -> None:
    with pytest.raises(ValueError, match=r"p95.*0\.99"):
        made_panel(Slo(0.6, quantile=0.99))


def test_the_first_view_is_already_the_point() -> None:
    panel = made_panel()
    bundle, _ = panel._repr_mimebundle_()
    assert bundle["text/plain"] == "Plan panel: How long may the queue be?"
    assert bundle["image/png"]
    assert len(panel._canvas.traces[0]["x"]) == 10  # and the slider's own
    panel.close()
    panel.close()


async def move(panel: PlanPanel) -> None:
    before = panel.assessment
    panel.set(rate=60, max_num_seqs=2, max_waiting=30)
    after = await panel.settled()
    assert after.policy == Policy(Mode.CONTINUOUS, 2, max_waiting=30)
    assert after.rate == 60
    assert after.capacity < before.capacity
    assert panel._canvas.traces[2]["x"][0] == 30
    panel.controls.sliders["rate"].value = 10  # as a hand would, several times in a row
    panel.controls.sliders["rate"].value = 5
    after = await panel.settled()
    assert after.rate == 5
    assert "0.0%" in panel._words.value


def test_a_slider_leads_to_a_new_trial() -> None:
    panel = made_panel()
    asyncio.run(move(panel))
    panel.close()


async def after_a_failure(panel: PlanPanel) -> None:
    good = panel._assess
    panel._assess = fails  # type: ignore[method-assign]
    panel.set(rate=20)
    with pytest.raises(ArithmeticError):
        await panel.settled()
    assert "no trial today" in panel._notice.widget.value
    panel._assess = good  # type: ignore[method-assign]
    panel.set(rate=5)
    assert (await panel.settled()).rate == 5


def fails(setting: Setting) -> Assessment:
    raise ArithmeticError("no trial today")


def test_a_trial_that_fails_is_said_and_the_next_one_works() -> None:
    panel = made_panel()
    asyncio.run(after_a_failure(panel))
    panel.close()


def test_outside_of_a_notebook_it_says_so() -> None:
    panel = made_panel()
    with pytest.raises(RuntimeError, match="event loop"):
        panel.set(rate=2)
    panel.close()

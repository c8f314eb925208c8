import pytest

from miniserve.widgets.panel import WIDGET_VIEW
from miniserve.widgets.predict import Predict


def test_nothing_is_committed_before_the_button() -> None:
    guess = Predict("Faster or slower?", ["faster", "slower"])
    assert guess.committed is None
    assert guess._button.disabled
    assert "No prediction was made" in repr(guess.compare("faster"))


def test_committing_locks_the_answer() -> None:
    guess = Predict("Faster or slower?", ["faster", "slower"])
    guess._choice.value = "slower"
    assert not guess._button.disabled
    guess._button.click()
    guess.commit("faster")
    assert guess.committed == "slower"
    assert guess._choice.disabled


def test_comparison_names_both() -> None:
    guess = Predict("Faster or slower?", ["faster", "slower"])
    guess.commit("slower")
    comparison = guess.compare("faster", because="the batch is nearly free")
    assert not comparison.right
    assert repr(comparison) == (
        "You predicted: slower, but it came out differently.\n"
        "The answer: faster, because the batch is nearly free."
    )
    assert guess.compare("slower").right


def test_display_has_a_widget_and_fixed_text() -> None:
    bundle, _ = Predict("Faster or slower?", ["faster", "slower"])._repr_mimebundle_()
    assert WIDGET_VIEW in bundle
    assert bundle["text/plain"] == "Predict: Faster or slower?\n  ( ) faster\n  ( ) slower"


@pytest.mark.parametrize("options", [[], ["only"], ["twice", "twice"]])
def test_options_must_differ(options: list[str]) -> None:
    with pytest.raises(ValueError, match="two different options"):
        Predict("Well?", options)

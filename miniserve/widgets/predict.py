"""A question to answer before anything runs, and the comparison afterwards."""

from __future__ import annotations

import html
from collections.abc import Sequence

import ipywidgets

from miniserve.widgets.panel import Panel
from miniserve.widgets.style import framed


class Predict(Panel):
    """Choose an answer and commit to it; `compare` later holds it against what was measured.

    Example::

        guess = Predict("How long do ten requests take, one after the other?", ["0.2 s", "2 s"])
        guess                       # in a cell of its own: shows the choices
        guess.compare("0.2 s", because="each takes about 20 ms")
    """

    def __init__(self, question: str, options: Sequence[str]) -> None:
        if len(options) < 2 or len(set(options)) != len(options):
            raise ValueError("a prediction needs at least two different options")
        self.question = question
        self.options = tuple(options)
        self.committed: str | None = None
        self._choice = ipywidgets.RadioButtons(
            options=self.options, value=None, layout=ipywidgets.Layout(width="auto")
        )
        self._choice.tooltip = question
        self._button = ipywidgets.Button(
            description="Commit to this answer",
            disabled=True,
            layout=ipywidgets.Layout(width="auto"),
        )
        self._said = ipywidgets.HTML()
        self._choice.observe(self._on_choice, names="value")
        self._button.on_click(self._on_commit)
        root = framed(
            ipywidgets.HTML(f"<b>Predict.</b> {html.escape(question)}"),
            self._choice,
            ipywidgets.HBox([self._button, self._said]),
        )
        lines = [f"Predict: {question}", *(f"  ( ) {option}" for option in self.options)]
        super().__init__(root, name="predict", text="\n".join(lines))

    def commit(self, option: str) -> None:
        """Commit to an answer, as the button does. It cannot be changed afterwards."""
        if option not in self.options:
            raise ValueError(f"{option!r} is not one of the options")
        if self.committed is not None:
            return
        self.committed = option
        self._choice.value = option
        self._choice.disabled = True
        self._button.disabled = True
        self._said.value = f"You said: <b>{html.escape(option)}</b>. Now run the next cells."

    def compare(self, answer: str, because: str = "") -> Comparison:
        """Hold the prediction against the answer that the run gave."""
        if answer not in self.options:
            raise ValueError(f"{answer!r} is not one of the options")
        return Comparison(self.committed, answer, because)

    def _on_choice(self, _: object) -> None:
        self._button.disabled = self._choice.value is None

    def _on_commit(self, _: object) -> None:
        if self._choice.value is not None:
            self.commit(self._choice.value)


class Comparison:
    """Prediction and measurement side by side, in one or two lines of text."""

    def __init__(self, committed: str | None, answer: str, because: str) -> None:
        self.committed = committed
        self.answer = answer
        self.because = because

    @property
    def right(self) -> bool:
        """Whether the prediction was the answer."""
        return self.committed == self.answer

    def __repr__(self) -> str:
        answer = f"The answer: {self.answer}" + (
            f", because {self.because}." if self.because else "."
        )
        if self.committed is None:
            return f"No prediction was made above.\n{answer}"
        verdict = "and so it is" if self.right else "but it came out differently"
        return f"You predicted: {self.committed}, {verdict}.\n{answer}"

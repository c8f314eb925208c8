"""The capacity plan as a panel: rate, batch size and queue bound; p95 against refusals.

Nothing is served here. Each move of a slider runs the scheduler on the virtual clock, over and
over, with another queue bound each time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import ipywidgets
from matplotlib.figure import Figure

from miniserve.capacity import Slo
from miniserve.palette import GREEN, ORANGE, TEXT
from miniserve.queueing import Lengths
from miniserve.stepcost import StepCost
from miniserve.widgets import stills
from miniserve.widgets.assessment import Assessment, assess
from miniserve.widgets.canvas import Canvas
from miniserve.widgets.controls import Controls, Range, Setting
from miniserve.widgets.figures import Spec, axis, base_layout, nice_ceiling
from miniserve.widgets.live import LivePanel, Notice
from miniserve.widgets.style import framed


class PlanPanel(LivePanel):
    """Sliders for rate, batch size and queue bound; p95 and refusals over the queue bound.

    Args:
        lengths: of prompts and answers, in tokens.
        cost: seconds of a step.
        slo: drawn as a line, and what the advised queue bound is for.
        rate, max_num_seqs, max_waiting: sliders, as (lowest, highest, start) or with a step.
        title: the panel's headline.
        n: requests in each run.
        seed: of the runs.

    Raises:
        ValueError: the SLO is about another quantile than the p95 that is drawn.
    """

    def __init__(
        self,
        lengths: Lengths,
        cost: StepCost,
        slo: Slo,
        *,
        rate: Range,
        max_num_seqs: Range,
        max_waiting: Range,
        title: str = "How long may the queue be?",
        n: int = 1500,
        seed: int = 0,
    ) -> None:
        if slo.quantile != 0.95:
            raise ValueError(f"the panel shows p95, and the SLO is about quantile {slo.quantile:g}")
        self._lengths, self._cost, self._slo = lengths, cost, slo
        self._highest, self._n, self._seed = int(max_waiting[1]), n, seed
        ranges = {"rate": rate, "max_num_seqs": max_num_seqs, "max_waiting": max_waiting}
        self.controls = Controls(ranges, [], self._on_change)
        self._making: asyncio.Future[Assessment] | None = None
        self._stale = False
        self.assessment = self._assess(self.controls.setting)
        self._canvas = Canvas(_layout(self._highest), [_EMPTY] * 5, label=title)
        self._words = ipywidgets.HTML(layout=ipywidgets.Layout(width="100%"))
        self._notice = Notice(rare=True)
        parts = [self.controls.widget, self._canvas.widget, self._words, self._notice.widget]
        super().__init__(framed(*parts, title=title), name="plan", text=f"Plan panel: {title}")
        self._draw()

    def set(self, **values: float) -> None:
        """Move the sliders: `rate`, `max_num_seqs`, `max_waiting`."""
        self.require_loop()
        self.controls.set(**values)

    async def settled(self, timeout_s: float = 30.0) -> Assessment:
        """Wait until what the sliders say has been tried out and drawn. Raises TimeoutError."""
        await self.rest(timeout_s)
        return self.assessment

    def frame(self) -> bool:
        """Take in a trial that has ended, begin the next; see `LivePanel`."""
        if self._making is not None:
            if not self._making.done():
                return True
            ended, self._making = self._making, None
            made = ended.result()  # raises what the trial raised, once
            if not self._stale:
                self.assessment = made
        if self._stale and self._loop is not None:
            self._stale = False
            setting = self.controls.setting
            self._making = self._loop.run_in_executor(None, self._assess, setting)
        self._draw()
        return self._making is not None

    def complain(self, words: str) -> None:
        """Say what went wrong in the line below."""
        self._notice.say(words, warning=True)

    def picture(self) -> Figure:
        """The two plots as they are now."""
        made = self.assessment
        figure, (left, right) = stills.blank(8.0, 3.0, ncols=2)
        left.plot(made.bounds, [p.p95 * 1e3 for p in made.points], "-", color=GREEN, linewidth=2.2)
        left.axhline(made.slo.latency_s * 1e3, color=TEXT, linestyle="--", linewidth=1.2)
        left.plot(made.policy.max_waiting, made.here.p95 * 1e3, "o", color=GREEN, markersize=8)
        left.set_ylabel("p95 (ms), dashed: SLO", fontsize=9)
        shares = [p.shed_share * 100 for p in made.points]
        right.plot(made.bounds, shares, "-", color=ORANGE, linewidth=2.2)
        right.plot(made.policy.max_waiting, made.here.shed_share * 100, "o", color=ORANGE)
        right.set_ylabel("refused (%)", fontsize=9)
        for axes in (left, right):
            axes.set_xlabel("queue bound (requests)", fontsize=9)
            axes.set_ylim(bottom=0)
        return figure

    def _assess(self, setting: Setting) -> Assessment:
        return assess(
            setting,
            self._lengths,
            self._cost,
            self._slo,
            self._highest,
            n=self._n,
            seed=self._seed,
        )

    def _on_change(self, _: Setting) -> None:
        self._stale = True
        self.wake()

    def _draw(self) -> None:
        made = self.assessment
        self._canvas.draw(dict(enumerate(_traces(made))), _tops(made))
        self._words.value = made.words


_EMPTY: Spec = {"type": "scatter", "x": [], "y": []}


def _layout(highest: int) -> Spec:
    bounds = {"range": [-0.02 * highest, 1.02 * highest]}
    return base_layout(
        300,
        xaxis=axis("queue bound (requests)", domain=[0, 0.45], **bounds),
        yaxis=axis("p95 (ms), dashed: SLO", rangemode="tozero"),
        xaxis2=axis("queue bound (requests)", domain=[0.56, 1], anchor="y2", **bounds),
        yaxis2=axis("refused (%)", anchor="x2", range=[0, 100]),
    )


def _tops(made: Assessment) -> Spec:
    highest_ms = max([p.p95 for p in made.points] + [made.slo.latency_s]) * 1e3
    refused = max(p.shed_share for p in made.points) * 100
    return {
        "yaxis": {"range": [0, nice_ceiling(1.05 * highest_ms)]},
        "yaxis2": {"range": [0, nice_ceiling(1.05 * refused)]},
    }


def _traces(made: Assessment) -> list[Spec]:
    """Both curves, the SLO, and a mark on each curve where the slider stands."""
    p95 = [point.p95 * 1e3 for point in made.points]
    refused = [point.shed_share * 100 for point in made.points]
    right = {"xaxis": "x2", "yaxis": "y2"}
    hover = "at most %{x} waiting: %{y:.3g}<extra></extra>"
    return [
        _line(made.bounds, p95, GREEN) | {"hovertemplate": hover},
        _line([0, made.bounds[-1]], [made.slo.latency_s * 1e3] * 2, TEXT, "dash"),
        _mark(made.policy.max_waiting, made.here.p95 * 1e3, GREEN),
        _line(made.bounds, refused, ORANGE) | right | {"hovertemplate": hover},
        _mark(made.policy.max_waiting, made.here.shed_share * 100, ORANGE) | right,
    ]


def _line(x: Sequence[int], y: Sequence[float], colour: str, dash: str = "solid") -> Spec:
    line = {"color": colour, "width": 2.5, "dash": dash}
    return {"type": "scatter", "mode": "lines", "x": list(x), "y": list(y), "line": line}


def _mark(x: int | None, y: float, colour: str) -> Spec:
    marker = {"color": colour, "size": 12, "line": {"width": 1, "color": "white"}}
    return {"type": "scatter", "mode": "markers", "x": [x], "y": [y], "marker": marker}

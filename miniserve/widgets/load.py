"""The panel of the chapters: sliders on a running server, and the latency CDF that they move."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, TypeVar

import ipywidgets
from matplotlib.figure import Figure

from miniserve.latency import LatencyRecord, Summary, latencies, summary
from miniserve.widgets import stills
from miniserve.widgets.controls import Controls, Range, Setting, button
from miniserve.widgets.curves import Curve
from miniserve.widgets.figures import LATENCY_RANGE_MS
from miniserve.widgets.little import little_line, measure
from miniserve.widgets.live import LivePanel
from miniserve.widgets.load_view import MAX_PINS, MAX_PREVIEWS, STRIP_S, LoadState, LoadView
from miniserve.widgets.palette import SKY_BLUE
from miniserve.widgets.session import Configure, Counts, HasStatus, Server, Session
from miniserve.widgets.style import framed

Preview: TypeAlias = Sequence[Curve] | Callable[[Setting], Sequence[Curve]]

T = TypeVar("T")

_NOW = "now: "

ENOUGH = 30
"""Answers that a curve must have to stay on the page when a setting is left."""


@dataclass(frozen=True)
class LoadResults:
    """What a panel measured under one setting; `counts` are those of the whole run."""

    setting: Setting
    records: Sequence[LatencyRecord]
    counts: Counts

    @property
    def summary(self) -> Summary:
        """Percentiles, rates and the generator's own lag."""
        return summary(self.records)


class LoadPanel(LivePanel):
    """Sliders for a load and for the server it runs on; a latency CDF that moves with them.

    Moving a slider acts at once on the running load and on the running server, and the curve begins
    afresh; the old setting's stays behind as a thin grey line. Pin keeps a curve.

    Args:
        server: a URL or an object with a `url`; several by mode give a mode chooser.
        sentences: sent to `POST /correct` in turn.
        rate, max_num_seqs, max_wait_ms, max_waiting: sliders, as (lowest, highest, start) or with a
            step; None leaves one out.
        configure: takes what the sliders say about the server; one callable, or one for each mode.
        engine: what can say how many requests wait; one, or one for each mode.
        probe: a path that is read ten times a second during a load, such as "/healthz".
        little: whether L is shown beside λ·W.
        preview: curves to show before anything is measured, or a function that makes them from a
            setting (on a virtual clock) and is called again when a slider moves.
        title: the panel's headline.
        range_ms: what the latency axis spans, in milliseconds.
        seed: of the arrivals; each run has the same ones.
    """

    def __init__(
        self,
        server: Server | Mapping[str, Server],
        sentences: Sequence[str],
        *,
        rate: Range,
        max_num_seqs: Range | None = None,
        max_wait_ms: Range | None = None,
        max_waiting: Range | None = None,
        configure: Configure | Mapping[str, Configure] | None = None,
        engine: HasStatus | Mapping[str, HasStatus] | None = None,
        probe: str | None = None,
        little: bool = False,
        preview: Preview = (),
        title: str = "Arrival rate against latency",
        range_ms: tuple[float, float] = LATENCY_RANGE_MS,
        seed: int = 0,
    ) -> None:
        servers = server if isinstance(server, Mapping) else {"": server}
        configures = by_mode(configure, servers)
        about_server = {
            "max_num_seqs": max_num_seqs,
            "max_wait_ms": max_wait_ms,
            "max_waiting": max_waiting,
        }
        ranges = {name: value for name, value in about_server.items() if value is not None}
        if ranges and set(configures) != set(servers):
            raise ValueError("a slider for the server needs `configure`, for every mode")
        self._session = Session(servers, sentences, configure=configures, seed=seed, probe=probe)
        self._modes = list(servers)
        self._engines = by_mode(engine, servers)
        self._preview, self._has_probe, self._has_little = preview, probe is not None, little
        self._pins: list[Curve] = []
        self._before: Curve | None = None
        self._samples: deque[tuple[float, float, float]] = deque(maxlen=round(STRIP_S / 0.1))
        self._making: asyncio.Future[list[Curve]] | None = None
        self._stale = False
        self.controls = Controls({"rate": rate, **ranges}, list(servers), self._on_change)
        self._previews = _as_previews(preview, self.controls.setting)

        strips = ["requests in flight"]
        strips += ["requests that wait"] if self._engines else []
        strips += [f"GET {probe} (ms)"] if probe is not None else []
        self._view = LoadView(strips, range_ms)
        self._range_ms = range_ms
        self._run = button("Run", "play", "send requests at the arrival rate", self._click_run)
        self._stop = button("Stop", "stop", "send no more", self.stop)
        self._pin = button("Pin", "thumb-tack", "keep this curve to compare", self.pin)
        self._unpin = button("Unpin", "eraser", "remove the kept curves", self.unpin)
        row = ipywidgets.HBox(
            [self._run, self._stop, self._pin, self._unpin, self._view.counts],
            layout=ipywidgets.Layout(flex_flow="row wrap", align_items="center"),
        )
        root = framed(self.controls.widget, row, *self._view.parts, title=title)
        super().__init__(root, name="load", text=f"Live panel: {title}")
        self._draw()

    def run(self, *, n: int | None = None, seconds: float | None = None) -> None:
        """Start the load, as the button does: `n` requests, so many seconds, or until `stop`.

        Raises RuntimeError outside of a notebook, or if the server does not run.
        """
        self.require_loop()
        self._keep_as_before()
        self._samples.clear()
        self._session.start(self.controls.setting, n=n, seconds=seconds)
        self.wake()

    def stop(self) -> None:
        """Send no more requests; those in flight get a second to end."""
        self._session.stop()
        self.wake()

    def set(self, **values: float | str) -> None:
        """Move the controls: `rate`, `max_num_seqs`, `max_wait_ms`, `max_waiting`, `mode`."""
        self.controls.set(**values)

    def pin(self) -> None:
        """Keep the live curve, up to three of them; the oldest makes room."""
        live = self._live_curve()
        if live is None or not live.n:
            return
        pins = self._pins[-(MAX_PINS - 1) :]
        badge = next(letter for letter in "ABCD" if letter not in [pin.badge for pin in pins])
        label = live.label.removeprefix(_NOW)
        self._pins = [*pins, replace(live, role="pinned", badge=badge, label=label)]
        self.wake()

    def unpin(self) -> None:
        """Remove the kept curves."""
        self._pins = []
        self.wake()

    @property
    def pins(self) -> list[Curve]:
        """The kept curves."""
        return list(self._pins)

    async def settled(self, timeout_s: float = 60.0) -> LoadResults:
        """Wait until the load has ended and all is drawn. Raises TimeoutError."""
        await self.rest(timeout_s)
        if self._session.errors:
            raise RuntimeError("; ".join(self._session.errors))
        return self.results()

    def results(self) -> LoadResults:
        """Return what was measured under the setting of now."""
        session = self._session
        return LoadResults(session.setting, session.records, session.counts)

    def picture(self) -> Figure | None:
        """The curves as they are now; before there are any, the controls."""
        curves = [curve for curve in self._state().curves if curve.n]
        if not curves:
            return super().picture()
        return stills.cdf_still(curves, range_ms=self._range_ms)

    def close(self) -> None:
        """End the load; see `LivePanel`."""
        super().close()
        self._session.close()

    def frame(self) -> bool:
        """Draw one frame; see `LivePanel`."""
        self._session.poll()
        self._sample()
        pending = self._update_previews()
        self._draw()
        return self._session.busy or pending

    def complain(self, words: str) -> None:
        """Say what went wrong in the line below."""
        self._view.notice.say(words, warning=True)

    def _click_run(self) -> None:
        try:
            self.run()
        except RuntimeError as error:
            self.complain(str(error))

    def _on_change(self, setting: Setting) -> None:
        if self._session.running:
            self._keep_as_before()
        self._session.apply(setting)
        self._stale = callable(self._preview)
        self.wake()

    def _keep_as_before(self) -> None:
        live = self._live_curve()
        if live is not None and live.n >= ENOUGH:
            label = f"before: {live.label.removeprefix(_NOW)}"
            self._before = replace(live, role="before", label=label)

    def _live_curve(self) -> Curve | None:
        records = self._session.records
        setting = self._session.setting
        if not records:
            return None
        named = setting if len(self._modes) > 1 else replace(setting, mode="")
        return Curve(
            f"{_NOW}{named}",
            latencies(records),
            mode=setting.mode,
            colour="" if setting.mode else SKY_BLUE,
            offered=len(records),
            role="live",
        )

    def _sample(self) -> None:
        session = self._session
        if session.running:
            engine = self._engines.get(session.setting.mode)
            waiting = engine.status().num_waiting if engine is not None else 0
            self._samples.append((time.monotonic(), session.counts.in_flight, waiting))

    def _strips(self) -> list[list[tuple[float, float]]]:
        if not self._samples:
            return []
        now = self._samples[-1][0]
        strips = [[(now - at, in_flight) for at, in_flight, _ in self._samples]]
        if self._engines:
            strips.append([(now - at, waiting) for at, _, waiting in self._samples])
        if self._has_probe:
            answers = self._session.probed
            strips.append([(ago, took * 1e3) for ago, took in answers if ago <= STRIP_S])
        return strips

    def _update_previews(self) -> bool:
        """Have new previews made in a thread; return whether they are still to come."""
        if self._making is not None:
            if not self._making.done():
                return True
            self._previews, self._making = self._making.result(), None
        if self._stale and self._loop is not None:
            self._stale = False
            self._making = self._loop.run_in_executor(
                None, _as_previews, self._preview, self.controls.setting
            )
        return self._making is not None

    def _state(self) -> LoadState:
        session = self._session
        live = self._live_curve()
        words, warning = self._words(live)
        little = ""
        if self._has_little:
            little = little_line(measure(session.records, session.now()))
        return LoadState(
            live=live,
            before=self._before,
            pins=self._pins,
            previews=self._previews,
            strips=self._strips(),
            counts=session.counts,
            little=little,
            words=words,
            warning=warning,
        )

    def _words(self, live: Curve | None) -> tuple[str, bool]:
        session = self._session
        if session.errors:
            return f"The load has ended: {'; '.join(session.errors)}", True
        if session.settling:
            return f"{session.settling} requests of the old setting are still on their way.", False
        if live is not None and live.n >= ENOUGH:
            run = summary(session.records)
            if not run.valid:
                return f"Read this curve with care: {run.reason}.", True
        if session.running:
            return "Running: move a slider, and the running server follows.", False
        if live is None:
            return "Press Run to send requests. The dotted curve is computed, not measured.", False
        return "Stopped.", False

    def _draw(self) -> None:
        state = self._state()
        self._view.draw(state)
        running = self._session.running
        _disable(self._run, running)
        _disable(self._stop, not running)
        _disable(self._pin, state.live is None or not state.live.n)
        _disable(self._unpin, not self._pins)


def by_mode(given: T | Mapping[str, T] | None, modes: Mapping[str, object]) -> dict[str, T]:
    """Spread one thing over all modes; take a mapping as it is, and None for nothing."""
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return dict(given)
    return dict.fromkeys(modes, given)


def _as_previews(preview: Preview, setting: Setting) -> list[Curve]:
    curves = preview(setting) if callable(preview) else preview
    return [replace(curve, role="preview") for curve in curves][:MAX_PREVIEWS]


def _disable(control: ipywidgets.Widget, disabled: bool) -> None:
    if control.disabled != disabled:
        control.disabled = disabled

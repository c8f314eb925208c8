"""The panel of the chapters: sliders on a running server, and the latency CDF that they move.

One class, longer than most: what it knows of servers is in `session`, what it draws in `load_view`,
and the rest is which control does what in which state.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import ipywidgets
from matplotlib.figure import Figure

from miniserve.latency import summary
from miniserve.widgets import stills
from miniserve.widgets.controls import Controls, Range, Setting, button
from miniserve.widgets.curves import Curve
from miniserve.widgets.figures import LATENCY_RANGE_MS
from miniserve.widgets.little import little_line, measure
from miniserve.widgets.live import LivePanel
from miniserve.widgets.load_view import LoadState, LoadView
from miniserve.widgets.measured import ENOUGH, MeasuredCurves
from miniserve.widgets.preview import Preview, Previews
from miniserve.widgets.results import LoadResults
from miniserve.widgets.servers import Configure, HasStatus, Server, by_mode
from miniserve.widgets.session import Session
from miniserve.widgets.strips import STRIP_S, Samples, Series
from miniserve.widgets.style import framed

CHECK_S = 1.0
"""How often a running load is checked, and Little's law measured: numbers are for reading."""


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
        self._engines = by_mode(engine, servers)
        self._has_probe, self._has_little = probe is not None, little
        self._measured = MeasuredCurves(several=len(servers) > 1)
        self._samples = Samples()
        self._checked_at, self._doubt, self._little = 0.0, "", ""
        self.controls = Controls({"rate": rate, **ranges}, list(servers), self._on_change)
        self._previews = Previews(preview, self.controls.setting)

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
        self._measured.leave(self._live_curve())
        self._samples.clear()
        self._checked_at = 0.0
        self._session.start(self.controls.setting, n=n, seconds=seconds)
        self.wake()

    def stop(self) -> None:
        """Send no more requests; those in flight get a second to end."""
        self.halt()
        self.wake()

    def set(self, **values: float | str) -> None:
        """Move the controls: `rate`, `max_num_seqs`, `max_wait_ms`, `max_waiting`, `mode`."""
        self.controls.set(**values)

    def pin(self) -> None:
        """Keep the live curve, up to three of them; the oldest makes room."""
        self._measured.pin(self._live_curve())
        self.wake()

    def unpin(self) -> None:
        """Remove the kept curves."""
        self._measured.pins = []
        self.wake()

    @property
    def pins(self) -> list[Curve]:
        """The kept curves."""
        return list(self._measured.pins)

    async def settled(self, timeout_s: float = 60.0) -> LoadResults:
        """Wait until the load has ended and all is drawn. Raises TimeoutError."""
        await self.rest(timeout_s)
        if self._session.errors:
            raise RuntimeError("; ".join(self._session.errors))
        return self.results()

    def results(self) -> LoadResults:
        """Return what was measured under the setting of now."""
        return self._session.results

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
        pending = self._previews.update(self._loop)
        self._draw()
        return self._session.busy or pending

    def halt(self) -> None:
        """Send no more; see `LivePanel`."""
        self._session.stop()

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
            self._measured.leave(self._live_curve())
        self._session.apply(setting)
        self._checked_at = 0.0
        self._previews.ask(setting)
        self.wake()

    def _live_curve(self) -> Curve | None:
        return self._measured.live(self._session.setting, self._session.records)

    def _sample(self) -> None:
        session = self._session
        if session.running:
            engine = self._engines.get(session.setting.mode)
            waiting = engine.status().num_waiting if engine is not None else 0
            self._samples.add(time.monotonic(), session.counts.in_flight, waiting)

    def _strips(self) -> list[Series]:
        strips = [self._samples.in_flight]
        if self._engines:
            strips.append(self._samples.waiting)
        if self._has_probe:
            answers = self._session.probed
            strips.append([(ago, took * 1e3) for ago, took in answers if ago <= STRIP_S])
        return strips

    def _state(self) -> LoadState:
        live = self._live_curve()
        self._check(live)
        words, warning = self._words(live)
        return LoadState(
            live=live,
            before=self._measured.before,
            pins=self._measured.pins,
            previews=self._previews.curves,
            strips=self._strips(),
            counts=self._session.counts,
            little=self._little,
            words=words,
            warning=warning,
        )

    def _check(self, live: Curve | None) -> None:
        """Ask what speaks against the curve, and whether Little's law holds; both take time."""
        session, now = self._session, time.monotonic()
        if session.busy and now - self._checked_at < CHECK_S:
            return
        self._checked_at, records = now, session.records
        run = summary(records) if live is not None and live.n >= ENOUGH else None
        self._doubt = run.reason if run is not None and not run.valid else ""
        if self._has_little:
            self._little = little_line(measure(records, session.now(), session.all_records))

    def _words(self, live: Curve | None) -> tuple[str, bool]:
        session = self._session
        if session.errors:
            return "; ".join(session.errors), True
        if session.settling:
            return f"{session.settling} requests of the old setting are still on their way.", False
        if self._doubt:
            return f"Read this curve with care: {self._doubt}.", True
        if session.running:
            nothing = "nothing that was sent under this setting is answered yet"
            words = nothing if live is None else "move a slider, and the running server follows"
            return f"Running: {words}.", False
        if live is None:
            return "Press Run to send requests. The dotted curve is computed, not measured.", False
        return "Stopped.", False

    def _draw(self) -> None:
        state = self._state()
        self._view.draw(state)
        running = self._session.running
        self._run.disabled = running
        self._stop.disabled = not running
        self._pin.disabled = state.live is None or not state.live.n
        self._unpin.disabled = not state.pins

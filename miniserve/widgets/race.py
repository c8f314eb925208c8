"""Several servers, one arrival trace: their latency CDFs grow side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ipywidgets
from matplotlib.figure import Figure

from miniserve.latency import LatencyRecord
from miniserve.widgets import stills
from miniserve.widgets.controls import Controls, Range, Setting, button
from miniserve.widgets.figures import LATENCY_RANGE_MS
from miniserve.widgets.live import LivePanel, Notice
from miniserve.widgets.player import Player
from miniserve.widgets.race_view import Lane, RaceView, finish_of, lanes_at, spread_ms
from miniserve.widgets.results import LoadResults
from miniserve.widgets.servers import Configure, Server
from miniserve.widgets.session import Session
from miniserve.widgets.style import framed

Runs = Mapping[str, Sequence[LatencyRecord]]


class Race(LivePanel):
    """A live race: every server gets the same arrivals, at the same moments.

    Args:
        servers: by mode, from the top.
        sentences: sent to `POST /correct` in turn.
        rate: slider of the arrival rate that each server gets.
        n: requests in a race.
        max_num_seqs: slider of the batch size of all servers; needs `configure`.
        configure: by mode, takes `max_num_seqs`.
        preview: records by mode to show before anything runs.
        title: the panel's headline.
        range_ms: what the latency axis spans, in milliseconds.
        seed: of the arrivals.
    """

    def __init__(
        self,
        servers: Mapping[str, Server],
        sentences: Sequence[str],
        *,
        rate: Range,
        n: int = 300,
        max_num_seqs: Range | None = None,
        configure: Mapping[str, Configure] | None = None,
        preview: Runs | None = None,
        title: str = "One arrival trace, side by side",
        range_ms: tuple[float, float] = LATENCY_RANGE_MS,
        seed: int = 0,
    ) -> None:
        configures = dict(configure or {})
        if max_num_seqs is not None and set(configures) != set(servers):
            raise ValueError("a slider for the servers needs `configure`, for every mode")
        self._sessions = {
            mode: Session({mode: server}, sentences, configure=configures, seed=seed)
            for mode, server in servers.items()
        }
        self._n = self._total = n
        self._ran = False
        self._preview = dict(preview or {})
        self._range_ms = range_ms
        ranges = {"rate": rate}
        ranges |= {"max_num_seqs": max_num_seqs} if max_num_seqs is not None else {}
        self.controls = Controls(ranges, [], self._on_change)
        self._view = RaceView(list(servers), n, range_ms)
        self._run = button("Run", "play", f"send {n} requests to each server", self._click_run)
        self._stop = button("Stop", "stop", "send no more", self.stop)
        self._notice = Notice()
        row = ipywidgets.HBox(
            [self._run, self._stop, self._notice.widget],
            layout=ipywidgets.Layout(align_items="center"),
        )
        root = framed(self.controls.widget, row, *self._view.parts, title=title)
        super().__init__(root, name="race", text=f"Live race: {title}")
        self._draw()

    @classmethod
    def replay(
        cls, runs: Runs, *, speed: float = 1.0, title: str = "The same load, mode by mode"
    ) -> Replay:
        """Return a panel that plays saved runs again, side by side; see `Replay`."""
        return Replay(runs, speed=speed, title=title)

    def run(self, *, n: int | None = None) -> None:
        """Start the race, as the button does, with `n` requests for each server.

        Raises RuntimeError outside of a notebook, or if a server does not run.
        """
        self.require_loop()
        self._ran, self._total = True, n or self._n
        try:
            for mode, session in self._sessions.items():
                session.start(self._setting(mode), n=self._total)
        except RuntimeError:  # those that have begun would run on unseen
            self.stop()
            raise
        self.wake()

    def stop(self) -> None:
        """Send no more requests; those in flight get a second to end."""
        self.halt()
        self.wake()

    def set(self, **values: float) -> None:
        """Move the sliders: `rate`, `max_num_seqs`."""
        self.controls.set(**values)

    async def settled(self, timeout_s: float = 120.0) -> dict[str, LoadResults]:
        """Wait until every server has answered. Raises TimeoutError."""
        await self.rest(timeout_s)
        if errors := [error for session in self._sessions.values() for error in session.errors]:
            raise RuntimeError("; ".join(errors))
        return self.results()

    def results(self) -> dict[str, LoadResults]:
        """Return what was measured, by mode."""
        return {
            mode: LoadResults(session.setting, session.all_records, session.counts)
            for mode, session in self._sessions.items()
        }

    def picture(self) -> Figure | None:
        """The curves as they are now; before there are any, the controls."""
        curves = [lane.curve for lane in self._lanes() if lane.records]
        if not curves:
            return super().picture()
        return stills.cdf_still(curves, range_ms=self._range_ms)

    def close(self) -> None:
        """End the race; see `LivePanel`."""
        super().close()
        for session in self._sessions.values():
            session.close()

    def frame(self) -> bool:
        """Draw one frame; see `LivePanel`."""
        for session in self._sessions.values():
            session.poll()
        self._draw()
        return any(session.busy for session in self._sessions.values())

    def halt(self) -> None:
        """End the race; see `LivePanel`."""
        for session in self._sessions.values():
            session.stop()

    def complain(self, words: str) -> None:
        """Say what went wrong beside the buttons."""
        self._notice.say(words, warning=True)

    def _click_run(self) -> None:
        try:
            self.run()
        except RuntimeError as error:
            self.complain(str(error))

    def _on_change(self, _: Setting) -> None:
        for mode, session in self._sessions.items():
            session.apply(self._setting(mode))
        self.wake()

    def _setting(self, mode: str) -> Setting:
        setting = self.controls.setting
        return Setting(mode=mode, rate=setting.rate, max_num_seqs=setting.max_num_seqs)

    def _lanes(self) -> list[Lane]:
        if not self._ran:
            return [
                Lane(mode, self._preview.get(mode, ()), 0, len(self._preview.get(mode, ())))
                for mode in self._sessions
            ]
        return [
            Lane(mode, session.all_records, session.counts.in_flight, self._total)
            for mode, session in self._sessions.items()
        ]

    def _draw(self) -> None:
        self._view.draw(self._lanes())
        running = any(session.running for session in self._sessions.values())
        self._run.disabled, self._stop.disabled = running, not running
        errors = [error for session in self._sessions.values() for error in session.errors]
        if errors:
            self._notice.say("; ".join(errors), warning=True)
        elif running:
            self._notice.say("Running: every server gets the same arrivals.")
        elif self._ran:
            counts = [session.counts for session in self._sessions.values()]
            refused, failed = sum(c.shed for c in counts), sum(c.failed for c in counts)
            lost = f" {refused} refused, {failed} failed." if refused + failed else ""
            whole = all(len(s.all_records) == self._total for s in self._sessions.values())
            self._notice.say(("Finished." if whole else "Stopped.") + lost)
        else:
            computed = "A computed race. Press Run for a measured one."
            self._notice.say(computed if self._preview else "Press Run to start the race.")


class Replay(LivePanel):
    """Saved runs played again, side by side. The first view is the finish.

    Args:
        runs: records by mode, each with its own clock that begins with the run.
        speed: seconds of the runs for each second of the replay; 1 is as fast as it was.
        title: the panel's headline.
    """

    def __init__(self, runs: Runs, *, speed: float = 1.0, title: str = "Replay") -> None:
        if not runs or not all(runs.values()):
            raise ValueError("a replay needs records for every mode")
        self._runs = {mode: list(records) for mode, records in runs.items()}
        self._totals = {mode: len(records) for mode, records in runs.items()}
        self._range_ms = spread_ms(runs)
        self._view = RaceView(list(runs), max(self._totals.values()), self._range_ms)
        finish = finish_of(runs)
        self.player = Player(
            0.0,
            finish,
            label="Time (s)",
            start=finish,
            duration_s=finish / speed,
            on_change=self.wake,
        )
        root = framed(self.player.widget, *self._view.parts, title=title)
        super().__init__(root, name="race", text=f"Replay: {title}")
        self._draw()

    def frame(self) -> bool:
        """Draw one frame; see `LivePanel`."""
        playing = self.player.advance()
        self._draw()
        return playing

    def complain(self, words: str) -> None:
        """There is no room for words; `rest` raises what went wrong."""

    def picture(self) -> Figure:
        """The finish."""
        lanes = lanes_at(self._runs, self.player.slider.max, self._totals)
        return stills.cdf_still([lane.curve for lane in lanes], range_ms=self._range_ms)

    def _draw(self) -> None:
        self._view.draw(lanes_at(self._runs, self.player.position, self._totals))

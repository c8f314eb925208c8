"""A load on one of several servers, steered while it runs: the part of a panel without widgets.

Its threads are those of `miniserve.loadtest.BackgroundLoad`. Everything here may be called from any
thread and returns at once, but for `close` (and `start`, which waits until the load has begun:
some milliseconds). Longer than most modules, because all that the threads
share is in here.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence

from miniserve.completion import EngineError
from miniserve.latency import LatencyRecord
from miniserve.loadtest import BackgroundLoad, Target
from miniserve.widgets.controls import Setting
from miniserve.widgets.results import UNFINISHED, Counts, LoadResults, outcome
from miniserve.widgets.servers import Configure, Server, url_of

TIMEOUT_S = 10.0
"""How long a request of a panel may take; longer ones count as failed."""

DRAIN_S = 1.0
"""How long Stop waits for requests in flight."""

SETTLE_S = 4.0
"""Longest wait for requests of the old setting before the curve of the new one begins."""

WINDOW = 2_000
"""The most requests that a live curve is drawn from, the newest ones."""


class Session:
    """One run after another on the servers of a panel.

    Args:
        servers: by mode.
        sentences: sent in turn.
        configure: by mode; called with a setting's `server_changes`.
        seed: of the arrivals; each run begins with the same ones.
        probe: a path that is read ten times a second while the load runs, to see whether the
            server's event loop is free.
    """

    def __init__(
        self,
        servers: Mapping[str, Server],
        sentences: Sequence[str],
        *,
        configure: Mapping[str, Configure],
        seed: int = 0,
        probe: str | None = None,
    ) -> None:
        self._servers = dict(servers)
        self._sentences = list(sentences)
        self._configure = dict(configure)
        self._seed = seed
        self._probe_path = probe
        self._lock = threading.Lock()
        self._load: BackgroundLoad | None = None
        self._probe: BackgroundLoad | None = None
        self._live: list[BackgroundLoad] = []
        self._stoppers: list[threading.Thread] = []
        self._errors: list[str] = []
        self._refused = ""
        self._counter: Counter[str] = Counter()
        self._since = 0.0
        self._changed_at: float | None = None
        self._old_left = 0
        self._n: int | None = None
        self._ends_at: float | None = None
        self._ended_at: float | None = None
        self._probe_ended_at: float | None = None
        self.setting = Setting()

    @property
    def running(self) -> bool:
        """Whether requests are being sent or awaited."""
        load = self._load
        return bool(self._live) and load is not None and load.running

    @property
    def busy(self) -> bool:
        """Whether a load runs, is about to be tidied up, or is being stopped."""
        return bool(self._live) or any(thread.is_alive() for thread in self._stoppers)

    def start(
        self, setting: Setting, *, n: int | None = None, seconds: float | None = None
    ) -> None:
        """Begin a run: for `n` requests, for so many seconds, or until `stop`.

        If the server does not take the setting, nothing is sent, and `errors` says why.

        Raises RuntimeError if a server has not been started.
        """
        url = url_of(self._servers[setting.mode])
        self.stop()
        self._errors = []
        self._counter = counter = Counter[str]()
        self._since, self._changed_at = 0.0, None
        self._n, self._ends_at = n, seconds
        self._ended_at = self._probe_ended_at = None
        self.setting = setting
        self._load = self._probe = None
        if not self._configure_server(setting):
            return
        self._load = BackgroundLoad(
            url,
            self._sentences,
            setting.rate,
            seed=self._seed,
            n=n,
            timeout_s=TIMEOUT_S,
            drain_s=DRAIN_S,
            keep=20_000,
            on_record=lambda record: self._count(counter, record),
        )
        loads = [self._load]
        if self._probe_path is not None:
            target = Target(url, self._probe_path, "GET", None)
            self._probe = BackgroundLoad(
                target, [""], 10.0, seed=1, timeout_s=TIMEOUT_S, drain_s=DRAIN_S, keep=400
            )
            loads.append(self._probe)
        for load in loads:
            load.start()
            self._live = [*self._live, load]  # not before: a frame would find it still, and stop it

    def apply(self, setting: Setting) -> None:
        """Act on the running load and on the server at once; the curve begins afresh.

        Between runs `setting` stays that of the run whose records are kept. If the server does not
        take the new setting, the load goes on under the old one, and `errors` says why. Another
        mode is another run, for as many requests or seconds as the first was to have.
        """
        taken = self._configure_server(setting)
        if not taken or not self.running or self._load is None:
            return
        if setting.mode != self.setting.mode:
            try:
                self.start(setting, n=self._n, seconds=self._ends_at)
            except RuntimeError as error:  # the load stays where it is
                self._refused = str(error)
        else:
            self.setting = setting
            with self._lock:
                self._changed_at = self._load.now()
                self._old_left = self._load.in_flight
            self._load.rate = setting.rate

    def poll(self) -> None:
        """Look at the clock: tidy up a run that is over, and begin the curve when it is time."""
        load = self._load
        if load is None or not self._live:
            return
        now = load.now()
        if not load.running or (self._ends_at is not None and now >= self._ends_at):
            self.stop()
        with self._lock:
            if self._changed_at is not None and (
                self._old_left <= 0 or now - self._changed_at > SETTLE_S
            ):
                self._since, self._changed_at = now, None

    def stop(self) -> None:
        """Send no more; what is in flight gets a moment to end. Returns at once."""
        loads, self._live = self._live, []
        load, probe = self._load, self._probe
        if load in loads and load is not None:
            self._ended_at = load.now()
        if probe in loads and probe is not None:
            self._probe_ended_at = probe.now()
        with self._lock:
            if self._changed_at is not None:
                self._since, self._changed_at = self._changed_at, None
        self._stoppers = [thread for thread in self._stoppers if thread.is_alive()]
        for load in loads:
            thread = threading.Thread(
                target=_end, args=(load, self._errors), name="miniserve-stop", daemon=True
            )
            self._stoppers.append(thread)
            thread.start()

    def close(self) -> None:
        """Stop, and wait until no thread and no socket is left."""
        self.stop()
        for thread in self._stoppers:
            thread.join(DRAIN_S + 10.0)

    def now(self) -> float:
        """Return the time on the clock of the records, in seconds; it stops with the load."""
        load, ended_at = self._load, self._ended_at
        if load is None:
            return 0.0
        return ended_at if ended_at is not None else load.now()

    @property
    def settling(self) -> int:
        """Requests of the setting before that are still on their way; 0 once the curve begins."""
        return 0 if self._changed_at is None else max(self._old_left, 1)

    @property
    def records(self) -> list[LatencyRecord]:
        """The ended requests that belong to the setting of now, the newest `WINDOW` of them."""
        load, since = self._load, self._since
        if load is None or self._changed_at is not None:
            return []
        newest = load.records[-2 * WINDOW :]
        kept = [r for r in newest if r.intended >= since and r.error != UNFINISHED]
        return kept[-WINDOW:]

    @property
    def all_records(self) -> list[LatencyRecord]:
        """All ended requests of the run, under whatever setting."""
        load = self._load
        return [] if load is None else load.records

    @property
    def counts(self) -> Counts:
        """Counts since the run began, whatever was changed on the way."""
        load = self._load
        in_flight = load.in_flight if load is not None else 0
        ended = dict(self._counter)
        return Counts(offered=sum(ended.values()) + in_flight, in_flight=in_flight, **ended)

    @property
    def results(self) -> LoadResults:
        """What was measured under the setting of now."""
        return LoadResults(self.setting, self.records, self.counts)

    @property
    def probed(self) -> list[tuple[float, float]]:
        """The probe's answers of late as (seconds ago, latency in seconds); it stops with the load.

        A probe that was still in flight when the load stopped is left out.
        """
        probe, end = self._probe, self._probe_ended_at
        if probe is None:
            return []
        now = probe.now() if end is None else end
        answered = [(now - r.done, r.latency) for r in probe.records if r.done is not None]
        return [(ago, took) for ago, took in answered if ago >= 0]

    @property
    def errors(self) -> list[str]:
        """What went wrong with the load itself, or with the setting of the server, in words."""
        return [self._refused, *self._errors] if self._refused else list(self._errors)

    def _count(self, counter: Counter[str], record: LatencyRecord) -> None:
        """Called in the load's thread as each request ends."""
        counter[outcome(record)] += 1
        with self._lock:
            if self._changed_at is not None and record.intended < self._changed_at:
                self._old_left -= 1

    def _configure_server(self, setting: Setting) -> bool:
        """Hand the setting to the server; return whether it took it, and keep in words why not."""
        self._refused = ""
        configure = self._configure.get(setting.mode)
        if configure is not None and setting.server_changes:
            try:
                configure(**setting.server_changes)
            except (EngineError, ValueError) as error:
                self._refused = f"The server did not take the setting: {error}"
        return not self._refused


def _end(load: BackgroundLoad, errors: list[str]) -> None:
    """Stop a load; what goes wrong is added to the errors of its own run, not of a later one."""
    try:
        load.stop()
    except Exception as error:
        errors.append(f"The load has ended: {type(error).__name__}: {error}")

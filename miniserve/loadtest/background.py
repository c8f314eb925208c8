"""An open loop in a thread of its own, beside a notebook, whose rate may change as it runs."""

import asyncio
import math
import threading
from collections import deque
from collections.abc import Sequence

from miniserve.latency import LatencyRecord
from miniserve.loadtest.arrivals import PoissonClock, check_rate
from miniserve.loadtest.client import LoadClient, OnRecord, Target

PATIENCE_S = 10.0
"""How long the thread may take to begin, and to end once its requests are through."""

NAP_S = 0.05
"""Longest wait between two looks at whether to stop, while the last requests end."""


class BackgroundLoad:
    """Poisson arrivals at `rate` per second (0: a pause) until `stop`, or for `n` requests.

    ::

        with BackgroundLoad(url, sentences, rate=20.0, seed=7) as load:
            ...
            load.rate = 40.0
            latencies(load.records)

    Sentences are taken in turn. The newest `keep` records are kept; their stamps are seconds since
    the start. `on_record` is called in the load's own thread; what it raises ends the load, and is
    raised again by `stop` and `join`, in an ExceptionGroup. `stop` gives requests in flight
    `drain_s`; what has not ended then is recorded as unfinished. Neither thread nor socket
    outlives `stop`.
    """

    def __init__(
        self,
        url: str | Target,
        sentences: Sequence[str],
        rate: float,
        *,
        seed: int = 0,
        n: int | None = None,
        timeout_s: float = 30.0,
        drain_s: float = 2.0,
        keep: int = 100_000,
        on_record: OnRecord | None = None,
    ) -> None:
        if not sentences:
            raise ValueError("a load needs at least one sentence")
        self._target = Target.of(url)
        self._contents = [self._target.content(sentence) for sentence in sentences]
        self._arrivals = PoissonClock(rate, seed)
        self._wanted_rate = rate
        self._n = n
        self._drain_s = drain_s
        self._on_record = on_record
        self._client = LoadClient(
            self._target,
            timeout_s=timeout_s,
            on_record=self._keep,
        )
        self._records: deque[LatencyRecord] = deque(maxlen=keep)
        # For the records and the loop's life; the rest are single assignments.
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._stopping = False
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="miniserve-load", daemon=True)

    @property
    def rate(self) -> float:
        """Requests per second from now on. Raises ValueError if set below 0."""
        return self._wanted_rate

    @rate.setter
    def rate(self, rate: float) -> None:
        self._wanted_rate = check_rate(rate)
        self._nudge()

    @property
    def records(self) -> list[LatencyRecord]:
        """A copy of the records so far, in the order in which the requests ended."""
        with self._lock:
            return list(self._records)

    @property
    def in_flight(self) -> int:
        """Requests sent and not yet ended."""
        return self._client.in_flight

    @property
    def running(self) -> bool:
        """Whether the thread is alive."""
        return self._thread.is_alive()

    def now(self) -> float:
        """Return the seconds since the start, on the clock of the records."""
        return self._client.now()

    def clear(self) -> None:
        """Forget the records so far, so that a figure can begin afresh."""
        with self._lock:
            self._records.clear()

    def start(self) -> "BackgroundLoad":
        """Start the thread, once. Returns the load itself; raises what kept it from beginning."""
        self._thread.start()
        if not self._ready.wait(PATIENCE_S):
            raise TimeoutError("the load's thread did not begin")
        if self._failure is not None:
            self.join(PATIENCE_S)
        return self

    def stop(self) -> None:
        """Stop sending, drain, and wait for the thread. May be called twice, or before `start`."""
        self._stopping = True
        self._nudge()
        if self._thread.ident not in (None, threading.get_ident()):  # on_record may call this too
            self.join(self._drain_s + PATIENCE_S)

    def join(self, timeout_s: float) -> None:
        """Wait for a load of `n` requests to end. Raises TimeoutError if it takes longer."""
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            raise TimeoutError(f"the load was still running after {timeout_s:g} s")
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def __enter__(self) -> "BackgroundLoad":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _nudge(self) -> None:
        """Wake the pacing loop to look at what has changed."""
        with self._lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._wake.set)

    def _keep(self, record: LatencyRecord) -> None:
        with self._lock:
            self._records.append(record)
        if self._on_record is not None:
            self._on_record(record)

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as failure:  # kept for the thread that calls stop or join
            self._failure = failure
        finally:
            self._ready.set()

    async def _main(self) -> None:
        async with self._client as client:
            with self._lock:
                self._loop = asyncio.get_running_loop()
            self._ready.set()
            try:
                await self._pace(client)
                # After `n` requests their own timeouts bound the wait, unless somebody stops it.
                while not (self._stopping or await client.settle(NAP_S)):
                    pass
            finally:
                with self._lock:  # nobody may nudge a loop that is about to close
                    self._loop = None
            await client.drain(self._drain_s)

    async def _pace(self, client: LoadClient) -> None:
        loop = asyncio.get_running_loop()
        arrivals, index = self._arrivals, 0
        while not self._stopping and (self._n is None or index < self._n):
            self._wake.clear()
            now = client.now()
            if arrivals.rate != self._wanted_rate:  # first, or one that is behind never hears of it
                arrivals.change_rate(self._wanted_rate, min(now, arrivals.due))
            if arrivals.due <= now:
                content = self._contents[index % len(self._contents)]
                client.launch(index, arrivals.advance(), content)
                index += 1
                await asyncio.sleep(0)  # even a generator that is late lets its requests go out
                continue
            alarm = None
            if math.isfinite(arrivals.due):
                alarm = loop.call_later(arrivals.due - now, self._wake.set)
            await self._wake.wait()
            if alarm is not None:
                alarm.cancel()

"""Somebody else's engine as a client: any server that speaks OpenAI's `/v1/completions`.

vLLM, llama.cpp's server, TGI and others do. Routes, limits, drain and metrics stay miniserve's;
only the generation happens elsewhere, on as many machines as that engine knows how to use. What is
added here is what a network needs: a bounded number of connections, a retry where nothing was
generated, a circuit breaker, and a look at the engine every second, so that `/readyz` tells the
truth.

Found with real engines (`tests/engines`): llama.cpp's server has few HTTP threads and each
connection keeps one, so give it `--threads-http` as many as requests may be in flight, or the rest
waits however idle its slots are. Both llama.cpp and vLLM read special tokens in a prompt as such:
a user's `</s>` is text to the engine in here, and the end of the text to those.
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
import time
from collections.abc import Mapping
from typing import Any

import httpx

from miniserve.breaker import CircuitBreaker
from miniserve.client import (
    EngineClient,
    EngineState,
    EngineStatus,
    EngineUnavailable,
    QueueFull,
    StepFailed,
    as_retry_after,
)
from miniserve.completion import (
    Completion,
    FinishReason,
    PromptTooLong,
    Timing,
    check_max_tokens,
)

logger = logging.getLogger(__name__)

_CONNECT_TIMEOUT_S = 3.0
_WATCH_EVERY_S = 1.0
_ATTEMPTS = 2
_RETRY_PAUSE_S = 0.1

#: Idle connections are given up before the engine does it (after 5 s: llama.cpp's server, and vLLM
#: by way of uvicorn): a request that meets a closing connection is lost. A server with a thread
#: for each connection gets its thread back, too.
_KEEP_ALIVE_S = 2.0

#: A caller that leaves after this share of the longest wait has waited in vain.
_PATIENCE = 0.95

#: How long the word of an answer counts. A busy engine may not get round to telling its models.
_HEARD_FOR_S = 10.0
#: For how long a refusal is likely to last.
_REFUSED_FOR_S = 60

#: A proxy in the next room knows no engine on this host.
_WITHOUT_PROXY: Mapping[str, None] = {
    f"all://{host}": None for host in ("127.0.0.1", "localhost", "[::1]")
}
_MOST_TOKENS = 2**31
# How engines say it; TGI's words are "`inputs` tokens + `max_new_tokens` must be <= …".
_TOO_LONG = re.compile(r"context[ _](?:length|size|window)|into the context|must be <=", re.I)
_MOST_NAMED = 5  # models, in a reason: a gateway may have hundreds
_FINISH_REASONS: dict[str, FinishReason] = {"stop": "stop", "length": "length"}


class RemoteClient(EngineClient):
    """Completions from an OpenAI-compatible server.

    Args:
        url: the API's base, such as `http://127.0.0.1:8001/v1`.
        model: the model's name over there.
        max_in_flight: requests (and connections) at a time; the next one gets `QueueFull`.
        timeout_s: longest wait for the next bytes of an answer; for the whole of it, the caller's.
        api_key: sent as a bearer token.
        breaker: default: one that opens after five failures in a row, for two seconds.
        transport: for tests.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        max_in_flight: int = 272,
        timeout_s: float = 30.0,
        api_key: str | None = None,
        breaker: CircuitBreaker | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        self._model = model
        self._max_in_flight = max_in_flight
        self._timeout_s = timeout_s
        self._in_flight: set[asyncio.Task[httpx.Response]] = set()
        self._breaker = breaker or CircuitBreaker()
        limits = httpx.Limits(
            max_connections=max_in_flight + 1,
            max_keepalive_connections=max_in_flight,
            keepalive_expiry=_KEEP_ALIVE_S,
        )
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(timeout_s, connect=_CONNECT_TIMEOUT_S),
            limits=limits,
            headers={"Authorization": f"Bearer {api_key}"} if api_key else None,
            transport=transport,
            mounts=_WITHOUT_PROXY,
        )
        self._state, self._reason = EngineState.STARTING, "The engine has not been asked yet."
        self._refusal: str | None = None
        self._heard = -math.inf  # when the engine last answered a request; time.monotonic
        self._watcher: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Look at the engine every second until it is there; then go on watching it.

        It may be started after miniserve, and take its time: that is no failure.
        """
        await self._look()
        while self._state is EngineState.FAILED:
            await asyncio.sleep(_WATCH_EVERY_S)
            await self._look()
        if self._stopped:
            raise EngineUnavailable(self._reason)
        self._watcher = asyncio.create_task(self._watch(), name="watch the engine")

    async def stop(self) -> None:
        """Cancel what is in flight, and close the connections."""
        self._state, self._reason = EngineState.STOPPED, "The engine's client has been stopped."
        tasks = [*self._in_flight, *([self._watcher] if self._watcher else [])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CONNECT_TIMEOUT_S)
        await self._http.aclose()

    async def generate(self, prompt: str, *, max_tokens: int, request_id: str) -> Completion:
        """See `EngineClient.generate`; a cancelled await closes its connection."""
        if self._stopped:
            raise EngineUnavailable(self._reason)
        check_max_tokens(max_tokens)
        if len(self._in_flight) >= self._max_in_flight:
            raise QueueFull(retry_after_s=1)
        self._breaker.check()
        body = {
            "model": self._model,
            "prompt": prompt,
            "max_tokens": max_tokens,
            "temperature": 0,
        }
        start = time.perf_counter()
        task = asyncio.create_task(self._post(body, request_id), name=f"generate {request_id}")
        self._in_flight.add(task)
        try:
            response = await task
        except asyncio.CancelledError:
            if self._stopped and task.cancelled():
                raise EngineUnavailable(self._reason) from None
            task.cancel()
            if time.perf_counter() - start >= _PATIENCE * self._timeout_s:
                self._breaker.failed()  # the caller's own timeout: it did not answer in time
            raise
        except httpx.HTTPError as error:
            self._breaker.failed()
            name = type(error).__name__
            raise EngineUnavailable(f"The engine did not answer: {name}.") from error
        finally:
            self._in_flight.discard(task)
        if response.status_code < 500:
            self._heard = time.monotonic()
        return self._read(response, time.perf_counter() - start)

    def status(self) -> EngineStatus:
        """See `EngineClient.status`: what the last look at the engine showed.

        An engine that lists its models and fails every request is not ready either.
        """
        state, reason, retry_after_s = self._state, self._reason, 1
        refusal = self._breaker.refusal
        if state is EngineState.READY and refusal is not None:
            state, reason = EngineState.FAILED, str(refusal)
            retry_after_s = refusal.retry_after_s
        return EngineStatus(state, reason, len(self._in_flight), retry_after_s=retry_after_s)

    @property
    def _stopped(self) -> bool:
        return self._state is EngineState.STOPPED

    async def _post(self, body: dict[str, Any], request_id: str) -> httpx.Response:
        """Send; once more if no connection came about, because then nothing was generated."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return await self._http.post(
                    f"{self._url}/completions", json=body, headers={"X-Request-ID": request_id}
                )
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if attempt == _ATTEMPTS:
                    raise
                await asyncio.sleep(_RETRY_PAUSE_S)
        raise AssertionError("unreachable")

    def _read(self, response: httpx.Response, elapsed_s: float) -> Completion:
        """Turn an answer into a completion, or into the error that it means."""
        status = response.status_code
        if status == 429:  # the engine is well, and has too much to do
            self._breaker.succeeded()
        if status in (429, 503):  # of a 503 that cannot be said: it may load, or be gone
            raise QueueFull(_retry_after_s(response))
        if status >= 500:
            self._breaker.failed()
            raise EngineUnavailable(f"The engine answered with status {status}.")
        self._breaker.succeeded()
        if status >= 400:
            words = response.content.decode(errors="replace")  # whatever charset it claims
            if status in (400, 413, 422) and _TOO_LONG.search(words):
                raise PromptTooLong("The engine says that the prompt is too long for it.")
            # A key, a path or a setting is wrong, until somebody mends it.
            if words != self._refusal:  # one line, however often it says the same
                self._refusal = words
                logger.warning("The engine refuses: status %d: %.200r", status, words)
            raise EngineUnavailable(f"The engine refuses: status {status}.", _REFUSED_FOR_S)
        try:
            return _completion(response, elapsed_s)
        except Exception as error:  # what somebody else's server sends may go wrong in any way
            raise StepFailed(f"The engine's answer is not a completion: {error}") from error

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_EVERY_S)
            await self._look()

    async def _look(self) -> None:
        """Ask for the list of models, and take what comes of it as the engine's state."""
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):  # httpx's is for each read
                response = await self._http.get(f"{self._url}/models")
            response.raise_for_status()
            models = [_text(entry["id"]) for entry in response.json()["data"]]
        except Exception as error:  # whatever it is: nobody would notice that the watch has ended
            heard = time.monotonic() - self._heard <= _HEARD_FOR_S
            if isinstance(error, httpx.TimeoutException | TimeoutError) and heard:
                return  # it is busy, not gone: others get their answers
            self._note(EngineState.FAILED, f"The engine cannot be asked: {_why(error)}.")
            return
        if self._model not in models:
            known = ", ".join(models[:_MOST_NAMED]) or "none"
            if len(models) > _MOST_NAMED:
                known += f" and {len(models) - _MOST_NAMED} more"
            reason = f"The engine has no model {self._model!r}, but: {known}."
            self._note(EngineState.FAILED, reason)
            return
        self._note(EngineState.READY, "")

    def _note(self, state: EngineState, reason: str) -> None:
        if self._stopped:
            return
        if reason != self._reason:
            level = logging.INFO if state is EngineState.READY else logging.WARNING
            logger.log(level, "%s", reason or "The engine is ready.")
        self._state, self._reason = state, reason


def _completion(response: httpx.Response, elapsed_s: float) -> Completion:
    """Read a completion; raises anything if it is none."""
    if response.status_code != 200:
        raise ValueError(f"status {response.status_code}")
    content = response.json()
    choice, usage = content["choices"][0], content.get("usage") or {}
    return Completion(
        text=_text(choice["text"]),
        finish_reason=_finish_reason(choice["finish_reason"]),
        num_prompt_tokens=_count(usage.get("prompt_tokens", 0)),
        num_output_tokens=_count(usage.get("completion_tokens", 0)),
        timing=Timing(queue_s=0.0, prefill_s=0.0, decode_s=elapsed_s),
    )


def _text(value: Any) -> str:
    """A text that can be sent on; JSON can write half a character, which UTF-8 cannot."""
    if not isinstance(value, str):
        raise TypeError(f"a text is a {type(value).__name__}")
    value.encode()
    return value


def _finish_reason(value: Any) -> FinishReason:
    """Why a text ended. What a content filter cut off, say, is not what was asked for."""
    if value not in _FINISH_REASONS:
        raise ValueError(f"its finish reason is {str(value)[:40]!r}")
    return _FINISH_REASONS[value]


def _count(value: Any) -> int:
    """A number of tokens, as they are counted and added up here."""
    count = int(value)
    if not 0 <= count <= _MOST_TOKENS:
        raise ValueError("a number of tokens cannot be")
    return count


def _retry_after_s(response: httpx.Response) -> int:
    """What the engine's own Retry-After comes to; 1 if it names no number of seconds."""
    value = response.headers.get("retry-after", "")
    return as_retry_after(int(value[:9])) if value.isdecimal() else 1


def _why(error: Exception) -> str:
    """What is wrong with an answer, in two words; while it loads, llama.cpp's server says 503."""
    if isinstance(error, httpx.HTTPStatusError):
        return f"status {error.response.status_code}"
    return type(error).__name__

"""Checks of chapter 01: a readiness probe, and a service built by the learner."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from fastapi import FastAPI

from miniserve.checks.apps import visit
from miniserve.checks.cases import Case, Report, check_cases
from miniserve.tutor import Correction, check_sentence

Readiness = Callable[[bool, bool, str | None], tuple[int, str]]


def check_readiness(readiness: Readiness) -> Report:
    """What `/readyz` says in each state of a server that starts."""

    def case(loaded: bool, warmed_up: bool, error: str | None, expected: tuple[int, str]) -> Case:
        name = f"loaded={loaded}, warmed_up={warmed_up}, error={error!r}"
        return Case(name, lambda learner: learner(loaded, warmed_up, error), expected)

    return check_cases(
        "readiness",
        readiness,
        [
            case(False, False, None, (503, "loading")),
            case(True, False, None, (503, "warming up")),
            case(True, True, None, (200, "ready")),
            case(False, False, "no such file", (503, "failed: no such file")),
            case(True, False, "bad shape", (503, "failed: bad shape")),
            case(True, True, "out of memory", (503, "failed: out of memory")),
            case(True, True, "", (503, "failed: ")),  # as of `str(MemoryError())`
        ],
    )


class _FakeTutor:
    """Keeps the rules of the real one, and answers without a model."""

    def correct(self, sentence: str) -> Correction:
        return Correction(check_sentence(sentence).replace("goed", "went"), "A fake explanation.")


class _BrokenTutor:
    """Fails whatever it is asked."""

    def correct(self, sentence: str) -> Correction:
        raise RuntimeError("the tutor is broken")


def check_service(build: Callable[[Any], FastAPI]) -> Report:
    """The learner's own app, called with good and bad sentences."""

    def posting(body: object, *, broken: bool = False) -> Callable[[Any], Awaitable[Any]]:
        async def post(client: httpx.AsyncClient) -> tuple[int, str]:
            answer = await client.post("/correct", json=body)
            return answer.status_code, answer.text

        async def run(learner: Callable[[Any], FastAPI]) -> Any:
            app = learner(_BrokenTutor() if broken else _FakeTutor())
            return await visit(app, post, raising=not broken)

        return run

    secret = "never repeat me " * 20  # too long: 320 characters
    return check_cases(
        "your own service",
        build,
        [
            Case(
                "a good sentence",
                posting({"sentence": "He goed home"}),
                lambda got: (
                    got[0] == 200 and '"corrected":"He went home"' in got[1].replace(": ", ":")
                ),
                "status 200 and the corrected sentence",
            ),
            Case(
                "the explanation",
                posting({"sentence": "He goed home"}),
                lambda got: "A fake explanation." in got[1],
                "the tutor's explanation in the body",
            ),
            Case("an empty sentence", posting({"sentence": "  "}), _is_422, "status 422"),
            Case("a body without a sentence", posting({"phrase": "x"}), _is_422, "status 422"),
            Case(
                "a sentence that is too long",
                posting({"sentence": secret}),
                lambda got: got[0] == 422 and "never repeat me" not in got[1],
                "status 422 and a body that does not repeat the sentence",
            ),
            Case(
                "a good sentence, but the tutor raises RuntimeError",
                posting({"sentence": "He goed home"}, broken=True),
                lambda got: got[0] >= 500,
                "status 500 (the client can do nothing about it; only a SentenceError is a 422)",
            ),
        ],
    )


def _is_422(got: tuple[int, str]) -> bool:
    return got[0] == 422

"""Checks of chapter 00: the wait in a line, and the first calls over HTTP."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

from fastapi import FastAPI, Request, Response
from starlette.middleware.base import RequestResponseEndpoint

from miniserve.background import BackgroundServer
from miniserve.checks.cases import Case, Report, Unfit, check_cases, is_real, shown

AverageWait = Callable[[int, float], float]
CorrectAll = Callable[[str, list[str]], list[str | None]]


def check_average_wait(average_wait: AverageWait) -> Report:
    """The average wait of `n` requests that arrive together and are served one by one."""

    def case(n: int, service_s: float, expected: float) -> Case:
        return Case(
            f"n = {n}, service_s = {service_s:g}",
            lambda learner: learner(n, service_s),
            lambda got: is_real(got) and math.isclose(got, expected, rel_tol=1e-6),  # of float32
            f"{expected:g}",
        )

    cases = [case(1, 0.5, 0.5), case(2, 1.0, 1.5), case(20, 1.0, 10.5), case(1000, 0.02, 10.01)]
    return check_cases("average wait", average_wait, cases)


def check_correct_all(correct_all: CorrectAll) -> Report:
    """Several corrections over HTTP, refusals included, from a server that answers in capitals."""
    seen: list[str] = []
    server = BackgroundServer(_shouting_app(seen))

    def case(name: str, sentences: list[str], expected: list[str | None]) -> Case:
        def run(learner: CorrectAll) -> object:
            seen.clear()
            try:
                got: object = learner(server.url, sentences)
            except Exception as error:
                if seen:
                    error.add_note(_told(seen))
                raise
            if got is ... or got == expected or not seen:
                return got
            raise Unfit(f"got ({_told(seen)}) {shown(got)}")

        return Case(name, run, expected)

    with server:
        return check_cases(
            "correct all",
            correct_all,
            [
                case("no sentence at all", [], []),
                case("two sentences", ["one", "two"], ["ONE", "TWO"]),
                case("one of them refused", ["one", "", "three"], ["ONE", None, "THREE"]),
            ],
        )


def _told(seen: list[str]) -> str:
    """What came to the server, the same only once: a hint at why the answer is wrong."""
    counts = Counter(seen).items()
    return "the server saw: " + "; ".join(
        f"{what}, {times} times" if times > 1 else what for what, times in counts
    )


def _shouting_app(seen: list[str]) -> FastAPI:
    """An app that answers in capitals and writes down what it was asked."""
    app = FastAPI()

    @app.middleware("http")
    async def note(request: Request, call_next: RequestResponseEndpoint) -> Response:
        response = await call_next(request)
        seen.append(f"{request.method} {request.url.path}, answered with {response.status_code}")
        return response

    @app.post("/correct")
    async def correct(body: dict[str, str], response: Response) -> dict[str, str]:
        if not body.get("sentence"):
            response.status_code = 422
            return {"detail": "The sentence is empty."}
        return {"corrected": body["sentence"].upper(), "explanation": "Louder."}

    return app

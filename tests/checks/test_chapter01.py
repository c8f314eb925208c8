from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel

from miniserve.checks import Verdict, chapter01
from miniserve.tutor import SentenceError


class Sentence(BaseModel):
    sentence: str


def stub(*_: Any) -> Any:
    raise NotImplementedError


def right_readiness(loaded: bool, warmed_up: bool, error: str | None) -> tuple[int, str]:
    if error is not None:
        return 503, f"failed: {error}"
    if not loaded:
        return 503, "loading"
    return (200, "ready") if warmed_up else (503, "warming up")


def service(*, status: int, echo: bool, mended: type[Exception] = SentenceError) -> Any:
    def build(tutor: Any) -> FastAPI:
        app = FastAPI()

        @app.post("/correct")
        def correct(body: Sentence) -> dict[str, str]:
            try:
                correction = tutor.correct(body.sentence)
            except mended as error:
                detail = body.sentence if echo else str(error)
                raise HTTPException(status_code=status, detail=detail) from error
            return {"corrected": correction.corrected, "explanation": correction.explanation}

        return app

    return build


def careless(tutor: Any) -> FastAPI:
    app = FastAPI()

    @app.post("/correct")
    def correct(body: Sentence) -> dict[str, str]:
        correction = tutor.correct(body.sentence)
        return {"corrected": correction.corrected, "explanation": correction.explanation}

    return app


def test_readiness() -> None:
    assert chapter01.check_readiness(right_readiness).passed
    assert chapter01.check_readiness(stub).verdict is Verdict.NOT_STARTED
    wrong = chapter01.check_readiness(lambda loaded, warm, error: (200, "ready"))
    assert wrong.verdict is Verdict.WRONG
    assert "expected (503, 'loading'), got (200, 'ready')" in wrong.detail


def test_an_error_without_words_is_an_error_too() -> None:
    def by_truth(loaded: bool, warmed_up: bool, error: str | None) -> tuple[int, str]:
        return right_readiness(loaded, warmed_up, error or None)

    wrong = chapter01.check_readiness(by_truth)
    assert "error='': expected (503, 'failed: '), got (200, 'ready')" in wrong.detail


def test_service() -> None:
    assert chapter01.check_service(service(status=422, echo=False)).passed
    assert chapter01.check_service(stub).verdict is Verdict.NOT_STARTED


@pytest.mark.parametrize(
    "wrong", [careless, service(status=400, echo=False), service(status=422, echo=True)]
)
def test_service_wrong(wrong: Any) -> None:
    assert chapter01.check_service(wrong).verdict is Verdict.WRONG


def test_service_says_why() -> None:
    nothing: Any = lambda tutor: None  # noqa: E731
    assert "no FastAPI app, but None" in chapter01.check_service(nothing).detail
    assert "it raised SentenceError" in chapter01.check_service(careless).detail


def test_a_tutor_that_breaks_is_not_the_clients_mistake() -> None:
    report = chapter01.check_service(service(status=422, echo=False, mended=Exception))
    assert report.verdict is Verdict.WRONG
    assert "the tutor raises RuntimeError: expected status 500" in report.detail


@pytest.mark.parametrize("yielded", [False, True])
def test_service_with_a_lifespan(yielded: bool) -> None:
    """What is set up before the first request is there, in the app's state or the request's."""
    ended = []

    def build(tutor: Any) -> FastAPI:
        @asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
            app.state.tutor = tutor
            yield {"tutor": tutor}
            ended.append(app)

        app = FastAPI(lifespan=lifespan)

        @app.post("/correct")
        async def correct(body: Sentence, request: Request) -> dict[str, str]:
            state = request.state if yielded else request.app.state
            try:
                correction = state.tutor.correct(body.sentence)
            except SentenceError as error:
                raise HTTPException(status_code=422, detail=str(error)) from error
            return {"corrected": correction.corrected, "explanation": correction.explanation}

        return app

    report = chapter01.check_service(build)
    assert report.passed, report
    assert len(ended) == 6  # after the error of the last case, too

"""The pages behind the gate: correct a sentence, see the history; for admins, all accounts.

Plain forms and links, no JavaScript. A form that worked answers 303, so that reloading the next
page sends nothing twice; only the one that makes an account answers with a page, which tells a
password once.
"""

from __future__ import annotations

import sqlite3
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from miniserve import problems
from miniserve.app import admitted_client, correct_in_time
from miniserve.client import EngineClient
from miniserve.completion import PromptTooLong
from miniserve.middleware.injection import find_injection
from miniserve.portal import accounts, exercises
from miniserve.portal.accounts import BadName, NameTaken, Student
from miniserve.portal.auth import (
    ADMIN_PROBLEMS,
    NOT_SIGNED_IN,
    STUDENT_PROBLEMS,
    CurrentAdmin,
    CurrentStudent,
    DbSession,
    Refused,
)
from miniserve.portal.database import DATABASE_BUSY
from miniserve.portal.hashing import in_turn
from miniserve.portal.html import FormField, page
from miniserve.problems import UNAVAILABLE
from miniserve.tutor import AnswerError, SentenceError, check_sentence


def pages_router() -> APIRouter:
    """The routes of these pages."""
    router = APIRouter(tags=["pages"], default_response_class=HTMLResponse)

    @router.get(
        "/", summary="Correct a sentence", responses=problems.responses(STUDENT_PROBLEMS[:2])
    )
    def home(request: Request, student: CurrentStudent, db: DbSession) -> Response:
        return _home(request, student, db)

    @router.post(
        "/exercises",
        summary="Correct a sentence and write it into the history",
        responses=problems.responses(
            [*STUDENT_PROBLEMS, *problems.CORRECT_PROBLEMS, DATABASE_BUSY]
        ),
    )
    async def exercise(
        request: Request,
        student: CurrentStudent,
        db: DbSession,
        client: Annotated[EngineClient, Depends(admitted_client)],
        sentence: FormField = "",
    ) -> Response:
        try:
            checked = check_sentence(sentence)
        except SentenceError as broken:
            return await run_in_threadpool(_home, request, student, db, sentence, str(broken))
        if (found := find_injection(checked)) is not None:
            return await run_in_threadpool(_home, request, student, db, sentence, found.message)
        try:
            correction, _ = await correct_in_time(request, client, checked)
        except (AnswerError, PromptTooLong) as error:  # the learner may change some words
            return await run_in_threadpool(_home, request, student, db, sentence, str(error))
        if not await run_in_threadpool(exercises.add, db, student, checked, correction):
            raise Refused(NOT_SIGNED_IN)
        return RedirectResponse("/", 303)

    @router.get("/admin", summary="All accounts", responses=problems.responses(ADMIN_PROBLEMS))
    def admin_page(request: Request, student: CurrentAdmin, db: DbSession) -> Response:
        return _admin(request, student, db)

    @router.post(
        "/admin",
        summary="Make an account",
        responses=problems.responses([*ADMIN_PROBLEMS, DATABASE_BUSY, UNAVAILABLE]),
    )
    async def admin_sent(
        request: Request, student: CurrentAdmin, db: DbSession, name: FormField = ""
    ) -> Response:
        password = accounts.one_time_password()
        try:
            made = await in_turn(request, accounts.create, db, name, password)
        except (BadName, NameTaken) as error:
            return await run_in_threadpool(_admin, request, student, db, error=str(error))
        return await run_in_threadpool(_admin, request, student, db, made=made, password=password)

    return router


def _home(
    request: Request, student: Student, db: sqlite3.Connection, sentence: str = "", error: str = ""
) -> HTMLResponse:
    return page(
        request,
        "home.html",
        student,
        status=422 if error else 200,
        sentence=sentence,
        error=error,
        history=exercises.history(db, student),
    )


def _admin(
    request: Request,
    student: Student,
    db: sqlite3.Connection,
    *,
    made: Student | None = None,
    password: str = "",
    error: str = "",
) -> HTMLResponse:
    return page(
        request,
        "admin.html",
        student,
        status=422 if error else 201 if made else 200,
        students=exercises.counts(db),
        made=made,
        password=password,
        error=error,
    )

"""Who asks, and may they? Dependencies for the routes: the gate is in the route's own signature."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from typing import Annotated

from fastapi import Depends, Header, Request, Security
from fastapi.responses import Response
from fastapi.security import APIKeyCookie

from miniserve.portal import accounts
from miniserve.portal.accounts import Student
from miniserve.portal.csrf import CSRF_FAILED, HEADER
from miniserve.portal.database import DATABASE_BUSY, DatabaseBusy
from miniserve.portal.sessions import COOKIE
from miniserve.problems import Problem

NOT_SIGNED_IN = Problem("not-signed-in", 401, "Not signed in", "Please sign in first.")
NOT_ALLOWED = Problem("not-allowed", 403, "Not allowed", "This is for admins.")
ONE_TIME_PASSWORD = Problem(
    "one-time-password",
    403,
    "The password must be changed",
    "Please choose a password of your own first.",
)

#: What a route may answer with that has `require_student` or `require_admin`.
STUDENT_PROBLEMS = (NOT_SIGNED_IN, ONE_TIME_PASSWORD, CSRF_FAILED)
ADMIN_PROBLEMS = (*STUDENT_PROBLEMS, NOT_ALLOWED)

session_cookie = APIKeyCookie(
    name=COOKIE,
    scheme_name="session",
    description="The signed cookie that `POST /sign-in` sets.",
    auto_error=False,  # the layer for sessions reads the cookie; this only documents it
)

#: Documents what the layer for CSRF asks for.
CsrfHeader = Annotated[
    str, Header(alias=HEADER, description="The `csrf_token` that `GET /session` gives.")
]


class Refused(Exception):
    """A request that ends with a problem."""

    def __init__(
        self, problem: Problem, detail: str = "", *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail or problem.detail)
        self.problem = problem
        self.headers = headers


def on_refused(request: Request, error: Exception) -> Response:
    """The answer to a request that was refused."""
    assert isinstance(error, Refused)
    return error.problem.response(str(error), headers=error.headers)


def get_db_session(request: Request) -> Iterator[sqlite3.Connection]:
    """A connection for this request: committed if the route returns, rolled back if it raises.

    Raises:
        Refused: another program keeps the database locked.
    """
    try:
        with request.app.state.portal.database.session() as connection:
            yield connection
    except DatabaseBusy as busy:
        raise Refused(DATABASE_BUSY, headers={"Retry-After": "1"}) from busy


#: Scope "function": the commit comes before the answer. By default it would come after, and a
#: browser that follows a redirect at once could miss what it has just written.
DbSession = Annotated[sqlite3.Connection, Depends(get_db_session, scope="function")]


def begin_session(request: Request, student: Student) -> None:
    """Begin a session. What was in the cookie before is forgotten, the CSRF token included."""
    request.session.clear()
    request.session.update(student_id=student.id, epoch=student.session_epoch)


def signed_in(request: Request, db: DbSession) -> Student | None:
    """The account whose session this is; None if there is none, or it has been ended."""
    student = accounts.by_id(db, request.session.get("student_id", 0))
    if student is None or student.session_epoch != request.session.get("epoch"):
        return None
    return student


def require_account(
    student: Annotated[Student | None, Depends(signed_in)],
    _: Annotated[str | None, Security(session_cookie)],
) -> Student:
    """Whoever is signed in, be it with a one-time password.

    Raises:
        Refused: nobody is.
    """
    if student is None:
        raise Refused(NOT_SIGNED_IN)
    return student


def require_student(student: Annotated[Student, Depends(require_account)]) -> Student:
    """An account that is signed in and has a password of its own.

    Raises:
        Refused: nobody is, or the one-time password has not been changed.
    """
    if student.must_change_password:
        raise Refused(ONE_TIME_PASSWORD)
    return student


def require_admin(student: Annotated[Student, Depends(require_student)]) -> Student:
    """An admin; raises what `require_student` raises, and `Refused` for a student."""
    if not student.is_admin:
        raise Refused(NOT_ALLOWED)
    return student


CurrentAccount = Annotated[Student, Depends(require_account)]
CurrentStudent = Annotated[Student, Depends(require_student)]
CurrentAdmin = Annotated[Student, Depends(require_admin)]

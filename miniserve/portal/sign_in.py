"""The pages in front of the gate: sign in and out, change the password."""

from __future__ import annotations

import math
import sqlite3

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from miniserve import problems
from miniserve.middleware.rate_limit import RATE_LIMITED, client_key
from miniserve.portal import accounts
from miniserve.portal.accounts import Student, WeakPassword
from miniserve.portal.auth import (
    NOT_SIGNED_IN,
    CurrentAccount,
    DbSession,
    Refused,
    begin_session,
)
from miniserve.portal.csrf import CSRF_FAILED
from miniserve.portal.database import DATABASE_BUSY
from miniserve.portal.hashing import in_turn
from miniserve.portal.html import FormField, page
from miniserve.problems import UNAVAILABLE


def sign_in_router() -> APIRouter:
    """The routes of these pages."""
    router = APIRouter(tags=["pages"], default_response_class=HTMLResponse)

    @router.get("/sign-in", summary="The form to sign in")
    def sign_in_form(request: Request) -> Response:
        return page(request, "sign_in.html", None, error="", name="")

    @router.post(
        "/sign-in",
        summary="Sign in",
        responses=problems.responses([CSRF_FAILED, RATE_LIMITED, UNAVAILABLE]),
    )
    async def sign_in_sent(
        request: Request, db: DbSession, name: FormField = "", password: FormField = ""
    ) -> Response:
        _count_try(request, name)
        student = await in_turn(request, accounts.authenticate, db, name, password)
        if student is None:
            error = "No account has this name and password."
            return page(request, "sign_in.html", None, status=401, error=error, name=name)
        begin_session(request, student)
        return RedirectResponse("/password" if student.must_change_password else "/", 303)

    @router.post(
        "/sign-out",
        summary="Sign out, everywhere",
        responses=problems.responses([NOT_SIGNED_IN, CSRF_FAILED, DATABASE_BUSY]),
    )
    def sign_out(request: Request, student: CurrentAccount, db: DbSession) -> Response:
        accounts.end_sessions(db, student)
        request.session.clear()
        return RedirectResponse("/sign-in", 303)

    @router.get(
        "/password",
        summary="The form to change the password",
        responses=problems.responses([NOT_SIGNED_IN]),
    )
    def password_form(request: Request, student: CurrentAccount) -> Response:
        return page(request, "password.html", student, error="")

    @router.post(
        "/password",
        summary="Change the password",
        responses=problems.responses(
            [NOT_SIGNED_IN, CSRF_FAILED, RATE_LIMITED, UNAVAILABLE, DATABASE_BUSY]
        ),
    )
    async def password_sent(
        request: Request,
        student: CurrentAccount,
        db: DbSession,
        old: FormField = "",
        new: FormField = "",
    ) -> Response:
        _count_try(request, student.name)  # a stolen session must not find out the password
        changed = await in_turn(request, _change_password, db, student, old, new)
        if isinstance(changed, str):
            return page(request, "password.html", student, status=422, error=changed)
        begin_session(request, changed)
        return RedirectResponse("/", 303)

    return router


def _change_password(db: sqlite3.Connection, student: Student, old: str, new: str) -> Student | str:
    """Change a password: the account as it is then, or what is wrong."""
    if accounts.authenticate(db, student.name, old) is None:
        return "The present password is another one."
    if old == new:
        return "The new password is the old one."
    try:
        accounts.set_password(db, student, new)
    except WeakPassword as weak:
        return str(weak)
    changed = accounts.by_id(db, student.id)
    assert changed is not None
    return changed


def _count_try(request: Request, name: str) -> None:
    """Count one try of the password of the account `name`, by whoever sends this request.

    There is a bound on the tries of one name, and a wider one on those of one address, which a
    whole class may share: else one password could be tried on all names.

    Raises:
        Refused: there were too many of late.
    """
    portal, address = request.app.state.portal, client_key(request.scope)
    name = name[: accounts.MAX_NAME_LENGTH + 1].lower()
    wait_s = max(portal.address_tries.take(address), portal.sign_in_tries.take(f"{address} {name}"))
    if wait_s > 0.0:
        detail = "There were too many tries of a password. Please wait."
        raise Refused(RATE_LIMITED, detail, headers={"Retry-After": str(math.ceil(wait_s))})

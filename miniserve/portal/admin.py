"""The API for programs: `GET /session`, and `/admin/students` for admins."""

from __future__ import annotations

import functools
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticKnownError

from miniserve import problems
from miniserve.portal import accounts, exercises
from miniserve.portal.accounts import MAX_NAME_LENGTH, NAME_PATTERN, NameTaken, Student
from miniserve.portal.auth import (
    ADMIN_PROBLEMS,
    CsrfHeader,
    CurrentAdmin,
    DbSession,
    Refused,
    require_admin,
    signed_in,
)
from miniserve.portal.csrf import CSRF_FAILED, csrf_token
from miniserve.portal.database import DATABASE_BUSY
from miniserve.portal.hashing import in_turn
from miniserve.problems import BAD_REQUEST, INVALID, UNAVAILABLE, Problem

NAME_TAKEN = Problem("name-taken", 409, "The name is taken", "There is an account of that name.")
OWN_ACCOUNT = Problem("own-account", 409, "This is your own account", "Ask another admin.")
NO_SUCH_STUDENT = Problem("no-such-student", 404, "No such student", "There is no such account.")

_CHANGING = (*ADMIN_PROBLEMS, CSRF_FAILED, BAD_REQUEST, INVALID, DATABASE_BUSY)

Role = Literal["student", "admin"]
#: SQLite's integers have 64 bits.
StudentId = Annotated[int, Path(ge=1, le=2**63 - 1)]


class SessionInfo(BaseModel):
    """Whose session this is, and its CSRF token."""

    name: str | None = Field(description="Who is signed in; null: nobody.")
    role: Role | None
    csrf_token: str = Field(description="To be sent as X-CSRF-Token with what changes something.")


class NewStudent(BaseModel):
    """An account to make."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=NAME_PATTERN, max_length=MAX_NAME_LENGTH, examples=["ana"])
    role: Role = "student"

    @model_validator(mode="before")
    @classmethod
    def _check_names(cls, sent: Any) -> Any:
        """Refuse another field without saying its name, which the client has made up."""
        if isinstance(sent, dict) and sent.keys() - cls.model_fields.keys():
            raise PydanticKnownError("extra_forbidden")
        return sent


class StudentSummary(BaseModel):
    """An account as the listing shows it."""

    id: int
    name: str
    role: Role
    num_exercises: int


class CreatedStudent(StudentSummary):
    """An account that was just made."""

    one_time_password: str = Field(description="Told once; changed at the first sign-in.")


def api_router() -> APIRouter:
    """The routes for programs. Everything under `/admin` has `require_admin` in front of it."""
    router = APIRouter()

    @router.get("/session", tags=["session"], summary="Who am I?")
    def session(
        request: Request, student: Annotated[Student | None, Depends(signed_in)]
    ) -> SessionInfo:
        """Also where a program gets the CSRF token for `POST /sign-in` and all that follows."""
        return SessionInfo.model_validate(
            {
                "name": student and student.name,
                "role": student and student.role,
                "csrf_token": csrf_token(request.session),
            }
        )

    admin = APIRouter(
        prefix="/admin/students", tags=["admin"], dependencies=[Depends(require_admin)]
    )

    @admin.get("", summary="All accounts", responses=problems.responses(ADMIN_PROBLEMS))
    def list_students(db: DbSession) -> list[StudentSummary]:
        """By name, with how much each has practised."""
        return [StudentSummary.model_validate(dict(row)) for row in exercises.counts(db)]

    @admin.post(
        "",
        summary="Make an account",
        status_code=201,
        responses=problems.responses([*_CHANGING, NAME_TAKEN, UNAVAILABLE]),
    )
    async def create_student(
        request: Request, new: NewStudent, db: DbSession, _: CsrfHeader
    ) -> CreatedStudent:
        """The answer holds a one-time password, which is shown nowhere else."""
        password = accounts.one_time_password()
        create = functools.partial(accounts.create, role=new.role)
        try:
            made = await in_turn(request, create, db, new.name, password)
        except NameTaken as error:
            raise Refused(NAME_TAKEN) from error
        return CreatedStudent(
            id=made.id, name=made.name, role=new.role, num_exercises=0, one_time_password=password
        )

    @admin.delete(
        "/{student_id}",
        summary="Delete an account and its history",
        status_code=204,
        responses=problems.responses([*_CHANGING, NO_SUCH_STUDENT, OWN_ACCOUNT]),
    )
    def delete_student(
        student_id: StudentId, student: CurrentAdmin, db: DbSession, _: CsrfHeader
    ) -> None:
        """Not one's own: then nobody might be left."""
        if student_id == student.id:
            raise Refused(OWN_ACCOUNT)
        if not accounts.delete(db, student_id, student):
            raise Refused(NO_SUCH_STUDENT)

    router.include_router(admin)
    return router

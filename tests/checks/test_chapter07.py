import secrets
from collections.abc import Callable
from itertools import permutations
from typing import Annotated, Any

import pytest
from fastapi import Depends, HTTPException

from miniserve.checks import Verdict, chapter07
from miniserve.portal.accounts import Student
from miniserve.portal.auth import (
    NOT_ALLOWED,
    Refused,
    require_account,
    require_student,
    signed_in,
)

RIGHT = ["RequestID", "RateLimit", "BodySize", "Sessions", "CSRF"]


def stub(*_: Any) -> Any:
    raise NotImplementedError


def token_ok(session: dict[str, str], sent: str | None) -> bool:
    expected = session.get("csrf")
    if not expected or not sent:
        return False
    return secrets.compare_digest(expected.encode(), sent.encode())


def test_token_ok() -> None:
    assert chapter07.check_token_ok(token_ok).passed
    assert chapter07.check_token_ok(stub).verdict is Verdict.NOT_STARTED


@pytest.mark.parametrize(
    "wrong",
    [
        lambda session, sent: session.get("csrf") == sent,
        lambda session, sent: session.get("csrf", "") == (sent or ""),
        lambda session, sent: bool(sent),
        lambda session, sent: False,
        lambda session, sent: str(session.get("csrf")) == sent,
        lambda session, sent: bool(sent) and secrets.compare_digest(session["csrf"], sent),
    ],
)
def test_token_ok_wrong(wrong: Any) -> None:
    assert chapter07.check_token_ok(wrong).verdict is Verdict.WRONG


def test_order() -> None:
    assert chapter07.check_order(lambda: RIGHT).passed
    assert chapter07.check_order(stub).verdict is Verdict.NOT_STARTED


def wrong_orders() -> list[list[str]]:
    """A sample of the 120, with every neighbours' swap."""
    orders = [list(order) for order in permutations(RIGHT)][1::9]
    for i in range(4):
        order = RIGHT.copy()
        order[i : i + 2] = reversed(order[i : i + 2])
        orders.append(order)
    return orders


@pytest.mark.parametrize("order", wrong_orders(), ids="-".join)
def test_order_wrong(order: list[str]) -> None:
    report = chapter07.check_order(lambda: order)
    assert report.verdict is Verdict.WRONG, order


@pytest.mark.parametrize("order", [[], ["CSRF"], [*RIGHT, "CSRF"], RIGHT[1:], [1, "a"]])
def test_order_incomplete(order: list[str]) -> None:
    report = chapter07.check_order(lambda: order)
    assert report.verdict is Verdict.WRONG
    assert "expected ['BodySize'" in report.detail


def right_gate(student: Annotated[Student, Depends(require_student)]) -> Student:
    if not student.is_admin:
        raise Refused(NOT_ALLOWED)
    return student


def http_gate(student: Annotated[Student, Depends(require_student)]) -> Student:
    if student.role != "admin":
        raise HTTPException(403)
    return student


def stub_gate(student: Annotated[Student, Depends(require_student)]) -> Student:
    raise NotImplementedError


def open_gate(student: Annotated[Student, Depends(require_student)]) -> Student:
    return student


def closed_gate(student: Annotated[Student, Depends(require_student)]) -> Student:
    raise Refused(NOT_ALLOWED)


def no_return(student: Annotated[Student, Depends(require_student)]) -> None:
    if not student.is_admin:
        raise Refused(NOT_ALLOWED)


def one_time_gate(student: Annotated[Student, Depends(require_account)]) -> Student:
    return right_gate(student)


def none_gate(student: Annotated[Student | None, Depends(signed_in)]) -> Student:
    if student is None or not student.is_admin:
        raise Refused(NOT_ALLOWED)
    return student


def all_but_students(student: Annotated[Student, Depends(require_student)]) -> Student:
    if student.role == "student":
        raise Refused(NOT_ALLOWED)
    return student


def own_words_gate(student: Annotated[Student, Depends(require_student)]) -> Student:
    if not student.is_admin:
        raise Refused(NOT_ALLOWED, "Admins only, sorry.")
    return student


@pytest.mark.parametrize("gate", [right_gate, own_words_gate])
def test_require_admin(gate: Any) -> None:
    assert chapter07.check_require_admin(gate).passed


def test_require_admin_with_a_status_alone() -> None:
    report = chapter07.check_require_admin(http_gate)
    assert report.verdict is Verdict.WRONG
    assert "a student: expected (403, False), got the status, but with the body" in report.detail
    assert "not what `raise Refused(NOT_ALLOWED)` makes" in report.detail


def test_require_admin_stub() -> None:
    assert chapter07.check_require_admin(stub_gate).verdict is Verdict.NOT_STARTED


@pytest.mark.parametrize(
    "gate", [open_gate, closed_gate, no_return, one_time_gate, none_gate, all_but_students]
)
def test_require_admin_wrong(gate: Callable[..., Any]) -> None:
    assert chapter07.check_require_admin(gate).verdict is Verdict.WRONG

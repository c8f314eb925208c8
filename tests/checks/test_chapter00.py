from typing import Any

import httpx
import pytest

from miniserve.checks import Verdict, chapter00


def stub(*_: Any) -> Any:
    raise NotImplementedError


def right_all(url: str, sentences: list[str]) -> list[str | None]:
    answers: list[str | None] = []
    with httpx.Client() as client:
        for sentence in sentences:
            answer = client.post(f"{url}/correct", json={"sentence": sentence})
            answers.append(answer.json()["corrected"] if answer.status_code == 200 else None)
    return answers


def wrong_all(url: str, sentences: list[str]) -> list[str | None]:
    return [
        httpx.post(f"{url}/correct", json={"sentence": s}).json().get("corrected", "")
        for s in sentences
    ]


def test_average_wait() -> None:
    assert chapter00.check_average_wait(lambda n, s: s * (n + 1) / 2).passed
    assert chapter00.check_average_wait(stub).verdict is Verdict.NOT_STARTED


@pytest.mark.parametrize("wrong", [lambda n, s: n * s, lambda n, s: n * s / 2, lambda n, s: "1"])
def test_average_wait_wrong(wrong: Any) -> None:
    assert chapter00.check_average_wait(wrong).verdict is Verdict.WRONG


def test_correct_all() -> None:
    assert chapter00.check_correct_all(right_all).passed
    assert chapter00.check_correct_all(stub).verdict is Verdict.NOT_STARTED
    report = chapter00.check_correct_all(wrong_all)
    assert report.verdict is Verdict.WRONG
    assert "one of them refused" in report.detail


def test_correct_all_at_the_wrong_address() -> None:
    def wrong(url: str, sentences: list[str]) -> list[str | None]:
        return [None for s in sentences if httpx.post(url, json={"sentence": s})]

    detail = chapter00.check_correct_all(wrong).detail
    assert "the server saw: POST /, answered with 404" in detail

from typing import Any

import httpx
import numpy as np
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
    as_float32: Any = lambda n, s: np.float32(s * (n + 1) / 2)  # noqa: E731
    assert chapter00.check_average_wait(as_float32).passed
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


def asking(
    path: str = "/correct", how: str = "json", read: Any = lambda answer: answer.json()["corrected"]
) -> Any:
    """Post every sentence to a path, in a way, and read the answer, whatever its status."""

    def ask(url: str, sentences: list[str]) -> list[Any]:
        with httpx.Client() as client:
            return [
                read(client.post(url + path, **{how: {"sentence": s}}))  # type: ignore[arg-type]
                for s in sentences
            ]

    return ask


@pytest.mark.parametrize(
    ("wrong", "raised", "saw"),
    [
        (
            asking(),
            "KeyError: 'corrected'",
            "POST /correct, answered with 200; POST /correct, answered with 422)",
        ),
        (asking("/corect"), "KeyError: 'corrected'", "POST /corect, answered with 404"),
        (asking("/correct/"), "JSONDecodeError", "POST /correct/, answered with 307"),
    ],
)
def test_correct_all_says_what_the_server_saw_when_it_raises(
    wrong: Any, raised: str, saw: str
) -> None:
    detail = chapter00.check_correct_all(wrong).detail
    assert f"it raised {raised}" in detail
    assert f"(the server saw: {saw}" in detail


def test_correct_all_shows_a_long_answer_after_what_the_server_saw() -> None:
    report = chapter00.check_correct_all(asking(how="data", read=lambda answer: answer.text))
    hint = "got (the server saw: POST /correct, answered with 422, 2 times) ['{"
    assert hint in report.detail
    assert len(report.detail) < 400


def test_correct_all_shows_a_list_as_a_list() -> None:
    detail = chapter00.check_correct_all(asking(how="data", read=lambda answer: None)).detail
    assert detail.endswith("answered with 422, 2 times) [None, None]")

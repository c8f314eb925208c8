"""The admin API as a program finds it: the document is true, whatever is sent."""

import contextlib
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import schemathesis
from schemathesis.core import result as schemathesis_result
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from miniserve.background import BackgroundServer
from miniserve.portal.application import build_portal
from tests.fakes import FakeClient
from tests.portal.visitor import PASSWORD, add_accounts, settings_in

CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


def signed_in_client(url: str, name: str) -> httpx.Client:
    """Sign in with nothing but what the document says."""
    http = httpx.Client(base_url=url, timeout=30)
    document = http.get("/openapi.json").json()
    scheme = document["components"]["securitySchemes"]["session"]
    http.headers["X-CSRF-Token"] = http.get("/session").json()["csrf_token"]
    http.post("/sign-in", data={"name": name, "password": PASSWORD})
    assert scheme["in"] == "cookie"
    assert scheme["name"] in http.cookies
    http.headers["X-CSRF-Token"] = http.get("/session").json()["csrf_token"]
    return http


def test_schemathesis_finds_no_answer_outside_of_the_document(tmp_path: Path) -> None:
    app = build_portal(settings_in(tmp_path), lambda _: FakeClient())
    seen: set[tuple[str, str, int]] = set()
    with BackgroundServer(app) as server:
        add_accounts(app)
        with contextlib.closing(signed_in_client(server.url, "admin")) as http:
            cookies, token = dict(http.cookies), http.headers["X-CSRF-Token"]
        schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
        for operation in schema.include(path_regex="^/(admin/|session)").get_all_operations():
            assert not isinstance(operation, schemathesis_result.Err), operation
            for case in cases_of(operation.ok()):
                answer = case.call(cookies=cookies, headers={"X-CSRF-Token": token})
                case.validate_response(answer, checks=CHECKS)
                seen.add((case.method, case.path, answer.status_code))
    assert {("GET", "/admin/students", 200), ("GET", "/session", 200)} <= seen
    assert ("POST", "/admin/students", 201) in seen, "the run went past the door"
    assert ("DELETE", "/admin/students/{student_id}", 404) in seen
    assert not any(status == 401 for _, _, status in seen)


def cases_of(operation: Any) -> list[Any]:
    """Some examples of what the document allows for one operation."""
    cases: list[Any] = []

    @hypothesis.settings(
        max_examples=20,
        derandomize=True,
        database=None,
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy())
    def collect(case: Any) -> None:
        cases.append(case)

    collect()
    return cases

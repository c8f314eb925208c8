"""The admin API as a program finds it: the document is true, whatever is sent."""

from pathlib import Path

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings

from miniserve.background import BackgroundServer
from miniserve.portal.application import build_portal
from tests.fakes import FakeClient
from tests.portal.visitor import PASSWORD, add_accounts, settings_in


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


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_schemathesis_finds_no_answer_outside_of_the_document(tmp_path: Path) -> None:
    app = build_portal(settings_in(tmp_path), lambda _: FakeClient())
    with BackgroundServer(app) as server:
        add_accounts(app)
        http = signed_in_client(server.url, "admin")
        cookies = dict(http.cookies)
        headers = {"X-CSRF-Token": http.headers["X-CSRF-Token"]}
        http.close()
        statuses: set[tuple[str, str, int]] = set()
        schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")

        @settings(
            max_examples=25,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @schema.include(path_regex="^/(admin/|session)").parametrize()
        def check(case: schemathesis.Case) -> None:
            answer = case.call(cookies=cookies, headers=headers)
            case.validate_response(
                answer, excluded_checks=[schemathesis.checks.CHECKS.get_one("ignored_auth")]
            )
            statuses.add((case.method, case.path, answer.status_code))

        for operation in schema.include(path_regex="^/(admin/|session)").get_all_operations():
            print(operation)

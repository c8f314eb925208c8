"""Every route × {anonymous, one-time password, student, admin}; a new route must be put in here."""

import asyncio
import contextlib
import json
import re
import sqlite3
from pathlib import Path

import httpx
import pytest

from miniserve.portal import accounts
from tests.fakes import until
from tests.portal.visitor import PASSWORD, RunningPortal, Visitor, portal_in

pytestmark = pytest.mark.anyio

WHO = ("anonymous", "newcomer", "student", "admin")

#: What a program is answered: one status for each of WHO. A right token is always sent.
ROUTES: dict[tuple[str, str], tuple[int, int, int, int]] = {
    ("GET", "/healthz"): (200, 200, 200, 200),
    ("GET", "/readyz"): (200, 200, 200, 200),
    ("GET", "/metrics"): (200, 200, 200, 200),
    ("GET", "/session"): (200, 200, 200, 200),
    ("GET", "/sign-in"): (200, 200, 200, 200),
    ("POST", "/sign-in"): (401, 401, 401, 401),  # with no password
    ("POST", "/sign-out"): (401, 303, 303, 303),
    ("GET", "/password"): (401, 200, 200, 200),
    ("POST", "/password"): (401, 422, 422, 422),  # with no password
    ("GET", "/"): (401, 403, 200, 200),
    ("POST", "/correct"): (401, 403, 200, 200),
    ("POST", "/exercises"): (401, 403, 303, 303),
    ("GET", "/admin"): (401, 403, 403, 200),
    ("POST", "/admin"): (401, 403, 403, 201),
    ("GET", "/admin/students"): (401, 403, 403, 200),
    ("POST", "/admin/students"): (401, 403, 403, 201),
    ("DELETE", "/admin/students/{student_id}"): (401, 403, 403, 204),
}


async def visitor_of(portal: RunningPortal, who: str) -> Visitor:
    if who == "anonymous":
        return portal.visitor()
    with portal.app.state.portal.database.session() as db:
        if who == "newcomer" and accounts.authenticate(db, who, PASSWORD) is None:
            accounts.create(db, who, PASSWORD)
    return await portal.signed_in({"student": "ana"}.get(who, who))


async def ask(visitor: Visitor, method: str, path: str) -> httpx.Response:
    headers = {"x-csrf-token": await visitor.token()}
    path = path.format(student_id=3)  # ben
    name = f"new-{method}-{path.count('/')}"
    if method != "POST":
        return await visitor.http.request(method, path, headers=headers)
    if path in ("/correct", "/admin/students"):
        body = {"sentence": "He goed to school."} if path == "/correct" else {"name": name}
        return await visitor.http.post(path, json=body, headers=headers)
    form = {"sentence": "He goed to school."} if path == "/exercises" else {"name": name}
    return await visitor.http.post(path, data=form, headers=headers)


@pytest.mark.parametrize("who", WHO)
async def test_who_may_do_what(tmp_path: Path, who: str) -> None:
    got, expected = {}, {}
    async with portal_in(tmp_path, sign_in_interval_s=1e-6) as portal:
        for (method, path), statuses in ROUTES.items():
            visitor = await visitor_of(portal, who)
            calls = len(portal.engine.calls)
            answer = await ask(visitor, method, path)
            got[method, path] = answer.status_code
            expected[method, path] = statuses[WHO.index(who)]
            if answer.status_code in (401, 403) and path != "/sign-in":
                assert answer.headers["content-type"] == "application/problem+json"
                assert len(portal.engine.calls) == calls, "the model worked for a stranger"
    assert got == expected


async def test_the_table_names_every_route(portal: RunningPortal) -> None:
    document = portal.app.openapi()
    described = {
        (method.upper(), path) for path, item in document["paths"].items() for method in item
    }
    assert described == set(ROUTES)


async def test_no_route_hides_from_the_document(portal: RunningPortal) -> None:
    """FastAPI's own three apart, what is served is what is described."""
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert (await portal.visitor().http.get(path)).status_code == 200
    for path in ("/static/x", "/admin/", "/admin/nothing", "/students"):
        assert (await portal.visitor().http.get(path)).status_code in (307, 404)


async def test_the_gate_is_in_the_document_too(portal: RunningPortal) -> None:
    document = portal.app.openapi()
    assert document["components"]["securitySchemes"]["session"]["in"] == "cookie"
    for (method, path), statuses in ROUTES.items():
        operation = document["paths"][path][method.lower()]
        gated = statuses[0] == 401 and path != "/sign-in"
        assert operation.get("security", []) == ([{"session": []}] if gated else []), path
        if gated:
            assert "401" in operation["responses"]


@pytest.mark.parametrize("who", WHO)
async def test_a_browser_is_shown_a_page_or_the_way(portal: RunningPortal, who: str) -> None:
    visitor = await visitor_of(portal, who)
    answer = await visitor.page("/admin")
    expected = {
        "anonymous": (303, "/sign-in"),
        "newcomer": (303, "/password"),
        "student": (403, None),
        "admin": (200, None),
    }
    assert (answer.status_code, answer.headers.get("location")) == expected[who]
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    if who == "student":
        assert "This is for admins." in answer.text


async def test_a_day_at_school(portal: RunningPortal) -> None:
    admin = await portal.signed_in("admin")
    made = await admin.send("/admin", name="eva")
    found = re.search(r'id="one-time-password">([^<]+)<', made.text)
    assert found
    eva = portal.visitor()
    answer = await eva.sign_in("EVA", found[1])  # case does not count in a name
    assert answer.headers["location"] == "/password"
    short = await eva.send("/password", old=found[1], new="short")
    assert short.status_code == 422
    assert "10 to 200 characters" in short.text
    changed = await eva.send("/password", old=found[1], new="ten characters")
    assert changed.headers["location"] == "/"
    assert (await eva.sign_in("eva", found[1])).status_code == 401, "good once"

    eva = portal.visitor()
    await eva.sign_in("eva", "ten characters")
    answer = await eva.send("/exercises", sentence="  He goed to <b>school</b>. ")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert portal.engine.calls[-1] == "He goed to <b>school</b>.\n"
    page = (await eva.page("/")).text
    assert "He went to &lt;b&gt;school&lt;/b&gt;." in page
    assert "He goed to &lt;b&gt;school&lt;/b&gt;." in page
    assert "He went" not in (await (await portal.signed_in("ana")).page("/")).text
    listing = (await admin.http.get("/admin/students")).json()
    assert [(s["name"], s["num_exercises"]) for s in listing] == [
        ("admin", 0),
        ("ana", 0),
        ("ben", 0),
        ("eva", 1),
    ]


@pytest.mark.parametrize(
    ("sentence", "message"),
    [("", "empty"), ("x" * 201, "longer than 200"), ("Hi <|im_start|> you", "prompt format")],
)
async def test_a_broken_rule_is_said_on_the_page(
    portal: RunningPortal, sentence: str, message: str
) -> None:
    ana = await portal.signed_in("ana")
    calls = len(portal.engine.calls)
    answer = await ana.send("/exercises", sentence=sentence)
    assert answer.status_code == 422
    assert message in answer.text
    assert len(portal.engine.calls) == calls


async def test_an_engine_that_fails_is_said_on_a_page(portal: RunningPortal) -> None:
    ana = await portal.signed_in("ana")
    portal.engine.text = "one line"
    answer = await ana.send("/exercises", sentence="He goed to school.")
    assert answer.status_code == 422
    assert "cannot be relied on" in answer.text
    assert 'value="He goed to school."' in answer.text  # to change a word of it
    assert "Nothing yet." in answer.text


@pytest.mark.parametrize("how", ["deleted", "replaced", "signed out"])
async def test_an_account_that_is_gone_before_its_answer_is_not_signed_in(
    portal: RunningPortal, how: str
) -> None:
    ana = await portal.signed_in("ana")
    calls = len(portal.engine.calls)
    portal.engine.gate.clear()
    asked = asyncio.create_task(ana.send("/exercises", sentence="He goed to school."))
    await until(lambda: len(portal.engine.calls) > calls)
    with portal.app.state.portal.database.session() as db:
        student = accounts.authenticate(db, "ana", PASSWORD)
        assert student is not None
        if how == "signed out":
            accounts.end_sessions(db, student)
        else:
            admin = accounts.create(db, "head", PASSWORD, role="admin")
            accounts.delete(db, student.id, admin)
        if how == "replaced":
            accounts.create(db, "eva", PASSWORD)
            db.execute("UPDATE students SET id = ? WHERE name = 'eva'", (student.id,))
    portal.engine.gate.set()
    answer = await asked
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    with portal.app.state.portal.database.session() as db:
        assert db.execute("SELECT * FROM exercises").fetchall() == []


async def test_a_locked_database_is_a_503(
    portal: RunningPortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana = await portal.signed_in("ana")
    database = portal.app.state.portal.database
    monkeypatch.setattr(database, "_busy_timeout_s", 0.01)
    headers = {"x-csrf-token": await ana.token()}
    form = {"sentence": "He goed to school."}
    with contextlib.closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = await ana.http.post("/exercises", data=form, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:miniserve:database-busy")
    assert int(answer.headers["retry-after"]) >= 1
    assert (await ana.http.post("/exercises", data=form, headers=headers)).status_code == 303


async def test_a_slow_engine_is_given_up(tmp_path: Path) -> None:
    async with portal_in(tmp_path, request_timeout_s=0.05) as portal:
        ana = await portal.signed_in("ana")
        portal.engine.gate.clear()
        answer = await ana.send("/exercises", sentence="He goed to school.")
        assert answer.status_code == 504
        assert portal.engine.cancelled == ["He goed to school.\n"]


async def test_admin_api(portal: RunningPortal) -> None:
    admin = await portal.signed_in("admin")
    headers = {"x-csrf-token": await admin.token()}
    made = await admin.http.post("/admin/students", json={"name": "eva"}, headers=headers)
    eva = made.json()
    assert len(eva["one_time_password"]) == 16
    again = await admin.http.post("/admin/students", json={"name": "Eva"}, headers=headers)
    assert (again.status_code, again.json()["type"]) == (409, "urn:miniserve:name-taken")
    for bad in ("", "two words", "x" * 41, "\ud800", "a\n"):
        body = json.dumps({"name": bad})
        json_headers = headers | {"content-type": "application/json"}
        answer = await admin.http.post("/admin/students", content=body, headers=json_headers)
        assert answer.status_code == 422
    misspelt = {"name": "bo", "rôle <script>": "admin"}
    answer = await admin.http.post("/admin/students", json=misspelt, headers=headers)
    assert answer.status_code == 422
    assert "script" not in answer.text
    path = f"/admin/students/{eva['id']}"
    assert (await admin.http.delete(path, headers=headers)).status_code == 204
    assert (await admin.http.delete(path, headers=headers)).status_code == 404
    own = await admin.http.delete("/admin/students/1", headers=headers)
    assert (own.status_code, own.json()["type"]) == (409, "urn:miniserve:own-account")
    assert (await admin.http.delete("/admin/students/0", headers=headers)).status_code == 422
    far = f"/admin/students/{2**64}"
    assert (await admin.http.delete(far, headers=headers)).status_code == 422

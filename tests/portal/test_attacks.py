"""What an attacker would try: forged forms, stolen and forged cookies, fixation, guessing."""

import asyncio
import base64
import json
import threading
from pathlib import Path

import itsdangerous
import pytest

from miniserve.portal import accounts
from miniserve.portal.sessions import COOKIE
from tests.portal.visitor import HTML, PASSWORD, RunningPortal, portal_in, token_in

pytestmark = pytest.mark.anyio


def forge(session: dict[str, object], secret: str) -> str:
    data = base64.b64encode(json.dumps(session).encode())
    return itsdangerous.TimestampSigner(secret).sign(data).decode()


async def status_with(portal: RunningPortal, path: str, cookie: str) -> int:
    """The status that somebody gets who has just this cookie."""
    headers = {b"cookie": f"{COOKIE}={cookie}".encode()}
    return (await portal.visitor().http.get(path, headers=headers)).status_code


@pytest.mark.parametrize(
    "fields",
    [{}, {"csrf_token": ""}, {"csrf_token": "guess"}, {"csrf_token": "ünïcode"}],
)
async def test_another_sites_form_is_refused(portal: RunningPortal, fields: dict[str, str]) -> None:
    """The browser adds the admin's cookie to the form; the token it does not know."""
    admin = await portal.signed_in("admin")
    answer = await admin.http.post("/admin", data={"name": "mallory", **fields})
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:miniserve:csrf")
    assert "mallory" not in (await admin.page("/admin")).text


async def test_the_token_is_bound_to_its_session(portal: RunningPortal) -> None:
    """Mallory has a token too; it is worth nothing with somebody else's cookie."""
    mallory, admin = await portal.signed_in("ben"), await portal.signed_in("admin")
    body = {"name": "mallory", "csrf_token": await mallory.token()}
    assert (await admin.http.post("/admin", data=body)).status_code == 403
    anonymous = await portal.visitor().token()
    body["csrf_token"] = anonymous
    assert (await admin.http.post("/admin", data=body)).status_code == 403


@pytest.mark.parametrize(
    ("site", "status"),
    [("same-origin", 201), ("none", 201), ("same-site", 403), ("cross-site", 403), ("x", 403)],
)
async def test_what_the_browser_says_is_believed(
    portal: RunningPortal, site: str, status: int
) -> None:
    """Even with a right token, which may have leaked."""
    admin = await portal.signed_in("admin")
    headers = {"sec-fetch-site": site}
    body = {"name": "eva", "csrf_token": await admin.token()}
    answer = await admin.http.post("/admin", data=body, headers=headers)
    assert answer.status_code == status


@pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data; boundary=x"])
async def test_only_a_plain_form_carries_the_token_in_its_body(
    portal: RunningPortal, content_type: str
) -> None:
    admin = await portal.signed_in("admin")
    body = f"csrf_token={await admin.token()}&name=eva"
    headers = {"content-type": content_type}
    answer = await admin.http.post("/admin", content=body, headers=headers)
    assert answer.status_code == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "BREW"])
async def test_every_method_that_may_change_something_needs_the_token(
    portal: RunningPortal, method: str
) -> None:
    assert (await portal.visitor().http.request(method, "/anywhere")).status_code == 403


async def test_signing_in_needs_a_token_too(portal: RunningPortal) -> None:
    """Else another site signs you in as somebody else, and reads what you type afterwards."""
    answer = await portal.visitor().http.post(
        "/sign-in", data={"name": "ben", "password": PASSWORD}
    )
    assert answer.status_code == 403


async def test_a_session_from_before_the_sign_in_is_not_kept(portal: RunningPortal) -> None:
    ana = portal.visitor()
    before = await ana.token()
    await ana.sign_in("ana")
    assert await ana.token() != before


async def test_signing_out_makes_a_copied_cookie_worthless(portal: RunningPortal) -> None:
    ana = await portal.signed_in("ana")
    stolen = ana.http.cookies[COOKIE]
    assert await status_with(portal, "/", stolen) == 200
    assert (await ana.send("/sign-out")).status_code == 303
    assert await status_with(portal, "/", stolen) == 401


async def test_a_new_password_throws_others_out(portal: RunningPortal) -> None:
    ana, thief = await portal.signed_in("ana"), await portal.signed_in("ana")
    await ana.send("/password", old=PASSWORD, new="another password")
    assert (await ana.http.get("/")).status_code == 200
    assert (await thief.http.get("/")).status_code == 401


async def test_a_deleted_account_is_out_at_once(portal: RunningPortal) -> None:
    ben, admin = await portal.signed_in("ben"), await portal.signed_in("admin")
    headers = {"x-csrf-token": await admin.token()}
    await admin.http.delete("/admin/students/3", headers=headers)
    assert (await ben.http.get("/")).status_code == 401


async def test_a_deleted_accounts_cookie_is_nobody_elses(portal: RunningPortal) -> None:
    """SQLite gives the highest id again."""
    ben, admin = await portal.signed_in("ben"), await portal.signed_in("admin")
    cookie = ben.http.cookies[COOKIE]
    headers = {"x-csrf-token": await admin.token()}
    await admin.http.delete("/admin/students/3", headers=headers)
    made = await admin.http.post("/admin/students", json={"name": "eva"}, headers=headers)
    assert made.json()["id"] == 3
    assert await status_with(portal, "/", cookie) == 401


@pytest.mark.parametrize("secret", ["", "secret", "miniserve"])
async def test_a_cookie_with_a_guessed_signature_is_none(
    portal: RunningPortal, secret: str
) -> None:
    with portal.app.state.portal.database.session() as db:
        admin = accounts.by_id(db, 1)
    assert admin is not None
    session: dict[str, object] = {"student_id": 1, "epoch": admin.session_epoch}
    assert await status_with(portal, "/admin", forge(session, secret)) == 401
    real = forge(session, portal.app.state.portal.session_secret())
    assert await status_with(portal, "/admin", real) == 200, "the forgery itself is well made"


@pytest.mark.parametrize("cookie", ["", "x", "e30=", "a.b.c", "ä"])
async def test_a_broken_cookie_is_no_cookie(portal: RunningPortal, cookie: str) -> None:
    assert await status_with(portal, "/", cookie) == 401


@pytest.mark.parametrize("secure", [False, True])
async def test_the_cookies_attributes(tmp_path: Path, secure: bool) -> None:
    async with portal_in(tmp_path, secure_cookies=secure, session_max_age_s=600) as portal:
        answer = await portal.visitor().page("/sign-in")
    attributes = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")[1:]}
    assert attributes >= {"httponly", "samesite=lax", "path=/", "max-age=600"}
    assert ("secure" in attributes) is secure


async def test_a_sign_in_is_not_made_longer_by_its_use(portal: RunningPortal) -> None:
    ana = await portal.signed_in("ana")
    await ana.page("/")  # which adds the token of its form
    answer = await ana.page("/")
    assert (answer.status_code, "set-cookie" in answer.headers) == (200, False)


async def test_the_session_secret_is_in_no_file(portal: RunningPortal, tmp_path: Path) -> None:
    secret = portal.app.state.portal.session_secret().encode()
    files = [path for path in tmp_path.iterdir() if path.is_file()]  # noqa: ASYNC240
    assert len(files) >= 2
    assert not any(secret in path.read_bytes() for path in files)


async def test_guessing_is_slowed_down(portal: RunningPortal) -> None:
    guesser = portal.visitor()
    statuses = [(await guesser.sign_in("ana", f"guess {n}")).status_code for n in range(7)]
    assert statuses == [401] * 5 + [429] * 2
    assert (await guesser.sign_in("ANA")).status_code == 429, "case makes no new account"
    assert (await guesser.sign_in("ben")).status_code == 303, "another account is not held up"
    refused = await guesser.sign_in("ana")
    assert int(refused.headers["retry-after"]) >= 1


async def test_one_password_is_not_tried_on_all_names(tmp_path: Path) -> None:
    async with portal_in(tmp_path, sign_in_interval_s=3600) as portal:
        guesser = portal.visitor()
        statuses = [(await guesser.sign_in(f"name{n}", "password")).status_code for n in range(160)]
    assert statuses[:150] == [401] * 150, "a class may sign in from one address"
    assert statuses[150:] == [429] * 10


async def test_guessing_with_a_stolen_session_is_slowed_down(portal: RunningPortal) -> None:
    thief = await portal.signed_in("ana")
    guesses = [{"old": f"guess {n}", "new": "another password"} for n in range(6)]
    statuses = [(await thief.send("/password", **guess)).status_code for guess in guesses]
    assert statuses == [422] * 4 + [429] * 2, "signing in was a try, too"
    assert (await portal.visitor().sign_in("ana", "guess")).status_code == 429


async def test_many_tries_of_passwords_do_not_hold_up_the_others(
    portal: RunningPortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana = await portal.signed_in("ana")
    guesser, go_on = portal.visitor(), threading.Event()
    token = await guesser.token()

    def slow(*_: object) -> None:
        assert go_on.wait(30.0)

    monkeypatch.setattr(accounts, "authenticate", slow)
    fields = {"csrf_token": token, "password": "guess"}
    async with asyncio.TaskGroup() as tries:  # more than there are threads for all routes
        sent = [
            tries.create_task(guesser.http.post("/sign-in", data=fields | {"name": f"name{n}"}))
            for n in range(60)
        ]
        page = await asyncio.wait_for(ana.page("/"), 10.0)
        assert not any(answer.done() for answer in sent)
        go_on.set()
    assert page.status_code == 200
    assert {answer.result().status_code for answer in sent} == {401}


async def test_who_waits_too_long_to_sign_in_is_told(
    portal: RunningPortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = await portal.signed_in("admin")
    monkeypatch.setattr("miniserve.portal.hashing._LONGEST_TURN_S", 0.05)
    limiter = portal.app.state.portal.hashing
    for borrower in ("one", "another"):
        limiter.acquire_on_behalf_of_nowait(borrower)
    refused = await portal.visitor().sign_in("ana")
    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "5"
    assert (await admin.send("/admin", name="eva")).status_code == 503, "a hash like any other"
    limiter.release_on_behalf_of("one")
    assert (await portal.visitor().sign_in("ana")).status_code == 303


async def test_names_cannot_be_found_out(portal: RunningPortal) -> None:
    visitor = portal.visitor()
    known, unknown = await visitor.sign_in("ana", "wrong"), await visitor.sign_in("eva", "wrong")
    for answer in (known, unknown):
        assert answer.status_code == 401
    assert known.text.replace("ana", "eva") == unknown.text.replace(
        token_in(unknown.text), token_in(known.text)
    )


async def test_a_page_repeats_what_was_typed_only_as_text(portal: RunningPortal) -> None:
    script = "<script>alert(1)</script>"
    answer = await portal.visitor().sign_in(script, "wrong")
    assert script not in answer.text
    ana = await portal.signed_in("ana")
    assert script not in (await ana.send("/exercises", sentence=script + "\n.")).text
    portal.engine.text = f"{script}\n{script}"
    await ana.send("/exercises", sentence=script)
    assert script not in (await ana.page("/")).text
    assert "&lt;script&gt;" in (await ana.page("/")).text


async def test_no_password_reaches_an_answer_or_the_log(
    portal: RunningPortal, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    visitor = portal.visitor()
    for name in ("ana", "nobody"):
        answer = await visitor.sign_in(name, "a password to look for")
        assert "a password to look for" not in answer.text
    assert "a password to look for" not in caplog.text


async def test_a_browser_that_was_refused_sees_a_page(portal: RunningPortal) -> None:
    answer = await portal.visitor().http.post("/sign-in", headers=HTML)
    assert answer.status_code == 403
    assert answer.headers["content-type"].startswith("text/html")
    assert "Go back, reload the page" in answer.text


@pytest.mark.parametrize(("charset", "half"), [("utf-7", b"+2AA-"), ("unicode_escape", b"\\ud800")])
@pytest.mark.parametrize("field", ["name", "password"])
async def test_half_a_character_in_a_form_is_refused(
    portal: RunningPortal, charset: str, half: bytes, field: str
) -> None:
    """A form may name any charset that Python knows, and some of them can write such a thing."""
    visitor = portal.visitor()
    fields = {b"name": b"ana", b"password": b"a guess", field.encode(): half}
    parts = (
        b'--B\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % part
        for part in fields.items()
    )
    headers = {
        "x-csrf-token": await visitor.token(),
        "content-type": f"multipart/form-data; boundary=B; charset={charset}",
    }
    content = b"".join(parts) + b"--B--\r\n"
    answer = await visitor.http.post("/sign-in", content=content, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["rule"] == "string_unicode"

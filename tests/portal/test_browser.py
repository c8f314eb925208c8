"""A student and an admin in a real browser, without JavaScript."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from miniserve.background import BackgroundServer
from miniserve.portal import accounts
from miniserve.portal.application import build_portal
from tests.fakes import FakeClient
from tests.portal.visitor import PASSWORD, settings_in

pytest.importorskip("playwright")

from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.lab import chromium, find_chromium

pytestmark = pytest.mark.browser

STEP_MS = 30_000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[BackgroundServer]:
    app = build_portal(settings_in(tmp_path), lambda _: FakeClient())
    with BackgroundServer(app) as running:
        running.wait_ready()
        with app.state.portal.database.session() as db:
            accounts.ensure_admin(db, PASSWORD)
        yield running


@pytest.fixture
def browser_context() -> Iterator[BrowserContext]:
    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium is installed")
    with chromium(path) as browser:
        context = browser.new_context(java_script_enabled=False)
        context.set_default_timeout(STEP_MS)
        yield context


def sign_in(page: Page, name: str, password: str) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_a_student_and_an_admin(server: BackgroundServer, browser_context: BrowserContext) -> None:
    page = browser_context.new_page()
    expect.set_options(timeout=STEP_MS)

    page.goto(server.url + "/admin")
    expect(page).to_have_url(server.url + "/sign-in")
    sign_in(page, "admin", "a wrong password")
    expect(page.get_by_role("alert")).to_contain_text("No account")
    sign_in(page, "admin", PASSWORD)
    page.get_by_role("link", name="Accounts").click()
    page.get_by_label("Name").fill("ana")
    page.get_by_role("button", name="Make the account").click()
    one_time = page.locator("#one-time-password").inner_text()
    expect(page.locator("tbody tr")).to_have_count(2)
    page.get_by_role("button", name="Sign out").click()

    sign_in(page, "ana", one_time)
    expect(page).to_have_url(server.url + "/password")
    page.get_by_label("Present password").fill(one_time)
    page.get_by_label("New password").fill("my own password")
    page.get_by_role("button", name="Change it").click()
    expect(page).to_have_url(server.url + "/")
    page.get_by_label("One English sentence").fill("He goed to school.")
    page.get_by_role("button", name="Correct it").click()
    history = page.locator("#history li")
    expect(history).to_have_count(1)
    expect(history).to_contain_text("He went to school.")
    page.reload()
    expect(history).to_have_count(1)
    refused = page.goto(server.url + "/admin")
    assert refused is not None
    assert refused.status == 403
    expect(page.get_by_role("main")).to_contain_text("This is for admins.")

    # Another site's page sends our form: the browser says so, and has no token.
    page.goto("about:blank")
    page.set_content(
        f"<form method=post action={server.url}/exercises>"
        "<input name=sentence value='I am forged.'><button>Win a prize</button></form>"
    )
    page.get_by_role("button", name="Win a prize").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("did not come from")
    page.goto(server.url)
    expect(history).to_have_count(1)
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(server.url + "/sign-in")

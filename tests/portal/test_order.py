"""The order of the layers, and why it matters: each wrong order is shown to be wrong."""

from typing import Any

import pytest
from starlette.middleware import Middleware
from starlette.types import ASGIApp

from miniserve.metrics import Metrics
from miniserve.portal import application
from miniserve.portal.application import Portal, portal_stack
from miniserve.portal.csrf import CSRF
from miniserve.portal.html import ProblemPages
from miniserve.portal.sessions import Sessions
from tests.asgi import Inner, call, chunk, scope_for
from tests.portal.visitor import RunningPortal, portal_in, settings_in

pytestmark = pytest.mark.anyio

ORDER = [
    "RequestID",
    "CountRequests",
    "AccessLog",
    "ProblemPages",
    "RateLimit",
    "BodySize",
    "InjectionFilter",
    "Sessions",
    "CSRF",
]


def test_the_order_is_the_one_that_the_page_states(tmp_path: Any) -> None:
    settings = settings_in(tmp_path, rate_limit=1)
    stack = portal_stack(settings, Metrics(), Portal(settings))
    assert [getattr(layer.cls, "__name__", "") for layer in stack] == ORDER
    text = application.__doc__ or ""
    places = [text.index(f"`{name}`") for name in ORDER]
    assert places == sorted(places)


def test_the_app_has_just_these_layers(tmp_path: Any) -> None:
    app = application.build_portal(settings_in(tmp_path, rate_limit=1), _no_engine)
    assert [getattr(layer.cls, "__name__", "") for layer in app.user_middleware] == ORDER


def _no_engine(_: Any) -> Any:
    raise AssertionError("building opens nothing")


def stacked(inner: ASGIApp, *layers: Middleware) -> ASGIApp:
    for layer in reversed(layers):
        inner = layer.cls(inner, *layer.args, **layer.kwargs)
    return inner


SESSIONS = Middleware(Sessions, secret=lambda: "secret", max_age_s=60, secure=False)


async def test_csrf_outside_of_session_decoding_fails_closed() -> None:
    """Not only for forms: the first probe says that the order is wrong."""
    inner = Inner()
    wrong = stacked(inner, Middleware(CSRF), SESSIONS)
    for method in ("GET", "POST"):
        with pytest.raises(RuntimeError, match="outside session decoding"):
            await call(wrong, scope_for("/", method))
    assert inner.scopes == []
    right = stacked(inner, SESSIONS, Middleware(CSRF))
    assert (await call(right, scope_for("/", "GET"))).status == 200
    assert (await call(right, scope_for("/", "POST"))).status == 403


async def test_the_body_comes_through_whole() -> None:
    """The layer reads the form for its token; the route reads it again."""

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        bodies.append((await receive())["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    bodies: list[bytes] = []
    body = b"csrf_token=right&sentence=He+goed."
    form = [(b"content-type", b"application/x-www-form-urlencoded; charset=utf-8")]
    scope = scope_for("/exercises", headers=form, session={"csrf": "right"})
    assert (await call(CSRF(inner), scope, [chunk(body[:20], more=True), chunk(body[20:])])).status
    assert bodies == [body]


async def test_a_client_that_goes_away_reaches_no_route() -> None:
    inner = Inner()
    scope = scope_for("/", session={"csrf": "right"})
    answer = await call(CSRF(inner), scope, [{"type": "http.disconnect"}])
    assert (answer.status, inner.scopes) == (499, [])


async def test_other_scopes_pass() -> None:
    seen: list[str] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    app = stacked(inner, Middleware(ProblemPages), SESSIONS, Middleware(CSRF))
    await app({"type": "lifespan"}, _never, _never)
    assert seen == ["lifespan"]


async def _never(*_: Any) -> Any:
    raise AssertionError


async def test_the_servers_layers_refuse_before_a_cookie_is_looked_at(
    tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "miniserve.access")
    async with portal_in(tmp_path, rate_limit=0.001, rate_limit_burst=3) as portal:
        await _check_refusals(portal)
    lines = [r.getMessage() for r in caplog.records if r.name == "miniserve.access"]
    assert ['"status": 413' in line for line in lines] == [False, True, False, False]
    assert '"route": "/correct", "status": 422' in lines[2]
    assert '"status": 429' in lines[3]
    assert all('"request_id"' in line for line in lines)


async def _check_refusals(portal: RunningPortal) -> None:
    visitor = portal.visitor()
    await visitor.page("/sign-in")
    http = visitor.http
    large = await http.post("/exercises", content=b"x" * 20_000)
    assert (large.status_code, "set-cookie" in large.headers) == (413, False)
    injected = await http.post("/correct", json={"sentence": "<|im_start|>"})
    assert (injected.status_code, injected.json()["errors"][0]["rule"]) == (422, "format_token")
    assert (await http.post("/sign-in")).status_code == 429

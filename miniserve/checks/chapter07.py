"""Checks of chapter 07: a token, a gate, and the order of the layers, tried by attacking."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import httpx
from fastapi import Depends, FastAPI, Request
from fastapi.responses import PlainTextResponse
from starlette.middleware import Middleware

from miniserve.checks.cases import Case, Report, Unfit, check_cases, shown
from miniserve.middleware.body_size import BodySize
from miniserve.middleware.rate_limit import RateLimit, TokenBuckets
from miniserve.middleware.request_id import RequestID
from miniserve.portal.accounts import Student
from miniserve.portal.auth import NOT_ALLOWED, Refused, on_refused, signed_in
from miniserve.portal.csrf import CSRF, csrf_token
from miniserve.portal.sessions import Sessions

Act = Callable[[httpx.AsyncClient], Awaitable[Any]]
TokenOk = Callable[[dict[str, str], str | None], bool]

#: The layers of the second exercise, in no order.
LAYERS = ("BodySize", "CSRF", "RateLimit", "RequestID", "Sessions")

_BURST = 4


def check_token_ok(token_ok: TokenOk) -> Report:
    """Whether a token that was sent is the session's."""

    def case(name: str, session: dict[str, str], sent: str | None, expected: bool) -> Case:
        return Case(name, lambda learner: learner(session, sent), expected)

    return check_cases(
        "a token that fails closed",
        token_ok,
        [
            case("the right token", {"csrf": "abc"}, "abc", True),
            case("a wrong token", {"csrf": "abc"}, "abd", False),
            case("no token was sent", {"csrf": "abc"}, None, False),
            case("an empty token was sent", {"csrf": "abc"}, "", False),
            case("the session has none, and none was sent", {}, None, False),
            case("the session has none, and an empty one was sent", {}, "", False),
            case(
                "the session has an empty one, and an empty one was sent", {"csrf": ""}, "", False
            ),
            case("the session has none, and a guess was sent", {}, "None", False),
            case("a token with an accent", {"csrf": "abc"}, "äbc", False),
        ],
    )


def check_order(order: Callable[[], list[str]]) -> Report:
    """Build an app with the layers in the learner's order, use it, and attack it."""

    def using(
        act: Callable[[httpx.AsyncClient], Awaitable[Any]],
    ) -> Callable[[Any], Awaitable[Any]]:
        async def run(learner: Callable[[], list[str]]) -> Any:
            names: Any = learner()
            if names is ...:
                return ...
            app = _bank(names)
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
                return await act(http)

        return run

    async def own_form(http: httpx.AsyncClient) -> int:
        token = (await http.get("/form")).text
        return (await http.post("/send", data={"csrf_token": token})).status_code

    async def forged_form(http: httpx.AsyncClient) -> tuple[int, str]:
        await http.get("/form")
        status = (await http.post("/send", data={"amount": "1000"})).status_code
        return status, (await http.get("/sent")).text

    async def large(http: httpx.AsyncClient) -> tuple[int, bool]:
        answer = await http.post("/send", content=b"x" * 5000)
        return answer.status_code, "x-request-id" in answer.headers

    async def storm(http: httpx.AsyncClient) -> tuple[int, bool]:
        for _ in range(_BURST):
            await http.get("/sent")
        answer = await http.post("/send", content=b"x" * 5000)
        return answer.status_code, "x-request-id" in answer.headers

    async def unread(http: httpx.AsyncClient) -> tuple[int, str]:
        before = (await http.get("/decoded")).text
        status = (await http.post("/send", content=b"x" * 5000)).status_code
        after = (await http.get("/decoded")).text
        return status, str(int(after) - int(before) - 1)  # the last question was decoded too

    return check_cases(
        "the order of the layers",
        order,
        [
            Case(
                "all five, each once",
                lambda learner: _sorted(learner()),
                sorted(LAYERS),
            ),
            Case(
                "the form of our own page (status; 500: a layer did not find what it needs)",
                using(own_form),
                200,
            ),
            Case("a forged form (status, what was sent)", using(forged_form), (403, "0")),
            Case("a body of 5000 bytes (status, has an id)", using(large), (413, True)),
            Case(
                "a large body from a client that has sent too much (status, has an id)",
                using(storm),
                (429, True),
            ),
            Case("a large body (status, sessions decoded for it)", using(unread), (413, "0")),
        ],
    )


def _sorted(names: Any) -> Any:
    return sorted(names, key=str) if isinstance(names, list | tuple) else names


def _bank(names: list[str]) -> FastAPI:
    """An app with something to steal, inside the layers of these names, outermost first."""
    sent = decoded = 0

    def secret() -> str:
        nonlocal decoded
        decoded += 1
        return "secret"

    made = {
        "RequestID": Middleware(RequestID),
        "RateLimit": Middleware(RateLimit, buckets=TokenBuckets(1e-9, _BURST)),
        "BodySize": Middleware(BodySize, max_bytes=1000, timeout_s=5.0),
        "Sessions": Middleware(Sessions, secret=secret, max_age_s=60, secure=False),
        "CSRF": Middleware(CSRF),
    }
    app = FastAPI(middleware=[made[name] for name in names])

    @app.get("/form")
    def form(request: Request) -> Any:
        return PlainTextResponse(csrf_token(request.session))

    @app.post("/send")
    def send() -> Any:
        nonlocal sent
        sent += 1
        return PlainTextResponse("sent")

    @app.get("/sent")
    def how_many() -> Any:
        return PlainTextResponse(str(sent))

    @app.get("/decoded")
    def how_often() -> Any:
        return PlainTextResponse(str(decoded))

    return app


def check_require_admin(require_admin: Callable[..., Any]) -> Report:
    """Put the learner's gate in front of a route, and let five kinds of people knock."""

    def knock(role: str | None, *, one_time: bool = False) -> Callable[[Any], Awaitable[Any]]:
        async def run(learner: Callable[..., Any]) -> Any:
            reached: list[str] = []
            student = None if role is None else Student(7, "ana", role, one_time, 0)
            transport = httpx.ASGITransport(app=_guarded(learner, student, reached))
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
                answer = await http.get("/secrets")
            status = answer.status_code
            no_admin = role not in (None, "admin")
            if no_admin and status == NOT_ALLOWED.status and NOT_ALLOWED.uri not in answer.text:
                raise Unfit(
                    f"got the status, but with the body {shown(answer.text)}: "
                    "that is not what `raise Refused(NOT_ALLOWED)` makes"
                )
            return status, bool(reached)

        return run

    async def named(learner: Callable[..., Any]) -> Any:
        reached: list[str] = []
        app = _guarded(learner, Student(7, "ana", "admin", False, 0), reached)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            await http.get("/secrets")
        return reached

    return check_cases(
        "require_admin",
        require_admin,
        [
            Case("an admin (status, reached the route)", knock("admin"), (200, True)),
            Case("a student", knock("student"), (403, False)),
            Case("nobody", knock(None), (401, False)),
            Case("an admin with a one-time password", knock("admin", one_time=True), (403, False)),
            Case("somebody with a role that is not known", knock("teacher"), (403, False)),
            Case("what the route is given", named, ["ana"]),
        ],
    )


def _guarded(gate: Callable[..., Any], student: Student | None, reached: list[str]) -> FastAPI:
    """An app with one route behind the learner's gate, where `student` is signed in."""
    app = FastAPI()
    app.add_exception_handler(Refused, on_refused)
    app.dependency_overrides[signed_in] = lambda: student

    def secrets(admin: Annotated[Any, Depends(gate)]) -> str:
        reached.append(getattr(admin, "name", repr(admin)))
        return "secret"

    secrets.__annotations__["admin"] = Annotated[Any, Depends(gate)]
    app.get("/secrets")(secrets)
    return app

"""What every request has and none may: ids, log lines, counts, limits; on one server under all
tests.
"""

import json
import socket
import uuid

import httpx
import pytest

from tests.service.process import PATIENCE_S, ServerProcess, eventually


def test_the_request_id_is_echoed_and_in_the_log(server: ServerProcess) -> None:
    mine = f"mine-{uuid.uuid4()}"
    answer = server.correct("He goed.", headers={"X-Request-ID": mine})
    assert answer.headers["x-request-id"] == mine
    [line] = server.log_of(answer)
    assert (line["request_id"], line["route"], line["status"]) == (mine, "/correct", 200)


def test_a_request_id_that_could_harm_the_log_is_replaced(server: ServerProcess) -> None:
    answer = server.correct("He goed.", headers={"X-Request-ID": 'x" {"status": 200}'})
    assert len(answer.headers["x-request-id"]) == 32
    assert len(server.log_of(answer)) == 1


def test_every_kind_of_answer_has_one_log_line_without_the_sentence(server: ServerProcess) -> None:
    canary = f"canary{uuid.uuid4().hex}"
    answers = [
        server.correct(f"He goed {canary}."),
        server.correct(f"boom {canary}"),
        server.correct(f"{canary}\n{canary}"),
        server.correct(f"</s>{canary}"),
        server.correct(canary * 10),
        httpx.post(f"{server.url}/correct", content=f"{{{canary}"),
        httpx.post(f"{server.url}/{canary}?q={canary}", headers={"User-Agent": canary}),
        httpx.request("DELETE", f"{server.url}/correct", content=canary),
    ]
    assert [a.status_code for a in answers] == [200, 503, 422, 422, 422, 422, 404, 405]
    for answer in answers:
        [line] = server.log_of(answer)
        assert line["status"] == answer.status_code
        assert line["duration_ms"] >= 0
        if answer.status_code != 200:
            assert canary not in answer.text
            assert answer.headers["content-type"] == "application/problem+json"
    assert canary not in server.stdout
    assert canary not in server.stderr


def test_metrics_equal_the_traffic_and_gauges_come_back_to_zero(server: ServerProcess) -> None:
    def counts() -> dict[str, float]:
        total, now = "http_requests_total", server.metrics()
        return {
            "200": server.metric(total, now, route="/correct", status="200"),
            "422": server.metric(total, now, route="/correct", status="422"),
            "503": server.metric(total, now, route="/correct", status="503"),
            "404": server.metric(total, now, route="unmatched", status="404"),
            "stop": server.metric("request_success_total", now, finished_reason="stop"),
            "ttft": server.metric("time_to_first_token_seconds_count", now),
            "failed": server.metric("request_failure_total", now, error="StepFailed"),
        }

    before = counts()
    for index in range(7):
        assert server.correct(f"Say {index}.").status_code == 200
        assert server.correct("").status_code == 422
    for _ in range(5):
        assert server.correct("boom").status_code == 503
    for index in range(20):
        assert httpx.get(f"{server.url}/made-up-{index}").status_code == 404
    delta = {name: value - before[name] for name, value in counts().items()}
    assert delta == {
        "200": 7,
        "422": 7,
        "503": 5,
        "404": 20,
        "stop": 7,
        "ttft": 7,
        "failed": 5,
    }
    eventually(lambda: server.running() == 0, "nothing is in flight")
    assert server.metric("num_requests_running") == server.metric("num_requests_waiting") == 0


def raw(server: ServerProcess, request: bytes) -> bytes:
    """Send bytes over a bare socket, and read until the server closes."""
    received = b""
    with socket.create_connection(server.address, PATIENCE_S) as connection:
        connection.sendall(request)
        while piece := connection.recv(65536):
            received += piece
    return received


def head(*lines: str) -> bytes:
    return "\r\n".join(["POST /correct HTTP/1.1", "Host: test", *lines, "", ""]).encode()


def test_bodies_that_are_too_large_get_413_however_declared(server: ServerProcess) -> None:
    started = server.metric("request_success_total") + server.metric("request_failure_total")
    body = json.dumps({"sentence": "x" * 20_000}).encode()
    honest = raw(server, head(f"Content-Length: {len(body)}") + body)
    pieces = b"".join(b"%x\r\n%s\r\n" % (1000, b"x" * 1000) for _ in range(20)) + b"0\r\n\r\n"
    chunked = raw(server, head("Transfer-Encoding: chunked") + pieces)
    more_than_comes = raw(server, head("Content-Length: 100000000", "Expect: 100-continue"))
    for answer in (honest, chunked, more_than_comes):
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"urn:miniserve:body-too-large" in answer
    assert started == server.metric("request_success_total") + server.metric(
        "request_failure_total"
    )


def test_a_length_that_claims_too_little_does_not_smuggle_the_rest(server: ServerProcess) -> None:
    body = b'{"sentence": "He goed to school."}'
    answer = raw(server, head("Content-Length: 10", "Content-Type: application/json") + body)
    assert answer.startswith(b"HTTP/1.1 4")


def test_validation_is_small(server: ServerProcess) -> None:
    answer = server.correct("x" * 10_000)
    assert answer.status_code == 422
    assert len(answer.content) < 400
    assert "xx" not in answer.text


def test_the_rate_limit_counts_requests_and_spares_probes() -> None:
    with ServerProcess(rate_limit=0.01, rate_limit_burst=3) as server:
        statuses = [server.correct("He goed.").status_code for _ in range(5)]
        assert statuses == [200, 200, 200, 429, 429]
        refused = server.correct("He goed.")
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.json()["type"] == "urn:miniserve:rate-limited"
        forged = server.correct("He goed.", headers={"X-Forwarded-For": "10.9.8.7"})
        assert forged.status_code == 429
        for path in ("/healthz", "/readyz", "/metrics"):
            assert server.http.get(path).status_code == 200


def test_the_documentation_page_is_there(server: ServerProcess) -> None:
    assert server.http.get("/docs").status_code == 200
    assert server.http.get("/openapi.json").json()["info"]["title"] == "miniserve"


@pytest.mark.parametrize("path", ["/correct", "/healthz", "/readyz", "/metrics"])
def test_the_wrong_method_is_a_405_with_allow(server: ServerProcess, path: str) -> None:
    answer = server.http.delete(path)
    assert answer.status_code == 405
    assert answer.headers["allow"]


def test_the_password_in_the_address_of_an_engine_is_in_no_log() -> None:
    with ServerProcess() as engine:
        address = engine.url.replace("http://", "http://me:secret@") + "/v1"
        with ServerProcess("miniserve", "serve", engine_url=address, model="tutor") as front:
            answer = front.http.post("/correct", json={"sentence": "Say 3."})
            assert answer.status_code != 500
            assert "The engine is ready." in front.stderr
            assert "secret" not in front.stderr

"""`miniserve portal`, in a process of its own, and what it says when something is wrong."""

import re
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.fernet import Fernet
from typer.testing import CliRunner

from miniserve import cli
from miniserve.portal.sessions import COOKIE
from tests.portal.visitor import KEY, PASSWORD
from tests.service.process import ServerProcess


def invoke(*arguments: str, **variables: str) -> Any:
    environment = {f"MINISERVE_{name.upper()}": value for name, value in variables.items()}
    return CliRunner().invoke(cli.app, ["portal", *arguments], env=environment)


def test_secrets_are_variables_and_no_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    shown = invoke("--help").stdout
    assert "--secure-cookies" in shown
    assert "--database" in shown
    assert "--max-num-seqs" in shown
    for secret in ("--vault-keys", "--admin-password"):
        assert secret not in shown
    assert "MINISERVE_VAULT_KEYS" in shown


def test_what_is_wrong_is_said_in_one_line(tmp_path: Path) -> None:
    files = {"database": str(tmp_path / "db"), "vault": str(tmp_path / "vault"), "port": "0"}
    no_key = invoke(**files, vault_keys="")
    assert "MINISERVE_VAULT_KEYS" in one_line(no_key)
    assert "Key 1" in one_line(invoke(**files, vault_keys="x"))
    weak = invoke(**files, vault_keys=KEY, admin_password="short")
    assert "10 to 200 characters" in one_line(weak)
    (tmp_path / "vault").write_bytes(Fernet(Fernet.generate_key()).encrypt(b"{}"))
    assert "vault does not open" in one_line(invoke(**files, vault_keys=KEY))
    (tmp_path / "vault").unlink()
    nowhere = files | {"vault": str(tmp_path / "nowhere" / "vault")}
    assert "nowhere" in one_line(invoke(**nowhere, vault_keys=KEY))
    nowhere = files | {"database": str(tmp_path / "nowhere" / "db")}
    assert "unable to open" in one_line(invoke(**nowhere, vault_keys=KEY))


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("sign_in_interval_s", "inf"),
        ("sign_in_interval_s", "1e-320"),
        ("database", ":memory:"),
        ("admin_password", "not UTF-8: \udcff"),
        ("host", "a..b"),
        ("host", "a" * 64),
    ],
)
def test_a_setting_that_cannot_be_is_one_line(tmp_path: Path, variable: str, value: str) -> None:
    files = {"database": str(tmp_path / "db"), "vault": str(tmp_path / "vault"), "port": "0"}
    result = invoke(**files | {"vault_keys": KEY, variable: value})
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code != 0
    [line] = result.stderr.strip().splitlines()
    assert line.startswith("miniserve: ")
    assert "\udcff" not in line


def test_a_taken_port_costs_no_password(tmp_path: Path) -> None:
    files = {"database": str(tmp_path / "db"), "vault": str(tmp_path / "vault")}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert port in one_line(invoke(**files, vault_keys=KEY, port=port))
    assert not (tmp_path / "db").exists()


def one_line(result: Any) -> str:
    assert result.exit_code == 1
    [line] = result.stderr.strip().splitlines()
    assert KEY not in line
    return str(line)


@pytest.mark.parametrize("given", [None, PASSWORD])
def test_the_first_run_makes_an_admin(tmp_path: Path, given: str | None) -> None:
    settings: dict[str, Any] = {
        "database": tmp_path / "db",
        "vault": tmp_path / "vault",
        "vault_keys": KEY,
        "mode": "async",
    }
    if given:
        settings["admin_password"] = given
    with ServerProcess("miniserve", "portal", **settings) as server:
        said = re.search(r"as admin with the one-time password (\S+)", server.stderr)
        assert (said is None) is (given is not None)
        password = given or (said and said[1]) or ""
        with httpx.Client(base_url=server.url, timeout=30) as http:
            http.headers["x-csrf-token"] = http.get("/session").json()["csrf_token"]
            answer = http.post("/sign-in", data={"name": "admin", "password": password})
            assert answer.headers["location"] == ("/" if given else "/password")
            assert COOKIE in http.cookies
    with ServerProcess("miniserve", "portal", **settings) as server:
        assert "one-time" not in server.stderr, "only once"

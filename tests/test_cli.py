"""The command line: what it says, and that it says it in one line when something is wrong."""

import errno
import os
import socket
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from miniserve import cli, commands, serve
from miniserve.settings import Mode, Settings


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(cli.app, list(arguments))


def one_line(result: Any) -> str:
    assert result.exit_code not in (0, None)
    assert not isinstance(result.exception, Exception) or isinstance(
        result.exception, SystemExit
    ), result.exception
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("miniserve: ")
    return str(lines[0])


def test_help_lists_every_command() -> None:
    result = invoke("--help")
    assert result.exit_code == 0
    for name in ("serve", "correct", "bench"):
        assert name in result.stdout


def test_serve_has_an_option_for_every_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    result = invoke("serve", "--help")
    assert result.exit_code == 0
    for name, field in Settings.model_fields.items():
        if name == "engine_api_key":
            assert "--engine-api-key" not in result.stdout  # others can read a command line
            assert "MINISERVE_ENGINE_API_KEY" in result.stdout
            continue
        assert f"--{name.replace('_', '-')}" in result.stdout
        assert str(field.description).split()[0] in result.stdout


def test_options_and_variables_become_settings(
    monkeypatch: pytest.MonkeyPatch, checkpoint: Path
) -> None:
    ran: list[Settings] = []

    def run(app: Any, settings: Settings, listener: socket.socket) -> int:
        listener.close()
        ran.append(settings)
        return 7

    monkeypatch.setattr(serve, "run", run)
    monkeypatch.setenv("MINISERVE_MAX_WAITING", "3")
    monkeypatch.setenv("MINISERVE_MAX_NUM_SEQS", "2")
    arguments = ["--mode", "static", "--port", "0", "--max-num-seqs", "5", "--no-engine-process"]
    result = invoke("serve", *arguments, "--checkpoint", str(checkpoint))
    assert result.exit_code == 7
    assert "mode static on http://127.0.0.1:" in result.stderr
    [settings] = ran
    assert (settings.mode, settings.max_num_seqs, settings.max_waiting) == (Mode.STATIC, 5, 3)
    assert settings.engine_process is False


def test_a_bad_value_is_one_line_with_the_names_that_it_may_have(checkpoint: Path) -> None:
    line = one_line(invoke("serve", "--port", "70000"))
    assert "--port" in line
    assert "MINISERVE_PORT" in line
    budget = invoke("serve", "--max-num-seqs", "99", "--max-num-batched-tokens", "9")
    assert "max_num_batched_tokens (9)" in one_line(budget)


def test_an_unknown_checkpoint_is_one_line(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere")
    assert "nowhere" in one_line(invoke("serve", "--checkpoint", nowhere))
    assert "nowhere" in one_line(invoke("correct", "He goed.", "--checkpoint", nowhere))


def test_a_taken_port_is_one_line(checkpoint: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = invoke("serve", "--port", port, "--checkpoint", str(checkpoint))
    assert "in use" in one_line(result)


@pytest.mark.parametrize("host", ["a..b", "a" * 64])
def test_a_name_that_no_host_has_is_one_line(checkpoint: Path, host: str) -> None:
    line = one_line(invoke("serve", "--host", host, "--checkpoint", str(checkpoint)))
    assert f"cannot listen on {host}:" in line


def test_correct_prints_the_sentence_and_the_reason(checkpoint: Path) -> None:
    result = invoke("correct", "He goed to school.", "--checkpoint", str(checkpoint))
    assert result.exit_code == 0
    corrected, explanation = result.stdout.splitlines()
    assert corrected == "He went to school."
    assert "'went'" in explanation


def test_the_version_is_the_package_s() -> None:
    assert invoke("--version").stdout == f"miniserve {version('miniserve')}\n"


def test_what_cannot_be_written_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "report.json")

    monkeypatch.setattr(cli, "app", full_disk)
    with pytest.raises(SystemExit) as raised:
        cli.main()
    assert raised.value.code == f"miniserve: report.json: {os.strerror(errno.ENOSPC)}"


def test_a_broken_rule_is_one_line(checkpoint: Path) -> None:
    assert "empty" in one_line(invoke("correct", "  ", "--checkpoint", str(checkpoint)))


def test_other_commands_are_found_by_name_and_imported_when_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hello.py").write_text(
        "import typer\ndef hello(name: str) -> None:\n    typer.echo(f'hello {name}')\n"
    )
    (tmp_path / "group.py").write_text(
        "import typer\ngroup = typer.Typer()\n"
        "@group.command()\ndef one() -> None:\n    typer.echo('one')\n"
        "@group.command()\ndef two() -> None:\n    typer.echo('two')\n"
    )
    (tmp_path / "broken.py").write_text("raise ImportError('only who asks for it is hurt')\n")
    monkeypatch.setattr(commands, "__path__", [str(tmp_path)])
    assert invoke("hello", "you").stdout == "hello you\n"
    assert invoke("group", "two").stdout == "two\n"
    assert invoke("correct", "  ").exit_code == 1
    assert invoke("nothing").exit_code == 2


def test_a_misspelt_variable_is_said(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINISERVE_MAX_NUM_SEQ", "4")
    result = invoke("serve", "--checkpoint", str(checkpoint), "--port", "70000")
    assert "MINISERVE_MAX_NUM_SEQ is no setting; MINISERVE_MAX_NUM_SEQS is" in result.stderr


def test_only_near_misses_count_as_misspelt() -> None:
    names = ["MINISERVE_PORT", "miniserve_port", "MINISERVE_CHROMIUM", "MODE", "MINISERVE_MOD"]
    assert cli.misspelt_variables(Settings, names) == [("MINISERVE_MOD", "MINISERVE_MODE")]

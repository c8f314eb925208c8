"""The command line: `miniserve serve`, `miniserve correct`, and what `miniserve.commands` adds."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import socket
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

import typer
from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails
from typer.core import TyperGroup

from miniserve import commands
from miniserve.completion import PromptTooLong
from miniserve.model.config import CheckpointError, read_config
from miniserve.paths import TUTOR_DIR
from miniserve.settings import Settings
from miniserve.sockets import listen, url_of
from miniserve.tutor import AnswerError, SentenceError, Tutor

#: What stands for a value in the help of `serve`.
_METAVARS = {bool: None, int: "N", float: "X", Path: "PATH"}


class _Commands(TyperGroup):
    """Finds the commands of `miniserve.commands`, and imports one only when it is asked for.

    Each module there holds a command, or a `typer.Typer` group of them, under the module's own
    name.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """The commands of this module, then the others."""
        others = [module.name for module in pkgutil.iter_modules(commands.__path__)]
        return [*super().list_commands(ctx), *others]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command by its name; None if there is none of that name."""
        own = super().get_command(ctx, cmd_name)
        if own is not None or cmd_name not in self.list_commands(ctx):
            return own
        found = getattr(importlib.import_module(f"{commands.__name__}.{cmd_name}"), cmd_name)
        if not isinstance(found, typer.Typer):
            function, found = found, typer.Typer(add_completion=False)
            found.command(cmd_name)(function)
        command = typer.main.get_command(found)
        command.name = cmd_name
        return command


app = typer.Typer(
    name="miniserve",
    help="A grammar tutor behind an inference server that is small enough to read.",
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def fail(message: str, code: int = 1) -> typer.Exit:
    """Say in one line what is wrong; to be raised."""
    typer.secho(f"miniserve: {message}", fg="red", err=True)
    return typer.Exit(code)


def open_listener(settings: Settings) -> socket.socket:
    """Open the socket that the settings name; raises `typer.Exit`, having said why it cannot be."""
    try:
        return listen(settings.host, settings.port)
    except OSError as error:
        why = error.strerror
    except UnicodeError:  # a label of the name is empty or has more than 63 characters
        why = "this can be no host's name"
    raise fail(f"cannot listen on {settings.host}:{settings.port}: {why}")


def announce(what: str, listener: socket.socket) -> None:
    """Say where a server listens, in one line on standard error: who started it may read it."""
    typer.echo(f"miniserve: {what} on {url_of(listener)} (docs at /docs)", err=True)


S = TypeVar("S", bound=Settings)


def with_settings(
    command: Callable[[S], None],
    kind: type[S] = Settings,  # type: ignore[assignment]
) -> Callable[..., None]:
    """Give a command one option for each setting: its help, its default, its variable.

    A secret is only a variable: a command line can be read by everybody on the machine.
    """

    def wrapper(**given: Any) -> None:
        for name, meant in misspelt_variables(kind, os.environ):
            typer.secho(f"miniserve: {name} is no setting; {meant} is", fg="yellow", err=True)
        try:
            settings = kind(**{name: v for name, v in given.items() if v is not None})
        except ValidationError as error:
            raise fail("; ".join(_in_words(problem) for problem in error.errors()), 2) from None
        command(settings)

    parameters = []
    for name, field in kind.model_fields.items():
        annotation: Any = field.annotation
        if SecretStr in (annotation, *get_args(annotation)):
            continue
        option = typer.Option(
            help=field.description,
            show_default="none" if field.default in (None, "") else str(field.default),
            metavar=_METAVARS.get(annotation, "TEXT"),
        )
        parameters.append(
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=Annotated[annotation | None, option],
            )
        )
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {}
    wrapper.__name__, wrapper.__doc__ = command.__name__, command.__doc__
    return wrapper


def misspelt_variables(kind: type[Settings], names: Iterable[str]) -> list[tuple[str, str]]:
    """Environment variables that look like a setting of `kind` and are none, each with that one.

    Only near misses: other programs' variables may begin with MINISERVE_ too.
    """
    known = [f"MINISERVE_{name.upper()}" for name in kind.model_fields]
    others = [name for name in names if name.upper().startswith("MINISERVE_")]
    near = {name: get_close_matches(name.upper(), known, 1, cutoff=0.85) for name in others}
    return [(name, found[0]) for name, found in near.items() if found and name.upper() not in known]


def _in_words(problem: ErrorDetails) -> str:
    """Say what is wrong with a setting, under the names that it can be given by."""
    message = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:
        return message
    name = str(problem["loc"][0])
    return f"--{name.replace('_', '-')} or MINISERVE_{name.upper()}: {message}"


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"miniserve {version('miniserve')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Say which one."),
    ] = False,
) -> None:
    """What may stand before a command."""


@app.command()
@with_settings
def serve(settings: Settings) -> None:
    """Serve POST /correct until Ctrl-C or SIGTERM.

    Every option is an environment variable too: --max-num-seqs is MINISERVE_MAX_NUM_SEQS. Only a
    variable: MINISERVE_ENGINE_API_KEY, the key for an engine URL. A second Ctrl-C stops without
    waiting for requests in flight.
    """
    from miniserve.serve import build_app, run

    if settings.engine_url is None:
        try:
            read_config(settings.checkpoint / "config.json")
        except CheckpointError as error:
            raise fail(str(error)) from None
    listener = open_listener(settings)
    announce("remote engine" if settings.engine_url else f"mode {settings.mode}", listener)
    raise typer.Exit(run(build_app(settings), settings, listener))


@app.command()
def correct(
    sentence: Annotated[str, typer.Argument(help="One English sentence.")],
    checkpoint: Annotated[
        Path,
        typer.Option(help="Directory of the model's checkpoint.", envvar="MINISERVE_CHECKPOINT"),
    ] = TUTOR_DIR,
) -> None:
    """Correct one sentence, without a server."""
    try:
        answer = Tutor.load(checkpoint).correct(sentence)
    except (CheckpointError, SentenceError, PromptTooLong, AnswerError) as error:
        raise fail(str(error)) from None
    typer.echo(answer.corrected)
    typer.echo(answer.explanation)


def main() -> None:
    """Run the command line. A full disk or a path that cannot be written is one line, too."""
    try:
        app()
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise SystemExit(f"miniserve: {where}{error.strerror or error}") from None

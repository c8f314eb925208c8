"""`miniserve bench`: load any URL, and say honestly how it did.

Longer than its neighbours, because most of it is the list of options and their help.
"""

import asyncio
import json
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from miniserve.bench.printed import show
from miniserve.cli import fail
from miniserve.cli_options import JsonFile, in_a_folder
from miniserve.latency import LatencyRecord
from miniserve.latency.files import paths_of
from miniserve.loadtest import (
    Target,
    Trace,
    constant,
    gamma,
    poisson,
    run_closed_loop,
    run_open_loop,
)
from miniserve.loadtest.client import MAX_IN_FLIGHT, OnRecord
from miniserve.paths import DATA_DIR, STANDARD_LOAD

SENTENCES = (
    "She goed to the market.",
    "They was late for the train.",
    "Did he went home after lunch?",
    "The boys is playing in the garden.",
    "He has wrote three letters to his aunt.",
    "The window was broke by the storm.",
    "We walked along the river.",
    "My brother don't like coffee.",
)
"""Sent in turn when no file with sentences is given."""

_OF_THE_STANDARD = {"standard", "sweep", "requests", "trace", "out", "json_path"}
"""What may be said of the standard load test; the rest it chooses itself."""


class Arrivals(StrEnum):
    """When requests are sent."""

    POISSON = "poisson"
    GAMMA = "gamma"
    CONSTANT = "constant"
    REPLAY = "replay"
    CLOSED = "closed"


_NOT_HEEDED = {
    Arrivals.POISSON: {"burstiness", "concurrency", "trace"},
    Arrivals.GAMMA: {"concurrency", "trace"},
    Arrivals.CONSTANT: {"seed", "burstiness", "concurrency", "trace"},
    Arrivals.REPLAY: {"seed", "burstiness", "concurrency", "sentences"},
    Arrivals.CLOSED: {"rate", "seed", "burstiness", "trace", "max_in_flight"},
}
"""Options that have no meaning there: who quotes a rate must have offered it."""


def bench(
    context: typer.Context,
    *,
    url: Annotated[str, typer.Option(help="Server to load, without the path.")] = (
        "http://127.0.0.1:8000"
    ),
    rate: Annotated[
        float, typer.Option(min=0.001, help="Requests per second; for replay, the speed-up.")
    ] = 20.0,
    requests: Annotated[int, typer.Option(min=1, max=10_000_000, help="How many to send.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the schedule.")] = 0,
    arrivals: Annotated[
        Arrivals, typer.Option(help="Open loop by schedule, or a closed loop of users.")
    ] = Arrivals.POISSON,
    burstiness: Annotated[
        float, typer.Option(min=0.01, help="gamma: below 1 comes in clumps, 1 is Poisson.")
    ] = 0.5,
    concurrency: Annotated[
        int, typer.Option(min=1, max=100_000, help="closed: number of users.")
    ] = 8,
    trace: Annotated[
        Path | None, typer.Option(help="replay: JSON Lines of {at, sentence}.")
    ] = None,
    sentences: Annotated[
        Path | None, typer.Option(help="Text file, one sentence a line, sent in turn.")
    ] = None,
    slo: Annotated[
        float, typer.Option(min=0.0, help="Longest latency in seconds that counts as good.")
    ] = 1.0,
    timeout: Annotated[
        float, typer.Option(min=0.01, max=3600.0, help="Seconds for one request.")
    ] = 30.0,
    warmup: Annotated[
        float,
        typer.Option(
            min=0.0, max=86400.0, help="Leave out what was intended in these first seconds."
        ),
    ] = 0.0,
    max_in_flight: Annotated[
        int, typer.Option(min=1, help="Open sockets at most; beyond it requests are dropped.")
    ] = MAX_IN_FLIGHT,
    path: Annotated[str, typer.Option(help="Path of the endpoint.")] = "/correct",
    method: Annotated[str, typer.Option(help="HTTP method; GET sends no body.")] = "POST",
    body: Annotated[
        str, typer.Option(help='JSON body; the string "{sentence}" stands for the sentence.')
    ] = '{"sentence": "{sentence}"}',
    json_path: JsonFile = None,
    save: Annotated[
        Path | None,
        typer.Option(
            help="Write every sample as CSV here, conditions beside it.", callback=in_a_folder
        ),
    ] = None,
    standard: Annotated[
        bool, typer.Option("--standard", help="The standard load test: all four modes, no URL.")
    ] = False,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="All four modes at rising rates, for the same report.")
    ] = False,
    out: Annotated[
        Path, typer.Option(help="Folder of the standard load test's results.")
    ] = DATA_DIR / "latency",
) -> None:
    """Load a server and print its latency, goodput, and whether the run can be trusted.

    Open loop: requests leave on schedule whatever the server does, and a latency counts from the
    moment a request was meant to leave. Ctrl-C stops sending and shows what there is.
    """
    if standard or sweep:
        _refuse(context, context.params.keys() - _OF_THE_STANDARD, "in the standard load test")
        _bench_standard(
            standard=standard,
            sweep=sweep,
            trace=trace,
            requests=requests,
            out=out,
            json_path=json_path,
        )
        return
    _refuse(context, _NOT_HEEDED[arrivals], f"with --arrivals {arrivals.value}")
    if json_path is not None and save is not None and json_path in paths_of(save):
        raise typer.BadParameter(f"--json and --save would both write {json_path}")
    texts = _read_lines(sentences) if sentences else SENTENCES
    make_body = _body_maker(body) if method.upper() != "GET" else None
    try:
        target = Target(url, path, method.upper(), make_body)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    plan = None
    settings: dict[str, object] = {"arrivals": arrivals.value}
    if arrivals is not Arrivals.CLOSED:
        try:
            plan = _schedule(
                arrivals, trace, texts, rate=rate, n=requests, seed=seed, shape=burstiness
            )
        except (OSError, ValueError) as error:
            raise typer.BadParameter(str(error)) from error
        requests = len(plan.sentences)
        settings["rate"] = rate
    if arrivals in (Arrivals.POISSON, Arrivals.GAMMA):
        settings["seed"] = seed
    if arrivals is Arrivals.GAMMA:
        settings["burstiness"] = burstiness
    if trace is not None:
        settings["trace"] = str(trace)
    console = Console()
    with _progress(console, requests) as on_record, _stop_on_ctrl_c() as stop:
        if plan is None:
            run = run_closed_loop(
                target,
                texts,
                concurrency,
                n=requests,
                timeout_s=timeout,
                warmup_s=warmup,
                on_record=on_record,
                stop=stop,
            )
        else:
            run = run_open_loop(
                target,
                plan,
                timeout_s=timeout,
                warmup_s=warmup,
                max_in_flight=max_in_flight,
                on_record=on_record,
                stop=stop,
            )
        result = asyncio.run(run)
    result.conditions.update(settings)
    summary = result.summary(slo)
    show(console, result, summary)
    if json_path is not None:
        report = {"summary": summary.as_dict(), "conditions": result.conditions}
        json_path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if save is not None:
        result.save(save)


def _refuse(context: typer.Context, names: Iterable[str], where: str) -> None:
    """Refuse options that were given and would not be heeded."""
    for name in sorted(names):
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = "--" + name.replace("_", "-")
            raise typer.BadParameter(f"{option} has no meaning {where}")


def _bench_standard(
    *,
    standard: bool,
    sweep: bool,
    trace: Path | None,
    requests: int,
    out: Path,
    json_path: Path | None,
) -> None:
    from miniserve.bench import results, runner
    from miniserve.bench.standard import StandardSize

    try:
        report = runner.run_standard(
            StandardSize(requests=requests),
            out=out,
            with_replay=standard,
            with_sweep=sweep,
            trace=trace or STANDARD_LOAD,
            say=typer.echo,
        )
    except ValueError as error:  # the trace file
        raise typer.BadParameter(str(error)) from error
    except (OSError, RuntimeError) as error:
        raise fail(str(error)) from None
    if json_path is not None:
        json_path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    typer.echo("\n" + results.table(report))


def _schedule(
    arrivals: Arrivals,
    trace: Path | None,
    sentences: tuple[str, ...],
    *,
    rate: float,
    n: int,
    seed: int,
    shape: float,
) -> Trace:
    if arrivals is Arrivals.REPLAY:
        if trace is None:
            raise typer.BadParameter("--arrivals replay needs --trace FILE")
        saved = Trace.load(trace)
        return saved.cut(0, n).at_rate(rate)
    if arrivals is Arrivals.GAMMA:
        return Trace.of(gamma(rate, n, seed, shape), sentences)
    offsets = poisson(rate, n, seed) if arrivals is Arrivals.POISSON else constant(rate, n)
    return Trace.of(offsets, sentences)


def _read_lines(path: Path) -> tuple[str, ...]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise typer.BadParameter(str(error)) from error
    lines = (line.strip() for line in text.splitlines())
    if not (kept := tuple(line for line in lines if line)):
        raise typer.BadParameter(f"{path.name} has no sentences")
    return kept


def _body_maker(template: str) -> Callable[[str], object]:
    """Return a function that puts a sentence into a JSON template."""
    try:
        json.loads(template)
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"--body is not JSON: {error}") from error

    def body(sentence: str) -> object:
        return json.loads(template.replace("{sentence}", json.dumps(sentence)[1:-1]))

    return body


@contextmanager
def _progress(console: Console, total: int) -> Iterator[OnRecord]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[bad]}"),
    )
    # Drawing costs time on the one interpreter that also keeps the schedule: four frames a second.
    with Progress(*columns, console=console, refresh_per_second=4) as progress:
        task = progress.add_task("sending", total=total, bad="")
        bad = 0

        def on_record(record: LatencyRecord) -> None:
            nonlocal bad
            bad += not record.ok
            progress.update(task, advance=1, bad=f"[red]{bad} without a 2xx[/red]" if bad else "")

        yield on_record


@contextmanager
def _stop_on_ctrl_c() -> Iterator[threading.Event]:
    """Turn Ctrl-C into a flag, so that a run that is cut short still shows what it has.

    A second one ends the run at once.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = signal.getsignal(signal.SIGINT)

    def on_signal(*_: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, on_signal)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)

"""Runs one engine in this process, for `child.Child` at the other end of its pipes.

Each line of standard input is a message in JSON, each is answered by one line: first what `start`
is to be given, then what `run` is. What the engine itself prints goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from miniserve.bench.peers.engine import NotInstalled, PeerEngine


def serve(engine: PeerEngine, questions: Iterable[str], answers: IO[str]) -> None:
    """Answer messages until there are no more; then stop the engine."""
    started = False
    try:
        for line in questions:
            message: dict[str, Any] = json.loads(line)
            if started:
                reply = _run(engine, message)
            else:
                reply = _start(engine, message)
                started = "version" in reply
            print(json.dumps(reply), file=answers, flush=True)
    finally:
        if started:
            engine.stop()


def _start(engine: PeerEngine, message: dict[str, Any]) -> dict[str, Any]:
    folder = Path(message["folder"])
    try:
        engine.start(Path(message["checkpoint"]), message["slots"], folder)
    except (ImportError, NotInstalled) as error:
        return {"missing": str(error)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {"version": engine.version()}


def _run(engine: PeerEngine, message: dict[str, Any]) -> dict[str, Any]:
    begin, cpu_s = time.perf_counter(), engine.cpu_s()
    try:
        answers = engine.run(message["prompts"], message["max_tokens"], message["eos_token_id"])
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    seconds = time.perf_counter() - begin
    return {"seconds": seconds, "cpu_s": engine.cpu_s() - cpu_s, "answers": answers}


def main() -> None:
    """Run the engine named on the command line as `module:class`."""
    module, _, name = sys.argv[1].partition(":")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # standard output belongs to the answers alone
    serve(getattr(import_module(module), name)(), sys.stdin, answers)


if __name__ == "__main__":
    main()

"""`python -m miniserve.bench.peers`: this engine beside all others that are installed.

`--only own llama` runs some of them; `--quick` shows that everything runs, and writes no files
unless `--out` names a folder.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from miniserve.bench.machine import machine, now
from miniserve.bench.peers import over_http, results
from miniserve.bench.peers.child import Child, PeerFailed, Run
from miniserve.bench.peers.compare import play, standings
from miniserve.bench.peers.engine import NotInstalled, PeerEngine
from miniserve.bench.peers.engines.ctranslate2_engine import CTranslate2
from miniserve.bench.peers.engines.llama_cpp import LlamaCpp
from miniserve.bench.peers.engines.openvino_genai import OpenVino, OpenVinoNatural
from miniserve.bench.peers.engines.own import Own
from miniserve.bench.peers.engines.transformers_engines import (
    TransformersContinuous,
    TransformersStatic,
)
from miniserve.bench.peers.engines.vllm_cpu import VllmCpu
from miniserve.bench.peers.workload import Workload, workload
from miniserve.bench.tables import Table, markdown
from miniserve.paths import DATA_DIR, TUTOR_DIR

ENGINES: dict[str, type[PeerEngine]] = {
    "own": Own,
    "openvino": OpenVino,
    "openvino-own": OpenVinoNatural,
    "ctranslate2": CTranslate2,
    "vllm": VllmCpu,
    "llama": LlamaCpp,
    "transformers": TransformersContinuous,
    "generate": TransformersStatic,
}

_SLOTS = 16


def measure_offline(
    load: Workload, chosen: Sequence[type[PeerEngine]], rounds: int
) -> tuple[Table, dict[str, str]]:
    """Run the rounds; the table, and who is missing and why."""
    kinds = {kind.name: kind for kind in chosen}
    missing: dict[str, str] = {}
    children: dict[str, Child] = {}
    with ExitStack() as stack:
        for name, kind in kinds.items():
            _say(f"starting {name}")
            try:
                child = Child(kind, load.checkpoint, _SLOTS)
                stack.callback(child.stop)
                _run(child, load, 2 * _SLOTS)  # warms up
                children[name] = child
            except (NotInstalled, PeerFailed) as error:
                missing[name] = str(error)
                _say(f"  left out: {error}")
        versions = {name: child.version for name, child in children.items()}

        def run(name: str) -> Run:
            done = _run(children[name], load)
            _say(f"  {name}: {len(load.prompts) / done.seconds:.1f} corrections/s")
            return done

        runs, failed = play(list(children), run, rounds)
    if Own.name not in runs:
        raise SystemExit(f"this engine does not run: {(missing | failed)[Own.name]}")
    found = standings(runs, Own.name)
    table = results.offline_table(found, kinds, versions, slots=_SLOTS, rounds=rounds)
    return table, missing | failed


def _run(child: Child, load: Workload, requests: int | None = None) -> Run:
    """`Child.run`; who fails is stopped, or it would compute on beside those who come next."""
    try:
        return child.run(load, requests)
    except PeerFailed:
        child.stop()
        raise


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--no-http", action="store_true", help="leave out the servers under load")
    parser.add_argument("--only-http", action="store_true", help="nothing but that")
    parser.add_argument("--checkpoint", type=Path, default=TUTOR_DIR)
    parser.add_argument("--quick", action="store_true", help="small numbers")
    to = "folder of the files (default: data/latency if all is run)"
    parser.add_argument("--out", type=Path, help=to)
    given = parser.parse_args(arguments)
    requests, rounds, seconds, traces = (48, 2, 3.0, 1) if given.quick else (256, 5, 12.0, 3)
    date, tables = now(), list[Table]()
    missing: dict[str, str] = {}
    load = workload(requests, given.checkpoint)
    if not given.only_http:
        chosen = [ENGINES[name] for name in dict.fromkeys(["own", *given.only])]
        table, missing = measure_offline(load, chosen, rounds)
        tables.append(table)
    if not given.no_http:
        _say("two servers under load")
        try:
            rate, found = over_http.compare(load, seconds=seconds, count=traces, slots=_SLOTS)
        except (NotInstalled, RuntimeError) as error:
            missing["servers under load"] = str(error)
        else:
            tables.append(results.http_table(rate, found, seconds, traces))
    content = results.report(machine(given.checkpoint), date, tables, missing)
    print(*map(markdown, tables), sep="\n")
    print(*(f"left out: {name}: {reason}" for name, reason in missing.items()), sep="\n")
    partly = given.quick or given.no_http or given.only_http or {*given.only} != {*ENGINES}
    out = given.out or (None if partly else DATA_DIR / "latency")
    if out is not None:
        results.save(content, out)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

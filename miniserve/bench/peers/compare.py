"""Rounds in alternating order, and what comes of them. Knows no engine and no clock.

Whatever else a machine does comes and goes within seconds; so each round asks every engine once,
every second round in the opposite order, and an engine is compared with this one's run of the same
round.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import NamedTuple

from miniserve.bench.peers.child import PeerFailed, Run
from miniserve.bench.peers.engine import Answers
from miniserve.bench.tables import Spread


class Standing(NamedTuple):
    """How an engine did over all rounds."""

    corrections_per_s: Spread
    tokens_per_s: Spread
    cpu: float | None  #: processor time ÷ time, median: how many threads were busy; None: unknown
    ratio: Spread  #: this engine's corrections per second ÷ the peer's, round by round
    agree: int  #: answers with the same tokens as this engine's
    answers: int


def orders(names: Sequence[str], rounds: int) -> list[list[str]]:
    """Who runs when: forwards and backwards in turn."""
    return [list(names) if number % 2 == 0 else list(names)[::-1] for number in range(rounds)]


def play(
    names: Sequence[str], run: Callable[[str], Run], rounds: int
) -> tuple[dict[str, list[Run]], dict[str, str]]:
    """Run everybody in every round. Who fails once is out, with the reason.

    Returns:
        The runs of those who are still in, and the reasons of those who are not.
    """
    runs: dict[str, list[Run]] = {name: [] for name in names}
    out: dict[str, str] = {}
    for order in orders(names, rounds):
        for name in order:
            if name not in out:
                try:
                    runs[name].append(run(name))
                except PeerFailed as error:
                    out[name] = str(error)
                    del runs[name]
    return runs, out


def standing(own: Sequence[Run], theirs: Sequence[Run]) -> Standing:
    """Sum up one engine beside this one. Both have run the same rounds of the same workload."""
    requests = len(own[0].answers)
    pairs = list(zip(own, theirs, strict=True))
    rates, tokens, ratios = [], [], []
    for mine, peer in pairs:
        rates.append(requests / peer.seconds)
        tokens.append(count_tokens(peer.answers) / peer.seconds)
        ratios.append(peer.seconds / mine.seconds)
    cpu = median(peer.cpu_s / peer.seconds for peer in theirs)
    first, other = own[0].answers, theirs[0].answers
    agree = sum(a == b for a, b in zip(first, other, strict=True))
    known = None if math.isnan(cpu) else cpu
    return Standing(Spread.of(rates), Spread.of(tokens), known, Spread.of(ratios), agree, requests)


def standings(runs: Mapping[str, Sequence[Run]], own: str) -> dict[str, Standing]:
    """Sum up everybody, this engine included; the fastest first."""
    found = {name: standing(runs[own], theirs) for name, theirs in runs.items()}
    return dict(sorted(found.items(), key=lambda entry: -entry[1].corrections_per_s.median))


def count_tokens(answers: Answers) -> int:
    """Tokens written, an end token for each answer included."""
    return sum(len(answer) + 1 for answer in answers)

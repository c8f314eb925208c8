"""What an engine must do to be compared. Standard library only: every Python must import this."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import ClassVar

#: Every library that has threads of its own is told to keep to one.
_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "TORCHINDUCTOR_COMPILE_THREADS",
)
ONE_THREAD = dict.fromkeys(_THREADS, "1")

Prompts = Sequence[Sequence[int]]
Answers = list[list[int]]


class NotInstalled(Exception):
    """The engine is not there; the message says what is missing."""


class PeerEngine(ABC):
    """One engine, greedy, on one thread. `start`, then `run` as often as wanted, then `stop`.

    Attributes:
        name: as it stands in the table.
        how: the settings that matter, for the table: batching and precision.
        python: the variable that names the Python which has it; None: the project's own.
    """

    name: ClassVar[str]
    how: ClassVar[str]
    python: ClassVar[str | None] = "MINISERVE_PEERS_PYTHON"

    @abstractmethod
    def start(self, checkpoint: Path, slots: int, folder: Path) -> None:
        """Load the checkpoint with room for `slots` sequences; `folder` is for files of its own.

        Raises:
            NotInstalled, ImportError: the engine is not there.
        """

    @abstractmethod
    def run(self, prompts: Prompts, max_tokens: int, eos_token_id: int) -> Answers:
        """Answer all prompts (token ids), handed in at once.

        An answer ends with the end token or after `max_tokens`; whether the end token is in it is
        left to the engine.
        """

    @abstractmethod
    def version(self) -> str:
        """Which release this is."""

    def cpu_s(self) -> float:
        """Processor time that the engine has used so far, all its threads together; seconds."""
        return time.process_time()

    def stop(self) -> None:
        """Give back what does not end with the process; most have nothing of the kind."""
        return


def release_of(package: str) -> str:
    """The version of an installed package."""
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return package


def variable(name: str) -> str:
    """The value of an environment variable; raises `NotInstalled` if it is not set."""
    if value := os.environ.get(name):
        return value
    raise NotInstalled(f"{name} is not set")


def environment() -> dict[str, str]:
    """The environment of an engine's process: one thread, and this package to be found."""
    return {**os.environ, **ONE_THREAD, "PYTHONPATH": str(Path(__file__).parents[3])}

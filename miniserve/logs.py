"""What the server and its engine's process write to standard error."""

from __future__ import annotations

import logging


def set_up_logging(level: int | str) -> None:
    """One form for every line, in this process; what is below `level` is left out."""
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s")
    logging.raiseExceptions = False  # a full disk under the log is no reason to write about it

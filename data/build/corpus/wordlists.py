"""The short word lists of `lists/words.txt`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

LISTS = Path(__file__).parent / "lists"


@cache
def _all() -> dict[str, list[str]]:
    out: dict[str, list[str]] = {}
    for line in (LISTS / "words.txt").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            key, _, rest = line.partition(": ")
            out[key] = rest.split()
    return out


def words(key: str) -> list[str]:
    """One list by its name; '@' still stands for a space. Raises KeyError."""
    return list(_all()[key])


def spaced(key: str) -> list[str]:
    """The same with spaces."""
    return [item.replace("@", " ") for item in words(key)]

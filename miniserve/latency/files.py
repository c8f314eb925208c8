"""Records on disk: a CSV of stamps, and the conditions of the run as JSON beside it."""

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from miniserve.latency.record import LatencyRecord

_COLUMNS = [field.name for field in fields(LatencyRecord)]


def save(
    records: Iterable[LatencyRecord], conditions: Mapping[str, Any], path: str | Path
) -> tuple[Path, Path]:
    """Write the records as CSV and the conditions of the run as JSON beside it.

    `path` names the CSV file (`.csv` is added where it is missing). Returns both paths.
    """
    table, notes = paths_of(path)
    # Quotes around all text keep a stray line break in an error inside its cell.
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
        writer.writerow(_COLUMNS)
        writer.writerows([getattr(record, name) for name in _COLUMNS] for record in records)
    text = json.dumps(dict(conditions), indent=2, ensure_ascii=False, allow_nan=False)
    notes.write_text(text + "\n", encoding="utf-8")
    return table, notes


def load(path: str | Path) -> tuple[list[LatencyRecord], dict[str, Any]]:
    """Read what `save` wrote, every stamp to the last bit. Raises ValueError on other columns."""
    table, notes = paths_of(path)
    with table.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        if (header := next(rows, None)) != _COLUMNS:
            raise ValueError(f"{table.name} has the columns {header}, not {_COLUMNS}")
        records = [
            LatencyRecord(
                intended=float(intended),
                sent=float(sent),
                first_byte=float(first_byte) if first_byte else None,
                done=float(done) if done else None,
                status=int(status),
                error=error or None,
                request_id=request_id,
            )
            for intended, sent, first_byte, done, status, error, request_id in rows
        ]
    conditions: dict[str, Any] = json.loads(notes.read_text(encoding="utf-8"))
    return records, conditions


def paths_of(path: str | Path) -> tuple[Path, Path]:
    """The table of samples, and the conditions beside it."""
    table = Path(path) if str(path).endswith(".csv") else Path(f"{path}.csv")
    return table, table.with_suffix(".json")

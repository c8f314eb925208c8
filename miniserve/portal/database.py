"""SQLite from the standard library: one handle for the process, one connection for each request.

Three settings make it fit for a server. The write-ahead log lets readers read while one writes.
Foreign keys are checked, which SQLite does only when it is told to. A connection that finds the
file locked waits a while before it gives up.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from miniserve.problems import Problem

DATABASE_BUSY = Problem(
    "database-busy",
    503,
    "The database is busy",
    "Another program is writing to the database. Nothing was changed.",
)

SCHEMA_VERSION = 1

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS students (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    password_hash TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('student', 'admin')),
    must_change_password INTEGER NOT NULL DEFAULT 1,
    session_epoch INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS exercises (
    id INTEGER PRIMARY KEY,
    student_id INTEGER NOT NULL REFERENCES students ON DELETE CASCADE,
    sentence TEXT NOT NULL,
    corrected TEXT NOT NULL,
    explanation TEXT NOT NULL,
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
) STRICT;
CREATE INDEX IF NOT EXISTS exercises_of_student ON exercises (student_id, id);
PRAGMA user_version = {SCHEMA_VERSION};
"""


class DatabaseError(Exception):
    """The file cannot be used as the portal's database."""


class DatabaseBusy(DatabaseError):
    """Somebody else has held the lock for longer than a connection waits."""


class Database:
    """The process-wide handle. A context manager: entering opens the file and makes the tables.

    Args:
        path: the file; it is made if it is not there. SQLite's `:memory:` is none: there each
            connection would have a database of its own.
        busy_timeout_s: how long a connection waits for a lock.
    """

    def __init__(self, path: Path, busy_timeout_s: float = 5.0) -> None:
        self.path = path
        self._busy_timeout_s = busy_timeout_s
        self._anchor: sqlite3.Connection | None = None  # while it is open, the log stays in place

    def __enter__(self) -> Database:
        if str(self.path) == ":memory:":
            raise DatabaseError(":memory: is no file; requests could not share what is in it.")
        try:
            self._anchor = self._connect()
            [version] = self._anchor.execute("PRAGMA user_version").fetchone()
            if version > SCHEMA_VERSION:
                raise DatabaseError(
                    f"{self.path.name} was made by a newer miniserve (version {version} of the "
                    f"tables; this one knows {SCHEMA_VERSION})."
                )
            self._anchor.execute("PRAGMA journal_mode = WAL")
            self._anchor.executescript(_SCHEMA)
        except BaseException as error:
            self.__exit__()
            if isinstance(error, sqlite3.Error):
                raise DatabaseError(f"{self.path.name} cannot be used: {error}.") from error
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._anchor is not None:
            self._anchor.close()
            self._anchor = None

    @contextlib.contextmanager
    def session(self) -> Iterator[sqlite3.Connection]:
        """One connection for one request: commit on success, roll back on any error.

        Reading takes no lock. The first change begins a transaction, which takes the write lock at
        once: a transaction that begins by reading cannot wait for the lock later on.

        Raises:
            DatabaseError: the handle is not open.
            DatabaseBusy: the lock did not come free in time.
        """
        if self._anchor is None:
            raise DatabaseError("The database is not open.")
        connection = self._connect()
        try:
            yield connection
            connection.commit()
        except BaseException as error:
            connection.rollback()
            if isinstance(error, sqlite3.OperationalError) and _is_busy(error):
                raise DatabaseBusy(f"{self.path.name} is locked.") from error
            raise
        finally:
            connection.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path,
            timeout=self._busy_timeout_s,
            isolation_level="IMMEDIATE",
            check_same_thread=False,  # a request moves between threads, but is in one at a time
        )
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA foreign_keys = ON")
        return connection


def _is_busy(error: sqlite3.OperationalError) -> bool:
    code = getattr(error, "sqlite_errorcode", 0)  # errors of the module itself have none
    return bool(code & 0xFF == sqlite3.SQLITE_BUSY)  # whatever the further bits say of the reason

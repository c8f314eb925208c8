"""Who may sign in. Passwords are hashed with Argon2id (argon2-cffi, with its own defaults)."""

from __future__ import annotations

import functools
import re
import secrets
import sqlite3
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

MIN_PASSWORD_LENGTH = 10
MAX_PASSWORD_LENGTH = 200  # hashing takes longer the longer the password

#: What a name may be.
MAX_NAME_LENGTH = 40
NAME_PATTERN = f"^[A-Za-z0-9][A-Za-z0-9._-]{{0,{MAX_NAME_LENGTH - 1}}}$"

FIRST_ADMIN = "admin"

_hasher = PasswordHasher()


@dataclass(frozen=True, slots=True)
class Student:
    """An account; an admin is a student too."""

    id: int
    name: str
    role: str
    must_change_password: bool
    session_epoch: int

    @property
    def is_admin(self) -> bool:
        """Whether the admin routes are open to this account."""
        return self.role == "admin"


class NameTaken(Exception):
    """There is an account of that name."""


class BadName(ValueError):
    """The name has a form that no name may have."""


class WeakPassword(ValueError):
    """The password is too short or too long."""


def create(
    db: sqlite3.Connection,
    name: str,
    password: str,
    *,
    role: str = "student",
    must_change_password: bool = True,
) -> Student:
    """Make an account.

    Raises:
        BadName: it does not match `NAME_PATTERN`.
        NameTaken: case does not count.
        WeakPassword: see `check_password`.
    """
    if not re.fullmatch(NAME_PATTERN, name):
        raise BadName(
            f"A name has up to {MAX_NAME_LENGTH} letters from a to z, digits, dots, dashes and "
            "underscores; the first is a letter or a digit."
        )
    check_password(password)
    # Not 0: SQLite may give the id of a deleted account again, and with it that account's cookies.
    epoch = secrets.randbelow(1 << 48)
    try:
        cursor = db.execute(
            "INSERT INTO students (name, password_hash, role, must_change_password, session_epoch)"
            " VALUES (?, ?, ?, ?, ?)",
            (name, _hasher.hash(password), role, int(must_change_password), epoch),
        )
    except sqlite3.IntegrityError as error:
        if error.sqlite_errorname == "SQLITE_CONSTRAINT_UNIQUE":
            raise NameTaken(f"There is an account called {name} already.") from None
        raise
    assert cursor.lastrowid is not None
    return Student(cursor.lastrowid, name, role, must_change_password, epoch)


def check_password(password: str) -> None:
    """Raise `WeakPassword` if it is too short or too long. Length is what counts."""
    if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
        raise WeakPassword(
            f"A password has {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters."
        )


def one_time_password() -> str:
    """A password that is told once and changed at the first sign-in: 96 random bits."""
    return secrets.token_urlsafe(12)


def authenticate(db: sqlite3.Connection, name: str, password: str) -> Student | None:
    """The account with this name and password; None if there is none.

    An unknown name takes as long as a wrong password, so that names cannot be found out.
    """
    row = db.execute("SELECT * FROM students WHERE name = ?", (name,)).fetchone()
    stored = _unknown_hash() if row is None else row["password_hash"]
    try:
        _hasher.verify(stored, password[: MAX_PASSWORD_LENGTH + 1])
    except VerifyMismatchError:
        return None
    if row is None:
        return None
    if _hasher.check_needs_rehash(stored):  # the library's defaults have grown since
        db.execute(
            "UPDATE students SET password_hash = ? WHERE id = ?",
            (_hasher.hash(password), row["id"]),
        )
    return _student(row)


def by_id(db: sqlite3.Connection, student_id: int) -> Student | None:
    """An account; None if it is not there (any more)."""
    row = db.execute("SELECT * FROM students WHERE id = ?", (student_id,)).fetchone()
    return None if row is None else _student(row)


def end_sessions(db: sqlite3.Connection, student: Student) -> None:
    """Make every cookie of this account worthless.

    A signed cookie cannot be called back: whoever copied it has it. So it carries a number that
    the account has too, and here the account moves on to the next.
    """
    db.execute("UPDATE students SET session_epoch = session_epoch + 1 WHERE id = ?", (student.id,))


def set_password(db: sqlite3.Connection, student: Student, password: str) -> None:
    """Change a password and end all sessions; raises what `check_password` raises."""
    check_password(password)
    db.execute(
        "UPDATE students SET password_hash = ?, must_change_password = 0 WHERE id = ?",
        (_hasher.hash(password), student.id),
    )
    end_sessions(db, student)


def delete(db: sqlite3.Connection, student_id: int, admin: Student) -> bool:
    """Delete another account and its history; False if there is none, or `admin` is none by now.

    Of two admins who delete each other in the same moment, one stays.
    """
    deleted = db.execute(
        "DELETE FROM students WHERE id = ? AND id <> ? AND EXISTS"
        " (SELECT 1 FROM students WHERE id = ? AND session_epoch = ? AND role = 'admin')",
        (student_id, admin.id, admin.id, admin.session_epoch),
    )
    return deleted.rowcount == 1


def ensure_admin(db: sqlite3.Connection, password: str | None = None) -> str | None:
    """On the first run, make the admin; returns the one-time password that was made up, if any.

    Args:
        password: given: it is the admin's, and need not be changed.
    """
    if db.execute("SELECT 1 FROM students WHERE role = 'admin'").fetchone():
        return None
    made = None if password else one_time_password()
    create(
        db,
        FIRST_ADMIN,
        password or made or "",
        role="admin",
        must_change_password=made is not None,
    )
    return made


@functools.cache
def _unknown_hash() -> str:
    return _hasher.hash(secrets.token_urlsafe())


def _student(row: sqlite3.Row) -> Student:
    return Student(
        row["id"],
        row["name"],
        row["role"],
        bool(row["must_change_password"]),
        row["session_epoch"],
    )

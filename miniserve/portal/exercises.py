"""What students have had corrected."""

from __future__ import annotations

import sqlite3

from miniserve.portal.accounts import Student
from miniserve.tutor import Correction

#: A page of history.
RECENT = 50


def add(db: sqlite3.Connection, student: Student, sentence: str, correction: Correction) -> bool:
    """Write one down; False if meanwhile the account was deleted, or its sessions were ended.

    The id alone does not tell: SQLite may give that of a deleted account again.
    """
    added = db.execute(
        "INSERT INTO exercises (student_id, sentence, corrected, explanation)"
        " SELECT id, ?, ?, ? FROM students WHERE id = ? AND session_epoch = ?",
        (
            sentence,
            correction.corrected,
            correction.explanation,
            student.id,
            student.session_epoch,
        ),
    )
    return added.rowcount == 1


def history(db: sqlite3.Connection, student: Student) -> list[sqlite3.Row]:
    """The latest ones of a student, newest first."""
    return db.execute(
        "SELECT sentence, corrected, explanation, created_at FROM exercises"
        " WHERE student_id = ? ORDER BY id DESC LIMIT ?",
        (student.id, RECENT),
    ).fetchall()


def counts(db: sqlite3.Connection) -> list[sqlite3.Row]:
    """Every account with `id`, `name`, `role` and `num_exercises`, by name."""
    return db.execute(
        "SELECT students.id, name, role, count(exercises.id) AS num_exercises"
        " FROM students LEFT JOIN exercises ON student_id = students.id"
        " GROUP BY students.id ORDER BY name"
    ).fetchall()

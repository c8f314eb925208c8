"""The database: settings that a server needs, and what a request leaves behind."""

import sqlite3
import threading
from pathlib import Path

import pytest

from miniserve.portal import accounts, exercises
from miniserve.portal.database import Database, DatabaseBusy, DatabaseError
from miniserve.tutor import Correction

PASSWORD = "correct horse battery"


def test_settings_of_a_connection(tmp_path: Path) -> None:
    with Database(tmp_path / "db", busy_timeout_s=1.5) as database, database.session() as db:
        assert [*db.execute("PRAGMA journal_mode").fetchone()] == ["wal"]
        assert [*db.execute("PRAGMA foreign_keys").fetchone()] == [1]
        assert [*db.execute("PRAGMA busy_timeout").fetchone()] == [1500]


def test_commit_on_success_and_rollback_on_any_error(tmp_path: Path) -> None:
    with Database(tmp_path / "db") as database:
        with database.session() as db:
            accounts.create(db, "ana", PASSWORD)
        with pytest.raises(KeyboardInterrupt), database.session() as db:  # noqa: PT012
            accounts.create(db, "ben", PASSWORD)
            raise KeyboardInterrupt
        with database.session() as db:
            assert [row["name"] for row in exercises.counts(db)] == ["ana"]


def test_a_history_goes_with_its_student(tmp_path: Path) -> None:
    with Database(tmp_path / "db") as database, database.session() as db:
        ana = accounts.create(db, "ana", PASSWORD)
        exercises.add(db, ana, "He goed.", Correction("He went.", "Why."))
        admin = accounts.create(db, "head", PASSWORD, role="admin")
        assert accounts.delete(db, ana.id, admin)
        assert exercises.history(db, ana) == []
        assert not exercises.add(db, ana, "He goed.", Correction("He went.", "Why."))


def test_of_two_admins_who_delete_each_other_one_stays(tmp_path: Path) -> None:
    with Database(tmp_path / "db") as database, database.session() as db:
        ana, ben = (accounts.create(db, name, PASSWORD, role="admin") for name in ("ana", "ben"))
        assert accounts.delete(db, ben.id, ana)
        assert not accounts.delete(db, ana.id, ben)  # his request had come in before
        assert not accounts.delete(db, ana.id, ana)
        assert accounts.by_id(db, ana.id) == ana


def test_many_writers_at_once(tmp_path: Path) -> None:
    """To read first and then write is what gives "database is locked" in a careless set-up."""
    errors: list[Exception] = []
    with Database(tmp_path / "db", busy_timeout_s=30) as database:
        with database.session() as db:
            ana = accounts.create(db, "ana", PASSWORD)
        barrier = threading.Barrier(8)

        def write() -> None:
            try:
                barrier.wait(30)
                for _ in range(5):
                    with database.session() as db:
                        assert accounts.by_id(db, ana.id)
                        exercises.add(db, ana, "a", Correction("b", "c"))
            except Exception as error:
                errors.append(error)

        threads = [threading.Thread(target=write) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert errors == []
        with database.session() as db:
            assert exercises.counts(db)[0]["num_exercises"] == 40


def test_a_lock_that_does_not_come_free_is_a_typed_error(tmp_path: Path) -> None:
    with Database(tmp_path / "db", busy_timeout_s=0) as database, database.session() as writing:
        accounts.create(writing, "ana", PASSWORD)
        with pytest.raises(DatabaseBusy), database.session() as db:
            accounts.create(db, "ben", PASSWORD)
        with pytest.raises(sqlite3.OperationalError), database.session() as db:
            db.execute("SELECT * FROM nowhere")


def test_a_reader_is_not_held_up_by_a_writer(tmp_path: Path) -> None:
    with Database(tmp_path / "db", busy_timeout_s=0) as database, database.session() as writing:
        accounts.create(writing, "ana", PASSWORD)
        with database.session() as reading:
            assert exercises.counts(reading) == [], "not committed yet"


def test_a_closed_handle_says_so_and_leaves_one_file(tmp_path: Path) -> None:
    database = Database(tmp_path / "db")
    with database, database.session() as db:
        assert exercises.counts(db) == []
    with pytest.raises(DatabaseError, match="not open"), database.session():
        pass
    assert [file.name for file in tmp_path.iterdir()] == ["db"], "the log is folded back in"


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("this is no database, and it is long enough to be read" * 9)
    with pytest.raises(DatabaseError, match="text cannot be used: file is not a database"):
        Database(tmp_path / "text").__enter__()
    with pytest.raises(DatabaseError, match="unable to open"):
        Database(tmp_path / "nowhere" / "db").__enter__()
    with pytest.raises(DatabaseError, match="no file"):
        Database(Path(":memory:")).__enter__()
    with Database(tmp_path / "db") as database, database.session() as db:
        db.execute("PRAGMA user_version = 99")
    newer = Database(tmp_path / "db")
    with pytest.raises(DatabaseError, match="newer miniserve"):
        newer.__enter__()
    with pytest.raises(DatabaseError, match="not open"), newer.session():
        pass

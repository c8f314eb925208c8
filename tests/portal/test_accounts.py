"""Accounts: hashing, sessions that can be ended, the first admin."""

from collections.abc import Iterator
from pathlib import Path
from sqlite3 import Connection

import pytest
from argon2 import PasswordHasher, Type, extract_parameters
from argon2.profiles import RFC_9106_LOW_MEMORY

from miniserve.portal import accounts
from miniserve.portal.accounts import BadName, NameTaken, WeakPassword
from miniserve.portal.database import Database

PASSWORD = "correct horse battery"


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Connection]:
    with Database(tmp_path / "db") as database, database.session() as connection:
        yield connection


def hash_of(db: Connection, name: str) -> str:
    row = db.execute("SELECT password_hash FROM students WHERE name = ?", (name,)).fetchone()
    return str(row["password_hash"])


def test_passwords_are_hashed_with_argon2id(
    db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # the real parameters
    accounts.create(db, "ana", PASSWORD)
    accounts.create(db, "ben", PASSWORD)
    assert PASSWORD not in hash_of(db, "ana")
    assert hash_of(db, "ana") != hash_of(db, "ben"), "salted"
    used = extract_parameters(hash_of(db, "ana"))
    assert used.type is Type.ID
    assert used.memory_cost >= RFC_9106_LOW_MEMORY.memory_cost
    assert used.time_cost >= RFC_9106_LOW_MEMORY.time_cost


def test_authenticate(db: Connection) -> None:
    made = accounts.create(db, "ana", PASSWORD)
    assert accounts.authenticate(db, "Ana", PASSWORD) == made
    for name, password in [
        ("ana", PASSWORD + "x"),
        ("ana", ""),
        ("ben", PASSWORD),
        ("", ""),
        ("ana", PASSWORD * 1000),
    ]:
        assert accounts.authenticate(db, name, password) is None


def test_an_unknown_name_costs_a_hash_too(db: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[str] = []

    class Counting(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # type: ignore[override]
            verified.append(str(password))
            return super().verify(hash, password)

    monkeypatch.setattr(accounts, "_hasher", Counting())
    accounts.authenticate(db, "nobody", "guess")
    assert verified == ["guess"]


def test_an_old_hash_is_made_again(db: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    accounts.create(db, "ana", PASSWORD)
    before = hash_of(db, "ana")
    monkeypatch.setattr(accounts, "_hasher", PasswordHasher(1, 16, 1))
    assert accounts.authenticate(db, "ana", PASSWORD)
    assert hash_of(db, "ana") != before
    assert accounts.authenticate(db, "ana", PASSWORD)


def test_names_and_passwords_have_rules(db: Connection) -> None:
    accounts.create(db, "ana", PASSWORD)
    accounts.create(db, "9_a-b.c", PASSWORD)
    with pytest.raises(NameTaken):
        accounts.create(db, "ANA", PASSWORD)
    for name in ("", "a b", "<b>", ".a", "a\n", "x" * 41):
        with pytest.raises(BadName, match=r"up to 40 letters .* underscores"):
            accounts.create(db, name, PASSWORD)
    for password in ("x" * 9, "x" * 201):
        with pytest.raises(WeakPassword):
            accounts.create(db, "ben", password)


def test_the_first_admin_is_made_once(db: Connection) -> None:
    made = accounts.ensure_admin(db)
    assert made
    admin = accounts.authenticate(db, "admin", made)
    assert admin
    assert (admin.is_admin, admin.must_change_password) == (True, True)
    assert accounts.ensure_admin(db) is None
    assert accounts.ensure_admin(db, "another password") is None


def test_a_given_password_need_not_be_changed(db: Connection) -> None:
    assert accounts.ensure_admin(db, PASSWORD) is None
    admin = accounts.authenticate(db, "admin", PASSWORD)
    assert admin
    assert not admin.must_change_password


def test_a_new_password_ends_sessions(db: Connection) -> None:
    ana = accounts.create(db, "ana", PASSWORD)
    accounts.set_password(db, ana, "another password")
    now = accounts.by_id(db, ana.id)
    assert now
    assert now.session_epoch == ana.session_epoch + 1
    assert not now.must_change_password

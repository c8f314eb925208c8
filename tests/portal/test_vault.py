"""The vault: sealed, rotated, and clear about a wrong key."""

import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from miniserve.portal.vault import Vault, VaultError


@pytest.fixture
def keys() -> list[str]:
    return [Fernet.generate_key().decode() for _ in range(3)]


def test_a_secret_comes_back_and_is_nowhere_in_plain_text(tmp_path: Path, keys: list[str]) -> None:
    path = tmp_path / "vault"
    with Vault(path, keys[:1]) as vault:
        vault["signing"] = "swordfish"
    for file in tmp_path.iterdir():
        assert b"swordfish" not in file.read_bytes()
        assert b"signing" not in file.read_bytes(), "the names are sealed too"
    assert [file.name for file in tmp_path.iterdir()] == ["vault"], "nothing is left beside it"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with Vault(path, keys[:1]) as vault:
        assert vault["signing"] == "swordfish"


def test_rotation(tmp_path: Path, keys: list[str]) -> None:
    old, new, _ = keys
    path = tmp_path / "vault"
    with Vault(path, [old]) as vault:
        vault["a"] = "1"
    with Vault(path, [new, old]):
        pass  # opening is enough: the file is sealed again with the new key
    with Vault(path, [new]) as vault:
        assert vault["a"] == "1"
    with pytest.raises(VaultError), Vault(path, [old]):
        pass


def test_opening_with_the_same_key_writes_nothing(tmp_path: Path, keys: list[str]) -> None:
    path = tmp_path / "vault"
    with Vault(path, keys) as vault:
        vault["a"] = "1"
    before = path.read_bytes()
    with Vault(path, keys):
        pass
    assert path.read_bytes() == before


def test_a_wrong_key_is_said_clearly_and_nothing_is_lost(tmp_path: Path, keys: list[str]) -> None:
    path = tmp_path / "portal.vault"
    with Vault(path, keys[:1]) as vault:
        vault["a"] = "1"
    before = path.read_bytes()
    with pytest.raises(
        VaultError, match=r"portal.vault does not open: no key fits \(tried: 2\)"
    ) as said:
        Vault(path, keys[1:]).__enter__()
    assert not any(key in str(said.value) for key in keys)
    assert path.read_bytes() == before


def test_a_changed_file_does_not_open(tmp_path: Path, keys: list[str]) -> None:
    path = tmp_path / "vault"
    with Vault(path, keys) as vault:
        vault["a"] = "1"
    sealed = bytearray(path.read_bytes())
    sealed[40] ^= 1
    path.write_bytes(sealed)
    with pytest.raises(VaultError, match="the file was changed"):
        Vault(path, keys).__enter__()


@pytest.mark.parametrize(("wrong", "message"), [([], "needs a key"), (["secret"], "Key 1")])
def test_without_a_proper_key_it_says_how_to_make_one(
    tmp_path: Path, wrong: list[str], message: str
) -> None:
    with pytest.raises(VaultError, match=message) as said:
        Vault(tmp_path / "vault", wrong)
    assert "generate_key" in str(said.value)
    assert "secret" not in str(said.value)


def test_a_closed_vault_holds_nothing(tmp_path: Path, keys: list[str]) -> None:
    vault = Vault(tmp_path / "vault", keys)
    with vault:
        assert vault.get_or_make("a", lambda: "1") == vault.get_or_make("a", lambda: "2") == "1"
    with pytest.raises(VaultError, match="not open"):
        _ = vault["a"]
    with pytest.raises(VaultError, match="not open"):
        vault["a"] = "2"


def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, keys: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "vault"

    def full(*_: object) -> None:
        raise OSError("no space left")

    with Vault(path, keys) as vault:
        vault["a"] = "1"
        before = path.read_bytes()
        monkeypatch.setattr("os.replace", full)
        with pytest.raises(OSError, match="no space"):
            vault["a"] = "2"
        assert vault["a"] == "1", "memory and file agree"
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["vault"]

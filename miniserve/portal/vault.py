"""A file of secrets, sealed with `cryptography`'s Fernet (AES-128-CBC and HMAC-SHA256).

The key is not in the file and not in the code: it comes from the environment. There may be several:
the first one seals, all of them open. So a key is changed without losing anything: put the new one
in front, restart (the file is sealed again with it), take the old one away.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

MAKE_A_KEY = (
    "python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
)


class VaultError(Exception):
    """The vault cannot be opened. The message never holds a key or a secret."""


class Vault:
    """The process-wide handle. A context manager: entering opens the file and reads it.

    Args:
        path: the file; it is made when the first secret is put in.
        keys: Fernet keys (32 bytes in URL-safe base64), the sealing one first.

    Raises:
        VaultError: there is no key, or one of them is none.
    """

    def __init__(self, path: Path, keys: Sequence[str]) -> None:
        if not keys:
            raise VaultError(
                f"The vault needs a key in MINISERVE_VAULT_KEYS. To make one: {MAKE_A_KEY}"
            )
        self.path = path
        self._fernets = [_fernet(key, number) for number, key in enumerate(keys, start=1)]
        self._secrets: dict[str, str] | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Vault:
        if not self.path.exists():
            self._secrets = {}
            return self
        sealed = self.path.read_bytes()
        try:
            opened = json.loads(MultiFernet(self._fernets).decrypt(sealed))
        except InvalidToken:
            raise VaultError(
                f"{self.path.name} does not open: no key fits (tried: {len(self._fernets)}), "
                "or the file was changed."
            ) from None
        if not _opens(self._fernets[0], sealed):
            self._write(opened)
        self._secrets = opened
        return self

    def __exit__(self, *_: object) -> None:
        self._secrets = None

    def __getitem__(self, name: str) -> str:
        return self._open_secrets()[name]

    def __setitem__(self, name: str, secret: str) -> None:
        with self._lock:
            changed = self._open_secrets() | {name: secret}
            self._write(changed)
            self._secrets = changed

    def get_or_make(self, name: str, make: Callable[[], str]) -> str:
        """A secret; made and put in if it is not there."""
        if name not in self._open_secrets():
            self[name] = make()
        return self[name]

    def _open_secrets(self) -> dict[str, str]:
        if self._secrets is None:
            raise VaultError("The vault is not open.")
        return self._secrets

    def _write(self, opened: dict[str, str]) -> None:
        """Seal in memory, write beside the file, and move into its place: never half a vault."""
        sealed = self._fernets[0].encrypt(json.dumps(opened).encode())
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        try:  # mkstemp made it readable for the owner alone
            with os.fdopen(handle, "wb") as file:
                file.write(sealed)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self.path)
        except BaseException:
            os.unlink(name)
            raise


def _fernet(key: str, number: int) -> Fernet:
    try:
        return Fernet(key)
    except ValueError:
        raise VaultError(
            f"Key {number} of MINISERVE_VAULT_KEYS is no key. To make one: {MAKE_A_KEY}"
        ) from None


def _opens(fernet: Fernet, sealed: bytes) -> bool:
    try:
        fernet.decrypt(sealed)
    except InvalidToken:
        return False
    return True

"""The portal's settings: the server's, and a few of its own. Secrets are only ever variables."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, field_validator

from miniserve.settings import Settings


class PortalSettings(Settings):
    """The settings of one portal. Times are in seconds."""

    database: Path = Field(default=Path("portal.sqlite3"), description="File of the database.")
    vault: Path = Field(default=Path("portal.vault"), description="File of the vault.")
    vault_keys: SecretStr = Field(
        default=SecretStr(""),
        description="Keys of the vault, separated by commas; the first one seals, all open.",
    )
    admin_password: SecretStr | None = Field(
        default=None, description="Password of the first admin; default: one is made and printed."
    )
    secure_cookies: bool = Field(
        default=False, description="Send cookies over HTTPS only; on wherever there is HTTPS."
    )
    session_max_age_s: int = Field(
        default=8 * 3600, ge=60, description="How long one sign-in lasts."
    )
    sign_in_interval_s: float = Field(
        default=10.0,
        ge=1e-6,
        le=24 * 3600,
        description="After a few tries of a password, right or wrong: time until the next one.",
    )

    @field_validator("admin_password")
    @classmethod
    def _check_text(cls, password: SecretStr | None) -> SecretStr | None:
        """Refuse bytes that are no text: no form could send that password."""
        try:
            (password or SecretStr("")).get_secret_value().encode()
        except UnicodeEncodeError:
            raise ValueError("It is not UTF-8.") from None
        return password

    def split_vault_keys(self) -> list[str]:
        """The keys one by one, the sealing one first."""
        keys = self.vault_keys.get_secret_value().split(",")
        return [key.strip() for key in keys if key.strip()]

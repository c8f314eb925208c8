"""`miniserve portal`: the learner portal on the command line."""

from __future__ import annotations

import typer

from miniserve.cli import announce, fail, open_listener, with_settings
from miniserve.model.config import CheckpointError, read_config
from miniserve.portal.accounts import NameTaken, WeakPassword, ensure_admin
from miniserve.portal.application import build_portal, make_session_secret
from miniserve.portal.database import Database, DatabaseError
from miniserve.portal.settings import PortalSettings
from miniserve.portal.vault import Vault, VaultError
from miniserve.serve import open_client, run


def _portal(settings: PortalSettings) -> None:
    """Serve the learner portal until Ctrl-C or SIGTERM.

    The vault's key comes from MINISERVE_VAULT_KEYS. The first run makes the account "admin": its
    password is MINISERVE_ADMIN_PASSWORD, or a one-time password that is printed here.
    """
    listener = open_listener(settings)  # before a password is made that is told only once
    try:
        if settings.engine_url is None:
            read_config(settings.checkpoint / "config.json")
        with (  # once before the server starts, so that what is wrong is said in one line
            Vault(settings.vault, settings.split_vault_keys()) as vault,
            Database(settings.database) as database,
            database.session() as db,
        ):
            make_session_secret(vault)
            given = settings.admin_password
            made = ensure_admin(db, given.get_secret_value() if given else None)
    except (CheckpointError, VaultError, DatabaseError, NameTaken, WeakPassword) as error:
        listener.close()
        raise fail(str(error)) from None
    except OSError as error:
        listener.close()
        raise fail(f"cannot open {error.filename}: {error.strerror}") from None
    if made is not None:
        typer.echo(
            f"miniserve: first run. Sign in as admin with the one-time password {made}", err=True
        )
    announce("portal", listener)
    raise typer.Exit(run(build_portal(settings, open_client), settings, listener))


portal = with_settings(_portal, PortalSettings)

"""The key under which tokens are digested: the setting, or one that development makes and keeps."""

import os
import secrets
import tempfile
from pathlib import Path

from gatepost.errors import SettingsError
from gatepost.settings import home
from gatepost.settings.forms import KEY_LENGTH_MIN
from gatepost.settings.model import Settings


def secret_key(settings: Settings) -> str:
    """Return SECRET_KEY, or where none is set the key that is kept in GATEPOST_HOME.

    That one is made when it is first asked for; processes that ask at the same moment get the same key.

    Raises:
        SettingsError: the kept key can't be read or written.
    """
    if settings.secret_key is not None:
        return settings.secret_key.get_secret_value()
    kept = settings.gatepost_home / "secret_key"
    try:
        kept = home.claim(kept.parent) / kept.name
        if not kept.is_symlink() and not kept.exists():
            _keep(kept, secrets.token_urlsafe(48))
        found = _read(kept)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise SettingsError(
            [f"SECRET_KEY: none is set, and none can be kept in {kept} ({why}); set one"]
        ) from None
    if len(found) < KEY_LENGTH_MIN:
        raise SettingsError(
            [f"SECRET_KEY: none is set, and {kept} holds no complete key; set one or delete that file"]
        )
    return found


def _read(kept: Path) -> str:
    """Return the kept key, after taking from others the right to read it."""
    with os.fdopen(home.opened(kept, os.O_RDONLY), encoding="ascii") as file:
        mode = os.fstat(file.fileno()).st_mode
        if mode & 0o177:
            os.fchmod(file.fileno(), 0o600)
        return file.read().strip()


def _keep(kept: Path, key: str) -> None:
    """Write the key whole and durably, unless another process was first."""
    handle, name = tempfile.mkstemp(prefix=".secret_key-", dir=kept.parent)
    written = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(key + "\n")
            file.flush()
            os.fsync(file.fileno())
        # Linking, other than renaming, fails where the name is taken: the first key stays.
        kept.hardlink_to(written)
    except FileExistsError:
        pass
    finally:
        written.unlink()
    # Sessions that the database has made durable need a key that is no less so.
    directory = os.open(kept.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)

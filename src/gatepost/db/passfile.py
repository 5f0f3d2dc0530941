"""The password that a URL does not have: PGPASSWORD, else a password file (PostgreSQL, libpq, 32.16).

It says nothing of where the database is, and so the environment and the home directory may give it.
"""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from gatepost.log import get_logger
from gatepost.settings.address import Address, Host

log = get_logger("gatepost.db")


def password(address: Address, host: Host, database: str) -> str:
    """Return the password for a host, empty where there is none."""
    if address.password is not None:
        return address.password
    if given := os.environ.get("PGPASSWORD"):
        return given
    wanted = ("localhost" if host.socket else host.name, str(host.port), database, address.user)
    for *fields, found in _lines(address):
        if all(field in {"*", value} for field, value in zip(fields, wanted, strict=True)):
            return found
    return ""


def _lines(address: Address) -> Iterator[list[str]]:
    """Yield the five fields of each line of the password file; one that can't be read is none."""
    named = address.parameters.get("passfile") or os.environ.get("PGPASSFILE")
    try:
        path = Path(named) if named else Path.home() / ".pgpass"
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8") if stat.S_ISREG(mode) else ""
    except (OSError, RuntimeError, UnicodeError):
        return
    if text and mode & (stat.S_IRWXG | stat.S_IRWXO) and os.name == "posix":
        log.warning("the password file is not read: others may, too", path=str(path))
        return
    for line in text.splitlines():
        fields = [re.sub(r"\\(.)", r"\1", field) for field in re.split(r"(?<!\\):", line, maxsplit=4)]
        if len(fields) == 5 and not line.startswith("#"):
            yield fields

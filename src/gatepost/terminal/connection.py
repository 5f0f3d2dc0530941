"""Which database a command works on: where it is, in people's words and in libpq's."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    from gatepost.db.pool import Connection
    from gatepost.settings import Settings

_PARAMETERS = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "database": "PGDATABASE",
    "passfile": "PGPASSFILE",
    "service": "PGSERVICE",
    "servicefile": "PGSERVICEFILE",
    "sslmode": "PGSSLMODE",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcrl": "PGSSLCRL",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
    "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
    "krbsrvname": "PGKRBSRVNAME",
    "gsslib": "PGGSSLIB",
    "application_name": "PGAPPNAME",
}
"""Parameters of a URL that say how to connect → libpq's variables (PostgreSQL, libpq, 34.15)."""


@contextmanager
def configured_dsn(settings: "Settings") -> Iterator[str]:
    """Say where the configured database is, and keep the embedded one running meanwhile.

    Raises:
        EmbeddedServerError: the embedded one can't be had.
    """
    if settings.database_url is not None:
        yield settings.located(settings.database_url.get_secret_value())
        return
    from gatepost.db.embedded import EmbeddedServer

    with EmbeddedServer.start(settings.gatepost_home) as server:
        yield settings.located(server.dsn())


@asynccontextmanager
async def connected(dsn: str) -> "AsyncIterator[Connection]":
    """Lend one connection, without a deadline.

    Raises:
        DatabaseUnreachable: none could be made.
    """
    from gatepost.db.pool import Database

    database = Database(dsn, size=1, timeout=None, standby_ok=True)
    await database.open()
    try:
        async with database.connection() as conn:
            yield conn
    finally:
        await database.close()


def libpq_environment(dsn: str) -> dict[str, str]:
    """Return the variables with which libpq connects as the driver does with this URL.

    Variables and not arguments: everybody on the machine reads those. What the driver hands to the
    server as a setting (`?search_path=auth`) becomes an option of the same effect.
    """
    url = urlsplit(dsn)
    userinfo, _, hosts = url.netloc.rpartition("@")
    user, _, password = userinfo.partition(":")
    split = [_host_and_port(host) for host in hosts.split(",")]
    given = {
        "user": unquote(user),
        "password": unquote(password),
        "host": ",".join(host for host, _ in split),
        "port": ",".join(port for _, port in split) if any(port for _, port in split) else "",
        "dbname": unquote(url.path.removeprefix("/")),
    }
    options = []
    for name, value in parse_qsl(url.query):
        if name in _PARAMETERS:
            given.setdefault(name, "")
            # What stands before the question mark counts first, as it does for the driver.
            given[name] = given[name] or value
        elif name == "options":
            options.append(value)
        else:
            escaped = value.replace("\\", "\\\\").replace(" ", "\\ ")
            options.append(f"-c {name}={escaped}")
    variables = {_PARAMETERS[name]: value for name, value in given.items() if value}
    return variables | ({"PGOPTIONS": " ".join(options)} if options else {})


def location(settings: "Settings") -> str:
    """Return where the database is, for people: without user and password."""
    if settings.database_url is None:
        return f"embedded in {settings.gatepost_home}"
    variables = libpq_environment(settings.database_url.get_secret_value())
    hosts = variables.get("PGHOST", "localhost").split(",")
    ports = variables.get("PGPORT", "").split(",")
    ports += ports[-1:] * (len(hosts) - len(ports))
    places = (f"[{h}]" if ":" in h else h for h in hosts)
    addresses = ",".join(f"{h}:{p}" if p else h for h, p in zip(places, ports, strict=False))
    return f"{addresses}/{variables.get('PGDATABASE', '')}"


def _host_and_port(text: str) -> tuple[str, str]:
    host, colon, port = text.rpartition(":")
    if not colon or "]" in port:
        host, port = text, ""
    return unquote(host.removeprefix("[").removesuffix("]")), port

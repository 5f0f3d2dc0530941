"""DATABASE_URL: each parameter of libpq is kept or refused by name, and nothing else says where to go."""

import ctypes
import select
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
import pytest
from tests.conftest import MakeSettings, bearer, register, serving
from tests.failures.proxies import proxied, through
from tests.walking import walked

from gatepost.app import create_app
from gatepost.db import migrate
from gatepost.db.embedded import find_binaries
from gatepost.db.passfile import password
from gatepost.db.pool import Database
from gatepost.errors import DatabaseUnreachable, SettingsError
from gatepost.settings import Settings
from gatepost.settings.address import Address, Host

URL = "postgresql://ada:hush@db.example.com/app"


Db: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class _Option(ctypes.Structure):
    """PQconninfoOption of libpq."""

    _fields_ = [
        (name, ctypes.c_char_p) for name in ("keyword", "envvar", "compiled", "val", "label", "dispchar")
    ] + [("dispsize", ctypes.c_int)]


def options_of_libpq() -> dict[str, str | None]:
    """Return libpq's parameters and their variables, as the library itself lists them."""
    libpq = ctypes.CDLL(str(next((find_binaries().parent / "lib").glob("libpq.so.5*"))))
    libpq.PQconndefaults.restype = ctypes.POINTER(_Option)
    found: dict[str, str | None] = {}
    for option in libpq.PQconndefaults():
        if option.keyword is None:
            return found
        found[option.keyword.decode()] = option.envvar.decode() if option.envvar else None
    raise AssertionError("the list has an end")


def load(url: str) -> Settings:
    return Settings.load(env_file=None, database_url=url)


def problem_of(url: str) -> str | None:
    try:
        load(url)
    except SettingsError as error:
        return str(error)
    return None


def refusal(url: str) -> str:
    problem = problem_of(url)
    assert problem is not None
    assert "hush" not in problem
    return problem


def test_every_parameter_of_libpq_is_known() -> None:
    known = options_of_libpq()
    assert len(known) > 30  # PostgreSQL 14 has 35
    for name in known:
        told = problem_of(f"{URL}?{name}=no-such-value")
        assert told is None or name in told or name == "port", name
        assert "is not known" not in (told or ""), name


@pytest.mark.parametrize(
    "parameters",
    [
        "connect_timeout=10",
        "connect_timeout=0",
        "keepalives=1&keepalives_idle=30&keepalives_interval=10&keepalives_count=5&tcp_user_timeout=10000",
        "sslmode=require&application_name=app",
        "sslmode=verify-full&channel_binding=require&sslrootcert=system",
        "channel_binding=prefer",
        "gssencmode=disable&sslcompression=0&sslsni=1",
        "gssencmode=prefer&krbsrvname=postgres",
        "target_session_attrs=read-write",
        "target_session_attrs=primary&load_balance_hosts=random",
        "client_encoding=UTF8&fallback_application_name=x",
        "options=-c%20statement_timeout%3D5000",
        "search_path=auth&lock_timeout=5000&statement_timeout=1000",
        "min_protocol_version=3.0&max_protocol_version=latest",
        "ssl_min_protocol_version=TLSv1.3&sslnegotiation=direct&sslmode=require",
        "ssl=true",
        "app.tenant=7",
        "sslmode=",
    ],
)
def test_what_can_be_kept_is_taken(parameters: str) -> None:
    assert load(f"{URL}?{parameters}").database_url is not None


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ("channel_binding=require", "channel_binding=require can't be kept; sslmode=verify-full"),
        ("sslmode=require&channel_binding=require", "channel_binding"),
        ("channel_binding=maybe", "channel_binding must be one of disable, prefer, require"),
        ("gssencmode=require", "gssencmode must be one of disable, prefer"),
        ("target_session_attrs=standby", "target_session_attrs must be one of any, primary, read-write"),
        ("target_session_attrs=prefer-standby", "target_session_attrs"),
        ("target_session_attrs=read-only", "target_session_attrs"),
        ("sslmode=on", "sslmode must be one of disable"),
        ("sslmode=verify_full", "sslmode must be one of disable"),
        ("ssl_min_protocol_version=SSLv3", "ssl_min_protocol_version must be one of"),
        ("sslrootcert=system&sslmode=require", "sslrootcert=system needs sslmode=verify-full"),
        ("sslnegotiation=direct", "sslnegotiation=direct needs sslmode=require"),
        ("connect_timeout=soon", "connect_timeout is not a whole number"),
        ("keepalives_idle=1.5", "keepalives_idle is not a whole number"),
        ("keepalives=yes", "keepalives must be one of 0, 1"),
        ("require_auth=scram-sha-256", "the parameter require_auth can't be kept"),
        ("requirepeer=postgres", "the parameter requirepeer can't be kept"),
        ("service=app", "the parameter service can't be kept: put the service's parameters"),
        ("oauth_client_id=x", "the parameter oauth_client_id can't be kept"),
        ("replication=database", "replication must be one of"),
        ("client_encoding=LATIN1", "client_encoding must be one of"),
        ("conect_timeout=10", "the parameter conect_timeout is not known"),
        ("pgbouncer=true", "the parameter pgbouncer is not known"),
        ("connection_limit=5", "the parameter connection_limit is not known"),
        ("pool_size", "name=value"),
        ("port=1,2", "hosts, ports and addresses differ"),
        ("port=http", "a port in it is invalid"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_name(parameters: str, told: str) -> None:
    assert told in refusal(f"{URL}?{parameters}")


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql://one:1,two:2/db", (Host("one", 1), Host("two", 2))),
        ("postgresql://one,two/db?port=7", (Host("one", 7), Host("two", 7))),
        ("postgresql://u@/db?host=/run/one,two&port=1,2", (Host("/run/one", 1), Host("two", 2))),
        ("postgresql://%2Frun%2Fpg/db", (Host("/run/pg", 5432),)),
        ("postgresql://[::1]:7,[::2]/db", (Host("::1", 7), Host("::2", 5432))),
        ("postgresql://one/db?hostaddr=10.0.0.1", (Host("one", 5432, "10.0.0.1"),)),
    ],
)
def test_hosts_are_read_as_libpq_reads_them(url: str, hosts: tuple[Host, ...]) -> None:
    assert Address.parse(url).hosts == hosts


# --- Nothing but the URL ---


BENT: dict[str, str] = {
    "PGHOST": "nowhere.invalid",
    "PGHOSTADDR": "192.0.2.1",
    "PGPORT": "1",
    "PGDATABASE": "another",
    "PGUSER": "somebody",
    "PGSERVICE": "another",
    "PGSERVICEFILE": "/nonexistent/service",
    "PGOPTIONS": "-c search_path=nowhere",
    "PGSSLMODE": "verify-full",
    "PGSSLROOTCERT": "/nonexistent/root.crt",
    "PGSSLCERT": "/nonexistent/client.crt",
    "PGSSLKEY": "/nonexistent/client.key",
    "PGSSLCRL": "/nonexistent/root.crl",
    "PGSSLNEGOTIATION": "direct",
    "PGSSLMINPROTOCOLVERSION": "TLSv9",
    "PGSSLMAXPROTOCOLVERSION": "TLSv0",
    "PGTARGETSESSIONATTRS": "standby",
    "PGKRBSRVNAME": "x",
    "PGGSSLIB": "x",
    "PGCONNECT_TIMEOUT": "0.001",
    "PGPASSFILE": "/nonexistent/passfile",
}


async def works(dsn: str, owner_dsn: str, make_settings: MakeSettings) -> None:
    """Hold that everything that connects reaches this very database, by TCP as by its socket."""
    async with proxied(dsn) as proxy:
        for url in (through(dsn, proxy.place, sslmode="prefer"), dsn):
            async with serving(create_app(make_settings(database_url=url))) as client:
                token = (await register(client, f"{len(url)}@example.com"))["token"]
                assert (await client.get("/api/auth/me", headers=bearer(token))).status_code == 200
    assert (await migrate.migrate(owner_dsn)).before == migrate.HEAD


async def test_variables_of_libpq_say_nothing(
    dsn: str, owner_dsn: str, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch, db: Db
) -> None:
    assert not {name for name in options_of_libpq().values() if name} - BENT.keys() - NEVER_READ
    with monkeypatch.context() as bent:
        for name, value in BENT.items():
            bent.setenv(name, value)
        await works(dsn, owner_dsn, make_settings)
    assert await db.fetchval("SELECT count(*) FROM users") == 2


NEVER_READ = {
    *("PGPASSWORD", "PGAPPNAME", "PGCLIENTENCODING", "PGCHANNELBINDING", "PGGSSENCMODE", "PGGSSDELEGATION"),
    *("PGREQUIREPEER", "PGREQUIREAUTH", "PGREQUIRESSL", "PGSSLCOMPRESSION", "PGSSLCRLDIR", "PGSSLSNI"),
    *("PGSSLCERTMODE", "PGLOADBALANCEHOSTS", "PGMINPROTOCOLVERSION", "PGMAXPROTOCOLVERSION"),
    *("PGSSLKEYLOGFILE", "PGOAUTHISSUER", "PGOAUTHCLIENTID", "PGOAUTHSCOPE", "PGTZ", "PGDATESTYLE"),
}
"""The driver does not know them, but for the password, which says nothing of the place."""


def closed(home: Path) -> None:
    home.write_text("no directory")


def circular(home: Path) -> None:
    home.mkdir()
    (home / ".postgresql").symlink_to(home / ".postgresql")
    (home / ".pgpass").symlink_to(home / ".pgpass")
    (home / ".pg_service.conf").symlink_to(home / ".pg_service.conf")


def useless(home: Path) -> None:
    (home / ".postgresql").mkdir(parents=True)
    for name in ("postgresql.crt", "postgresql.key", "root.crl"):
        (home / ".postgresql" / name).write_text("nothing that TLS can use")
    (home / ".pgpass").mkdir()


def directories(home: Path) -> None:
    for name in ("postgresql.crt", "postgresql.key", "root.crt", "root.crl"):
        (home / ".postgresql" / name).mkdir(parents=True)


@pytest.mark.parametrize("make", [closed, circular, useless, directories])
async def test_a_home_directory_that_is_no_use_stops_nothing(
    dsn: str,
    owner_dsn: str,
    make_settings: MakeSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Any,
) -> None:
    make(tmp_path / "root")
    with monkeypatch.context() as bent:
        bent.setenv("HOME", str(tmp_path / "root"))
        await works(dsn, owner_dsn, make_settings)


def never(seconds: float, why: str) -> None:
    raise AssertionError(f"waits {seconds} s: {why}")


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"sslmode": "verify-full"}, "sslmode=verify-full needs sslrootcert=FILE"),
        ({"sslmode": "verify-ca", "sslrootcert": "/nonexistent/root.crt"}, "No such file"),
        (
            {"sslmode": "require", "sslcert": "/nonexistent/a.crt", "sslkey": "/nonexistent/a.key"},
            "No such file",
        ),
    ],
)
async def test_a_file_that_the_url_asks_for_and_that_is_missing_is_told_at_once(
    dsn: str, parameters: dict[str, str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    async with proxied(dsn) as proxy:
        database = Database(through(dsn, proxy.place, **parameters), size=1, timeout=5)
        with pytest.raises(SettingsError, match=told):
            await database.open(patience=60, on_wait=never)


async def test_a_server_without_tls_is_no_use_where_the_url_asks_for_it(dsn: str) -> None:
    async with proxied(dsn) as proxy:
        database = Database(through(dsn, proxy.place, sslmode="require"), size=1, timeout=5)
        with pytest.raises(DatabaseUnreachable, match=r"rejected SSL upgrade\. Turn TLS on"):
            await database.open(patience=60, on_wait=never)


# --- TLS ---

BINDING = {"channel_binding": "require"}
CERTIFICATE = Path(__file__).parent / "cli" / "certificate.pem"


@contextmanager
def behind_tls(dsn: str) -> Iterator[str]:
    """Lend the port of a server that speaks TLS, and sends everybody away who does not ask for it."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE, CERTIFICATE.with_name("key.pem"))

    def serve(client: socket.socket) -> None:
        with client, suppress(OSError):
            if client.recv(8) != struct.pack("!ii", 8, 80877103):
                return
            client.sendall(b"S")
            with context.wrap_socket(client, server_side=True) as secure, upstream_of(dsn) as server:
                secure.setblocking(False)
                while True:
                    ready, _, _ = select.select([secure, server], [], [])
                    for source, target in ((secure, server), (server, secure)):
                        if source in ready and not pump(source, target):
                            return

    def accept(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, args=(listener,), daemon=True)
        thread.start()
        yield str(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def upstream_of(dsn: str) -> socket.socket:
    host = Address.parse(dsn).hosts[0]
    if host.socket is None:
        return socket.create_connection((host.name, host.port))
    server = socket.socket(socket.AF_UNIX)
    server.connect(host.socket)
    return server


def pump(source: socket.socket, target: socket.socket) -> bool:
    """Pass on what is there; say whether the source goes on."""
    try:
        data = source.recv(65536)
        while isinstance(source, ssl.SSLSocket) and source.pending():
            data += source.recv(65536)
    except ssl.SSLWantReadError:
        return True
    target.sendall(data)
    return bool(data)


@walked(
    ("host", "parameters"),
    [
        ("localhost", {"sslmode": "prefer"}),
        ("localhost", {"sslmode": "allow"}),
        ("localhost", {"sslmode": "require"}),
        ("elsewhere.test", {"sslmode": "verify-ca", "sslrootcert": str(CERTIFICATE)}),
        ("localhost", {"sslmode": "verify-full", "sslrootcert": str(CERTIFICATE)}),
        ("localhost", {"sslmode": "verify-full", "sslrootcert": str(CERTIFICATE), **BINDING}),
    ],
)
async def test_a_server_that_speaks_tls_is_spoken_to_by_it(
    dsn: str, host: str, parameters: dict[str, str]
) -> None:
    with behind_tls(dsn) as port:
        url = through(dsn, f"{host}:{port}", hostaddr="127.0.0.1", **parameters)
        database = Database(url, size=1, timeout=5)
        await database.open()
        async with database.connection() as conn:
            assert await conn.fetchval("SELECT 1") == 1
        await database.close()


@pytest.mark.parametrize(
    ("host", "parameters"),
    [
        ("elsewhere.test", {"sslmode": "verify-full", "sslrootcert": str(CERTIFICATE)}),
        ("localhost", {"sslmode": "verify-full", "sslrootcert": "system"}),
    ],
    ids=["another name", "another authority"],
)
async def test_a_server_that_proves_to_be_another_is_a_mistake_that_waiting_does_not_mend(
    dsn: str, host: str, parameters: dict[str, str]
) -> None:
    with behind_tls(dsn) as port:
        url = through(dsn, f"{host}:{port}", hostaddr="127.0.0.1", **parameters)
        with pytest.raises(DatabaseUnreachable, match="certificate verify failed"):
            await Database(url, size=1, timeout=5).open(patience=60, on_wait=never)


# --- The password that the URL does not have ---


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("db.example.com:5432:app:ada:right", "right"),
        ("*:*:*:*:right", "right"),
        ("db.example.com:5433:app:ada:wrong\n*:5432:*:ada:right", "right"),
        ("# a word\ndb.example.com:*:app:ada:a\\:b\\\\c", "a:b\\c"),
        ("other.example.com:5432:app:ada:wrong", ""),
        ("broken", ""),
    ],
)
def test_a_password_file_is_read_by_the_name_of_the_host(tmp_path: Path, line: str, found: str) -> None:
    (tmp_path / "passfile").write_text(line)
    (tmp_path / "passfile").chmod(0o600)
    address = Address.parse(f"postgresql://ada@db.example.com/app?passfile={tmp_path}/passfile")
    assert password(address, address.hosts[0], "app") == found
    (tmp_path / "passfile").chmod(0o644)
    assert not password(address, address.hosts[0], "app")


def test_the_urls_own_password_counts_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "the environment's")
    for url, expected in ((URL, "hush"), (URL.replace(":hush", ""), "the environment's")):
        address = Address.parse(url)
        assert password(address, address.hosts[0], "app") == expected

"""How a database's URL is read: for libpq, for people, and how long it is waited for."""

import asyncio
import ssl
from pathlib import Path

import asyncpg
import pytest
from tests.conftest import SECRET_KEY

from gatepost.db.patience import patiently
from gatepost.errors import DatabaseUnreachable
from gatepost.settings import Settings
from gatepost.terminal.connection import libpq_environment, location


@pytest.mark.parametrize(
    ("dsn", "variables"),
    [
        ("postgresql://", {}),
        ("postgresql:///db", {"PGDATABASE": "db"}),
        (
            "postgresql://ada:p%40ss%2Fword@db.example.com:5433/my%20db",
            {
                "PGUSER": "ada",
                "PGPASSWORD": "p@ss/word",
                "PGHOST": "db.example.com",
                "PGPORT": "5433",
                "PGDATABASE": "my db",
            },
        ),
        ("postgresql://[::1]:5433/db", {"PGHOST": "::1", "PGPORT": "5433", "PGDATABASE": "db"}),
        ("postgresql://[::1]/db", {"PGHOST": "::1", "PGDATABASE": "db"}),
        ("postgresql://a:1,b:2/db", {"PGHOST": "a,b", "PGPORT": "1,2", "PGDATABASE": "db"}),
        ("postgresql://a,b/db", {"PGHOST": "a,b", "PGDATABASE": "db"}),
        (
            "postgresql://ada@/db?host=%2Frun%2Fpg&port=5433",
            {"PGUSER": "ada", "PGHOST": "/run/pg", "PGPORT": "5433", "PGDATABASE": "db"},
        ),
        (
            "postgresql://ada:one@a/db?password=two&user=bob&dbname=other",
            {"PGUSER": "ada", "PGPASSWORD": "one", "PGHOST": "a", "PGDATABASE": "db"},
        ),
        (
            "postgresql://a/db?sslmode=verify-full&sslrootcert=/ca.pem&target_session_attrs=read-write",
            {
                "PGHOST": "a",
                "PGDATABASE": "db",
                "PGSSLMODE": "verify-full",
                "PGSSLROOTCERT": "/ca.pem",
                "PGTARGETSESSIONATTRS": "read-write",
            },
        ),
        (
            "postgresql://a/db?search_path=auth,%20public&application_name=x&options=-c%20jit%3Doff",
            {
                "PGHOST": "a",
                "PGDATABASE": "db",
                "PGAPPNAME": "x",
                "PGOPTIONS": "-c search_path=auth,\\ public -c jit=off",
            },
        ),
    ],
)
def test_a_url_becomes_the_variables_of_libpq(dsn: str, variables: dict[str, str]) -> None:
    assert libpq_environment(dsn) == variables


@pytest.mark.parametrize(
    ("dsn", "place"),
    [
        ("postgresql://ada:hidden@db.example.com:5433/app", "db.example.com:5433/app"),
        ("postgresql://ada:hidden@db.example.com/app?password=hidden", "db.example.com/app"),
        ("postgresql://[::1]:5433/app", "[::1]:5433/app"),
        ("postgresql://a:1,b:2/app", "a:1,b:2/app"),
        ("postgresql://a,b/app", "a,b/app"),
        ("postgresql:///app", "localhost/app"),
        (None, "embedded in .gatepost"),
    ],
)
def test_a_place_is_told_without_user_and_password(dsn: str | None, place: str) -> None:
    settings = Settings.load(
        env_file=None, database_url=dsn, secret_key=SECRET_KEY, gatepost_home=Path(".gatepost")
    )
    assert location(settings) == place


def unreachable(cause: Exception | None) -> DatabaseUnreachable:
    error = DatabaseUnreachable.because("it is away")
    error.__cause__ = cause
    return error


async def test_an_attempt_is_repeated_until_it_succeeds(anyio_backend: str) -> None:
    faults = [unreachable(ConnectionRefusedError()), unreachable(asyncpg.CannotConnectNowError())]
    told: list[tuple[float, str]] = []

    async def attempt() -> str:
        if faults:
            raise faults.pop()
        return "there"

    found = await patiently(attempt, seconds=60, on_wait=lambda pause, why: told.append((pause, why)))
    assert found == "there"
    assert told == [(0.2, "it is away"), (0.4, "it is away")]


@pytest.mark.parametrize(
    "cause",
    [
        None,
        asyncpg.InvalidPasswordError(),
        asyncpg.InvalidAuthorizationSpecificationError(),
        asyncpg.InvalidCatalogNameError(),
        asyncpg.InsufficientPrivilegeError(),
        asyncpg.UndefinedObjectError(),
        ssl.SSLCertVerificationError(),
    ],
    ids=lambda cause: type(cause).__name__,
)
async def test_what_waiting_does_not_mend_is_told_at_once(
    anyio_backend: str, cause: Exception | None
) -> None:
    async def attempt() -> None:
        raise unreachable(cause)

    def on_wait(pause: float, why: str) -> None:
        raise AssertionError(f"waits {pause} s: {why}")

    with pytest.raises(DatabaseUnreachable):
        await patiently(attempt, seconds=60, on_wait=on_wait)


async def test_in_the_end_it_is_given_up(anyio_backend: str) -> None:
    pauses: list[float] = []

    async def attempt() -> None:
        raise unreachable(ConnectionRefusedError())

    began = asyncio.get_running_loop().time()
    with pytest.raises(DatabaseUnreachable):
        await patiently(attempt, seconds=0.3, on_wait=lambda pause, _: pauses.append(pause))
    assert 0 < sum(pauses) < 0.35  # trying takes its part of the time
    assert asyncio.get_running_loop().time() - began >= 0.3

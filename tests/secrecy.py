"""Searches all that a test has logged, printed and put on the audit trail for secrets.

The secrets are those of the run itself, noted where they are made or presented: tokens, links and challenges,
their digests, passwords, their hashes, mailed codes, secrets of authenticator apps, recovery codes. A test
whose output holds one of them fails at its end, whatever it asserts.
"""

import asyncio
import logging
import re
import subprocess
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import wraps
from types import ModuleType
from typing import Any, TypeVar

import asyncpg
import httpx
import pytest

from gatepost.features.email import secrets as mailed
from gatepost.features.recovery_codes import codes as recovery_codes
from gatepost.features.totp import codes as totp_codes
from gatepost.security.links import IssuedLink, LinkCodec, StoredLink
from gatepost.security.passwords import Password, PasswordCheck, PasswordHasher
from gatepost.security.tokens import HINT_LENGTH, Issued, StoredToken, TokenCodec

T = TypeVar("T")

_TOKEN = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<![\w-])[\w-]{43}(?![\w-])", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_CODE = re.compile(
    r"(?<![\w.-])(?:\d{8}|[A-Z2-7]{32}|[A-Z2-7]{4}(?:-[A-Z2-7]{4}){5}|[A-Z2-7]{24})(?![\w.-])", re.ASCII
)
"""Mailed, of an app or for recovery."""

_ROWS = {
    "auth_events": "(SELECT 'auth_events', to_jsonb(t)::text FROM auth_events t LIMIT 2000)",
    "user_sessions": """
        (SELECT 'user_sessions', (to_jsonb(t) - 'session_token')::text FROM user_sessions t LIMIT 2000)
    """,
    "auth_links": "(SELECT 'auth_links', (to_jsonb(t) - 'digest')::text FROM auth_links t LIMIT 2000)",
    "auth_email_links": """
        (SELECT 'auth_email_links', (to_jsonb(t) - 'digest' - 'code_digest')::text
        FROM auth_email_links t LIMIT 2000)
    """,
    "auth_messages": "(SELECT 'auth_messages', to_jsonb(t)::text FROM auth_messages t LIMIT 2000)",
    "auth_challenges": """
        (SELECT 'auth_challenges', ((to_jsonb(t) - 'digest' - 'hashed_password') #- '{state,challenge}')::text
        FROM auth_challenges t LIMIT 2000)
    """,
    "auth_totp": "(SELECT 'auth_totp', to_jsonb(t)::text FROM auth_totp t LIMIT 2000)",
    "auth_recovery_codes": """
        (SELECT 'auth_recovery_codes', (to_jsonb(t) - 'digest')::text FROM auth_recovery_codes t LIMIT 2000)
    """,
    "auth_passkeys": "(SELECT 'auth_passkeys', to_jsonb(t)::text FROM auth_passkeys t LIMIT 2000)",
    "users": "(SELECT 'users', (to_jsonb(t) - 'hashed_password')::text FROM users t LIMIT 2000)",
}
"""Table → its name and rows of it, without the column where a digest or hash has its place."""


class Secrets:
    """What must be nowhere but at its owner's."""

    def __init__(self) -> None:
        self._tokens: set[str] = set()
        self._digests: set[str] = set()
        self._hashes: set[str] = set()
        self._passwords: set[str] = set()
        self._codes: set[str] = set()

    def note_token(self, raw: str, *stored: str) -> None:
        self._tokens.add(raw)
        self._digests.update(each[HINT_LENGTH + 1 :] for each in stored)

    def note_link(self, raw: str, *stored: str) -> None:
        self._tokens.add(raw)
        self._digests.update(stored)

    def note_password(self, password: str, stored: str | None) -> None:
        # What is short or simple stands in many a text for other reasons.
        if len(set(password)) > 5 and not password.isalpha():
            self._passwords.add(password)
        if stored is not None and stored.startswith("$"):
            self._hashes.add(stored)

    def note_codes(self, *codes: str) -> None:
        self._codes.update(codes)

    def forget(self) -> None:
        """Begin another test; a token or digest is told from its form, so that all of them are kept."""
        self._codes.clear()
        self._passwords.clear()
        self._hashes.clear()

    def found_in(self, text: str) -> Iterator[str]:
        """Yield what kind of secret a text holds."""
        if not self._tokens.isdisjoint(_TOKEN.findall(text)):
            yield "a token"
        if not self._digests.isdisjoint(_DIGEST.findall(text)):
            yield "a digest"
        if self._codes and not self._codes.isdisjoint(_CODE.findall(text)):
            yield "a code, or what codes are made of"
        if any(password in text for password in self._passwords):
            yield "a password"
        if "$" in text and any(stored in text for stored in self._hashes):
            yield "the hash of a password"


secrets = Secrets()


class SecretFoundError(AssertionError):
    """Something holds a secret that must not."""


def search(text: str, where: str) -> None:
    """Hold that a text has no secret of this run in it.

    Raises:
        SecretFoundError: it has.
    """
    for kind in secrets.found_in(text):
        raise SecretFoundError(f"{where}: {kind} is in it:\n{text[-5_000:]}")


async def search_database(dsn: str) -> None:
    """Hold that the audit trail has no secret, and no other table a token or password as it is.

    Raises:
        SecretFoundError: one has.
    """
    try:
        conn = await asyncpg.connect(dsn)
    except (asyncpg.PostgresError, OSError):
        return  # the test has seen to its end
    try:
        for table, row in await rows(conn):
            search(row, f"a row of {table}")
    finally:
        await conn.close()


async def rows(conn: "asyncpg.Connection[asyncpg.Record]") -> list[tuple[str, str]]:
    """Return the name of a table and a row of it, for each row that may hold no secret."""
    there = await conn.fetch(
        "SELECT name FROM unnest($1::text[]) name WHERE to_regclass(name) IS NOT NULL", list(_ROWS)
    )
    statement = " UNION ALL ".join(_ROWS[name] for (name,) in there)
    return [(table, row) for table, row in await conn.fetch(statement)] if there else []


# --- Where secrets are made and presented ---


def _instead_of(owner: type | ModuleType, name: str) -> Callable[[Callable[..., Any]], None]:
    """Have a function called in place of a method, with the method as its first argument."""
    former = getattr(owner, name)

    def replace(function: Callable[..., Any]) -> None:
        @wraps(former)
        def instead(*args: Any, **kwargs: Any) -> Any:
            return function(former, *args, **kwargs)

        setattr(owner, name, instead)

    return replace


def _note_links() -> None:
    @_instead_of(LinkCodec, "issue")
    def issue_link(former: Callable[..., IssuedLink], codec: LinkCodec) -> IssuedLink:
        issued = former(codec)
        secrets.note_link(issued.raw, issued.stored)
        return issued

    @_instead_of(LinkCodec, "stored_forms")
    def stored_forms(
        former: Callable[..., tuple[StoredLink, ...]], codec: LinkCodec, raw: str
    ) -> tuple[StoredLink, ...]:
        stored = former(codec, raw)
        if stored:
            secrets.note_link(raw, *stored)
        return stored


def _note_codes() -> None:
    @_instead_of(mailed, "_made")
    def made(former: Callable[..., mailed.Revealed], key: bytes, nonce: bytes) -> mailed.Revealed:
        revealed = former(key, nonce)
        secrets.note_codes(revealed.code)
        return revealed

    @_instead_of(totp_codes, "new_secret")
    def new_secret(former: Callable[[], bytes]) -> bytes:
        secret = former()
        secrets.note_codes(totp_codes.shown(secret))
        return secret

    @_instead_of(recovery_codes, "make")
    def make(former: Callable[[], list[str]]) -> list[str]:
        codes = former()
        secrets.note_codes(*codes, *(code.replace("-", "") for code in codes))
        return codes


def _note_secrets() -> None:
    @_instead_of(TokenCodec, "issue")
    def issue(former: Callable[..., Issued], codec: TokenCodec) -> Issued:
        issued = former(codec)
        secrets.note_token(issued.raw, issued.stored)
        return issued

    @_instead_of(TokenCodec, "successors")
    def successors(
        former: Callable[..., Iterator[Issued]], codec: TokenCodec, raw: str, nonce: bytes
    ) -> Iterator[Issued]:
        for issued in former(codec, raw, nonce):
            secrets.note_token(issued.raw, issued.stored)
            yield issued

    @_instead_of(TokenCodec, "parse")
    def parse(
        former: Callable[..., tuple[StoredToken, ...]], codec: TokenCodec, raw: str
    ) -> tuple[StoredToken, ...]:
        stored = former(codec, raw)
        secrets.note_token(raw, *stored)
        return stored

    @_instead_of(PasswordHasher, "hash")
    def hash_(former: Callable[..., str], hasher: PasswordHasher, password: Password) -> str:
        stored = former(hasher, password)
        secrets.note_password(password.typed, stored)
        return stored

    @_instead_of(PasswordHasher, "check")
    def check(
        former: Callable[..., PasswordCheck], hasher: PasswordHasher, password: Password, stored: str | None
    ) -> PasswordCheck:
        secrets.note_password(password.typed, stored)
        return former(hasher, password, stored)

    @_instead_of(httpx.Response, "json")
    def json(former: Callable[..., Any], response: httpx.Response, **options: Any) -> Any:
        """Note what another process has issued."""
        body = former(response, **options)
        data = body.get("data") if isinstance(body, dict) else None
        if isinstance(data, dict) and isinstance(data.get("token"), str):
            secrets.note_token(data["token"])
        return body


# --- What is searched ---

_written: list[tuple[str, str]] = []
"""Where and what, of the test that runs."""


def shown_once(token: str) -> None:
    """Hold that what was captured shows a link's token, and let it be there this once."""
    for index, (where, text) in enumerate(_written):
        if token in text and where.startswith("what"):
            _written[index] = where, text.replace(token, "(shown)", 1)
            return
    raise AssertionError("nothing that was captured shows the token")


class _Everything(logging.Handler):
    """Keeps what anybody logs at whatever level."""

    def emit(self, record: logging.LogRecord) -> None:
        _written.append((f"the log of {record.name}", self.format(record)))


def _note(where: str, *texts: str | bytes | None) -> None:
    for text in texts:
        readable = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        _written.append((where, readable or ""))


def printed_on_purpose(password: str) -> None:
    """Take a password out of what a command printed that was asked for it; all else is searched for it."""
    _written[:] = [
        (where, text.replace(password, "...") if where == "what the test captured" else text)
        for where, text in _written
    ]


def _note_output() -> None:
    @_instead_of(pytest.CaptureFixture, "readouterr")
    def readouterr(former: Callable[..., Any], capture: pytest.CaptureFixture[Any]) -> Any:
        out, err = captured = former(capture)
        _note("what the test captured", out, err)
        return captured

    @_instead_of(subprocess.CompletedProcess, "__init__")
    def completed(former: Callable[..., None], process: Any, *args: Any, **kwargs: Any) -> None:
        former(process, *args, **kwargs)
        _note("what a process printed", process.stdout, process.stderr)

    @_instead_of(asyncio.subprocess.Process, "communicate")
    async def communicate(former: Callable[..., Any], process: Any, *args: Any) -> Any:
        out, err = printed = await former(process, *args)
        _note("what a process printed", out, err)
        return printed


def pytest_configure() -> None:
    _note_secrets()
    _note_links()
    _note_codes()
    _note_output()
    logging.getLogger().addHandler(_Everything(logging.NOTSET))
    logging.getLogger("gatepost").setLevel(logging.DEBUG)
    # The tests' own client would tell each link that it follows.
    logging.getLogger("httpx").setLevel(logging.WARNING)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "teardown":
        if found := _searched([*_written, *((f"captured {of}", text) for of, text in report.sections)]):
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid} lets secrets out:\n\n" + "\n\n".join(found)
        _written.clear()
        secrets.forget()
    return report


def _searched(written: Iterable[tuple[str, str]]) -> list[str]:
    found = []
    for where, text in written:
        try:
            search(text, where)
        except SecretFoundError as error:
            found.append(str(error))
    return found

"""Gatepost's own rows: users, sessions, and tokens that some of the sessions belong to."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import bcrypt

from bench.database import Connection, Postgres
from bench.plan import BCRYPT_ROUNDS, PASSWORD, SECRET_KEY, SESSIONS, TOKENS, USERS
from gatepost.db import migrate
from gatepost.security.keys import KeyRing
from gatepost.security.tokens import Issued, TokenCodec

STORED = "left(md5({0}::text), 8) || '.' || encode(sha256({0}::text::bytea), 'hex')"
"""What stands in `session_token` where no token is needed: of the form and length of the real ones."""

FILL_USERS = """
    INSERT INTO users (email, name, hashed_password)
    SELECT 'user' || i || '@example.com', 'User ' || i, $2 FROM generate_series(1, $1::integer) i
"""

FILL_SESSIONS = f"""
    INSERT INTO user_sessions (session_token, user_id, is_active, expires_at, ip_address, user_agent,
        absolute_expires_at)
    SELECT {STORED.format("i")}, (i - 1) % $3::integer + 1, true, $4::timestamptz, '192.0.2.' || i % 250, $5,
        $4::timestamptz
    FROM generate_series($1::integer, $2::integer) i
"""

USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@dataclass(frozen=True, slots=True)
class Credential:
    """What a client sends, and who it is: one header, and the e-mail that the answer must hold."""

    header: str
    email: str

    @property
    def headers(self) -> dict[str, str]:
        name, _, value = self.header.partition(": ")
        return {name: value}


def codec() -> TokenCodec:
    return TokenCodec(KeyRing.derive(SECRET_KEY), "uuid")


def bearer(token: Issued, email: str) -> Credential:
    return Credential(f"Authorization: Bearer {token.raw}", email)


def password_hash() -> str:
    """One for all users: what a check costs does not depend on it, and ten thousand would take an hour."""
    return bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(BCRYPT_ROUNDS)).decode()


async def fill(
    postgres: Postgres,
    database: str,
    *,
    users: int = USERS,
    sessions: int = SESSIONS,
    tokens: int = TOKENS,
) -> list[Credential]:
    """Make a database as `gatepost migrate` does, with rows; return what some of the sessions are used by."""
    await empty(postgres, database)
    async with postgres.connection(database) as conn:
        await conn.execute(FILL_USERS, users, password_hash())
        await conn.execute(FILL_SESSIONS, 1, sessions, users, await far(conn), USER_AGENT)
        credentials = await hand_out(conn, some(1, sessions, tokens))
    await postgres.settle(database)
    return credentials


async def empty(postgres: Postgres, database: str) -> None:
    """Make a database as `gatepost migrate` does."""
    await postgres.create(database)
    await migrate.migrate(postgres.dsn(database))


def some(first: int, last: int, count: int) -> list[int]:
    """Return ids out of a range, no more than there are."""
    return random.sample(range(first, last + 1), min(count, last - first + 1))


async def far(conn: Connection) -> datetime:
    """Return a time that no run will see."""
    found: datetime = await conn.fetchval("SELECT now() + interval '10 years'")
    return found


async def hand_out(conn: Connection, ids: Sequence[int]) -> list[Credential]:
    """Give these sessions tokens that somebody knows."""
    issued = {id_: codec().issue() for id_ in ids}
    rows = await conn.fetch(
        """
        UPDATE user_sessions s SET session_token = v.token
        FROM unnest($1::integer[], $2::varchar[]) AS v (id, token), users u
        WHERE s.id = v.id AND u.id = s.user_id
        RETURNING s.id, u.email
        """,
        list(issued),
        [token.stored for token in issued.values()],
    )
    return [bearer(issued[row["id"]], row["email"]) for row in rows]


def as_stored(credentials: Sequence[Credential]) -> list[Credential]:
    """Return the same with the stored form in the place of the token, for one who digests nothing."""
    recognised = codec()
    return [
        Credential(f"Authorization: Bearer {recognised.parse(each.header.rpartition(' ')[2])[0]}", each.email)
        for each in credentials
    ]

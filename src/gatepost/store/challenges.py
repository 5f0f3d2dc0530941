"""Statements on `auth_challenges`: sign-ins, and confirmations, that wait for one more step."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from gatepost.db.pool import Connection, one, parse_count
from gatepost.models import Columns, Options, Proof, UserId, after_wrong_answer
from gatepost.security.links import StoredLink


class Purpose(StrEnum):
    """What the last step of a challenge leads to."""

    SIGN_IN = "sign_in"
    """A session."""
    CONFIRM = "confirm"
    """A fresh session of the sign-in that the challenge belongs to."""
    ENROL = "enrol"
    """A second factor of its user, who is signed in: it belongs to their sign-in."""
    NEW_PASSWORD = "new_password"  # noqa: S105 - no password
    """A password of one's own, in the place of a temporary one."""
    ARRIVAL = "arrival"
    """A sign-in of somebody whose name the answer says."""


class Waiting(Columns, frozen=True, kw_only=True, gc=False):
    """A challenge as its row has it.

    Attributes:
        digest: the form of it that is stored.
        purpose: what its last step leads to.
        user_id, email: whose sign-in it is.
        stamp: of the user's credentials when the first step was proven.
        methods: what is proven so far.
        by_cookie: a cookie holds it.
        remembered: the session is to outlive the browser.
        is_known: it began where the user has signed in before.
        hashed_password: what the password becomes once the sign-in is complete; None where it stays.
        is_temporary: the password that was given is a temporary one.
        state: what the step kept, as JSON.
        tries: wrong answers so far.
        expires_at: first instant at which it is refused, UTC.
        is_good: it has not expired, its user is active, and their credentials are those that were proven; nor
            has the temporary password expired that was.
        failures: of the user, in a row, wherever they came from.
    """

    digest: str
    purpose: str
    user_id: UserId
    email: str
    stamp: UUID
    methods: list[str]
    by_cookie: bool
    remembered: bool
    is_known: bool
    hashed_password: str | None
    is_temporary: bool
    state: str
    tries: int
    expires_at: datetime
    is_good: bool
    failures: int

    @property
    def proof(self) -> Proof:
        """What is proven so far."""
        return Proof(user_id=self.user_id, methods=tuple(self.methods), stamp=self.stamp, at=None)


async def insert(
    conn: Connection,
    digests: Sequence[StoredLink],
    proof: Proof,
    *,
    purpose: Purpose,
    by_cookie: bool,
    lifetime: timedelta,
    at: datetime | None,
    remembered: bool = False,
    is_known: bool = True,
    hashed_password: str | None = None,
) -> datetime:
    """Add a challenge with the first of its digests; return when it expires.

    It takes the place of the one that had this digest, or any of the others, of keys before the newest.
    """
    row = await conn.fetchrow(
        """
        WITH former AS (
            DELETE FROM auth_challenges c WHERE c.digest = ANY($12::varchar[])
        )
        INSERT INTO auth_challenges (digest, purpose, user_id, stamp, methods, by_cookie, remembered,
            is_known, hashed_password, created_at, expires_at)
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, t.now, t.now + $10::interval
        FROM (SELECT coalesce($11::timestamptz, statement_timestamp()) AS now) t
        ON CONFLICT (digest) DO UPDATE SET stamp = EXCLUDED.stamp, methods = EXCLUDED.methods,
            by_cookie = EXCLUDED.by_cookie, state = EXCLUDED.state, tries = EXCLUDED.tries,
            created_at = EXCLUDED.created_at, expires_at = EXCLUDED.expires_at
        RETURNING expires_at
        """,
        digests[0],
        purpose,
        proof.user_id,
        proof.stamp,
        list(proof.methods),
        by_cookie,
        remembered,
        is_known,
        hashed_password,
        lifetime,
        at,
        list(digests[1:]),
    )
    expires_at: datetime = one(row)["expires_at"]
    return expires_at


async def find(
    conn: Connection,
    digests: Sequence[StoredLink],
    *,
    purpose: Purpose,
    by_cookie: bool,
    take: bool,
    at: datetime | None,
) -> Waiting | None:
    """Return a challenge.

    Args:
        conn: where to look.
        digests: what may be stored of it.
        purpose: what it is for.
        by_cookie: whether a cookie held what was presented.
        take: take it out, before its answer is looked at: of those who answer at once, one has it.
        at: the time; None is the database's.
    """
    row = await conn.fetchrow(
        """
        WITH taken AS (
            DELETE FROM auth_challenges c
            WHERE c.digest = ANY($1::varchar[]) AND c.purpose = $2 AND c.by_cookie = $3 AND $5
            RETURNING c.*
        ), found AS (
            SELECT * FROM taken
            UNION ALL
            SELECT c.* FROM auth_challenges c
            WHERE c.digest = ANY($1::varchar[]) AND c.purpose = $2 AND c.by_cookie = $3 AND NOT $5
        )
        SELECT c.digest, c.purpose, c.user_id, u.email, c.stamp, c.methods, c.by_cookie, c.remembered,
            c.is_known, c.hashed_password, u.temporary_password_expires_at IS NOT NULL AS is_temporary,
            c.state::text AS state, c.tries, c.expires_at,
            coalesce(c.expires_at > coalesce($4::timestamptz, statement_timestamp()) AND u.is_active
                AND gatepost.credentials_stamp(u) = c.stamp
                AND NOT ('pwd' = ANY(c.methods) AND coalesce(u.temporary_password_expires_at
                    <= coalesce($4::timestamptz, statement_timestamp()), false)), false) AS is_good,
            coalesce((SELECT sum(f.failures) FROM auth_failures f WHERE f.user_id = u.id), 0) AS failures
        FROM found c JOIN users u ON u.id = c.user_id
        """,
        list(digests),
        purpose,
        by_cookie,
        at,
        take,
    )
    return None if row is None else Waiting.from_row(row)


async def put_back(conn: Connection, waiting: Waiting, *, tries: int, at: datetime | None) -> None:
    """Let a challenge that was taken be answered once more, until it expires as it would have.

    Another that has come in its place stays. Options that are good for one answer are gone with a wrong one.
    """
    is_wrong = tries > waiting.tries
    state = json.dumps(after_wrong_answer(json.loads(waiting.state))) if is_wrong else waiting.state
    await conn.execute(
        """
        INSERT INTO auth_challenges (digest, purpose, user_id, stamp, methods, by_cookie, remembered,
            is_known, hashed_password, state, tries, created_at, expires_at)
        SELECT $1, $2, u.id, $4, $5, $6, $7, $8, $9, $10::text::jsonb, $11,
            coalesce($13::timestamptz, statement_timestamp()), $12
        FROM users u
        WHERE u.id = $3
        FOR KEY SHARE
        ON CONFLICT (digest) DO NOTHING
        """,
        waiting.digest,
        waiting.purpose,
        waiting.user_id,
        waiting.stamp,
        waiting.methods,
        waiting.by_cookie,
        waiting.remembered,
        waiting.is_known,
        waiting.hashed_password,
        state,
        tries,
        waiting.expires_at,
        at,
    )


async def keep_state(conn: Connection, digest: str, options: Options) -> None:
    """Keep what a step needs once its options are answered."""
    await conn.execute(
        "UPDATE auth_challenges SET state = $2::text::jsonb WHERE digest = $1",
        digest,
        json.dumps(dict(options.kept)),
    )


async def begin(
    conn: Connection, digest: StoredLink, options: Options, *, lifetime: timedelta, at: datetime | None
) -> None:
    """Add a challenge of somebody of whom nothing is known yet."""
    await conn.execute(
        """
        INSERT INTO auth_challenges (digest, purpose, by_cookie, state, created_at, expires_at)
        SELECT $1, $2, false, $3::text::jsonb, t.now, t.now + $4::interval
        FROM (SELECT coalesce($5::timestamptz, statement_timestamp()) AS now) t
        """,
        digest,
        Purpose.ARRIVAL,
        json.dumps(dict(options.kept)),
        lifetime,
        at,
    )


async def take_begun(
    conn: Connection, digests: Sequence[StoredLink], *, at: datetime | None
) -> dict[str, Any] | None:
    """Take such a challenge out and return what was kept; None where there is none, or it has expired."""
    row = await conn.fetchrow(
        """
        DELETE FROM auth_challenges c WHERE c.digest = ANY($1::varchar[]) AND c.purpose = $2
        RETURNING c.state::text AS state,
            c.expires_at > coalesce($3::timestamptz, statement_timestamp()) AS is_good
        """,
        list(digests),
        Purpose.ARRIVAL,
        at,
    )
    if row is None or not row["is_good"]:
        return None
    kept: dict[str, Any] = json.loads(row["state"])
    return kept


async def purge_expired(conn: Connection, *, limit: int, at: datetime | None) -> int:
    """Delete at most `limit` challenges that have expired."""
    status = await conn.execute(
        """
        DELETE FROM auth_challenges c
        WHERE c.digest = ANY(ARRAY(
            SELECT d.digest FROM auth_challenges d
            WHERE d.expires_at <= coalesce($1::timestamptz, statement_timestamp())
            LIMIT $2
            FOR UPDATE SKIP LOCKED
        ))
        """,
        at,
        limit,
    )
    return parse_count(status)

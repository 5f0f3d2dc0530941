"""What the use of a session leaves in its row: when it was, a later end, the newest digest, the first use."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from gatepost.db.pool import Connection, parse_count
from gatepost.security.tokens import StoredToken


class Use(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is to be written of a session that was used.

    Attributes:
        at: when; None where `last_used_at` is young enough.
        renew_to: what its end is moved to; None where it stays.
        stored: the form of its token that the row holds; None where it may stay.
        digest: the form under the newest key, to be put in the place of `stored`.
    """

    at: datetime | None = None
    renew_to: datetime | None = None
    stored: StoredToken | None = None
    digest: StoredToken | None = None


async def touch(conn: Connection, used: Mapping[int, Use], *, at: datetime | None) -> int:
    """Write what the use of these sessions leaves; return how many rows were written.

    One that is locked is being ended or refreshed this moment and is left out, so that this statement
    waits for nobody and takes part in no deadlock. One that has ended meanwhile stays as it is, and one that
    has expired keeps its end. The first use of what a confirmation began is `settle`'s to write.
    """
    status = await conn.execute(
        """
        WITH used AS (
            SELECT *
            FROM unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[], $4::varchar[], $5::varchar[])
                AS v (id, at, renew_to, stored, digest)
        ), live AS (
            -- FOR UPDATE, which a new digest needs: another row may refer to a column that is unique.
            SELECT s.id FROM user_sessions s
            WHERE s.id = ANY($1::bigint[]) AND s.is_active
            FOR UPDATE SKIP LOCKED
        )
        UPDATE user_sessions s
        SET last_used_at = greatest(s.last_used_at, used.at),
            expires_at = CASE WHEN gatepost.has_expired(s, coalesce($6, statement_timestamp()))
                THEN s.expires_at ELSE greatest(s.expires_at, used.renew_to) END,
            session_token = CASE WHEN s.session_token = used.stored THEN used.digest ELSE s.session_token END,
            handed_by = CASE WHEN used.at IS NULL OR s.handed_by = 'confirm' THEN s.handed_by END
        FROM used, live
        WHERE s.id = live.id AND used.id = live.id
        """,
        list(used.keys()),
        [use.at for use in used.values()],
        [use.renew_to for use in used.values()],
        [use.stored for use in used.values()],
        [use.digest for use in used.values()],
        at,
    )
    return parse_count(status)

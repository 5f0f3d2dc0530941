"""Statements on what was done at an address or in a network, all for `Database.planning`.

Only a plan that knows the place uses its index, and reads no more of it than the newest events.
"""

from datetime import datetime, timedelta
from typing import LiteralString

from gatepost.db.pool import Connection, one
from gatepost.features.addresses.places import Place
from gatepost.models import Columns, SeenEvent, UserId
from gatepost.store.events import COLUMNS, seen


class Account(Columns, frozen=True, kw_only=True, gc=False):
    """What was done at a place with one account, or with an e-mail that is nobody's.

    Attributes:
        user_id: of the account; None where there is none.
        email: of the account, or as it was tried; None where nobody was named.
        is_active: it is not disabled; None where there is none, or none any more.
        failed: sign-ins that failed.
        succeeded: sign-ins that succeeded.
        succeeded_at, succeeded_id: of the first that succeeded: when, and the id of the event.
        last_at: the newest event.
        is_guessed: many sign-ins had failed there, of whomever, when the first one succeeded, and the user
            had neither been there before those nor registered since.
        is_open: a session that began with one of these sign-ins is still live.
    """

    user_id: UserId | None
    email: str | None
    is_active: bool | None
    failed: int
    succeeded: int
    succeeded_at: datetime | None
    succeeded_id: int | None
    last_at: datetime
    is_guessed: bool
    is_open: bool


class Tries(Columns, frozen=True, kw_only=True, gc=False):
    """Sign-ins that failed at a place before a guess was right.

    Attributes:
        failed: how many.
        tried: on how many accounts, and e-mails that are nobody's.
    """

    failed: int
    tried: int


class Figures(Columns, frozen=True, kw_only=True, gc=False):
    """What was done at a place with all accounts together.

    Attributes:
        failures: sign-ins that failed.
        refusals: attempts that were refused by a throttle or a block, as far as the trail has them.
        sign_ins: those that succeeded.
        tried: accounts, and e-mails that are nobody's, at which a sign-in failed or succeeded.
        existing: how many of these are accounts.
        guessed: how many of these were guessed.
        last_failed_at: when somebody was last seen there at whose account a sign-in failed.
        has_more_sign_ins: there are older sign-ins than were looked at.
        has_more: there are other events that are older than those looked at.
    """

    failures: int
    refusals: int
    sign_ins: int
    tried: int
    existing: int
    guessed: int
    last_failed_at: datetime | None
    has_more_sign_ins: bool
    has_more: bool


_LATELY: LiteralString = " AND e.at > coalesce($4::timestamptz, statement_timestamp()) - $3::interval"

_SIGN_INS: LiteralString = (
    """
    FROM auth_events e
    WHERE e.action = 'session.started' AND e.ip_address IS NOT NULL
        AND CASE $2::text WHEN 'address' THEN gatepost.to_inet(e.ip_address) = $1::text::inet
            ELSE gatepost.to_inet(e.ip_address) BETWEEN host(network($1::text::inet))::inet
                AND host(broadcast($1::text::inet))::inet END
    """
    + _LATELY
)
"""Sign-ins lately at a place, which its name ($1) and how far it reaches ($2) say."""

_OTHERS: LiteralString = (
    """
    FROM auth_events e
    WHERE e.action NOT IN ('session.refreshed', 'session.confirmed', 'session.started')
        AND e.ip_address IS NOT NULL
        AND CASE $2::text WHEN 'address' THEN gatepost.to_inet(e.ip_address) = $1::text::inet
            WHEN 'around' THEN gatepost.network_of(e.ip_address) = $1::text::inet
            ELSE gatepost.to_inet(e.ip_address) BETWEEN host(network($1::text::inet))::inet
                AND host(broadcast($1::text::inet))::inet END
    """
    + _LATELY
)
"""What else happened there, but for renewals."""


async def accounts(
    conn: Connection,
    place: Place,
    *,
    within: timedelta,
    most: int,
    guesses: int,
    shown: int,
    at: datetime | None,
    idle: timedelta | None,
) -> tuple[Figures, list[Account]]:
    """Return what was done at a place lately, in all and by account.

    Args:
        conn: a connection.
        place: where.
        within: how far back one looks.
        most: sign-ins that are looked at, and other events, the newest of both.
        guesses: sign-ins that have to fail before one that succeeds may be a right guess.
        shown: accounts at the most: those that were guessed first, then those that were tried most.
        at: the time to decide by.
        idle: as `gatepost.is_live` takes it.
    """
    rows = await conn.fetch(
        """
        WITH other AS MATERIALIZED (
            SELECT e.at, e.action, e.user_id, e.detail
        """
        + _OTHERS
        + """
            ORDER BY e.at DESC
            LIMIT $6
        ), sign_in AS MATERIALIZED (
            SELECT e.id, e.at, e.user_id, e.session_id
        """
        + _SIGN_INS
        + """
                -- Whoever has a session in the place of its user is no stranger who came in.
                AND NOT EXISTS (
                    SELECT FROM user_sessions s WHERE s.id = e.session_id AND s.impersonator_id IS NOT NULL
                )
            ORDER BY e.at DESC
            LIMIT $6
        ), early AS MATERIALIZED (
            SELECT min(f.at) AS began, (array_agg(f.at ORDER BY f.at, f.id))[$7::integer] AS at,
                (array_agg(f.id ORDER BY f.at, f.id))[$7] AS id
            FROM (
                SELECT e.id, e.at
        """
        + _OTHERS
        + """
                    AND e.action = 'login.failed'
                ORDER BY e.at, e.id
                LIMIT $7
            ) f
        ), account AS (
            SELECT o.user_id, o.email, max(o.at) AS last_at,
                count(*) FILTER (WHERE o.action = 'login.failed')::integer AS failed,
                count(*) FILTER (WHERE o.action = 'throttled')::integer AS refused,
                count(o.sign_in_id)::integer AS succeeded,
                min(o.at) FILTER (WHERE o.sign_in_id IS NOT NULL) AS succeeded_at,
                min(o.sign_in_id) AS succeeded_id
            FROM (
                SELECT x.at, x.action, x.user_id,
                    CASE WHEN x.user_id IS NULL THEN lower(x.detail ->> 'email') END AS email,
                    NULL::bigint AS sign_in_id
                FROM other x
                UNION ALL
                SELECT i.at, NULL, i.user_id, NULL, i.id FROM sign_in i
            ) o
            GROUP BY o.user_id, o.email
        ), judged AS MATERIALIZED (
            SELECT a.*, a.failed + a.succeeded > 0 AS is_tried,
                CASE WHEN (a.succeeded_at, a.succeeded_id) > (y.at, y.id) THEN NOT EXISTS (
                    SELECT FROM users u WHERE u.id = a.user_id AND u.created_at::timestamptz >= y.began
                ) AND NOT EXISTS (
                    SELECT FROM user_sessions s
                    WHERE s.user_id = a.user_id AND s.created_at < y.began AND s.impersonator_id IS NULL
                        AND gatepost.to_inet(s.ip_address) <<= $1::text::inet
                ) ELSE false END AS is_guessed
            FROM account a CROSS JOIN early y
        ), figures AS (
            SELECT coalesce(sum(j.failed), 0) AS failures,
                coalesce(sum(j.refused), 0) AS refusals,
                coalesce(sum(j.succeeded), 0) AS sign_ins,
                count(*) FILTER (WHERE j.is_tried) AS tried,
                count(j.user_id) FILTER (WHERE j.is_tried) AS existing,
                count(*) FILTER (WHERE j.is_guessed) AS guessed,
                max(j.last_at) FILTER (WHERE j.failed > 0) AS last_failed_at,
                (SELECT count(*) >= $6 FROM sign_in) AS has_more_sign_ins,
                (SELECT count(*) >= $6 FROM other) AS has_more
            FROM judged j
        ), shown AS (
            SELECT j.*, row_number() OVER () AS place
            FROM (
                SELECT j.* FROM judged j
                WHERE j.is_tried
                ORDER BY j.is_guessed DESC, CASE WHEN j.is_guessed THEN j.succeeded_at END, j.failed DESC,
                    j.last_at DESC
                LIMIT $8
            ) j
        ), began AS MATERIALIZED (
            SELECT i.user_id, array_agg(i.session_id) AS sessions
            FROM sign_in i
            WHERE i.user_id IN (SELECT a.user_id FROM shown a)
            GROUP BY i.user_id
        )
        SELECT f.*, a.place, a.user_id, coalesce(u.email, a.email) AS email,
            CASE WHEN u.id IS NOT NULL THEN coalesce(u.is_active, false) END AS is_active,
            a.failed, a.succeeded, a.succeeded_at, a.succeeded_id, a.last_at, a.is_guessed,
            EXISTS (
                SELECT FROM began g JOIN user_sessions s ON s.user_id = g.user_id
                WHERE g.user_id = a.user_id AND coalesce(s.family_id, s.id) = ANY (g.sessions)
                    AND gatepost.is_live(s, u, coalesce($4::timestamptz, statement_timestamp()), $5::interval)
            ) AS is_open
        FROM figures f
        LEFT JOIN shown a ON true
        LEFT JOIN users u ON u.id = a.user_id
        ORDER BY a.place
        """,
        str(place),
        place.reach,
        within,
        at,
        idle,
        most,
        guesses,
        shown,
    )
    return Figures.from_row(rows[0]), [Account.from_row(row) for row in rows if row["place"] is not None]


async def tries_before(
    conn: Connection, place: Place, guessed: Account, *, within: timedelta, most: int, at: datetime | None
) -> Tries:
    """Return what had failed at a place before an account was guessed there.

    Args:
        conn: a connection.
        place: where.
        guessed: the account.
        within: how far back one looks.
        most: failures that are counted, the newest; one more for more.
        at: the time to decide by.
    """
    row = await conn.fetchrow(
        """
        SELECT coalesce(sum(e.failed), 0)::bigint AS failed, count(*) AS tried
        FROM (
            SELECT count(*) AS failed
            FROM (
                SELECT e.user_id, CASE WHEN e.user_id IS NULL THEN lower(e.detail ->> 'email') END AS email
        """
        + _OTHERS
        + """
                    AND e.action = 'login.failed' AND e.at <= $5 AND (e.at, e.id) < ($5, $6::bigint)
                ORDER BY e.at DESC
                LIMIT $7::bigint + 1
            ) e
            GROUP BY e.user_id, e.email
        ) e
        """,
        str(place),
        place.reach,
        within,
        at,
        guessed.succeeded_at,
        guessed.succeeded_id,
        most,
    )
    return Tries.from_row(one(row))


async def events(
    conn: Connection, place: Place, *, within: timedelta, limit: int, at: datetime | None
) -> list[SeenEvent]:
    """Return what happened at a place lately, the newest first, without renewals."""
    rows = await conn.fetch(
        "SELECT "
        + COLUMNS
        + """, u.email
        FROM (
            (SELECT e.*
        """
        + _SIGN_INS
        + """
            ORDER BY e.at DESC LIMIT $5)
            UNION ALL
            (SELECT e.*
        """
        + _OTHERS
        + """
            ORDER BY e.at DESC LIMIT $5)
        ) e
        LEFT JOIN users u ON u.id = e.user_id
        ORDER BY e.at DESC, e.id DESC
        LIMIT $5
        """,
        str(place),
        place.reach,
        within,
        at,
        limit,
    )
    return [seen(row) for row in rows]

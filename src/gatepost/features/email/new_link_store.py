"""Statements that add to `auth_email_links`, nobody's links in the way in which everybody's are."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from gatepost.db.pool import Connection, one
from gatepost.features.email.link_store import Purpose
from gatepost.features.email.secrets import Sealed
from gatepost.models import Client, UserId
from gatepost.security.links import StoredLink


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """Whose a mailbox is.

    Attributes:
        user_id: of the active user who has the e-mail; None where there is none.
        is_taken: somebody has it, active or not.
    """

    user_id: UserId | None
    is_taken: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLink:
    """A link that is to be.

    Attributes:
        purpose: what it is for.
        email: canonical, of the mailbox that it goes to.
        lifetime: of the link.
        code_lifetime: of its code; None where it has none.
        user_id: whose it is; None where it is nobody's, or of somebody who is still to be a user.
        bound: it ends when the credentials of its user change.
        former: which ones of the purpose end for it, where they are open: all of the mailbox, those of the
            user that are bound, or none.
        detail: what it needs besides, as JSON.
        client: who asks.
        browser: digest of what the browser keeps in which the code works; None where it works anywhere.
    """

    purpose: Purpose
    email: str
    lifetime: timedelta
    code_lifetime: timedelta | None = None
    user_id: UserId | None = None
    bound: bool = True
    former: Literal["mailbox", "user", "none"] = "none"
    detail: str = "{}"
    client: Client
    browser: StoredLink | None = None


async def lock_mailbox(conn: Connection, purpose: Purpose, email: str) -> None:
    """Have one link of a purpose be made for a mailbox at a time, until the caller's transaction ends."""
    # A statement of its own, so that the next ones see what whoever had the lock before has written.
    await conn.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1::text || ' ' || $2::text, 0))", purpose, email
    )


async def owner(conn: Connection, email: str) -> Mailbox:
    """Return whose the mailbox of a canonical e-mail is, who can't be deleted meanwhile."""
    row = await conn.fetchrow(
        # Locked before the links are, as whoever deletes the user does.
        """
        SELECT u.id, u.is_active FROM users u
        WHERE gatepost.email_key(u.email, u.email_key) COLLATE "C" = $1
        FOR KEY SHARE
        """,
        email,
    )
    if row is None:
        return Mailbox(user_id=None, is_taken=False)
    return Mailbox(user_id=row["id"] if row["is_active"] else None, is_taken=True)


async def insert(conn: Connection, new: NewLink, sealed: Sealed, *, at: datetime | None) -> int:
    """Add a link, in place of those that end for it; return its id.

    The caller has locked the user or the mailbox. For nobody the same is done.
    """
    row = await conn.fetchrow(
        """
        WITH t AS MATERIALIZED (
            SELECT coalesce($7::timestamptz, statement_timestamp()) AS now
        ), former AS (
            UPDATE auth_email_links l SET revoked_at = t.now, nonce = NULL
            FROM t
            WHERE l.purpose = $1 AND l.used_at IS NULL AND l.revoked_at IS NULL
                AND (l.email = $14 OR l.user_id = $15 AND l.stamp IS NOT NULL)
        )
        INSERT INTO auth_email_links (
            purpose, user_id, email, digest, nonce, code_digest, code_expires_at, stamp, detail, created_at,
            expires_at, ip_address, user_agent, browser
        )
        SELECT $1, $11, $2, $3, $4, $5, t.now + $8::interval,
            CASE WHEN $12 AND u.id IS NOT NULL THEN gatepost.credentials_stamp(u) END, $13::text::jsonb,
            t.now, t.now + $6::interval, $9, $10, $16
        FROM t LEFT JOIN users u ON u.id = $11
        RETURNING id
        """,
        new.purpose,
        new.email,
        sealed.token,
        sealed.nonce,
        None if new.code_lifetime is None else sealed.code,
        new.lifetime,
        at,
        new.code_lifetime,
        new.client.ip_address,
        new.client.user_agent,
        new.user_id,
        new.bound,
        new.detail,
        new.email if new.former == "mailbox" else None,
        new.user_id if new.former == "user" else None,
        new.browser,
    )
    return int(one(row)["id"])

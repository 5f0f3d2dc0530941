"""Statements on `auth_email_links`: what mails lead to."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import LiteralString

import msgspec

from gatepost.db.pool import Connection, parse_count
from gatepost.models import Columns, UserId
from gatepost.security.links import StoredLink

CODE_TRIES = 5
"""Codes that may be tried against one link (ASVS 6.6.3)."""


class Purpose(StrEnum):
    """What a mailed link is for."""

    PASSWORD_RESET = "password_reset"  # noqa: S105 - a purpose, no password
    """Another password."""
    SIGN_IN = "sign_in"
    """A session."""
    VERIFY_EMAIL = "verify_email"
    """The e-mail that the account has, whose mailbox is asked."""
    INVITATION = "invitation"
    """An account, for somebody who is invited: `auth_links` has the invitation itself."""
    SIGN_UP = "sign_up"
    """An account, for a mailbox that has none."""
    EMAIL_CHANGE = "email_change"
    """Another e-mail, whose mailbox is asked."""
    EMAIL_UNDO = "email_undo"
    """The former e-mail, whose mailbox takes the change back."""


class Kept(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a link needs besides, as `detail` keeps it.

    Attributes:
        link: False where it works by its code alone.
        newcomer: where nobody has the mailbox, it makes an account.
        name: of somebody who is still to be a user, as they called themselves.
        own: what they sent for the fields that the application asks for.
        invitation: the id of the one that they came with.
    """

    link: bool = True
    newcomer: bool = False
    name: str = ""
    own: dict[str, object] = {}
    invitation: int | None = None


class MailLink(Columns, frozen=True, kw_only=True, gc=False):
    """A link as its row has it.

    Attributes:
        id: primary key.
        purpose: what it is for.
        user_id: whose it is; None where it is nobody's.
        email: canonical, of the mailbox that it was sent to.
        detail: what it needs besides, as JSON; `kept` reads it.
        digest: of its token.
        nonce: what its token is made of, as long as the mail is to be sent.
        status: `open`, or why it can't be used: `used`, `revoked`, `expired`, `changed` where the user's
            credentials are others by now, `user_disabled`, `nobody` where there is no such user, or `taken`
            where it is to make one and there is one by now.
        expires_at: first instant at which it is refused, UTC.
        code_expires_at: the same of its code; None where it has none.
        browser: digest of what the browser keeps that asked for it; None where that is not known.
    """

    id: int
    purpose: str
    user_id: UserId | None
    email: str
    detail: str
    digest: StoredLink
    nonce: bytes | None
    status: str
    expires_at: datetime
    code_expires_at: datetime | None
    browser: StoredLink | None

    @property
    def kept(self) -> Kept:
        """What it needs besides."""
        return msgspec.json.decode(self.detail, type=Kept)


_LINKS: LiteralString = """
    SELECT l.id, l.purpose, l.user_id, l.email, l.detail::text AS detail, l.digest, l.nonce, l.expires_at,
        l.code_expires_at, l.browser,
        CASE WHEN l.used_at IS NOT NULL THEN 'used' WHEN l.revoked_at IS NOT NULL THEN 'revoked'
            WHEN l.expires_at <= coalesce($1::timestamptz, statement_timestamp()) THEN 'expired'
            WHEN l.user_id IS NULL THEN CASE
                WHEN l.purpose NOT IN ('sign_up', 'invitation') AND NOT l.detail ? 'newcomer' THEN 'nobody'
                WHEN EXISTS (
                    SELECT FROM users o WHERE gatepost.email_key(o.email, o.email_key) COLLATE "C" = l.email
                ) THEN 'taken' ELSE 'open' END
            WHEN NOT coalesce(u.is_active, false) THEN 'user_disabled'
            WHEN l.stamp <> gatepost.credentials_stamp(u) THEN 'changed'
            ELSE 'open' END AS status
    FROM auth_email_links l LEFT JOIN users u ON u.id = l.user_id
"""


async def claim_for_newcomer(conn: Connection, link: MailLink, *, at: datetime | None) -> bool:
    """Use up a link of somebody who is still to be a user; False where that was done, or it is over."""
    status = await conn.execute(
        """
        UPDATE auth_email_links l
        SET used_at = coalesce($2::timestamptz, statement_timestamp()), nonce = NULL
        WHERE l.id = $1 AND l.user_id IS NULL AND l.used_at IS NULL AND l.revoked_at IS NULL
            AND l.expires_at > coalesce($2::timestamptz, statement_timestamp())
        """,
        link.id,
        at,
    )
    return parse_count(status) == 1


async def find(
    conn: Connection, purpose: Purpose, digests: Sequence[StoredLink], *, at: datetime | None
) -> MailLink | None:
    """Return the link whose token has one of these digests, open or not."""
    row = await conn.fetchrow(
        _LINKS + "WHERE l.digest = ANY($2::varchar[]) AND l.purpose = $3", at, list(digests), purpose
    )
    return None if row is None else MailLink.from_row(row)


async def get(conn: Connection, link_id: int, *, at: datetime | None) -> MailLink | None:
    """Return a link, open or not."""
    row = await conn.fetchrow(_LINKS + "WHERE l.id = $2", at, link_id)
    return None if row is None else MailLink.from_row(row)


async def has_open(conn: Connection, purpose: Purpose, email: str, *, at: datetime | None) -> bool:
    """Say whether a mailbox was sent a link that is not over."""
    return bool(
        await conn.fetchval(
            """
            SELECT EXISTS (
                SELECT FROM auth_email_links l
                WHERE l.purpose = $1 AND l.email = $2 AND l.used_at IS NULL AND l.revoked_at IS NULL
                    AND l.expires_at > coalesce($3::timestamptz, statement_timestamp())
            )
            """,
            purpose,
            email,
            at,
        )
    )


async def try_code(
    conn: Connection, purpose: Purpose, email: str, browser: Sequence[StoredLink], *, at: datetime | None
) -> tuple[int, StoredLink] | None:
    """Take one try at the code of the newest link for an e-mail; None where there is none left.

    The try counts before anything is compared, so that tries at the same moment can't be more. In another
    browser than the one that asked, there is none to be taken.

    Returns:
        The link's id, and the digest of its code.
    """
    row = await conn.fetchrow(
        """
        UPDATE auth_email_links l SET tries = l.tries + 1
        -- Somebody else may have had the e-mail before, whose link is over and still there.
        WHERE l.id = (
                SELECT max(n.id) FROM auth_email_links n
                WHERE n.purpose = $2 AND n.email = $3 AND n.used_at IS NULL AND n.revoked_at IS NULL
            )
            AND l.used_at IS NULL AND l.revoked_at IS NULL
            AND l.code_expires_at > coalesce($1::timestamptz, statement_timestamp()) AND l.tries < $4
            AND (l.browser IS NULL OR l.browser = ANY($5::varchar[]))
        RETURNING l.id, l.code_digest
        """,
        at,
        purpose,
        email,
        CODE_TRIES,
        list(browser),
    )
    return None if row is None else (row["id"], row["code_digest"])


async def give_try_back(conn: Connection, link_id: int) -> None:
    """Give back the try of a code that was right: what else was wrong with the form is not to end it."""
    await conn.execute("UPDATE auth_email_links SET tries = tries - 1 WHERE id = $1 AND tries > 0", link_id)


async def claim(conn: Connection, link: MailLink, *, at: datetime | None) -> bool:
    """Use up a link of a user, in the caller's transaction; False where that was done, or it is over.

    The caller has locked the user's row.
    """
    status = await conn.execute(
        """
        UPDATE auth_email_links l
        SET used_at = coalesce($2::timestamptz, statement_timestamp()), nonce = NULL
        FROM users u
        WHERE l.id = $1 AND l.used_at IS NULL AND l.revoked_at IS NULL
            AND l.expires_at > coalesce($2::timestamptz, statement_timestamp())
            AND u.id = l.user_id AND u.is_active AND coalesce(l.stamp = gatepost.credentials_stamp(u), true)
        """,
        link.id,
        at,
    )
    return parse_count(status) == 1


async def revoke_newer(conn: Connection, link: MailLink, *, at: datetime | None) -> None:
    """Revoke the links of a link's user that are newer and not bound to the credentials, nor used.

    All others end by themselves, as the credentials change.
    """
    await conn.execute(
        """
        UPDATE auth_email_links
        SET revoked_at = coalesce($3::timestamptz, statement_timestamp()), nonce = NULL
        WHERE user_id = $1 AND id > $2 AND used_at IS NULL AND revoked_at IS NULL AND stamp IS NULL
        """,
        link.user_id,
        link.id,
        at,
    )


async def forget_nonce(conn: Connection, link_id: int) -> None:
    """Have nobody be able to make the token and the code of a link again."""
    await conn.execute("UPDATE auth_email_links SET nonce = NULL WHERE id = $1", link_id)


async def purge_ended(conn: Connection, *, limit: int, at: datetime | None, kept: timedelta) -> int:
    """Delete at most `limit` links that ended so long ago, and those of nobody that are over."""
    status = await conn.execute(
        """
        WITH due AS MATERIALIZED (
            SELECT l.id FROM auth_email_links l
            CROSS JOIN (SELECT coalesce($1::timestamptz, statement_timestamp()) AS now) t
            WHERE l.expires_at < t.now AND (l.user_id IS NULL OR l.expires_at < t.now - $3::interval)
            LIMIT $2
            FOR UPDATE OF l SKIP LOCKED
        )
        DELETE FROM auth_email_links l USING due d WHERE l.id = d.id
        """,
        at,
        limit,
        kept,
    )
    return parse_count(status)


async def export(conn: Connection, user_id: UserId) -> list[Mapping[str, object]]:
    """Return what is stored of a user's links, the newest first."""
    rows = await conn.fetch(
        """
        SELECT l.purpose, l.email, l.created_at, l.expires_at, l.used_at, l.revoked_at, l.ip_address,
            l.user_agent
        FROM auth_email_links l WHERE l.user_id = $1 ORDER BY l.id DESC LIMIT 1000
        """,
        user_id,
    )
    return [dict(row) for row in rows]

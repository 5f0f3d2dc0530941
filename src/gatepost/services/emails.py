"""The canonical e-mails of users whom an application wrote into the table by itself."""

from gatepost.db.pool import Connection
from gatepost.models import UserId
from gatepost.security.emails import canonical_email
from gatepost.store import emails as store

BATCH = 1_000
"""Users that are looked at together."""


async def settle(conn: Connection) -> None:
    """Have the table know the canonical e-mail of every user, as far as they have one of their own.

    Asked before anybody gets an e-mail: what is taken can't be told otherwise. Where nothing is to be done it
    is one look at an empty index. An e-mail that is no address, and one that is another user's in another
    spelling, stay as they are: nobody signs in by them, and `gatepost doctor` names them.
    """
    after: UserId | None = None
    while found := await store.unkeyed(conn, after=after, limit=BATCH):
        for each in found:
            try:
                key = canonical_email(each.email)
            except ValueError:
                continue
            await store.set_key(conn, each, key)
        after = found[-1].user_id


def former(email: str) -> str:
    """Return an e-mail as events hold it; one of an adopted table that is no address as it is."""
    try:
        return canonical_email(email)
    except ValueError:
        return email

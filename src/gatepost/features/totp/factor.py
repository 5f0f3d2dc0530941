"""The authenticator app as a second factor."""

import base64
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from importlib.util import find_spec

from gatepost.db.pool import Connection, Database
from gatepost.features.totp import codes, store
from gatepost.features.totp.sealing import Sealed, Sealer, Unsealable
from gatepost.log import get_logger
from gatepost.models import Answer, Client, Held, Options, User, UserId
from gatepost.services.clock import Clock

log = get_logger("gatepost.totp")

METHOD = "totp"

PROVES = ("otp",)
"""A one-time password (RFC 8176 §2)."""

BATCH = 500
"""Secrets that are sealed anew in one transaction."""


class Totp:
    """Sets up apps and checks their codes (ASVS 6.5.1, 6.5.5).

    Args:
        database: for `seal_anew`; the rest is done in transactions of others.
        sealer: seals secrets and opens them.
        issuer: what apps call this site.
        clock: what time it is.
    """

    method = METHOD
    suffices = False

    def __init__(self, database: Database, *, sealer: Sealer, issuer: str, clock: Clock) -> None:
        self._database = database
        self._sealer = sealer
        self._issuer = issuer
        self._clock = clock

    @property
    def enrols(self) -> bool:
        """Say whether the libraries are there: without them who has an app can't sign in with it."""
        return all(find_spec(name) is not None for name in ("cryptography", "segno"))

    async def held(self, conn: Connection, user_id: UserId) -> Sequence[Held]:
        """Return the app of a user."""
        app = await store.find(conn, user_id)
        if app is None:
            return ()
        return (
            Held(
                method=METHOD,
                created_at=app.created_at,
                last_used_at=app.last_used_at,
                last_used_from=app.last_used_from,
            ),
        )

    async def holders(self, conn: Connection, user_ids: Sequence[UserId]) -> Collection[UserId]:
        """Return which of these users have an app."""
        return await store.holders(conn, user_ids)

    async def options(self, conn: Connection, user_id: UserId, *, alone: bool) -> Options | None:
        """Return None: the app needs nothing of us."""

    async def begin(self, _: Connection, user: User, kept: Mapping[str, object]) -> Options:
        """Make a secret, which stays with us until a code of it confirms it; or show the one that waits."""
        secret = self._waiting(user.id, kept) or codes.new_secret()
        uri = codes.uri(secret, account=user.email, issuer=self._issuer)
        public = {"secret": codes.shown(secret), "uri": uri, "qr_svg": _drawn(uri)}
        return Options(public=public, state=self._kept(user.id, secret))

    async def enrol(
        self, conn: Connection, user_id: UserId, answer: Answer, _: Client
    ) -> tuple[str, ...] | None:
        """Keep the secret that waits where this is its code, which is used up by that."""
        secret = self._waiting(user_id, answer.state)
        step = None if secret is None else codes.step_of(answer.code or "", secret, self._now())
        if secret is None or step is None:
            return None
        sealed = self._sealer.seal(secret, _about(user_id))
        await store.put(conn, user_id, sealed, step=step, at=self._clock())
        return PROVES

    async def verify(
        self, conn: Connection, user_id: UserId, answer: Answer, client: Client
    ) -> tuple[str, ...] | None:
        """Check a code, which is good once, whatever it is sent for."""
        app = await store.find(conn, user_id)
        if app is None:
            return None
        try:
            secret = self._sealer.open(app.sealed, _about(user_id))
        except Unsealable:
            log.exception("the secret of an authenticator app can't be read", user_id=user_id)
            return None
        step = codes.step_of(answer.code or "", secret, self._now())
        if step is None:
            return None
        address, at = client.ip_address, self._clock()
        return PROVES if await store.use(conn, user_id, app, step=step, address=address, at=at) else None

    async def remove(self, conn: Connection, user_id: UserId, factor_id: str | None = None) -> bool:
        """Take the app of a user away; it is one, without an id."""
        return factor_id is None and await store.remove(conn, user_id)

    async def seal_anew(self) -> tuple[int, int]:
        """Seal every secret with the newest key; return how many were, and how many can't be opened."""
        done: int = 0
        lost: list[UserId] = []
        while True:
            async with self._database.transaction() as conn:
                batch = await store.sealed_otherwise(conn, self._sealer.newest, but=lost, limit=BATCH)
                for user_id, sealed in batch:
                    about = _about(user_id)
                    try:
                        new = self._sealer.seal(self._sealer.open(sealed, about), about)
                    except Unsealable:
                        lost.append(user_id)
                    else:
                        done += await store.seal_anew(conn, user_id, sealed, new)
            if len(batch) < BATCH:
                return done, len(lost)

    def _now(self) -> datetime:
        return self._clock() or datetime.now(UTC)

    def _kept(self, user_id: UserId, secret: bytes) -> Mapping[str, object]:
        sealed = self._sealer.seal(secret, _about_waiting(user_id))
        return {"key_id": sealed.key_id, "sealed": base64.b64encode(sealed.data).decode()}

    def _waiting(self, user_id: UserId, kept: Mapping[str, object]) -> bytes | None:
        """Return the secret that waits for a code; None where none does."""
        key_id, data = kept.get("key_id"), kept.get("sealed")
        if not isinstance(key_id, str) or not isinstance(data, str):
            return None
        try:
            return self._sealer.open(
                Sealed(key_id=key_id, data=base64.b64decode(data)), _about_waiting(user_id)
            )
        except Unsealable:
            return None


def _about(user_id: UserId) -> str:
    return f"auth_totp of {user_id}"


def _about_waiting(user_id: UserId) -> str:
    return f"auth_totp to be of {user_id}"


def _drawn(uri: str) -> str:
    """Return a QR code as an SVG element without styles: dark on white, whatever the page's colours."""
    import segno  # of the extra `factors`

    return segno.make(uri, error="m", micro=False).svg_inline(border=4, omitsize=True, light="#fff")

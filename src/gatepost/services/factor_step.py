"""The step of second factors: one for all that there are, at the door and where a user confirms."""

from collections.abc import Mapping

from gatepost.db.pool import Connection
from gatepost.models import (
    MULTIPLE_FACTORS,
    Answer,
    AuditAction,
    Client,
    Due,
    EndReason,
    Options,
    Proof,
    Proven,
    User,
    UserId,
)
from gatepost.services.clock import Clock
from gatepost.services.feature import Factor, Happened, Method, WayBack, Wiring
from gatepost.store import endings, sign_ins
from gatepost.store import events as event_store
from gatepost.store import users as user_store


class FactorStep:
    """Asks whoever has a second factor for it, and whoever has to have one to set it up.

    Args:
        features: which factors there are.
        required: `off`, `admins` or `all`, as MFA_REQUIRED.
        clock: what time it is.
    """

    def __init__(self, features: Wiring, *, required: str, clock: Clock) -> None:
        self._features = features
        self._required = required
        self._clock = clock

    async def due(self, conn: Connection, proof: Proof) -> Due | None:
        """Say which factors would do, those that are no way back first."""
        if proof.aal > 1:
            return None
        user_id = proof.user_id
        holding = await self.holding(conn, user_id)
        if not proof.methods:
            methods = tuple(factor.method for factor in holding if factor.suffices)
            return Due(methods=methods, suffices=True) if methods else None
        if holding:
            back = [way for way in self._features.ways_back if await way.held(conn, user_id)]
            return Due(methods=tuple(each.method for each in (*holding, *back)))
        methods = tuple(factor.method for factor in self._features.factors if factor.enrols)
        return Due(methods=methods, enrols=True) if methods and await self.requires(conn, user_id) else None

    async def options(
        self, conn: Connection, proof: Proof, method: str, kept: Mapping[str, object]
    ) -> Options | None:
        """Return what a factor hands out: to answer it, or to set it up."""
        due, factor = await self.due(conn, proof), self.factor(method)
        if due is None or factor is None:
            return None
        if not due.enrols:
            return await factor.options(conn, proof.user_id, alone=due.suffices)
        user = await user_store.get(conn, proof.user_id)
        return None if user is None else await factor.begin(conn, user, kept)

    async def verify(self, conn: Connection, proof: Proof, answer: Answer, client: Client) -> Proven | None:
        """Return what the answer proves; where it sets a factor up, every session begun without it ends."""
        due, user_id = await self.due(conn, proof), proof.user_id
        user = await user_store.get(conn, user_id)
        if due is None or user is None:
            return None
        if not due.enrols:
            return await self._check(conn, user, answer, client)
        factor = self.factor(answer.method)
        await sign_ins.lock_owner(conn, user_id)
        proven = None if factor is None else await self.set_up(conn, user, factor, answer, client)
        if proven is not None:
            await endings.end_of_user(
                conn, user_id, reason=EndReason.FACTOR_CHANGED, client=client, at=self._clock()
            )
            detail = {"method": answer.method}
            await self._note(conn, AuditAction.FACTOR_ENROLLED, user_id, client, detail)
        return proven

    async def set_up(
        self, conn: Connection, user: User, factor: Factor, answer: Answer, client: Client
    ) -> Proven | None:
        """Set a factor up, with ways back if it is the first; None where the answer is wrong.

        The caller ends the sessions that began without it, and writes it down.
        """
        proven = await self._set_up(conn, user, factor, answer, client)
        if proven is not None:
            await self.tell(conn, AuditAction.FACTOR_ENROLLED, user, client, {"method": factor.method})
        return proven

    async def set_up_first(
        self, conn: Connection, user: User, answer: Answer, client: Client
    ) -> Proven | None:
        """Set a factor up for a user who has just been made, who is told of that anyway.

        None where the answer is wrong, or does not prove more than one factor by itself.
        """
        factor = self.factor(answer.method)
        proven = None if factor is None else await self._set_up(conn, user, factor, answer, client)
        if proven is None or MULTIPLE_FACTORS not in proven.methods:
            return None
        await self._note(conn, AuditAction.FACTOR_ENROLLED, user.id, client, {"method": answer.method})
        return proven

    async def _set_up(
        self, conn: Connection, user: User, factor: Factor, answer: Answer, client: Client
    ) -> Proven | None:
        is_first = not await self.holding(conn, user.id)
        methods = await factor.enrol(conn, user.id, answer, client)
        if methods is None:
            return None
        ways = self._features.ways_back if is_first else ()
        codes = tuple([code for way in ways for code in await way.hand_out(conn, user.id)])
        stamp = await user_store.move_stamp(conn, user.id)
        return Proven(methods=methods, stamp=stamp, recovery_codes=codes)

    async def holding(self, conn: Connection, user_id: UserId) -> list[Factor]:
        """Return the factors that a user has set up."""
        return [factor for factor in self._features.factors if await factor.held(conn, user_id)]

    async def requires(self, conn: Connection, user_id: UserId) -> bool:
        """Say whether a user has to have a factor."""
        if self._required == "admins":
            return await user_store.is_active_admin(conn, user_id)
        return self._required == "all"

    def factor(self, method: str) -> Factor | None:
        """Return the factor of a method."""
        return next((factor for factor in self._features.factors if factor.method == method), None)

    async def tell(
        self,
        conn: Connection,
        action: AuditAction,
        user: User,
        client: Client,
        detail: Mapping[str, object],
        *,
        by_others: bool = False,
    ) -> None:
        """Tell features what was done about the factors of a user."""
        happened = Happened(action=action, user=user, client=client, by_others=by_others, detail=detail)
        await self._features.tell(conn, happened)

    async def _check(self, conn: Connection, user: User, answer: Answer, client: Client) -> Proven | None:
        """Verify the answer of a factor, or of a way back, of which its user is told."""
        known: tuple[Method, ...] = (*self._features.factors, *self._features.ways_back)
        asked = next((each for each in known if each.method == answer.method), None)
        methods = None if asked is None else await asked.verify(conn, user.id, answer, client)
        if asked is None or methods is None:
            return None
        for way in self._features.ways_back:
            if way is asked:
                await self._note_way_back(conn, way, user, client)
        return Proven(methods=methods)

    async def _note_way_back(self, conn: Connection, way: WayBack, user: User, client: Client) -> None:
        detail = {"left": sum(each.left or 0 for each in await way.held(conn, user.id))}
        await self._note(conn, AuditAction.RECOVERY_CODE_USED, user.id, client, detail)
        await self.tell(conn, AuditAction.RECOVERY_CODE_USED, user, client, detail)

    async def _note(
        self,
        conn: Connection,
        action: AuditAction,
        user_id: UserId,
        client: Client,
        detail: Mapping[str, object],
    ) -> None:
        await event_store.insert(
            conn, action, client=client, at=self._clock(), user_id=user_id, detail=detail
        )

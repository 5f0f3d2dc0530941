"""The features of an open Gate: their services, and what the kernel's services have them do."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Protocol, TypeAlias, TypeVar

from gatepost.db.pool import Connection
from gatepost.errors import GatepostError
from gatepost.models import (
    Action,
    Answer,
    AuditAction,
    Client,
    Held,
    Instead,
    Link,
    Options,
    User,
    UserId,
)
from gatepost.services.steps import SignInStep

Service = TypeVar("Service")

AdminHook: TypeAlias = Callable[[Connection], Awaitable[None]]
"""Runs in the transaction in which somebody becomes an administrator, under the lock of administrators."""


Mailer: TypeAlias = Callable[[EmailMessage], Awaitable[None]]
"""Sends a mail; what it raises has it tried again."""


class Inviter(Protocol):
    """Makes links by which somebody may register, and knows a good one."""

    def required(self) -> GatepostError:
        """Return the error of who may not register without one."""

    async def look(self, token: str, *, client: Client) -> Link:
        """Return the open link of a token, which stays open; one that is not good is charged and refused."""

    async def judge(self, token: str, email: str | None = None) -> tuple[Link | None, str | None]:
        """Return the link of a token, and why it is not good for this e-mail; None where it is."""

    async def get(self, link_id: int) -> Link | None:
        """Return the link of an id, whether or not it is good any more."""

    async def claim(self, conn: Connection, link: Link, *, email: str) -> bool:
        """Lock a link in the caller's transaction; False where it is over, or was used."""

    async def use(self, conn: Connection, link: Link, user_id: UserId) -> None:
        """Use up a link that was claimed, and write down who was made by it."""

    async def refused(
        self, reason: str, link: Link | None, *, client: Client, email: str | None = None
    ) -> GatepostError:
        """Put one that is not good on the trail, and return the error to be raised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """Somebody who wants to register, as they were checked.

    Attributes:
        email, name: canonical.
        own: what was sent for the fields that the application asks for.
        invitation: good, that they came with; None where they need none.
    """

    email: str
    name: str
    own: Mapping[str, object]
    invitation: Link | None


class Courier(Protocol):
    """Mails the links of invitations; whoever invites keeps what recognises them."""

    @property
    def is_on(self) -> bool:
        """Whether it can."""

    async def post_invitation(self, conn: Connection, email: str, *, lifetime: timedelta) -> str:
        """Write a mail down in the caller's transaction; return the token of the link in it.

        It is not sent where the token's link in `auth_links` is open no more.
        """


class Registrar(Protocol):
    """Has the mailbox of somebody who registers answer before there is a user."""

    @property
    def is_on(self) -> bool:
        """Whether it does: where it doesn't, there is a user at once."""

    async def begin(self, newcomer: Newcomer, *, client: Client, browser: str | None) -> None:
        """Ask the mailbox, and tell the one of somebody who has an account that they have.

        What is to be typed from the mail works in the browser that keeps `browser`; None: anywhere.
        """


class EmailChanger(Protocol):
    """Has the mailbox of a new e-mail answer before it counts."""

    @property
    def is_on(self) -> bool:
        """Whether it can: where it can't, a change counts at once."""

    async def charge(self, email: str, *, client: Client) -> None:
        """Charge a mail to a canonical e-mail, before anything is locked for it."""

    async def begin(self, conn: Connection, user: User, email: str, *, client: Client) -> None:
        """Ask the mailbox, in the transaction in which the user has proven who they are."""


class Method(Protocol):
    """What answers a step: a second factor, or a way back for who lost theirs."""

    @property
    def method(self) -> str:
        """Return its name in the API, such as `totp`."""

    async def held(self, conn: Connection, user_id: UserId) -> Sequence[Held]:
        """Return what a user has of it, nothing where that is nothing any more."""

    async def verify(
        self, conn: Connection, user_id: UserId, answer: Answer, client: Client
    ) -> tuple[str, ...] | None:
        """Return what the answer proves, by the names of RFC 8176; None where it is wrong.

        What was taken for good is not taken again: of those who send it at once, one is heard.
        """

    async def remove(self, conn: Connection, user_id: UserId) -> bool:
        """Take all of it from a user; say whether there was any."""


class Factor(Method, Protocol):
    """A second factor."""

    @property
    def suffices(self) -> bool:
        """Say whether it proves who somebody is by itself, with nothing proven before it."""

    @property
    def enrols(self) -> bool:
        """Say whether it can be set up here."""

    async def options(self, conn: Connection, user_id: UserId, *, alone: bool) -> Options | None:
        """Return what is handed out before it is answered; None where there is nothing.

        Args:
            conn: where to look.
            user_id: whose it is.
            alone: nothing is proven before it; a factor that does not suffice is not asked for that.
        """

    async def begin(self, conn: Connection, user: User, kept: Mapping[str, object]) -> Options:
        """Begin to set it up for a user.

        Args:
            conn: where to look.
            user: whose it is to be.
            kept: the state of the options that were handed out before; they may be handed out again.
        """

    async def enrol(
        self, conn: Connection, user_id: UserId, answer: Answer, client: Client
    ) -> tuple[str, ...] | None:
        """Set up what `begin` has begun; return what the answer proves, None where it is wrong."""

    async def remove(self, conn: Connection, user_id: UserId, factor_id: str | None = None) -> bool:
        """Take all of it from a user, or the one of several that has this id; say whether there was any."""

    async def holders(self, conn: Connection, user_ids: Sequence[UserId]) -> Collection[UserId]:
        """Return which of these users have set it up."""


class Newcomers(Protocol):
    """A factor that newcomers set up in the place of a password."""

    @property
    def method(self) -> str:
        """Return its name in the API, such as `passkey`."""

    @property
    def is_on(self) -> bool:
        """Say whether it can be."""

    @property
    def is_open(self) -> bool:
        """Say whether whoever comes may do so, whose address nobody has proven."""

    async def take(self, instead: Instead) -> Answer:
        """Return what is enrolled by it; of those who send it at once, one is heard.

        Raises:
            ChallengeExpired: it was not handed out, or too long ago.
        """


class WayBack(Method, Protocol):
    """What signs in somebody who lost their second factors. By itself it is none."""

    async def hand_out(self, conn: Connection, user_id: UserId) -> Sequence[str]:
        """Make new ones in the place of all that the user has; return them, to be shown this once."""


class Purge(Protocol):
    """Deletes what is of no use any more."""

    async def __call__(self, conn: Connection, *, limit: int, at: datetime | None) -> int:
        """Delete at most `limit` rows; return how many.

        Args:
            conn: where to.
            limit: fewer than so many deleted are the last.
            at: the time; None is the database's.
        """


class Erase(Protocol):
    """Takes out what tells of a user, in the transaction in which the user is deleted, just before."""

    async def __call__(self, conn: Connection, user_id: UserId) -> None:
        """Do it; rows that refer to the user with ON DELETE CASCADE go by themselves."""


class Export(Protocol):
    """Reads what is stored about a user, for the file that they download."""

    async def __call__(self, conn: Connection, user_id: UserId) -> Sequence[Mapping[str, object]]:
        """Return it, a thousand rows at the most."""


class Background(Protocol):
    """What goes on as long as a server runs, and not in commands."""

    def start(self) -> None:
        """Begin, in the loop that runs."""

    async def close(self) -> None:
        """End, whether or not it began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """What happened to an account that its owner should hear of (ASVS 6.3.5, 6.3.7).

    Attributes:
        action: as the trail has it: somebody registered, the password, the e-mail or a second factor is
            another one, a recovery code was used, or a session started where the user was not known.
        user: whose account it is, as they are now.
        client: who did it.
        former_email: canonical; None where the e-mail is the same.
        by_others: an administrator or a command did it.
        detail: as the trail has it, such as the `method` of a second factor, or how many codes are `left`.
    """

    action: AuditAction
    user: User
    client: Client
    former_email: str | None = None
    by_others: bool = False
    detail: Mapping[str, object] = field(default_factory=dict)


class Hears(Protocol):
    """Hears what happened to an account, in the transaction in which it does."""

    async def __call__(self, conn: Connection, happened: Happened) -> None:
        """Write down what follows from it; what it raises undoes the transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wired:
    """What a feature does while a Gate is open.

    Attributes:
        services: what its routes, pages and commands use, each found by its class.
        inviter: makes links by which somebody may register; of one feature at the most.
        courier: mails invitations; of one feature at the most.
        registrar: has newcomers proven; of one feature at the most.
        email_changer: has new e-mails proven; of one feature at the most.
        mails_resets: administrators have users mailed a link to choose a password by, and give them none.
        purges: run by housekeeping.
        erase: run where a user is deleted.
        export: what its part of a user's data is; the part has the feature's name.
        admin_made: run where somebody becomes an administrator; None where that does not matter to it.
        step: a step of signing in; None where it has none.
        disown: takes away what a user signs in with, besides the password, who may not own the account's
            e-mail; None where it has nothing of that kind.
        factor: a second factor that users may set up; None where it has none.
        newcomers: sets it up for newcomers in the place of a password; of one feature at the most.
        way_back: what signs in somebody who lost their second factors; None where it has none.
        way_in: what a verified e-mail signs in with by it; None where it has nothing of that kind.
        hears: told what happened to accounts.
        background: started with a server, closed with the Gate.
        new_accounts: its actions by which somebody gets an account, as the overview counts them.
    """

    services: tuple[object, ...] = ()
    inviter: Inviter | None = None
    courier: Courier | None = None
    registrar: Registrar | None = None
    email_changer: EmailChanger | None = None
    mails_resets: bool = False
    purges: tuple[Purge, ...] = ()
    erase: Erase | None = None
    export: Export | None = None
    admin_made: AdminHook | None = None
    step: SignInStep | None = None
    disown: Erase | None = None
    factor: Factor | None = None
    newcomers: Newcomers | None = None
    way_back: WayBack | None = None
    way_in: str | None = None
    hears: tuple[Hears, ...] = ()
    background: tuple[Background, ...] = ()
    new_accounts: tuple[Action, ...] = ()


class Wiring:
    """All of them, in the order of their features. The kernel's services have it before the features do."""

    def __init__(self) -> None:
        self._by_feature: dict[str, Wired] = {}

    def add(self, feature: str, wired: Wired) -> None:
        """Have a feature take part from now on."""
        self._by_feature[feature] = wired

    @property
    def _wired(self) -> Iterable[Wired]:
        return self._by_feature.values()

    @property
    def inviter(self) -> Inviter | None:
        """What makes links by which somebody may register; None where nothing does."""
        return next((wired.inviter for wired in self._wired if wired.inviter is not None), None)

    @property
    def courier(self) -> Courier | None:
        """What mails invitations; None where nothing does, or it can't."""
        found = (wired.courier for wired in self._wired if wired.courier is not None)
        return next((each for each in found if each.is_on), None)

    @property
    def registrar(self) -> Registrar | None:
        """What has newcomers proven; None where nothing does."""
        found = (wired.registrar for wired in self._wired if wired.registrar is not None)
        return next((each for each in found if each.is_on), None)

    @property
    def email_changer(self) -> EmailChanger | None:
        """What has new e-mails proven; None where nothing does, or it can't."""
        found = (wired.email_changer for wired in self._wired if wired.email_changer is not None)
        return next((each for each in found if each.is_on), None)

    @property
    def mails_resets(self) -> bool:
        """Whether administrators have users mailed a link to choose a password by, and give them none."""
        return any(wired.mails_resets for wired in self._wired)

    def service(self, kind: type[Service]) -> Service:
        """Return the one service of a class.

        Raises:
            LookupError: its feature is not part of this Gatepost.
        """
        for wired in self._wired:
            for service in wired.services:
                if isinstance(service, kind):
                    return service
        raise LookupError(f"No feature of this Gatepost has the service {kind.__name__}")

    @property
    def purges(self) -> list[Purge]:
        """What housekeeping runs."""
        return [purge for wired in self._wired for purge in wired.purges]

    @property
    def exports(self) -> dict[str, Export]:
        """What adds to the data of a user, by the feature's name."""
        return {name: wired.export for name, wired in self._by_feature.items() if wired.export is not None}

    @property
    def background(self) -> list[Background]:
        """What goes on as long as a server runs."""
        return [each for wired in self._wired for each in wired.background]

    async def erase(self, conn: Connection, user_id: UserId) -> None:
        """Have every feature take out what tells of a user."""
        for wired in self._wired:
            if wired.erase is not None:
                await wired.erase(conn, user_id)

    @property
    def steps(self) -> tuple[SignInStep, ...]:
        """The steps of signing in, in the order in which they are asked."""
        return tuple(wired.step for wired in self._wired if wired.step is not None)

    @property
    def new_accounts(self) -> tuple[Action, ...]:
        """The actions of features by which somebody gets an account."""
        return tuple(action for wired in self._wired for action in wired.new_accounts)

    @property
    def factors(self) -> tuple[Factor, ...]:
        """The second factors that users may set up, in the order in which they are offered."""
        return tuple(wired.factor for wired in self._wired if wired.factor is not None)

    @property
    def newcomers(self) -> Newcomers | None:
        """What newcomers set up in the place of a password; None where nothing can be."""
        found = (wired.newcomers for wired in self._wired if wired.newcomers is not None)
        return next((each for each in found if each.is_on), None)

    @property
    def ways_in(self) -> tuple[str, ...]:
        """What whoever has a verified e-mail can sign in with, besides what else they have."""
        return tuple(wired.way_in for wired in self._wired if wired.way_in is not None)

    @property
    def ways_back(self) -> tuple[WayBack, ...]:
        """What signs in somebody who lost those; offered after all of them."""
        return tuple(wired.way_back for wired in self._wired if wired.way_back is not None)

    async def holders(self, conn: Connection, user_ids: Sequence[UserId]) -> dict[str, Collection[UserId]]:
        """Return which of these users have each second factor, by its method."""
        return {factor.method: await factor.holders(conn, user_ids) for factor in self.factors}

    async def admin_made(self, conn: Connection) -> None:
        """Tell every feature that there is an administrator."""
        for wired in self._wired:
            if wired.admin_made is not None:
                await wired.admin_made(conn)

    async def disown(self, conn: Connection, user_id: UserId) -> None:
        """Have every feature take away what a user signs in with."""
        for wired in self._wired:
            if wired.disown is not None:
                await wired.disown(conn, user_id)

    @property
    def hears(self) -> bool:
        """Say whether a feature is told what happens to accounts."""
        return any(wired.hears for wired in self._wired)

    async def tell(self, conn: Connection, happened: Happened) -> None:
        """Tell every feature what happened to an account."""
        for wired in self._wired:
            for hears in wired.hears:
                await hears(conn, happened)

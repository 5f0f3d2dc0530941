"""Opens the database, wires the services, and closes what was opened: no web framework here."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from threading import get_ident
from types import TracebackType
from typing import Self, TypeVar

from pydantic import BaseModel

from gatepost.db import fitness, migrate, own_columns
from gatepost.db.embedded import EmbeddedServer
from gatepost.db.pool import Connection, Database, OptionalConnection
from gatepost.db.prepared import Prepared
from gatepost.errors import Unavailable
from gatepost.feature import Feature, schemas_of
from gatepost.log import get_logger
from gatepost.models import Action, AuditAction, UserIdType
from gatepost.security.csrf_tokens import CsrfTokens
from gatepost.security.devices import Devices
from gatepost.security.keys import KeyPurpose, KeyRing
from gatepost.security.links import LinkCodec
from gatepost.security.tokens import TokenCodec
from gatepost.services.accounts import Accounts
from gatepost.services.acts import Acts
from gatepost.services.administration import Administration
from gatepost.services.admission import Admission
from gatepost.services.audit import Audit
from gatepost.services.clock import Clock, database_clock
from gatepost.services.confirmations import Confirmations
from gatepost.services.factor_step import FactorStep
from gatepost.services.factors import Factors
from gatepost.services.feature import Mailer, Service, Wiring
from gatepost.services.feed import Feed
from gatepost.services.hashing import Hashing, hasher_of
from gatepost.services.hooks import Hooks
from gatepost.services.housekeeping import Housekeeping
from gatepost.services.lifetimes import Lifetimes
from gatepost.services.limits import Limits
from gatepost.services.logins import Logins
from gatepost.services.lookups import Lookups
from gatepost.services.new_passwords import NewPasswords
from gatepost.services.oversight import Oversight
from gatepost.services.overview import Overviews
from gatepost.services.own_fields import OwnFields
from gatepost.services.own_passwords import OwnPasswords
from gatepost.services.profiles import Profiles
from gatepost.services.reauthentication import Reauthentication
from gatepost.services.refusals import Refusals
from gatepost.services.sessions import Sessions
from gatepost.services.sign_in import SignIns
from gatepost.services.steps import Steps
from gatepost.services.temporary_passwords import TemporaryPasswords
from gatepost.services.throttles import Throttles
from gatepost.services.touches import Touches
from gatepost.services.trail import Trail
from gatepost.services.ways_in import WaysIn
from gatepost.settings import Settings, secret_key
from gatepost.settings.feature import check_settings, settings_of
from gatepost.store.sessions import LOOKUP

log = get_logger("gatepost")

SettingsKind = TypeVar("SettingsKind", bound=Settings)


ELSEWHERE = (
    "Gatepost is open in another event loop than this one, and serves one at a time: close it there first. "
    "Each of Starlette's TestClient has a loop of its own: use one at a time, and none beside a running loop "
    "(there gatepost.testing.running serves)"
)
"""What whoever asks from another event loop is told."""


class Gate:
    """Everything that authenticates, without the web: what the commands use and `Gatepost` puts on HTTP.

    Args:
        settings: how to work; the environment and `.env` decide where none are given.
        clock: what time it is; the database's clock where none is given.
        features: what stands on the kernel; none by default.
        registration: what an application asks for besides e-mail, name and password.

    Attributes:
        settings: the settings in force.
        clock, features: as given.
        hooks: what the application has called inside transactions.
        mailer: sends mail in the application's own way; None where it has none.
        own_fields: reads what it asks for at registration.
        database: the pool, open between `open` and `close`.
        devices: makes and verifies device cookies, there once it is open.
        csrf_tokens: makes and verifies the tokens of forms, there once it is open.
        accounts, administration, confirmations, logins, profiles, session_tokens, sign_ins,
            throttles, audit, admission, housekeeping, overview: the services, there once it is open.
        oversight, trail, feed: what administrators see of sessions and events, there once it is open.
        new_passwords: what judges a password that somebody wants to have; there once it is open.
        acts: lends the transactions of administrative acts, there once it is open.
        hashing: hashes and checks passwords, there once it is open.
        factors: second factors, there once it is open.
        keys: of every purpose, there once it is open.
        tokens, links: make and recognise the tokens of sessions and of links, there once it is open.
    """

    database: Database
    devices: Devices
    csrf_tokens: CsrfTokens
    factors: Factors
    accounts: Accounts
    administration: Administration
    steps: Steps
    ways_in: WaysIn
    confirmations: Confirmations
    logins: Logins
    profiles: Profiles
    own_passwords: OwnPasswords
    session_tokens: Sessions
    sign_ins: SignIns
    temporary_passwords: TemporaryPasswords
    throttles: Throttles
    audit: Audit
    acts: Acts
    admission: Admission
    oversight: Oversight
    trail: Trail
    feed: Feed
    housekeeping: Housekeeping
    overview: Overviews
    new_passwords: NewPasswords
    tokens: TokenCodec
    links: LinkCodec
    keys: KeyRing
    hashing: Hashing
    _factor_step: FactorStep
    _reauthentication: Reauthentication
    _lifetimes: Lifetimes

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        clock: Clock = database_clock,
        features: tuple[Feature, ...] = (),
        registration: type[BaseModel] | None = None,
    ) -> None:
        self.settings = settings if settings is not None else settings_of(features).load()
        check_settings(self.settings, features)
        self.clock = clock
        self.features = features
        self._wiring = Wiring()
        self.own_fields = OwnFields(registration)
        self.hooks = Hooks(asks=registration is not None)
        self.mailer: Mailer | None = None
        self._opened: AsyncExitStack | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._embedded: EmbeddedServer | None = None

    @property
    def is_open(self) -> bool:
        """Say whether requests can be served."""
        return self._opened is not None

    @property
    def is_elsewhere(self) -> bool:
        """Say whether it is open in another event loop than this one: its connections are of no use here."""
        if self._opened is None or self._loop is None:
            return False
        if self._thread == get_ident() and self._loop.is_running():
            return False  # a thread runs one loop at a time; asking which one is a system call (Python 3.11)
        return self._loop is not asyncio.get_running_loop()

    @property
    def is_embedded(self) -> bool:
        """Say whether the database is the embedded one."""
        return self.settings.database_url is None

    @property
    def user_ids(self) -> UserIdType:
        """The type of users' ids; before the database is open, the one that a new database gets."""
        return self.database.user_ids if self.is_open else UserIdType(self.settings.user_id_type)

    @property
    def actions(self) -> tuple[Action, ...]:
        """Every action that may be written into the audit trail, of features too."""
        theirs = (action for feature in self.features for action in feature.actions or ())
        return (*AuditAction, *theirs)

    def settings_as(self, kind: type[SettingsKind]) -> SettingsKind:
        """Return the settings as those of a feature.

        Raises:
            LookupError: its feature is not part of this Gatepost.
        """
        if isinstance(self.settings, kind):
            return self.settings
        raise LookupError(f"No feature of this Gatepost has the settings {kind.__name__}")

    @property
    def wiring(self) -> Wiring:
        """What features do, for those that have others take part in what they do."""
        return self._wiring

    def service(self, kind: type[Service]) -> Service:
        """Return the service of a feature, there once it is open.

        Raises:
            LookupError: its feature is not part of this Gatepost.
        """
        return self._wiring.service(kind)

    def now(self) -> datetime:
        """Return what time it is, without asking the database: for what is no matter of seconds."""
        return self.clock() or datetime.now(UTC)

    async def open(
        self,
        *,
        background: bool = True,
        patient: bool = False,
        wait: bool = True,
        on_wait: Callable[[float, str], None] | None = None,
    ) -> None:
        """Connect to the database, bring the embedded one into shape, and wire the services.

        Args:
            background: also flush and clean up in the background, as a server does and a command does not.
            patient: without the deadline that requests have, for commands that may take their time.
            wait: False opens although the database is away: who asks is then answered `Unavailable` until it
                is there. A mistake is told all the same.
            on_wait: told each time that the database is away and tried again.

        Raises:
            DatabaseUnfit: the database's encoding is not UTF8.
            DatabaseUnreachable: for `DATABASE_START_SECONDS` no connection could be made.
            DatabaseNotMigrated, DatabaseTooNew: the schema is not the one of this Gatepost.
            EmbeddedServerError: the embedded PostgreSQL does not start.
            SettingsError: the list of breached passwords can't be read.
        """
        if self._opened is not None:
            raise RuntimeError("Gatepost is open already")
        async with AsyncExitStack() as stack:
            dsn = await self.dsn(stack)
            settings = self.settings
            ids = UserIdType(settings.user_id_type)
            if self.is_embedded:
                await migrate.migrate(
                    dsn, ids, features=schemas_of(self.features), schema=settings.database_schema
                )
            self.database = Database(
                dsn,
                size=settings.database_pool_size,
                timeout=None if patient else settings.database_timeout_seconds,
                check=self._check,
                revive=None if self._embedded is None else self._embedded.revive,
            )
            self.database.user_ids = ids
            stack.push_async_callback(self.database.close)
            if wait:
                await self.database.open(
                    patience=settings.database_start_seconds, on_wait=on_wait or _log_wait
                )
            elif why := await self.database.open_anyhow():
                log.warning("the database is away, requests are answered 503 until it is there", why=why)
            await self._wire(stack, background=background)
            self._opened, self._loop = stack.pop_all(), asyncio.get_running_loop()
            self._thread = get_ident()

    async def _check(self, conn: Connection) -> None:
        """Make sure that the database can be worked in, and see of which type its users' ids are."""
        await fitness.check(conn)
        await migrate.check(conn, schemas_of(self.features))
        await own_columns.check(conn, self.hooks.columns)
        self.database.user_ids = await migrate.type_in(conn) or self.database.user_ids

    async def dsn(self, stack: AsyncExitStack) -> str:
        """Return where the database is; the embedded one is started, and released when `stack` closes."""
        if self.settings.database_url is not None:
            return self.settings.located(self.settings.database_url.get_secret_value())
        server = await asyncio.to_thread(EmbeddedServer.start, self.settings.gatepost_home)
        self._embedded = server
        stack.push_async_callback(asyncio.to_thread, server.stop)
        return self.settings.located(server.dsn())

    async def _wire(self, stack: AsyncExitStack, *, background: bool) -> None:
        """Make the services, those below first, and then what features have of their own."""
        self._wiring = Wiring()
        settings = self.settings
        self.hooks.open(self.database, seconds=settings.hook_timeout_seconds)
        fallbacks = [key.get_secret_value() for key in settings.secret_key_fallbacks]
        self.keys = keys = KeyRing.derive(secret_key(settings), fallbacks)
        self.devices, self.csrf_tokens = Devices(keys), CsrfTokens(keys)
        self.tokens, self.links = TokenCodec(keys, settings.session_token_format), LinkCodec(keys)
        self.new_passwords = await NewPasswords.of(settings)
        self.audit = Audit(self.database, self.clock)
        statement = Prepared(self.database, LOOKUP)
        touches = Touches(self.database, self.clock)
        stack.push_async_callback(touches.close)
        limits, refusals = Limits.of(settings, keys), Refusals(self.tokens, self.audit)
        self._wire_sessions(stack, statement, touches, refusals, limits)
        self._wire_accounts(stack, refusals, LinkCodec(keys, KeyPurpose.CHALLENGE))
        self._wire_administration(stack)
        self._wire_factors(LinkCodec(keys, KeyPurpose.CHALLENGE))
        for feature in self.features:
            if feature.wire is not None:
                self._wiring.add(feature.name, feature.wire(self))
        for each in self._wiring.background:
            stack.push_async_callback(each.close)
        if background:
            with suppress(Unavailable):
                await statement.open()  # before requests can have taken all connections that there are
            touches.start()
            if self.housekeeping.every is not None:
                self.housekeeping.start(self.housekeeping.every)
            for each in self._wiring.background:
                each.start()

    def _wire_sessions(
        self,
        stack: AsyncExitStack,
        statement: Prepared,
        touches: Touches,
        refusals: Refusals,
        limits: Limits,
    ) -> None:
        settings, database, clock = self.settings, self.database, self.clock
        self._lifetimes = lifetimes = Lifetimes.of(settings)
        lookups = Lookups(statement, clock=clock, lifetimes=lifetimes)
        stack.push_async_callback(lookups.close)
        self.throttles = Throttles(database, limits=limits, devices=self.devices, clock=clock)
        self.session_tokens = Sessions(
            database,
            codec=self.tokens,
            lookups=lookups,
            touches=touches,
            audit=self.audit,
            refusals=refusals,
            clock=clock,
            lifetimes=lifetimes,
            limits=limits,
            max_per_user=settings.max_sessions_per_user,
            hooks=self.hooks,
        )

    def _wire_accounts(self, stack: AsyncExitStack, refusals: Refusals, challenges: LinkCodec) -> None:
        database, clock = self.database, self.clock
        self.hashing = hashing = Hashing(hasher_of(self.settings))
        stack.callback(hashing.close)
        self._factor_step = FactorStep(self._wiring, required=self.settings.mfa_required, clock=clock)
        self.ways_in = WaysIn(self._wiring)
        self.steps = steps = Steps(self._factor_step, self._wiring)
        self.admission = Admission(
            self.settings.registration, features=self._wiring, throttles=self.throttles, audit=self.audit
        )
        self.sign_ins = SignIns(
            database,
            sessions=self.session_tokens,
            throttles=self.throttles,
            codec=challenges,
            audit=self.audit,
            clock=clock,
            steps=steps,
            hooks=self.hooks,
            features=self._wiring,
        )
        self.temporary_passwords = TemporaryPasswords(
            database,
            sign_ins=self.sign_ins,
            hashing=hashing,
            throttles=self.throttles,
            codec=challenges,
            clock=clock,
            new_passwords=self.new_passwords,
        )
        self.logins = Logins(
            database,
            sign_ins=self.sign_ins,
            hashing=hashing,
            throttles=self.throttles,
            clock=clock,
            new_passwords=self.new_passwords,
            temporary=self.temporary_passwords,
        )
        self.accounts = Accounts(
            database,
            sign_ins=self.sign_ins,
            hashing=hashing,
            throttles=self.throttles,
            audit=self.audit,
            clock=clock,
            new_passwords=self.new_passwords,
            admission=self.admission,
            hooks=self.hooks,
            own_fields=self.own_fields,
            features=self._wiring,
            step=self._factor_step,
        )
        self._reauthentication = reauthentication = Reauthentication(
            database,
            sessions=self.session_tokens,
            hashing=hashing,
            throttles=self.throttles,
            steps=steps,
            refusals=refusals,
            clock=clock,
            lifetimes=self._lifetimes,
        )
        self.confirmations = Confirmations(
            database,
            sessions=self.session_tokens,
            throttles=self.throttles,
            reauthentication=reauthentication,
            steps=steps,
            codec=challenges,
            clock=clock,
        )
        self.profiles = Profiles(
            database,
            sessions=self.session_tokens,
            throttles=self.throttles,
            reauthentication=reauthentication,
            audit=self.audit,
            refusals=refusals,
            clock=clock,
            features=self._wiring,
            hooks=self.hooks,
        )
        self.own_passwords = OwnPasswords(
            database,
            sessions=self.session_tokens,
            hashing=self.hashing,
            new_passwords=self.new_passwords,
            throttles=self.throttles,
            reauthentication=reauthentication,
            features=self._wiring,
            ways_in=self.ways_in,
        )

    def _wire_factors(self, challenges: LinkCodec) -> None:
        self.factors = Factors(
            self.database,
            sessions=self.session_tokens,
            reauthentication=self._reauthentication,
            step=self._factor_step,
            acts=self.acts,
            codec=challenges,
            features=self._wiring,
            ways_in=self.ways_in,
            clock=self.clock,
        )

    def _wire_administration(self, stack: AsyncExitStack) -> None:
        settings, database, clock, lifetimes = self.settings, self.database, self.clock, self._lifetimes
        self.acts = Acts(database, audit=self.audit, clock=clock, lifetimes=lifetimes)
        self.oversight = Oversight(database, acts=self.acts, clock=clock, lifetimes=lifetimes)
        self.trail = Trail(database, acts=self.acts, clock=clock)
        self.feed = Feed(database)
        stack.push_async_callback(self.feed.close)
        self.administration = Administration(
            database,
            accounts=self.accounts,
            hashing=self.hashing,
            throttles=self.throttles,
            acts=self.acts,
            clock=clock,
            lifetimes=lifetimes,
            new_passwords=self.new_passwords,
            features=self._wiring,
            hooks=self.hooks,
        )
        every = timedelta(seconds=settings.cleanup_interval_seconds) or None
        self.housekeeping = Housekeeping(
            database,
            acts=self.acts,
            audit=self.audit,
            clock=clock,
            history=timedelta(days=settings.session_history_days),
            every=every,
            features=self._wiring,
        )
        stack.push_async_callback(self.housekeeping.close)
        self.overview = Overviews(
            database,
            clock=clock,
            lifetimes=lifetimes,
            failures_max=settings.login_failures_max,
            cleanup_every=every,
            features=self._wiring,
        )

    def joining(self, conn: OptionalConnection) -> AbstractContextManager[None]:
        """Return `Database.joining` of the open database.

        Raises:
            RuntimeError: nothing is open.
        """
        if self._opened is None:
            raise RuntimeError(
                "Gatepost is not open: pass `lifespan=auth.lifespan` to the application, or in a script use"
                " `async with auth.lifespan():`"
            )
        return self.database.joining(conn)

    async def close(self) -> None:
        """Flush what is written behind, close every connection, release the embedded server."""
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.aclose()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _log_wait(seconds: float, why: str) -> None:
    log.warning("waiting for the database", why=why, next_try_in_seconds=round(seconds, 1))

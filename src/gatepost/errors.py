"""What can go wrong, as one tree; each leaf carries a stable `code` and a text of the catalogues.

A branch has the `status` that HTTP answers it with, and what stands below has it too. A feature's errors
stand in its folder, each below the branch that has its status. An error's `text` is meant for the caller: it
never holds a token, password or digest.

    GatepostError
    ├── InvalidInput             the caller can mend what was sent
    │   ├── ValidationFailed         validation_failed
    │   │   ├── PasswordTooCommon        password_too_common
    │   │   ├── PasswordIsContext        password_is_context
    │   │   ├── Conflict                 conflict
    │   │   └── RejectedByDatabase       rejected_by_database
    │   ├── MalformedJson            malformed_json
    │   ├── BodyTooLarge             body_too_large
    │   ├── BodyTooSlow              body_too_slow
    │   └── UnsupportedMediaType     unsupported_media_type
    ├── AuthenticationError      the caller is not who it must be
    │   ├── InvalidCredentials       invalid_credentials
    │   ├── SecondFactorRequired     second_factor_required
    │   │   └── FactorEnrolmentRequired  factor_enrolment_required
    │   ├── InvalidCode              invalid_code
    │   ├── ChallengeExpired         challenge_expired
    │   ├── NotAuthenticated         not_authenticated
    │   ├── InvalidSession           invalid_session
    │   ├── SessionExpired           session_expired
    │   ├── SessionRevoked           session_revoked
    │   └── SessionReplaced          session_replaced
    ├── Forbidden                whoever asks may not do this
    │   ├── AdminRequired            admin_required
    │   ├── FreshSessionRequired     fresh_session_required
    │   ├── EmailNotVerified         email_not_verified
    │   ├── PasswordChangeRequired   password_change_required
    │   ├── CrossOriginRefused       cross_origin_refused
    │   ├── FormExpired              form_expired
    │   ├── RegistrationClosed       registration_closed
    │   └── ImpersonationRefused     impersonation_refused
    ├── Conflicting              what is there stands against it
    │   ├── EmailTaken               email_taken
    │   ├── LastAdmin                last_admin
    │   ├── LastWayIn                last_way_in
    │   ├── FactorRequired           factor_required
    │   ├── OwnAccount               own_account
    │   ├── AccountInUse             account_in_use
    │   └── CountChanged             count_changed
    ├── NotFound                 not_found
    ├── MethodNotAllowed         method_not_allowed
    ├── TooManyAttempts          too_many_attempts
    ├── Unavailable              unavailable
    │   └── HookTimeout
    ├── InternalError            internal_error
    └── SetupError               for the operator, never over HTTP: setup_failed
        ├── SettingsError            settings_invalid
        ├── DatabaseUnreachable      database_unreachable
        ├── DatabaseTooNew           database_too_new
        ├── DatabaseNotMigrated      database_not_migrated
        ├── DatabaseUnfit            database_unfit
        ├── AdoptionRefused          adoption_refused
        ├── EmbeddedServerError      embedded_server
        └── DemoRefused              demo_refused
"""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Self

from gatepost.texts import Text


class GatepostError(Exception):
    """The root of the tree.

    Attributes:
        code: stable name of the error, part of the contract.
        status: what HTTP answers it with; a `SetupError` has none.
        text: one sentence for the caller.
        hint: in development, which setting or command would help, in English; None elsewhere.
    """

    code: ClassVar[str]
    status: ClassVar[int]
    hint: str | None = None

    def __init__(self, text: Text | str | None = None) -> None:
        """Take another sentence than the standard one where it says more; a `str` is not translated."""
        self.text = self.standard() if text is None else _text(text)
        super().__init__(self.text)

    @classmethod
    def standard(cls) -> Text:
        """Return what is said where no other sentence says more."""
        return Text(f"error.{cls.code}")

    @property
    def message(self) -> str:
        """The sentence in English."""
        return str(self.text)

    @property
    def details(self) -> Mapping[str, object]:
        """What a program is told besides the code."""
        return {}

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that an answer with this status has to have."""
        return {}

    def hinted(self, hint: str | None) -> Self:
        """Return this error with a hint for developers."""
        self.hint = hint
        return self


class InvalidInput(GatepostError):
    """The caller can mend what was sent."""

    status = 400


class ValidationFailed(InvalidInput):
    """Some fields are invalid; `fields` says which and why.

    Attributes:
        fields: name of the field → one sentence on what is accepted.
    """

    code = "validation_failed"
    status = 422

    def __init__(self, fields: Mapping[str, Text | str], text: Text | str | None = None) -> None:
        """Say for each field what would be accepted; a `str` is not translated."""
        super().__init__(text)
        self.fields = {name: _text(each) for name, each in fields.items()}


class PasswordTooCommon(ValidationFailed):
    """The new password is one that attackers try first (ASVS 6.2.4, 6.2.12)."""

    code = "password_too_common"


class PasswordIsContext(ValidationFailed):
    """The new password is easy to guess for this user or service (ASVS 6.1.2, 6.2.11)."""

    code = "password_is_context"


class Conflict(ValidationFailed):
    """Another record has this value, which must be unique; `fields` names it if it was sent."""

    code = "conflict"
    status = 409


class RejectedByDatabase(ValidationFailed):
    """The application's constraint or trigger refuses a value; `fields` names it if it was sent."""

    code = "rejected_by_database"


class MalformedJson(InvalidInput):
    """The body is not valid JSON."""

    code = "malformed_json"


class BodyTooLarge(InvalidInput):
    """The body is larger than the limit."""

    code = "body_too_large"
    status = 413


class BodyTooSlow(InvalidInput):
    """The body took too long to arrive. Nothing was done."""

    code = "body_too_slow"
    status = 408


class UnsupportedMediaType(InvalidInput):
    """The body's type is not `application/json`."""

    code = "unsupported_media_type"
    status = 415

    def __init__(self, media_type: str = "application/json") -> None:
        """Say which type is accepted."""
        super().__init__(Text("error.unsupported_media_type", media_type=media_type))

    @classmethod
    def standard(cls) -> Text:
        """Return what is said of a body that is to be JSON."""
        return Text("error.unsupported_media_type", media_type="application/json")


class AuthenticationError(GatepostError):
    """The caller is not who it must be.

    Attributes:
        names_reason: the challenge says why the token that was sent opens nothing.
    """

    status = 401
    names_reason: ClassVar[bool] = True

    @property
    def headers(self) -> Mapping[str, str]:
        """The challenge of a 401 (RFC 6750 §3): a reason only where a token was sent."""
        reason = f' error="invalid_token", error_description="{self.code}"' if self.names_reason else ""
        return {"WWW-Authenticate": f"Bearer{reason}"}


class InvalidCredentials(AuthenticationError):
    """Unknown e-mail, wrong password or disabled user: the same answer to all (ASVS 6.3.8)."""

    code = "invalid_credentials"
    names_reason = False


class SecondFactorRequired(AuthenticationError):
    """The first step was right, and one more is due before a session starts (ASVS 6.3.3).

    Attributes:
        challenge: what the step is answered with, shown this once; it opens nothing. None where a session is
            confirmed, whose token is what counts.
        methods: which would do.
        by_cookie: a cookie is to hold the challenge.
        expires_at: first instant at which it is refused, UTC.
    """

    code = "second_factor_required"
    names_reason = False

    def __init__(
        self, *, challenge: str | None, methods: tuple[str, ...], by_cookie: bool, expires_at: datetime
    ) -> None:
        """Take what the step is answered with."""
        super().__init__()
        self.challenge = challenge
        self.methods = methods
        self.by_cookie = by_cookie
        self.expires_at = expires_at

    @property
    def details(self) -> Mapping[str, object]:
        """What the step is answered with."""
        held = {} if self.by_cookie or self.challenge is None else {"challenge": self.challenge}
        return {**held, "methods": self.methods, "expires_at": self.expires_at}


class FactorEnrolmentRequired(SecondFactorRequired):
    """The first step was right, and a second factor has to be set up before a session starts."""

    code = "factor_enrolment_required"


class InvalidCode(AuthenticationError):
    """The answer to a step of the sign-in is wrong; the caller may try again."""

    code = "invalid_code"
    names_reason = False


class ChallengeExpired(AuthenticationError):
    """The challenge is unknown, used, expired or locked: the sign-in starts over."""

    code = "challenge_expired"
    names_reason = False


class NotAuthenticated(AuthenticationError):
    """No session token was sent."""

    code = "not_authenticated"
    names_reason = False


class InvalidSession(AuthenticationError):
    """The token is malformed or belongs to no session."""

    code = "invalid_session"


class SessionExpired(AuthenticationError):
    """The session reached its `expires_at`."""

    code = "session_expired"


class SessionRevoked(AuthenticationError):
    """The session was ended by a logout, its user, an administrator or a disabled account."""

    code = "session_revoked"


class SessionReplaced(AuthenticationError):
    """The token was refreshed: use its successor."""

    code = "session_replaced"


class Forbidden(GatepostError):
    """Whoever asks may not do this, or not in this way."""

    status = 403


class AdminRequired(Forbidden):
    """The caller is signed in but not an administrator."""

    code = "admin_required"


class FreshSessionRequired(Forbidden):
    """The user proved who they are too long ago for this request, or by too little (ASVS 7.2.4, 7.5.3).

    Attributes:
        methods: what they would confirm with: `password`, and the methods of a step after it.
        aal: the authenticator assurance level that is asked for.
        max_age: seconds after which a proof is too old; None for what the settings say.
    """

    code = "fresh_session_required"

    def __init__(
        self, methods: tuple[str, ...] = ("password",), *, aal: int = 1, max_age: int | None = None
    ) -> None:
        """Take what would do; where nothing would, a second factor has to be set up first."""
        super().__init__(Text("error.fresh_session_required.factor") if aal > 1 and not methods else None)
        self.methods = methods
        self.aal = aal
        self.max_age = max_age

    @property
    def details(self) -> Mapping[str, object]:
        """What would do."""
        return {"methods": self.methods}

    @property
    def headers(self) -> Mapping[str, str]:
        """The challenge for clients with a token (RFC 9470 §3): what a session has to be."""
        level = ', acr_values="aal2"' if self.aal > 1 else ""
        age = "" if self.max_age is None else f', max_age="{self.max_age}"'
        told = f'error="insufficient_user_authentication", error_description="{self.code}"'
        return {"WWW-Authenticate": f"Bearer {told}{level}{age}"}


class EmailNotVerified(Forbidden):
    """The user has not proven that the e-mail is theirs."""

    code = "email_not_verified"


class PasswordChangeRequired(Forbidden):
    """The password is right but temporary: it must be changed before a session starts (ASVS 6.4.1).

    Attributes:
        challenge: with it a page asks for the new password alone; None where the caller sends both together.
        expires_at: first instant at which it is refused, UTC.
    """

    code = "password_change_required"

    def __init__(self, *, challenge: str | None = None, expires_at: datetime | None = None) -> None:
        """Take what the page goes on with."""
        super().__init__()
        self.challenge = challenge
        self.expires_at = expires_at


class CrossOriginRefused(Forbidden):
    """A request with a cookie came from another site (ASVS 3.5.1). Nothing was changed."""

    code = "cross_origin_refused"


class FormExpired(Forbidden):
    """A page's form came without its token, or from another sign-in (ASVS 3.5.1)."""

    code = "form_expired"


class RegistrationClosed(Forbidden):
    """Registration is closed (REGISTRATION=closed)."""

    code = "registration_closed"


class ImpersonationRefused(Forbidden):
    """Nobody may have a session of this account, or not with the session that they have themselves."""

    code = "impersonation_refused"


class Conflicting(GatepostError):
    """What is there stands against it."""

    status = 409


class EmailTaken(Conflicting):
    """A user with this e-mail already exists, ignoring case."""

    code = "email_taken"


class LastAdmin(Conflicting):
    """The account is the last active administrator's."""

    code = "last_admin"


class LastWayIn(Conflicting):
    """Nothing else is left that the user could sign in with."""

    code = "last_way_in"


class FactorRequired(Conflicting):
    """The last second factor can't be removed by whom MFA_REQUIRED asks for one."""

    code = "factor_required"


class OwnAccount(Conflicting):
    """Administrators can't demote, disable, delete or reset the factors of their own account."""

    code = "own_account"


class AccountInUse(Conflicting):
    """The application's own tables refer to the account and forbid deleting it."""

    code = "account_in_use"


class CountChanged(Conflicting):
    """There are more or fewer sessions than the request expected. Nothing was done.

    Attributes:
        found: how many there are.
    """

    code = "count_changed"

    def __init__(self, text: Text | None = None, *, found: int = 0) -> None:
        """Say how many there are."""
        super().__init__(text)
        self.found = found


class NotFound(GatepostError):
    """It doesn't exist, or the caller may not see it."""

    code = "not_found"
    status = 404


class MethodNotAllowed(GatepostError):
    """The resource exists but doesn't support this method."""

    code = "method_not_allowed"
    status = 405


class TooManyAttempts(GatepostError):
    """A limit on attempts was reached.

    Attributes:
        retry_after: whole seconds until another attempt makes sense.
    """

    code = "too_many_attempts"
    status = 429

    def __init__(self, retry_after: int, text: Text | None = None) -> None:
        """Say when another attempt makes sense."""
        super().__init__(text)
        self.retry_after = retry_after

    @property
    def headers(self) -> Mapping[str, str]:
        """When another attempt makes sense."""
        return {"Retry-After": str(self.retry_after)}


class Unavailable(GatepostError):
    """Gatepost can't answer now (database unavailable, pool exhausted, overload).

    Attributes:
        retry_after: whole seconds until another attempt makes sense.
    """

    code = "unavailable"
    status = 503
    retry_after: int = 1

    @property
    def headers(self) -> Mapping[str, str]:
        """When another attempt makes sense."""
        return {"Retry-After": str(self.retry_after)}


class HookTimeout(Unavailable):
    """A hook of the application took longer than HOOK_TIMEOUT_SECONDS, and what it was part of was undone.

    Callers are told what `Unavailable` says; as a text the error names the hook.
    """

    def __init__(self, moment: str, hook: str, seconds: float) -> None:
        """Say which hook it was, and what it may take."""
        super().__init__()
        self.args = (f"@auth.{moment}: {hook} took longer than HOOK_TIMEOUT_SECONDS ({seconds:g})",)


class HookFailed(RuntimeError):
    """A hook of the application is at fault, in a way that its own error would not tell: an answer of 500."""


class InternalError(GatepostError):
    """Gatepost failed; the log has the reason under the request's ID."""

    code = "internal_error"
    status = 500


class SetupError(GatepostError):
    """For the operator at start-up or on the command line, never for a caller over HTTP: English alone."""

    code = "setup_failed"

    def __init__(self, message: str) -> None:
        """Say what is to be done."""
        super().__init__(message)


class SettingsError(SetupError):
    """Some settings are invalid.

    Attributes:
        problems: one line a mistake, each with the accepted form.
    """

    code = "settings_invalid"

    def __init__(self, problems: list[str]) -> None:
        """Gather every mistake, so that one start shows all of them."""
        super().__init__("\n".join(problems))
        self.problems = problems


class DatabaseUnreachable(SetupError):
    """No connection to the database could be made.

    Attributes:
        why: the reason alone.
    """

    code = "database_unreachable"

    def __init__(self, message: str, *, why: str | None = None) -> None:
        """Say what failed; `why` is the reason alone, where the message says more."""
        super().__init__(message)
        self.why = message if why is None else why

    @classmethod
    def because(cls, why: str, advice: str = "") -> Self:
        """Return the error of a connection that could not be made, with what to do about it."""
        return cls(f"Cannot connect to the database: {why}{f'. {advice}' if advice else ''}", why=why)


class DatabaseTooNew(SetupError):
    """The database was migrated by a newer Gatepost than this one."""

    code = "database_too_new"


class DatabaseNotMigrated(SetupError):
    """The schema is missing or older than this Gatepost needs."""

    code = "database_not_migrated"

    def __init__(self, message: str = "The database is not migrated: run `gatepost migrate`") -> None:
        """Say what is to be done."""
        super().__init__(message)


class DatabaseUnfit(SetupError):
    """Gatepost can't use this database as it is; the message says what to change."""

    code = "database_unfit"


class AdoptionRefused(SetupError):
    """An existing `users` table can't be adopted as it is; the message says what to change."""

    code = "adoption_refused"


class EmbeddedServerError(SetupError):
    """The embedded PostgreSQL could not be started; the message says what to do."""

    code = "embedded_server"


class DemoRefused(SetupError):
    """`gatepost demo` would have filled a database with other data, or run in production."""

    code = "demo_refused"


class InvalidValue(ValueError):
    """A value is not accepted, whatever field it was typed into.

    Attributes:
        text: what is accepted.
    """

    def __init__(self, text: Text) -> None:
        super().__init__(text)
        self.text = text


def _text(said: Text | str) -> Text:
    return Text.verbatim(said) if isinstance(said, str) else said

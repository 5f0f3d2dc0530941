"""What can go wrong, as one tree; each leaf carries a stable `code` and speaks for itself.

Only the HTTP layer knows which status a branch has (`http/errors.py`), only the commands know which
exit code. A feature's errors stand in its folder, each below the branch that has its status. An error's
`message` is meant for the caller: it never holds a token, password or digest.

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
    │   ├── NotAuthenticated         not_authenticated
    │   ├── InvalidSession           invalid_session
    │   ├── SessionExpired           session_expired
    │   ├── SessionRevoked           session_revoked
    │   └── SessionReplaced          session_replaced
    ├── Forbidden                whoever asks may not do this
    │   ├── AdminRequired            admin_required
    │   ├── FreshSessionRequired     fresh_session_required
    │   ├── PasswordChangeRequired   password_change_required
    │   ├── CrossOriginRefused       cross_origin_refused
    │   ├── FormExpired              form_expired
    │   ├── RegistrationClosed       registration_closed
    │   ├── InvitationRequired       invitation_required
    │   └── InvalidInvitation        invalid_invitation
    ├── Conflicting              what is there stands against it
    │   ├── EmailTaken               email_taken
    │   ├── LastAdmin                last_admin
    │   ├── OwnAccount               own_account
    │   ├── AccountInUse             account_in_use
    │   └── CountChanged             count_changed
    ├── NotFound                 not_found
    ├── MethodNotAllowed         method_not_allowed
    ├── TooManyAttempts          too_many_attempts
    ├── Unavailable              unavailable
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
from typing import ClassVar


class GatepostError(Exception):
    """The root of the tree.

    Attributes:
        code: stable name of the error, part of the contract.
        message: one sentence for the caller.
    """

    code: ClassVar[str]
    message: str = ""

    def __init__(self, message: str | None = None) -> None:
        """Take another sentence than the class's own where one says more."""
        if message is not None:
            self.message = message
        super().__init__(self.message)


class InvalidInput(GatepostError):
    """The caller can mend what was sent."""


class ValidationFailed(InvalidInput):
    """Fields of the input do not fit; `fields` says which and why.

    Attributes:
        fields: name of the field → one sentence on what is accepted.
    """

    code = "validation_failed"
    message = "Some fields are not valid"

    def __init__(self, fields: Mapping[str, str], message: str | None = None) -> None:
        """Say for each field what would be accepted."""
        super().__init__(message)
        self.fields = dict(fields)


class PasswordTooCommon(ValidationFailed):
    """The new password is one that attackers try first (ASVS 6.2.4, 6.2.12)."""

    code = "password_too_common"
    message = "This password is too common: many people use it, and attackers try it first"


class PasswordIsContext(ValidationFailed):
    """The new password is what anybody would guess of this user or service (ASVS 6.1.2, 6.2.11)."""

    code = "password_is_context"
    message = "This password is too easy to guess: it is the e-mail, or the name of this service"


class Conflict(ValidationFailed):
    """The application allows a value once, and another record has it; `fields` names it where it was sent.

    Attributes:
        of_field: what is said of the field.
    """

    code = "conflict"
    message = "Another record has this already, and it may be there once"
    of_field: ClassVar[str] = "Another record has this value already"


class RejectedByDatabase(ValidationFailed):
    """A constraint or a trigger of the application refuses it; `fields` names it where it was sent.

    Attributes:
        of_field: what is said of the field.
    """

    code = "rejected_by_database"
    message = "The rules of this application's database do not allow this"
    of_field: ClassVar[str] = "This value is not accepted here"


class MalformedJson(InvalidInput):
    """The body is no JSON document."""

    code = "malformed_json"
    message = "The body is not valid JSON"


class BodyTooLarge(InvalidInput):
    """The body is over the limit and was not read whole."""

    code = "body_too_large"
    message = "The body is too large"


class BodyTooSlow(InvalidInput):
    """The end of the body did not come in time, and nothing was done."""

    code = "body_too_slow"
    message = "The body took too long to arrive"


class UnsupportedMediaType(InvalidInput):
    """The body is of another type than `application/json`."""

    code = "unsupported_media_type"
    message = "Send the body as application/json"


class AuthenticationError(GatepostError):
    """The caller is not who it must be."""


class InvalidCredentials(AuthenticationError):
    """Unknown e-mail, wrong password or disabled user: the same answer to all (ASVS 6.3.8)."""

    code = "invalid_credentials"
    message = "The e-mail or the password is wrong"


class NotAuthenticated(AuthenticationError):
    """No session token was sent."""

    code = "not_authenticated"
    message = "Send a session token: Authorization: Bearer <session_token>"


class InvalidSession(AuthenticationError):
    """The token is malformed or belongs to no session."""

    code = "invalid_session"
    message = "The session token is not valid"


class SessionExpired(AuthenticationError):
    """The session reached its `expires_at`."""

    code = "session_expired"
    message = "The session has expired, sign in again"


class SessionRevoked(AuthenticationError):
    """The session was ended by a logout, its user, an administrator or a disabled account."""

    code = "session_revoked"
    message = "The session has been ended, sign in again"


class SessionReplaced(AuthenticationError):
    """The token was refreshed; its successor is the one to use."""

    code = "session_replaced"
    message = "The session token has been replaced by a newer one"


class Forbidden(GatepostError):
    """Whoever asks may not do this, or not in this way."""


class AdminRequired(Forbidden):
    """The caller is signed in and no administrator."""

    code = "admin_required"
    message = "Only an administrator may do this"


class FreshSessionRequired(Forbidden):
    """The password was given too long ago for what is asked (ASVS 7.2.4, 7.5.3)."""

    code = "fresh_session_required"
    message = "Confirm your password first: POST /api/auth/confirm"


class PasswordChangeRequired(Forbidden):
    """The password is right and temporary: no session starts before it is changed (ASVS 6.4.1)."""

    code = "password_change_required"
    message = "This password is temporary: send it again, together with a new_password of your choice"


class CrossOriginRefused(Forbidden):
    """A request with a cookie came from another site (ASVS 3.5.1); it changed nothing."""

    code = "cross_origin_refused"
    message = "With a cookie, requests must come from this site's own pages; programs use a bearer token"


class FormExpired(Forbidden):
    """A form of a page was sent without the token that it had, or under another sign-in (ASVS 3.5.1)."""

    code = "form_expired"
    message = "This form was out of date: look it over and send it again"


class RegistrationClosed(Forbidden):
    """Nobody may register here (REGISTRATION=closed)."""

    code = "registration_closed"
    message = "Nobody can register here by themselves: ask an administrator for an account"


class InvitationRequired(Forbidden):
    """Only who was invited may register here (REGISTRATION=invite)."""

    code = "invitation_required"
    message = "Registering here takes an invitation: ask an administrator for one"


class InvalidInvitation(Forbidden):
    """Unknown, used, expired, revoked or for another e-mail: the same answer; the trail knows which."""

    code = "invalid_invitation"
    message = "The invitation is not valid, or not any more: ask an administrator for another one"


class Conflicting(GatepostError):
    """What is there stands against it."""


class EmailTaken(Conflicting):
    """A user with this e-mail exists already, in whatever case it is written."""

    code = "email_taken"
    message = "A user with this e-mail exists already"


class LastAdmin(Conflicting):
    """The account is the last active administrator's, and nobody would be left to administer."""

    code = "last_admin"
    message = "This is the last administrator: make somebody else one first"


class OwnAccount(Conflicting):
    """Administrators demote, disable, delete and give temporary passwords to others, not to themselves."""

    code = "own_account"
    message = "Another administrator has to do this to your account"


class AccountInUse(Conflicting):
    """The application refers to the account from tables of its own, in a way that forbids deleting it."""

    code = "account_in_use"
    message = "The account can't be deleted while the application has records that belong to it"


class CountChanged(Conflicting):
    """What was to be done to a number of things finds another number of them; nothing was done.

    Attributes:
        found: how many there are.
    """

    code = "count_changed"
    message = "Their number has changed: look again"

    def __init__(self, message: str | None = None, *, found: int = 0) -> None:
        """Say how many there are."""
        super().__init__(message)
        self.found = found


class NotFound(GatepostError):
    """There is no such thing, or none that the caller may see."""

    code = "not_found"
    message = "There is no such resource"


class MethodNotAllowed(GatepostError):
    """The resource exists and does not answer to this method."""

    code = "method_not_allowed"
    message = "The method is not allowed here"


class TooManyAttempts(GatepostError):
    """A limit on attempts was reached.

    Attributes:
        retry_after: whole seconds until another attempt makes sense.
    """

    code = "too_many_attempts"
    message = "Too many attempts, try again later"

    def __init__(self, retry_after: int, message: str | None = None) -> None:
        """Say when another attempt makes sense."""
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(GatepostError):
    """Gatepost can't answer now (database away, pool exhausted, overload); never a yes, never a no.

    Attributes:
        retry_after: whole seconds until another attempt makes sense.
    """

    code = "unavailable"
    message = "The service is unavailable for the moment, try again"
    retry_after: int = 1


class InternalError(GatepostError):
    """A fault of ours; the log has it under the request id."""

    code = "internal_error"
    message = "Something went wrong on our side"


class SetupError(GatepostError):
    """For the operator at start-up or on the command line, never for a caller over HTTP."""

    code = "setup_failed"


class SettingsError(SetupError):
    """Settings that can't be worked with.

    Attributes:
        problems: one line a mistake, each with the accepted form.
    """

    code = "settings_invalid"

    def __init__(self, problems: list[str]) -> None:
        """Gather every mistake, so that one start shows all of them."""
        super().__init__("\n".join(problems))
        self.problems = problems


class DatabaseUnreachable(SetupError):
    """No connection to the database could be made."""

    code = "database_unreachable"


class DatabaseTooNew(SetupError):
    """The database was migrated by a newer Gatepost than this one."""

    code = "database_too_new"


class DatabaseNotMigrated(SetupError):
    """The schema is missing or older than this Gatepost needs."""

    code = "database_not_migrated"
    message = "The database is not migrated: run `gatepost migrate`"


class DatabaseUnfit(SetupError):
    """Gatepost can't work in this database as it is; the message says what to change."""

    code = "database_unfit"


class AdoptionRefused(SetupError):
    """An existing `users` table can't be adopted as it is; the message says what to change."""

    code = "adoption_refused"


class EmbeddedServerError(SetupError):
    """The embedded PostgreSQL could not be started; the message says what to do."""

    code = "embedded_server"


class DemoRefused(SetupError):
    """`gatepost demo` was to fill a database that holds other data, or to run in production."""

    code = "demo_refused"

"""What answers of the API hold, for the OpenAPI document, and how that is made."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
)

from gatepost.http.api.user_ids import ExampleUserId, ShownUserId
from gatepost.models import AuditEvent, Session, SessionRow, SignedIn, User, UserId

TIME = "2024-01-01T00:00:00Z"
LATER = "2024-01-01T00:30:00Z"
TOKEN = "5f0c8b1e-7d43-4a53-9d7e-2f6f1a0f6c3b"  # noqa: S105 - an example
LINK_TOKEN = "vTq1f0mYx8sJb3nWc5RzKd7Lh2Pg9EuAi4Xo6QyNk0M"  # noqa: S105 - an example
USER = {
    "id": ExampleUserId(1),
    "email": "user@example.com",
    "name": "John Doe",
    "created_at": TIME,
    "is_admin": False,
    "email_verified": False,
}
OPTIONS = {"publicKey": {"challenge": "dGVzdA", "rpId": "example.com"}}
SESSION_INFO = {"expires_at": LATER, "created_at": TIME, "methods": ["pwd"], "aal": 1, "is_fresh": True}
SIGNED_IN = {"token": TOKEN, "user": USER, "session_info": SESSION_INFO}
RECOVERY_CODES = ["ABCD-EFGH-IJKL-MNOP-QRST-UVWX"]
ENROLLED = SIGNED_IN | {"recovery_codes": RECOVERY_CODES}
SESSION = {
    "id": 1,
    "session_token": f"{TOKEN[:8]}...",
    "created_at": TIME,
    "last_used_at": "2024-01-01T00:15:00Z",
    "expires_at": LATER,
    "ip_address": "192.168.1.100",
    "user_agent": "Mozilla/5.0...",
    "is_current": True,
}
EVENT = {
    "id": 42,
    "at": TIME,
    "action": "session.started",
    "session_id": 1,
    "ip_address": "192.168.1.100",
    "user_agent": "Mozilla/5.0...",
    "detail": {},
}
EXPORT = {
    "user": USER | {"language": None},
    "sessions": [SESSION | {"ended_at": None, "end_reason": None}],
    "events": [EVENT],
    "truncated": False,
}

# Lengths are told here and checked in one place, by the service, after normalisation (NFC).


def _without_required_token(schema: dict[str, Any]) -> None:
    schema["required"].remove("token")


class UserData(BaseModel):
    """A user as the API shows one."""

    id: ShownUserId
    email: str
    name: str
    created_at: datetime
    is_admin: bool
    email_verified: bool


ImpersonatorId = Annotated[
    ShownUserId | None,
    Field(
        description="Who has this session in the place of its user, where somebody has.",
        examples=[ExampleUserId(2)],
    ),
]


class SessionInfo(BaseModel):
    """A session: valid before `expires_at`; `methods` (RFC 8176) and `aal` tell how its user signed in."""

    expires_at: datetime
    created_at: datetime
    methods: list[str]
    aal: int
    is_fresh: bool
    impersonator_id: ImpersonatorId = None


class SignedInData(BaseModel):
    """A new token, shown this once, with its user and session; a cookie holds it where one was asked for."""

    model_config = ConfigDict(json_schema_extra=_without_required_token)

    token: str
    user: UserData
    session_info: SessionInfo


class PendingEmailData(BaseModel):
    """The mailbox that has to answer first."""

    pending_email: str


class EnrolledData(SignedInData):
    """As after a sign-in; with the first second factor of a user come recovery codes, shown this once."""

    recovery_codes: list[str] = []


class MeData(BaseModel):
    """The caller and the session that they call with."""

    user: UserData
    session_info: SessionInfo


class SessionData(BaseModel):
    """One live session; `session_token` shows the first 8 characters of its token."""

    id: int
    session_token: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    ip_address: str | None
    user_agent: str | None
    is_current: bool
    impersonator_id: ImpersonatorId = None


class SessionsData(BaseModel):
    """A page of the caller's live sessions, the one used last first; `next_cursor` where there are more."""

    sessions: list[SessionData]
    total_active_sessions: int
    next_cursor: str | None = None


class RevokedData(BaseModel):
    """How many sessions were ended."""

    sessions_revoked: int


class CleanupData(BaseModel):
    """What a clean-up did."""

    sessions_expired: int
    sessions_purged: int


class EventData(BaseModel):
    """One event of the audit trail; of what an administrator did, address and user agent are null."""

    id: int
    at: datetime
    action: str
    session_id: int | None
    ip_address: str | None
    user_agent: str | None
    detail: dict[str, Any]


class EventsData(BaseModel):
    """A page of events, the newest first; `next_cursor` asks for the next one, null after the last."""

    events: list[EventData]
    next_cursor: str | None


class ExportedSessionData(SessionData):
    """One session, live or ended."""

    ended_at: datetime | None
    end_reason: str | None


class ExportedUserData(UserData):
    """The user; `language` is the one that they chose on the pages, null where they chose none."""

    language: str | None


class ExportData(BaseModel):
    """What is stored about the caller; `truncated` says that older sessions or events were left out.

    What features store has parts of its own, by their names, such as `email`.
    """

    model_config = ConfigDict(extra="allow")

    user: ExportedUserData
    sessions: list[ExportedSessionData]
    events: list[EventData]
    application: Annotated[
        dict[str, Any], Field(description="What the application adds, where it does: `auth.on_export`.")
    ] = {}
    truncated: bool


def user_data(user: User) -> dict[str, Any]:
    """Return `UserData`."""
    return {
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "created_at": user.created_at,
        "is_admin": user.is_admin,
        "email_verified": user.email_verified,
    }


def exported_user_data(user: User) -> dict[str, Any]:
    """Return `ExportedUserData`."""
    return user_data(user) | {"language": user.language}


def session_info(session: Session) -> dict[str, Any]:
    """Return `SessionInfo`."""
    return _impersonated(session.impersonator_id) | {
        "expires_at": session.expires_at,
        "created_at": session.created_at,
        "methods": session.methods,
        "aal": session.aal,
        "is_fresh": session.is_fresh,
    }


def _impersonated(by: UserId | None) -> dict[str, Any]:
    """Return who has a session in the place of its user: a part that those of users themselves don't have."""
    return {} if by is None else {"impersonator_id": by}


def signed_in_data(signed_in: SignedIn | Session, *, by_cookie: bool = False) -> dict[str, Any]:
    """Return `SignedInData`; a token that a cookie holds stays out of it (ASVS 3.3.4)."""
    session = signed_in.session if isinstance(signed_in, SignedIn) else signed_in
    return {
        **({"token": signed_in.token} if isinstance(signed_in, SignedIn) and not by_cookie else {}),
        "user": user_data(session.user),
        "session_info": session_info(session),
        **_recovery_codes(signed_in),
    }


def _recovery_codes(signed_in: SignedIn | Session) -> dict[str, Any]:
    """Return the codes that were made with a session, where some were."""
    codes = signed_in.recovery_codes if isinstance(signed_in, SignedIn) else ()
    return {"recovery_codes": codes} if codes else {}


def session_data(row: SessionRow, current: Session) -> dict[str, Any]:
    """Return `SessionData`."""
    return _impersonated(row.impersonator_id) | {
        "id": row.id,
        "session_token": f"{row.token_hint}...",
        "created_at": row.created_at,
        "last_used_at": row.last_used_at,
        "expires_at": row.expires_at,
        "ip_address": row.ip_address,
        "user_agent": row.user_agent,
        "is_current": row.id == current.id,
    }


def exported_session_data(row: SessionRow, current: Session) -> dict[str, Any]:
    """Return `ExportedSessionData`."""
    return session_data(row, current) | {"ended_at": row.ended_at, "end_reason": row.end_reason}


def event_data(event: AuditEvent) -> dict[str, Any]:
    """Return `EventData`, for the user whom it concerns: where an administrator sat is not their business."""
    is_others = event.is_by_admin and str(event.detail.get("admin_id")) != str(event.user_id)
    return {
        "id": event.id,
        "at": event.at,
        "action": event.action,
        "session_id": event.session_id,
        "ip_address": None if is_others else event.ip_address,
        "user_agent": None if is_others else event.user_agent,
        "detail": event.detail,
    }

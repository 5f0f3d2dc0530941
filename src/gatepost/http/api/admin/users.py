"""What administrators do to the accounts of others."""

from typing import Annotated, Any, Literal

from fastapi import Depends, Query
from starlette.responses import Response

from gatepost import errors
from gatepost.gate import Gate
from gatepost.http.api import schemas
from gatepost.http.api.admin import user_schemas
from gatepost.http.api.parameters import Cursor, Limit
from gatepost.http.api.responses import ADMIN, UNWANTED_BODY, USERS_ROW, Kinds, responses
from gatepost.http.api.routing import router_of
from gatepost.http.api.user_ids import PathUserId
from gatepost.http.bodies import unambiguous_body
from gatepost.http.dependencies import AdminSessionScheme, CurrentClient, CurrentGate, FreshAdminSession
from gatepost.http.envelope import Envelope, success
from gatepost.models import Lack, UserId
from gatepost.models.bounds import SEARCH_MAX
from gatepost.services.directory import UserCursor, UserFilter
from gatepost.texts import Text

router = router_of("administration")

_FIELDS = {"id": f"Enter the ID of a user, a number up to {2**31 - 1}"}
_FOUND: Kinds = (*ADMIN, errors.NotFound, errors.ValidationFailed)
_CHANGED: Kinds = (*_FOUND, *UNWANTED_BODY, *USERS_ROW)
_TAKEN_AWAY: Kinds = (*_CHANGED, errors.OwnAccount)
_ADMIN = (Depends(AdminSessionScheme()),)
"""As `AdminSession`, where nothing more is asked of the session."""
_ACCOUNT = {"user": user_schemas.ACCOUNT}


async def _as_it_is_now(gate: Gate, user_id: UserId) -> dict[str, Any]:
    return {"user": user_schemas.account_data(await gate.administration.account(user_id))}


@router.get(
    "/admin/users",
    summary="Find users (admin function)",
    dependencies=_ADMIN,
    response_model=Envelope[user_schemas.FoundUsersData],
    responses=responses(
        {"users": [user_schemas.USER], "next_cursor": None},
        "Users retrieved successfully",
        *ADMIN,
        errors.ValidationFailed,
        fields={"cursor": Text("field.cursor")},
    ),
)
async def find_users(
    gate: CurrentGate,
    q: Annotated[
        str,
        Query(
            max_length=SEARCH_MAX,
            description="Beginning of the e-mail, the name or its last word, or else a part of either.",
        ),
    ] = "",
    role: Annotated[Literal["admin", "user"] | None, Query(description="`admin` or `user`.")] = None,
    status: Annotated[
        Literal["active", "disabled"] | None, Query(description="`active` or `disabled`.")
    ] = None,
    lacks: Annotated[
        Literal["factor", "sign_in"] | None,
        Query(
            description="`factor`: users without a second factor; `sign_in`: users who never signed in."
            " A page of these may have fewer users than `limit`, and be followed by others."
        ),
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """List users: those by their e-mail first, then those by their name, then by a part."""
    found = await gate.administration.search(
        UserFilter(
            text=q,
            is_admin=None if role is None else role == "admin",
            is_active=None if status is None else status == "active",
            lacks=None if lacks is None else Lack(lacks),
        ),
        after=None if cursor is None else UserCursor.parse(cursor),
        limit=limit,
    )
    data = {
        "users": [user_schemas.found_user_data(user) for user in found.users],
        "next_cursor": None if found.next_cursor is None else str(found.next_cursor),
    }
    return success(data, "Users retrieved successfully")


@router.get(
    "/admin/users/{id}",
    summary="Get a user and how the account stands (admin function)",
    dependencies=_ADMIN,
    response_model=Envelope[user_schemas.AccountOnlyData],
    responses=responses(_ACCOUNT, "User retrieved successfully", *_FOUND, fields=_FIELDS),
)
async def get_user(user_id: PathUserId, gate: CurrentGate) -> Response:
    """Show who it is, the live sessions, the last sign-in, failures, and a temporary password."""
    return success(await _as_it_is_now(gate, user_id), "User retrieved successfully")


@router.post(
    "/admin/users/{id}/disable",
    summary="Disable a user and end their sessions (admin function)",
    response_model=Envelope[user_schemas.AccountOnlyData],
    responses=responses(
        {"user": user_schemas.ACCOUNT | {"is_active": False, "active_sessions": 0}},
        "User disabled successfully",
        *_TAKEN_AWAY,
        fields=_FIELDS,
    ),
)
async def disable_user(
    session: FreshAdminSession, user_id: PathUserId, gate: CurrentGate, client: CurrentClient
) -> Response:
    """Shut a user out: every session ends, and no sign-in succeeds."""
    user = await gate.administration.get(user_id)
    await gate.administration.set_active(user, is_active=False, client=client, by=session)
    return success(await _as_it_is_now(gate, user_id), "User disabled successfully")


@router.post(
    "/admin/users/{id}/enable",
    summary="Enable a disabled user (admin function)",
    response_model=Envelope[user_schemas.AccountOnlyData],
    responses=responses(_ACCOUNT, "User enabled successfully", *_CHANGED, fields=_FIELDS),
)
async def enable_user(
    session: FreshAdminSession, user_id: PathUserId, gate: CurrentGate, client: CurrentClient
) -> Response:
    """Let a user sign in again."""
    user = await gate.administration.get(user_id)
    await gate.administration.set_active(user, is_active=True, client=client, by=session)
    return success(await _as_it_is_now(gate, user_id), "User enabled successfully")


@router.post(
    "/admin/users/{id}/promote",
    summary="Make a user an administrator (admin function)",
    response_model=Envelope[user_schemas.AccountOnlyData],
    responses=responses(
        {"user": user_schemas.ACCOUNT | {"is_admin": True}},
        "User promoted successfully",
        *_CHANGED,
        fields=_FIELDS,
    ),
)
async def promote_user(
    session: FreshAdminSession, user_id: PathUserId, gate: CurrentGate, client: CurrentClient
) -> Response:
    """Let a user do what administrators may, from their next request on."""
    user = await gate.administration.get(user_id)
    await gate.administration.set_admin(user, is_admin=True, client=client, by=session)
    return success(await _as_it_is_now(gate, user_id), "User promoted successfully")


@router.post(
    "/admin/users/{id}/demote",
    summary="Make an administrator a plain user (admin function)",
    response_model=Envelope[user_schemas.AccountOnlyData],
    responses=responses(_ACCOUNT, "User demoted successfully", *_TAKEN_AWAY, fields=_FIELDS),
)
async def demote_user(
    session: FreshAdminSession, user_id: PathUserId, gate: CurrentGate, client: CurrentClient
) -> Response:
    """Take back what administrators may, from their next request on."""
    user = await gate.administration.get(user_id)
    await gate.administration.set_admin(user, is_admin=False, client=client, by=session)
    return success(await _as_it_is_now(gate, user_id), "User demoted successfully")


@router.post(
    "/admin/users/{id}/unlock",
    summary="Unlock a user after too many wrong passwords (admin function)",
    response_model=Envelope[user_schemas.AccountOnlyData],
    responses=responses(_ACCOUNT, "User unlocked successfully", *_CHANGED, fields=_FIELDS),
)
async def unlock_user(
    session: FreshAdminSession, user_id: PathUserId, gate: CurrentGate, client: CurrentClient
) -> Response:
    """Unlock a user: reset consecutive failures, so that the password works from anywhere again."""
    user = await gate.administration.get(user_id)
    await gate.administration.unlock(user, client=client, by=session)
    return success(await _as_it_is_now(gate, user_id), "User unlocked successfully")


@router.post(
    "/admin/users/{id}/logout-all",
    summary="End every session of a user (admin function)",
    response_model=Envelope[user_schemas.LoggedOutData],
    responses=responses(
        {"user": user_schemas.ACCOUNT | {"active_sessions": 0}, "sessions_revoked": 1},
        "User logged out successfully",
        *_CHANGED,
        fields=_FIELDS,
    ),
)
async def logout_user(
    session: FreshAdminSession, user_id: PathUserId, gate: CurrentGate, client: CurrentClient
) -> Response:
    """Sign a user out everywhere and count the sessions that were live."""
    user = await gate.administration.get(user_id)
    ended = await gate.administration.end_sessions(user, client=client, by=session)
    data = await _as_it_is_now(gate, user_id) | {"sessions_revoked": ended}
    return success(data, "User logged out successfully")


@router.post(
    "/admin/users/{id}/temporary-password",
    summary="Give a user a temporary password and end their sessions (admin function)",
    response_model=Envelope[user_schemas.TemporaryPasswordData],
    responses=responses(
        {
            "user": user_schemas.ACCOUNT
            | {"active_sessions": 0, "temporary_password_expires_at": schemas.LATER},
            "password": user_schemas.PASSWORD,
            "expires_at": schemas.LATER,
        },
        "Temporary password set successfully",
        *_CHANGED,
        errors.OwnAccount,
        fields=_FIELDS,
    ),
)
async def set_temporary_password(
    session: FreshAdminSession, user_id: PathUserId, gate: CurrentGate, client: CurrentClient
) -> Response:
    """Make a password, shown this once, that works for 24 hours and must be changed at the next sign-in.

    Where there is a way to send mail this is not found: `password-reset` has the user choose one.
    """
    user = await gate.administration.get(user_id)
    made = await gate.administration.set_temporary_password(user, client=client, by=session)
    shown = {"password": made.password, "expires_at": made.expires_at}
    return success(await _as_it_is_now(gate, user_id) | shown, "Temporary password set successfully")


@router.delete(
    "/admin/users/{id}/factors",
    summary="Remove the second factors of a user who lost theirs (admin function)",
    dependencies=[Depends(unambiguous_body)],
    response_model=Envelope[user_schemas.FactorsResetData],
    responses=responses(
        _ACCOUNT | {"removed": ["totp", "recovery_code"]},
        "Factors removed successfully",
        *_CHANGED,
        errors.MalformedJson,
        errors.LastWayIn,
        errors.OwnAccount,
        fields={"reason": "Field required"},
    ),
)
async def reset_factors(
    body: user_schemas.ResetFactorsRequest,
    session: FreshAdminSession,
    user_id: PathUserId,
    gate: CurrentGate,
    client: CurrentClient,
) -> Response:
    """Remove them all and end the user's sessions; the reason is on the audit trail. Nobody can add one."""
    user = await gate.administration.get(user_id)
    removed = await gate.factors.reset(user, reason=body.reason, client=client, by=session)
    return success(await _as_it_is_now(gate, user_id) | {"removed": removed}, "Factors removed successfully")


@router.delete(
    "/admin/users/{id}",
    summary="Delete a user (admin function)",
    response_model=Envelope[None],
    responses=responses(None, "User deleted successfully", *_TAKEN_AWAY, errors.AccountInUse, fields=_FIELDS),
)
async def delete_user(
    session: FreshAdminSession, user_id: PathUserId, gate: CurrentGate, client: CurrentClient
) -> Response:
    """Nothing of the user is kept but what happened, on the audit trail, without whom it happened to."""
    user = await gate.administration.get(user_id)
    await gate.administration.delete(user, client=client, by=session)
    return success(None, "User deleted successfully")

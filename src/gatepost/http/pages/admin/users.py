"""Who has an account: a search with filters, page by page, and a form for one more."""

from types import MappingProxyType

from starlette.responses import Response

from gatepost.errors import ValidationFailed
from gatepost.http.pages.forms import Form
from gatepost.http.pages.visit import Visit
from gatepost.services.directory import UserCursor, UserFilter, UserPage

ROWS = 50
"""Users a page."""

_ROLES = {"admin": True, "user": False}
_STATUSES = {"active": True, "disabled": False}


async def show(visit: Visit) -> Response:
    """Show users as `q`, `role` and `status` want them, those after `cursor`."""
    asked = visit.request.query_params
    wanted = UserFilter(
        text=asked.get("q", ""),
        is_admin=_ROLES.get(asked.get("role", "")),
        is_active=_STATUSES.get(asked.get("status", "")),
    )
    cursor = asked.get("cursor")
    try:
        after = UserCursor.parse(cursor) if cursor else None
        page = await visit.gate.administration.search(wanted, after=after, limit=ROWS)
    except ValidationFailed as error:
        visit.show_again(MappingProxyType(dict(asked)), error)
        page = UserPage(users=(), next_cursor=None)
    role = asked.get("role") if wanted.is_admin is not None else None
    status = asked.get("status") if wanted.is_active is not None else None
    return visit.render(
        "admin/users.html",
        status=422 if visit.problems else 200,
        page=page,
        last_sign_ins=await visit.gate.administration.last_sign_ins(page.users),
        number=await visit.gate.administration.number(),
        q=wanted.text,
        role=role,
        standing=status,
        is_filtered=bool(wanted.text.strip() or role or status),
        is_first=not cursor,
    )


async def ask_new(visit: Visit) -> Response:
    """Show the form for a new user."""
    return visit.render("admin/new_user.html")


async def create(visit: Visit, form: Form) -> Response:
    """Add a user, who has no password before a temporary one is set.

    Raises:
        ValidationFailed, EmailTaken, Conflict, RejectedByDatabase: as `Administration.create`.
    """
    user = await visit.gate.administration.create(
        email=form.get("email", ""),
        name=form.get("name", ""),
        password=None,
        is_admin=False,
        client=visit.client,
        by=visit.signed_in,
    )
    return visit.redirect(visit.user_url(user.id), notice="user_created")

"""Who has an account: a search with filters, page by page, and a form for one more."""

from types import MappingProxyType

from starlette.responses import Response

from gatepost.errors import ValidationFailed
from gatepost.http.pages.forms import Form
from gatepost.http.pages.visit import Visit
from gatepost.models import Lack
from gatepost.services.directory import UserCursor, UserFilter, UserOrder, UserPage
from gatepost.texts import Text

ROWS = 50
"""Users a page."""

_ROLES = {"admin": True, "user": False}
_STATUSES = {"active": True, "disabled": False}


_LACKS = {
    Lack.FACTOR: Text("admin.users.without_factor"),
    Lack.SIGN_IN: Text("admin.users.never_signed_in"),
}
"""What users are looked for who lack it → how they are called."""

_COLUMNS = {
    "sign_in": (UserOrder.SIGN_IN_DOWN, UserOrder.SIGN_IN),
    "created": (UserOrder.CREATED_DOWN, UserOrder.CREATED),
}
"""Column → the orders that its head leads to: the first, and where that is in force the other."""


async def show(visit: Visit) -> Response:
    """Show users as `q`, `role` and `status` want them, by `sort`, those after `cursor`."""
    asked = visit.request.query_params
    wanted = UserFilter(
        text=asked.get("q", ""),
        is_admin=_ROLES.get(asked.get("role", "")),
        is_active=_STATUSES.get(asked.get("status", "")),
        lacks=_lack(asked.get("lacks", "")),
    )
    order = _order(asked.get("sort", ""), wanted)
    cursor = asked.get("cursor")
    try:
        after = UserCursor.parse(cursor) if cursor else None
        page = await visit.gate.administration.search(wanted, order=order, after=after, limit=ROWS)
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
        kept={"q": wanted.text, "role": role, "status": status, "lacks": wanted.lacks, "sort": _sort(order)},
        lacks=wanted.lacks,
        lacking=_LACKS,
        order=order,
        heads={column: second if order is first else first for column, (first, second) in _COLUMNS.items()},
        chips=_chips(wanted, role, status),
        is_filtered=bool(wanted.text.strip() or role or status or wanted.lacks),
        is_first=not cursor,
    )


def _lack(asked: str) -> Lack | None:
    return Lack(asked) if asked in set(Lack) else None


def _order(asked: str, wanted: UserFilter) -> UserOrder:
    """Return what was asked for; what a text finds, and who never signed in, has an order of its own."""
    if asked not in set(UserOrder) or wanted.text.strip():
        return UserOrder.EMAIL
    order = UserOrder(asked)
    return UserOrder.EMAIL if wanted.lacks is Lack.SIGN_IN and order in _COLUMNS["sign_in"] else order


def _sort(order: UserOrder) -> str | None:
    return None if order is UserOrder.EMAIL else order.value


def _chips(wanted: UserFilter, role: str | None, status: str | None) -> list[tuple[str, Text | str]]:
    """Return what users are filtered by: the parameter, and what it wants, a text or what was typed."""
    found: list[tuple[str, Text | str]] = []
    if wanted.text.strip():
        found.append(("q", wanted.text.strip()))
    if role is not None:
        found.append(("role", Text("admin.users.administrators" if role == "admin" else "word.users")))
    if status is not None:
        found.append(("status", Text("admin.users.active" if status == "active" else "admin.badge.disabled")))
    if wanted.lacks is not None:
        found.append(("lacks", _LACKS[wanted.lacks]))
    return found


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

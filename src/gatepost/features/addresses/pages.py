"""The console's page of an address or a network, and that of all blocks."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from starlette.responses import Response

from gatepost.errors import GatepostError, NotFound, ValidationFailed
from gatepost.features.addresses.errors import NetworkTooWide, OwnAddress, ProtectedAddress
from gatepost.features.addresses.places import Place
from gatepost.features.addresses.service import (
    BEFORE_MAX,
    EVENTS_MAX,
    GUESSES,
    Activity,
    Addresses,
    Guess,
    Verdict,
)
from gatepost.http.console import ConsoleSessionScheme
from gatepost.http.pages.admin.visits import named_id
from gatepost.http.pages.feature import Alert, Pages
from gatepost.http.pages.forms import Form
from gatepost.http.pages.links import Link
from gatepost.http.pages.page import Page
from gatepost.http.pages.sentences import Words, shown_event
from gatepost.http.pages.visit import Visit
from gatepost.models import UserId, bounds, canonical_address
from gatepost.services.oversight import COUNTED_MAX, LISTED_MAX
from gatepost.services.overview import Overview
from gatepost.services.throttles import Reached
from gatepost.texts import Text

PATH = "/admin/addresses"

ACCOUNTS = 12
"""Accounts that are shown; a link leads to the events of the others."""

ALERTS = 3
"""Addresses that the overview warns of at the most."""

UNDER_WAY = timedelta(hours=1)
"""How long ago the last sign-in failed of an attack that goes on."""

ROWS = 50
"""Blocks a page, and limits that are shown."""

LIFETIMES: dict[str, tuple[Text, timedelta | None]] = {
    "hour": (Text("admin.address.block_hour"), timedelta(hours=1)),
    "day": (Text("admin.address.block_day"), timedelta(days=1)),
    "open": (Text("admin.address.block_open"), None),
}
"""What can be chosen → what the button says, and for how long the block lasts."""

VERDICTS = {
    Verdict.GUESSED: ("bad", Text("admin.address.verdict_guessed")),
    Verdict.ATTACK: ("warn", Text("admin.address.verdict_attack")),
    Verdict.FAILURES: ("plain", Text("admin.address.verdict_quiet")),
    Verdict.QUIET: ("good", Text("admin.address.verdict_quiet")),
}
"""Verdict → how it is to be taken, and what is said first."""

STATUSES = {
    "active": (Text("admin.address.block_active"), "warn"),
    "expired": (Text("admin.address.block_expired"), "plain"),
    "lifted": (Text("admin.address.block_lifted"), "plain"),
}
"""How a block stands → its name, and the class of its badge."""

Act = Callable[[Visit, Place, Form], Awaitable[str]]
"""Does what a form asks for, and returns what the page then says."""


# --- An address ---


async def show_address(visit: Visit) -> Response:
    """Show what was done from the address that the path names, and how it stands.

    Raises:
        ValidationFailed, NetworkTooWide: as `Place.of`.
    """
    place = Place.of(visit.request.path_params["address"])
    look = await visit.gate.service(Addresses).look(place, session=visit.signed_in)
    kind, verdict = VERDICTS[look.verdict]
    if look.verdict is Verdict.GUESSED:
        verdict = Text(verdict.id, count=look.figures.guessed)
    return visit.render(
        "admin/address.html",
        place=place,
        here=_url(visit, place),
        look=look,
        kind=kind,
        verdict=verdict,
        guesses=look.guesses,
        before_most=BEFORE_MAX,
        accounts=look.accounts[:ACCOUNTS],
        sessions=[each.row for each in look.sessions],
        emails={each.row.id: each.email for each in look.sessions},
        events=[
            shown_event(
                visit.language,
                each.event,
                own=False,
                who=each.email,
                by=each.actor,
                words=visit.site.words,
            )
            for each in look.events
        ],
        cut=EVENTS_MAX if look.is_cut else None,
        lifetimes=LIFETIMES,
        may_block=not place.blocked.holds(visit.client.ip_address),
        most=LISTED_MAX,
    )


async def submit_address(visit: Visit, form: Form) -> Response:
    """Do what `action` names.

    Raises:
        NotFound: there is no such action, block or account.
        GatepostError: as `Addresses` and `Administration`.
    """
    place = Place.of(visit.request.path_params["address"])
    act = ACTIONS.get(form.get("action", ""))
    if act is None:
        raise NotFound
    notice = await act(visit, place, form)
    return visit.redirect(_url(visit, place), notice=notice)


async def _end_sessions(visit: Visit, place: Place, form: Form) -> str:
    expected = named_id(form.get("count", ""))
    if expected > COUNTED_MAX:
        raise ValidationFailed({}, Text("error.validation_failed.form"))
    ended = await visit.gate.service(Addresses).end_sessions(
        place, expected=expected, client=visit.client, by=visit.signed_in
    )
    return f"sessions_ended.{ended}"


async def _block(visit: Visit, place: Place, form: Form) -> str:
    await visit.gate.service(Addresses).block(
        place, lifetime=_lifetime(form), client=visit.client, by=visit.signed_in
    )
    return "address_blocked"


async def _lift(visit: Visit, _: Place, form: Form) -> str:
    await visit.gate.service(Addresses).lift(
        named_id(form.get("block", "")), client=visit.client, by=visit.signed_in
    )
    return "block_lifted"


async def _lift_throttles(visit: Visit, place: Place, _: Form) -> str:
    await visit.gate.service(Addresses).lift_throttles(place, client=visit.client, by=visit.signed_in)
    return "throttle_lifted"


async def _disable(visit: Visit, _: Place, form: Form) -> str:
    await _set_active(visit, form, is_active=False)
    return "user_disabled"


async def _enable(visit: Visit, _: Place, form: Form) -> str:
    await _set_active(visit, form, is_active=True)
    return "user_enabled"


async def _set_active(visit: Visit, form: Form, *, is_active: bool) -> None:
    user_id = visit.gate.user_ids.parse(form.get("user", ""))
    if user_id is None:
        raise NotFound
    administration = visit.gate.administration
    user = await administration.get(user_id)
    await administration.set_active(user, is_active=is_active, client=visit.client, by=visit.signed_in)


ACTIONS: dict[str, Act] = {
    "end_sessions": _end_sessions,
    "block": _block,
    "lift": _lift,
    "lift_throttles": _lift_throttles,
    "disable": _disable,
    "enable": _enable,
}
"""Name in the form → what it does."""


# --- What the overview says first ---


async def alerts(visit: Visit, figures: Overview) -> list[Alert]:
    """Return the right guesses, and the attacks under way, at the addresses where most sign-ins fail."""
    failing = [canonical_address(each.ip_address) for each in figures.addresses if each.failures >= GUESSES]
    places = [Place.of(address) for address in failing if address is not None][:ALERTS]
    found = await visit.gate.service(Addresses).activities(places) if places else []
    return [alert for each in found if (alert := _alert(visit, each)) is not None]


def _alert(visit: Visit, activity: Activity) -> Alert | None:
    link = str(activity.place)
    path = f"{PATH}/{activity.place}"
    if activity.guesses:
        first = activity.guesses[0]
        said = _guess(visit, first, at=link)
        standing = Text("admin.address.guess_open" if first.account.is_open else "admin.address.guess_ended")
        title = Text("admin.address.verdict_guessed", count=activity.figures.guessed)
        return Alert(kind="bad", title=title, texts=(said, standing), link=link, path=path)
    figures, last = activity.figures, activity.figures.last_failed_at
    if figures.failures < GUESSES or last is None or visit.gate.now() - last > UNDER_WAY:
        return None
    said = Text("admin.address.failed_on", failed=figures.failures, count=figures.tried)
    return Alert(kind="warn", title=Text("admin.address.attack"), texts=(said,), link=link, path=path)


def _guess(visit: Visit, guess: Guess, *, at: str) -> Text:
    """Return that a password was guessed, from which address and after how many failures."""
    account, before = guess.account, guess.before
    who = account.email or str(account.user_id)
    time = visit.language.time(account.succeeded_at or account.last_at)
    if before.failed > BEFORE_MAX:
        return Text("admin.address.guess_after_many", who=who, address=at, time=time, count=BEFORE_MAX)
    return Text(
        "admin.address.guess", who=who, address=at, time=time, failed=before.failed, count=before.tried
    )


# --- All of them ---


async def show_addresses(visit: Visit) -> Response:
    """Lead to the page of the address that `address` names; else show blocks, those made before `before`."""
    asked, before, status = visit.request.query_params.get("address", "").strip(), None, 200
    if asked:
        try:
            return visit.redirect(_url(visit, Place.of(asked)))
        except GatepostError as error:
            visit.show_again({"address": asked}, error, about="address")
            status = error.status
    elif named := visit.request.query_params.get("before"):
        before = named_id(named)
    addresses = visit.gate.service(Addresses)
    limits = await addresses.limits(limit=ROWS)
    page = await addresses.blocks(before=before, limit=ROWS + 1)
    shown = page[:ROWS]
    return visit.render(
        "admin/addresses.html",
        status=status,
        limits=[(each, _limited_user(visit, each)) for each in limits],
        blocks=shown,
        before=shown[-1].id if len(page) > ROWS else None,
        is_first=before is None,
        statuses=STATUSES,
        lifetimes=LIFETIMES,
        reason_max=bounds.REASON_MAX,
    )


def _limited_user(visit: Visit, reached: Reached) -> UserId | None:
    return None if reached.user_id is None else visit.gate.user_ids.parse(reached.user_id)


async def submit_addresses(visit: Visit, form: Form) -> Response:
    """Block `network`, or lift the block whose id `lift` is, or the limit that `limit` and `key` name.

    Raises:
        NotFound: there is no such block in force, or no such limit.
        GatepostError: as `Addresses.block`.
    """
    addresses = visit.gate.service(Addresses)
    if "lift" in form:
        await addresses.lift(named_id(form["lift"]), client=visit.client, by=visit.signed_in)
        return visit.redirect(visit.url(PATH), notice="block_lifted")
    if "limit" in form:
        await addresses.lift_limit(
            form["limit"], form.get("key", ""), client=visit.client, by=visit.signed_in
        )
        return visit.redirect(visit.url(PATH), notice="throttle_lifted")
    await addresses.block(
        Place.of(form.get("network", ""), field="network"),
        lifetime=_lifetime(form),
        reason=form.get("reason"),
        client=visit.client,
        by=visit.signed_in,
    )
    return visit.redirect(visit.url(PATH), notice="address_blocked")


def _lifetime(form: Form) -> timedelta | None:
    chosen = LIFETIMES.get(form.get("for", ""))
    if chosen is None:
        raise ValidationFailed({}, Text("error.validation_failed.form"))
    return chosen[1]


def _url(visit: Visit, place: Place) -> str:
    return visit.url(f"{PATH}/{place}")


PAGES = Pages(
    pages=(
        Page(
            path=PATH,
            show=show_addresses,
            submit=submit_addresses,
            who=ConsoleSessionScheme,
            fields={NetworkTooWide: "network", OwnAddress: "network", ProtectedAddress: "network"},
        ),
        Page(
            path=f"{PATH}/{{address:path}}",
            show=show_address,
            submit=submit_address,
            who=ConsoleSessionScheme,
        ),
    ),
    links=(Link(place="console", path=PATH, text=Text("admin.addresses.title"), after="/admin/sessions"),),
    alerts=alerts,
    address_path=PATH,
    templates=Path(__file__).parent / "templates",
    notices={
        "address_blocked": lambda _: Text("flash.address_blocked"),
        "block_lifted": lambda _: Text("flash.block_lifted"),
        "throttle_lifted": lambda _: Text("flash.throttle_lifted"),
    },
    sentences={
        "address.blocked": Words("warn"),
        "address.blocked/nobody": Words("warn", is_personal=False),
        "address.unblocked": Words("plain"),
        "address.unblocked/nobody": Words("plain", is_personal=False),
    },
)

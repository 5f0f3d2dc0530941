"""The whole audit trail: searched, as it grows, and to take away."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby

import msgspec
from starlette.responses import Response

from gatepost.errors import ValidationFailed
from gatepost.http.pages.admin.filters import cursor_of, each_of, given, time_of
from gatepost.http.pages.forms import Form
from gatepost.http.pages.language import Language
from gatepost.http.pages.runs import Run, runs_of
from gatepost.http.pages.sentences import shown_event
from gatepost.http.pages.user_agents import device_of
from gatepost.http.pages.visit import Visit
from gatepost.http.streams import LiveEvents, events_download
from gatepost.models import ROUTINE, Action, AuditEvent, EventFilter, EventPage, SeenEvent, row_id
from gatepost.texts import Text

ROWS = 40
"""Rows a page: runs of events, or with `all` events."""

READ = 500
"""Events that a page of runs is made of at the most."""

REFRESH_SECONDS = 10
"""Between two looks of a browser without scripts that was asked to look again."""

FILTERS = ("action", "user", "by", "address", "last", "since", "until")


RANGES = {
    "15m": (Text("duration.minutes_15"), timedelta(minutes=15)),
    "1h": (Text("duration.hour"), timedelta(hours=1)),
    "24h": (Text("duration.hours_24"), timedelta(hours=24)),
    "7d": (Text("duration.days_7"), timedelta(days=7)),
    "30d": (Text("duration.days_30"), timedelta(days=30)),
}
"""What `last` may be: its name, and how long ago the list begins."""


DETAILS = {
    "email": Text("word.email"),
    "reason": Text("detail.reason"),
    "code": Text("detail.code"),
    "verb": Text("detail.verb"),
    "changed": Text("detail.changed"),
    "temporary": Text("detail.temporary"),
    "sessions": Text("word.sessions"),
    "admin_id": Text("admin.badge.administrator"),
    "by": Text("admin.events.by"),
    "methods": Text("detail.methods"),
    "bucket": Text("detail.bucket"),
    "network": Text("word.address"),
    "until": Text("admin.events.until"),
    "command": Text("detail.command"),
    "filter": Text("detail.filter"),
    "format": Text("detail.format"),
    "invitation": Text("detail.invitation"),
    "successor": Text("detail.successor"),
}
"""What is known of an event besides, by its name in `auth_events.detail` → how people call it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An event as the page shows it, in the visitor's language; a live one is sent so.

    Attributes:
        id, at, action: of the event.
        time: when, as text.
        count, since: how often it happened in a row, and when first of these.
        kind, text: as `sentences` has them.
        who, who_url: whom it concerns, and the user's page; None where nobody is known.
        by, by_url: who did it in their place, and the page of that administrator; None where nobody did.
        address, address_url: where it came from, and what there is to know of it; None where that is unknown.
        device: the client, in words; with `by` it is the actor's, and so is the address.
        facts: what else is known, by name.
    """

    id: int
    at: datetime
    action: str
    time: str
    count: int
    since: datetime
    kind: str
    text: str
    who: str | None
    who_url: str | None
    by: str | None
    by_url: str | None
    address: str | None
    address_url: str | None
    device: str | None
    facts: tuple[tuple[str, str], ...]


async def show(visit: Visit) -> Response:
    """Show a page of the events of a filter, the newest first."""
    asked, before = _asked(visit), cursor_of(visit)
    found, newest, status = EventPage(events=[], before=None), 0, 200
    try:
        wanted = _noted(visit, await filter_of(visit, asked))
        # Asked first: what happens meanwhile is in the page, in the live feed, or in both.
        newest = await visit.gate.trail.newest()
        limit = ROWS if _is_whole(visit) else READ
        found = await visit.gate.trail.page(wanted, before=before, limit=limit)
    except ValidationFailed as error:
        visit.show_again(visit.typed, error)
        status = 422
    runs, older = _rows(visit, found)
    whole = {"all": "yes"} if _is_whole(visit) else {}
    is_open = before is None and "until" not in asked and status == 200
    return visit.render(
        "admin/events.html",
        status=status,
        asked=asked,
        families=_families(visit.gate.actions),
        whole=whole,
        ranges=RANGES,
        days=_days(visit, runs),
        live=visit.url("/admin/events/live", **asked, **whole) if is_open else None,
        newest=newest,
        refresh=REFRESH_SECONDS if is_open and visit.request.query_params.get("refresh") else None,
        refresh_seconds=REFRESH_SECONDS,
        is_first=before is None,
        older=older,
    )


async def export(visit: Visit, form: Form) -> Response:
    """Send every event of the filter as a file, as the API does; that this was done is on the trail.

    Raises:
        ValidationFailed: a part of the filter can't be understood.
    """
    return await events_download(
        visit.gate,
        await filter_of(visit, given(visit, FILTERS)),
        form="ndjson" if form.get("format") == "ndjson" else "csv",
        client=visit.client,
        session=visit.signed_in,
    )


async def live(visit: Visit) -> Response:
    """Send the events of the filter as they happen, those after the id `after` (WHATWG HTML §9.2).

    It is a use of the session when it begins, like every request, and none while it lasts.

    Raises:
        ValidationFailed: a part of the filter can't be understood.
    """
    takes = visit.gate.trail.chooser(_noted(visit, await filter_of(visit, given(visit, FILTERS))))
    known = visit.request.headers.get("last-event-id") or visit.request.query_params.get("after", "")
    return LiveEvents(
        visit.gate,
        visit.edge.streams,
        user_id=visit.signed_in.user.id,
        token=visit.token,
        after=row_id(known),
        shown=lambda seen: shown(visit, seen) if takes(seen.event) else None,
    )


async def filter_of(visit: Visit, asked: dict[str, str]) -> EventFilter:
    """Return the filter that was asked for.

    Raises:
        ValidationFailed: a part of it can't be understood.
    """
    found = await each_of(visit, asked, "user", "by", "since", "until")
    return EventFilter(
        action=asked.get("action"),
        user_id=found["user"],
        email=found.get("email"),
        by=found["by"],
        address=found["address"],
        since=found["since"] or _since(visit, asked),
        until=found["until"],
    )


def _is_whole(visit: Visit) -> bool:
    return bool(visit.request.query_params.get("all"))


def _noted(visit: Visit, wanted: EventFilter) -> EventFilter:
    """Return a filter without what is no news, unless that was asked for."""
    asked = _is_whole(visit) or wanted.action in ROUTINE
    return wanted if asked else replace(wanted, without=ROUTINE)


def _rows(visit: Visit, found: EventPage) -> tuple[list[Run], int | None]:
    """Return the rows of a page, and where the next one begins."""
    if _is_whole(visit):
        return [Run(seen, seen.event.at) for seen in found.events], found.before
    runs, last = runs_of(found.events, most=ROWS)
    is_cut = bool(found.events) and found.events[-1].event.id != last
    return runs, last if is_cut else found.before


def _since(visit: Visit, asked: dict[str, str]) -> datetime | None:
    last = asked.get("last")
    if last is None:
        return None
    if last not in RANGES:
        raise ValidationFailed({"last": Text("field.choose_one")})
    return visit.gate.now() - RANGES[last][1]


def _days(visit: Visit, runs: Iterable[Run]) -> list[tuple[str, list[Shown]]]:
    """Return the rows by days of UTC; scripts put them by the reader's."""
    by_day = groupby(runs, lambda run: visit.language.full_day(run.newest.event.at))
    return [(day, [shown(visit, run.newest, run) for run in of_day]) for day, of_day in by_day]


def shown(visit: Visit, seen: SeenEvent, run: Run | None = None) -> Shown:
    """Return an event as the page shows it, or a run by its newest."""
    event, language = seen.event, visit.language
    by, by_url = actor(visit, seen)
    said = shown_event(
        language, event, own=False, who=seen.email, by=by, is_short=by is None, words=visit.site.words
    )
    who = who_url = None
    if event.user_id is not None:
        who = seen.email or language.say(Text("event.user", id=str(event.user_id)))
        who_url = visit.user_url(event.user_id)
    elif isinstance(named := event.detail.get("email"), str) and "@" in named:
        # It has no account: where else was it tried?
        who, who_url = named, visit.url("/admin/events", user=named)
    return Shown(
        id=event.id,
        at=event.at,
        action=event.action,
        time=language.time(event.at),
        count=1 if run is None else run.count,
        since=event.at if run is None else run.since,
        kind=said.kind,
        text=said.text,
        who=who,
        who_url=who_url,
        by=by or program(language, event),
        by_url=by_url,
        address=event.ip_address,
        address_url=visit.address_url(event.ip_address),
        device=_device(language, event.user_agent),
        facts=tuple(_facts(language, seen)),
    )


def actor(visit: Visit, seen: SeenEvent) -> tuple[str | None, str | None]:
    """Return which administrator did something, and where their page is; None where none did."""
    user_id = None if seen.event.admin_id is None else visit.gate.user_ids.of_json(seen.event.admin_id)
    if user_id is None:
        return None, None
    return seen.actor or visit.language.say(Text("event.user", id=str(user_id))), visit.user_url(user_id)


def program(language: Language, event: AuditEvent) -> str | None:
    """Return what did something where no person did: a command on the server, or the application."""
    match event.detail.get("by"):
        case "command":
            return language.say(Text("event.by_command"))
        case "application":
            return language.say(Text("event.by_application"))
    return None


def _asked(visit: Visit) -> dict[str, str]:
    """Return what was asked for, with times as fields for them take them: in UTC, without saying so."""
    asked = given(visit, FILTERS)
    for name in ("since", "until"):
        with suppress(ValidationFailed, OverflowError):
            if (at := time_of(asked, name)) is not None:
                asked[name] = at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds")
    return asked


def _families(actions: Iterable[Action]) -> list[tuple[str, tuple[Action, ...]]]:
    """Return the actions, by what stands before their dots."""
    by_family = groupby(sorted(actions), lambda each: each.partition(".")[0])
    return [(name, tuple(group)) for name, group in by_family]


def _facts(language: Language, seen: SeenEvent) -> Iterator[tuple[str, str]]:
    event = seen.event
    yield language.say(Text("word.action")), event.action
    yield language.say(Text("admin.events.event")), str(event.id)
    if event.session_id is not None:
        yield language.say(Text("admin.events.session")), str(event.session_id)
    if event.user_agent is not None:
        own, actors = Text("admin.events.user_agent"), Text("admin.events.actors_user_agent")
        yield language.say(own if event.admin_id is None else actors), event.user_agent
    for name, value in event.detail.items():
        label = DETAILS.get(name)
        yield name if label is None else language.say(label), _fact(language, value)


def _fact(language: Language, value: object) -> str:
    """Return a value as people read it; codes stay as they are, to be searched for."""
    if isinstance(value, bool):
        return language.say(Text("word.yes" if value else "word.no"))
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(value)
    return msgspec.json.encode(value).decode()


def _device(language: Language, user_agent: str | None) -> str | None:
    device = device_of(user_agent)
    if device.browser is None or device.system is None:
        return device.browser
    return language.say(Text("device.browser_on_system", browser=device.browser, system=device.system))

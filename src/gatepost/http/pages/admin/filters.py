"""What lists of the console are filtered by, read from the query: nothing of it is passed over.

A filter that lost a part on the way would show, and end, more than was asked for.
"""

from datetime import datetime
from typing import Any

from gatepost.errors import NotFound, ValidationFailed
from gatepost.http.pages.visit import Visit
from gatepost.models import EventFilter, UserId, row_id
from gatepost.models.times import as_utc
from gatepost.services.oversight import canonical
from gatepost.texts import Text


def given(visit: Visit, names: tuple[str, ...]) -> dict[str, str]:
    """Return those parts of a filter that the query has, as they were typed."""
    typed = {name: visit.request.query_params.get(name, "").strip() for name in names}
    return {name: text for name, text in typed.items() if text}


def cursor_of(visit: Visit) -> int | None:
    """Return the id that the page begins below; None for what can't be one."""
    return row_id(visit.request.query_params.get("before", ""))


async def each_of(visit: Visit, asked: dict[str, str], *names: str) -> dict[str, Any]:
    """Return the parts of a filter that have to be understood, by their names: users, and times.

    Raises:
        ValidationFailed: some can't be; it tells of all of them.
    """
    found: dict[str, Any] = {}
    problems: dict[str, Text | str] = {}
    for name in names:
        try:
            if name == "user" and (email := await _nobodys(visit, asked)) is not None:
                found["user"], found["email"] = None, email
                continue
            of_time = name in {"since", "until"}
            found[name] = time_of(asked, name) if of_time else await user_of(visit, asked, name)
        except ValidationFailed as error:
            problems |= error.fields
    try:
        address = canonical(EventFilter(address=asked.get("address"))).address
    except ValidationFailed as error:
        problems |= error.fields
    if problems:
        raise ValidationFailed(problems)
    return {**found, "address": address}


async def _nobodys(visit: Visit, asked: dict[str, str]) -> str | None:
    """Return the e-mail that was asked for, if nobody has it: it may have been tried."""
    text = asked.get("user", "")
    if "@" not in text or not text.isprintable():
        return None
    try:
        await visit.gate.administration.id_of(text)
    except NotFound:
        return text.lower()
    return None


async def user_of(visit: Visit, asked: dict[str, str], name: str = "user") -> UserId | None:
    """Return the id of the user that a field names by e-mail or id; one who is gone still has an id.

    Raises:
        ValidationFailed: nobody has this e-mail.
    """
    text = asked.get(name)
    if text is None:
        return None
    try:
        return await visit.gate.administration.id_of(text)
    except NotFound:
        raise ValidationFailed({name: Text("error.not_found.user")}) from None


def time_of(asked: dict[str, str], name: str) -> datetime | None:
    """Return a time that was asked for, as UTC where it says nothing else.

    Raises:
        ValidationFailed: it is none.
    """
    text = asked.get(name)
    if text is None:
        return None
    try:
        return as_utc(datetime.fromisoformat(text))
    except ValueError:
        raise ValidationFailed({name: Text("field.time.day_and_time")}) from None

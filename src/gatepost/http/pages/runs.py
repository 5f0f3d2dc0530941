"""Runs: what happened again and again within an hour is told once, with how often."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from gatepost.models import SeenEvent

GAP = timedelta(hours=1)
"""How far the first and the last of a run may lie apart."""


@dataclass(slots=True)
class Run:
    """The same action on the same account from the same address, within `GAP`.

    Attributes:
        newest: of its events, for all of them.
        since: when the oldest happened.
        count: how many they are.
    """

    newest: SeenEvent
    since: datetime
    count: int = 1

    def takes(self, seen: SeenEvent) -> bool:
        """Say whether an event that is older than the run belongs to it."""
        return self.newest.event.at - seen.event.at <= GAP


def runs_of(events: Iterable[SeenEvent], *, most: int) -> tuple[list[Run], int | None]:
    """Gather events, newest first, to at most so many runs.

    What happens to other accounts or elsewhere meanwhile ends no run; what else happens to this one does: a
    right guess stands between the wrong ones.

    Returns:
        The runs, newest first, and the id of the last event that is in one: the cursor of the next page.
    """
    found: list[Run] = []
    latest: dict[object, tuple[object, Run]] = {}
    last = None
    for seen in events:
        what, whose = _what(seen), _whose(seen)
        before, run = latest.get(whose, (None, None))
        if run is not None and before == what and run.takes(seen):
            run.count += 1
            run.since = min(run.since, seen.event.at)
        elif len(found) == most:
            break
        else:
            run = Run(seen, seen.event.at)
            latest[whose] = what, run
            found.append(run)
        last = seen.event.id
    return found, last


def _whose(seen: SeenEvent) -> object:
    event = seen.event
    named = event.detail.get("email") if event.user_id is None else event.user_id
    return str(named), event.ip_address


def _what(seen: SeenEvent) -> object:
    event, detail = seen.event, seen.event.detail
    # What an administrator does, and what ends several sessions, is told one by one: each is an act.
    each = event.id if event.is_by_admin or "sessions" in detail else None
    return event.action, detail.get("reason"), "kept_session" in detail, each

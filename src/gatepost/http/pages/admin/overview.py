"""What an administrator sees first: who is signed in, what happened lately, and whether somebody attacks."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.responses import Response

from gatepost.http.pages.charts import Axis, Chart, chart
from gatepost.http.pages.feature import Alert
from gatepost.http.pages.language import Language
from gatepost.http.pages.visit import Visit
from gatepost.models import AuditAction, EventFilter, Period, utc_text
from gatepost.services.overview import LOOKED_AT, Count, FactorCounts, Kind, Overview, Series
from gatepost.texts import Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a series is shown.

    Attributes:
        label: its name.
        tone: of its bars, by the class of the style sheet.
        is_bad: more of it is worse.
        path: where its events or users are, below the pages.
        action: of the events there; None for users.
    """

    label: Text
    tone: str
    path: str
    is_bad: bool = False
    action: str | None = None


LOOKS = {
    Kind.SIGN_INS: Look(
        label=Text("admin.overview.sign_ins"),
        tone="main",
        path="/admin/events",
        action=AuditAction.SESSION_STARTED,
    ),
    Kind.FAILURES: Look(
        label=Text("admin.overview.failed_sign_ins"),
        tone="bad",
        path="/admin/events",
        is_bad=True,
        action=AuditAction.LOGIN_FAILED,
    ),
    Kind.THROTTLED: Look(
        label=Text("admin.overview.throttled"),
        tone="warn",
        path="/admin/events",
        is_bad=True,
        action=AuditAction.THROTTLED,
    ),
    Kind.NEW_ACCOUNTS: Look(label=Text("admin.overview.new_accounts"), tone="good", path="/admin/users"),
}

PERIODS = {
    Period.DAY: (Text("duration.hours_24"), Text("admin.overview.against_24_hours")),
    Period.WEEK: (Text("duration.days_7"), Text("admin.overview.against_7_days")),
    Period.MONTH: (Text("duration.days_30"), Text("admin.overview.against_30_days")),
}
"""Period → its name, and what its changes compare with."""

ROWS = 7
"""Addresses and accounts that are shown: more take over 30 kB, in scripts of three bytes a character."""


ALERTS = 3
"""New administrators that are told at the most."""

LATE = timedelta(hours=2)
"""How long housekeeping may be due before it is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A series and all that is shown of it.

    Attributes:
        kind, series, look, chart: what.
        change: against the period before, as text; None where there was nothing then.
        trend: "good" or "bad" where the change is one.
    """

    kind: Kind
    series: Series
    look: Look
    chart: Chart
    change: str | None
    trend: str


async def show(visit: Visit) -> Response:
    """Show the figures of the period that `period` names."""
    asked = visit.request.query_params.get("period", "")
    period = Period(asked) if asked in set(Period) else Period.DAY
    figures = await visit.gate.overview.figures(period)
    alerts = await _alerts(visit, figures)
    alerts += [alert for of_feature in visit.site.alerts for alert in await of_feature(visit, figures)]
    axis = Axis.of(figures.since, period.step, period.points)
    return visit.render(
        "admin/overview.html",
        alerts=alerts,
        figures=figures,
        period=period,
        periods=PERIODS,
        factors=_factors(visit, figures.factors),
        shown=[_shown(visit.language, axis, series) for series in figures.series],
        # Each figure leads to what it counts: the events of the same time.
        since=utc_text(figures.since),
        attacked=figures.attacked,
        cut=LOOKED_AT if figures.is_cut else None,
        most=ROWS,
        rows=_rows(visit.language, axis, figures),
        is_by_day=period.step >= timedelta(days=1),
        has_before=_has_before(figures),
    )


def _factors(visit: Visit, counts: FactorCounts) -> tuple[str, list[tuple[Text | str, str]]]:
    """Return which share of the users has a second factor, and each method with its share."""
    named = visit.site.factors

    def share(count: Count) -> str:
        return visit.language.percent(count.value / max(counts.users.value, 1))

    return share(counts.held), [
        (named[method].name if method in named else method, share(count))
        for method, count in counts.methods.items()
    ]


async def _alerts(visit: Visit, figures: Overview) -> list[Alert]:
    """Return that somebody became an administrator lately, and that housekeeping is late."""
    promoted = EventFilter(action=AuditAction.USER_PROMOTED, since=figures.at - timedelta(days=1))
    found = await visit.gate.trail.page(promoted, before=None, limit=ALERTS)
    alerts = [
        Alert(
            kind="warn",
            title=Text("admin.overview.new_administrator"),
            texts=(Text("admin.overview.new_administrator_since", time=visit.language.time(seen.event.at)),),
            link=seen.email or str(seen.event.user_id),
            path=f"/admin/users/{seen.event.user_id}",
        )
        for seen in found.events
        if seen.event.detail.get("changed")
    ]
    due = figures.next_cleanup_at
    if due is not None and figures.at - due > LATE:
        said = Text("admin.overview.housekeeping_due", time=visit.language.time(due))
        title = Text("admin.overview.housekeeping_late")
        link = visit.language.say(Text("word.events"))
        alerts.append(Alert(kind="warn", title=title, texts=(said,), link=link, path="/admin/events?all=yes"))
    return alerts


def _has_before(figures: Overview) -> bool:
    """Say whether the trail goes as far back as the period before: a part of it compares with nothing."""
    oldest = figures.oldest_event_at
    return oldest is not None and oldest <= figures.since - figures.period.length


def _shown(language: Language, axis: Axis, series: Series) -> Shown:
    look = LOOKS[series.kind]
    change, trend = None, ""
    if series.before:
        share = (series.total - series.before) / series.before
        change = language.change(share)
        if look.is_bad and round(share, 2):
            trend = "bad" if share > 0 else "good"
    return Shown(
        kind=series.kind,
        series=series,
        look=look,
        chart=chart(language, axis, series.points),
        change=change,
        trend=trend,
    )


def _rows(
    language: Language, axis: Axis, figures: Overview
) -> list[tuple[str, datetime, datetime, tuple[int, ...]]]:
    """Return the figures as a table has them, the newest first: of when until when."""
    points = zip(*(series.points for series in figures.series), strict=True)
    steps = zip(axis.starts, points, strict=True)
    return [(axis.label(language, at), at, at + axis.step, counts) for at, counts in steps][::-1]

"""How OWASP ASVS 5.0 stands under the settings in force, as `gatepost doctor --asvs` prints it."""

from dataclasses import dataclass
from itertools import groupby

from starlette.responses import Response

from gatepost.asvs import Standing, State, count
from gatepost.doctor.standings import standings_of
from gatepost.http.pages.visit import Visit
from gatepost.texts import Text

STATES = {
    "met": (State.MET, Text("admin.asvs.met"), "good"),
    "missed": (State.MISSED, Text("admin.asvs.missed"), "bad"),
    "outside": (State.OUTSIDE, Text("admin.asvs.outside"), "plain"),
}
"""Value in the address → the state, its name, and how it is to be taken."""

LEVELS = ("1", "2")
"""Up to which the list can be cut; the third is all of them."""

ROWS = 40
"""Requirements that are shown at once; of more, one chapter is."""

CHAPTERS = {
    "1": "Encoding and sanitization",
    "2": "Validation and business logic",
    "3": "Web frontend security",
    "4": "API and web service",
    "5": "File handling",
    "6": "Authentication",
    "7": "Session management",
    "8": "Authorization",
    "9": "Self-contained tokens",
    "10": "OAuth and OIDC",
    "11": "Cryptography",
    "12": "Secure communication",
    "13": "Configuration",
    "14": "Data protection",
    "15": "Secure coding and architecture",
    "16": "Security logging and error handling",
    "17": "WebRTC",
}
"""Number of a chapter → its title there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """Requirements of a chapter that fit the filter.

    Attributes:
        number, title: as ASVS has them.
        rows: each with how its state is called and to be taken.
        is_open: they are shown; else a link leads to them.
    """

    number: str
    title: str
    rows: list[tuple[Standing, Text, str]]
    is_open: bool


async def show(visit: Visit) -> Response:
    """Show the requirements up to `level` that stand as `state` names, by chapter.

    Where they are many, those of `chapter` alone are shown, and of the others how many there are.
    """
    asked = visit.request.query_params
    level = asked.get("level") if asked.get("level") in LEVELS else None
    state = asked.get("state") if asked.get("state") in STATES else None
    chapter = asked.get("chapter") if asked.get("chapter") in CHAPTERS else None
    gate = visit.gate
    dsn = None if gate.is_embedded else gate.database.dsn
    standings = await standings_of(gate.settings, dsn, features=gate.features)
    within = [each for each in standings if level is None or each.requirement.level <= int(level)]
    shown = [each for each in within if state is None or each.state is STATES[state][0]]
    is_short = len(shown) <= ROWS
    return visit.render(
        "admin/asvs.html",
        chapters=[
            Chapter(
                number=number,
                title=CHAPTERS.get(number, ""),
                rows=[(each, *_LOOKS[each.state]) for each in of_chapter],
                is_open=is_short or number == chapter,
            )
            for number, of_chapter in groupby(shown, _chapter)
        ],
        counts=count(standings),
        states=STATES,
        levels=LEVELS,
        level=level,
        state=state,
        number=len(shown),
    )


_LOOKS = {state: (label, kind) for state, label, kind in STATES.values()}


def _chapter(standing: Standing) -> str:
    return standing.requirement.number.partition(".")[0]

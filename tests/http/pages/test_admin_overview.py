"""The console's overview: its figures, its charts and its tables tell the same."""

import re
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from fastapi import FastAPI
from tests.conftest import PASSWORD
from tests.http.conftest import Database
from tests.http.pages.conftest import EMAIL, Visitor, make_user
from tests.walking import walked

from gatepost.http.pages.admin import overview as pages
from gatepost.http.pages.charts import Axis, chart
from gatepost.http.pages.language import language
from gatepost.models import Period
from gatepost.services import overview as services
from gatepost.services.overview import Overview, Overviews
from gatepost.texts import LANGUAGES

PAGE = "/auth/admin"
SINCE = datetime(2024, 1, 1, tzinfo=UTC)


ADD_APP = """
    INSERT INTO auth_totp (user_id, secret, key_id, last_step, created_at)
    VALUES ($1, decode(repeat('00', 40), 'hex'), 'k', 0, now())
"""


async def fail(admin: Visitor, times: int, email: str = EMAIL) -> None:
    for _ in range(times):
        answer = await admin.client.post(
            "/api/auth/login", json={"email": email, "password": "not the password"}, headers={"Cookie": ""}
        )
        assert answer.status_code == 401


def figures(admin: Visitor) -> dict[str, str]:
    """Return what the cards show, by their names."""
    found = re.findall(
        r'<h2><a href="[^"]*">([^<]*)</a></h2><p class="figure">([^<]*)</p>', admin.answer.text
    )
    return dict(found)


async def test_it_counts_who_is_signed_in_and_what_happened(app: FastAPI, admin: Visitor) -> None:
    await make_user(app)
    await admin.client.post(
        "/api/auth/login", json={"email": EMAIL, "password": PASSWORD}, headers={"Cookie": ""}
    )
    await fail(admin, 5)
    await admin.get(PAGE)
    assert figures(admin) == {
        "Active users": "2",
        "Active sessions": "2",
        "Sign-ins": "2",
        "Failed sign-ins": "5",
        "Throttled attempts": "0",
        "New accounts": "2",
    }
    assert "18." in admin.page.texts["main"] or "PostgreSQL" in admin.page.texts["main"]
    links = {link["href"] for link in admin.page.all("a")}
    assert {"/auth/admin/addresses/127.0.0.1", "/auth/admin/users/2"} <= links
    failed = [
        link for link in links if link and link.startswith("/auth/admin/events?action=login.failed&since")
    ]
    await admin.get(failed[0])
    assert "5 times since" in admin.page.texts["main"]


async def test_it_tells_which_share_has_a_second_factor_and_leads_to_the_others(
    app: FastAPI, admin: Visitor, db: Database
) -> None:
    for email in ("a@example.com", "b@example.com", "c@example.com"):
        await make_user(app, email)
    await db.execute("UPDATE users SET is_active = false WHERE email = 'c@example.com'")
    await db.execute(ADD_APP, 2)
    await admin.get(PAGE)
    text = " ".join(re.sub("<[^>]*>", " ", admin.answer.text).split())
    assert "Users with a second factor 33%" in text
    assert "Authenticator app 33%" in text
    link = "/auth/admin/users?lacks=factor&amp;status=active"
    assert f'href="{link}"' in admin.answer.text
    await admin.get(link.replace("&amp;", "&"))
    listed = admin.page.texts["tbody"]
    assert ("b@example.com" in listed, "a@example.com" in listed, "c@example.com" in listed) == (
        True,
        False,
        False,
    )


async def test_of_too_many_failures_it_says_that_the_newest_are_listed(
    app: FastAPI, admin: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_user(app)
    await fail(admin, 5)
    await admin.get(PAGE)
    assert "there were more" not in admin.page.texts["main"]
    for module in (pages, services):
        monkeypatch.setattr(module, "LOOKED_AT", 5)
    await admin.get(PAGE)
    assert admin.page.texts["main"].count("Based on the latest 5 failed sign-ins; there were more.") == 2


async def test_who_mistyped_once_or_twice_is_not_under_attack(app: FastAPI, admin: Visitor) -> None:
    await make_user(app)
    await fail(admin, 4)
    await admin.get(PAGE)
    assert "/auth/admin/users/2" not in {link["href"] for link in admin.page.all("a")}


async def test_a_new_administrator_is_told_for_a_day(app: FastAPI, admin: Visitor, db: Database) -> None:
    await make_user(app)
    await db.execute(
        "INSERT INTO auth_events (at, action, user_id, detail) VALUES (now() - $1::interval, $2, 2, $3)",
        timedelta(hours=25),
        "user.promoted",
        '{"changed": true}',
    )
    await admin.get(PAGE)
    assert "There is a new administrator" not in admin.page.texts["main"]
    await db.execute(
        "INSERT INTO auth_events (action, user_id, detail) VALUES ('user.promoted', 2, $1)",
        '{"changed": true}',
    )
    await admin.get(PAGE)
    assert "There is a new administrator" in admin.page.texts["main"]
    assert "/auth/admin/users/2" in {link["href"] for link in admin.page.all("a")}


async def test_late_housekeeping_is_told(admin: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = Overviews.figures
    for hours, is_told in ((1, False), (3, True)):

        async def due(self: Overviews, period: Period, hours: int = hours) -> Overview:
            found = await figures(self, period)
            return msgspec.structs.replace(found, next_cleanup_at=found.at - timedelta(hours=hours))

        monkeypatch.setattr(Overviews, "figures", due)
        await admin.get(PAGE)
        assert ("Housekeeping is late" in admin.page.texts["main"]) is is_told


async def test_a_bar_leads_to_its_hour(app: FastAPI, admin: Visitor) -> None:
    await make_user(app)
    await fail(admin, 1)
    await admin.get(PAGE)
    places = {link["href"] or "" for link in admin.page.all("a")}
    (bar,) = {place for place in places if "action=login.failed" in place and "until" in place}
    await admin.get(bar)
    assert "Failed sign-in" in admin.page.texts["main"]


@walked(("period", "rows"), [("24h", 24), ("7d", 28), ("30d", 30), ("", 24), ("1y", 24)])
async def test_bars_and_table_tell_the_same_in_each_period(
    app: FastAPI, admin: Visitor, period: str, rows: int
) -> None:
    await make_user(app)
    await fail(admin, 2)
    await admin.get(f"{PAGE}?period={period}")
    assert admin.answer.status_code == 200
    (chosen,) = [link for link in admin.page.all("a") if link.get("aria-current") == "true"]
    assert chosen["href"] == f"{PAGE}?period={period if rows != 24 else '24h'}"
    text = re.sub(r"</?(?:a|span)\b[^>]*>", "", admin.answer.text)
    table = re.findall(r'<tr><th scope="row">([^<]*)</th>((?:<td[^>]*>[^<]*</td>)+)</tr>', text)
    assert len(table) == rows
    label, cells = table[0]
    assert re.findall(r">([^<]*)</td>", cells) == ["1", "2", "0", "2"]
    told = re.findall(r"<rect [^>]*><title[^>]*>([^<]*)</title></rect>", admin.answer.text)
    assert told == [f"{label}: 1", f"{label}: 2", f"{label}: 2"]
    # Each is named and described for those who do not see it.
    ids = {each.get("id") for _, each in admin.page.elements}
    for svg in [each for each in admin.page.all("svg") if each.get("role") in {"img", "group"}]:
        assert set(str(svg["aria-labelledby"]).split()) <= ids


@walked("tag", [name.replace("_", "-") for name in LANGUAGES])
async def test_a_full_page_is_small_in_every_language(admin: Visitor, db: Database, tag: str) -> None:
    await db.execute(
        """
        INSERT INTO users (email, name, hashed_password, is_active, created_at, updated_at)
        SELECT 'somebody.with.a.long.name' || n || '@subdomain.example.com', 'x', 'x', true, now(), now()
        FROM generate_series(1, 12) n
        """
    )
    await db.execute(
        """
        INSERT INTO auth_events (action, user_id, ip_address, detail, at)
        SELECT action, 2 + n % 12, ('2001:db8:6edb:be94:8138:e966:3366:' || to_hex(n % 12))::inet, '{}',
            now() - n * interval '40 minutes'
        FROM generate_series(1, 1080) n,
            unnest(ARRAY['session.started', 'login.failed', 'throttled', 'user.registered']) action
        """
    )
    for period in ("24h", "7d", "30d"):
        await admin.get(f"{PAGE}?period={period}", **{"Accept-Language": tag})
        assert admin.answer.status_code == 200
        assert len(re.findall("<rect ", admin.answer.text)) > 80
        assert len(admin.answer.content) <= 60_000  # some months have longer names


async def test_that_nothing_failed_is_told_as_well(admin: Visitor) -> None:
    await admin.get(PAGE)
    said = admin.page.texts["main"]
    assert "No accounts are under attack" in said
    assert "No failed sign-ins" in said
    assert said.count("None.") == said.count("None in this period") == 2


@pytest.mark.parametrize(
    ("most", "top"),
    [
        (0, 2),
        (1, 2),
        (2, 2),
        (3, 4),
        (9, 10),
        (10, 10),
        (11, 12),
        (17, 20),
        (101, 120),
        (999, 1000),
        (1001, 1200),
    ],
)
def test_the_axis_ends_at_a_round_number_with_a_whole_half(most: int, top: int) -> None:
    axis = Axis.of(SINCE, timedelta(hours=1), 3)
    drawn = chart(language("en"), axis, (0, most, 0))
    text = language("en").compact
    assert drawn.marks == (text(top), text(top / 2), "0")


def test_bars_stand_within_the_chart_and_apart() -> None:
    axis = Axis.of(SINCE, timedelta(hours=1), 24)
    drawn = chart(language("en"), axis, tuple(range(1, 25)))
    places = [
        (float(bar.x[:-1]), float(bar.width[:-1]), float(bar.y[:-1]), float(bar.height[:-1]))
        for bar in drawn.bars
    ]
    assert places[0][0] > 0
    for (x, width, y, height), following in zip(places, [*places[1:], (100.0, 0, 0, 0)], strict=True):
        assert x + width < following[0]
        assert y >= 0
        assert abs(y + height - 100) < 0.02
    assert [place[3] for place in places] == sorted(place[3] for place in places)


def test_no_bar_is_drawn_for_none_and_one_is_seen_beside_a_million() -> None:
    axis = Axis.of(SINCE, timedelta(days=1), 3)
    drawn = chart(language("en"), axis, (1, 0, 1_000_000))
    assert [bar.label for bar in drawn.bars] == ["Jan 1: 1", "Jan 3: 1,000,000"]
    assert float(drawn.bars[0].height[:-1]) >= 1
    assert drawn.label == "1,000,001 in total, at most 1,000,000 (Jan 3)."
    assert drawn.is_last_open
    assert not chart(language("en"), axis, (1, 1, 0)).is_last_open


def test_time_goes_as_one_reads() -> None:
    axis, points = Axis.of(SINCE, timedelta(hours=1), 24), (7, *[0] * 22, 1)
    for name, places in (("en", (0, 23)), ("ar", (23, 0))):
        drawn = chart(language(name), axis, points)
        found = [int(float(bar.x.rstrip("%")) * 24 / 100) for bar in drawn.bars]
        assert tuple(found) == places, name
        ticks = [float(tick.x.rstrip("%")) for tick in drawn.ticks]
        assert ticks == sorted(ticks, reverse=name == "ar")

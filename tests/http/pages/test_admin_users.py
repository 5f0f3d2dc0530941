"""The console's list of users: searched, filtered, page by page."""

from typing import Any

import pytest
from fastapi import FastAPI
from tests.http.conftest import Database, events
from tests.http.pages.conftest import ADMIN, Visitor, make_user
from tests.walking import walked

from gatepost.services import directory

USERS = "/auth/admin/users"


def emails(admin: Visitor) -> list[str]:
    """Return whom the page lists, by their numbers' links."""
    return [str(link["href"]) for link in admin.page.all("a") if str(link["href"]).startswith(f"{USERS}/")]


@pytest.fixture
async def many(admin: Visitor, db: Database) -> Visitor:
    """The administrator among 120 others, every tenth of them disabled; their ids begin at 2."""
    await db.execute(
        """
        INSERT INTO users (email, name, hashed_password, is_active, created_at, updated_at)
        SELECT 'person' || to_char(n, 'FM000') || '@example.com', 'Person Number' || n, 'x', n % 10 <> 0,
            now(), now()
        FROM generate_series(1, 120) n
        """
    )
    return admin


async def test_every_user_is_on_one_page_and_a_page_has_fifty(many: Visitor) -> None:
    await many.get(USERS)
    seen, sizes = emails(many), [len(emails(many))]
    while links := [link for link in many.page.all("a") if link.get("rel") == "next"]:
        await many.get(str(links[0]["href"]))
        assert any(
            link["href"] == USERS and "button" in str(link.get("class")) for link in many.page.all("a")
        )
        seen += emails(many)
        sizes.append(len(emails(many)))
    assert (sizes, len(set(seen))) == ([50, 50, 21], 121)
    assert len(many.answer.content) < 60_000


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=person001", 1),
        ("q=PERSON00", 9),
        ("q=number12", 2),
        ("q=Person+Number120", 1),
        ("q=erson001", 1),
        ("q=rson01", 10),
        ("q=rs", 0),
        ("q=17", 1),
        ("q=17&role=admin", 0),
        ("role=admin", 1),
        ("status=disabled", 12),
        ("q=person01&status=disabled", 1),
        ("q=person01&status=active", 9),
        ("role=admin&status=disabled", 0),
        ("q=++ada++", 1),
        ("role=emperor&status=asleep&q=ada", 1),
    ],
)
async def test_a_search_finds_by_the_beginning_or_a_part_of_email_and_name(
    many: Visitor, query: str, found: int
) -> None:
    await many.get(f"{USERS}?{query}")
    assert (many.answer.status_code, len(emails(many))) == (200, found)
    assert ("No users found" in many.page.texts["main"]) == (found == 0)


@walked("text", ["%25", "_", "person__1", "%25001", "%5C", "person\\", "'", "*"])
async def test_what_is_a_wildcard_elsewhere_is_a_character_here(many: Visitor, text: str) -> None:
    await many.get(f"{USERS}?q={text}")
    assert (many.answer.status_code, emails(many)) == (200, [])


async def test_the_next_page_and_the_first_keep_the_filter(many: Visitor) -> None:
    await many.get(f"{USERS}?q=person&status=active&role=user")
    (link,) = [link for link in many.page.all("a") if link.get("rel") == "next"]
    assert str(link["href"]).startswith(f"{USERS}?q=person&role=user&status=active&cursor=")
    await many.get(str(link["href"]))
    assert f"{USERS}?q=person&role=user&status=active" in [link["href"] for link in many.page.all("a")]
    (field,) = [each for each in many.page.all("input") if each.get("id") == "q"]
    assert field["value"] == "person"
    chosen = [each["value"] for each in many.page.all("option") if "selected" in each]
    assert chosen == ["user", "active", ""]


@walked("query", ["q=%00", "q=a%0Ab", f"q={'x' * 321}", "cursor=nonsense", "cursor=WzksImEiLDFd"])
async def test_what_can_be_nobodys_is_said_beside_the_form(admin: Visitor, query: str) -> None:
    await admin.get(f"{USERS}?{query}")
    assert admin.answer.status_code == 422
    assert admin.page.texts["alert"]
    assert any(each.get("id") == "q" for each in admin.page.all("input"))


async def test_how_users_stand_is_told(app: FastAPI, admin: Visitor, db: Database) -> None:
    await make_user(app, "off@example.com", "Otto Off")
    await db.execute("UPDATE users SET is_active = false WHERE id = 2")
    await admin.get(USERS)
    rows = admin.page.texts["tbody"]
    assert "Ada Admin " + ADMIN + " You Administrator Active" in rows
    assert "Otto Off off@example.com Disabled" in rows


async def test_a_name_and_an_email_as_long_as_can_be_are_whole(app: FastAPI, admin: Visitor) -> None:
    long: dict[str, Any] = {"email": f"{'e' * 60}@{'d' * 60}.example", "name": "N" * 100}
    await make_user(app, **long)
    await admin.get(USERS)
    for text in long.values():
        assert text in admin.answer.text


async def test_it_says_how_many_there_are_and_when_each_signed_in(many: Visitor, db: Database) -> None:
    await many.get(USERS)
    assert "121 in total" in many.page.texts["main"]
    row = many.answer.text.partition(f'href="{USERS}/1"')[2].partition("</tr>")[0]
    assert "<time datetime" in row
    other = many.answer.text.partition(f'href="{USERS}/2"')[2].partition("</tr>")[0]
    assert "<time datetime" not in other


async def test_a_user_is_created_without_a_password(admin: Visitor, db: Database) -> None:
    await admin.get("/auth/admin/new-user")
    assert f'<a href="{USERS}" aria-current="page">' in admin.answer.text
    form = {"email": "new@example.com", "name": "New Person"}
    await admin.send("/auth/admin/new-user", form)
    assert admin.place == f"{USERS}/2"
    (made,) = await db.fetch("SELECT email, name, is_admin FROM users WHERE id = 2")
    assert tuple(made) == ("new@example.com", "New Person", False)
    noted = (await events(db, "user.created"))[-1]
    assert noted["detail"] == {"admin_id": 1, "is_admin": False}
    await admin.get("/auth/admin/new-user")
    await admin.send("/auth/admin/new-user", form)
    assert "already" in admin.page.texts["email-problem"]


def dated(admin: Visitor) -> list[str]:
    """Return the ids of those who are listed, in their order."""
    return [each.removeprefix(f"{USERS}/") for each in emails(admin)]


async def test_it_is_sorted_by_when_users_were_created_both_ways(many: Visitor, db: Database) -> None:
    await db.execute("UPDATE users SET created_at = '2020-01-01Z'::timestamptz + id % 40 * interval '1 day'")
    rows = await db.fetch("SELECT id FROM users ORDER BY created_at, id")
    wanted = [str(row["id"]) for row in rows]
    for sort, expected in (("created", wanted), ("-created", wanted[::-1])):
        assert await _all(many, f"{USERS}?sort={sort}") == expected
    await many.get(f"{USERS}?sort=-created")
    (head,) = [each for each in many.page.all("th") if "aria-sort" in each]
    assert head["aria-sort"] == "descending"
    assert f"{USERS}?sort=created" in [link["href"] for link in many.page.all("a")]


async def test_it_is_sorted_by_the_last_sign_in_both_ways(many: Visitor, db: Database) -> None:
    await db.execute(
        """
        INSERT INTO user_sessions (session_token, user_id, expires_at, created_at, family_id)
        SELECT 't' || n, n, now() + interval '1 day', now() - n % 30 * interval '1 day', NULL
        FROM generate_series(2, 70) n;
        INSERT INTO user_sessions (session_token, user_id, expires_at, created_at, family_id)
        SELECT 'r' || n, n, now() + interval '1 day', now() + interval '1 hour', 1
        FROM generate_series(2, 70) n
        """
    )
    rows = await db.fetch("SELECT user_id FROM auth_last_sign_ins ORDER BY at, user_id")
    wanted = [str(row["user_id"]) for row in rows]
    assert len(wanted) == 70, "a refresh is no sign-in, and who never signed in is left out"
    for sort, expected in (("sign_in", wanted), ("-sign_in", wanted[::-1])):
        assert await _all(many, f"{USERS}?sort={sort}") == expected
    assert await _all(many, f"{USERS}?sort=sign_in&status=disabled") == [
        str(row["id"])
        for row in await db.fetch(
            "SELECT u.id FROM users u JOIN auth_last_sign_ins l ON l.user_id = u.id"
            " WHERE NOT u.is_active ORDER BY l.at, u.id"
        )
    ]


async def test_a_rare_kind_by_the_last_sign_in_is_found_in_steps(
    many: Visitor, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "WALKED", 7)
    await db.execute(
        """
        INSERT INTO user_sessions (session_token, user_id, expires_at, created_at)
        SELECT 't' || n, n, now() + interval '1 day', now() - n * interval '1 day'
        FROM generate_series(2, 70) n
        """
    )
    rows = await db.fetch("SELECT id FROM users WHERE NOT is_active AND id <= 70 ORDER BY id")
    wanted = [str(row["id"]) for row in rows]
    assert len(wanted) == 6
    assert await _all(many, f"{USERS}?sort=-sign_in&status=disabled") == wanted
    assert await _all(many, f"{USERS}?sort=sign_in&status=disabled") == wanted[::-1]


async def _all(admin: Visitor, path: str) -> list[str]:
    await admin.get(path)
    found = dated(admin)
    while links := [link for link in admin.page.all("a") if link.get("rel") == "next"]:
        await admin.get(str(links[0]["href"]))
        assert admin.answer.status_code == 200
        found += dated(admin)
    return found


async def test_a_cursor_of_another_order_is_refused(many: Visitor) -> None:
    await many.get(f"{USERS}?sort=created")
    (link,) = [link for link in many.page.all("a") if link.get("rel") == "next"]
    cursor = str(link["href"]).partition("cursor=")[2]
    for sort in ("email", "sign_in"):
        await many.get(f"{USERS}?sort={sort}&cursor={cursor}")
        assert many.answer.status_code == 422, sort


@walked(
    ("text", "found"),
    [
        ("@example.org", ["2", "4"]),
        ("@exam", ["3", "2", "4"]),
        ("@EXAMPLE.NET", ["3"]),
        ("@ample", []),
        ("@_", []),
    ],
)
async def test_a_domain_finds_whose_email_is_in_it(
    app: FastAPI, admin: Visitor, db: Database, text: str, found: list[str]
) -> None:
    for email in ("b@example.org", "a@example.net", "c@example.org"):
        await make_user(app, email, "Some Body")
    await db.execute("UPDATE users SET email = 'admin@other.example' WHERE id = 1")
    await admin.get(f"{USERS}?q={text.replace('@', '%40')}")
    assert dated(admin) == found


async def test_each_filter_can_be_taken_away(many: Visitor) -> None:
    await many.get(f"{USERS}?q=person&status=active&role=user&sort=created")
    chips = {str(link["href"]) for link in many.page.all("a")}
    assert {
        f"{USERS}?role=user&status=active",
        f"{USERS}?q=person&status=active",
        f"{USERS}?q=person&role=user",
    } <= chips


async def test_who_lacks_a_factor_or_never_signed_in_is_found(
    app: FastAPI, many: Visitor, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "WALKED_AT_ONCE", 7)
    monkeypatch.setattr(directory, "WALKED", 21)
    await db.execute(
        """
        INSERT INTO auth_totp (user_id, secret, key_id, last_step, created_at)
        SELECT u.id, decode(repeat('00', 40), 'hex'), 'k', 0, now() FROM users u WHERE u.id % 3 = 0;
        INSERT INTO user_sessions (session_token, user_id, expires_at)
        SELECT 't' || u.id, u.id, now() + interval '1 day' FROM users u WHERE u.id > 30
        """
    )
    for query, sql in (
        ("lacks=factor", "id % 3 <> 0"),
        ("lacks=factor&status=disabled&sort=-created", "id % 3 <> 0 AND NOT is_active"),
        ("lacks=factor&q=person", "id % 3 <> 0 AND id > 1"),
        ("lacks=sign_in&sort=sign_in", "id BETWEEN 2 AND 30"),
    ):
        rows = await db.fetch("SELECT id FROM users WHERE " + sql)  # noqa: S608 - from above
        found = await _all(many, f"{USERS}?{query}")
        assert len(found) == len(set(found)), "each once"
        assert set(found) == {str(row["id"]) for row in rows}, query
    await many.get(f"{USERS}?lacks=factor&role=user")
    chips = [str(link["href"]) for link in many.page.all("a")]
    assert f"{USERS}?role=user" in chips
    assert f"{USERS}?lacks=factor" in chips


SELECTED = "/auth/admin/selected-users"
ADD_SESSION = """
    INSERT INTO user_sessions (session_token, user_id, expires_at) VALUES ($1, $2, now() + interval '1 day')
"""


async def test_several_are_disabled_after_they_were_counted(many: Visitor, db: Database) -> None:
    await db.execute(ADD_SESSION, "x", 2)
    await many.get(USERS)
    ticks = [each["value"] for each in many.page.all("input") if each.get("type") == "checkbox"]
    assert "2" in ticks
    assert "1" not in ticks, "nobody shuts themselves out"
    await many.get(f"{SELECTED}?do=disable&user=1&user=2&user=3&user=11&user=999")
    told = many.page.texts["main"]
    assert "2 accounts will be disabled" in told, "11 is disabled already"
    assert "Your own account is left out" in told
    await many.send("do=disable&user=2&user=3&user=11")
    await many.follow()
    assert "2 accounts were disabled" in many.page.texts["status"]
    off = await db.fetch("SELECT id FROM users WHERE NOT is_active AND id < 11 ORDER BY id")
    assert [row["id"] for row in off] == [2, 3]
    assert not await db.fetchval("SELECT is_active FROM user_sessions WHERE session_token = 'x'")
    noted = await events(db, "user.disabled")
    assert [(each["user_id"], each["detail"]["admin_id"]) for each in noted] == [(2, 1), (3, 1)]


async def test_the_sessions_of_several_end_after_they_were_counted(many: Visitor, db: Database) -> None:
    await db.execute(
        """
        INSERT INTO user_sessions (session_token, user_id, expires_at)
        SELECT 'x' || n, n, now() + interval '1 day' FROM generate_series(2, 5) n
        """
    )
    await many.get(f"{SELECTED}?do=end_sessions&user=2&user=3&user=6")
    assert "2 sessions will end" in many.page.texts["main"]
    await many.send("do=end_sessions&user=2&user=3&user=6")
    await many.follow()
    assert "2 sessions were ended" in many.page.texts["status"]
    live = await db.fetch("SELECT user_id FROM user_sessions WHERE is_active AND user_id > 1 ORDER BY 1")
    assert [row["user_id"] for row in live] == [4, 5]


@pytest.mark.parametrize("verb", ["disable", "end_sessions"])
async def test_nothing_is_done_where_the_number_has_changed(many: Visitor, db: Database, verb: str) -> None:
    await db.execute(ADD_SESSION, "x", 2)
    await many.get(f"{SELECTED}?do={verb}&user=2&user=3")
    await db.execute(ADD_SESSION, "y", 3)
    await db.execute("UPDATE users SET is_active = false WHERE id = 3")
    await db.execute("UPDATE users SET is_active = true WHERE id = 3 AND $1", verb == "end_sessions")
    await many.send(f"do={verb}&user=2&user=3")
    assert many.answer.status_code == 409
    assert "The number has changed" in many.page.texts["alert"]
    assert await events(db, "user.disabled", "session.revoked_all") == []


async def test_nobody_acts_on_themselves_and_nothing_is_done_that_there_is_not(
    many: Visitor, db: Database
) -> None:
    await many.get(f"{SELECTED}?do=disable&user=2")
    form = many.page.form("do=disable&user=2")
    await many.post(form.action, form.fields | {"users": "1 2", "count": "2"})
    assert many.answer.status_code == 409
    assert await events(db, "user.disabled") == []
    await many.get(f"{SELECTED}?do=promote&user=2")
    assert many.answer.status_code == 404
    await many.get(f"{SELECTED}?do=disable")
    assert "Select at least one user" in many.page.texts["main"]

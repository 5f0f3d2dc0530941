"""The console's list of users: searched, filtered, page by page."""

from typing import Any

import pytest
from fastapi import FastAPI
from tests.http.conftest import Database, events
from tests.http.pages.conftest import ADMIN, Visitor, make_user

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
        ("q=erson001", 0),
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
async def test_a_search_finds_by_the_beginning_of_email_name_and_last_name(
    many: Visitor, query: str, found: int
) -> None:
    await many.get(f"{USERS}?{query}")
    assert (many.answer.status_code, len(emails(many))) == (200, found)
    assert ("No users found" in many.page.texts["main"]) == (found == 0)


@pytest.mark.parametrize("text", ["%25", "_", "person__1", "%25001", "%5C", "person\\", "'", "*"])
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
    assert chosen == ["user", "active"]


@pytest.mark.parametrize(
    "query", ["q=%00", "q=a%0Ab", f"q={'x' * 321}", "cursor=nonsense", "cursor=WzksImEiLDFd"]
)
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

"""Finding users: by the beginning of e-mail and name, in one order, a page at a time, from indexes."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import MakeSettings, execute, settings_for
from tests.walking import walked

from gatepost.db.migrate import migrate
from gatepost.errors import ValidationFailed
from gatepost.gate import Gate
from gatepost.models.bounds import SEARCH_MAX
from gatepost.services import directory as service
from gatepost.services.directory import UserCursor, UserFilter
from gatepost.store import parts, search


@pytest.fixture
async def gate(make_settings: MakeSettings) -> AsyncIterator[Gate]:
    gate = Gate(make_settings())
    await gate.open(background=False)
    yield gate
    await gate.close()


async def add(db: Any, *users: tuple[str, str]) -> None:
    await db.executemany("INSERT INTO users (email, name) VALUES ($1, $2)", users)


async def found(gate: Gate, text: str = "", *, limit: int = 100, **wanted: Any) -> list[str]:
    """Return the e-mails of what is found, page by page; each page but the last one is full."""
    emails: list[str] = []
    after = None
    while True:
        page = await gate.administration.search(UserFilter(text=text, **wanted), after=after, limit=limit)
        emails += [user.email for user in page.users]
        if page.next_cursor is None:
            return emails
        assert len(page.users) == limit
        after = UserCursor.parse(str(page.next_cursor))


PEOPLE = (
    ("grace@example.com", "Ada Hopper"),
    ("ada@example.com", "Ada Lovelace"),
    ("zuse@example.com", "Konrad Zuse"),
    ("b@example.com", "Charles Adams "),
    ("ADAM@example.com", "Ádám"),
    ("c@example.com", "Übel Öde"),
)


@walked(
    ("text", "emails"),
    [
        ("", ["ADAM@", "ada@", "b@", "c@", "grace@", "zuse@"]),
        ("ada", ["ada@", "ADAM@", "grace@", "b@"]),
        ("ADA", ["ada@", "ADAM@", "grace@", "b@"]),
        (" ada l ", ["ada@"]),
        ("ádá", ["ADAM@"]),
        ("A\u0301", ["ADAM@"]),  # decomposed
        ("öde", ["c@"]),
        ("lovelace", ["ada@"]),
        ("zuse", ["zuse@"]),
        ("charles adams", ["b@"]),
        ("da", []),
        ("%", []),
        ("_", []),
        ("a%", []),
        ("ada_example.com", []),
        ("ada@example.com", ["ada@"]),
        ("'", []),
        ("\\", []),
    ],
)
async def test_a_search_finds_what_begins_like_it(gate: Gate, db: Any, text: str, emails: list[str]) -> None:
    await add(db, *PEOPLE)
    for limit in (1, 2, 100):
        hits = await found(gate, text, limit=limit)
        assert [email.removesuffix("example.com") for email in hits] == (
            sorted(emails, key=str.lower) if text == "" else emails
        )


@pytest.mark.parametrize("walked", [0, 2, 2_000], ids=["by the index", "a few", "newest"])
@pytest.mark.parametrize(
    ("text", "emails"),
    [
        ("ovela", ["ada@"]),
        ("OPPER", ["grace@"]),
        ("dam", ["ADAM@", "b@"]),
        ("xample", ["c@", "ADAM@", "b@", "zuse@", "ada@", "grace@"]),
        ("ada", ["ada@", "ADAM@", "grace@", "b@"]),  # all by their beginnings
        ("com ada", []),  # the end of one and the beginning of the other
        ("l öd", ["c@"]),
        ("da", []),  # too short
    ],
)
async def test_a_part_is_found_after_the_beginnings_the_newest_first(
    gate: Gate, db: Any, monkeypatch: pytest.MonkeyPatch, text: str, emails: list[str], walked: int
) -> None:
    monkeypatch.setattr(service, "WALKED", walked)
    await add(db, *PEOPLE)
    for limit in (1, 2, 100):
        hits = await found(gate, text.strip(), limit=limit)
        assert [email.removesuffix("example.com") for email in hits] == emails


async def test_wildcards_stand_for_themselves(gate: Gate, db: Any) -> None:
    await add(db, ("100%@example.com", "a_b"), ("1000@example.com", "axb"), ("c@example.com", "back\\slash"))
    assert await found(gate, "100%") == ["100%@example.com"]
    assert await found(gate, "a_") == ["100%@example.com"]
    assert await found(gate, "back\\") == ["c@example.com"]


async def test_filters_go_with_a_text_and_without(gate: Gate, db: Any) -> None:
    await add(db, *((f"u{number}@example.com", "Una Ulm") for number in range(8)))
    await db.execute("UPDATE users SET is_admin = id % 2 = 0, is_active = id % 4 < 2")
    rows = await db.fetch("SELECT email, is_admin, is_active FROM users ORDER BY email")
    for text in ("", "u", "una", "ulm"):
        for is_admin in (True, False, None):
            for is_active in (True, False, None):
                wanted = [
                    row["email"]
                    for row in rows
                    if is_admin in (None, row["is_admin"]) and is_active in (None, row["is_active"])
                ]
                given = {"is_admin": is_admin, "is_active": is_active}
                kept = {name: value for name, value in given.items() if value is not None}
                assert await found(gate, text, limit=3, **kept) == wanted


async def test_pages_neither_repeat_nor_skip_anybody_where_texts_are_the_same(gate: Gate, db: Any) -> None:
    await add(db, *((f"{number:02}{'a' * (number % 3)}@example.com", "Ann Ann") for number in range(25)))
    await add(db, *((f"ann{number}@example.com", "Ann Ann") for number in range(5)))
    for limit in (1, 4, 7):
        emails = await found(gate, "ann", limit=limit)
        assert len(emails) == len(set(emails)) == 30
        assert emails[:5] == [f"ann{number}@example.com" for number in range(5)]
        assert emails[5:] == [
            row["email"] for row in await db.fetch("SELECT email FROM users ORDER BY id LIMIT 25")
        ]


async def test_who_is_gone_or_new_does_not_move_the_pages(gate: Gate, db: Any) -> None:
    await add(db, *((f"{letter}@example.com", "x") for letter in "bdfh"))
    first = await gate.administration.search(UserFilter(), limit=2)
    await db.execute("DELETE FROM users WHERE email = 'd@example.com'")
    await add(db, ("a@example.com", "x"), ("e@example.com", "x"))
    rest = await gate.administration.search(UserFilter(), after=first.next_cursor, limit=9)
    assert [user.email[0] for user in rest.users] == ["e", "f", "h"]


@pytest.mark.parametrize("text", ["\0", "a\nb", "\udc80", "x" * (SEARCH_MAX + 1), "x" * 10_000])
async def test_what_nobody_is_called_is_refused(gate: Gate, text: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        await gate.administration.search(UserFilter(text=text), limit=1)
    assert set(refused.value.fields) == {"q"}


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "=", "é", "[]", "W10", "e30", str(UserCursor(7, "", 1)), str(UserCursor(-1, "", 1))),
        *(str(UserCursor(4, "soon", 1)), str(UserCursor(5, "", 1)), str(UserCursor(6, "", 1))),
        *(str(UserCursor(0, "\0", 1)), "WzAsIlx1ZDgwMCIsMV0", "WzAsIiIsMV1b"),
    ],
)
def test_a_cursor_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        UserCursor.parse(text)
    assert set(refused.value.fields) == {"cursor"}


async def test_an_adopted_table_is_searched_whatever_it_holds(empty_dsn: str, tmp_path: Path) -> None:
    await execute(
        empty_dsn,
        """
        CREATE TABLE users (id serial PRIMARY KEY, email varchar(300) COLLATE "C" NOT NULL,
            name text COLLATE "POSIX", is_admin boolean, is_active boolean);
        INSERT INTO users (email, name, is_admin, is_active) VALUES ('Ada@Example.com', NULL, NULL, true),
            ('b@example.com', 'Adä', true, NULL), ('c@example.com', repeat('Ada ', 5000), false, true),
            ('d@example.com', '', false, true), ('ÄDA@example.com', 'x', false, true);
        """,
    )
    await migrate(empty_dsn)
    gate = Gate(settings_for(empty_dsn, tmp_path))
    await gate.open(background=False)
    try:
        assert await found(gate, "ada", limit=1) == ["Ada@Example.com", "c@example.com"]
        assert await found(gate, "adÄ") == ["b@example.com"]
        assert await found(gate, "äda") == ["ÄDA@example.com"]
        assert len(await found(gate, limit=2)) == 5
        assert await found(gate, is_active=False) == ["b@example.com"]
        assert "d@example.com" in await found(gate, is_admin=False)
    finally:
        await gate.close()


async def test_an_account_says_how_it_stands(gate: Gate, db: Any) -> None:
    await add(db, ("ada@example.com", "Ada"))
    await db.execute(
        """
        INSERT INTO user_sessions (session_token, user_id, expires_at, created_at, family_id, is_active)
        VALUES ('a', 1, now() + interval '1 hour', '2024-01-02Z', NULL, true),
            ('b', 1, now() + interval '1 hour', '2024-01-03Z', 1, true),
            ('c', 1, now() - interval '1 hour', '2024-01-01Z', NULL, true),
            ('d', 1, now() + interval '1 hour', '2024-01-01Z', NULL, false);
        INSERT INTO auth_failures (user_id, place, failures) VALUES (1, 'a', 60), (1, 'b', 39);
        """
    )
    account = await gate.administration.account(1)
    assert (account.user.email, account.active_sessions) == ("ada@example.com", 2)
    assert account.last_sign_in_at is not None
    assert account.last_sign_in_at.isoformat() == "2024-01-02T00:00:00+00:00"
    assert (account.failures, account.is_locked) == (99, False)
    assert account.temporary_password_expires_at is None
    await db.execute("UPDATE auth_failures SET failures = failures + 1 WHERE place = 'a'")
    assert (await gate.administration.account(1)).is_locked
    await db.execute("UPDATE users SET is_active = false")
    assert (await gate.administration.account(1)).active_sessions == 0


async def test_plans_of_the_search_read_ranges_of_indexes_wherever_a_page_begins(db: Any) -> None:
    await db.execute(
        """
        INSERT INTO users (email, name)
        SELECT chr(97 + i % 26) || 'mail' || i || '@example.com', chr(97 + i % 25) || 'name Last' || i
        FROM generate_series(1, 20000) i;
        ANALYZE users
        """
    )
    pages = [
        "NULL, NULL, '', 0, 51, '', 0, -1, -1",
        "NULL, NULL, '', 0, 51, 'a', 0, -1, -1",
        "true, NULL, '', 0, 51, 'a', 0, -1, -1",
        "NULL, false, 'aname', -1, 51, 'a', 1, 10000, -1",
        "NULL, NULL, '', 0, 51, 'zmail19', 0, -1, -1",
        "NULL, NULL, 'last15', -1, 51, 'last1', 2, -1, 15000",
    ]
    for mode in ("force_generic_plan", "force_custom_plan"):
        await db.execute(f"SET plan_cache_mode = {mode}")
        await db.execute(f"PREPARE search AS {search.SEARCH}")
        for page in pages:
            explained = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE search ({page})"
            [plan] = json.loads(await db.fetchval(explained))
            nodes = list(walk(plan["Plan"]))
            read_whole = {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"}
            assert read_whole == set(), page
            used = {node["Index Name"] for node in nodes if "Index Name" in node}
            assert any(name.startswith("users_search_") for name in used), page
            removed = sum(node.get("Rows Removed by Filter", 0) for node in nodes if "Index Name" in node)
            assert removed <= 51 * 4, page
        await db.execute("DEALLOCATE search")


async def test_a_part_is_looked_for_in_few_rows_whether_many_have_it_or_few(db: Any) -> None:
    await db.execute(
        """
        INSERT INTO users (email, name, created_at)
        SELECT 'user' || i || '@mail.example', 'Name ' || md5(i::text), now() - i * interval '1 minute'
        FROM generate_series(1, 20000) i;
        ANALYZE users
        """
    )
    for mode in ("force_generic_plan", "force_custom_plan"):
        await db.execute(f"SET plan_cache_mode = {mode}")
        await db.execute(f"PREPARE part AS {parts.BY_PART}")
        for text, index in {"@mail": "users_created_idx", "ser1234@": "users_parts_idx"}.items():
            explained = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE part"
            given = f"(NULL, NULL, 'infinity', 0, 51, '{text}', 500)"
            [plan] = json.loads(await db.fetchval(explained + given))
            nodes = [node for node in walk(plan["Plan"]) if node["Actual Loops"] > 0]
            assert {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"} == set()
            assert index in {node.get("Index Name") for node in nodes}, text
            rows = [
                node["Actual Rows"] * node["Actual Loops"] + node.get("Rows Removed by Filter", 0)
                for node in nodes
                if node.get("Relation Name") == "users"
            ]
            assert max(rows) <= 600, text
        await db.execute("DEALLOCATE part")


def walk(plan: dict[str, Any]) -> Any:
    yield plan
    for below in plan.get("Plans", []):
        yield from walk(below)

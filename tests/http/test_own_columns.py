"""Columns of an application's own in `users`: filled by its hooks, checked at the start."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from tests.conftest import PASSWORD, MakeSettings, execute, load, serving
from tests.http.conftest import Database
from tests.walking import walked

from gatepost import Gatepost, NewUser, User
from gatepost.errors import Conflict, DatabaseUnfit
from gatepost.features.setup.service import Setup
from gatepost.models import Client

PAGE = (Path(__file__).parents[2] / "docs" / "library.md").read_text()
(EXAMPLE,) = re.findall(r'^```python title="usernames.py"\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL)
BODY: dict[str, Any] = {"email": "ada@example.com", "name": "Ada", "password": PASSWORD}


class Fields(BaseModel):
    username: str


@pytest.fixture
async def adopted(owner_dsn: str) -> None:
    await execute(
        owner_dsn,
        """ALTER TABLE users ADD COLUMN username text UNIQUE, ADD COLUMN "since?" date,
            ADD COLUMN tenant_id integer,
            ADD COLUMN twice text GENERATED ALWAYS AS (username || username) STORED""",
        'ALTER TABLE users ALTER COLUMN username SET NOT NULL, ALTER COLUMN "since?" SET NOT NULL',
        'GRANT INSERT (username, "since?", tenant_id) ON users TO PUBLIC',
    )


def application(auth: Gatepost) -> FastAPI:
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app)
    return app


def token_of(page: httpx.Response) -> str:
    token: str = re.findall(r'name="form_token" value="([^"]+)"', page.text)[0]
    return token


async def post(client: httpx.AsyncClient, **more: Any) -> httpx.Response:
    return await client.post("/api/auth/register", json=BODY | more)


async def test_they_are_filled_however_a_user_is_added(
    adopted: None, make_settings: MakeSettings, db: Database
) -> None:
    auth = Gatepost(make_settings(), registration=Fields)
    seen: list[NewUser] = []

    @auth.on_insert("username")
    async def username(conn: Any, new: NewUser) -> dict[str, object]:
        seen.append(new)
        return {"username": new.fields.username if new.fields else new.email}

    @auth.on_insert("since?")
    async def since(conn: Any, new: NewUser) -> dict[str, object]:
        return {"since?": "2026-02-28"}

    @auth.on_register
    async def look(conn: Any, user: User) -> None:
        assert await conn.fetchval("SELECT username IS NOT NULL FROM users WHERE id = $1", user.id)

    async with serving(application(auth)) as client:
        answer = await post(client, username="ada")
        assert answer.status_code == 201, answer.text
        user = answer.json()["data"]["user"]
        assert (user["email"], user["name"], user["is_admin"]) == ("ada@example.com", "Ada", False)
        await auth.users.create(email="b@example.com", name="B", is_admin=False)
        setup = auth.service(Setup)
        token = await setup.issue()
        assert token is not None
        third: dict[str, Any] = {"email": "c@example.com", "name": "C", "password": PASSWORD}
        await setup.redeem(token=token, **third, client=Client(), own={"username": "c"})
        login = {"email": "ada@example.com", "password": PASSWORD}
        assert (await client.post("/api/auth/login", json=login)).status_code == 200
    rows = await db.fetch('SELECT username, "since?"::text AS since, twice FROM users ORDER BY id')
    assert [tuple(row) for row in rows] == [
        ("ada", "2026-02-28", "adaada"),
        ("b@example.com", "2026-02-28", "b@example.com" * 2),
        ("c", "2026-02-28", "cc"),
    ]
    assert seen[0] == NewUser(
        email="ada@example.com", name="Ada", is_admin=False, fields=Fields(username="ada")
    )
    assert [new.is_admin for new in seen] == [False, False, True]


async def test_a_value_that_is_taken_or_does_not_fit_is_told_by_its_column(
    adopted: None, make_settings: MakeSettings, db: Database
) -> None:
    auth = Gatepost(make_settings())

    @auth.on_insert("username", "since?", "tenant_id")
    async def same(conn: Any, new: NewUser) -> dict[str, object]:
        return {"username": "same", "since?": "2026-02-28", "tenant_id": None}

    async with serving(application(auth)) as client:
        assert (await post(client)).status_code == 201
        again = await post(client, email="b@example.com")
        assert (again.status_code, again.json()["error"]["code"]) == (409, "conflict")
        assert list(again.json()["error"]["fields"]) == ["username"]
        taken = await post(client)
        assert taken.json()["error"]["code"] in {"email_taken", "conflict"}
        with pytest.raises(Conflict):
            await auth.users.create(email="c@example.com", name="C")
    assert await db.fetchval("SELECT count(*) FROM users") == 1


async def test_a_language_of_the_applications_own_is_filled_and_refuses_what_it_has_no_room_for(
    owner_dsn: str, make_settings: MakeSettings, db: Database
) -> None:
    await execute(
        owner_dsn,
        "ALTER TABLE users DROP CONSTRAINT users_language_check",
        "ALTER TABLE users ALTER COLUMN language TYPE varchar(2)",
        "ALTER TABLE users ALTER COLUMN language SET NOT NULL",
    )
    auth = Gatepost(make_settings())

    @auth.on_insert("language")
    async def language(conn: Any, new: NewUser) -> dict[str, object]:
        return {"language": "de"}

    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app, pages=True)
    async with serving(app) as client:
        assert (await post(client)).status_code == 201
        # Chosen before the account is there, and longer than the column: the account is made all the same.
        page = await client.get("/auth/language")
        same = {"Sec-Fetch-Site": "same-origin"}
        form = {"form_token": token_of(page), "language": "pt-BR"}
        assert (await client.post("/auth/language", data=form, headers=same)).status_code == 303
        page = await client.get("/auth/sign-up")
        form = {**BODY, "email": "b@example.com", "form_token": token_of(page)}
        answer = await client.post("/auth/sign-up", data=form, headers=same)
        assert answer.status_code == 303, answer.text
        assert (await client.get("/auth/account")).status_code == 200
    rows = await db.fetch("SELECT email, language FROM users ORDER BY id")
    assert [tuple(row) for row in rows] == [("ada@example.com", "de"), ("b@example.com", "de")]


@walked("answer", [None, {}, {"username": "ada", "is_admin": True}, {"since?": 1}])
async def test_an_answer_of_other_columns_adds_nobody(
    adopted: None,
    make_settings: MakeSettings,
    db: Database,
    caplog: pytest.LogCaptureFixture,
    answer: Any,
) -> None:
    auth = Gatepost(make_settings())

    @auth.on_insert("username")
    async def wrong(conn: Any, new: NewUser) -> Any:
        return answer

    async with serving(application(auth)) as client:
        assert (await post(client)).status_code == 500
    assert "has to return a dict with username" in caplog.text
    assert await db.fetchval("SELECT count(*) FROM users") == 0


async def _nothing(conn: Any, new: NewUser) -> dict[str, object]:
    return {}


def test_columns_are_named_once_and_none_is_gatepost_s(make_settings: MakeSettings) -> None:
    auth = Gatepost(make_settings())
    with pytest.raises(ValueError, match="name the columns that it fills"):
        auth.on_insert()(_nothing)
    for column in ("id", "email", "is_admin", "credentials_stamp"):
        with pytest.raises(ValueError, match=f"users.{column} is Gatepost's own"):
            auth.on_insert(column)(_nothing)
    auth.on_insert("username")(_nothing)
    with pytest.raises(ValueError, match=r"another hook fills users\.username already"):
        auth.on_insert("tenant", "username")(_nothing)


@pytest.mark.parametrize(
    ("column", "told"),
    [
        ("user_name", "users has no column 'user_name'"),
        ("username) VALUES (1); --", "users has no column"),
        ("twice", "PostgreSQL fills users.twice by itself"),
    ],
)
async def test_a_column_that_can_not_be_filled_stops_the_start(
    adopted: None, make_settings: MakeSettings, column: str, told: str
) -> None:
    auth = Gatepost(make_settings())
    auth.on_insert(column)(_nothing)
    with pytest.raises(DatabaseUnfit, match=re.escape(f"@auth.on_insert: {told}")):
        async with auth.lifespan():
            pass


async def test_the_example(
    adopted: None, db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, users_environment: None
) -> None:
    await db.execute('ALTER TABLE users ALTER COLUMN "since?" DROP NOT NULL')
    (tmp_path / "usernames.py").write_text(EXAMPLE)
    page = load(tmp_path / "usernames.py", monkeypatch)
    async with serving(page.app) as client:
        for email in ("ada@example.com", "ada@example.org"):
            assert (await post(client, email=email)).status_code == 201
    rows = await db.fetch("SELECT username, tenant_id FROM users ORDER BY id")
    assert [tuple(row) for row in rows] == [("ada", 1), ("ada1", 1)]

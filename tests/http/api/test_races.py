"""What happens at the same moment, over real connections: an end that was answered is one for everybody."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import pytest
from tests.conftest import PASSWORD, MakeSettings, bearer, serving
from tests.http.conftest import Database, MakeApp, events

from gatepost.gate import Gate
from gatepost.models import Client

USERS = 16
"""Users that race in a round, each for themselves."""


@dataclass(frozen=True)
class Workers:
    """Two workers on one database; who asks, asks either of them."""

    clients: tuple[httpx.AsyncClient, httpx.AsyncClient]
    gates: tuple[Gate, Gate]

    async def call(self, method: str, path: str, token: str, body: object = None) -> httpx.Response:
        client = random.choice(self.clients)  # noqa: S311 - which of them does not matter
        return await client.request(method, f"/api/auth/{path}", headers=bearer(token), json=body)

    async def login(self, email: str, password: str = PASSWORD) -> httpx.Response:
        body = {"email": email, "password": password}
        client = random.choice(self.clients)  # noqa: S311 - which of them does not matter
        return await client.post("/api/auth/login", json=body)

    async def token(self, email: str, password: str = PASSWORD) -> str:
        response = await self.login(email, password)
        assert response.status_code == 200, response.text
        return str(response.json()["data"]["token"])

    async def live(self, tokens: list[str]) -> list[str]:
        """Return those of the tokens that still open a session, in either worker."""
        asked = [(client, token) for token in tokens for client in self.clients]
        answers = await asyncio.gather(*(c.get("/api/auth/me", headers=bearer(t)) for c, t in asked))
        assert {answer.status_code for answer in answers} <= {200, 401}
        return [token for (_, token), answer in zip(asked, answers, strict=True) if answer.is_success]


@pytest.fixture
def owner_dsn(new_dsn: str) -> str:
    """Deadlocks and connections are counted."""
    return new_dsn


@pytest.fixture
async def workers(stopped_app: MakeApp, db: Database) -> AsyncIterator[Workers]:
    async with AsyncExitStack() as stack:
        apps = [stopped_app(database_pool_size=8) for _ in range(2)]
        one, two = [await stack.enter_async_context(serving(app)) for app in apps]
        for number in range(USERS):
            body = {"email": mail(number), "name": "x", "password": PASSWORD}
            assert (await one.post("/api/auth/register", json=body)).status_code == 201
        await db.execute("DELETE FROM user_sessions")
        yield Workers((one, two), (apps[0].state.gatepost, apps[1].state.gatepost))


def mail(number: int) -> str:
    return f"user{number}@example.com"


def gained(*answers: httpx.Response) -> list[str]:
    """Return the tokens that refreshes and logins were answered with."""
    return [a.json()["data"]["token"] for a in answers if a.status_code == 200 and a.json()["data"]]


async def active(db: Database, number: int) -> int:
    count = await db.fetchval(
        """
        SELECT count(*) FROM user_sessions s JOIN users u ON u.id = s.user_id
        WHERE u.email = $1 AND s.is_active
        """,
        mail(number),
    )
    return int(count)


async def race(*racing: Any) -> list[httpx.Response]:
    """Let all of them go at once, in an order of chance."""
    order = list(range(len(racing)))
    random.shuffle(order)
    answers: list[Any] = [None] * len(racing)
    tasks = [(place, asyncio.ensure_future(racing[place])) for place in order]
    for place, task in tasks:
        answers[place] = await task
    return answers


async def rounds(one_race: Any, number: int = 3) -> None:
    for _ in range(number):
        await asyncio.gather(*(one_race(number) for number in range(USERS)))


async def test_once_logout_all_has_answered_no_token_works_and_no_refresh_slips_through(
    workers: Workers, db: Database
) -> None:
    async def one_race(number: int) -> None:
        tokens = [await workers.token(mail(number)) for _ in range(3)]
        ended, *refreshed = await race(
            workers.call("POST", "logout-all", tokens[0]),
            *(workers.call("POST", "refresh", token) for token in (*tokens[1:], tokens[1])),
        )
        assert ended.status_code == 200
        assert {answer.status_code for answer in refreshed} <= {200, 401}
        assert await workers.live([*tokens, *gained(*refreshed)]) == []

    await rounds(one_race)
    assert [await active(db, number) for number in range(USERS)] == [0] * USERS


async def test_of_a_refresh_and_a_logout_of_the_same_token_one_wins(workers: Workers, db: Database) -> None:
    async def one_race(number: int) -> None:
        token = await workers.token(mail(number))
        logout, refreshed = await race(
            workers.call("POST", "logout", token), workers.call("POST", "refresh", token)
        )
        is_out = logout.status_code == 200
        if not is_out:
            assert logout.json()["error"]["code"] == "session_replaced"
        assert refreshed.status_code == 200 or (
            is_out and refreshed.json()["error"]["code"] == "session_revoked"
        )
        assert await workers.live([token]) == []
        # A logout that waited for the refresh ends what that began.
        assert len(set(await workers.live(gained(refreshed)))) == (0 if is_out else 1)

    await rounds(one_race)


async def test_once_a_session_was_ended_by_its_id_what_it_was_refreshed_to_has_ended(
    workers: Workers, db: Database
) -> None:
    async def one_race(number: int) -> None:
        mine, theirs = await workers.token(mail(number)), await workers.token(mail(number))
        listed = (await workers.call("GET", "sessions", mine)).json()["data"]["sessions"]
        (session_id,) = [each["id"] for each in listed if each["session_token"][:8] == theirs[:8]]
        ended, refreshed = await race(
            workers.call("DELETE", f"sessions/{session_id}", mine), workers.call("POST", "refresh", theirs)
        )
        assert ended.status_code == 200
        assert await workers.live([theirs, *gained(refreshed)]) == []
        assert len(await workers.live([mine])) == 2
        await workers.call("POST", "logout", mine)

    await rounds(one_race)
    assert [await active(db, number) for number in range(USERS)] == [0] * USERS


async def test_once_a_user_is_disabled_no_login_has_slipped_through(workers: Workers, db: Database) -> None:
    async def one_race(number: int) -> None:
        gate = workers.gates[number % 2]
        user = await gate.administration.find(mail(number))
        token = await workers.token(mail(number))
        _, *answers = await race(
            gate.administration.set_active(user, is_active=False, client=Client()),
            *(workers.login(mail(number)) for _ in range(3)),
            workers.call("POST", "refresh", token),
        )
        assert {answer.status_code for answer in answers} <= {200, 401}
        assert await workers.live([token, *gained(*answers)]) == []
        assert await active(db_of(number), number) == 0
        await gate.administration.set_active(user, is_active=True, client=Client())

    connections = [await asyncpg.connect(workers.gates[0].database.dsn) for _ in range(USERS)]

    def db_of(number: int) -> Database:
        return connections[number]

    try:
        await rounds(one_race)
    finally:
        for connection in connections:
            await connection.close()


async def test_once_a_password_was_changed_only_what_it_answered_with_is_left(
    workers: Workers, db: Database
) -> None:
    """Logins and refreshes under the old password do not slip through, nor do confirmations of it."""
    passwords = dict.fromkeys(range(USERS), PASSWORD)

    async def one_race(number: int) -> None:
        current = passwords[number]
        tokens = [await workers.token(mail(number), current) for _ in range(4)]
        new = PASSWORD + "!" if current == PASSWORD else PASSWORD
        changed, *answers = await race(
            workers.call("POST", "password", tokens[0], {"current": current, "new": new}),
            workers.call("POST", "refresh", tokens[1]),
            workers.call("POST", "confirm", tokens[2], {"password": current}),
            workers.login(mail(number), current),
            workers.login(mail(number), current),
        )
        assert changed.status_code == 200
        passwords[number] = new
        assert {answer.status_code for answer in answers} <= {200, 401}
        assert await workers.live([*tokens, *gained(*answers)]) == []
        assert len(await workers.live(gained(changed))) == 2
        assert (await workers.call("POST", "logout", *gained(changed))).status_code == 200

    await rounds(one_race)
    assert [await active(db, number) for number in range(USERS)] == [0] * USERS


async def test_of_a_change_of_the_password_and_a_logout_of_the_same_token_one_wins(
    workers: Workers, db: Database
) -> None:
    async def one_race(number: int) -> None:
        token = await workers.token(mail(number))
        new = "another secure password"
        changed, logout = await race(
            workers.call("POST", "password", token, {"current": PASSWORD, "new": new}),
            workers.call("POST", "logout", token),
        )
        assert sorted((changed.status_code, logout.status_code)) == [200, 401]
        assert await active_by_gate(number) == (1 if changed.status_code == 200 else 0)
        user = await workers.gates[0].administration.find(mail(number))
        await workers.gates[0].administration.set_password(user, PASSWORD, client=Client())

    async def active_by_gate(number: int) -> int:
        gate = workers.gates[0]
        return await gate.session_tokens.count_active((await gate.administration.find(mail(number))).id)

    await rounds(one_race)


async def test_64_logouts_of_as_many_sessions_all_succeed(workers: Workers, db: Database) -> None:
    tokens = await asyncio.gather(*(workers.token(mail(0)) for _ in range(64)))
    answers = await asyncio.gather(*(workers.call("POST", "logout", token) for token in tokens))
    assert {answer.status_code for answer in answers} == {200}
    assert await active(db, 0) == 0
    assert len(await events(db, "session.revoked")) == 64


async def test_of_64_logouts_of_one_session_one_succeeds(workers: Workers, db: Database) -> None:
    token = await workers.token(mail(0))
    answers = await asyncio.gather(*(workers.call("POST", "logout", token) for _ in range(64)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 63
    codes = {answer.json()["error"]["code"] for answer in answers if answer.status_code == 401}
    assert codes == {"session_revoked"}
    assert len(await events(db, "session.revoked")) == 1


async def test_logouts_from_everywhere_at_once_end_and_count_each_session_once(
    workers: Workers, db: Database
) -> None:
    tokens = await asyncio.gather(*(workers.token(mail(0)) for _ in range(20)))
    answers = await asyncio.gather(*(workers.call("POST", "logout-all", token) for token in tokens))
    assert {answer.status_code for answer in answers} <= {200, 401}
    counts = [a.json()["data"]["sessions_revoked"] for a in answers if a.status_code == 200]
    assert sum(counts) == 20
    assert await active(db, 0) == 0


async def test_everything_at_once_makes_no_deadlock(
    make_settings: MakeSettings, workers: Workers, server_dsn: str, db: Database
) -> None:
    """All that takes locks, in two workers, on the sessions of a few users: no 503, no 500."""
    one, two = workers.gates

    new = "another secure password"

    async def one_race(number: int, replayed: str) -> None:
        user = await one.administration.find(mail(number))
        tokens = [await workers.token(mail(number)) for _ in range(3)]
        listed = (await workers.call("GET", "sessions", tokens[0])).json()["data"]["sessions"]
        asked = [
            *(workers.call("POST", "refresh", token) for token in (*tokens, replayed)),
            *(workers.call("DELETE", f"sessions/{each['id']}", tokens[1]) for each in listed[:2]),
            workers.call("POST", "logout", tokens[0]),
            workers.call("POST", "logout-all", tokens[1]),
            workers.call("POST", "confirm", tokens[2], {"password": PASSWORD}),
            workers.call("POST", "password", tokens[1], {"current": PASSWORD, "new": new}),
            workers.login(mail(number)),
        ]
        answers = await race(
            *asked,
            one.administration.end_sessions(user, client=Client()),
            two.administration.set_password(user, PASSWORD, client=Client()),
            one.session_tokens._touches.flush(),
            two.housekeeping._clean(alone=True, progress=None),
            two.administration.set_active(user, is_active=number % 2 == 0, client=Client()),
        )
        statuses = {answer.status_code for answer in answers[: len(asked)]}
        assert statuses <= {200, 401, 404}
        await two.administration.set_active(user, is_active=True, client=Client())
        await two.administration.set_password(user, PASSWORD, client=Client())

    for _ in range(5):
        replayed = [await workers.token(mail(number)) for number in range(6)]
        for token in replayed:
            await two.session_tokens.refresh(token, Client())
        await db.execute(
            "UPDATE user_sessions SET ended_at = ended_at - interval '1 hour' WHERE NOT is_active"
        )
        await asyncio.gather(*(one_race(number, token) for number, token in enumerate(replayed)))
    assert await deadlocks(server_dsn, db, workers) == 0


async def test_a_user_who_is_deleted_while_their_sessions_are_refreshed_is_gone(
    workers: Workers, server_dsn: str, db: Database
) -> None:
    gate = workers.gates[0]

    async def one_race(number: int) -> None:
        user = await gate.administration.find(mail(number))
        tokens = [await workers.token(mail(number)) for _ in range(3)]
        _, *answers = await race(
            gate.administration.delete(user, client=Client()),
            *(workers.call("POST", "refresh", token) for token in tokens),
            workers.call("POST", "logout", tokens[0]),
            workers.login(mail(number)),
        )
        assert {answer.status_code for answer in answers} <= {200, 401}
        assert await workers.live([*tokens, *gained(*answers)]) == []

    for number in range(USERS):
        await one_race(number)
    assert await db.fetchval("SELECT count(*) FROM users") == 0
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 0
    assert await deadlocks(server_dsn, db, workers) == 0


async def deadlocks(server_dsn: str, db: Database, workers: Workers) -> int:
    """Return how many there were, once the workers' connections are closed and have reported theirs."""
    for gate in workers.gates:
        await gate.close()
    name = await db.fetchval("SELECT current_database()")
    await db.close()
    admin = await asyncpg.connect(server_dsn)
    try:
        async with asyncio.timeout(60):
            connected = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1"
            while await admin.fetchval(connected, name):  # noqa: ASYNC110 - it is PostgreSQL that is watched
                await asyncio.sleep(0)
        return int(await admin.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = $1", name))
    finally:
        await admin.close()

"""Whoever can't sign in takes the same work, whatever the reason (ASVS 6.3.8).

Two things are held, over 200 interleaved pairs each:

- the work: processor time of the threads that check passwords, bcrypt being all but everything of it. Work
  that was left out or done twice shows as a half or a double; medians must lie within a fifth.
- the wait, as the caller sees it. Its noise is measured beside it: a third series repeats the second kind,
  and what its median differs by is chance. The two kinds may differ by five times that, or by 5 ms.
"""

import statistics
import time
from collections.abc import AsyncIterator

import httpx
import pytest
from tests.conftest import PASSWORD, MakeSettings, serving
from tests.http.conftest import Database, assert_error

from gatepost import errors
from gatepost.app import create_app
from gatepost.security.passwords import PasswordCheck, PasswordHasher

PAIRS = 200
COST = 6
LONG = "correct horse battery staple " * 10
WRONG = "not the password of anybody"


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Gather the seconds of processor time that each password check takes, in its own thread."""
    taken: list[float] = []
    check = PasswordHasher.check

    def noting(self: PasswordHasher, password: str, stored: str | None) -> PasswordCheck:
        begun = time.thread_time()
        try:
            return check(self, password, stored)
        finally:
            taken.append(time.thread_time() - begun)

    monkeypatch.setattr(PasswordHasher, "check", noting)
    return taken


@pytest.fixture
async def client(make_settings: MakeSettings, db: Database) -> AsyncIterator[httpx.AsyncClient]:
    """A server with a known, a disabled, a long-worded and an old user."""
    async with serving(create_app(make_settings(bcrypt_rounds=COST))) as client:
        for name, password in (
            ("known", PASSWORD),
            ("disabled", PASSWORD),
            ("old", PASSWORD),
            ("long", LONG),
        ):
            body = {"email": f"{name}@example.com", "name": name, "password": password}
            assert (await client.post("/api/auth/register", json=body)).status_code == 201
        await db.execute("UPDATE users SET is_active = false WHERE email = 'disabled@example.com'")
        await db.execute(
            "UPDATE users SET hashed_password = $1 WHERE email = 'old@example.com'",
            PasswordHasher(4).hash(PASSWORD),
        )
        yield client


@pytest.mark.parametrize(
    ("one", "other", "password"),
    [
        ("known", "unknown", WRONG),
        ("known", "unknown", ""),
        ("known", "unknown", LONG),
        ("long", "unknown", LONG + "x"),
        ("disabled", "unknown", PASSWORD),
        ("old", "unknown", WRONG),
    ],
    ids=["wrong", "empty", "over 72 bytes", "one character too many", "disabled", "old cost"],
)
async def test_no_failure_is_told_from_another_by_its_time(
    client: httpx.AsyncClient, work: list[float], one: str, other: str, password: str
) -> None:
    waits: dict[str, list[float]] = {"one": [], "other": [], "other again": []}
    works: dict[str, list[float]] = {"one": [], "other": [], "other again": []}
    answers = set()
    for _ in range(PAIRS):
        for series, who in (("one", one), ("other", other), ("other again", other)):
            body = {"email": f"{who}@example.com", "password": password}
            begun = time.perf_counter()
            response = await client.post("/api/auth/login", json=body)
            waits[series].append(time.perf_counter() - begun)
            works[series].append(sum(work))
            work.clear()
            assert_error(response, errors.InvalidCredentials)
            names = sorted(name for name, _ in response.headers.multi_items())
            answers.add((response.status_code, response.content, tuple(names)))
    assert len(answers) == 1
    done = {series: statistics.median(found) for series, found in works.items()}
    assert done["one"] == pytest.approx(done["other"], rel=0.2)
    waited = {series: statistics.median(found) for series, found in waits.items()}
    noise = abs(waited["other"] - waited["other again"])
    assert abs(waited["one"] - waited["other"]) <= max(5 * noise, 0.005)

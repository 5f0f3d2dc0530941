"""Hooks: looked at when they are given, and named when they take too long."""

from functools import partial
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import PASSWORD, MakeSettings, serving
from tests.http.conftest import logged

from gatepost import Gatepost
from gatepost.services.hooks import Hooks, Moment


async def good(conn: Any, user: Any) -> None: ...


async def with_more(extra: int, conn: Any, user: Any, *, flag: bool = True) -> None: ...


def sync(conn: Any, user: Any) -> None: ...


async def too_few(conn: Any) -> None: ...


async def too_many(conn: Any, user: Any, request: Any) -> None: ...


class Callable:
    async def __call__(self, conn: Any, user: Any) -> None: ...


class Sync:
    def __call__(self, conn: Any, user: Any) -> None: ...


@pytest.mark.parametrize("hook", [good, partial(with_more, 1), Callable(), Callable().__call__])
@pytest.mark.parametrize("moment", Moment)
def test_what_can_be_called_is_taken(moment: Moment, hook: Any) -> None:
    Hooks().add(moment, hook)


@pytest.mark.parametrize(
    ("hook", "told"),
    [
        (sync, "sync must be `async def`"),
        (Sync(), "Sync must be `async def`"),
        (too_few, "too_few is called with the connection and the user: too many positional arguments"),
        (
            too_many,
            "too_many is called with the connection and the user: missing a required argument: 'request'",
        ),
    ],
)
def test_what_can_not_be_called_is_refused_when_it_is_given(
    make_settings: MakeSettings, hook: Any, told: str
) -> None:
    auth = Gatepost(make_settings())
    for decorator in (auth.on_register, auth.on_email_change, auth.on_delete):
        with pytest.raises(TypeError, match=f"@auth.{decorator.__name__}: .*{told}"):
            decorator(hook)


async def test_one_that_is_cut_off_is_named(
    make_settings: MakeSettings, caplog: pytest.LogCaptureFixture
) -> None:
    auth = Gatepost(make_settings(database_timeout_seconds=0.5))
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app)

    @auth.on_register
    async def slow(conn: Any, user: Any) -> None:
        await conn.execute("SELECT pg_sleep(60)")

    async with serving(app) as client:
        body = {"email": "user@example.com", "name": "Ada", "password": PASSWORD}
        answer: httpx.Response = await client.post("/api/auth/register", json=body)
        assert answer.status_code == 503
    (line,) = logged(caplog, "a hook was cut off: what it does has to fit into DATABASE_TIMEOUT_SECONDS")
    assert (line["hook"].rpartition(".")[2], line["moment"]) == ("slow", "on_register")

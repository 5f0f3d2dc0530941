"""What fails is in the log under the id that its answer carries, and no line of the log is a caller's."""

import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any, Literal
from urllib.parse import quote

import httpx
import pytest
import structlog
from fastapi import FastAPI
from tests.conftest import PASSWORD, MakeSettings, execute, serving
from tests.failures.conftest import ATTEMPTS, Site
from tests.failures.test_outages import stopped
from tests.http.conftest import assert_error, logged

from gatepost import errors, log
from gatepost.http.middleware import RequestLog
from gatepost.library import Gatepost

FORMS: list[Literal["json", "console"]] = ["json", "console"]


def assert_each_is_logged(answers: dict[str, httpx.Response], caplog: pytest.LogCaptureFixture) -> None:
    """Hold that every answer is found in the log by what its caller knows of it."""
    lines = {line["request_id"]: line for line in logged(caplog, "request")}
    for name, answer in answers.items():
        line = lines[answer.headers["x-request-id"]]
        told = {key: line[key] for key in ("method", "path", "status", "level")}
        assert told == {
            "method": ATTEMPTS[name].method,
            "path": answer.request.url.path,
            "status": answer.status_code,
            "level": "warning",
        }


async def test_every_503_is_in_the_log_of_warnings_under_its_id(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING", "gatepost")
    async with stopped(site):
        answers = await site.ask_all()
    assert {answer.status_code for answer in answers.values()} == {503}
    assert_each_is_logged(answers, caplog)
    assert logged(caplog, "database unavailable")
    assert "Traceback" not in caplog.text


async def test_every_500_is_in_the_log_under_its_id_and_tells_its_caller_nothing(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING", "gatepost")
    await execute(site.dsn, "ALTER TABLE users RENAME TO somewhere_else")
    answers = await site.ask_all()
    # They are over before it is anybody's.
    for name in (
        "setup, unknown link",
        "begin to sign up by passkey",
        "begin to sign in by passkey",
        "sign in by passkey, no such challenge",
    ):
        del answers[name]
    for answer in answers.values():
        assert_error(answer, errors.InternalError)
        for word in ("Traceback", "asyncpg", "relation", "users"):
            assert word not in answer.text
    assert_each_is_logged(answers, caplog)
    assert 'relation "users" does not exist' in caplog.text
    await execute(site.dsn, "ALTER TABLE somewhere_else RENAME TO users")
    await site.recovers()


# --- Lines of one's own ---


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the log goes, once it is configured; afterwards logging is as it was."""
    loggers = [logging.getLogger(), logging.getLogger("gatepost")]
    before = [(each, each.level, list(each.handlers)) for each in loggers]
    yield io.StringIO()
    for each, level, handlers in before:
        each.setLevel(level)
        each.handlers[:] = handlers
    structlog.reset_defaults()


FORGED = '\r\n2026-01-01T00:00:00Z [info] {"event": "FORGED"}\x1b[31m\x85\u2028\x00'


@pytest.mark.parametrize("form", FORMS)
async def test_no_line_of_the_log_is_a_callers(
    make_settings: MakeSettings, stream: io.StringIO, form: Literal["json", "console"]
) -> None:
    auth = Gatepost(make_settings(trusted_proxies="127.0.0.1"))
    app = FastAPI(lifespan=auth.lifespan)
    app.add_middleware(RequestLog, headers=[])
    auth.install(app)

    @auth.on_register
    async def fail(conn: object, user: object) -> None:
        raise ValueError(FORGED)

    log.configure("debug", form, stream=stream)
    raw = FORGED.encode()
    async with serving(app) as client:
        headers = [(b"user-agent", raw), (b"x-forwarded-for", raw)]
        await client.get("/api/auth/me" + quote(FORGED), params={"a": FORGED})
        await client.get("/api/auth/me", headers=[*headers, (b"authorization", b"Bearer " + raw)])
        await client.post("/api/auth/logout", headers=headers)
        await client.post("/api/auth/login", json={"email": f"{FORGED}@example.com", "password": PASSWORD})
        await client.request(f"GET{FORGED}", "/api/auth/sessions")
        body = {"email": "user@example.com", "name": f"John{FORGED}", "password": PASSWORD}
        await client.post("/api/auth/register", json=body)
        failed = await client.post("/api/auth/register", json=body | {"name": "John"})
    assert failed.status_code == 500
    text = stream.getvalue()
    assert "FORGED" in text
    assert not re.search(r"[^\S\n ]|[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]", text)
    lines = text.splitlines()
    if form == "json":
        events: list[dict[str, Any]] = [json.loads(line) for line in lines]
        assert all(event["logger"].startswith(("gatepost", "httpx")) for event in events)
    else:
        told = [line for line in lines if not line.startswith("    ")]
        assert all(re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z \[\w+ *\] \S", line) for line in told)
        assert not any(line.startswith("2026-01-01T00:00:00Z") for line in lines)

"""Logging: one event one line, no secret in it, whoever logs and however it is rendered."""

import io
import json
import logging
import logging.config
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Literal

import pytest
import structlog

from gatepost import log

TOKEN = "1b671a64-40d5-491e-99b0-da01ff1f3341"
HASH = "$2b$12$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234"
DIGEST = "1b671a64." + "0123456789abcdef" * 4
FORMS: list[Literal["json", "console"]] = ["json", "console"]


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    names = ["", "gatepost", "uvicorn", "uvicorn.error", "uvicorn.access", "_granian", "granian.access"]
    loggers = [logging.getLogger(name) for name in names]
    before = [(each, each.level, each.propagate, list(each.handlers)) for each in loggers]
    yield
    for each, level, propagate, handlers in before:
        each.setLevel(level)
        each.propagate = propagate
        each.handlers[:] = [
            *handlers,
            *(h for h in each.handlers if not isinstance(h, log._Handler) and h not in handlers),
        ]
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def fail(text: str) -> None:
    raise ValueError(text)


def logged(stream: io.StringIO) -> dict[str, Any]:
    (line,) = stream.getvalue().splitlines()
    event = json.loads(line)
    assert isinstance(event, dict)
    return event


def test_a_json_event_is_one_object_with_time_level_logger_and_context() -> None:
    stream = io.StringIO()
    log.configure("info", "json", stream=stream)
    structlog.contextvars.bind_contextvars(request_id="r-1")

    log.get_logger("gatepost.http").info(
        "request", path="/api/auth/me", status=200, ms=1.5, user=None, ok=True
    )

    event = logged(stream)
    at = event.pop("timestamp")
    assert at.endswith("Z")
    assert abs(datetime.fromisoformat(at) - datetime.now(UTC)).total_seconds() < 60
    assert event == {
        "event": "request",
        "level": "info",
        "logger": "gatepost.http",
        "request_id": "r-1",
        "path": "/api/auth/me",
        "status": 200,
        "ms": 1.5,
        "user": None,
        "ok": True,
    }


def test_others_loggers_come_out_the_same_way() -> None:
    stream = io.StringIO()
    log.configure("info", "json", stream=stream)
    structlog.contextvars.bind_contextvars(request_id="r-1")

    logging.getLogger("asyncpg").warning("%s of %s", 1, 2)

    event = logged(stream)
    assert (event["event"], event["level"], event["logger"]) == ("1 of 2", "warning", "asyncpg")
    assert event["request_id"] == "r-1"


def test_structlogs_own_loggers_come_out_the_same_way() -> None:
    stream = io.StringIO()
    log.configure("info", "json", stream=stream)

    structlog.get_logger("gatepost.mail").info("sent", password="hush")

    event = logged(stream)
    assert (event["event"], event["logger"], event["password"]) == ("sent", "gatepost.mail", log.HIDDEN)


@pytest.mark.parametrize("form", FORMS)
def test_the_level_is_gateposts_and_others_stay_at_info(form: Literal["json", "console"]) -> None:
    stream = io.StringIO()
    ours, others = log.get_logger("gatepost.level"), logging.getLogger("somebody.level")

    log.configure("debug", form, stream=stream)
    ours.debug("ours-debug")
    others.debug("others-debug")
    others.info("others-info")
    log.configure("warning", form, stream=stream)
    ours.info("ours-info")
    others.info("others-quiet")
    ours.warning("ours-warning")

    told = re.findall(r"(?:ours|others)-\w+", stream.getvalue())
    assert told == ["ours-debug", "others-info", "ours-warning"]


def test_configuring_again_replaces_what_was_before() -> None:
    first, second = io.StringIO(), io.StringIO()
    logger = log.get_logger("gatepost.again")
    log.configure("info", "json", stream=first)
    logger.info("one")

    log.configure("info", "json", stream=second)
    log.configure("info", "json", stream=second)
    logger.info("two")

    assert logged(first)["event"] == "one"
    assert logged(second)["event"] == "two"


def test_without_a_stream_the_standard_error_of_the_moment_is_written_to(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log.configure("info", "json")
    logger = log.get_logger("gatepost.stderr")
    logger.info("one")
    later = io.StringIO()
    monkeypatch.setattr(sys, "stderr", later)
    logger.info("two")

    assert json.loads(capsys.readouterr().err)["event"] == "one"
    assert logged(later)["event"] == "two"


def test_handlers_of_others_stay_and_get_clean_events(caplog: pytest.LogCaptureFixture) -> None:
    log.configure("info", "json", stream=io.StringIO())

    log.get_logger("gatepost.captured").warning("login", password="hush", reason="a\nb")

    assert "login password='[redacted]' reason='a\\nb'" in caplog.text


def test_inside_an_application_events_go_to_its_own_logging() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
    ours = logging.getLogger("gatepost")
    ours.addHandler(handler)
    ours.setLevel("INFO")
    logger = log.get_logger("gatepost.inside")

    logger.debug("unseen")
    logger.info("\x1b[2J Bearer x", count=2, token=TOKEN)
    try:
        fail(f"Bearer {TOKEN}")
    except ValueError:
        logger.exception("fault")

    lines = stream.getvalue().splitlines()
    assert lines[0] == "INFO gatepost.inside \\x1b[2J Bearer [redacted] count=2 token='[redacted]'"
    assert lines[1:3] == ["ERROR gatepost.inside fault", "    Traceback (most recent call last):"]
    assert lines[-1] == "    ValueError: Bearer [redacted]"


# Servers


def test_servers_loggers_are_taken_over_and_their_access_logs_turned_off() -> None:
    own = io.StringIO()
    stream = io.StringIO()
    for name in ("uvicorn", "uvicorn.access", "_granian"):
        logging.getLogger(name).addHandler(logging.StreamHandler(own))
        logging.getLogger(name).propagate = False
        logging.getLogger(name).setLevel("INFO")

    log.configure("info", "json", stream=stream)
    for name in ("uvicorn.access", "granian.access"):
        logging.getLogger(name).info("GET /?token=%s", TOKEN)
    for name in ("uvicorn.error", "_granian"):
        logging.getLogger(name).info("started")

    assert own.getvalue() == ""
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(e["logger"], e["event"]) for e in events] == [
        ("uvicorn.error", "started"),
        ("_granian", "started"),
    ]


def test_a_server_with_our_configuration_leaves_ours_alone() -> None:
    stream = io.StringIO()
    log.configure("info", "json", stream=stream)

    logging.config.dictConfig(log.server_config())
    logging.getLogger("uvicorn.access").info("GET /")
    log.get_logger("gatepost.after").info("here")

    assert logged(stream)["event"] == "here"


# Secrets


@pytest.mark.parametrize(
    "name",
    [
        "token", "session_token", "Password", "hashed_password", "password_hash", "client_secret",
        "SECRET_KEY", "Authorization", "Cookie", "set-cookie", "digest", "successor_nonce",
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", FORMS)
def test_what_is_named_like_a_secret_is_taken_out_at_any_depth(
    name: str, form: Literal["json", "console"]
) -> None:
    stream = io.StringIO()
    log.configure("info", form, stream=stream)

    log.get_logger("gatepost.named").info("x", **{name: "hush"}, detail={"list": [{name: ["hush"]}]})

    assert "hush" not in stream.getvalue()
    assert stream.getvalue().count(log.HIDDEN) == 2


def test_what_only_looks_like_a_secrets_name_stays() -> None:
    stream = io.StringIO()
    log.configure("info", "json", stream=stream)

    log.get_logger("gatepost.kept").info("x", token_hint="1b671a64", session_id=7, request_id=TOKEN)

    event = logged(stream)
    assert (event["token_hint"], event["session_id"], event["request_id"]) == ("1b671a64", 7, TOKEN)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (f"Authorization: Bearer {TOKEN}", "Authorization: Bearer [redacted]"),
        ("authorization: BASIC dXNlcjpodXNo, x", "authorization: BASIC [redacted], x"),
        ("postgresql://u:hush@db:5432/notes", "postgresql://u:[redacted]@db:5432/notes"),
        ("to postgresql://u:a:b@c@db/notes failed", "to postgresql://u:[redacted]@db/notes failed"),
        ("host=db password=hush user=u", "host=db password=[redacted] user=u"),
        ("host=db password='hu\\' sh' user=u", "host=db password=[redacted] user=u"),
        (f"GET /me?session_token={TOKEN}&page=2", "GET /me?session_token=[redacted]&page=2"),
        ('{"password": "hu\\"sh", "name": "x"}', '{"password": [redacted], "name": "x"}'),
        ("{'new_password': 'hush', 'name': 'x'}", "{'new_password': [redacted], 'name': 'x'}"),
        (f"Key (session_token)=({DIGEST}) already exists.", "Key (session_token)=[redacted]"),
        ("Key (lower(name), n)=(a) b, 7) already exists.", "Key (lower(name), n)=[redacted]"),
        (
            'invalid input syntax for type double precision: "a"',
            "invalid input syntax for type double precision: [redacted]",
        ),
        ("invalid input for query argument $12: 'a' (x)", "invalid input for query argument $12: [redacted]"),
        (f"Failing row contains (1, x, {TOKEN}).", "Failing row contains [redacted]"),
        (f"stored {HASH}, bad", "stored [redacted] bad"),
        ("stored $argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA", "stored [redacted]"),
        ("stored $wp$2y$10$Q1xinFjrZeLWJBvxviIL6u834", "stored [redacted]"),
        ("stored $6$rounds=1000$5J7KwEO$HSLOCeekz3PkPB2", "stored [redacted]"),
        ("stored $hmac-sha256$ZTAzMWJhMWMyOTM4$MTIzNDU=", "stored [redacted]"),
        ("DO $body$ SELECT $1, $2", "DO $body$ SELECT $1, $2"),
        (f"row {DIGEST}", "row 1b671a64.[redacted]"),
        ("GET /api/auth/sessions?cursor=7&limit=20", "GET /api/auth/sessions?cursor=7&limit=20"),
        ("http://127.0.0.1:8000/api/auth/me", "http://127.0.0.1:8000/api/auth/me"),
        ("2026-01-01T00:00:00.000000Z", "2026-01-01T00:00:00.000000Z"),
    ],
)
def test_what_has_the_form_of_a_secret_is_taken_out(text: str, clean: str) -> None:
    assert log.redact(text) == clean


@pytest.mark.parametrize("form", FORMS)
def test_secrets_in_messages_objects_and_tracebacks_are_taken_out(form: Literal["json", "console"]) -> None:
    stream = io.StringIO()
    log.configure("info", form, stream=stream)
    logger = log.get_logger("gatepost.deep")
    password = "hush-local"

    logger.info("%s", f"Bearer {TOKEN}")
    logger.info(
        "x", error=ValueError(f"Bearer {TOKEN}"), raw=f"Bearer {TOKEN}".encode(), deep=[[[[[[TOKEN]]]]]]
    )
    logging.getLogger("somebody").warning("Bearer %s", TOKEN)
    for each in (logger, logging.getLogger("somebody")):
        try:
            fail(f"postgresql://u:{password}@db/notes")
        except ValueError:
            each.exception("fault")

    assert TOKEN not in stream.getvalue()
    assert "hush" not in stream.getvalue().replace("{password}", "")
    assert stream.getvalue().count("ValueError: postgresql://u:[redacted]@db/notes") == 2


# What comes with every request

_HTTP = logging.getLogger("gatepost.http")


def _without_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away the handlers of pytest and of other tests, which see whatever is logged."""
    for name in ("", "gatepost"):
        monkeypatch.setattr(logging.getLogger(name), "handlers", [])


@pytest.mark.parametrize("path", ["/api/auth/me", "/a\x7fb", "/ä\u202e", "/\ud800", '/"\n'])
def test_a_requests_line_is_that_of_any_other_event(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    short, long = io.StringIO(), io.StringIO()
    _without_handlers(monkeypatch)
    structlog.contextvars.bind_contextvars(tenant="t-1", token=TOKEN)

    log.configure("info", "json", stream=short)
    with monkeypatch.context() as patched:
        patched.setattr(_HTTP, "makeRecord", None)
        log.write(_HTTP, logging.INFO, "request", {"path": path, "status": 200, "ms": 1.5})
    log.configure("info", "json", stream=long)
    log.get_logger("gatepost.http").info("request", path=path, status=200, ms=1.5)

    first, second = logged(short), logged(long)
    assert first.pop("timestamp")[:10] == second.pop("timestamp")[:10]
    assert first == second
    assert (first["path"], first["tenant"], first["token"]) == (path, "t-1", log.HIDDEN)
    assert short.getvalue().rstrip("\n").isascii()
    assert short.getvalue().rstrip("\n").isprintable()


def test_a_requests_line_reaches_handlers_of_others_too(caplog: pytest.LogCaptureFixture) -> None:
    stream = io.StringIO()
    log.configure("info", "json", stream=stream)

    log.write(_HTTP, logging.INFO, "request", {"path": "/x"})

    assert logged(stream)["path"] == "/x"
    assert [record.getMessage() for record in caplog.records] == ["request path='/x'"]


@pytest.mark.parametrize("kind", ["filter", "factory"])
def test_a_requests_line_is_a_record_where_somebody_asks_for_one(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, seen = logging.getLogger(), list[str]()
    _without_handlers(monkeypatch)
    log.configure("info", "json", stream=io.StringIO())

    def notes(record: logging.LogRecord) -> bool:
        seen.append(record.name)
        return True

    def makes(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = logging.LogRecord(*args, **kwargs)
        notes(record)
        return record

    before = logging.getLogRecordFactory()
    try:
        if kind == "filter":
            root.handlers[0].addFilter(notes)
        else:
            logging.setLogRecordFactory(makes)
        log.write(_HTTP, logging.INFO, "request", {"path": "/x"})
    finally:
        logging.setLogRecordFactory(before)

    assert seen == ["gatepost.http"]


# Lines

_FORGED = "x\r\n2026-01-01 [info] forged\x1b[2J\x9b\u2028\u202e\ud800"


@pytest.mark.parametrize("form", FORMS)
def test_nobody_writes_lines_or_control_sequences_of_their_own(form: Literal["json", "console"]) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    log.configure("info", form, stream=stream)

    log.get_logger("gatepost.lines").info(_FORGED, agent=_FORGED, detail={"agent": [_FORGED]})
    logging.getLogger("somebody").info("%s", _FORGED)

    stream.seek(0)
    text = stream.read()
    assert len(text.splitlines()) == 2
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]", text)
    assert text.count("forged") == 4


def test_a_traceback_is_one_string_in_json() -> None:
    stream = io.StringIO()
    log.configure("info", "json", stream=stream)

    try:
        fail(_FORGED)
    except ValueError:
        log.get_logger("gatepost.traceback").exception("fault")

    event = logged(stream)
    assert event["exception"].startswith("Traceback (most recent call last):\n")
    assert (event["event"], event["level"]) == ("fault", "error")


def test_a_traceback_for_people_is_set_off_and_shows_no_local_variables() -> None:
    stream = io.StringIO()
    log.configure("info", "console", stream=stream)
    local = "hush"

    try:
        fail(_FORGED + str(len(local)))
    except ValueError:
        log.get_logger("gatepost.traceback").exception("fault", stack_info=True)

    head, *rest = stream.getvalue().rstrip("\n").split("\n")
    assert "fault" in head
    assert rest
    assert all(line.startswith(("    ", "=====")) for line in rest if line)
    assert "\x1b" not in stream.getvalue()
    assert "'hush'" not in stream.getvalue()


def test_colours_are_for_terminals() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal, pipe = Terminal(), io.StringIO()
    logger = log.get_logger("gatepost.colours")
    log.configure("info", "console", stream=terminal)
    logger.info("x")
    log.configure("info", "console", stream=pipe)
    logger.info("x")

    assert "\x1b[" in terminal.getvalue()
    assert "\x1b[" not in pipe.getvalue()

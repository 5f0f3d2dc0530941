"""Logging: one event is one line, and no secret is in it.

Gatepost's own loggers come from `get_logger`. Inside somebody's application they speak to the standard
library's logging as it is set up there. Where Gatepost is the application, `configure` renders what
anybody logs, as JSON lines or as text for people.

That secrets are never logged is the callers' duty; here they are taken out once more, by name and by
form (ASVS 16.2.5). Control characters are escaped, so that nobody writes lines of their own (ASVS 16.4.1).
"""

import json
import logging
import re
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TextIO, cast

import msgspec
import structlog
from structlog.stdlib import BoundLogger, ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

HIDDEN = "[redacted]"

_SECRET_NAMES = (
    "authorization",
    "cookie",
    "digest",
    "_hash",
    "nonce",
    "passwd",
    "password",
    "secret",
    "secret_key",
    "token",
)
"""What the name of a secret ends with; `token_hint`, which people are shown, does not."""

_SECRET_FORMS = (
    # A credential in a header.
    (re.compile(r"\b(bearer|basic)(\s+)[^\s,;\"']+", re.IGNORECASE), rf"\1\2{HIDDEN}"),
    # The password of a URL.
    (re.compile(r"(://[^\s:/@]*:)[^\s/]*@"), rf"\1{HIDDEN}@"),
    # The values that PostgreSQL and its driver quote in an error: an application's own, of its hooks, too.
    (re.compile(r"(\bKey \([^\n]{0,200}?\)=)\(.*"), rf"\1{HIDDEN}"),
    (
        re.compile(r"(\binvalid input (?:for query argument \$\d{1,5}|syntax for type [\w ]{1,60}): ).*"),
        rf"\1{HIDDEN}",
    ),
    # A connection string, a query string, JSON.
    (
        re.compile(
            r"(\b\w{0,32}(?:password|passwd|secret|secret_key|token)(?:=|\"\s*:\s*|'\s*:\s*|\)=))"
            r"('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\([^)]{0,256}\)|[^\s&;,]+)",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    # The token of a link, whatever its parameter is called.
    (re.compile(r"(\b\w{1,32}=)[\w-]{43}(?![\w-])"), rf"\1{HIDDEN}"),
    (re.compile(r"(Failing row contains ).*"), rf"\1{HIDDEN}"),
    # The hash of a password.
    (
        re.compile(
            r"\$(?:[156PH]|apr1|2[abxy]|wp|bcrypt-sha256|argon2\w*|(?:fire)?scrypt|pbkdf2[\w-]*"
            r"|(?:hmac-)?(?:md5|sha\d+)(?:-crypt)?)\$[^\s\"']+"
        ),
        HIDDEN,
    ),
    # The digest of a token.
    (re.compile(r"\b[0-9a-f]{64}\b"), HIDDEN),
)

_WORD = re.compile(r"[\w/.:+-]{0,48}")
"""What can have none of these forms: most values, and telling so is cheap."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, line and paragraph separators, changes of direction, lone surrogates."""

_TRACEBACKS = ("exception", "stack")

_SERVERS = ("uvicorn", "uvicorn.error", "uvicorn.access", "_granian", "granian.access")
_ACCESS = ("uvicorn.access", "granian.access")


def get_logger(name: str) -> BoundLogger:
    """Return a logger whose events are clean before any handler sees them.

    Args:
        name: the module's `__name__`.
    """
    logger = structlog.wrap_logger(
        logging.getLogger(name), processors=_OWN, wrapper_class=BoundLogger, cache_logger_on_first_use=True
    )
    return cast("BoundLogger", logger)


def write(logger: logging.Logger, level: int, event: str, told: dict[str, Any]) -> None:
    """Log an event of plain data, whose texts were redacted, at a tenth of what `get_logger`'s events cost.

    For what comes with every request. Where no handler but ours sees it, it is written without a record.

    Args:
        logger: of the standard library, below `gatepost`.
        level: as the standard library counts.
        event: its name.
        told: what else is known.
    """
    if not logger.isEnabledFor(level):
        return
    name = logging.getLevelName(level).lower()
    timestamp = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    line = _Event(event=event, **told, level=name, logger=logger.name, timestamp=timestamp)
    for key, value in structlog.contextvars.get_contextvars().items():
        line.setdefault(key, _clean(key, value))
    handler = _sole_handler(logger)
    if handler is not None and handler.write(line):
        return
    # What `ProcessorFormatter` of an application looks for.
    extra = {"_logger": logger, "_name": name}
    logger.handle(logger.makeRecord(logger.name, level, "", 0, line, (), None, extra=extra))


def configure(
    level: Literal["debug", "info", "warning", "error"] = "info",
    form: Literal["json", "console"] = "console",
    *,
    stream: TextIO | None = None,
) -> None:
    """Render what the process logs; called again, it replaces what it did before.

    Others' loggers stay at info even where Gatepost's say more. The servers' access logs are turned off:
    Gatepost has a line a request of its own, and theirs hold query strings.

    Args:
        level: the least level that is shown.
        form: JSON lines, or text for people with colours on a terminal.
        stream: where to; without one whatever `sys.stderr` is when a line is written.
    """
    threshold = logging.getLevelNamesMapping()[level.upper()]
    handler = _Handler(stream)
    handler.setFormatter(_formatter(form, colors=(stream or sys.stderr).isatty()))
    root = logging.getLogger()
    for former in [h for h in root.handlers if isinstance(h, _Handler)]:
        root.removeHandler(former)
    root.addHandler(handler)
    root.setLevel(max(threshold, logging.INFO))
    logging.getLogger("gatepost").setLevel(threshold)
    for name in _SERVERS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in _ACCESS:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=_OWN,
        wrapper_class=BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def server_config() -> dict[str, Any]:
    """Return what to give a server as its logging configuration, so that it leaves ours alone.

    For `granian.Granian(log_dictconfig=…)` and `uvicorn.run(log_config=…)`.
    """
    quiet: dict[str, Any] = {"handlers": [], "propagate": True}
    loggers = {name: {**quiet, "level": "WARNING"} if name in _ACCESS else dict(quiet) for name in _SERVERS}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {},
        "handlers": {},
        "loggers": loggers,
    }


def redact(text: str) -> str:
    """Return the text without what has the form of a credential, a password or a hash."""
    if _WORD.fullmatch(text):
        return text
    for form, instead in _SECRET_FORMS:
        text = form.sub(instead, text)
    return text


class _Event(dict[str, Any]):
    """An event as the handlers get it: what is not ours to format reads as text."""

    def __str__(self) -> str:
        told = [_escape(str(self.get("event", "")))]
        told += [
            f"{k}={v!r}"
            for k, v in self.items()
            if k not in ("event", "level", "timestamp", "logger", *_TRACEBACKS)
        ]
        return "\n".join([" ".join(told), *(_set_off(self[k]) for k in _TRACEBACKS if k in self)])


class _Handler(logging.StreamHandler[TextIO]):
    """Writes to the stream it was given, or to what `sys.stderr` is at the moment."""

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__(stream)
        self._given = stream

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; the caller holds the handler's lock."""
        self.stream = self._given or sys.stderr
        super().emit(record)

    def write(self, event: _Event) -> bool:
        """Write an event of ours that no other handler sees; say whether that went well."""
        if self.lock is None or not isinstance(self.formatter, _Formatter):
            return False
        try:
            with self.lock:
                stream = self._given or sys.stderr
                stream.write(f"{self.formatter.render(event)}\n")
                stream.flush()
        except Exception:  # the long way runs into it as well, and reports it
            return False
        return True


def _sole_handler(logger: logging.Logger) -> _Handler | None:
    """Return our handler where nobody else sees what a logger says, and no record has to be made for them."""
    found: list[logging.Handler] = []
    each: logging.Logger | None = logger
    while each is not None:
        found += each.handlers
        each = each.parent if each.propagate else None
    if len(found) != 1 or logger.filters or logging.getLogRecordFactory() is not logging.LogRecord:
        return None
    handler = found[0]
    return handler if isinstance(handler, _Handler) and not handler.filters else None


class _Formatter(ProcessorFormatter):
    """Renders events of ours as they are, and what others log after making an event of it."""

    def __init__(self, render: Callable[[EventDict], str]) -> None:
        super().__init__(
            foreign_pre_chain=_COMMON,
            processors=[self.remove_processors_meta, lambda _, __, event: render(event)],
        )
        self.render = render

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record."""
        if isinstance(record.msg, _Event):
            return self.render(record.msg)
        return super().format(record)


def _formatter(form: str, *, colors: bool) -> _Formatter:
    if form == "json":
        return _Formatter(_as_json)
    # Its default shows local variables, and with them passwords.
    renderer = structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)
    return _Formatter(lambda event: renderer(None, "", _escape_event(dict(event))))


_ASCII_JSON = json.JSONEncoder(default=repr, separators=(",", ":")).encode


def _as_json(event: EventDict) -> str:
    """Return an event as JSON in which everything but printable ASCII is escaped."""
    try:
        text = msgspec.json.encode(event, enc_hook=repr).decode()
    except (ValueError, OverflowError):  # a lone surrogate, a number beyond 64 bits
        return _ASCII_JSON(event)
    return text if text.isascii() and "\x7f" not in text else _ASCII_JSON(event)


def _redact_event(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {
        key: value if key in ("_record", "_from_structlog") else _clean(key, value)
        for key, value in event.items()
    }


def _clean(name: str, value: object, depth: int = 0) -> object:
    """Return a value fit for the log: plain data, secrets taken out."""
    if name.lower().replace("-", "_").endswith(_SECRET_NAMES):
        return HIDDEN
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        if depth == 4:
            return "…"
        if isinstance(value, Mapping):
            return {str(k): _clean(str(k), v, depth + 1) for k, v in value.items()}
        return [_clean("", item, depth + 1) for item in value]
    return redact(str(value))


def _escape(text: str) -> str:
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _set_off(traceback: str) -> str:
    """Return a traceback whose lines are told from events by an indent, whatever the error says."""
    return "\n".join(f"    {_escape(line)}" for line in traceback.split("\n"))


def _escape_event(event: EventDict) -> EventDict:
    """Escape what would act on a terminal or begin a line."""
    for key, value in event.items():
        if not isinstance(value, str):
            continue
        if key in _TRACEBACKS:
            event[key] = _set_off(value)
        else:
            event[key] = _escape(value)
    return event


def _for_handlers(
    logger: logging.Logger, name: str, event: EventDict
) -> tuple[tuple[_Event], dict[str, Any]]:
    """Hand an event on as `ProcessorFormatter.wrap_for_formatter` does, and readable by other formatters."""
    # `Logger.exception` would put the error in once more, as it is.
    return (_Event(event),), {"extra": {"_logger": logger, "_name": name}, "exc_info": None}


_COMMON: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
    structlog.processors.format_exc_info,
    _redact_event,
]
_OWN: list[Processor] = [
    structlog.stdlib.filter_by_level,
    structlog.stdlib.PositionalArgumentsFormatter(),
    *_COMMON,
    _for_handlers,
]

"""Events as files have them: CSV for spreadsheets, NDJSON for programs."""

import codecs
import csv
import io
import re
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from gatepost.models import SeenEvent, utc_text

Form: TypeAlias = Literal["csv", "ndjson"]

COLUMNS = (
    "id",
    "at",
    "action",
    "user_id",
    "email",
    "session_id",
    "ip_address",
    "user_agent",
    "detail",
)
"""The fields of an event, as an administrator gets it."""

MEDIA_TYPES: dict[Form, str] = {"csv": "text/csv; charset=utf-8", "ndjson": "application/x-ndjson"}

_BLANKS = ("\t", "\r", "\n")
"""What a cell may not begin with either: some programs read over it (ASVS 1.2.10)."""
# A cell begins where ours does, and where the program that reads the file sets cells apart: in much of Europe
# by semicolons, whatever RFC 4180 says of commas and quotes, elsewhere by tabs or bars, and at line breaks.
# What makes a formula of it counts in full width too: some programs read it as the plain one.
_FORMULA = re.compile(r'(\A|[;|\t\r\n])(?=[ "]*[=+\-@\uff1d\uff0b\uff0d\uff20])')


def seen_event_data(seen: SeenEvent) -> dict[str, Any]:
    """Return an event as the admin API has it."""
    fields = {name: getattr(seen.event, name) for name in COLUMNS if name != "email"}
    return {name: seen.email if name == "email" else fields[name] for name in COLUMNS}


def head(form: Form) -> bytes:
    """Return what a file begins with; CSV with the mark by which spreadsheets know UTF-8."""
    return codecs.BOM_UTF8 + _csv([COLUMNS]) if form == "csv" else b""


def lines(events: Sequence[SeenEvent], form: Form) -> bytes:
    """Return a line for each event, ended by CR LF in CSV (RFC 4180) and by LF in NDJSON."""
    found = [seen_event_data(seen) for seen in events]
    if form == "ndjson":
        return msgspec.json.Encoder().encode_lines(found)
    return _csv([[_cell(value) for value in data.values()] for data in found])


def _csv(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8", "replace")


def _cell(value: object) -> str:
    """Return a cell that a spreadsheet takes for text: what strangers sent must not be a formula to it."""
    if value is None:
        return ""
    if isinstance(value, dict):
        text = msgspec.json.encode(value).decode()
    else:
        text = utc_text(value) if hasattr(value, "astimezone") else str(value)  # type: ignore[arg-type]  # a time
    return ("'" if text.startswith(_BLANKS) else "") + _FORMULA.sub(r"\1'", text)

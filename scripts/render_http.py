"""Write the reference pages that have one source each: the API, its errors, the audit trail.

python scripts/render_http.py           writes them
python scripts/render_http.py --check   writes nothing; exit code 1 where one is out of date

docs/reference/http.md comes from the OpenAPI document, errors.md from the tree in `gatepost.errors` and its
statuses, audit.md from `AuditAction`, the actions of features and `EndReason`.
"""

import argparse
import ast
import asyncio
import inspect
import json
import sys
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import httpx

import gatepost.cli  # noqa: F401 - the commands have errors of their own
from gatepost import errors, models
from gatepost.app import create_app
from gatepost.features import FEATURES
from gatepost.settings.feature import settings_of
from gatepost.texts import Text

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs/reference"

_NOTE = "<!-- Written by scripts/render_http.py from {source}: change it there. -->\n"

_HTTP_HEAD = """\
# HTTP API

{note}
Every endpoint with its input and answers. [Working with the API](../http.md) explains how they
work together, and [Errors](errors.md) what each code means. A running server has the OpenAPI document at
`/api/auth/openapi.json` and, outside production, an interactive page at `/api/auth/docs`.

| Endpoint | | Session |
|---|---|---|
{rows}"""

_ERRORS_HEAD = """\
# Errors

{note}
Every error has the same envelope:

```json
{example}
```

- `error.code` is for programs and never changes its meaning. `message` is for people.
- `error.fields`, with 422 and `conflict`, has one sentence per field.
- `error.hint`, only in development, names the setting or command that helps.
- The header `X-Request-ID`, on every answer, identifies the request in the log.
- A 401 has `WWW-Authenticate: Bearer`; for an invalid token also `error="invalid_token"`, with the code
  as its description (RFC 6750). 429 and 503 have `Retry-After` in whole seconds.

## Over HTTP

| Code | Status | When | Message |
|---|---|---|---|
"""

_ERRORS_SETUP = """
Only pages answer with `form_expired`, never the API. Any other status from the framework has a code that is
made from its name.

## At the start and on the command line

These stop `gatepost serve` and other commands with exit code 1 and a message on the terminal. They are
never sent over HTTP.

| Code | When |
|---|---|
"""

_AUDIT_HEAD = """\
# Audit trail

{note}
Every action of the API and the commands, including refused ones, is a row in `auth_events`. The
table is append-only: a trigger refuses UPDATE, DELETE and TRUNCATE, and the server's role [has no right
to them](../database.md#rights). When a user deletes their account, the events are kept [without e-mail,
address and user agent](../decisions/0023-erasing-an-account.md).

Users see their own events at [`GET /api/auth/events`](http.md#get-apiauthevents). Operators see all of
them with [`gatepost events`](../commands.md#events) or [in SQL](../database.md#auth_events). [A decision
record](../decisions/0013-audit-trail.md) says what is recorded and what isn't.

## Actions

The values of `action`, and the keys of `detail` for each. If a command on the server did it, `detail`
also has `"by": "command"`.

| Action | What happened | `detail` |
|---|---|---|
"""

_AUDIT_REASONS = """
## Reasons

What `user_sessions.end_reason` and `detail.reason` of an ended session may hold.

| Reason | What ended the session |
|---|---|
"""

_FLAG = "`changed`: false where there was nothing to do"
_CHANGED = f"{_FLAG}; `admin_id` where it was done over HTTP"
_DETAIL: dict[str, str] = {
    models.AuditAction.USER_REGISTERED: "`invitation` where one was used",
    models.AuditAction.USER_REGISTRATION_REFUSED: "`reason`, `email`",
    models.AuditAction.USER_PROMOTED: _CHANGED,
    models.AuditAction.USER_DEMOTED: _CHANGED,
    models.AuditAction.USER_DISABLED: _CHANGED,
    models.AuditAction.USER_ENABLED: _CHANGED,
    models.AuditAction.USER_PASSWORD_SET: f"{_CHANGED}; `temporary`: true where it must be changed",
    models.AuditAction.USER_DELETED: _CHANGED,
    models.AuditAction.PASSWORD_CHANGED: "`verb`: `login` and `temporary` where it was done at a sign-in",
    models.AuditAction.LOGIN_FAILED: (
        "`email`; `reason`: `unknown_user`, `no_password`, `wrong_password`, `locked`, `user_disabled`, "
        "`temporary_password_expired`, `password_change_required`, `corrupt_hash`, `unsupported_hash` "
        "or `changed_meanwhile`"
    ),
    models.AuditAction.FACTOR_ENROLLED: "`method`",
    models.AuditAction.FACTOR_REMOVED: "`method`",
    models.AuditAction.FACTORS_RESET: "`methods`, `reason`; `admin_id` where it was done over HTTP",
    models.AuditAction.RECOVERY_CODE_USED: "`left`",
    models.AuditAction.SESSION_REFRESHED: "`successor`",
    models.AuditAction.SESSION_REVOKED: "`reason`; `sessions` where it was ended by its id",
    models.AuditAction.SESSIONS_REVOKED_ALL: (
        "`reason`, `sessions`; `admin_id` where one did it over HTTP, `kept_session` where one was left"
    ),
    models.AuditAction.SESSION_REFUSED: (
        "`code` of the [error](errors.md); `verb`: `refresh`, `revoke`, `revoke_all`, `revoke_others`, "
        "`confirm`, `change_password`, `rename`, `change_email` or `erase`"
    ),
    models.AuditAction.ACCESS_DENIED: (
        "`code` of the [error](errors.md); `verb`; `wanted_session` or `wanted_user` where one was named"
    ),
    models.AuditAction.USER_UNLOCKED: "`admin_id` where it was done over HTTP",
    models.AuditAction.PASSWORD_REFUSED: (
        "`verb`: `confirm`, `change_password`, `change_email` or `erase`; `reason`, as `login.failed` has it "
        "or `wrong_code`; `method` of a code"
    ),
    models.AuditAction.USER_ERASED: "`events`: how many there are of the user",
    models.AuditAction.SESSION_CONFIRMED: "`successor`",
    models.AuditAction.SESSION_REPLAYED: (
        "`reason`, `sessions`; `replayed_session`, and the `successor` that was live, with its `successor_ip`"
    ),
    models.AuditAction.THROTTLED: "`bucket`, `verb`",
    models.AuditAction.REFUSALS_COUNTED: (
        "`action` that each would be; `refusals`; `since`; `address` or network that they came from"
    ),
    models.AuditAction.USER_EMAIL_CHANGED: "`email`: the former one",
    models.AuditAction.THROTTLES_CLEARED: "`buckets`; `email`, `address` or `all`",
    models.AuditAction.CROSS_ORIGIN_REFUSED: "`method`, `path`, `origin`",
    models.AuditAction.EVENTS_PURGED: "`before`, `events`",
    models.AuditAction.SESSIONS_ENDED: (
        "`filter`, `sessions`, `users`; `admin_id` where it was done over HTTP"
    ),
    models.AuditAction.EVENTS_EXPORTED: "`filter`, `format`; `admin_id` where it was done over HTTP",
    models.AuditAction.CLEANUP_RUN: "`sessions_expired`, `sessions_purged`",
    models.AuditAction.COMMAND_FAILED: "`command`; `code`; what it was asked about, such as `user`",
    models.AuditAction.SCHEMA_MIGRATED: "`version`",
}

_REASONS = {
    models.EndReason.EXPIRED: "It reached `expires_at`; housekeeping wrote it down.",
    models.EndReason.LOGOUT: "Its owner logged out.",
    models.EndReason.LOGOUT_ALL: "Its owner logged out everywhere.",
    models.EndReason.REFRESHED: "Its token was replaced; `replaced_by` names the session that goes on.",
    models.EndReason.REVOKED: "Its owner ended it from another session, or an administrator did.",
    models.EndReason.USER_DISABLED: "Its owner was disabled.",
    models.EndReason.PASSWORD_SET: "An administrator set another password.",
    models.EndReason.PASSWORD_CHANGED: "Its owner changed the password.",
    models.EndReason.EMAIL_CHANGED: "Its owner changed the e-mail.",
    models.EndReason.FACTOR_CHANGED: "Its owner, or an administrator, changed the second factors.",
    models.EndReason.REPLAYED: "A token came back that a refresh had replaced long ago: somebody has a copy.",
    models.EndReason.LIMIT: "It was the oldest when more than `MAX_SESSIONS_PER_USER` were started.",
    models.EndReason.SIGNED_IN_AGAIN: "Its browser signed in anew.",
    models.EndReason.IMPERSONATOR: "Somebody else had it in place of its user, and their own ended.",
    models.EndReason.SQL: "Somebody set `is_active` to false in SQL without a reason of their own.",
}


# --- The API ---


def openapi() -> dict[str, Any]:
    """Return the document that a server with default settings serves."""

    async def asked() -> dict[str, Any]:
        app = create_app(settings_of(FEATURES).load(env_file=None, environment="development"))
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://gatepost"
        ) as client:
            answer = await client.get("/api/auth/openapi.json")
            document: dict[str, Any] = answer.raise_for_status().json()
            return document

    return asyncio.run(asked())


def http_page() -> str:
    """Return the text of docs/reference/http.md."""
    document = openapi()
    operations = list(_operations(document))
    rows = "".join(
        f"| [`{method} {path}`](#{_anchor(method, path)}) | {operation['summary']} "
        f"| {_session_wanted(operation)} |\n"
        for method, path, operation in operations
    )
    head = _HTTP_HEAD.format(note=_NOTE.format(source="the OpenAPI document"), rows=rows)
    return head + "".join(_operation(document, *each) for each in operations)


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def _anchor(method: str, path: str) -> str:
    """Return the anchor that Python-Markdown gives the heading of an operation."""
    kept = "".join(c for c in f"{method} {path}".lower() if c.isalnum() or c in " -_")
    return "-".join(kept.split())


def _session_wanted(operation: Mapping[str, Any]) -> str:
    if not operation.get("security"):
        return "none"
    codes = {code for _, code in _documented_errors(operation)}
    return "an administrator's" if errors.AdminRequired.code in codes else "yes"


def _operation(document: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]) -> str:
    parts = [f"\n## {method} {path}\n", f"{operation['summary']}. {operation['description']}\n"]
    if operation.get("security"):
        parts.append("Header: `Authorization: Bearer <session_token>`\n")
    if parameters := operation.get("parameters"):
        parts.append(_parameters(document, parameters))
    if body := operation.get("requestBody"):
        parts.append(_request(document, body["content"]["application/json"]["schema"]))
    status, response = next((s, r) for s, r in operation["responses"].items() if s.startswith("2"))
    content = response.get("content", {})
    if content and "application/json" not in content:
        for media_type, shown in content.items():
            parts.append(f"Answer, {status}, `{media_type}`:\n\n```text\n{shown['example'].strip()}\n```\n")
    elif content:
        parts.append(f"Answer, {status}:\n\n{_json(content['application/json']['example'])}")
    else:
        parts.append(f"Answer, {status}, without a body. {response['description']}\n")
    if headers := response.get("headers"):
        parts.append(_headers(headers))
    told = (f"`{code}` {status}" for status, code in _documented_errors(operation))
    parts.append("[Errors](errors.md): " + ", ".join(told))
    return "\n".join(parts) + "\n"


def _parameters(document: Mapping[str, Any], parameters: list[dict[str, Any]]) -> str:
    rows = "".join(
        f"| `{each['name']}` | {each['in']} | {_type(document, each['schema'])} | {each['description']} |\n"
        for each in parameters
    )
    return f"| Parameter | In | Accepted | |\n|---|---|---|---|\n{rows}"


def _headers(headers: Mapping[str, Any]) -> str:
    rows = "".join(f"| `{name}` | {header['description']} |\n" for name, header in headers.items())
    return f"| Header of the answer | |\n|---|---|\n{rows}"


def _request(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    model = _resolved(document, schema)
    example = {name: field["examples"][0] for name, field in model["properties"].items()}
    rows = "".join(
        f"| `{name}` | {_type(document, field)} | {'yes' if name in model.get('required', ()) else 'no'} |\n"
        for name, field in model["properties"].items()
    )
    return f"Body:\n\n{_json(example)}\n| Field | Accepted | Required |\n|---|---|---|\n{rows}"


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    name = schema["$ref"].rpartition("/")[2]
    model: dict[str, Any] = document["components"]["schemas"][name]
    return model


def _merged(document: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema with what it refers to, if it does."""
    return {**(_resolved(document, schema) if "$ref" in schema else {}), **schema}


_KINDS = {
    "string": "text",
    "integer": "a whole number",
    "boolean": "true or false",
    "object": "an object",
}


def _type(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """Say in words what a simple schema accepts."""
    schema = _merged(document, schema)
    for choice in schema.get("anyOf", ()):
        if choice.get("type") != "null":
            return _type(document, choice)
    if schema.get("title") == "UserId":
        return "the id of a user: a number or a string, as the column `users.id` has it"
    kind = _KINDS[schema["type"]]
    if "enum" in schema:
        kind = "one of " + ", ".join(f"`{choice}`" for choice in schema["enum"])
    if "minimum" in schema:
        kind += f" from {schema['minimum']} to {schema['maximum']}"
    if "maxLength" in schema:
        least = schema.get("minLength")
        kind += f" of {least} to" if least else " of at most"
        kind += f" {schema['maxLength']} characters"
    if schema.get("format") == "email":
        kind = f"an e-mail address, {kind}"
    return f"{kind}; {schema['default']} where left out" if "default" in schema else kind


def _documented_errors(operation: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the status and code of every error that an operation documents, by status."""
    return [
        (status, code)
        for status, response in sorted(operation["responses"].items())
        for code in response.get("content", {}).get("application/json", {}).get("examples", ())
    ]


def _json(value: object) -> str:
    return f"```json\n{json.dumps(value, indent=2, ensure_ascii=False)}\n```\n"


# --- Errors ---


def leaves(root: type[errors.GatepostError]) -> Iterator[type[errors.GatepostError]]:
    """Yield every error below one that has a code, in the order in which they are written."""
    for kind in root.__subclasses__():
        if "code" in vars(kind):
            yield kind
        yield from leaves(kind)


def _message(kind: type[errors.GatepostError]) -> str:
    return str(kind.standard()).replace("<", "&lt;")


def errors_page() -> str:
    """Return the text of docs/reference/errors.md."""
    problem = str(Text("field.too_short", count=8))
    example = {
        "data": None,
        "message": str(errors.ValidationFailed.standard()),
        "success": False,
        "error": {
            "code": errors.ValidationFailed.code,
            "fields": {"password": problem},
        },
    }
    ours = [kind for kind in leaves(errors.GatepostError) if not issubclass(kind, errors.SetupError)]
    over_http = "".join(
        f"| `{kind.code}` | {kind.status} | {_sentence(kind)} | {_message(kind)} |\n"
        for kind in sorted(ours, key=lambda kind: kind.status)
    )
    setup = "".join(f"| `{kind.code}` | {_sentence(kind)} |\n" for kind in leaves(errors.SetupError))
    head = _ERRORS_HEAD.format(
        note=_NOTE.format(source="gatepost.errors"), example=json.dumps(example, indent=2)
    )
    return head + over_http + _ERRORS_SETUP + setup


def _sentence(kind: type[errors.GatepostError]) -> str:
    return (inspect.getdoc(kind) or "").partition("\n")[0]


# --- The audit trail ---


def audit_page() -> str:
    """Return the text of docs/reference/audit.md."""
    kinds: list[type[models.Action]] = [models.AuditAction]
    kinds += [each.actions for each in FEATURES if each.actions is not None]
    actions = "".join(
        f"| `{action}` | {sentence} | {detail or _DETAIL.get(action, '')} |\n"
        for kind in kinds
        for action, (sentence, detail) in documented_members(kind).items()
    )
    reasons = "".join(f"| `{reason}` | {_REASONS[reason]} |\n" for reason in models.EndReason)
    head = _AUDIT_HEAD.format(note=_NOTE.format(source="gatepost.models"))
    return head + actions + _AUDIT_REASONS + reasons


def documented_members(enum: type[StrEnum]) -> dict[str, tuple[str, str]]:
    """Return what its source says below each member of an enum, and after a blank line, by the value."""
    [definition] = ast.parse(inspect.getsource(enum)).body
    if not isinstance(definition, ast.ClassDef):
        raise TypeError(f"{enum} is no class")
    found: dict[str, tuple[str, str]] = {}
    for assigned, note in zip(definition.body, definition.body[1:], strict=False):
        match assigned, note:
            case ast.Assign(targets=[ast.Name(id=name)]), ast.Expr(value=ast.Constant(value=str(text))):
                meaning, _, more = text.partition("\n\n")
                found[enum[name].value] = " ".join(meaning.split()), " ".join(more.split())
    return found


def main() -> int:
    """Write the files, or check them; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing, tell what is out of date")
    check = parser.parse_args().check
    files = {
        REFERENCE / "http.md": http_page(),
        REFERENCE / "errors.md": errors_page(),
        REFERENCE / "audit.md": audit_page(),
    }
    stale = [file for file, text in files.items() if not file.exists() or file.read_text("utf-8") != text]
    for file in stale:
        if check:
            sys.stderr.write(f"{file.relative_to(ROOT)} is out of date: run scripts/render_http.py\n")
        else:
            file.write_text(files[file], "utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())

"""The OpenAPI document: what it says is what is answered, all of it."""

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema_rs
import pytest
from fastapi import FastAPI
from tests.conftest import MakeSettings, MovableClock, bearer, login, register, serving
from tests.features.authenticators import App
from tests.features.passkeys_by import Device
from tests.http.conftest import Database, Standing
from tests.summed import PAGES, STATUS

from gatepost import errors
from gatepost.app import create_app
from gatepost.features import FEATURES
from gatepost.features.setup.service import Setup
from gatepost.http.as_get import Handshakes
from gatepost.library import Gatepost
from gatepost.security import policy
from gatepost.settings.feature import settings_of

OPERATIONS = {
    "register": (
        "POST",
        "/api/auth/register",
        {201, 202, 400, 401, 403, 408, 409, 413, 415, 422, 429, 500, 503},
    ),
    "setup": ("POST", "/api/auth/setup", {201, 400, 401, 403, 408, 409, 413, 415, 422, 429, 500, 503}),
    "login": ("POST", "/api/auth/login", {200, 400, 401, 403, 408, 409, 413, 415, 422, 429, 500, 503}),
    "answer_factor": (
        "POST",
        "/api/auth/login/factor",
        {200, 400, 401, 403, 408, 409, 413, 415, 422, 429, 500, 503},
    ),
    "factor_options": (
        "POST",
        "/api/auth/login/factor/options",
        {200, 400, 401, 403, 408, 413, 415, 422, 429, 500, 503},
    ),
    "me": ("GET", "/api/auth/me", {200, 401, 403, 500, 503}),
    "update_me": ("PATCH", "/api/auth/me", {200, 400, 401, 403, 408, 409, 413, 415, 422, 500, 503}),
    "delete_me": ("DELETE", "/api/auth/me", {200, 400, 401, 403, 408, 409, 413, 415, 422, 429, 500, 503}),
    "verify": ("GET", "/api/auth/verify", {204, 401, 403, 422, 500, 503}),
    "verify_for_envoy": ("GET", "/api/auth/verify/envoy", {200, 401, 403, 422, 500, 503}),
    "refresh": ("POST", "/api/auth/refresh", {200, 401, 403, 408, 413, 415, 429, 500, 503}),
    "logout": ("POST", "/api/auth/logout", {200, 401, 403, 408, 413, 415, 500, 503}),
    "logout_all": ("POST", "/api/auth/logout-all", {200, 401, 403, 408, 413, 415, 500, 503}),
    "logout_others": ("POST", "/api/auth/logout-others", {200, 401, 403, 408, 413, 415, 500, 503}),
    "sessions": ("GET", "/api/auth/sessions", {200, 401, 403, 422, 500, 503}),
    "revoke_session": (
        "DELETE",
        "/api/auth/sessions/{id}",
        {200, 401, 403, 404, 408, 413, 415, 422, 500, 503},
    ),
    "change_password": (
        "POST",
        "/api/auth/password",
        {200, 400, 401, 403, 408, 409, 413, 415, 422, 429, 500, 503},
    ),
    "remove_password": (
        "DELETE",
        "/api/auth/password",
        {200, 401, 403, 404, 408, 409, 413, 415, 500, 503},
    ),
    "confirm": ("POST", "/api/auth/confirm", {200, 400, 401, 403, 408, 413, 415, 422, 429, 500, 503}),
    "factors": ("GET", "/api/auth/factors", {200, 401, 403, 500, 503}),
    "begin_totp": ("POST", "/api/auth/factors/totp", {200, 401, 403, 404, 408, 413, 415, 500, 503}),
    "confirm_totp": (
        "POST",
        "/api/auth/factors/totp/confirm",
        {200, 400, 401, 403, 404, 408, 413, 415, 422, 500, 503},
    ),
    "remove_totp": ("DELETE", "/api/auth/factors/totp", {200, 401, 403, 404, 408, 409, 413, 415, 500, 503}),
    "passkey_login_options": (
        "POST",
        "/api/auth/login/passkey/options",
        {200, 404, 408, 413, 415, 429, 500, 503},
    ),
    "login_by_passkey": (
        "POST",
        "/api/auth/login/passkey",
        {200, 400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 503},
    ),
    "passkeys": ("GET", "/api/auth/factors/passkeys", {200, 401, 403, 500, 503}),
    "begin_passkey": (
        "POST",
        "/api/auth/factors/passkeys/options",
        {200, 401, 403, 404, 408, 413, 415, 500, 503},
    ),
    "add_passkey": (
        "POST",
        "/api/auth/factors/passkeys",
        {200, 400, 401, 403, 404, 408, 413, 415, 422, 500, 503},
    ),
    "rename_passkey": (
        "PATCH",
        "/api/auth/factors/passkeys/{id}",
        {200, 400, 401, 403, 404, 408, 413, 415, 422, 500, 503},
    ),
    "passkey_sign_up_options": (
        "POST",
        "/api/auth/register/passkey/options",
        {200, 400, 404, 408, 413, 415, 422, 429, 500, 503},
    ),
    "remove_passkey": (
        "DELETE",
        "/api/auth/factors/passkeys/{id}",
        {200, 401, 403, 404, 408, 409, 413, 415, 422, 500, 503},
    ),
    "make_recovery_codes": (
        "POST",
        "/api/auth/factors/recovery-codes",
        {200, 401, 403, 404, 408, 413, 415, 500, 503},
    ),
    "reset_factors": (
        "DELETE",
        "/api/auth/admin/users/{id}/factors",
        {200, 400, 401, 403, 404, 408, 409, 413, 415, 422, 500, 503},
    ),
    "confirm_options": (
        "POST",
        "/api/auth/confirm/options",
        {200, 400, 401, 403, 408, 413, 415, 422, 429, 500, 503},
    ),
    "forgot_password": (
        "POST",
        "/api/auth/password/forgot",
        {202, 400, 403, 404, 408, 413, 415, 422, 429, 500, 503},
    ),
    "send_password_reset": (
        "POST",
        "/api/auth/admin/users/{id}/password-reset",
        {202, 401, 403, 404, 408, 409, 413, 415, 422, 500, 503},
    ),
    "reset_password": (
        "POST",
        "/api/auth/password/reset",
        {200, 400, 404, 408, 409, 413, 415, 422, 429, 500, 503},
    ),
    "confirm_email": (
        "POST",
        "/api/auth/email/confirm",
        {200, 400, 404, 408, 409, 413, 415, 422, 429, 500, 503},
    ),
    "undo_email": (
        "POST",
        "/api/auth/email/undo",
        {200, 400, 404, 408, 409, 413, 415, 422, 429, 500, 503},
    ),
    "verify_email": (
        "POST",
        "/api/auth/email/verify",
        {200, 201, 400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 503},
    ),
    "send_verification": (
        "POST",
        "/api/auth/email/verification",
        {202, 401, 403, 404, 408, 413, 415, 429, 500, 503},
    ),
    "login_by_email": (
        "POST",
        "/api/auth/login/email",
        {202, 400, 403, 404, 408, 413, 415, 422, 429, 500, 503},
    ),
    "finish_login_by_email": (
        "POST",
        "/api/auth/login/email/finish",
        {200, 201, 400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 503},
    ),
    "change_email": (
        "POST",
        "/api/auth/email",
        {200, 202, 400, 401, 403, 408, 409, 413, 415, 422, 429, 500, 503},
    ),
    "export": ("GET", "/api/auth/export", {200, 401, 403, 500, 503}),
    "events": ("GET", "/api/auth/events", {200, 401, 403, 422, 500, 503}),
    "cleanup": ("POST", "/api/auth/cleanup", {200, 401, 403, 408, 413, 415, 500, 503}),
    "overview": ("GET", "/api/auth/admin/overview", {200, 401, 403, 422, 500, 503}),
    "find_users": ("GET", "/api/auth/admin/users", {200, 401, 403, 422, 500, 503}),
    "get_user": ("GET", "/api/auth/admin/users/{id}", {200, 401, 403, 404, 422, 500, 503}),
    "disable_user": (
        "POST",
        "/api/auth/admin/users/{id}/disable",
        {200, 401, 403, 404, 408, 409, 413, 415, 422, 500, 503},
    ),
    "enable_user": (
        "POST",
        "/api/auth/admin/users/{id}/enable",
        {200, 401, 403, 404, 408, 409, 413, 415, 422, 500, 503},
    ),
    "promote_user": (
        "POST",
        "/api/auth/admin/users/{id}/promote",
        {200, 401, 403, 404, 408, 409, 413, 415, 422, 500, 503},
    ),
    "demote_user": (
        "POST",
        "/api/auth/admin/users/{id}/demote",
        {200, 401, 403, 404, 408, 409, 413, 415, 422, 500, 503},
    ),
    "unlock_user": (
        "POST",
        "/api/auth/admin/users/{id}/unlock",
        {200, 401, 403, 404, 408, 409, 413, 415, 422, 500, 503},
    ),
    "end_address_sessions": (
        "POST",
        "/api/auth/admin/addresses/{address}/end-sessions",
        {200, 400, 401, 403, 408, 409, 413, 415, 422, 500, 503},
    ),
    "lift_address_throttles": (
        "DELETE",
        "/api/auth/admin/addresses/{address}/throttles",
        {200, 400, 401, 403, 404, 408, 413, 415, 422, 500, 503},
    ),
    "address_overview": (
        "GET",
        "/api/auth/admin/addresses/{address}",
        {200, 400, 401, 403, 422, 500, 503},
    ),
    "list_blocks": ("GET", "/api/auth/admin/blocks", {200, 401, 403, 422, 500, 503}),
    "block_network": (
        "POST",
        "/api/auth/admin/blocks",
        {201, 400, 401, 403, 408, 409, 413, 415, 422, 500, 503},
    ),
    "lift_block": (
        "DELETE",
        "/api/auth/admin/blocks/{id}",
        {200, 401, 403, 404, 408, 413, 415, 422, 500, 503},
    ),
    "create_invitation": (
        "POST",
        "/api/auth/admin/invitations",
        {201, 400, 401, 403, 408, 409, 413, 415, 422, 500, 503},
    ),
    "invitations": ("GET", "/api/auth/admin/invitations", {200, 401, 403, 422, 500, 503}),
    "revoke_invitation": (
        "DELETE",
        "/api/auth/admin/invitations/{id}",
        {200, 401, 403, 404, 408, 413, 415, 422, 500, 503},
    ),
    "admin_sessions": ("GET", "/api/auth/admin/sessions", {200, 401, 403, 422, 500, 503}),
    "admin_revoke_session": (
        "DELETE",
        "/api/auth/admin/sessions/{id}",
        {200, 401, 403, 404, 408, 413, 415, 422, 500, 503},
    ),
    "admin_end_sessions": (
        "POST",
        "/api/auth/admin/sessions/end",
        {200, 400, 401, 403, 408, 409, 413, 415, 422, 500, 503},
    ),
    "admin_events": ("GET", "/api/auth/admin/events", {200, 401, 403, 422, 500, 503}),
    "export_events": ("GET", "/api/auth/admin/events/export", {200, 401, 403, 422, 500, 503}),
    "live_events": ("GET", "/api/auth/admin/events/live", {200, 401, 403, 422, 429, 500, 503}),
    "logout_user": (
        "POST",
        "/api/auth/admin/users/{id}/logout-all",
        {200, 401, 403, 404, 408, 409, 413, 415, 422, 500, 503},
    ),
    "set_temporary_password": (
        "POST",
        "/api/auth/admin/users/{id}/temporary-password",
        {200, 401, 403, 404, 408, 409, 413, 415, 422, 500, 503},
    ),
    "delete_user": (
        "DELETE",
        "/api/auth/admin/users/{id}",
        {200, 401, 403, 404, 408, 409, 413, 415, 422, 500, 503},
    ),
}
"""Names that clients are generated from: a change of one breaks them."""

STREAMED = {
    "export_events": {"text/csv", "application/x-ndjson"},
    "live_events": {"text/event-stream"},
}
"""Operations whose success is no JSON document."""

PUBLIC = {
    ("POST", "/api/auth/register"),
    ("POST", "/api/auth/setup"),
    ("POST", "/api/auth/login"),
    ("POST", "/api/auth/password/forgot"),
    ("POST", "/api/auth/password/reset"),
    ("POST", "/api/auth/email/confirm"),
    ("POST", "/api/auth/email/undo"),
    ("POST", "/api/auth/email/verify"),
    ("POST", "/api/auth/login/email"),
    ("POST", "/api/auth/login/email/finish"),
    ("POST", "/api/auth/login/factor"),
    ("POST", "/api/auth/login/factor/options"),
    ("POST", "/api/auth/login/passkey"),
    ("POST", "/api/auth/login/passkey/options"),
    ("POST", "/api/auth/register/passkey/options"),
    ("GET", "/api/auth/openapi.json"),
    ("HEAD", "/api/auth/openapi.json"),
}
PUBLIC_PAGES = {
    ("GET", "/auth/sign-up/passkey"),
    ("HEAD", "/auth/sign-up/passkey"),
    ("POST", "/auth/sign-up/passkey"),
    ("GET", "/auth/sign-up/passkey/options"),
    ("HEAD", "/auth/sign-up/passkey/options"),
    ("POST", "/auth/sign-up/passkey/options"),
    ("GET", "/"),
    ("HEAD", "/"),
    ("GET", "/.well-known/change-password"),
    ("HEAD", "/.well-known/change-password"),
    ("GET", "/.well-known/webauthn"),
    ("HEAD", "/.well-known/webauthn"),
    ("GET", "/favicon.ico"),
    ("HEAD", "/favicon.ico"),
    ("GET", "/auth"),
    ("HEAD", "/auth"),
    ("GET", "/auth/"),
    ("HEAD", "/auth/"),
    ("GET", "/auth/assets/{path:path}"),
    ("HEAD", "/auth/assets/{path:path}"),
    ("GET", "/auth/icon"),
    ("HEAD", "/auth/icon"),
    ("GET", "/auth/language"),
    ("HEAD", "/auth/language"),
    ("POST", "/auth/language"),
    ("GET", "/auth/sign-in"),
    ("HEAD", "/auth/sign-in"),
    ("POST", "/auth/sign-in"),
    ("POST", "/auth/sign-in/factor"),
    ("POST", "/auth/sign-in/passkey"),
    ("POST", "/auth/sign-in/passkey/options"),
    ("POST", "/auth/sign-in/new-password"),
    ("GET", "/auth/sign-up"),
    ("HEAD", "/auth/sign-up"),
    ("POST", "/auth/sign-up"),
    ("POST", "/auth/sign-out"),
    ("GET", "/auth/forgot-password"),
    ("HEAD", "/auth/forgot-password"),
    ("POST", "/auth/forgot-password"),
    ("GET", "/auth/reset-password"),
    ("HEAD", "/auth/reset-password"),
    ("POST", "/auth/reset-password"),
    ("GET", "/auth/confirm-email"),
    ("HEAD", "/auth/confirm-email"),
    ("POST", "/auth/confirm-email"),
    ("GET", "/auth/undo-email"),
    ("HEAD", "/auth/undo-email"),
    ("POST", "/auth/undo-email"),
    ("GET", "/auth/verify-email"),
    ("HEAD", "/auth/verify-email"),
    ("POST", "/auth/verify-email"),
    ("GET", "/auth/finish-sign-up"),
    ("HEAD", "/auth/finish-sign-up"),
    ("POST", "/auth/finish-sign-up"),
    ("GET", "/auth/sign-in/email"),
    ("HEAD", "/auth/sign-in/email"),
    ("POST", "/auth/sign-in/email"),
    ("GET", "/auth/sign-in/email/finish"),
    ("HEAD", "/auth/sign-in/email/finish"),
    ("POST", "/auth/sign-in/email/finish"),
    ("GET", "/auth/setup"),
    ("HEAD", "/auth/setup"),
    ("POST", "/auth/setup"),
}
PUBLIC_OUTSIDE_PRODUCTION = {
    ("GET", "/api/auth/docs"),
    ("GET", "/api/auth/docs/{digest}/{name}"),
}

OPEN = {
    "register",
    "setup",
    "login",
    "answer_factor",
    "factor_options",
    "passkey_login_options",
    "login_by_passkey",
    "passkey_sign_up_options",
    "forgot_password",
    "reset_password",
    "confirm_email",
    "undo_email",
    "verify_email",
    "login_by_email",
    "finish_login_by_email",
}

ElementsOf = Iterator[tuple[str, str, dict[str, Any]]]


@pytest.fixture
async def document(standing: Standing) -> dict[str, Any]:
    response = await standing.client.get("/api/auth/openapi.json")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    found: dict[str, Any] = response.json()
    return found


def operations(document: dict[str, Any]) -> ElementsOf:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def answers(document: dict[str, Any]) -> Iterator[tuple[str, int, dict[str, Any]]]:
    for _, _, operation in operations(document):
        for status, answer in operation["responses"].items():
            yield operation["operationId"], int(status), answer


def validate(document: dict[str, Any], schema: dict[str, Any], value: object) -> None:
    components = {"components": document["components"]}
    jsonschema_rs.Draft202012Validator(schema | components, validate_formats=True).validate(value)


# --- What is there ---


def test_the_operations_are_these(document: dict[str, Any]) -> None:
    found = {
        operation["operationId"]: (method, path, {int(status) for status in operation["responses"]})
        for method, path, operation in operations(document)
    }
    assert found == OPERATIONS


def test_every_operation_says_what_it_does(document: dict[str, Any]) -> None:
    for _, _, operation in operations(document):
        assert operation["summary"]
        assert operation["description"]
        assert len(operation["tags"]) == 1


def test_every_answer_with_a_body_has_a_schema_and_an_example(document: dict[str, Any]) -> None:
    for name, status, answer in answers(document):
        if status == 204 or (name == "verify_for_envoy" and status == 200):
            assert "content" not in answer, name
        elif status == 200 and name in STREAMED:
            assert set(answer["content"]) == STREAMED[name]
            assert all(each["schema"] == {"type": "string"} for each in answer["content"].values())
            assert all(each["example"] for each in answer["content"].values())
        else:
            (content,) = answer["content"].values()
            assert list(answer["content"]) == ["application/json"]
            assert content["schema"]["$ref"], name
            assert ("example" in content) == (status < 400), name
            assert ("examples" in content) == (status >= 400), name


def test_every_example_fits_its_schema(document: dict[str, Any]) -> None:
    for _, _, answer in answers(document):
        for content in answer.get("content", {}).values():
            if "example" in content and content["schema"] == {"type": "string"}:
                continue  # as text it always fits
            shown = [example["value"] for example in content.get("examples", {}).values()]
            for value in [*shown, *([content["example"]] if "example" in content else [])]:
                validate(document, content["schema"], value)


def test_every_field_of_a_body_has_an_example_that_fits_it(document: dict[str, Any]) -> None:
    bodies = [o["requestBody"] for _, _, o in operations(document) if "requestBody" in o]
    assert len(bodies) == 28
    for body in bodies:
        schema = body["content"]["application/json"]["schema"]
        component = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        properties = component["properties"]
        required = {name for name, field in properties.items() if "default" not in field}
        required |= set(
            component.get("anyOf", [{"required": ()}])[0]["required"]
        )  # of a password or a method
        example = {name: properties[name]["examples"][0] for name in required}
        validate(document, schema, example)
        assert body["required"]


def test_what_is_null_in_an_example_is_there(document: dict[str, Any]) -> None:
    content = document["paths"]["/api/auth/logout"]["post"]["responses"]["200"]["content"]
    assert content["application/json"]["example"] == {
        "data": None,
        "message": "Logout successful",
        "success": True,
    }


def test_an_envelope_has_all_of_its_fields_always(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        if "Envelope" in name:
            expected = {"data", "message", "success"} | ({"error"} if "Error" in name else set())
            assert set(schema["required"]) == set(schema["properties"]) == expected


def test_a_failed_validation_names_fields_of_the_operation(document: dict[str, Any]) -> None:
    for _, _, operation in operations(document):
        if "422" not in operation["responses"]:
            continue
        examples = operation["responses"]["422"]["content"]["application/json"]["examples"].values()
        known = {parameter["name"] for parameter in operation.get("parameters", [])}
        if "requestBody" in operation:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
            known |= set(document["components"]["schemas"][schema.rpartition("/")[2]]["properties"])
        assert all(set(example["value"]["error"]["fields"]) <= known for example in examples)


def test_what_takes_a_new_password_documents_why_it_may_be_refused(document: dict[str, Any]) -> None:
    examples = document["paths"]["/api/auth/register"]["post"]["responses"]["422"]["content"][
        "application/json"
    ]["examples"]
    assert list(examples) == [
        "validation_failed",
        "password_too_common",
        "password_is_context",
        "rejected_by_database",
    ]
    assert examples["password_too_common"]["value"]["error"]["fields"] == {"password": str(policy.TOO_COMMON)}
    assert examples["password_is_context"]["value"]["error"]["fields"] == {"password": str(policy.IS_CONTEXT)}


# --- Errors ---


def test_every_error_is_documented_with_its_status(document: dict[str, Any]) -> None:
    documented = set()
    for _, status, answer in answers(document):
        for code, example in (
            answer.get("content", {}).get("application/json", {}).get("examples", {}).items()
        ):
            assert example["value"]["error"]["code"] == code
            assert STATUS[code] == status
            documented.add(code)
    # The first is of no operation, the second of pages, the last two of an application's own routes.
    elsewhere = {"method_not_allowed", "form_expired", "impersonation_refused", "email_not_verified"}
    assert documented | elsewhere == set(STATUS)


def test_a_401_says_that_it_has_a_challenge_and_a_429_or_503_when_to_come_again(
    document: dict[str, Any],
) -> None:
    for _, status, answer in answers(document):
        expected = {401: {"WWW-Authenticate"}, 429: {"Retry-After"}, 503: {"Retry-After"}}.get(status)
        if expected is not None:
            assert set(answer["headers"]) == expected


OF_SIGN_INS = {
    "invalid_credentials",
    "second_factor_required",
    "factor_enrolment_required",
    "invalid_code",
    "challenge_expired",
}
"""Ways to be refused before there is a session."""


def test_what_asks_for_a_session_documents_every_way_to_lack_one(document: dict[str, Any]) -> None:
    for _, _, operation in operations(document):
        if "security" in operation:
            documented = operation["responses"]["401"]["content"]["application/json"]["examples"]
            ways = {kind.code for kind in errors.AuthenticationError.__subclasses__()}
            assert set(documented) | OF_SIGN_INS == ways | OF_SIGN_INS


# --- Who may call ---


def test_the_scheme_is_a_bearer_token(document: dict[str, Any]) -> None:
    (scheme,) = document["components"]["securitySchemes"].values()
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert list(document["components"]["securitySchemes"]) == ["SessionToken"]


def test_all_but_register_setup_and_login_ask_for_a_session(document: dict[str, Any]) -> None:
    asking = {
        o["operationId"] for _, _, o in operations(document) if o.get("security") == [{"SessionToken": []}]
    }
    assert asking == set(OPERATIONS) - OPEN


def routes(app: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Walk an application, with what is mounted on it and put in front of it."""
    if isinstance(app, Handshakes):
        app = app.app
    inner = getattr(app, "_app", None)
    if inner is not None:
        yield from ((method, prefix + path) for method, path in (*app._endpoints, *app._refresh))
        yield from routes(inner, prefix)
    for route in getattr(app, "routes", []):
        if (included := getattr(route, "original_router", None)) is not None:
            yield from routes(included, prefix)
        elif (mounted := getattr(route, "app", None)) is not None and not hasattr(route, "methods"):
            yield from routes(mounted, prefix + route.path)
        else:
            yield from ((method, prefix + route.path) for method in route.methods)


async def public_routes(client: httpx.AsyncClient, app: FastAPI) -> set[tuple[str, str]]:
    """Return the routes that neither answer 401 to one who shows nothing nor lead to sign-in."""
    found = set()
    for method, path in set(routes(app)):
        response = await client.request(method, re.sub(r"\{\w+(:int)?\}", "1", path))
        led = response.status_code == 303 and response.headers["location"].startswith("/auth/sign-in")
        if response.status_code != 401 and not led:
            found.add((method, path))
    return found


WAITING = {
    *("/auth/sign-in/factor", "/auth/sign-in/new-password"),
    *("/auth/sign-in/passkey", "/auth/sign-in/passkey/options"),
}
"""Pages that go on with a sign-in, and lead back where none waits for them."""


async def test_the_public_routes_are_these(make_settings: MakeSettings) -> None:
    app = create_app(make_settings())
    async with serving(app) as client:
        assert await public_routes(client, app) == PUBLIC | PUBLIC_PAGES | PUBLIC_OUTSIDE_PRODUCTION
    closed = set(routes(app)) - PUBLIC - PUBLIC_PAGES - PUBLIC_OUTSIDE_PRODUCTION
    api = {(method, path) for method, path in closed if path.startswith("/api/")}
    closed -= api
    api = {(method, re.sub(":(path|int)}", "}", path)) for method, path in api}
    assert api == {(m, p) for name, (m, p, _) in OPERATIONS.items() if name not in OPEN}
    assert {path for _, path in closed} == {"/auth/sign-out", *WAITING} | {
        f"/auth{page.path}" for page in PAGES if page.who
    }


async def test_the_public_routes_in_production_are_these(make_settings: MakeSettings) -> None:
    app = create_app(make_settings(environment="production", bcrypt_rounds=10))
    async with serving(app) as client:
        assert await public_routes(client, app) == PUBLIC | PUBLIC_PAGES


# --- What is answered ---


async def signed_in(client: httpx.AsyncClient, who: dict[str, str]) -> str:
    return str((await login(client, **who))["token"])


ADMIN = {"email": "admin@example.com", "name": "Admin", "password": "securepassword123"}


async def answered(
    client: httpx.AsyncClient, db: Database, gate: Gatepost
) -> list[tuple[str, httpx.Response]]:
    """Ask each operation once, so that it succeeds."""
    link = await gate.service(Setup).issue()
    asked = [("setup", await client.post("/api/auth/setup", json=ADMIN | {"token": link}))]
    first = (await register(client))["token"]
    await db.execute("UPDATE users SET is_admin = true")
    tokens = {name: (await login(client))["token"] for name in OPERATIONS if name not in OPEN}
    listed = (await client.get("/api/auth/sessions", headers=bearer(tokens["me"]))).json()["data"]["sessions"]
    (spare,) = [each["id"] for each in listed if each["session_token"][:8] == first[:8]]
    managed = (await register(client, "managed@example.com"))["user"]["id"]
    await login(client)
    other = await db.fetchval("SELECT max(id) FROM user_sessions")
    bodies: dict[str, dict[str, Any]] = {
        "register": {"email": "second@example.com", "name": "Second", "password": "securepassword123"},
        "login": {"email": "moved@example.com", "password": "another secure password"},
        "update_me": {"name": "Jane Doe"},
        "change_email": {"email": "moved@example.com", "password": "securepassword123"},
        "delete_me": {"password": "another secure password"},
        "confirm": {"password": "securepassword123"},
        "change_password": {"current": "securepassword123", "new": "another secure password"},
        "create_invitation": {"email": "invited@example.com"},
        "admin_end_sessions": {"address": "203.0.113.0/24", "expected": 0},
        "end_address_sessions": {"expected": 0},
        "block_network": {"network": "203.0.113.0/24", "minutes": 60},
    }
    # The invitation is the link after the setup link.
    ids = {"revoke_session": str(spare), "revoke_invitation": "2", "admin_revoke_session": str(other)}
    ids |= {"lift_block": "1"}
    never = (
        "live_events",
        "answer_factor",
        "factor_options",
        "confirm_options",
        "forgot_password",
        "reset_password",
        "confirm_email",
        "undo_email",
        "verify_email",
        "send_verification",
        "login_by_email",
        "finish_login_by_email",
        "send_password_reset",
        "passkey_sign_up_options",
        *FACTORS,
    )  # the first has no end; test_factor.py; what needs mail: tests/features/email; `with_factors`
    # These end every session there is, most of them with a token for the next; the login in between is with
    # the e-mail and the password that they change to.
    last = ("change_email", "change_password", "login", "logout_others", "logout_all", "delete_me")
    for name in (*(name for name in OPERATIONS if name not in (*last, *never, "setup")), *last):
        method, path, _ = OPERATIONS[name]
        response = await client.request(
            method,
            path.replace("{id}", ids.get(name, str(managed))).replace("{address}", "203.0.113.66"),
            headers=bearer(tokens[name]) if name in tokens else {},
            json=bodies.get(name),
        )
        assert response.is_success, (name, response.text)
        asked.append((name, response))
        if name == "change_email":
            tokens["change_password"] = response.json()["data"]["token"]
        elif name == "change_password":
            tokens["logout_others"] = tokens["logout_all"] = response.json()["data"]["token"]
        elif name == "logout_all":
            await db.execute("UPDATE users SET is_admin = true")  # the last one may not go
            tokens["delete_me"] = await signed_in(client, bodies["login"])
    return asked


FACTORS = (
    "begin_totp",
    "confirm_totp",
    "make_recovery_codes",
    "reset_factors",
    "remove_totp",
    "passkey_login_options",
    "login_by_passkey",
    "begin_passkey",
    "add_passkey",
    "rename_passkey",
    "remove_passkey",
    "remove_password",
)


async def with_factors(
    client: httpx.AsyncClient, db: Database, clock: MovableClock
) -> list[tuple[str, httpx.Response]]:
    """Set an app and a passkey up and remove them, each in every way."""
    asked: list[tuple[str, httpx.Response]] = []
    user, app, device = await register(client, "careful@example.com"), App(b"", clock), Device()
    app.token = str(user["token"])

    async def ask(name: str, id_: object = None, /, **body: Any) -> Any:
        method, path, _ = OPERATIONS[name]
        path = path.replace("{id}", str(id_))
        response = await client.request(method, path, headers=bearer(app.token), json=body or None)
        assert response.is_success, (name, response.text)
        asked.append((name, response))
        data = response.json()["data"]
        app.token = data.get("token", app.token)
        if "secret" in data:
            app.secret = base64.b32decode(data["secret"])
        return data

    begun = await ask("begin_passkey")
    await ask("add_passkey", credential=device.create(begun["publicKey"]), name="Key")
    (listed,) = (await ask("factors"))["factors"]
    await ask("passkeys")
    await ask("rename_passkey", listed["id"], name="Blue key")
    begun = await ask("passkey_login_options")
    credential = device.get(begun["publicKey"])
    await ask("login_by_passkey", challenge=begun["challenge"], credential=credential)
    await ask("remove_password")
    await ask("change_password", new="another secure password")
    await ask("remove_passkey", listed["id"])
    await ask("begin_totp")
    await ask("confirm_totp", code=app.code())
    await ask("make_recovery_codes")
    await ask("factors")
    await ask("remove_totp")
    await ask("begin_totp")
    await ask("confirm_totp", code=app.code())
    app.token = str((await register(client, "boss@example.com"))["token"])
    await db.execute("UPDATE users SET is_admin = true WHERE email = 'boss@example.com'")
    await ask("reset_factors", user["user"]["id"], reason="Lost")
    return asked


async def test_every_success_is_as_documented_and_has_no_field_more(
    client: httpx.AsyncClient, db: Database, gate: Gatepost, clock: MovableClock
) -> None:
    document = (await client.get("/api/auth/openapi.json")).json()
    exact = json.loads(json.dumps(document))
    for schema in exact["components"]["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    documented = {o["operationId"]: o["responses"] for _, _, o in operations(exact)}
    for name, response in [*await answered(client, db, gate), *await with_factors(client, db, clock)]:
        answer = documented[name][str(response.status_code)]
        if not response.content:
            assert "content" not in answer
            assert set(answer["headers"]) == {"X-Gatepost-User", "X-Gatepost-Email", "X-Gatepost-Session"}
            assert all(header in response.headers for header in answer["headers"])
            continue
        if name in STREAMED:
            assert response.headers["content-type"].partition(";")[0] in answer["content"]
            continue
        content = answer["content"]["application/json"]
        validate(exact, content["schema"], response.json())
        assert response.json()["message"] == content["example"]["message"]


async def test_the_paths_have_the_prefix_that_was_chosen(make_settings: MakeSettings) -> None:
    auth = Gatepost(make_settings(), prefix="/accounts")
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app)
    async with serving(app) as client:
        document = (await client.get("/accounts/openapi.json")).json()
        again = (await client.get("/accounts/openapi.json")).json()
        assert (await register_at(client, "/accounts")).status_code == 201
    assert document == again
    assert set(document["paths"]) == {
        path.replace("/api/auth", "/accounts") for _, path, _ in OPERATIONS.values()
    }


async def register_at(client: httpx.AsyncClient, prefix: str) -> httpx.Response:
    body = {"email": "user@example.com", "name": "John Doe", "password": "securepassword123"}
    return await client.post(f"{prefix}/register", json=body)


def test_the_document_needs_no_database() -> None:
    settings = settings_of(FEATURES).load(env_file=None, secret_key="x" * 32, environment="test")
    assert create_app(settings).routes

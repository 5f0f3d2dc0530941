"""The tree of errors, its codes, and the statuses that HTTP has for them."""

import re
from datetime import UTC, datetime

import pytest
from tests.summed import CODED, ON_HTTP, STATUS, kernel_errors

from gatepost import errors
from gatepost.errors import GatepostError, SecondFactorRequired, TooManyAttempts, ValidationFailed
from gatepost.http.errors import render

CONTRACT = {
    "validation_failed": 422,
    "password_too_common": 422,
    "password_is_context": 422,
    "conflict": 409,
    "rejected_by_database": 422,
    "malformed_json": 400,
    "invalid_credentials": 401,
    "second_factor_required": 401,
    "factor_enrolment_required": 401,
    "invalid_code": 401,
    "challenge_expired": 401,
    "not_authenticated": 401,
    "invalid_session": 401,
    "session_expired": 401,
    "session_revoked": 401,
    "session_replaced": 401,
    "admin_required": 403,
    "fresh_session_required": 403,
    "cross_origin_refused": 403,
    "form_expired": 403,
    "registration_closed": 403,
    "impersonation_refused": 403,
    "invitation_required": 403,
    "invalid_invitation": 403,
    "invalid_setup_link": 403,
    "own_address": 409,
    "protected_address": 409,
    "network_too_wide": 400,
    "email_taken": 409,
    "last_admin": 409,
    "last_way_in": 409,
    "factor_required": 409,
    "unknown_passkey": 401,
    "own_account": 409,
    "password_change_required": 403,
    "email_not_verified": 403,
    "invalid_link": 400,
    "not_mailable": 409,
    "account_in_use": 409,
    "not_found": 404,
    "method_not_allowed": 405,
    "count_changed": 409,
    "body_too_large": 413,
    "body_too_slow": 408,
    "unsupported_media_type": 415,
    "too_many_attempts": 429,
    "internal_error": 500,
    "unavailable": 503,
}
"""The codes of the HTTP contract; a change of one breaks clients."""


def example(kind: type[GatepostError]) -> GatepostError:
    if issubclass(kind, ValidationFailed):
        return kind({"name": "Enter a name"})
    if issubclass(kind, SecondFactorRequired):
        return kind(challenge="x", methods=("totp",), by_cookie=False, expires_at=datetime.now(UTC))
    return TooManyAttempts(7) if kind is TooManyAttempts else kind()


def test_every_code_is_of_one_error_alone() -> None:
    codes = [kind.code for kind in CODED]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)


def test_what_has_no_code_of_its_own_is_a_branch() -> None:
    branches = [kind for kind in kernel_errors(GatepostError) if "code" not in vars(kind)]
    assert {kind.__name__ for kind in branches} == {
        "InvalidInput",
        "AuthenticationError",
        "Forbidden",
        "Conflicting",
        "HookTimeout",  # an `Unavailable` to callers
    }


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = re.findall(r"[├└]── (\w+) +(?:([a-z_]+)$)?", errors.__doc__ or "", re.MULTILINE)
    with_code = {name: code for name, code in drawn if code}
    ours = [kind for kind in CODED if kind.__module__ == errors.__name__]
    assert with_code == {kind.__name__: kind.code for kind in ours}


def test_what_is_for_the_operator_has_no_status() -> None:
    assert [kind for kind in kernel_errors(errors.SetupError) if hasattr(kind, "status")] == []


def test_the_statuses_are_those_of_the_contract() -> None:
    assert STATUS == CONTRACT


@pytest.mark.parametrize("kind", ON_HTTP, ids=lambda kind: kind.code)
def test_every_error_that_a_caller_may_see_has_a_sentence_for_them(kind: type[GatepostError]) -> None:
    error = example(kind)
    assert error.message[0].isupper()
    assert str(error) == error.message


@pytest.mark.parametrize("kind", ON_HTTP, ids=lambda kind: kind.code)
def test_an_error_is_answered_with_the_headers_of_its_status(kind: type[GatepostError]) -> None:
    response = render(example(kind))
    assert response.status_code == CONTRACT[kind.code]
    challenges = response.status_code == 401 or kind is errors.FreshSessionRequired  # RFC 9470 §3
    assert ("www-authenticate" in response.headers) == challenges
    assert ("retry-after" in response.headers) == (response.status_code in {429, 503})


def test_too_many_attempts_say_when_to_come_again() -> None:
    assert render(TooManyAttempts(7)).headers["retry-after"] == "7"


def test_another_sentence_takes_the_place_of_the_classs_own() -> None:
    assert errors.NotFound("User not found").message == "User not found"
    assert errors.NotFound().message == "Not found"

"""The tree of errors, its codes, and the statuses that HTTP has for them."""

import re

import pytest

from gatepost import errors
from gatepost.errors import GatepostError, SetupError, TooManyAttempts, ValidationFailed
from gatepost.http.errors import STATUS, render

CONTRACT = {
    "validation_failed": 422,
    "malformed_json": 400,
    "invalid_credentials": 401,
    "not_authenticated": 401,
    "invalid_session": 401,
    "session_expired": 401,
    "session_revoked": 401,
    "session_replaced": 401,
    "admin_required": 403,
    "email_taken": 409,
    "not_found": 404,
    "method_not_allowed": 405,
    "body_too_large": 413,
    "unsupported_media_type": 415,
    "too_many_attempts": 429,
    "internal_error": 500,
    "unavailable": 503,
}
"""The codes of the HTTP contract; a change of one breaks clients."""


def subclasses(kind: type[GatepostError]) -> list[type[GatepostError]]:
    """Return all of them that the tree itself has; the commands have some of their own."""
    found = []
    for each in kind.__subclasses__():
        if each.__module__ == errors.__name__:
            found += [each, *subclasses(each)]
    return found


LEAVES = [each for each in subclasses(GatepostError) if not subclasses(each)]
ON_HTTP = [leaf for leaf in LEAVES if not issubclass(leaf, SetupError)]


def example(kind: type[GatepostError]) -> GatepostError:
    if kind is ValidationFailed:
        return ValidationFailed({"name": "Give a name"})
    return TooManyAttempts(7) if kind is TooManyAttempts else kind()


def test_every_leaf_has_a_code_of_its_own() -> None:
    codes = [leaf.code for leaf in LEAVES]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)


def test_what_is_no_leaf_has_no_code_but_the_operators() -> None:
    tree: list[type[GatepostError]] = [GatepostError, *subclasses(GatepostError)]
    branches = [kind for kind in tree if kind not in LEAVES]
    # The commands raise SetupError itself where none of its leaves fits.
    assert [kind.__name__ for kind in branches if "code" in vars(kind)] == ["SetupError"]


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = re.findall(r"[├└]── (\w+) +(?:([a-z_]+)$)?", errors.__doc__ or "", re.MULTILINE)
    with_code = {name: code for name, code in drawn if code}
    assert with_code == {leaf.__name__: leaf.code for leaf in LEAVES}


def test_every_leaf_but_the_operators_has_a_status_and_no_status_is_left_over() -> None:
    assert {leaf.code for leaf in ON_HTTP} == set(STATUS)


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
    assert ("www-authenticate" in response.headers) == (response.status_code == 401)
    assert ("retry-after" in response.headers) == (response.status_code in {429, 503})


def test_too_many_attempts_say_when_to_come_again() -> None:
    assert render(TooManyAttempts(7)).headers["retry-after"] == "7"


def test_another_sentence_takes_the_place_of_the_classs_own() -> None:
    assert errors.NotFound("There is no such user").message == "There is no such user"
    assert errors.NotFound().message == "There is no such resource"

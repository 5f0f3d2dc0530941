"""Every text from outside has a bound, in one place: what the API takes, and what headers hold."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.counting import steps
from tests.http.conftest import RawRequest, Standing

from gatepost.http.cookies import Cookies
from gatepost.http.pages.language import negotiated
from gatepost.models import bounds
from gatepost.models.clients import clean_user_agent

DOCS = (Path(__file__).parents[3] / "docs" / "http.md").read_text()
LONG = [";" * 60_000, "__Host-gatepost-device=x;" * 2_400, ", " * 30_000, "a;q=1," * 10_000, "\x01" * 60_000]


async def test_every_text_that_the_api_takes_has_the_bound_of_its_name(standing: Standing) -> None:
    document = (await standing.client.get("/api/auth/openapi.json")).json()
    found: dict[str, set[int]] = {}
    for item in document["paths"].values():
        for operation in item.values():
            for name, kinds in texts_of(document, operation):
                longest = [kind["maxLength"] for kind in kinds if "maxLength" in kind]
                assert len(longest) == 1, (operation["operationId"], name)
                found.setdefault(name, set()).update(longest)
    assert {name: {bounds.FIELDS[name]} for name in found} == found
    assert set(bounds.FIELDS) - set(found) == {"next"}


def texts_of(document: dict[str, Any], operation: dict[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    """Yield name and shapes of each text that an operation takes; a choice or a time is none."""
    taken = [(parameter["name"], parameter["schema"]) for parameter in operation.get("parameters", ())]
    if "requestBody" in operation:
        reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        taken += document["components"]["schemas"][reference.rpartition("/")[2]]["properties"].items()
    for name, schema in taken:
        shapes = [schema, *schema.get("anyOf", ())]
        texts = [shape for shape in shapes if shape.get("type") == "string"]
        if any(
            not {"enum", "const"} & shape.keys() and shape.get("format") != "date-time" for shape in texts
        ):
            yield name, shapes


def test_the_documentation_tells_each_bound() -> None:
    rows = re.findall(r"^\| (`[^|]*) \| (?:the (?:first|last) )?([\d,]+) characters", DOCS, re.MULTILINE)
    told = {
        name: int(most.replace(",", "")) for names, most in rows for name in re.findall(r"`([^`]+)`", names)
    }
    headers = {
        "User-Agent": bounds.USER_AGENT_MAX,
        "Authorization": bounds.AUTHORIZATION_MAX,
        "Accept-Language": bounds.ACCEPT_LANGUAGE_MAX,
        "X-Forwarded-For": bounds.FORWARDED_MAX,
        "Forwarded": bounds.FORWARDED_MAX,
    }
    assert told == dict(bounds.FIELDS) | headers
    assert f"| fields of a form | {bounds.FORM_FIELDS_MAX} |" in DOCS
    assert f"At most {bounds.MARKS_MAX} combining marks" in DOCS


@pytest.mark.parametrize("text", LONG, ids=lambda text: ascii(text)[:12])
def test_a_header_of_any_length_is_read_in_few_steps(text: str) -> None:
    cookies = Cookies()
    scope = {"headers": [(b"cookie", text.encode())]}
    cookies.device(scope)  # what it is looked for by is made once
    assert steps(partial(cookies.device, scope)) < 5_000  # the cookies of this name alone
    negotiated("")  # the language that is left is read once
    assert steps(partial(negotiated, text)) < 2_000
    assert steps(partial(clean_user_agent, text)) < 10_000


async def test_of_an_authorization_so_much_is_read(standing: Standing) -> None:
    token = standing.token.encode()
    most = bounds.AUTHORIZATION_MAX - len(b"Bearer ") - len(token)
    for blanks, status in ((0, 200), (most, 200), (most + 1, 401), (60_000, 401)):
        value = b"Bearer " + b" " * blanks + token
        request = RawRequest("/api/auth/me", (b"authorization", value), method="GET")
        await standing.app(request.scope, request.receive, request.send)
        assert (blanks, request.status) == (blanks, status)


@pytest.mark.parametrize("digits", [30, 5_000])
async def test_a_length_of_thousands_of_digits_is_a_body_too_large(standing: Standing, digits: int) -> None:
    length = b"9" * digits
    request = RawRequest(
        "/api/auth/login", (b"content-type", b"application/json"), (b"content-length", length)
    )
    await standing.app(request.scope, request.receive, request.send)
    assert (request.status, request.read) == (413, 0)

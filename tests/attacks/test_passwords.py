"""Attacks on passwords, addresses and bodies, over HTTP (ASVS 1.5.3, 6.2.8, 15.3.5).

What went wrong elsewhere: cutting at 72 bytes (Spring CVE-2025-22228), look-alike addresses (Auth.js
CVE-2026-73420), characters that the database refuses with a fault, bodies that two programs read differently.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
import httpx
import pytest
from tests.cli.conftest import serving as serving_process
from tests.conftest import PASSWORD, SECRET_KEY, login, register
from tests.walking import walked

REGISTER = "/api/auth/register"
LOGIN = "/api/auth/login"
JSON = {"Content-Type": "application/json"}
EMAIL = "kim@example.com"
BODY = {"email": EMAIL, "name": "Kim", "password": PASSWORD}

Database: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def sign_up(client: httpx.AsyncClient, password: str) -> None:
    response = await client.post(REGISTER, json=BODY | {"password": password})
    assert response.status_code == 201, response.text


async def status_of_login(client: httpx.AsyncClient, password: object, email: object = EMAIL) -> int:
    content = json.dumps({"email": email, "password": password})
    return (await client.post(LOGIN, content=content, headers=JSON)).status_code


async def users(db: Database) -> int:
    return int(await db.fetchval("SELECT count(*) FROM users"))


# --- Another password than the one that was set ---


@walked(
    ("password", "others"),
    [
        ("a" * 72 + "X", ["a" * 72 + "Y", "a" * 72, "a" * 72 + "XX", "a" * 71 + "X"]),
        ("\N{EURO SIGN}" * 24 + "X", ["\N{EURO SIGN}" * 24 + "Y", "\N{EURO SIGN}" * 24]),
        ("a" * 71 + "\N{EURO SIGN}", ["a" * 71 + "\N{POUND SIGN}", "a" * 71, "a" * 71 + "\xe2"]),
        ("\U0001f600" * 64, ["\U0001f600" * 63 + "\U0001f601", "\U0001f600" * 18]),
        ("a" * 1023 + "X", ["a" * 1023 + "Y", "a" * 1023]),
    ],
    ids=["72 + 1", "72 of three bytes", "the 72nd byte within a character", "64 emoji", "1024"],
)
async def test_what_lies_behind_72_bytes_counts(
    client: httpx.AsyncClient, password: str, others: list[str]
) -> None:
    await sign_up(client, password)
    assert [await status_of_login(client, other) for other in others] == [401] * len(others)
    assert await status_of_login(client, password) == 200


def variants(password: str) -> Iterator[str]:
    """Yield what a careless comparison would take for a password."""
    for more in (
        " ",
        "\t",
        "\n",
        "\r\n",
        "\0",
        "\0" * 8,
        "\N{NO-BREAK SPACE}",
        "\N{ZERO WIDTH SPACE}",
        "\ufeff",
    ):
        yield password + more
        yield more + password
    yield from (password.upper(), password.lower(), password.swapcase(), password.title())
    yield from (
        password.strip(),
        password.rstrip("\0"),
        password.partition("\0")[0],
        password[:-1],
        password[1:],
    )
    yield from (password.replace(" ", ""), password.replace(" ", "+"), password.replace(" ", "%20"))
    yield from (password * 2, f'"{password}"', password.replace("e", "\N{FULLWIDTH LATIN SMALL LETTER E}"))


@pytest.mark.parametrize(
    "password", ["One Password, told in Words", " Kept\twith its\0 blanks "], ids=["words", "blanks"]
)
async def test_no_variant_of_a_password_signs_in(
    client: httpx.AsyncClient, db: Database, password: str
) -> None:
    await sign_up(client, password)
    tried = {other for other in variants(password) if other != password}
    assert len(tried) > 20
    assert {other for other in tried if await status_of_login(client, other) != 401} == set()
    assert await status_of_login(client, password) == 200
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 2


# --- What is no password, no address, no name ---

NO_TEXT: list[Any] = [12345678901, 1.5, True, None, [], [PASSWORD], {}, {"password": PASSWORD}, {"$ne": ""}]


@pytest.mark.parametrize("path", [REGISTER, LOGIN])
@pytest.mark.parametrize("field", ["email", "password"])
async def test_what_is_no_text_is_422_for_every_field(
    client: httpx.AsyncClient, path: str, field: str
) -> None:
    for value in NO_TEXT:
        response = await client.post(path, json=BODY | {field: value})
        assert (response.status_code, list(response.json()["error"]["fields"])) == (422, [field]), value


async def test_a_number_with_the_digits_of_the_password_does_not_sign_in(client: httpx.AsyncClient) -> None:
    await sign_up(client, "31415926535897")
    assert await status_of_login(client, 31415926535897) == 422
    assert await status_of_login(client, ["31415926535897"]) == 422
    assert await status_of_login(client, "31415926535897") == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "kim\0@example.com"),
        ("email", "kim@example.com\0"),
        ("email", "kim\ud800@example.com"),
        ("email", "kim@exam\udfffple.com"),
        ("name", "Kim\0"),
        ("name", "\ud800"),
        ("password", "half of a pair \ud800"),
        ("password", "\udfff" * 8),
    ],
    ids=ascii,
)
async def test_nul_and_halves_of_pairs_are_422_and_never_reach_the_database(
    client: httpx.AsyncClient, db: Database, field: str, value: str
) -> None:
    for path in (REGISTER, LOGIN) if field != "name" else (REGISTER,):
        response = await client.post(path, content=json.dumps(BODY | {field: value}), headers=JSON)
        assert (response.status_code, list(response.json()["error"]["fields"])) == (422, [field])
    assert await users(db) == 0


async def test_nul_in_a_password_is_a_character_like_others(client: httpx.AsyncClient) -> None:
    await sign_up(client, "nul\0in between")
    assert await status_of_login(client, "nul") == 401
    assert await status_of_login(client, "nul\0IN BETWEEN") == 401
    assert await status_of_login(client, "nul\0in between") == 200


# --- Addresses that look like somebody's ---


@walked(
    "email",
    [
        "KIM@EXAMPLE.COM",
        " kim@example.com ",
        "\N{KELVIN SIGN}im@example.com",
        "kim@\N{FULLWIDTH LATIN SMALL LETTER E}xample.com",
        "kim@example\N{IDEOGRAPHIC FULL STOP}com",
        "kim@example\N{FULLWIDTH FULL STOP}com",
    ],
    ids=ascii,
)
async def test_another_spelling_of_an_address_is_the_same_account(
    client: httpx.AsyncClient, db: Database, email: str
) -> None:
    await register(client, EMAIL)
    assert (await client.post(REGISTER, json=BODY | {"email": email})).status_code == 409
    assert await users(db) == 1
    assert (await login(client, email))["user"]["email"] == EMAIL


@walked(
    "email",
    [
        "kim\N{FULLWIDTH COMMERCIAL AT}example.com",
        "kim\N{SMALL COMMERCIAL AT}example.com",
        "kim%40example.com",
        "\N{FULLWIDTH LATIN SMALL LETTER K}im@example.com",
        "k\N{MATHEMATICAL BOLD SMALL I}m@example.com",
        "k\N{SUPERSCRIPT LATIN SMALL LETTER I}m@example.com",
        "ki\N{ZERO WIDTH SPACE}m@example.com",
        "ki\N{SOFT HYPHEN}m@example.com",
        "kim\N{RIGHT-TO-LEFT OVERRIDE}@example.com",
        '"kim"@example.com',
        "kim(comment)@example.com",
        "Kim <kim@example.com>",
        "kim@example.com,eve@example.org",
        "kim@example.com\n",
        "kim@example.com\r\nBcc: eve@example.org",
        "kim@[127.0.0.1]",
        "kim@example.com.",
        "kim@example..com",
        "kim@@example.com",
    ],
    ids=ascii,
)
async def test_an_address_that_other_software_would_read_as_somebodys_is_refused(
    client: httpx.AsyncClient, db: Database, email: str
) -> None:
    await register(client, EMAIL)
    for path in (REGISTER, LOGIN):
        response = await client.post(path, json=BODY | {"email": email})
        assert (response.status_code, list(response.json()["error"]["fields"])) == (422, ["email"]), path
    assert await users(db) == 1


@pytest.mark.parametrize(
    "email",
    [
        "k\N{LATIN SMALL LETTER DOTLESS I}m@example.com",
        "k\N{CYRILLIC SMALL LETTER BYELORUSSIAN-UKRAINIAN I}m@example.com",
    ],
    ids=ascii,
)
async def test_a_mailbox_of_another_letter_is_somebody_elses_and_opens_no_account_but_its_own(
    client: httpx.AsyncClient, db: Database, email: str
) -> None:
    kim = await register(client, EMAIL)
    assert await status_of_login(client, PASSWORD, email) == 401
    other = await register(client, email)
    assert other["user"]["id"] != kim["user"]["id"]
    assert await db.fetchval("SELECT email FROM users WHERE id = $1", other["user"]["id"]) == email
    for spelling in (EMAIL, EMAIL.upper()):
        assert (await login(client, spelling))["user"]["id"] == kim["user"]["id"]


# --- Bodies that two programs read differently, or that cost much ---


def nested(levels: int) -> bytes:
    return b'{"email": "kim@example.com", "password": "x", "name": ' + b"[" * levels + b"]" * levels + b"}"


def document(**more: object) -> str:
    return json.dumps(BODY | more)


BODIES: dict[str, tuple[bytes, set[int]]] = {
    "an e-mail twice": (document().replace("{", '{"email": "eve@example.org", ').encode(), {400}),
    "a password twice": (document().replace("}", f', "password": "{PASSWORD}"' + "}").encode(), {400}),
    "a name twice, once escaped": (document().replace("}", r', "n\u0061me": "Eve"}').encode(), {400}),
    "a name twice inside": (document(more=0).replace("0}", '{"a": 1, "a": 2}}').encode(), {400}),
    "a byte order mark": (b"\xef\xbb\xbf" + document().encode(), {400}),
    "UTF-16": (document().encode("utf-16"), {400}),
    "UTF-16 LE without a mark": (document().encode("utf-16-le"), {400}),
    "UTF-16 BE without a mark": (document().encode("utf-16-be"), {400}),
    "UTF-32": (document().encode("utf-32"), {400}),
    "Latin-1": (json.dumps(BODY | {"name": "Zo\xeb"}, ensure_ascii=False).encode("latin-1"), {400}),
    "a half of a pair in bytes": (document().encode().replace(b"Kim", b"\xed\xa0\x80"), {400}),
    "an overlong slash": (document().encode().replace(b"Kim", b"\xc0\xaf"), {400}),
    "NaN": (document(more=float("nan")).encode(), {400}),
    "Infinity": (document(more=float("-inf")).encode(), {400}),
    "a comma too many": (document().replace("}", ",}").encode(), {400}),
    "a comment": (b"/* */" + document().encode(), {400}),
    "two documents": (document().encode() * 2, {400}),
    "a number of many digits": (document(more=0).replace("0}", "1" * 20_000 + "}").encode(), {400}),
    # How deep is too deep differs with the Python; where it is read, a list is no name.
    "10,000 levels": (nested(10_000), {400, 422}),
    "30,000 levels": (nested(30_000), {400, 422}),
    "100,000 fields": (json.dumps({f"field {n}": n for n in range(100_000)}).encode(), {413}),
    "as many fields as fit": (json.dumps({f"f{n}": 0 for n in range(4_000)}).encode(), {422}),
}


@walked("path", [REGISTER, LOGIN])
@walked("body", BODIES.values(), ids=list(BODIES))
async def test_an_ambiguous_or_costly_body_is_refused_the_same_each_time(
    client: httpx.AsyncClient, db: Database, path: str, body: tuple[bytes, set[int]]
) -> None:
    content, expected = body
    answers = [await client.post(path, content=content, headers=JSON) for _ in range(2)]
    assert answers[0].status_code in expected
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["success"] is False
    assert await users(db) == 0


async def test_every_operation_that_takes_a_body_refuses_an_ambiguous_one(client: httpx.AsyncClient) -> None:
    token = (await register(client, EMAIL))["token"]
    headers = JSON | {"Authorization": f"Bearer {token}"}
    described = (await client.get("/api/auth/openapi.json")).json()
    taking = [
        (method, path)
        for path, item in described["paths"].items()
        for method, operation in item.items()
        if "requestBody" in operation
    ]
    assert len(taking) >= 2
    for method, path in taking:
        filled = re.sub(r"\{\w+\}", "1", path)
        answer = await client.request(method, filled, content=b'{"a": 1, "a": 2}', headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "malformed_json"), path


async def test_the_server_lives_through_all_of_it(
    dsn: str, environment: dict[str, str], tmp_path: Path
) -> None:
    settings = {
        "DATABASE_URL": dsn,
        "SECRET_KEY": SECRET_KEY,
        "ENVIRONMENT": "test",
        "BCRYPT_ROUNDS": "4",
        "GATEPOST_HOME": str(tmp_path / "home"),
        "THROTTLE_ENABLED": "False",
    }
    async with (
        serving_process(environment | settings, "--port", "0", cwd=tmp_path) as server,
        httpx.AsyncClient(base_url=server.url, timeout=60) as client,
    ):
        workers = server.workers()
        for name, (content, expected) in BODIES.items():
            for path in (REGISTER, LOGIN):
                try:
                    answer = await client.post(path, content=content, headers=JSON)
                except httpx.TransportError:
                    assert 413 in expected, name  # what is refused unread may cut the answer off
                else:
                    assert answer.status_code in expected, name
        await register(client, EMAIL)
        assert server.workers() == workers

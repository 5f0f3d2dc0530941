"""E-mails that an application wrote: one person has one account, however the address is spelled."""

import unicodedata

import bcrypt
import httpx
import pytest
from tests.conftest import PASSWORD, bearer, nth_user, register
from tests.http.conftest import Database, assert_error
from tests.walking import walked

from gatepost import errors
from gatepost.library import Gatepost
from gatepost.models import Client
from gatepost.security.emails import canonical_email, email_key

HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()

WRITTEN = {
    "a capital with a dot": "İbrahim@example.com",
    "decomposed": unicodedata.normalize("NFD", "Zoë.Ångström@example.com"),
    "a wide domain": "kim@\uff45xample\uff0ecom",
    "a domain in punycode": "Anna@xn--bcher-kva.example",
    "a capital beyond ASCII": "ÜNAL@example.com",
    "the Kelvin sign": "\N{KELVIN SIGN}im@example.com",
    "blanks around": " padded@example.com ",
    "plain letters": "Ada.Lovelace+x@Example.COM",
    "as it should be": "zoë@example.com",
}
"""How an application wrote an address."""


async def adopt(db: Database, *emails: str) -> None:
    """Write users as an application does that knows nothing of ours."""
    for email in emails:
        await db.execute(
            "INSERT INTO users (email, name, hashed_password) VALUES ($1, 'Adopted', $2)", email, HASH
        )


async def status_of_login(client: httpx.AsyncClient, email: str) -> int:
    body = {"email": email, "password": PASSWORD}
    return (await client.post("/api/auth/login", json=body)).status_code


def spellings(email: str) -> set[str]:
    canonical = canonical_email(email)
    return {email, canonical, unicodedata.normalize("NFD", canonical), f" {canonical} "}


@pytest.fixture
async def member(client: httpx.AsyncClient) -> str:
    return str((await register(client, "member@example.org"))["token"])


@walked("email", WRITTEN.values(), ids=list(WRITTEN))
async def test_an_address_that_is_in_the_table_is_taken_in_every_spelling(
    client: httpx.AsyncClient, db: Database, member: str, email: str
) -> None:
    await adopt(db, email)
    for spelled in sorted(spellings(email)):
        body = {"email": spelled, "name": "Another", "password": PASSWORD}
        assert_error(await client.post("/api/auth/register", json=body), errors.EmailTaken)
        body = {"email": spelled, "password": PASSWORD}
        answer = await client.post("/api/auth/email", json=body, headers=bearer(member))
        assert_error(answer, errors.EmailTaken)
    assert await db.fetchval("SELECT count(*) FROM users") == 2
    assert await db.fetchval("SELECT email FROM users WHERE name = 'Adopted'") == email


@pytest.mark.parametrize("email", WRITTEN.values(), ids=list(WRITTEN))
async def test_who_is_in_the_table_signs_in_by_every_spelling(
    client: httpx.AsyncClient, gate: Gatepost, db: Database, email: str
) -> None:
    await adopt(db, email)
    await gate.housekeeping.run(client=Client())
    for spelled in spellings(email):
        assert await status_of_login(client, spelled) == 200, ascii(spelled)
    assert await db.fetchval("SELECT email FROM users") == email


async def test_what_the_database_takes_for_one_letter_are_two_people(
    client: httpx.AsyncClient, db: Database
) -> None:
    """lower() of PostgreSQL makes an i of the capital with a dot, in some locales."""
    await adopt(db, "İbrahim@example.com")
    await register(client, "ibrahim@example.com")
    await register(client, "\u0131brahim@example.com")
    assert await db.fetchval("SELECT count(*) FROM users") == 3
    found = await client.post("/api/auth/login", json={"email": "IBRAHIM@example.com", "password": PASSWORD})
    assert found.json()["data"]["user"]["email"] == "ibrahim@example.com"


async def test_of_two_spellings_that_are_in_the_table_one_signs_in_and_nobody_gets_a_third(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    email = "zoë@example.com"
    await adopt(db, email, unicodedata.normalize("NFD", email), "no address ë")
    await gate.housekeeping.run(client=Client())
    assert await status_of_login(client, email) == 200
    body = {"email": unicodedata.normalize("NFD", email), "name": "Zoë", "password": PASSWORD}
    assert_error(await client.post("/api/auth/register", json=body), errors.EmailTaken)
    keys = [row["email_key"] for row in await db.fetch("SELECT email_key FROM users ORDER BY id")]
    assert keys == [email, None, None]
    # Whoever gives the second another address has it found again.
    await db.execute("UPDATE users SET email = 'ÜNAL@example.com' WHERE id = $1", nth_user(2))
    await db.execute("UPDATE users SET email = 'ÉVA@example.com' WHERE id = $1", nth_user(1))
    await gate.housekeeping.run(client=Client())
    assert await status_of_login(client, "ünal@example.com") == 200
    assert await status_of_login(client, "éva@example.com") == 200
    assert await status_of_login(client, email) == 401


async def test_another_locale_of_the_column_changes_nothing(client: httpx.AsyncClient, db: Database) -> None:
    await db.execute('ALTER TABLE users ALTER COLUMN email TYPE varchar COLLATE "C"')
    await adopt(db, "ÜNAL@example.com", "INFO@example.com")
    await register(client, "other@example.com")
    assert await status_of_login(client, "ünal@example.com") == 200
    assert await status_of_login(client, "Info@Example.com") == 200


async def test_what_is_plain_to_the_database_is_what_is_plain_to_us(db: Database) -> None:
    texts = [
        *WRITTEN.values(),
        "a@b",
        "A@XN--B.example",
        "!~@x",
        "a b@x",
        "\x7f@x",
        "a\t@x",
        "",
        "É@x",
        "\u017f@x",
    ]
    for text in texts:
        is_plain = await db.fetchval("SELECT gatepost.email_is_plain($1)", text)
        # Of a canonical e-mail, which never has a capital in it.
        assert is_plain == (text.isascii() and email_key(text.lower()) is None), text
        if is_plain and "." in text:
            assert canonical_email(text) == text.lower()

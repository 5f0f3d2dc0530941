"""The inputs of the sign-up form that are made for the fields of an application's model."""

import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal

import httpx
import pytest
from fastapi import FastAPI
from pydantic import AfterValidator, AliasChoices, AnyUrl, BaseModel, Field, SecretStr
from tests.conftest import PASSWORD, MakeSettings, serving
from tests.http.conftest import Database
from tests.http.pages.conftest import SAME, Html

from gatepost import Gatepost, User
from gatepost.features.setup.service import Setup
from gatepost.http.pages.own_inputs import OwnInput, own_inputs, typed_fields
from gatepost.services.own_fields import OwnFields


class Plan(StrEnum):
    FREE = "free"
    PRO = "pro"


def accepted(terms: bool) -> bool:
    if not terms:
        raise ValueError("Please accept the terms")
    return terms


class Fields(BaseModel):
    company_name: str = Field(max_length=10, description="As on the invoice")
    plan: Plan
    size: Literal["small", "large"] | None = None
    colour: Literal["red", "blue"] = "blue"
    seats: int | None = Field(None, gt=0, lt=100, title="How many seats?")
    budget: Decimal = Decimal("1.5")
    founded: datetime.date | None = None
    site: AnyUrl | None = None
    pin: SecretStr | None = None
    news: bool = True
    age: Literal[True] = Field(title="I am of age")
    terms: Annotated[bool, AfterValidator(accepted)] = Field(
        False, title="I accept the terms", validate_default=True
    )


def inputs(model: type[BaseModel]) -> dict[str, OwnInput]:
    return {each.name: each for each in own_inputs(OwnFields(model))[0]}


def test_each_field_has_the_input_of_its_type() -> None:
    made = inputs(Fields)
    assert {name: each.kind for name, each in made.items()} == {
        "company_name": "text",
        "plan": "choice",
        "size": "choice",
        "colour": "choice",
        "seats": "number",
        "budget": "number",
        "founded": "date",
        "site": "url",
        "pin": "password",
        "news": "checkbox",
        "age": "checkbox",
        "terms": "checkbox",
    }
    assert [name for name, each in made.items() if each.required] == ["company_name", "plan", "colour", "age"]
    assert made["company_name"].label == "Company name"
    assert made["company_name"].hint == "As on the invoice"
    assert made["company_name"].attributes["maxlength"] == 10
    assert made["seats"].label == "How many seats?"
    assert made["seats"].attributes == {"min": 1, "max": 99, "step": 1}
    assert made["budget"].attributes["step"] == "any"
    assert (made["plan"].options, made["plan"].value) == (["free", "pro"], None)
    assert (made["colour"].value, made["size"].value) == ("blue", None)
    assert made["size"].options == ["small", "large"]
    assert (made["budget"].value, made["news"].value, made["terms"].value) == ("1.5", True, False)


def test_a_field_is_called_as_it_is_sent() -> None:
    class Aliased(BaseModel):
        first: str = Field(alias="firstName")
        last: str = Field(validation_alias=AliasChoices("lastName", "surname"))

    assert list(inputs(Aliased)) == ["firstName", "lastName"]
    own = OwnFields(Aliased)
    read, problems = own.read({"firstName": "Ada", "lastName": "Lovelace"})
    assert (read, problems) == (Aliased(firstName="Ada", lastName="Lovelace"), {})


def test_what_no_plain_input_can_hold_has_none() -> None:
    class Listed(BaseModel):
        tags: list[str]
        extra: dict[str, str] = {}

    assert own_inputs(OwnFields(Listed)) == ([], ["tags"])
    assert own_inputs(OwnFields(None)) == ([], [])


def test_a_box_that_is_not_ticked_is_a_no() -> None:
    made, _ = own_inputs(OwnFields(Fields))
    assert typed_fields(made, {"email": "a@example.com", "seats": "", "terms": "on"}) == {
        "news": False,
        "terms": True,
    }
    assert typed_fields(made, {"age": "on", "more": "x"}) == {
        "age": True,
        "more": "x",
        "news": False,
        "terms": False,
    }


def application(auth: Gatepost) -> FastAPI:
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app, pages=True)
    return app


async def posted(client: httpx.AsyncClient, path: str, typed: dict[str, str]) -> httpx.Response:
    """Send the form of a page as a browser does, with what is typed into it."""
    page = Html((await client.get(path)).text)
    form = page.form(path.partition("?")[0]).fields
    return await client.post(path.partition("?")[0], data=form | typed, headers=SAME)


def someone(email: str) -> dict[str, str]:
    return {"email": email, "name": "Ada", "password": PASSWORD}


GOOD = {"company_name": "Acme", "plan": "pro", "age": "on", "terms": "on"}


async def test_the_page_asks_and_hooks_are_given_what_was_typed(
    make_settings: MakeSettings, db: Database
) -> None:
    auth = Gatepost(make_settings(), registration=Fields)
    seen: list[Any] = []

    @auth.on_register
    async def keep(conn: Any, user: User, fields: Fields | None) -> None:
        seen.append(fields)

    async with serving(application(auth)) as client:
        answer = await posted(client, "/auth/sign-up", someone("ada@example.com") | GOOD)
        assert answer.status_code == 303, answer.text
        client.cookies.clear()
        # The link of the setup asks the same.
        token = await auth.service(Setup).issue()
        answer = await posted(client, f"/auth/setup?token={token}", someone("b@example.com") | GOOD)
        assert answer.status_code == 303, answer.text
    assert [each.company_name for each in seen] == ["Acme", "Acme"]
    # `news` is on in the model, and was on in the form as it was served.
    assert [(each.plan, each.seats, each.news) for each in seen] == [(Plan.PRO, None, True)] * 2


@pytest.mark.parametrize("path", ["/auth/sign-up", "/auth/setup"])
async def test_what_is_wrong_stands_at_its_input_in_plain_words_and_in_the_visitor_s_language(
    make_settings: MakeSettings, db: Database, path: str
) -> None:
    auth = Gatepost(make_settings(), registration=Fields)
    wrong = {
        "company_name": "Acme & Sons Ltd.",
        "plan": "gold",
        "seats": "100",
        "founded": "today",
        "site": "x",
    }
    async with serving(application(auth)) as client:
        query = f"?token={await auth.service(Setup).issue()}" if path == "/auth/setup" else ""
        answer = await posted(client, path + query, someone("ada@example.com") | wrong)
        german = await client.post(
            path,
            data=Html(answer.text).form(path).fields | wrong,
            headers=SAME | {"Accept-Language": "de"},
        )
    page = Html(answer.text)
    assert answer.status_code == 422
    told = {name: page.texts[f"{name}-problem"] for name in (*wrong, "age", "terms")}
    assert told == {
        "company_name": "Use at most 10 characters",
        "plan": "Choose an option from the list",
        "seats": "Enter less than 100",
        "founded": "Enter a date such as 2026-02-28",
        "site": "Enter a web address such as https://example.com",
        "age": "This field is required",
        "terms": "Please accept the terms",
    }
    assert page.form(path).fields["company_name"] == "Acme & Sons Ltd."
    assert Html(german.text).texts["seats-problem"] == "Geben Sie weniger als 100 ein"
    assert await db.fetchval("SELECT count(*) FROM users") == 0


async def test_a_box_that_was_ticked_stays_as_it_is_left(make_settings: MakeSettings) -> None:
    auth = Gatepost(make_settings(), registration=Fields)
    async with serving(application(auth)) as client:
        shown = Html((await client.get("/auth/sign-up")).text).form("/auth/sign-up").fields
        assert ("news" in shown, "terms" in shown) == (True, False)
        without_news = {name: value for name, value in shown.items() if name != "news"} | {"terms": "on"}
        again = await client.post("/auth/sign-up", data=without_news, headers=SAME)
        left = Html(again.text).form("/auth/sign-up").fields
    assert ("news" in left, "terms" in left) == (False, True)


async def test_a_required_field_without_an_input_is_warned_of(
    make_settings: MakeSettings, caplog: pytest.LogCaptureFixture
) -> None:
    class Listed(BaseModel):
        tags: list[str]

    application(Gatepost(make_settings(), registration=Listed))
    assert "has no input for a required field" in caplog.text


async def test_the_setup_over_the_api_asks_too(make_settings: MakeSettings, db: Database) -> None:
    auth = Gatepost(make_settings(), registration=Fields)
    async with serving(application(auth)) as client:
        body: dict[str, Any] = {**someone("ada@example.com"), "token": await auth.service(Setup).issue()}
        refused = await client.post("/api/auth/setup", json=body)
        assert set(refused.json()["error"]["fields"]) == {"company_name", "plan", "age", "terms"}
        good = {"company_name": "Acme", "plan": "pro", "age": True, "terms": True}
        assert (await client.post("/api/auth/setup", json=body | good)).status_code == 201
        document = (await client.get("/api/auth/openapi.json")).json()["components"]["schemas"]
    assert {"company_name", "token"} <= set(document["SetupRequest"]["required"])
    assert document["SetupRequest"]["additionalProperties"] is False
    assert await db.fetchval("SELECT is_admin FROM users") is True

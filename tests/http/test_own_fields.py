"""What an application asks for at registration: over the API, on the page, in the document, in hooks."""

import json
import re
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import AfterValidator, AliasChoices, AliasPath, BaseModel, Field, RootModel
from tests.conftest import PASSWORD, MakeSettings, execute, load, serving
from tests.http.conftest import logged
from tests.walking import walked

from gatepost import Gatepost, User

PAGE = (Path(__file__).parents[2] / "docs" / "library.md").read_text()
(EXAMPLE,) = re.findall(r'^```python title="company.py"\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL)
(TEMPLATE,) = re.findall(r"^```html\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
BODY: dict[str, Any] = {"email": "user@example.com", "name": "Ada", "password": PASSWORD}
GOOD: dict[str, Any] = BODY | {"company": "Acme <hush>", "terms": True}


class Fields(BaseModel):
    company: str = Field(max_length=10)
    seats: int = 1


class Other(BaseModel):
    pass


def application(auth: Gatepost, **installed: Any) -> FastAPI:
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app, **installed)
    return app


async def post(auth: Gatepost, body: Any) -> httpx.Response:
    async with serving(application(auth)) as client:
        return await client.post("/api/auth/register", json=body)


async def test_hooks_are_given_the_model(make_settings: MakeSettings) -> None:
    auth = Gatepost(make_settings(), registration=Fields)
    seen: list[object] = []

    @auth.on_register
    async def with_fields(conn: Any, user: User, fields: Fields | None) -> None:
        seen.append(fields)

    @auth.on_register
    async def without(conn: Any, user: User) -> None:
        seen.append(user.email)

    async with serving(application(auth)) as client:
        answer = await client.post("/api/auth/register", json=BODY | {"company": "Acme", "seats": 7})
        assert answer.status_code == 201
        await auth.users.create(email="b@example.com", name="B", fields=Fields(company="Bell"))
        await auth.users.create(email="c@example.com", name="C")
        with pytest.raises(TypeError, match="of another type"):
            await auth.users.create(email="d@example.com", name="D", fields=Other())
    assert seen == [
        Fields(company="Acme", seats=7),
        "user@example.com",
        Fields(company="Bell"),
        "b@example.com",
        None,
        "c@example.com",
    ]


@walked(
    ("body", "wrong"),
    [
        ({}, {"email", "name", "password", "company"}),
        ({"email": "no address", "company": "Acme"}, {"email", "name", "password"}),
        ({**BODY, "password": "short"}, {"password", "company"}),
        ({**BODY, "company": "x" * 11, "seats": "many"}, {"company", "seats"}),
        ({**BODY, "company": "Acme", "colour": "red"}, {"colour"}),
        ({**BODY, "name": 7, "cookie": "yes", "company": None}, {"name", "cookie", "company"}),
    ],
)
async def test_all_that_is_wrong_is_told_at_once(
    make_settings: MakeSettings, db: Any, body: dict[str, Any], wrong: set[str]
) -> None:
    answer = await post(Gatepost(make_settings(), registration=Fields), body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "validation_failed")
    assert set(answer.json()["error"]["fields"]) == wrong
    assert all(told and "yes" not in told for told in answer.json()["error"]["fields"].values())
    assert await db.fetchval("SELECT count(*) FROM users") == 0


async def test_without_a_model_more_is_passed_over_and_what_is_missing_is_told_at_once(
    make_settings: MakeSettings,
) -> None:
    auth = Gatepost(make_settings())
    assert (await post(auth, BODY | {"company": "Acme"})).status_code == 201
    answer = await post(auth, {"email": "no address", "password": "short", "company": "Acme"})
    assert set(answer.json()["error"]["fields"]) == {"email", "name", "password"}
    assert (await post(auth, [])).json()["error"]["code"] == "validation_failed"


@pytest.mark.parametrize("name", ["email", "cookie", "next"])
def test_a_name_that_is_taken_is_refused_at_once(make_settings: MakeSettings, name: str) -> None:
    model = type("Taken", (BaseModel,), {"__annotations__": {name: str}})
    with pytest.raises(ValueError, match=f"Gatepost has a field '{name}' of its own"):
        Gatepost(make_settings(), registration=model)


def test_a_hook_takes_them_where_there_are_some(make_settings: MakeSettings) -> None:
    async def with_fields(conn: Any, user: User, fields: Any) -> None: ...

    Gatepost(make_settings(), registration=Fields).on_register(with_fields)
    with pytest.raises(TypeError, match=r"is called with \(connection, user\): missing a required argument"):
        Gatepost(make_settings()).on_register(with_fields)


class Aliased(BaseModel):
    model_config = {"populate_by_name": True}

    company: str = Field(validation_alias="companyName")
    seats: int = Field(1, validation_alias=AliasChoices("seats", "places"))
    street: str = Field("", validation_alias=AliasPath("address", "street"))


@pytest.mark.parametrize("value", ["a\0b", "\ud800"])
async def test_what_no_column_holds_does_not_reach_a_hook(make_settings: MakeSettings, value: str) -> None:
    class Nested(BaseModel):
        company: str = ""
        more: dict[str, list[str]] = {}
        any: object = None

    deep: list[object] = [value]
    for _ in range(900):
        deep = [deep]

    auth = Gatepost(make_settings(), registration=Nested)
    async with serving(application(auth)) as client:
        values: list[dict[str, object]] = [
            {"company": value},
            {"more": {"a": [value]}},
            {"more": {value: []}},
            {"any": deep},
        ]
        for sent in values:
            body = json.dumps(BODY | sent)
            kind = {"Content-Type": "application/json"}
            answer = await client.post("/api/auth/register", content=body, headers=kind)
            # How deep a text may be nested depends on how deep its parser stands: one of the two says no.
            if not ("any" in sent and answer.status_code == 400):
                assert answer.status_code == 422, answer.text
                assert list(answer.json()["error"]["fields"]) == list(sent)


def fail_on(value: str) -> str:
    raise KeyError(value)


async def test_a_validator_at_fault_is_named_and_what_was_sent_is_not(
    make_settings: MakeSettings, caplog: pytest.LogCaptureFixture
) -> None:
    class Faulty(BaseModel):
        company: Annotated[str, AfterValidator(fail_on)]

    answer = await post(Gatepost(make_settings(), registration=Faulty), BODY | {"company": "hush-4111"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
    assert "a validator raised KeyError, no ValueError, in fail_on (" in caplog.text
    assert "hush-4111" not in caplog.text + answer.text


async def test_what_a_database_quotes_of_them_is_not_in_the_log(
    make_settings: MakeSettings, owner_dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    await execute(owner_dsn, "CREATE TABLE companies (name text UNIQUE)", "GRANT ALL ON companies TO PUBLIC")
    auth = Gatepost(make_settings(), registration=Fields)

    @auth.on_register
    async def twice(conn: Any, user: User, fields: Fields | None) -> None:
        for _ in range(2):
            await conn.execute("INSERT INTO companies VALUES ($1)", fields and fields.company)

    answer = await post(auth, BODY | {"company": "hush-4111"})
    assert answer.status_code == 500
    assert "UniqueViolationError" in caplog.text
    assert "hush-4111" not in caplog.text


@walked("name", ["cls", "self", "_fields_set", "_own", "_problems", "model_fields"])
@walked("registration", [None, Fields])
async def test_no_field_that_is_sent_is_taken_for_something_else(
    make_settings: MakeSettings, registration: type[BaseModel] | None, name: str
) -> None:
    answer = await post(Gatepost(make_settings(), registration=registration), {name: 1, "email": "a@x.com"})
    assert answer.status_code == 422
    fields = answer.json()["error"]["fields"]
    assert fields.keys() >= {"name", "password"}
    assert (name in fields) == (registration is not None)


@pytest.mark.parametrize(
    "sent",
    [{"companyName": "Acme", "places": 7, "address": {"street": "Main"}}, {"company": "Acme", "seats": 7}],
)
async def test_they_may_be_called_otherwise_where_they_are_sent(
    make_settings: MakeSettings, sent: dict[str, object]
) -> None:
    answer = await post(Gatepost(make_settings(), registration=Aliased), BODY | sent)
    assert answer.status_code == 201, answer.text


class Tree(BaseModel):
    company: str
    parent: "Tree | None" = None


async def test_a_model_may_hold_itself(make_settings: MakeSettings) -> None:
    auth = Gatepost(make_settings(), registration=Tree)
    async with serving(application(auth, pages=True, openapi=True)) as client:
        shown = (await client.get("/auth/sign-up")).text
        assert 'name="company"' in shown
        assert 'name="parent"' not in shown
        assert (await client.get("/openapi.json")).status_code == 200
        sent = BODY | {"company": "Acme", "parent": {"company": "Bell", "parent": None}}
        assert (await client.post("/api/auth/register", json=sent)).status_code == 201


def test_a_model_without_fields_of_its_own_is_refused(make_settings: MakeSettings) -> None:
    with pytest.raises(ValueError, match="a RootModel has no fields"):
        Gatepost(make_settings(), registration=RootModel[dict[str, int]])


class Hiding(BaseModel):
    mark: str = Field(validation_alias=AliasChoices("mark", "password"))


def test_none_is_called_as_one_of_gateposts_by_any_name(make_settings: MakeSettings) -> None:
    with pytest.raises(ValueError, match="Gatepost has a field 'password' of its own"):
        Gatepost(make_settings(), registration=Hiding)


async def test_the_documents_show_them(make_settings: MakeSettings) -> None:
    auth = Gatepost(make_settings(), registration=Fields)
    app = application(auth, openapi=True)
    async with serving(app) as client:
        own = (await client.get("/api/auth/openapi.json")).json()
        joint = (await client.get("/openapi.json")).json()
    for document in (own, joint):
        body = document["components"]["schemas"]["RegisterRequest"]
        assert body["properties"]["company"]["maxLength"] == 10
        assert set(body["required"]) == {"email", "name", "password", "company"}
        assert body["additionalProperties"] is False


@pytest.fixture
async def example(
    owner_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, users_environment: None
) -> Any:
    await execute(
        owner_dsn,
        "CREATE TABLE companies (owner_id integer, name text)",
        "GRANT INSERT ON companies TO PUBLIC",
    )
    monkeypatch.setenv("TEMPLATES_DIR", str(tmp_path))
    (tmp_path / "sign_up.html").write_text(TEMPLATE)
    (tmp_path / "company.py").write_text(EXAMPLE)
    return load(tmp_path / "company.py", monkeypatch)


async def test_the_example_over_the_api(example: Any, db: Any, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(example.app) as client:
        refused = await client.post("/api/auth/register", json=BODY)
        assert refused.json()["error"]["fields"] == {
            "company": "This field is required",
            "terms": "Please accept the terms",
        }
        answer = await client.post("/api/auth/register", json=GOOD)
        assert answer.status_code == 201
    assert await db.fetchval("SELECT name FROM companies") == "Acme <hush>"
    assert "hush" not in caplog.text
    assert await db.fetchval("SELECT count(*) FROM auth_events WHERE detail::text LIKE '%hush%'") == 0
    assert logged(caplog, "unhandled fault") == []


async def test_the_example_on_the_page(example: Any, db: Any) -> None:
    async with serving(example.app) as client:
        shown = await client.get("/auth/sign-up")
        token = re.findall(r'name="form_token" value="([^"]+)"', shown.text)[0]
        form = BODY | {"form_token": token, "company": "x<" * 60, "employees": ""}
        same = {"Sec-Fetch-Site": "same-origin"}
        again = await client.post("/auth/sign-up", data=form, headers=same)
        assert again.status_code == 422
        assert f'value="{"x&lt;" * 60}"' in again.text
        assert 'id="company-problem"' in again.text
        assert 'id="terms-problem">Please accept the terms</p>' in again.text
        form |= {"company": "Acme", "terms": "on"}
        done = await client.post("/auth/sign-up", data=form, headers=same)
        assert done.status_code == 303, done.text
    assert await db.fetchval("SELECT name FROM companies") == "Acme"

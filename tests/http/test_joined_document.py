"""One OpenAPI document for an application and the API in it."""

import re
from typing import Any, Literal

import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.applications import Starlette
from tests.conftest import MakeSettings, serving

from gatepost import CurrentSession, Gatepost


class UserData(BaseModel):
    """The application's own, which is called as one of the API's is."""

    shoe_size: int


async def documents(make_settings: MakeSettings, *, openapi: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    auth = Gatepost(make_settings(environment="development"))
    app = FastAPI(lifespan=auth.lifespan, title="Shop")

    @app.get("/shoes")
    async def shoes(session: CurrentSession) -> UserData:
        return UserData(shoe_size=42)

    auth.install(app, openapi=openapi)
    async with serving(app) as client:
        found = [(await client.get(path)).json() for path in ("/openapi.json", "/api/auth/openapi.json")]
    return found[0], found[1]


def references(part: object) -> set[str]:
    return set(re.findall(r"'\$ref': '#/components/schemas/([^']+)'", repr(part)))


async def test_the_applications_document_holds_every_operation_of_the_api(
    make_settings: MakeSettings,
) -> None:
    joined, ours = await documents(make_settings, openapi=True)
    assert joined["info"]["title"] == "Shop"
    assert set(joined["paths"]) == {"/shoes", *ours["paths"]}
    schemas = joined["components"]["schemas"]
    assert references(joined) <= set(schemas)
    assert "shoe_size" in schemas["UserData"]["properties"]
    assert schemas["GatepostUserData"] == ours["components"]["schemas"]["UserData"]
    assert "GatepostUserData" in references(schemas["MeData"])
    assert set(ours["components"]["securitySchemes"]) == set(joined["components"]["securitySchemes"])


async def test_unless_it_is_asked_for_it_holds_none(make_settings: MakeSettings) -> None:
    own, _ = await documents(make_settings, openapi=False)
    assert set(own["paths"]) == {"/shoes"}


@pytest.mark.parametrize("kind", ["no FastAPI", "no API"])
def test_there_has_to_be_a_document_and_an_api(
    make_settings: MakeSettings, kind: Literal["no FastAPI", "no API"]
) -> None:
    app = Starlette() if kind == "no FastAPI" else FastAPI()
    with pytest.raises(ValueError, match="openapi=True is for a FastAPI application"):
        Gatepost(make_settings()).install(app, api=kind != "no API", openapi=True)


async def test_codes_are_a_choice(make_settings: MakeSettings) -> None:
    _, ours = await documents(make_settings, openapi=False)
    codes = ours["components"]["schemas"]["ErrorInfo"]["properties"]["code"]["enum"]
    assert {"invalid_credentials", "unavailable", "not_found", "invalid_invitation"} <= set(codes)
    assert codes == sorted(codes)

"""The page of what runs: the version, and settings without secrets."""

import re

from pydantic import SecretStr
from tests.conftest import MakeSettings
from tests.http.pages.conftest import ORIGIN, Visitor

import gatepost
from gatepost.http.pages.admin.system import in_force
from gatepost.settings import Settings


async def test_it_tells_the_version_and_which_settings_somebody_has_set(admin: Visitor) -> None:
    await admin.get("/auth/admin/system")
    text = admin.answer.text
    assert f"Gatepost {gatepost.__version__}" in text
    plain = re.sub(r"</?span[^>]*>", "", text)
    rows = re.findall(r'<tr><td class="mono">(\w+)</td><td[^>]*>(.*?)</td><td[^>]*>(\w+)</td></tr>', plain)
    told = {name: (value, origin) for name, value, origin in rows}
    assert {*told} >= {name.upper() for name in Settings.model_fields}
    assert told["PUBLIC_URL"] == (ORIGIN, "set")
    assert told["SESSION_EXPIRE_MINUTES"] == ("30", "default")


def test_no_secret_is_told(make_settings: MakeSettings) -> None:
    settings = make_settings(secret_key_fallbacks=("f" * 40,), devise_pepper="pepper-of-devise")
    shown = {each.name: each for each in in_force(settings)}
    for name in ("SECRET_KEY", "SECRET_KEY_FALLBACKS", "DATABASE_URL", "DEVISE_PEPPER"):
        assert shown[name].is_secret, name
        assert shown[name].value is None, name
    secrets = [value for value in vars(settings).values() if isinstance(value, SecretStr)]
    assert secrets
    for secret in secrets:
        assert all(secret.get_secret_value() not in (each.value or "") for each in shown.values())

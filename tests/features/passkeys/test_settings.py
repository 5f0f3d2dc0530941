"""Which domain passkeys are made for, and whose pages may ask for them."""

from typing import Any

import pytest

from gatepost.errors import SettingsError
from gatepost.features.passkeys.settings import PasskeySettings

KEY = "3f9c1d7ab2e84056971fd0c3a65be248"


def settings(**values: Any) -> PasskeySettings:
    return PasskeySettings.load(env_file=None, **values)


@pytest.mark.parametrize(
    ("values", "rp_id", "origins"),
    [
        ({}, "localhost", ("http://localhost:8000",)),
        ({"port": 9000}, "localhost", ("http://localhost:9000",)),
        ({"host": "0.0.0.0"}, "localhost", ("http://localhost:8000",)),  # noqa: S104 - read, not bound
        ({"public_url": "https://auth.example.com"}, "auth.example.com", ("https://auth.example.com",)),
        (
            {"public_url": "https://auth.example.com", "webauthn_rp_id": "Example.com"},
            "example.com",
            ("https://auth.example.com",),
        ),
        (
            {"public_url": "https://a.example", "allowed_origins": "https://b.example, https://a.example"},
            "a.example",
            ("https://a.example", "https://b.example"),
        ),
        ({"public_url": "http://127.0.0.1:8000"}, None, ("http://127.0.0.1:8000",)),
        ({"public_url": "http://[::1]:8000"}, None, ("http://[::1]:8000",)),
        ({"environment": "production", "secret_key": KEY}, None, ()),
        (
            {"environment": "production", "secret_key": KEY, "webauthn_rp_id": "example.com"},
            None,
            (),
        ),
        ({"webauthn_rp_id": "localhost"}, "localhost", ("http://localhost:8000",)),
    ],
)
def test_the_domain_and_the_origins(
    values: dict[str, Any], rp_id: str | None, origins: tuple[str, ...]
) -> None:
    found = settings(**values)
    assert (found.rp_id, found.webauthn_origins) == (rp_id, origins)


@pytest.mark.parametrize(
    "wrong", ["https://example.com", "127.0.0.1", "example.com:443", "com", "*.example.com"]
)
def test_what_is_no_domain_is_refused(wrong: str) -> None:
    with pytest.raises(SettingsError, match="WEBAUTHN_RP_ID"):
        settings(webauthn_rp_id=wrong)

"""The settings of passkeys, beside the kernel's."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field

from gatepost.settings import Settings, forms
from gatepost.settings.rates import Rate, rate


def _rp_id(value: object) -> str | None:
    text = forms.plain_text(value)
    return "localhost" if text is not None and text.lower() == "localhost" else forms.domain(value)


class PasskeySettings(Settings):
    """What can be set of passkeys."""

    webauthn_rp_id: Annotated[str | None, BeforeValidator(_rp_id)] = Field(
        None,
        description="Domain that passkeys are made for; without it, the host of PUBLIC_URL. "
        "With another one, every passkey that was made is lost",
        json_schema_extra={"accepted": "a domain such as example.com"},
    )
    throttle_passkey_address: Annotated[Rate, BeforeValidator(rate)] = Field(
        Rate.parse("120 then 120/minute"),
        description="Passkeys asked for from one address, as each page of sign-in does that is opened",
        json_schema_extra={"accepted": "a rate such as 10 then 1/minute"},
    )

    passwordless_sign_up: bool = Field(
        False,
        description="Whether one can sign up with a passkey instead of a password. "
        "Where EMAIL_VERIFICATION is required one always can, once the mailbox has answered",
    )

    @property
    def rp_id(self) -> str | None:
        """What passkeys are made for (the RP ID, WebAuthn §4); None where there can be none.

        It is the name of a host: browsers refuse an IP address (WebAuthn §5.1.3).
        """
        if self.webauthn_rp_id is not None and self.webauthn_origins:
            return self.webauthn_rp_id
        origin = self._own_origin
        host = None if origin is None else urlsplit(origin).hostname
        return host if host is not None and _is_name(host) else None

    @property
    def webauthn_origins(self) -> tuple[str, ...]:
        """The origins whose pages may ask for passkeys: exactly those."""
        own = self._own_origin
        return tuple(dict.fromkeys((*(() if own is None else (own,)), *self.allowed_origins)))

    @property
    def _own_origin(self) -> str | None:
        """Where browsers reach this by name: development is at `localhost` where it has no PUBLIC_URL."""
        origin = self.effective_public_url
        if origin is None or self.public_url is not None or not forms.is_loopback(origin):
            return origin
        return f"{urlsplit(origin).scheme}://localhost:{self.port}"


def fits(host: str | None, rp_id: str) -> bool:
    """Say whether pages of a host may ask for passkeys of a domain: at that host, and below it."""
    return host is not None and (host == rp_id or host.endswith(f".{rp_id}"))


def _is_name(host: str) -> bool:
    # An IPv4 address ends in a number, an IPv6 address has colons; a name does neither (URL Standard §3.5).
    return ":" not in host and not host.rpartition(".")[2].isdecimal()

"""The settings of mail, beside the kernel's."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr

from gatepost.features.email import address
from gatepost.settings import Settings, forms
from gatepost.settings.rates import Rate, rate

_Rate = Annotated[Rate, BeforeValidator(rate)]


def _rate(default: str, description: str) -> Any:  # noqa: ANN401 - what Field returns
    return Field(
        Rate.parse(default),
        description=description,
        json_schema_extra={"accepted": "a rate such as 10 then 1/minute"},
    )


class EmailSettings(Settings):
    """What can be set of mail."""

    mail_url: Annotated[SecretStr | None, BeforeValidator(address.mail_url)] = Field(
        None,
        description="Mail server to send by; development without one shows mails on a page of its own",
        json_schema_extra={
            "accepted": "a URL such as smtps://user:password@smtp.example.com, or smtp:// for STARTTLS"
        },
    )
    mail_from: Annotated[str | None, BeforeValidator(address.mailbox)] = Field(
        None,
        description="Sender of mails; without one, an address made of MAIL_URL or PUBLIC_URL",
        json_schema_extra={"accepted": "an address such as Acme <no-reply@example.com>"},
    )
    mail_reply_to: Annotated[str | None, BeforeValidator(address.mailbox)] = Field(
        None,
        description="Where answers to mails go, if not to their sender",
        json_schema_extra={"accepted": "an address such as help@example.com"},
    )
    mail_timeout_seconds: float = Field(
        10.0, ge=1, le=60, description="Seconds that sending one mail may take before it is tried again"
    )
    email_verification: Annotated[
        Literal["off", "optional", "required"], BeforeValidator(forms.lower_case)
    ] = Field(
        "optional",
        description="Whether users are asked, where mail is set up, to prove that their e-mail is theirs; "
        "required makes no account before that",
    )
    email_sign_in: Annotated[Literal["off", "link", "code", "both"], BeforeValidator(forms.lower_case)] = (
        Field(
            "off",
            description="What mails to sign in with have, where mail is set up; ASVS 6.3.6 has none. "
            "Where anybody may register, they make accounts too",
        )
    )
    throttle_mail_address: _Rate = _rate(
        "10 then 30/hour", "Mails that strangers ask for from one address (IPv6: /64)"
    )
    throttle_mail_network: _Rate = _rate("40 then 120/hour", "Mails asked for from one IPv6 /48")
    throttle_mail_recipient: _Rate = _rate(
        "5 then 5/hour", "Mails to one address that strangers ask for, whether or not it has an account"
    )
    throttle_mail_again: _Rate = _rate("1 then 1/minute", "The same mail to one address")
    throttle_mail_total: _Rate = _rate("100 then 5/second", "Mails that strangers ask for, in total")
    notices: bool = Field(
        True,
        description="Mail users of a sign-in from a new place, and of another password or e-mail",
    )

    def _refused_in_production(self) -> dict[str, str]:
        """Return what production has against these settings: a mail leads nowhere without the origin."""
        refused = super()._refused_in_production()
        if self.environment == "production" and self.mail_url is not None and self.public_url is None:
            refused["PUBLIC_URL"] = (
                "PUBLIC_URL: the links in mails begin with it; set an origin such as https://auth.example.com"
            )
        return refused

"""The settings of mail, beside the kernel's."""

from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr

from gatepost.features.email import address
from gatepost.settings import Settings


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

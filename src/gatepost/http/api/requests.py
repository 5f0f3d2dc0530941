"""What requests of the API hold."""

from typing import Annotated, Any, Self, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    StrictBool,
    StrictStr,
    ValidationError,
    model_validator,
)

from gatepost.http.api.schemas import LINK_TOKEN
from gatepost.models import Instead, bounds
from gatepost.services.field_problems import described
from gatepost.texts import Text

Email = Annotated[
    StrictStr,
    Field(
        json_schema_extra={"format": "email", "maxLength": bounds.EMAIL_MAX}, examples=["user@example.com"]
    ),
]
Name = Annotated[
    StrictStr, Field(json_schema_extra={"minLength": 1, "maxLength": bounds.NAME_MAX}, examples=["John Doe"])
]
Password = Annotated[
    StrictStr,
    Field(
        json_schema_extra={"minLength": 8, "maxLength": bounds.PASSWORD_MAX, "format": "password"},
        examples=["securepassword123"],
        repr=False,
    ),
]


Cookie = Annotated[
    StrictBool,
    Field(
        description="Send the token in a cookie instead of the body, for pages in a browser.",
        examples=[False],
    ),
]
Remember = Annotated[
    StrictBool,
    Field(
        description="Keep the cookie and the session after the browser is closed: keep me signed in.",
        examples=[False],
    ),
]

_GIVEN: Any = Field(
    json_schema_extra={"maxLength": bounds.PASSWORD_MAX, "format": "password"},
    examples=["securepassword123"],
    repr=False,
)
GivenPassword = Annotated[StrictStr, _GIVEN]
NewPassword = Annotated[
    StrictStr | None,
    Field(
        description="The new password, required with a temporary one; all other sessions end.",
        json_schema_extra={"minLength": 8, "maxLength": bounds.PASSWORD_MAX, "format": "password"},
        examples=["another secure password"],
        repr=False,
    ),
]


def _without_more(schema: dict[str, Any]) -> None:
    del schema["additionalProperties"]


class NewAccount(BaseModel):
    """Who makes an account for themselves, with what the application asks for besides."""

    model_config = ConfigDict(extra="allow", json_schema_extra=_without_more)
    _problems: dict[str, Text] = PrivateAttr(default_factory=dict)
    _own: dict[str, object] | None = PrivateAttr(None)

    email: Email
    name: Name
    password: Password
    cookie: Cookie = False
    remember: Remember = False

    @property
    def own(self) -> dict[str, object]:
        """What else was sent: fields that the application asks for."""
        return self._own or self.model_extra or {}

    @property
    def problems(self) -> dict[str, Text]:
        """What is wrong with which field, before its own rules are asked."""
        return self._problems

    @model_validator(mode="wrap")
    @classmethod
    def _gather(cls, sent: Any, read: ModelWrapValidatorHandler[Self]) -> Self:  # noqa: ANN401 - any JSON
        """Read what is there: what is missing is told together with what does not fit."""
        try:
            return read(sent)
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False)
            if not isinstance(sent, dict) or any(not each["loc"] for each in found):
                raise
            problems = {str(each["loc"][0]): described(each) for each in found}
            blank = {"email": "", "name": "", "password": ""}
            if any(cls.model_fields[name].is_required() for name in problems.keys() - blank):
                raise
            kept = {name: value for name, value in sent.items() if name in cls.model_fields.keys() - problems}
            request = cast("Self", cls.model_construct(**blank | kept))  # pydantic's plugin names the class
            request._problems = problems  # noqa: SLF001 - its own
            # By itself: a stranger's name could be one of the arguments.
            request._own = {name: value for name, value in sent.items() if name not in cls.model_fields}  # noqa: SLF001
            return request


class PerhapsNewAccount(BaseModel):
    """Who signs in, and makes an account where they have none, with what the application asks for besides."""

    model_config = ConfigDict(extra="allow", json_schema_extra=_without_more)

    name: Annotated[Name | None, Field(description="Of the account that is made.", examples=["John Doe"])] = (
        None
    )

    @property
    def own(self) -> dict[str, object]:
        """What else was sent: fields that the application asks for."""
        return self.model_extra or {}


Credential = Annotated[
    dict[str, Any] | None,
    Field(
        description="As the browser's `PublicKeyCredential.toJSON()` has it.",
        examples=[{"id": "AbC", "type": "public-key"}],
        repr=False,
    ),
]
SignUpChallenge = Annotated[
    StrictStr | None,
    Field(
        description="Of `POST /register/passkey/options`; with `credential` instead of a password.",
        json_schema_extra={"maxLength": bounds.TOKEN_MAX},
        examples=[LINK_TOKEN],
        repr=False,
    ),
]


class RegisterRequest(NewAccount):
    """Who registers."""

    invitation: Annotated[
        StrictStr | None,
        Field(
            description="The token of an invitation, required where registration is by invitation.",
            json_schema_extra={"maxLength": bounds.TOKEN_MAX},
            examples=[LINK_TOKEN],
            repr=False,
        ),
    ] = None
    challenge: SignUpChallenge = None
    credential: Credential = None

    @property
    def instead(self) -> Instead | None:
        """What is set up in the place of a password."""
        if self.challenge is None:
            return None
        return Instead(challenge=self.challenge, credential=self.credential)


class LoginRequest(BaseModel):
    """Who signs in."""

    email: Email
    password: GivenPassword
    cookie: Cookie = False
    remember: Remember = False
    new_password: NewPassword = None


Challenge = Annotated[
    StrictStr | None,
    Field(
        description="What `second_factor_required` came with; left out where a cookie holds it.",
        json_schema_extra={"maxLength": bounds.TOKEN_MAX},
        examples=[LINK_TOKEN],
        repr=False,
    ),
]
_METHOD: Any = Field(
    description="Of the methods that would do.", max_length=bounds.CODE_MAX, examples=["totp"]
)
Method = Annotated[StrictStr, _METHOD]


class FactorOptionsRequest(BaseModel):
    """Which sign-in waits for a step, and how that is to be answered."""

    challenge: Challenge = None
    method: Method


Code = Annotated[StrictStr | None, Field(max_length=bounds.CODE_MAX, examples=["123456"], repr=False)]


class FactorRequest(FactorOptionsRequest):
    """What answers the step: a code, or what an authenticator has signed."""

    code: Code = None
    credential: Credential = None


GivenAgain = Annotated[StrictStr | None, _GIVEN]
"""The password of whoever has one; of one who has none, the session has to be fresh."""


class ChangePasswordRequest(BaseModel):
    """The password that is, unless there is none, and the one that is to be."""

    current: GivenAgain = None
    new: Annotated[Password, Field(examples=["another secure password"])]


class ConfirmOptionsRequest(BaseModel):
    """How a session is to be confirmed."""

    method: Method


class ConfirmRequest(BaseModel):
    """The password, given again; or a method, with its code or with what an authenticator has signed."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": ["password"]}, {"required": ["method"]}]}
    )

    password: Annotated[StrictStr | None, _GIVEN] = None
    method: Annotated[StrictStr | None, _METHOD] = None
    code: Code = None
    credential: Credential = None


class UpdateMeRequest(BaseModel):
    """What a user may change of themselves by being signed in."""

    name: Name


class ChangeEmailRequest(BaseModel):
    """The e-mail that is to be, and the password, given again."""

    email: Annotated[Email, Field(examples=["new.address@example.com"])]
    password: GivenAgain = None


class DeleteMeRequest(BaseModel):
    """The password, given again."""

    password: GivenAgain = None

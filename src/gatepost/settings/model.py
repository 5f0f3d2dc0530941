"""Every setting there is, its default and what is accepted."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qsl, urlsplit

from pydantic import AliasGenerator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import SettingsConfigDict

from gatepost.errors import SettingsError
from gatepost.settings import forms
from gatepost.settings.looks import Looks
from gatepost.settings.rates import Rate, rate

_KEY = f"at least {forms.KEY_LENGTH_MIN} random characters; `gatepost secret` prints some"
_LIST = "separated by commas or as a JSON list"
_RATE = "a rate such as 10 then 1/minute"
_Rate = Annotated[Rate, BeforeValidator(rate)]


def _rate(default: str, description: str) -> Any:  # noqa: ANN401 - what Field returns
    return Field(Rate.parse(default), description=description, json_schema_extra={"accepted": _RATE})


class Settings(Looks):
    """What can be set, by the environment, a `.env` file or in code.

    What is given in code (`Settings(session_expire_minutes=60)`) counts first, then the environment, then
    `.env` in the current directory, then the default. Names in the environment and in `.env` are the fields'
    in capitals; what is empty counts as not set, and other programs' names are passed over. This is the only
    reader of the environment.

    Raises:
        SettingsError: some settings can't be worked with; all of the mistakes are told at once.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=AliasGenerator(validation_alias=str.upper),
        case_sensitive=True,
        env_file_encoding="utf-8-sig",
        env_ignore_empty=True,
        enable_decoding=False,
        hide_input_in_errors=True,
    )

    database_url: Annotated[SecretStr | None, BeforeValidator(forms.database_url)] = Field(
        None,
        description="PostgreSQL to use; without it, an embedded one under GATEPOST_HOME",
        json_schema_extra={"accepted": "a URL such as postgresql://user:password@host:5432/database"},
    )
    secret_key: Annotated[SecretStr | None, BeforeValidator(forms.key)] = Field(
        None,
        description="Key used to compute token digests; development without one keeps its own",
        json_schema_extra={"accepted": _KEY},
    )
    session_expire_minutes: int = Field(
        30, ge=1, le=525_600, description="Minutes until a session expires, from its start or last refresh"
    )
    debug: bool = Field(
        False, description="Log at level debug unless LOG_LEVEL is set; refused in production"
    )
    environment: Annotated[
        Literal["development", "test", "production"], BeforeValidator(forms.lower_case)
    ] = Field("development", description="Where this runs; production refuses unsafe settings")
    database_schema: Annotated[str | None, BeforeValidator(forms.schema)] = Field(
        None,
        description="Schema of the database that the tables are in; without it, the first of the search_path",
        json_schema_extra={"accepted": "a name in lower case, such as auth"},
    )
    user_id_type: Annotated[
        Literal["integer", "bigint", "uuid", "text"], BeforeValidator(forms.lower_case)
    ] = Field("integer", description="Type of user IDs in a new database; an existing table keeps its own")
    secret_key_fallbacks: Annotated[tuple[SecretStr, ...], BeforeValidator(forms.keys)] = Field(
        (),
        description="Previous SECRET_KEYs; sessions started with them stay valid",
        json_schema_extra={"accepted": f"keys, {_LIST}"},
    )
    session_max_minutes: int = Field(
        43_200,
        ge=1,
        le=5_256_000,
        description="Minutes after which a sign-in ends, even if it is refreshed",
    )
    session_token_format: Annotated[Literal["uuid", "opaque"], BeforeValidator(forms.lower_case)] = Field(
        "uuid", description="Format of session tokens: a random UUID (122 random bits), or 256 random bits"
    )
    refresh_grace_seconds: int = Field(
        10,
        ge=0,
        le=300,
        description="Seconds during which a client may repeat a refresh, or a browser a replaced cookie",
    )
    session_touch_seconds: int = Field(
        60, ge=0, le=86_400, description="Minimum seconds between two writes of a session's last_used_at"
    )
    session_history_days: int = Field(90, ge=0, le=36_500, description="Days that ended sessions are kept")
    cleanup_interval_seconds: int = Field(
        300,
        ge=0,
        le=86_400,
        description="Seconds between cleanups of expired sessions; 0 disables them",
    )
    password_hash: Annotated[Literal["bcrypt", "argon2id"], BeforeValidator(forms.lower_case)] = Field(
        "bcrypt",
        description="Hash for new passwords; argon2id uses 19 MiB and two passes, as OWASP recommends",
    )
    bcrypt_rounds: int = Field(
        12,
        ge=4,
        le=16,
        description="bcrypt cost; each step doubles the work; production requires 10 or more",
    )
    devise_pepper: Annotated[SecretStr | None, BeforeValidator(forms.plain_text)] = Field(
        None,
        description="Devise's config.pepper, used to check $2a$ hashes of users who come from Devise",
        json_schema_extra={"accepted": "text"},
    )
    password_min_length: int = Field(8, ge=8, le=128, description="Minimum length of new passwords")
    breached_passwords: Annotated[Path | None, BeforeValidator(forms.path)] = Field(
        None,
        description="File or directory with SHA-1 ranges of breached passwords, which are refused",
        json_schema_extra={"accepted": "the path of Have I Been Pwned data"},
    )
    pages: Annotated[bool, BeforeValidator(forms.lower_case)] = Field(
        True, description="Serve the web pages: sign-in, account and the admin console"
    )
    allowed_redirects: Annotated[tuple[str, ...], BeforeValidator(forms.origins)] = Field(
        (),
        description="Other origins that `next` may redirect to after sign-in; none by default",
        json_schema_extra={"accepted": f"origins such as https://app.example.com, {_LIST}"},
    )
    root_path: Annotated[str, BeforeValidator(forms.root_path)] = Field(
        "",
        description="Path at which a proxy serves this server, if not at the root",
        json_schema_extra={"accepted": "a path such as /auth-server"},
    )
    fresh_session_minutes: int = Field(
        10,
        ge=1,
        le=1_440,
        description="Minutes that a session counts as fresh after the password was entered",
    )
    admin_fresh_minutes: int = Field(
        60,
        ge=1,
        le=720,
        description="Minutes after the password, or the last page, for which the console can be read",
    )
    mfa_required: Annotated[Literal["off", "admins", "all"], BeforeValidator(forms.lower_case)] = Field(
        "off", description="Who has to set up a second factor, at the next sign-in"
    )
    session_idle_minutes: int = Field(
        0,
        ge=0,
        le=525_600,
        description="Minutes of inactivity after which a session expires; 0 disables this",
    )
    max_sessions_per_user: int = Field(
        100,
        ge=0,
        le=10_000,
        description="Maximum live sessions per user; beyond it the oldest ends; 0 means no limit",
    )
    registration: Annotated[Literal["open", "invite", "closed"], BeforeValidator(forms.lower_case)] = Field(
        "open", description="Who may register: anyone, only invited people, or no one"
    )
    public_url: Annotated[str | None, BeforeValidator(forms.origin)] = Field(
        None,
        description="Origin at which browsers reach this server; development defaults to its own address",
        json_schema_extra={"accepted": "an origin such as https://auth.example.com"},
    )
    allowed_origins: Annotated[tuple[str, ...], BeforeValidator(forms.origins)] = Field(
        (),
        description="Other origins whose pages may send requests with cookies; none by default",
        json_schema_extra={"accepted": f"origins such as https://app.example.com, {_LIST}"},
    )
    allowed_headers: Annotated[tuple[str, ...], BeforeValidator(forms.header_names)] = Field(
        (),
        description="Additional headers that pages of ALLOWED_ORIGINS may send, besides those of tracing",
        json_schema_extra={"accepted": f"names of headers, {_LIST}"},
    )
    cookie_domain: Annotated[str | None, BeforeValidator(forms.domain)] = Field(
        None,
        description="Domain whose subdomains share the session cookie; less secure than a single host",
        json_schema_extra={"accepted": "a domain such as example.com"},
    )
    throttle_enabled: bool = Field(True, description="Limit attempts with passwords and tokens")
    throttle_login_address: _Rate = _rate(
        "30 then 30/minute", "Logins from one address (IPv6: /64), successful or not"
    )
    throttle_login_network: _Rate = _rate("120 then 120/minute", "Logins from one IPv6 /48")
    throttle_login_account: _Rate = _rate(
        "10 then 1/minute", "Failed logins to one account, existing or not, from unknown devices"
    )
    throttle_login_known: _Rate = _rate(
        "10 then 1/minute", "Failed logins to one account from all its known devices together"
    )
    throttle_form_address: _Rate = _rate(
        "60 then 60/minute",
        "Registrations from one address that are processed, and logins without a valid e-mail address",
    )
    throttle_register_address: _Rate = _rate(
        "5 then 20/hour", "Registrations from one address; the same limit applies to invalid links"
    )
    throttle_register_network: _Rate = _rate("20 then 80/hour", "Registrations from one IPv6 /48")
    throttle_register_total: _Rate = _rate("50 then 5/second", "Registrations in total, except invited ones")
    throttle_refresh_session: _Rate = _rate("10 then 10/minute", "Refreshes of one sign-in")
    throttle_refresh_address: _Rate = _rate("60 then 2/second", "Refreshes from one address")
    throttle_confirm_user: _Rate = _rate("5 then 2/minute", "Failed re-authentications of one sign-in")
    throttle_factor_user: _Rate = _rate(
        "10 then 10/hour", "Wrong codes of one user, over all sign-ins and factors"
    )
    login_failures_max: int = Field(
        100,
        ge=3,
        le=100,
        description="Consecutive failures after which a password works only from known places (NIST 3.2.2)",
    )
    trusted_proxies: Annotated[tuple[forms.Proxy, ...], BeforeValidator(forms.proxies)] = Field(
        (),
        description="Proxies whose forwarded header is trusted to name the client; none by default",
        json_schema_extra={
            "accepted": f"addresses, CIDRs such as 10.0.0.0/8, and unix for a Unix socket, {_LIST}"
        },
    )
    forwarded_header: Annotated[
        Literal["x-forwarded-for", "forwarded"], BeforeValidator(forms.lower_case)
    ] = Field("x-forwarded-for", description="Header in which proxies name the client; others are ignored")
    gatepost_home: Annotated[Path, BeforeValidator(forms.path)] = Field(
        Path(".gatepost"),
        description="Directory of the embedded PostgreSQL and of development's own key",
        json_schema_extra={"accepted": "the path of a directory"},
    )
    host: str = Field(
        "localhost",
        pattern=r"^[^\s/@]+$",
        description="Address on which `gatepost serve` listens",
        json_schema_extra={"accepted": "an address or host name"},
    )
    port: int = Field(
        8000, ge=0, le=65_535, description="Port on which `gatepost serve` listens; 0 picks a free one"
    )
    tls_cert: Annotated[Path | None, BeforeValidator(forms.path)] = Field(
        None,
        description="Certificate chain (PEM) with which `gatepost serve` serves HTTPS; requires TLS_KEY",
        json_schema_extra={"accepted": "the path of a file"},
    )
    tls_key: Annotated[Path | None, BeforeValidator(forms.path)] = Field(
        None,
        description="Private key of TLS_CERT (PEM)",
        json_schema_extra={"accepted": "the path of a file"},
    )
    workers: int = Field(1, ge=1, le=64, description="Number of worker processes of `gatepost serve`")
    database_pool_size: int = Field(10, ge=1, le=1000, description="Maximum database connections per worker")
    database_timeout_seconds: float = Field(
        1.5,
        ge=0.1,
        le=60,
        description="Seconds that a request waits for the database before it is answered with 503",
    )
    hook_timeout_seconds: float = Field(
        5.0,
        ge=0.1,
        le=300,
        description="Seconds that a hook of the application may take before what it is part of is undone",
    )
    database_start_seconds: float = Field(
        15.0, ge=0, le=600, description="Seconds that start-up waits for the database before giving up"
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(forms.lower_case)] = (
        Field(
            "info", description="Minimum level that is logged; successful session checks are logged at debug"
        )
    )
    log_format: Annotated[Literal["auto", "json", "console"], BeforeValidator(forms.lower_case)] = Field(
        "auto", description="Log format: JSON lines or readable text; auto means JSON in production"
    )

    def __init__(self, *, _env_file: str | Path | None = ".env", **values: object) -> None:
        fields = type(self).model_fields
        unknown = {name: f"{name}: unknown setting" for name in values if name not in fields}
        given = {name.upper(): value for name, value in values.items() if name in fields}
        wrong = self._read(_env_file, given)
        if wrong:
            # Defaults stand in for what is wrong, so that one start tells what production refuses, too.
            self._read(_env_file, given | {name: fields[name.lower()].default for name in wrong})
        if self.database_schema is not None and _has_search_path(self.database_url):
            wrong["DATABASE_SCHEMA"] = (
                "DATABASE_SCHEMA: DATABASE_URL has a search_path as well; set one of the two"
            )
        refused = {name: line for name, line in self._refused_in_production().items() if name not in wrong}
        problems = [*unknown.values(), *wrong.values(), *refused.values()]
        if problems:
            raise SettingsError(problems)

    @classmethod
    def load(cls, env_file: str | Path | None = ".env", **overrides: object) -> Self:
        """Read the settings.

        Args:
            env_file: the file behind the environment; one that is not there is passed over, None reads none.
            overrides: settings given in code, by the fields' names.

        Raises:
            SettingsError: some settings can't be worked with.
        """
        return cls(_env_file=env_file, **overrides)

    @property
    def effective_log_level(self) -> Literal["debug", "info", "warning", "error"]:
        """The level to log at: LOG_LEVEL where it is set, else debug with DEBUG."""
        return "debug" if self.debug and "log_level" not in self.model_fields_set else self.log_level

    @property
    def effective_log_format(self) -> Literal["json", "console"]:
        """The form to log in: LOG_FORMAT, with auto resolved."""
        if self.log_format == "auto":
            return "json" if self.environment == "production" else "console"
        return self.log_format

    @property
    def effective_public_url(self) -> str | None:
        """Where browsers reach this: PUBLIC_URL, else in development its own loopback address."""
        if self.public_url is not None or self.environment == "production":
            return self.public_url
        # Who listens at every address is at the loopback one too.
        host = "localhost" if self.host in {"0.0.0.0", "::"} else self.host  # noqa: S104 - read, not bound
        host = f"[{host}]" if ":" in host else host
        own = f"{'http' if self.tls_cert is None else 'https'}://{host}:{self.port}"
        return own if forms.is_loopback(own) else None

    def located(self, dsn: str) -> str:
        """Return the URL of the database with DATABASE_SCHEMA, so that the tables are found there alone."""
        if self.database_schema is None:
            return dsn
        dsn = dsn.removesuffix("?")
        return f"{dsn}{'&' if '?' in dsn else '?'}search_path={self.database_schema}"

    def _read(self, env_file: str | Path | None, given: dict[str, Any]) -> dict[str, str]:
        """Take the values from where they stand, and return the mistakes by the variables' names."""
        try:
            super().__init__(_env_file=env_file, **given)
        except ValidationError as error:
            fields = type(self).model_fields
            found = ((str(e["loc"][0]), e) for e in error.errors(include_url=False))
            return {name: forms.problem(name, fields[name.lower()], e) for name, e in found}
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
            # The decoder's error holds the whole file.
            raise SettingsError([f"{env_file}: can't be read: {why}"]) from None
        return {}

    def _refused_in_production(self) -> dict[str, str]:
        """Return what production has against these settings, by the variables' names."""
        if self.environment != "production":
            return {}
        refused = {}
        if self.debug:
            refused["DEBUG"] = "DEBUG: it is on in production; set False"
        if (
            self.public_url
            and self.public_url.startswith("http://")
            and not forms.is_loopback(self.public_url)
        ):
            refused["PUBLIC_URL"] = (
                "PUBLIC_URL: cookies need https; set an origin such as https://auth.example.com"
            )
        if self.password_hash == "bcrypt" and self.bcrypt_rounds < 10:  # noqa: S105 - the name of a method
            refused["BCRYPT_ROUNDS"] = "BCRYPT_ROUNDS: it is too low for production; set 10 to 16"
        if self.secret_key is None:
            refused["SECRET_KEY"] = f"SECRET_KEY: production needs one, other than the example's; set {_KEY}"
        elif why := forms.weakness(self.secret_key.get_secret_value()):
            refused["SECRET_KEY"] = f"SECRET_KEY: {why}; set {_KEY}"
        for fallback in self.secret_key_fallbacks:
            if why := forms.weakness(fallback.get_secret_value()):
                refused["SECRET_KEY_FALLBACKS"] = f"SECRET_KEY_FALLBACKS: in one of them, {why}; leave it out"
        return refused


def _has_search_path(url: SecretStr | None) -> bool:
    query = "" if url is None else urlsplit(url.get_secret_value()).query
    return any(name == "search_path" for name, _ in parse_qsl(query))

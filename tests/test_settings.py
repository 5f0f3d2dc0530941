"""Settings: where they come from, what is refused and how it is told, and the key development keeps."""

import ipaddress
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import ErrorDetails

from gatepost.errors import SettingsError
from gatepost.settings import Settings, forms, keys, secret_key
from gatepost.settings.address import Address
from gatepost.settings.forms import EXAMPLE_KEY

_A_URL = "a URL such as https://example.com/help"
ROOT = Path(__file__).resolve().parent.parent
GOOD_KEY = "kT4zQ0vYw8bLr2NxJ6mHs1DfGc7PaE9uXiZo3RqB"
OTHER_KEY = "Vb5nM8cX2zLk7jHg4fDs1aPoI9uYt6rEw3QmZxNc"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def problems(**overrides: Any) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        Settings(**overrides)
    assert str(caught.value) == "\n".join(caught.value.problems)
    assert all("\n" not in line for line in caught.value.problems)
    return caught.value.problems


# Where they come from


def test_nothing_set_gives_the_defaults() -> None:
    settings = Settings()

    assert settings.database_url is None
    assert settings.secret_key is None
    assert (settings.session_expire_minutes, settings.session_max_minutes) == (30, 43_200)
    assert (settings.debug, settings.environment) == (False, "development")
    assert (settings.trusted_proxies, settings.secret_key_fallbacks) == ((), ())
    assert settings.gatepost_home == Path(".gatepost")


def test_code_goes_before_environment_before_file_before_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("PORT=1\nWORKERS=2\nBCRYPT_ROUNDS=11\n")
    monkeypatch.setenv("PORT", "3")
    monkeypatch.setenv("WORKERS", "4")

    settings = Settings(port=5)

    assert (settings.port, settings.workers, settings.bcrypt_rounds, settings.host) == (5, 4, 11, "localhost")


def test_load_reads_the_file_it_is_given(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=1\n")
    (tmp_path / "other.env").write_text("PORT=2\n")

    assert Settings.load().port == 1
    assert Settings.load("other.env").port == 2
    assert Settings.load(tmp_path / "other.env", port=3).port == 3
    assert Settings.load(None).port == 8000
    assert Settings.load("missing.env").port == 8000


def test_only_the_names_in_capitals_are_read_from_the_environment_and_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("debug", "nonsense")
    (tmp_path / ".env").write_text("port=nonsense\nNODE_ENV=production\nGATEPOST_PORT=1\n")

    assert Settings() == Settings(_env_file=None)


def test_what_is_empty_counts_as_not_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("WORKERS=\nSECRET_KEY\nPORT=7\nTRUSTED_PROXIES=\n")
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setenv("SECRET_KEY", "   ")
    monkeypatch.setenv("PORT", "")

    settings = Settings()

    assert (settings.database_url, settings.secret_key, settings.workers, settings.port) == (None, None, 1, 7)


def test_none_in_code_takes_back_what_the_environment_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost/notes")

    assert Settings(database_url=None).database_url is None


def test_a_file_written_on_windows_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfPORT=1\r\nWORKERS=2\r\n")

    assert (Settings().port, Settings().workers) == (1, 2)


def test_a_file_that_is_no_text_is_told_without_its_content(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"SECRET_KEY=abc\xff\xfe")

    assert problems() == [".env: can't be read: it is not text in UTF-8"]


def test_a_file_that_may_not_be_read_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").symlink_to("/proc/self/mem")

    assert problems()[0].startswith(".env: can't be read: ")


@pytest.mark.parametrize("name", ["port", "secret_key"])
def test_settings_are_frozen(name: str) -> None:
    with pytest.raises(ValueError, match="frozen"):
        setattr(Settings(), name, None)


def test_a_setting_misspelt_in_code_is_a_mistake() -> None:
    assert problems(session_expiry=5) == ["session_expiry: unknown setting"]


# What is accepted


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("SESSION_EXPIRE_MINUTES", "1", 1),
        ("SESSION_EXPIRE_MINUTES", "525600", 525_600),
        ("DEBUG", "True", True),
        ("DEBUG", "0", False),
        ("ENVIRONMENT", "Test", "test"),
        ("SESSION_TOKEN_FORMAT", "opaque", "opaque"),
        ("USER_ID_TYPE", "UUID", "uuid"),
        ("LOG_LEVEL", " WARNING ", "warning"),
        ("REGISTRATION", "Invite", "invite"),
        ("LOG_FORMAT", "json", "json"),
        ("CLEANUP_INTERVAL_SECONDS", "0", 0),
        ("DATABASE_TIMEOUT_SECONDS", "0.1", 0.1),
        ("HOST", "::1", "::1"),
        ("TRUSTED_PROXIES", "10.0.0.0/8, ::1", ("10.0.0.0/8", "::1/128")),
        ("TRUSTED_PROXIES", "unix, 10.0.0.0/8", ("unix", "10.0.0.0/8")),
        ("FORWARDED_HEADER", " Forwarded ", "forwarded"),
        ("ALLOWED_HEADERS", "X-Own, newrelic", ("x-own", "newrelic")),
        ("TRUSTED_PROXIES", '["10.0.0.0/8", "192.0.2.7"]', ("10.0.0.0/8", "192.0.2.7/32")),
    ],
)
def test_accepted(monkeypatch: pytest.MonkeyPatch, name: str, text: str, value: object) -> None:
    monkeypatch.setenv(name, text)
    if name == "TRUSTED_PROXIES" and isinstance(value, tuple):
        value = tuple(item if item == "unix" else ipaddress.ip_network(item) for item in value)

    assert getattr(Settings(), name.lower()) == value


def test_lists_may_be_given_as_such_in_code() -> None:
    settings = Settings(
        trusted_proxies=["10.0.0.0/8", ipaddress.ip_network("::1")], secret_key_fallbacks=[GOOD_KEY]
    )

    assert settings.trusted_proxies == (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1/128"))
    assert [key.get_secret_value() for key in settings.secret_key_fallbacks] == [GOOD_KEY]


def test_the_home_directory_is_put_in_for_its_sign(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GATEPOST_HOME", "~/gatepost")

    assert Settings().gatepost_home == tmp_path / "gatepost"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://localhost",
        "postgresql:///notes?host=/run/postgresql",
        "postgresql://%2Frun%2Fpostgresql/notes",
        "postgresql://u:p%40s@[::1]:5432/notes?sslmode=require",
        "postgresql://one:5432,two:5433/notes?target_session_attrs=read-write",
    ],
)
def test_urls_of_postgresql_stay_as_they_are(url: str) -> None:
    settings = Settings(database_url=url)

    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == url


@pytest.mark.parametrize(
    "scheme", ["postgres", "PostgreSQL", "postgresql+asyncpg", "postgresql+psycopg2", "postgresql+psycopg"]
)
def test_other_spellings_of_the_scheme_become_postgresql(scheme: str) -> None:
    settings = Settings(database_url=f"{scheme}://u:p@localhost:5432/notes")

    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == "postgresql://u:p@localhost:5432/notes"


def test_the_ssl_option_of_sqlalchemys_asyncpg_becomes_the_one_of_postgresql() -> None:
    settings = Settings(
        database_url="postgresql+asyncpg://u:ssl=p@localhost/notes?application_name=ssl=a&ssl=require"
    )

    assert settings.database_url is not None
    assert (
        settings.database_url.get_secret_value()
        == "postgresql://u:ssl=p@localhost/notes?application_name=ssl=a&sslmode=require"
    )


# What is refused, and how it is told

_RATE = "a rate such as 10 then 1/minute"
_ORIGIN = "an origin such as https://auth.example.com"
_ORIGINS = "origins such as https://app.example.com, separated by commas or as a JSON list"
_SCHEMA = "a name in lower case, such as auth"
_URL = "a URL such as postgresql://user:password@host:5432/database"
_CODED = "a special character in it is not percent-encoded (# is %23, / is %2F, ? is %3F, @ is %40)"
_HOSTS = "its host:port part is invalid"
_HEADERS = "names of headers, separated by commas or as a JSON list"
_KEYS = "keys, separated by commas or as a JSON list"
_NETWORKS = (
    "addresses, CIDRs such as 10.0.0.0/8, and unix for a Unix socket, separated by commas or as a JSON list"
)


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        *(
            ("DATABASE_SCHEMA", name, f"it can't be used as a schema; set {_SCHEMA}")
            for name in ("Auth", "a b", 'a"; drop', "pg_auth", "1a", "x" * 64, "a.b", "a,b")
        ),
        ("DATABASE_SCHEMA", "gatepost", f"the schema gatepost holds the functions; set {_SCHEMA}"),
        (
            "DATABASE_SCHEMA",
            "information_schema",
            f"the schema information_schema is PostgreSQL's own; set {_SCHEMA}",
        ),
        ("DATABASE_URL", "mysql://u:hush@localhost/notes", f"it is not a PostgreSQL URL; set {_URL}"),
        ("DATABASE_URL", "hush", f"it is not a PostgreSQL URL; set {_URL}"),
        ("DATABASE_URL", "postgresql://", f"it is not a PostgreSQL URL; set {_URL}"),
        ("DATABASE_URL", "postgresql://u:hu\nsh@h/n", f"it contains a control character; set {_URL}"),
        ("DATABASE_URL", "postgresql://u:hu#sh@h/n", f"{_CODED}; set {_URL}"),
        ("DATABASE_URL", "postgresql://u:p@h/n#hush", f"{_CODED}; set {_URL}"),
        ("DATABASE_URL", "postgresql://u:1/hush@h/n", f"{_CODED}; set {_URL}"),
        ("DATABASE_URL", "postgresql://u:1?hush@h/n", f"{_CODED}; set {_URL}"),
        ("DATABASE_URL", "postgresql://u:hush@h:port/n", f"{_HOSTS}; set {_URL}"),
        ("DATABASE_URL", "postgresql://u:hush@h:65536/n", f"{_HOSTS}; set {_URL}"),
        ("DATABASE_URL", "postgresql://u:hush@[::1/n", f"{_HOSTS}; set {_URL}"),
        ("SECRET_KEY_FALLBACKS", '["hush"', f"it starts like a JSON list but is not one; set {_KEYS}"),
        ("SECRET_KEY_FALLBACKS", '["hush", 7]', f"it is not text; set {_KEYS}"),
        (
            "SECRET_KEY_FALLBACKS",
            f"{GOOD_KEY},{EXAMPLE_KEY}",
            f"it contains the example's key, which everyone knows; set {_KEYS}",
        ),
        ("SESSION_EXPIRE_MINUTES", "0", "'0' is not accepted; set a whole number from 1 to 525600"),
        ("SESSION_EXPIRE_MINUTES", "525601", "'525601' is not accepted; set a whole number from 1 to 525600"),
        ("SESSION_EXPIRE_MINUTES", "half", "'half' is not accepted; set a whole number from 1 to 525600"),
        ("DEBUG", "maybe", "'maybe' is not accepted; set True or False"),
        ("ENVIRONMENT", "prod", "'prod' is not accepted; set one of development, test, production"),
        ("SESSION_MAX_MINUTES", "0", "'0' is not accepted; set a whole number from 1 to 5256000"),
        ("SESSION_TOKEN_FORMAT", "jwt", "'jwt' is not accepted; set one of uuid, opaque"),
        ("USER_ID_TYPE", "serial", "'serial' is not accepted; set one of integer, bigint, uuid, text"),
        ("REGISTRATION", "off", "'off' is not accepted; set one of open, invite, closed"),
        ("REFRESH_GRACE_SECONDS", "301", "'301' is not accepted; set a whole number from 0 to 300"),
        ("SESSION_TOUCH_SECONDS", "-1", "'-1' is not accepted; set a whole number from 0 to 86400"),
        ("SESSION_HISTORY_DAYS", "36501", "'36501' is not accepted; set a whole number from 0 to 36500"),
        ("CLEANUP_INTERVAL_SECONDS", "86401", "'86401' is not accepted; set a whole number from 0 to 86400"),
        ("PASSWORD_HASH", "md5", "'md5' is not accepted; set one of bcrypt, argon2id"),
        ("BCRYPT_ROUNDS", "3", "'3' is not accepted; set a whole number from 4 to 16"),
        ("PASSWORD_MIN_LENGTH", "7", "'7' is not accepted; set a whole number from 8 to 128"),
        (
            "BREACHED_PASSWORDS",
            "~no-one/pwned",
            "'~no-one/pwned' is not a home directory; set the path of Have I Been Pwned data",
        ),
        ("APP_NAME", "a\nb", "it holds characters that can't be seen; set a name"),
        ("APP_NAME", "\u202eevil", "it holds characters that can't be seen; set a name"),
        ("APP_NAME", "  ", "'' is not accepted; set a name"),
        ("APP_NAME", "x" * 81, f"'{'x' * 56}... is not accepted; set a name"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,10.0.0.1/8", f"'10.0.0.1/8' is not a valid network; set {_NETWORKS}"),
        ("TRUSTED_PROXIES", "unix:", f"'unix:' is not a valid network; set {_NETWORKS}"),
        ("FORWARDED_HEADER", "via", "'via' is not accepted; set one of x-forwarded-for, forwarded"),
        ("TLS_CERT", "~no-one/c.pem", "'~no-one/c.pem' is not a home directory; set the path of a file"),
        ("TLS_KEY", "~no-one/k.pem", "'~no-one/k.pem' is not a home directory; set the path of a file"),
        ("TRUSTED_PROXIES", "*", f"'*' is not a valid network; set {_NETWORKS}"),
        ("GATEPOST_HOME", "~no-one", "'~no-one' is not a home directory; set the path of a directory"),
        ("HOST", "http://localhost", "'http://localhost' is not accepted; set an address or host name"),
        ("PORT", "65536", "'65536' is not accepted; set a whole number from 0 to 65535"),
        ("WORKERS", "65", "'65' is not accepted; set a whole number from 1 to 64"),
        ("DATABASE_POOL_SIZE", "0", "'0' is not accepted; set a whole number from 1 to 1000"),
        ("DATABASE_TIMEOUT_SECONDS", "nan", "'nan' is not accepted; set a number from 0.1 to 60"),
        ("DATABASE_TIMEOUT_SECONDS", "0.09", "'0.09' is not accepted; set a number from 0.1 to 60"),
        ("HOOK_TIMEOUT_SECONDS", "0", "'0' is not accepted; set a number from 0.1 to 300"),
        ("DATABASE_START_SECONDS", "inf", "'inf' is not accepted; set a number from 0 to 600"),
        ("LOG_LEVEL", "loud", "'loud' is not accepted; set one of debug, info, warning, error"),
        ("LOG_FORMAT", "xml\x1b[2J", r"'xml\x1b[2j' is not accepted; set one of auto, json, console"),
        ("PAGES", "perhaps", "'perhaps' is not accepted; set True or False"),
        (
            "APP_LOGO",
            "~nobody-has-this/logo.svg",
            "'~nobody-has-this/logo.svg' is not a home directory; set the path of an SVG, PNG or WebP file",
        ),
        *(
            (name, "~nobody-has-this", f"'~nobody-has-this' is not a home directory; set the path of {what}")
            for name, what in (
                ("APP_LOGO_DARK", "an SVG, PNG or WebP file"),
                ("APP_ICON", "an SVG, PNG or WebP file"),
                ("THEME_CSS", "a CSS file"),
                ("THEME_DIR", "a directory"),
            )
        ),
        *(
            (name, "acme.example", f"'acme.example' is not a valid URL; set {_A_URL}")
            for name in ("APP_URL", "SUPPORT_URL", "PRIVACY_URL", "TERMS_URL")
        ),
        ("ACCENT_COLOR_DARK", "blue", "'blue' is not a valid colour; set a colour such as #8ab4ff"),
        ("APPEARANCE", "grey", "'grey' is not accepted; set one of auto, light, dark"),
        ("CORNER_RADIUS", "25", "'25' is not accepted; set a whole number from 0 to 24"),
        ("APP_NAME_SHOWN", "maybe", "'maybe' is not accepted; set True or False"),
        ("ACCENT_COLOR", "blue", "'blue' is not a valid colour; set a colour such as #1d5fd1"),
        ("ACCENT_COLOR", "#1d5fd1;}", "'#1d5fd1;}' is not a valid colour; set a colour such as #1d5fd1"),
        (
            "TEMPLATES_DIR",
            "~nobody-has-this-name/t",
            "'~nobody-has-this-name/t' is not a home directory; set the path of a directory",
        ),
        (
            "ALLOWED_REDIRECTS",
            "https://app.example.com/path",
            (
                "'https://app.example.com/path' is not a valid origin; "
                "set origins such as https://app.example.com, separated by commas or as a JSON list"
            ),
        ),
        ("ROOT_PATH", "auth", "'auth' is not a valid path; set a path such as /auth-server"),
        ("ROOT_PATH", "/a//b", "'/a//b' is not a valid path; set a path such as /auth-server"),
        ("ROOT_PATH", "/api/", "'/api' is where the API is served; set a path such as /auth-server"),
        ("FRESH_SESSION_MINUTES", "0", "'0' is not accepted; set a whole number from 1 to 1440"),
        ("ADMIN_FRESH_MINUTES", "721", "'721' is not accepted; set a whole number from 1 to 720"),
        ("MFA_REQUIRED", "yes", "'yes' is not accepted; set one of off, admins, all"),
        ("SESSION_IDLE_MINUTES", "-1", "'-1' is not accepted; set a whole number from 0 to 525600"),
        ("MAX_SESSIONS_PER_USER", "x", "'x' is not accepted; set a whole number from 0 to 10000"),
        ("PUBLIC_URL", "https://a.example/x", f"'https://a.example/x' is not a valid origin; set {_ORIGIN}"),
        ("PUBLIC_URL", "a.example.com", f"'a.example.com' is not a valid origin; set {_ORIGIN}"),
        ("PUBLIC_URL", "https://u:p@a.de", f"'https://u:p@a.de' is not a valid origin; set {_ORIGIN}"),
        ("PUBLIC_URL", "https://a.de:70000", f"'https://a.de:70000' is not a valid origin; set {_ORIGIN}"),
        ("ALLOWED_ORIGINS", "https://a.example.com, *", f"'*' is not a valid origin; set {_ORIGINS}"),
        ("ALLOWED_HEADERS", "*", f"'*' is not a valid header name; set {_HEADERS}"),
        ("ALLOWED_HEADERS", "x-own, x own", f"'x own' is not a valid header name; set {_HEADERS}"),
        ("ALLOWED_ORIGINS", "null", f"'null' is not a valid origin; set {_ORIGINS}"),
        ("COOKIE_DOMAIN", "com", "'com' is not a valid domain; set a domain such as example.com"),
        (
            "COOKIE_DOMAIN",
            "a.de; Secure",
            "'a.de; secure' is not a valid domain; set a domain such as example.com",
        ),
        ("THROTTLE_ENABLED", "perhaps", "'perhaps' is not accepted; set True or False"),
        ("THROTTLE_LOGIN_ADDRESS", "30", f"'30' is not a rate; set {_RATE}"),
        ("THROTTLE_LOGIN_NETWORK", "30/minute", f"'30/minute' is not a rate; set {_RATE}"),
        ("THROTTLE_LOGIN_ACCOUNT", "0 then 1/minute", f"'0 then 1/minute' is not a rate; set {_RATE}"),
        ("THROTTLE_LOGIN_KNOWN", "1 then 0/minute", f"'1 then 0/minute' is not a rate; set {_RATE}"),
        ("THROTTLE_FORM_ADDRESS", "60 then", f"'60 then' is not a rate; set {_RATE}"),
        ("THROTTLE_REGISTER_ADDRESS", "5 then 20/week", f"'5 then 20/week' is not a rate; set {_RATE}"),
        ("THROTTLE_REGISTER_NETWORK", "20/hour", f"'20/hour' is not a rate; set {_RATE}"),
        ("THROTTLE_REGISTER_TOTAL", "-1 then 1/day", f"'-1 then 1/day' is not a rate; set {_RATE}"),
        ("THROTTLE_REFRESH_SESSION", "ten then 1/minute", f"'ten then 1/minute' is not a rate; set {_RATE}"),
        ("THROTTLE_REFRESH_ADDRESS", "1 then 1/minute/", f"'1 then 1/minute/' is not a rate; set {_RATE}"),
        ("THROTTLE_CONFIRM_USER", "1e3 then 1/minute", f"'1e3 then 1/minute' is not a rate; set {_RATE}"),
        ("THROTTLE_FACTOR_USER", "0 then 1/hour", f"'0 then 1/hour' is not a rate; set {_RATE}"),
        ("LOGIN_FAILURES_MAX", "101", "'101' is not accepted; set a whole number from 3 to 100"),
        ("LOG_FORMAT", "x" * 99, f"'{'x' * 56}... is not accepted; set one of auto, json, console"),
    ],
)  # fmt: skip
def test_refused(monkeypatch: pytest.MonkeyPatch, name: str, text: str, line: str) -> None:
    monkeypatch.setenv(name, text)

    assert problems() == [f"{name}: {line}"]


def test_every_setting_has_a_refused_value_above_or_takes_any_text() -> None:
    marks = test_refused.pytestmark  # type: ignore[attr-defined]  # set by the decorator
    refused = {case[0].lower() for mark in marks if mark.name == "parametrize" for case in mark.args[1]}

    assert set(Settings.model_fields) - refused == {"secret_key", "devise_pepper"}


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ({"secret_key": 7}, "SECRET_KEY: it is not text; set at least 32 random characters"),
        (
            {"secret_key": "\ud800hush"},
            "SECRET_KEY: it is not text in UTF-8; set at least 32 random characters",
        ),
        ({"devise_pepper": "\ud800hush"}, "DEVISE_PEPPER: it is not text in UTF-8; set text"),
        ({"secret_key_fallbacks": 7}, f"SECRET_KEY_FALLBACKS: it is not a list; set {_KEYS}"),
        ({"gatepost_home": 7}, "GATEPOST_HOME: 7 is not accepted; set the path of a directory"),
        (
            {"environment": None},
            "ENVIRONMENT: None is not accepted; set one of development, test, production",
        ),
    ],
)
def test_refused_in_code(override: dict[str, Any], line: str) -> None:
    (told,) = problems(**override)

    assert told.startswith(line)


def test_every_mistake_is_told_at_once_productions_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("PORT", "none")
    monkeypatch.setenv("BCRYPT_ROUNDS", "99")
    monkeypatch.setenv("DEBUG", "True")

    told = problems(colour="red")

    assert [line.partition(":")[0] for line in told] == [
        "colour",
        "BCRYPT_ROUNDS",
        "PORT",
        "DEBUG",
        "SECRET_KEY",
    ]


def test_what_is_wrong_in_itself_is_told_once() -> None:
    assert len(problems(environment="production", secret_key=7)) == 1


def test_secrets_are_in_no_text_of_settings_and_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:hush@localhost/notes")
    monkeypatch.setenv("SECRET_KEY", f"{GOOD_KEY}hush")
    monkeypatch.setenv("SECRET_KEY_FALLBACKS", f"{OTHER_KEY}hush")
    settings = Settings()
    assert settings.secret_key is not None
    assert settings.secret_key.get_secret_value().endswith("hush")

    assert "hush" not in f"{settings} {settings!r} {settings.model_dump()} {settings.model_dump_json()}"


@pytest.mark.parametrize("name", ["DATABASE_URL", "SECRET_KEY", "SECRET_KEY_FALLBACKS"])
def test_a_mistake_in_a_secret_carries_it_nowhere(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("SECRET_KEY", GOOD_KEY)
    monkeypatch.setenv(name, "hush")

    with pytest.raises(SettingsError) as caught:
        Settings()

    assert name in str(caught.value)
    assert "hush" not in repr(caught.value)
    assert caught.value.__context__ is None


def test_a_secret_is_not_told_even_where_its_form_has_no_words_of_its_own() -> None:
    error: ErrorDetails = {"type": "string_too_short", "loc": ("SECRET_KEY",), "msg": "", "input": "hush"}

    assert "hush" not in forms.problem("SECRET_KEY", Settings.model_fields["secret_key"], error)
    assert "hush" in forms.problem("HOST", Settings.model_fields["host"], error)


# Production


def test_production_accepts_what_is_safe() -> None:
    settings = Settings(
        environment="production", secret_key=GOOD_KEY, secret_key_fallbacks=[OTHER_KEY], bcrypt_rounds=10
    )

    assert secret_key(settings) == GOOD_KEY


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ({"debug": True}, "DEBUG: it is on in production; set False"),
        (
            {"public_url": "http://auth.example.com"},
            "PUBLIC_URL: cookies need https; set an origin such as https://auth.example.com",
        ),
        ({"bcrypt_rounds": 9}, "BCRYPT_ROUNDS: it is too low for production; set 10 to 16"),
        (
            {"secret_key": None},
            "SECRET_KEY: production needs one, other than the example's; set at least",
        ),
        (
            {"secret_key": EXAMPLE_KEY},
            "SECRET_KEY: production needs one, other than the example's; set at least",
        ),
        (
            {"secret_key": GOOD_KEY[:31]},
            "SECRET_KEY: it is shorter than 32 characters; set at least 32",
        ),
        ({"secret_key": "x" * 64}, "SECRET_KEY: it is a placeholder; set at least 32 random"),
        ({"secret_key": "0123401234012340123401234012340123"}, "SECRET_KEY: it is a placeholder; set"),
        ({"secret_key": "changeme-changeme-changeme-changeme"}, "SECRET_KEY: it is a placeholder; set"),
        ({"secret_key": "CHANGE_ME_before_you_go_to_production"}, "SECRET_KEY: it is a placeholder; set"),
        ({"secret_key": "<secret key of at least 32 characters>"}, "SECRET_KEY: it is a placeholder; set"),
        ({"secret_key": "your-secret-key-your-secret-key-0123"}, "SECRET_KEY: it is a placeholder; set"),
        (
            {"secret_key_fallbacks": [OTHER_KEY, "short"]},
            "SECRET_KEY_FALLBACKS: in one of them, it is shorter",
        ),
        (
            {"secret_key_fallbacks": ["secret" * 8]},
            "SECRET_KEY_FALLBACKS: in one of them, it is a placeholder",
        ),
        ({"secret_key_fallbacks": [EXAMPLE_KEY]}, "SECRET_KEY_FALLBACKS: it contains the example's key"),
    ],
)
def test_production_refuses(override: dict[str, Any], line: str) -> None:
    (told,) = problems(**({"environment": "production", "secret_key": GOOD_KEY} | override))

    assert told.startswith(line)


@pytest.mark.parametrize("environment", ["development", "test"])
def test_elsewhere_all_of_that_is_accepted(environment: str) -> None:
    settings = Settings(
        environment=environment, debug=True, bcrypt_rounds=4, secret_key="x", secret_key_fallbacks=["y"]
    )

    assert secret_key(settings) == "x"


@pytest.mark.parametrize(
    ("override", "url"),
    [
        ({"environment": "development"}, "http://localhost:8000"),
        ({"environment": "test", "host": "::1", "port": 9000}, "http://[::1]:9000"),
        ({"environment": "development", "host": "0.0.0.0"}, "http://localhost:8000"),  # noqa: S104 - not bound
        ({"environment": "development", "host": "192.168.1.20"}, None),
        (
            {"environment": "development", "public_url": "HTTPS://Auth.Example.com:443/"},
            "https://auth.example.com",
        ),
        ({"environment": "production", "secret_key": GOOD_KEY}, None),
        (
            {"environment": "production", "secret_key": GOOD_KEY, "public_url": "http://localhost:80"},
            "http://localhost",
        ),
    ],
)
def test_where_browsers_reach_it(override: dict[str, Any], url: str | None) -> None:
    assert Settings(**override).effective_public_url == url


def test_a_rate_is_read_and_written_in_one_way() -> None:
    rate = Settings(throttle_login_account=" 3  THEN 2/Minute ").throttle_login_account
    assert (str(rate), rate.emission.total_seconds(), rate.tolerance.total_seconds()) == (
        "3 then 2/minute",
        30,
        60,
    )


@pytest.mark.parametrize(
    ("override", "level", "form"),
    [
        ({}, "info", "console"),
        ({"debug": True}, "debug", "console"),
        ({"debug": True, "log_level": "info"}, "info", "console"),
        ({"log_level": "error", "log_format": "json"}, "error", "json"),
        ({"environment": "production", "secret_key": GOOD_KEY}, "info", "json"),
        ({"environment": "production", "secret_key": GOOD_KEY, "log_format": "console"}, "info", "console"),
    ],
)
def test_how_to_log_follows_from_several(override: dict[str, Any], level: str, form: str) -> None:
    settings = Settings(**override)

    assert (settings.effective_log_level, settings.effective_log_format) == (level, form)


# The key that development keeps


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_development_makes_a_key_and_keeps_it_from_others(tmp_path: Path) -> None:
    home = tmp_path / "deep" / "home"
    first = secret_key(Settings(gatepost_home=home))
    made = home.stat().st_mtime_ns

    assert len(first) == 64
    assert secret_key(Settings(gatepost_home=home)) == first
    assert home.stat().st_mtime_ns == made
    assert (home / "secret_key").read_text() == f"{first}\n"
    assert (mode(home), mode(home / "secret_key")) == (0o700, 0o600)
    assert list(home.iterdir()) == [home / "secret_key"]
    assert secret_key(Settings(gatepost_home=tmp_path / "other")) != first


def test_the_examples_key_counts_as_none(tmp_path: Path) -> None:
    settings = Settings(secret_key=EXAMPLE_KEY, gatepost_home=tmp_path)

    assert settings.secret_key is None
    assert secret_key(settings) == (tmp_path / "secret_key").read_text().strip()


def test_no_key_is_kept_where_one_is_set(tmp_path: Path) -> None:
    secret_key(Settings(secret_key=GOOD_KEY, gatepost_home=tmp_path / "home"))

    assert not (tmp_path / "home").exists()


def test_a_kept_key_that_others_may_read_is_tightened(tmp_path: Path) -> None:
    kept = tmp_path / "secret_key"
    kept.write_text(GOOD_KEY)
    kept.chmod(0o644)

    assert secret_key(Settings(gatepost_home=tmp_path)) == GOOD_KEY
    assert mode(kept) == 0o600


@pytest.mark.parametrize("content", [b"", b"half-a-key\n"])
def test_a_kept_key_that_is_not_whole_is_told_and_left(tmp_path: Path, content: bytes) -> None:
    kept = tmp_path / "secret_key"
    kept.write_bytes(content)

    with pytest.raises(SettingsError, match=r"SECRET_KEY: none is set, and .* holds no complete key"):
        secret_key(Settings(gatepost_home=tmp_path))
    assert kept.read_bytes() == content


def test_a_kept_key_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "secret_key").write_bytes(b"\xff" * 64)

    with pytest.raises(SettingsError, match=r"it is not text\); set one"):
        secret_key(Settings(gatepost_home=tmp_path))


def test_a_home_that_can_not_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(SettingsError, match=r"SECRET_KEY: none is set, and none can be kept in .*; set one"):
        secret_key(Settings(gatepost_home=tmp_path / "file"))


def test_a_key_that_another_process_kept_first_stays(tmp_path: Path) -> None:
    kept = tmp_path / "secret_key"
    keys._keep(kept, GOOD_KEY)

    keys._keep(kept, OTHER_KEY)

    assert secret_key(Settings(gatepost_home=tmp_path)) == GOOD_KEY
    assert list(tmp_path.iterdir()) == [kept]


_RACE = """
import json, os, sys
from pathlib import Path
from gatepost.settings import Settings, forms, keys, secret_key

answers = []
for round in range(5):
    settings = Settings(_env_file=None, gatepost_home=Path(sys.argv[1]) / str(round))
    start, starter = os.pipe()
    told, teller = os.pipe()
    for _ in range(10):
        if os.fork() == 0:
            os.close(starter)
            os.read(start, 1)  # returns when the parent lets go
            os.write(teller, (secret_key(settings) + "\\n").encode())
            os._exit(0)
    for end in (start, starter, teller):
        os.close(end)
    with os.fdopen(told) as answer:
        answers.append(answer.read().split())
print(json.dumps(answers))
"""


def test_ten_processes_that_start_at_once_get_one_key(tmp_path: Path) -> None:
    run = subprocess.run([sys.executable, "-c", _RACE, tmp_path], capture_output=True, text=True, timeout=60)

    assert run.stderr == ""
    answers = json.loads(run.stdout)
    assert [len(told) for told in answers] == [10] * 5
    assert [set(told) for told in answers] == [
        {(tmp_path / str(n) / "secret_key").read_text().strip()} for n in range(5)
    ]


# What is written from them


def test_env_example_and_the_settings_page_are_current() -> None:
    """When this fails: `python scripts/render_settings.py` writes both anew."""
    run = subprocess.run(
        [sys.executable, "scripts/render_settings.py", "--check"], cwd=ROOT, capture_output=True, text=True
    )

    assert (run.returncode, run.stderr) == (0, "")


def test_env_example_copied_and_not_edited_works_in_development(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text((ROOT / "backend/env.example").read_text())

    settings = Settings()

    assert settings.model_fields_set == {"secret_key", "session_expire_minutes", "debug", "environment"}
    assert settings == Settings(_env_file=None, debug=True)
    assert len(secret_key(settings)) == 64


def test_env_example_has_every_setting_and_each_default_is_accepted(tmp_path: Path) -> None:
    text = (ROOT / "backend/env.example").read_text()
    lines = [line.removeprefix("# ") for line in text.splitlines() if line.removeprefix("# ")[:1].isupper()]
    assigned = [line for line in lines if line.partition("=")[0].lower() in Settings.model_fields]
    (tmp_path / ".env").write_text("\n".join(assigned))

    names = [line.partition("=")[0].lower() for line in assigned]
    assert sorted(names) == sorted(Settings.model_fields)
    assert names[:2] == ["database_url", "secret_key"], "the guide's come first"
    settings = Settings()
    assert settings.database_url is not None
    assert settings == Settings(_env_file=None, debug=True, database_url=settings.database_url)


@pytest.mark.parametrize("end", ["", "?", "?sslmode=disable"])
def test_the_schema_is_part_of_the_url_however_that_ends(end: str) -> None:
    located = Settings(database_schema="auth").located(f"postgresql://localhost/notes{end}")

    assert Address.parse(located).settings["search_path"] == "auth"

"""Write backend/env.example and docs/reference/settings.md from `Settings`, their only source.

python scripts/render_settings.py           writes both
python scripts/render_settings.py --check   writes nothing; exit code 1 where one is out of date
"""

import argparse
import sys
from pathlib import Path

from pydantic.fields import FieldInfo

from gatepost.features import FEATURES
from gatepost.settings import forms
from gatepost.settings.feature import settings_of

ROOT = Path(__file__).resolve().parent.parent

_GUIDE = ("database_url", "secret_key", "session_expire_minutes", "debug", "environment")

_ENV_HEAD = f"""\
# Copied to .env and left as it is, this works in development.

# Database Configuration
# {{database_url}}.
# DATABASE_URL=postgresql://postgres:your_password@localhost:5432/ai_scheduler

# Security
# {{secret_key}};
# the example's counts as none, and production refuses it. `gatepost secret` prints one.
SECRET_KEY={forms.EXAMPLE_KEY}
# {{session_expire_minutes}}.
SESSION_EXPIRE_MINUTES=30

# Application Settings
# {{debug}}.
DEBUG=True
# {{environment}}.
ENVIRONMENT=development

# Everything else that can be set, with its default
"""

_PAGE_HEAD = """\
# Settings

<!-- Written by scripts/render_settings.py from the Settings class: change it there. -->

Settings given in code take precedence (`Settings(session_expire_minutes=60)`, with the name in lower
case), then the environment, then a `.env` file in the current directory, then the default. An empty value
counts as not set. Unknown names are ignored in the environment and in `.env`, which you may share with
other programs; in code they are an error.

All settings are checked at the start. If some are invalid, Gatepost doesn't start, and prints one line
for each with the accepted form:

```text
SESSION_EXPIRE_MINUTES: '0' is not accepted; set a whole number from 1 to 525600
ENVIRONMENT: 'prod' is not accepted; set one of development, test, production
```
"""

_GROUPS = {
    "Where it runs": "environment debug secret_key secret_key_fallbacks gatepost_home",
    "Database": "database_url database_schema user_id_type database_pool_size database_timeout_seconds "
    "database_start_seconds hook_timeout_seconds",
    "Server": "host port tls_cert tls_key workers log_level log_format",
    "Origins and proxies": "public_url root_path allowed_origins allowed_headers allowed_redirects "
    "cookie_domain trusted_proxies forwarded_header",
    "Sessions": "session_expire_minutes session_max_minutes session_idle_minutes max_sessions_per_user "
    "session_token_format refresh_grace_seconds session_touch_seconds session_history_days "
    "cleanup_interval_seconds fresh_session_minutes admin_fresh_minutes",
    "Second factors": "mfa_required webauthn_rp_id passwordless_sign_up",
    "Registration and passwords": "registration password_min_length password_hash bcrypt_rounds "
    "breached_passwords devise_pepper",
    "Throttling": "throttle_enabled throttle_login_address throttle_login_network throttle_login_account "
    "throttle_login_known throttle_form_address throttle_register_address throttle_register_network "
    "throttle_register_total throttle_refresh_session throttle_refresh_address throttle_confirm_user "
    "throttle_factor_user throttle_passkey_address login_failures_max",
    "Mail": "mail_url mail_from mail_reply_to mail_timeout_seconds notices email_verification email_sign_in "
    "throttle_mail_address throttle_mail_network throttle_mail_recipient throttle_mail_again "
    "throttle_mail_total",
    "Pages": "pages app_name app_name_shown app_url support_url privacy_url terms_url app_logo app_logo_dark "
    "app_icon accent_color accent_color_dark appearance corner_radius theme_css theme_dir templates_dir",
}
"""Heading of the page → the settings below it."""

_PAGE_FOOT = f"""
## Production

With `ENVIRONMENT=production`, Gatepost doesn't start

- with `DEBUG` on,
- without a `SECRET_KEY`, or with one that is shorter than {forms.KEY_LENGTH_MIN} characters or a placeholder
  such as the one in `env.example` (`gatepost secret` prints a good one),
- with such a key among `SECRET_KEY_FALLBACKS`,
- with `BCRYPT_ROUNDS` below 10,
- with a `PUBLIC_URL` of plain http, except on loopback,
- with `MAIL_URL`, but without a `PUBLIC_URL`, which the links in mails begin with.

## The key that development keeps

In development, without a `SECRET_KEY` or with the one in `env.example`, Gatepost generates a key and
keeps it in the file `secret_key` under `GATEPOST_HOME`, readable only by its owner. Deleting that file
ends every session.

## Changing the key

Set the new key as `SECRET_KEY` and add the old one to `SECRET_KEY_FALLBACKS`: no one is signed out.
Run `gatepost secret rotate`, which encrypts the secrets of authenticator apps with the new one.
Remove the old one after `SESSION_MAX_MINUTES`, when no session from its time can still be live.

## The database's address

`postgresql://` and `postgres://` are the same, and so are SQLAlchemy's `postgresql+asyncpg://`,
`postgresql+psycopg://` and `postgresql+psycopg2://`. Percent-encode special characters in the user
name and password: `p@ss/word` is written `p%40ss%2Fword`.
"""


def env_example() -> str:
    """Return the text of backend/env.example: the guide's five settings as it has them, then every other."""
    fields = settings_of(FEATURES).model_fields
    head = _ENV_HEAD.format(**{name: fields[name].description for name in _GUIDE})
    others = (
        f"\n# {field.description} ({forms.accepted(field)}).\n# {name.upper()}={default(field)}\n"
        for name, field in fields.items()
        if name not in _GUIDE
    )
    return head + "".join(others)


def settings_page() -> str:
    """Return the text of docs/reference/settings.md."""
    fields = settings_of(FEATURES).model_fields
    grouped = [name for names in _GROUPS.values() for name in names.split()]
    if sorted(grouped) != sorted(fields):
        raise SystemExit(f"Every setting has one place in _GROUPS: {sorted({*grouped} ^ {*fields})}")
    groups = (
        f"\n## {heading}\n" + "".join(_entry(name, fields[name]) for name in names.split())
        for heading, names in _GROUPS.items()
    )
    return _PAGE_HEAD + "".join(groups) + _PAGE_FOOT


def _entry(name: str, field: FieldInfo) -> str:
    told = f"`{default(field)}`" if default(field) else "none"
    return (
        f"\n### `{name.upper()}`\n\n{field.description}.\n\n"
        f"*Accepted:* {forms.accepted(field)}<br>\n*Default:* {told}\n"
    )


def default(field: FieldInfo) -> str:
    """Return a setting's default as `.env` has it; nothing where it is not set."""
    value = field.default
    if value is None or value == ():
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def main() -> int:
    """Write the files, or check them; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing, tell what is out of date")
    check = parser.parse_args().check
    files = {
        ROOT / "backend/env.example": env_example(),
        ROOT / "docs/reference/settings.md": settings_page(),
    }
    stale = [file for file, text in files.items() if not file.exists() or file.read_text("utf-8") != text]
    for file in stale:
        if check:
            sys.stderr.write(f"{file.relative_to(ROOT)} is out of date: run scripts/render_settings.py\n")
        else:
            file.write_text(files[file], "utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())

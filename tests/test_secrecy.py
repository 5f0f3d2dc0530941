"""The search for secrets finds them, wherever a test lets them out."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests import secrecy
from tests.conftest import PASSWORD, register

LEAKS = """
    import logging, subprocess, sys
    import pytest
    from gatepost.features.email.secrets import MailSecrets
    from gatepost.features.recovery_codes import codes as recovery_codes
    from gatepost.features.totp import codes as totp_codes
    from gatepost.log import get_logger
    from gatepost.security.keys import KeyRing
    from gatepost.security.links import LinkCodec
    from gatepost.security.passwords import Password, PasswordHasher
    from gatepost.security.tokens import TokenCodec

    PASSWORD = "correct horse 1"
    codec = TokenCodec(KeyRing.derive("k" * 32, []), "uuid")
    links = LinkCodec(KeyRing.derive("k" * 32, []))
    opaque = TokenCodec(KeyRing.derive("k" * 32, []), "opaque")
    hasher = PasswordHasher(4)

    def test_a_token_at_debug_level():
        get_logger("gatepost.x").debug("resolved", of=codec.issue().raw)

    def test_an_opaque_token_of_another_logger():
        logging.getLogger("somebody").warning("resolved %s", opaque.issue().raw)

    def test_a_successor_in_an_error():
        raw = codec.issue().raw
        try:
            raise ValueError(codec.successor(raw, bytes(16)).raw)
        except ValueError:
            get_logger("gatepost.x").exception("failed")

    def test_a_presented_token_printed():
        raw = codec.issue().raw
        codec.parse(raw)
        print(raw)

    def test_a_digest_printed():
        print(codec.issue().stored)

    def test_a_password_on_standard_error():
        hasher.check(Password.read(PASSWORD), None)
        print(PASSWORD, file=sys.stderr)

    def test_a_hash_that_the_test_has_read(capsys):
        print(hasher.hash(Password.read(PASSWORD)))
        capsys.readouterr()

    def test_a_link_at_debug_level():
        get_logger("gatepost.x").debug("made", url="/auth/setup/" + links.issue().raw)

    def test_the_digest_of_a_presented_link_printed():
        print(links.stored_forms("A" * 43))

    def test_a_mailed_code_at_debug_level():
        mails = MailSecrets(KeyRing.derive("k" * 32, []))
        sealed = mails.seal()
        get_logger("gatepost.x").debug("made", shown=mails.reveal(sealed.nonce, sealed.token).code)

    def test_the_secret_of_an_app_printed():
        print("secret=" + totp_codes.shown(totp_codes.new_secret()))

    def test_a_recovery_code_as_it_may_be_typed():
        logging.getLogger("somebody").warning("wrong: %s", recovery_codes.make()[3].replace("-", ""))

    def test_a_token_of_another_process():
        subprocess.run(["echo", codec.issue().raw], capture_output=True)

    def test_nothing():
        raw = codec.issue().raw
        hasher.check(Password.read(PASSWORD), hasher.hash(Password.read(PASSWORD)))
        get_logger("gatepost.x").warning("refused", token=raw, password=PASSWORD, hint=raw[:8])
        print("12345678-1234-4234-8234-123456789012", "0" * 64, "another password 1")
"""


def test_a_test_that_lets_a_secret_out_fails_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / "test_leaks.py"
    path.write_text("\n".join(line[4:] for line in LEAKS.splitlines()), "utf-8")
    (tmp_path / "pytest.ini").touch()
    options = ["-p", "tests.secrecy", "-p", "no:cacheprovider", "-c", str(tmp_path / "pytest.ini"), "-qrE"]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(path)],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    written = ended.stdout
    leaks = set(re.findall(r"def (test_\w+)", LEAKS)) - {"test_nothing"}
    assert set(re.findall(r"^ERROR \S*::(\w+)", written, re.MULTILINE)) == leaks, written
    assert ended.returncode == 1


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO auth_events (action, detail) VALUES ('x', jsonb_build_object('a', $1::text))",
        "INSERT INTO auth_events (action, user_agent) VALUES ('x', $1::text)",
        "UPDATE users SET name = $1::text",
        "UPDATE user_sessions SET ip_address = $1::text",
        "INSERT INTO auth_links (purpose, digest, email, expires_at) VALUES ('setup', '', $1::text, now())",
    ],
)
@pytest.mark.parametrize("secret", ["token", "password"])
async def test_a_secret_in_the_database_is_found(
    client: httpx.AsyncClient, dsn: str, db: Any, statement: str, secret: str
) -> None:
    token = (await register(client))["token"]
    await secrecy.search_database(dsn)
    await db.execute(statement, {"token": token, "password": PASSWORD}[secret])
    with pytest.raises(secrecy.SecretFoundError):
        await secrecy.search_database(dsn)
    await db.execute("DROP TABLE auth_events, auth_failures, auth_links, user_sessions, users CASCADE")

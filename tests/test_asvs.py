"""OWASP ASVS as data: complete, each requirement with its proof, and judged by the settings in force."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tests import proofs
from tests.conftest import SECRET_KEY
from tests.walking import walked

from gatepost.asvs import Standing, State, count, judge, requirements
from gatepost.asvs.rules import RULES
from gatepost.features import FEATURES
from gatepost.settings import Settings
from gatepost.settings.feature import settings_of

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "gatepost"
REQUIREMENTS = requirements(FEATURES)

# Number → level; OWASP ASVS 5.0.
LEVELS = """
1.1.1=2 1.1.2=2 1.2.1=1 1.2.2=1 1.2.3=1 1.2.4=1 1.2.5=1 1.2.10=3 1.3.2=1 1.3.7=2 1.3.12=3 1.5.2=2 1.5.3=3
2.1.1=1 2.1.3=2 2.2.1=1 2.2.2=1 2.3.1=1 2.3.2=2 2.3.3=2 2.3.4=2 2.4.1=2
3.2.1=1 3.2.2=1 3.2.3=3 3.3.1=1 3.3.2=2 3.3.3=2 3.3.4=2 3.3.5=3 3.4.1=1 3.4.2=1 3.4.3=2 3.4.4=2 3.4.5=2
3.4.6=2 3.4.7=3 3.4.8=3 3.5.1=1 3.5.2=1 3.5.3=1 3.5.4=2 3.5.5=2 3.5.8=3 3.6.1=3 3.7.1=2 3.7.2=2
3.7.3=3 3.7.5=3
4.1.1=1 4.1.2=2 4.1.3=2 4.1.4=3 4.2.1=2 4.2.4=3
6.1.1=1 6.1.2=2 6.1.3=2 6.2.1=1 6.2.2=1 6.2.3=1 6.2.4=1 6.2.5=1 6.2.6=1 6.2.7=1 6.2.8=1 6.2.9=2 6.2.10=2
6.2.11=2 6.2.12=2 6.3.1=1 6.3.2=1 6.3.3=2 6.3.4=2 6.3.5=3 6.3.6=3 6.3.7=3 6.3.8=3 6.4.1=1 6.4.2=1 6.4.3=2
6.4.4=2 6.4.5=3 6.4.6=3 6.5.1=2 6.5.2=2 6.5.3=2 6.5.4=2 6.5.5=2 6.5.6=3 6.5.7=3 6.5.8=3 6.6.1=2 6.6.2=2
6.6.3=2 6.6.4=3 6.7.1=3 6.7.2=3 6.8.1=2 6.8.2=2 6.8.3=2 6.8.4=2
7.1.1=2 7.1.2=2 7.1.3=2 7.2.1=1 7.2.2=1 7.2.3=1 7.2.4=1 7.3.1=2 7.3.2=2 7.4.1=1 7.4.2=1 7.4.3=2 7.4.4=2
7.4.5=2 7.5.1=2 7.5.2=2 7.5.3=3 7.6.1=2 7.6.2=2
8.1.1=1 8.2.1=1 8.2.2=1 8.2.3=2 8.3.1=1 8.3.2=3 8.4.2=3
11.1.1=2 11.1.2=2 11.2.1=2 11.2.2=2 11.2.3=2 11.2.4=3 11.4.1=1 11.4.2=2 11.5.1=2
12.1.1=1 12.2.1=1 12.3.1=2
13.1.2=3 13.2.2=2 13.2.3=2 13.2.6=3 13.3.1=2 13.4.2=2 13.4.5=2 13.4.6=3
14.2.1=1 14.2.2=2 14.2.3=2 14.2.6=3 14.2.7=3 14.3.1=1 14.3.2=2 14.3.3=2
15.1.1=1 15.1.2=2 15.1.3=2 15.2.1=1 15.2.2=2 15.2.3=2 15.3.1=1 15.3.3=2 15.3.4=2 15.3.5=2 15.3.7=2 15.4.2=3
16.1.1=2 16.2.1=2 16.2.2=2 16.2.5=2 16.3.1=2 16.3.2=2 16.3.3=2 16.3.4=2 16.4.1=2 16.4.2=2 16.5.1=2 16.5.2=2
16.5.3=2 16.5.4=3
"""

PRODUCTION: dict[str, Any] = {
    "environment": "production",
    "secret_key": SECRET_KEY,
    "database_url": "postgresql://app@db.example.com/app?sslmode=verify-full",
    "public_url": "https://auth.example.com",
}


MAIL = "smtps://mail.example.com"


def standing(number: str, *, excess: tuple[str, ...] = (), **settings: Any) -> Standing:
    """Return how a requirement stands in production with some settings."""
    judged = judge(Settings.load(env_file=None, **(PRODUCTION | settings)), features=FEATURES, excess=excess)
    return next(each for each in judged if each.requirement.number == number)


# --- The data ---


def test_every_requirement_that_binds_is_there_once_and_in_order() -> None:
    expected = [(number, int(level)) for number, level in re.findall(r"(\S+)=(\d)", LEVELS)]
    assert [(each.number, each.level) for each in REQUIREMENTS] == expected


def test_an_entry_says_one_thing_and_nothing_else() -> None:
    entries = tomllib.loads((SOURCE / "asvs/requirements.toml").read_text("utf-8"))
    for number, entry in entries.items():
        said = entry.keys() & {"met", "gap", "outside"}
        assert len(said) == 1, number
        assert entry.keys() - said <= {"level", "requires", "rule", "tests", "documents"}, number


def test_every_rule_exists_and_is_used() -> None:
    assert {each.rule for each in REQUIREMENTS if each.rule is not None} == set(RULES)
    assert all(each.state is State.MET for each in REQUIREMENTS if each.rule is not None)


@pytest.mark.parametrize(
    ("number", "settings", "setting"),
    [
        ("6.3.7", {}, "MAIL_URL"),
        ("6.3.7", {"mail_url": MAIL, "notices": "off"}, "NOTICES"),
        ("6.3.7", {"mail_url": MAIL}, None),
        ("6.3.8", {"mail_url": MAIL}, "EMAIL_VERIFICATION"),
        ("6.3.8", {"mail_url": MAIL, "email_verification": "required"}, None),
    ],
)
def test_a_setting_that_a_requirement_needs_is_named(
    number: str, settings: dict[str, str], setting: str | None
) -> None:
    loaded = settings_of(FEATURES).load(env_file=None, **(PRODUCTION | settings))
    (judged,) = [each for each in judge(loaded, features=FEATURES) if each.requirement.number == number]
    assert (judged.state, judged.setting) == (State.MISSED if setting else State.MET, setting)


def test_what_is_met_names_its_proof() -> None:
    assert [
        each.number
        for each in REQUIREMENTS
        if each.state is State.MET and not each.tests and not each.documents
    ] == []


def functions_of(file: Path) -> set[str]:
    """Return the names of the tests that a file has, by reading it."""
    if not file.exists():
        return set()
    nodes = ast.parse(file.read_text("utf-8")).body
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {function.name for function in functions if function.name.startswith("test_")}


def test_every_test_that_is_named_exists() -> None:
    named = {test for each in REQUIREMENTS for test in each.tests}
    assert [
        test
        for test in sorted(named)
        if test.partition("::")[2] not in functions_of(ROOT / test.partition("::")[0])
    ] == []


def test_every_document_that_is_named_exists() -> None:
    for each in REQUIREMENTS:
        for document in each.documents:
            path, _, anchor = document.partition("#")
            headings = re.findall(r"^#+ (.+)$", (ROOT / path).read_text("utf-8"), re.MULTILINE)
            anchors = {heading.lower().replace(" ", "-") for heading in headings}
            assert not anchor or anchor in anchors, document


def test_the_page_is_current(environment: Mapping[str, str]) -> None:
    checked = subprocess.run(
        [sys.executable, ROOT / "scripts/render_asvs.py", "--check"],
        # What this machine's environment has set is not what the page speaks of.
        env={**environment, "THROTTLE_ENABLED": "false", "BCRYPT_ROUNDS": "4"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, "")


# --- Under the settings in force ---


def test_production_misses_what_is_known_and_nothing_else() -> None:
    missed = {
        each.requirement.number
        for each in judge(Settings.load(env_file=None, **PRODUCTION), features=FEATURES)
        if each.state is State.MISSED and each.requirement.level <= 2
    }
    assert missed == {"6.2.12", "6.3.3", "7.2.3", "7.5.2", "11.5.1"}


def test_with_opaque_tokens_level_1_is_met() -> None:
    settings = Settings.load(env_file=None, **PRODUCTION, session_token_format="opaque")
    assert count(judge(settings))[1][State.MISSED] == 0


@walked(
    ("numbers", "setting", "value"),
    [
        ("6.3.1 2.3.2 2.4.1 6.3.4", "throttle_enabled", False),
        ("7.2.3 11.5.1", "session_token_format", "uuid"),
        ("6.2.12", "breached_passwords", None),
        ("3.4.1 12.1.1 12.2.1", "public_url", None),
        ("3.3.1 3.4.1 12.1.1 12.2.1", "public_url", "http://localhost:8000"),
        ("4.1.3 15.3.4", "trusted_proxies", "10.0.0.1, 0.0.0.0/0"),
        ("4.1.3 15.3.4", "trusted_proxies", "::/0"),
        ("14.2.7", "cleanup_interval_seconds", 0),
        ("14.2.1", "registration", "invite"),
        ("13.2.2 16.4.2", "database_url", None),
        ("12.3.1", "database_url", "postgresql://app@db.example.com/app"),
    ],
)
def test_a_setting_that_misses_requirements_is_named(numbers: str, setting: str, value: object) -> None:
    sound: dict[str, Any] = {"session_token_format": "opaque", "breached_passwords": "/var/lib/breached"}
    for number in numbers.split():
        assert standing(number, **sound).state is State.MET
        missed = standing(number, **(sound | {setting: value}))
        assert (missed.state, missed.setting) == (State.MISSED, setting.upper())


@walked(
    ("numbers", "setting", "value"),
    [
        ("11.4.2", "bcrypt_rounds", 9),
        ("13.4.2", "debug", True),
        ("13.4.5", "environment", "test"),
        ("13.2.3 13.3.1 11.2.3", "secret_key", "too short"),
        ("13.2.3 13.3.1 11.2.3", "secret_key_fallbacks", "change-me"),
    ],
)
def test_what_production_refuses_is_missed_elsewhere(numbers: str, setting: str, value: object) -> None:
    for number in numbers.split():
        assert standing(number).state is State.MET
        elsewhere: dict[str, Any] = {"environment": "test"} | {setting: value}
        missed = standing(number, **elsewhere)
        assert (missed.state, missed.setting) == (State.MISSED, setting.upper())


def test_cookies_are_secure_wherever_it_is_not_said_to_be_plain_http() -> None:
    assert standing("3.3.1", public_url=None).state is State.MET


@pytest.mark.parametrize(
    ("settings", "state"),
    [
        ({}, State.MET),
        ({"session_expire_minutes": 43_200}, State.MISSED),
        ({"session_expire_minutes": 43_200, "session_idle_minutes": 30}, State.MET),
        ({"session_expire_minutes": 600, "session_max_minutes": 600}, State.MISSED),
    ],
)
def test_a_session_that_nobody_refreshes_is_one_that_nobody_uses(
    settings: dict[str, Any], state: State
) -> None:
    assert standing("7.3.1", **settings).state is state


@pytest.mark.parametrize(
    ("url", "state"),
    [
        ("postgresql://app@db.example.com/app", State.MISSED),
        ("postgresql://app@db.example.com/app?sslmode=prefer", State.MISSED),
        ("postgresql://app@localhost,db.example.com:5433/app", State.MISSED),
        ("postgresql://app@/app?host=10.0.0.5", State.MISSED),
        ("postgresql://app@db.example.com/app?sslmode=require", State.MET),
        ("postgresql://app@localhost/app", State.MET),
        ("postgresql://app@127.0.0.1:5433/app", State.MET),
        ("postgresql://app@[::1]:5432/app", State.MET),
        ("postgresql://app@%2Frun%2Fpostgresql/app", State.MET),
        ("postgresql://app@/app?host=/run/postgresql", State.MET),
        (None, State.MET),
    ],
)
def test_a_database_elsewhere_needs_tls(url: str | None, state: State) -> None:
    assert standing("12.3.1", database_url=url).state is state


def test_a_role_with_more_rights_than_needed_misses_what_is_asked_of_roles() -> None:
    for number in ("13.2.2", "16.4.2"):
        judged = standing(number, excess=("is a superuser",))
        assert (judged.state, judged.why) == (State.MISSED, "Its role is a superuser")


# --- That the proofs ran ---


def test_a_run_that_leaves_a_proof_out_fails(tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_one.py").write_text("def test_one(): pass\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\ntestpaths = tests\n")
    path = os.pathsep.join([str(ROOT), str(ROOT / "src"), environment.get("PYTHONPATH", "")])

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        call = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "tests.proofs",
            "-p",
            "no:cacheprovider",
            *arguments,
        ]
        return subprocess.run(
            call,
            cwd=tmp_path,
            env=environment | {"PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )

    whole = run()
    missing = set(re.findall(r"^PROOF MISSING (\S+) ", whole.stdout, re.MULTILINE))
    assert (whole.returncode, missing) == (1, proofs.named()), whole.stdout + whole.stderr
    for part in (["tests/test_one.py"], ["-k", "one"]):
        ended = run(*part)
        assert (ended.returncode, "PROOF" in ended.stdout) == (0, False), ended.stdout + ended.stderr


def test_a_proof_with_parameters_has_run_when_one_of_them_has() -> None:
    assert proofs.missed({"a::x", "a::y", "a::z"}, {"a::x[1]", "a::x[2]", "a::z"}) == ["a::y"]


# --- Proofs that have no better place ---


def test_nothing_evaluates_text_or_runs_a_shell() -> None:
    unwanted = {"eval", "exec", "compile", "system", "popen", "__import__"}
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            owner = getattr(getattr(node.func, "value", None), "id", "")
            assert called not in unwanted or owner == "re", f"{file}: {called}"
            assert not any(keyword.arg == "shell" for keyword in node.keywords), f"{file}: shell"


def test_the_linter_refuses_weak_randomness_and_hashes(tmp_path: Path) -> None:
    weak = tmp_path / "weak.py"
    weak.write_text(
        '"""Weak."""\n\nimport hashlib\nimport random\n\n'
        'a, b, c = random.random(), hashlib.md5(b""), hashlib.sha1(b"")\n'
    )
    ruff = Path(sys.executable).parent / "ruff"
    linted = subprocess.run(
        [ruff, "check", "--no-cache", "--config", ROOT / "pyproject.toml", "--output-format", "json", weak],
        capture_output=True,
        text=True,
        check=False,
    )
    assert sorted(found["code"] for found in json.loads(linted.stdout)) == ["S311", "S324", "S324"]


async def test_a_fresh_database_has_no_user(db: "asyncpg.Connection[asyncpg.Record]") -> None:
    assert await db.fetchval("SELECT count(*) FROM users") == 0


async def test_a_user_has_neither_an_expiry_of_the_password_nor_a_hint(
    db: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    columns = await db.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'users'::regclass AND attnum > 0 ORDER BY attnum"
    )
    assert [row["attname"] for row in columns] == [
        "id",
        "email",
        "name",
        "hashed_password",
        "is_admin",
        "is_active",
        "created_at",
        "updated_at",
        "temporary_password_expires_at",  # of one that an administrator gave, none of the user's own
        "email_key",
        "credentials_stamp",
        "email_verified_at",
        "language",  # as the user chose
    ]

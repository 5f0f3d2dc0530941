"""Gatepost's own servers, as its documentation runs them, and what they are asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bench.database import Postgres, clean_environment
from bench.places import BENCH, CACHE, PROGRAMS, PYTHON, ROOT
from bench.plan import SECRET_KEY
from bench.seeds import Credential
from bench.subjects import Program, Subject

APPS = BENCH / "apps"
UVICORN = (PYTHON, "-m", "uvicorn", "--host", "127.0.0.1", "--log-level", "warning", "--no-access-log")
GRANIAN = (PROGRAMS / "granian", "--interface", "asgi", "--host", "127.0.0.1", "--log-level", "warning")


def settings(postgres: Postgres, database: str) -> dict[str, str]:
    """Return an environment that is production's, with every default left as it is but the throttle."""
    return clean_environment() | {
        "ENVIRONMENT": "production",
        "SECRET_KEY": SECRET_KEY,
        "DATABASE_URL": postgres.dsn(database),
        "GATEPOST_HOME": str(CACHE / "home"),
        # All of the load comes from one address.
        "THROTTLE_ENABLED": "false",
    }


def served(key: str, postgres: Postgres, database: str, **changed: str) -> Program:
    """Return `gatepost serve`, which is granian; with other settings where some are given."""
    return Program(
        key=key,
        command=lambda port: (PROGRAMS / "gatepost", "serve", "--port", port),
        environment=lambda _: settings(postgres, database) | changed,
        directory=ROOT,
    )


def checks(postgres: Postgres, database: str, credentials: Sequence[Credential]) -> list[Subject]:
    """Return the rows of Gatepost's session check."""
    granian = served("gatepost-granian", postgres, database)
    app = ("--no-proxy-headers", "--factory", "gatepost.app:create_app")
    uvicorn = _uvicorn("gatepost-uvicorn", settings(postgres, database), *app)
    route = _uvicorn("route-session", settings(postgres, database), "--app-dir", APPS, "session_route:app")
    me = Subject(
        key="me-granian",
        group="gatepost",
        name="Gatepost /me (gatepost serve)",
        program=granian,
        path="/api/auth/me",
        credentials=credentials,
    )
    return [
        me,
        replace(me, key="me-uvicorn", name="Gatepost /me (uvicorn)", program=uvicorn),
        replace(
            me,
            key="verify-granian",
            name="Gatepost forward-auth /verify",
            path="/api/auth/verify",
            in_header="x-gatepost-email",
        ),
        replace(
            me,
            key="route-session",
            group="app",
            name="FastAPI route with CurrentSession",
            program=route,
            path="/notes",
        ),
    ]


def limits(body: int, credentials: Sequence[Credential]) -> list[Subject]:
    """Return the rows of servers that do nothing: the same bytes on the same servers, and FastAPI alone.

    Args:
        body: bytes to answer with.
        credentials: sent although nobody looks, so that the requests are as long.
    """
    bare = clean_environment() | {"BODY_BYTES": str(body)}
    granian = Program(
        key="hello-granian",
        command=lambda port: (*GRANIAN, "--port", port, "--working-dir", APPS, "hello:app"),
        environment=lambda _: bare,
        directory=ROOT,
    )
    hello = Subject(
        key="hello-granian",
        group="limit",
        name="bare ASGI hello (granian)",
        program=granian,
        path="/",
        credentials=credentials,
        knows=False,
    )
    return [
        hello,
        replace(
            hello,
            key="hello-uvicorn",
            name="bare ASGI hello (uvicorn)",
            program=_uvicorn("hello-uvicorn", bare, "--app-dir", APPS, "hello:app"),
        ),
        replace(
            hello,
            key="route-open",
            group="app",
            name="FastAPI route, no authentication",
            program=_uvicorn("route-open", bare, "--app-dir", APPS, "open_route:app"),
            path="/notes",
        ),
        replace(
            hello,
            key="route-depends",
            group="app",
            name="FastAPI route, a dependency that does nothing",
            program=_uvicorn("route-depends", bare, "--app-dir", APPS, "depends_route:app"),
            path="/notes",
        ),
    ]


def _uvicorn(key: str, environment: Mapping[str, str], *app: object) -> Program:
    return Program(
        key=key,
        command=lambda port: (*UVICORN, "--port", port, *app),
        environment=lambda _: environment,
        directory=ROOT,
    )

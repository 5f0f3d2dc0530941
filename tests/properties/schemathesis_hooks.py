"""What schemathesis is told about signing in; it imports this in a process of its own."""

import os
from typing import Any

import httpx
import schemathesis

PASSWORD = "securepassword123"


def _sign_in(email: str) -> str:
    body = {"email": email, "password": PASSWORD}
    response = httpx.post(f"{os.environ['GATEPOST_TEST_URL']}/api/auth/login", json=body)
    return str(response.json()["data"]["token"])


# One who only looks keeps a token; whoever changes something comes with a new one, which may be its last.


@schemathesis.auth(refresh_interval=None).apply_to(method="GET")
class Reader:
    """Signs in once."""

    token: str | None = None

    def get(self, _case: object, _context: object) -> str:
        if Reader.token is None:
            Reader.token = _sign_in("reader@example.com")
        return Reader.token

    def set(self, case: "schemathesis.Case[Any]", token: str, _context: object) -> None:
        case.headers["Authorization"] = f"Bearer {token}"


@schemathesis.auth(refresh_interval=None).apply_to(method=["POST", "DELETE"])
class Writer:
    """Signs in for each request."""

    def get(self, _case: object, _context: object) -> str:
        return _sign_in("writer@example.com")

    def set(self, case: "schemathesis.Case[Any]", token: str, _context: object) -> None:
        case.headers["Authorization"] = f"Bearer {token}"

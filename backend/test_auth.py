"""Walk through the whole flow against a running server: registration, sessions, refresh, logout.

python test_auth.py                          the server at http://localhost:8000
python test_auth.py http://localhost:9000    another one; GATEPOST_URL does the same

Where none answers on this machine, one is started for the test and stopped after it. The exit code is 0
where everything went as it should, else 1.
"""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

PASSWORD = "securepassword123"  # noqa: S105 - of users that this script makes
START_SECONDS = 60


class Failed(Exception):
    """A step did not go as it should."""


class Api:
    """The API of a server.

    Args:
        url: of the server, such as http://localhost:8000.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def call(
        self, method: str, path: str, *, token: str | None = None, body: object = None, expect: int = 200
    ) -> dict[str, Any]:
        """Send a request, check the status and the envelope, return the answer."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        data = wait = None
        if body is not None:
            headers["Content-Type"], data = "application/json", json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - main() has checked the scheme
            f"{self.url}/api/auth{path}", data, headers, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - as above
                status, content = response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                status, content = error.code, error.read()
                wait = error.headers.get("Retry-After")
        check(status != 429, f"too many attempts: come again in {wait} s, or gatepost throttles clear --all")
        try:
            answer = json.loads(content)
        except ValueError:
            raise Failed(f"{method} {path} answered {status} and no JSON: is it Gatepost?") from None
        check(status == expect, f"{method} {path} answered {status} instead of {expect}: {answer}")
        check(answer.get("success") is (status < 400), f"{method} {path}: success is not as the status")
        return dict(answer)

    def refused(self, token: str, code: str) -> None:
        """Check that a token is refused, and for the right reason."""
        found = self.call("GET", "/me", token=token, expect=401)["error"]["code"]
        check(found == code, f"the token is refused as {found} instead of {code}")

    def answers(self) -> bool:
        """Say whether anything answers there."""
        try:
            urllib.request.urlopen(f"{self.url}/api/auth/me", timeout=5).close()  # noqa: S310 - as above
        except urllib.error.HTTPError as error:
            error.close()
        except OSError:
            return False
        return True


def check(condition: bool, complaint: str) -> None:
    """Go on only where a condition holds."""
    if not condition:
        raise Failed(complaint)


def step(text: str) -> None:
    """Say what has just been shown to work."""
    print(f"ok  {text}", flush=True)


def walk(api: Api) -> None:
    """Do what a user does, and check every answer."""
    email = f"test-{uuid4().hex}@example.com"
    token = register(api, email)
    second = sign_in(api, email)
    token = refresh(api, token)
    end_sessions(api, email, token, second)
    look_back(api, email)


def register(api: Api, email: str) -> str:
    """Register, and look at oneself."""
    body = {"email": email, "name": "John Doe", "password": PASSWORD}
    data = api.call("POST", "/register", body=body, expect=201)["data"]
    check(data["user"]["email"] == email, "register answers with another e-mail")
    check("password" not in json.dumps(data), "register answers with a password")
    check(data["session_info"]["expires_at"] > data["session_info"]["created_at"], "the session is over")
    step(f"registered {email}")
    code = api.call("POST", "/register", body=body | {"email": email.upper()}, expect=409)["error"]["code"]
    check(code == "email_taken", f"a second registration is refused as {code}")
    step("a second registration with the same e-mail is refused")
    me = api.call("GET", "/me", token=data["token"])["data"]
    check(me["user"] == data["user"], "me is another user")
    step("the session token opens /me")
    return str(data["token"])


def sign_in(api: Api, email: str) -> str:
    """Login with a wrong and the right password."""
    wrong = {"email": email, "password": "not-" + PASSWORD}
    code = api.call("POST", "/login", body=wrong, expect=401)["error"]["code"]
    check(code == "invalid_credentials", f"a wrong password is refused as {code}")
    step("a wrong password is refused")
    data = api.call("POST", "/login", body={"email": email, "password": PASSWORD})["data"]
    listed = api.call("GET", "/sessions", token=data["token"])["data"]
    check(listed["total_active_sessions"] == 2, f"{listed['total_active_sessions']} sessions instead of 2")
    hints = {session["session_token"] for session in listed["sessions"]}
    check(f"{data['token'][:8]}..." in hints, "the new session is not in the list")
    step("logged in, and both sessions are listed")
    return str(data["token"])


def refresh(api: Api, token: str) -> str:
    """Replace a token."""
    data = api.call("POST", "/refresh", token=token)["data"]
    check(data["token"] != token, "refresh answers with the same token")
    api.refused(token, "session_replaced")
    api.call("GET", "/me", token=data["token"])
    step("refreshed: the new token works, the old one is refused")
    return str(data["token"])


def end_sessions(api: Api, email: str, token: str, second: str) -> None:
    """Logout, end one session from another, logout from all."""
    api.call("POST", "/logout", token=second)
    api.refused(second, "session_revoked")
    step("logged out: that token is refused, the other one works")
    third = api.call("POST", "/login", body={"email": email, "password": PASSWORD})["data"]["token"]
    sessions = api.call("GET", "/sessions", token=token)["data"]["sessions"]
    other = next(session["id"] for session in sessions if not session["is_current"])
    api.call("DELETE", f"/sessions/{other}", token=token)
    api.refused(third, "session_revoked")
    step("ended one session from another")
    api.call("POST", "/cleanup", token=token, expect=403)
    step("cleanup is refused to who is no administrator")
    revoked = api.call("POST", "/logout-all", token=token)["data"]["sessions_revoked"]
    check(revoked == 1, f"logout-all ended {revoked} sessions instead of 1")
    api.refused(token, "session_revoked")
    step("logged out from all sessions")


def look_back(api: Api, email: str) -> None:
    """Read the audit trail."""
    token = api.call("POST", "/login", body={"email": email, "password": PASSWORD})["data"]["token"]
    events = api.call("GET", "/events", token=token)["data"]["events"]
    actions = {event["action"] for event in events}
    expected = {
        "user.registered",
        "session.started",
        "login.failed",
        "session.refreshed",
        "session.revoked",
        "session.revoked_all",
    }
    check(expected <= actions, f"the audit trail lacks {sorted(expected - actions)}")
    api.call("POST", "/logout", token=token)
    step("the audit trail has all of it")


@contextmanager
def running(api: Api) -> Iterator[None]:
    """Use the server that answers, or one that is started for the purpose."""
    if api.answers():
        print(f"Testing {api.url}", flush=True)
        yield
        return
    url = urlsplit(api.url)
    local = url.hostname in {"localhost", "127.0.0.1"} and url.scheme == "http"
    check(local, f"nothing answers at {api.url}")
    print(f"Nothing answers at {api.url}: starting a server for the test", flush=True)
    command = [sys.executable, "-m", "uvicorn", "main:app", "--port", str(url.port or 80)]
    quiet = os.environ | {"LOG_LEVEL": "warning"}
    server = subprocess.Popen(  # noqa: S603 - this file's own words
        [*command, "--log-level", "warning"], cwd=Path(__file__).resolve().parent, env=quiet
    )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not api.answers():
            check(server.poll() is None, "the server did not start")
            check(time.monotonic() < deadline, f"the server does not answer after {START_SECONDS} s")
            time.sleep(0.1)
        yield
    finally:
        server.terminate()
        server.wait()


def main() -> int:
    """Test the server that is named; return the exit code."""
    default = os.environ.get("GATEPOST_URL", "http://localhost:8000")
    url = sys.argv[1] if len(sys.argv) > 1 else default
    try:
        check(urlsplit(url).scheme in {"http", "https"}, f"{url} is no address of a server")
        api = Api(url)
        with running(api):
            walk(api)
    except (Failed, OSError) as error:
        print(f"FAILED  {error}", file=sys.stderr)
        return 1
    print("Everything works.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

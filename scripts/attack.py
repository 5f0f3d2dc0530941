"""Have sqlmap and wapiti attack a server of our own, and write down what they found.

python scripts/attack.py [--minutes 4] [--report docs/attack.md]

The server is a scratch one on a loopback port, with an embedded PostgreSQL that is thrown away and without
throttle, which would answer most of it. Both tools are Debian's (`apt-get install sqlmap wapiti`). Exit
code 1 where one of them found something, or the server does not answer as before.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import Request, urlopen

from rich.progress import Progress

ROOT = Path(__file__).resolve().parent.parent
BODY = {"email": "user@example.com", "name": "John Doe", "password": "securepassword123"}


EXPLAINED = {
    "X-XSS-Protection is not set": (
        "on purpose. The filter that it controlled is gone from browsers, and opened holes of its own; "
        "the content security policy does its work."
    ),
}
"""What the tools find that is as it should be: their words → why."""


@dataclass(frozen=True)
class Target:
    """An endpoint and what is tried on it.

    Attributes:
        name: of the endpoint.
        tool: sqlmap or wapiti.
        arguments: of the tool, besides what is the same for all.
    """

    name: str
    tool: str
    arguments: Sequence[str]


@dataclass(frozen=True)
class Outcome:
    """What a tool said.

    Attributes:
        target: what it tried.
        findings: what it found, a line each; what is explained is left out.
        requests: how many it sent, as the server counted them.
    """

    target: Target
    findings: list[str]
    requests: int


@contextmanager
def server(home: Path) -> Iterator[tuple[str, Path]]:
    """Start a server and yield where it listens and its log."""
    log = home / "log"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DATABASE")}
    environment |= {"THROTTLE_ENABLED": "false", "BCRYPT_ROUNDS": "4", "GATEPOST_HOME": str(home / "data")}
    environment |= {"LOG_FORMAT": "json", "LOG_LEVEL": "debug", "ENVIRONMENT": "test"}
    environment |= {"PUBLIC_URL": "https://auth.example.com"}
    command = [sys.executable, "-m", "gatepost", "serve", "--json", "--port", "0"]
    with log.open("wb") as err, (home / "out").open("wb") as out:
        process = subprocess.Popen(command, cwd=home, env=environment, stdout=out, stderr=err)  # noqa: S603 - ours
    try:
        while not (found := re.search(r'"url": "([^"]+)"', (home / "out").read_text())):
            if process.poll() is not None:
                raise SystemExit(log.read_text())
            time.sleep(0.1)
        yield found[1], log
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def call(url: str, body: object | None = None, token: str | None = None) -> object:
    """Ask the server and return what it answers."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(url, data=data, headers=headers), timeout=30) as answer:  # noqa: S310 - our own loopback
        return json.load(answer)


def targets(url: str, token: str) -> list[Target]:
    """Return what is attacked."""
    api = f"{url}/api/auth"
    bearer = f"Authorization: Bearer {token}"
    body = json.dumps(BODY)
    json_type = "Content-Type: application/json"
    return [
        Target("POST /login", "sqlmap", ["-u", f"{api}/login", "--data", body, "-H", json_type]),
        Target("POST /register", "sqlmap", ["-u", f"{api}/register", "--data", body, "-H", json_type]),
        Target("GET /events", "sqlmap", ["-u", f"{api}/events?limit=5&cursor=9", "-H", bearer]),
        Target("GET /me, the token", "sqlmap", ["-u", f"{api}/me", "-H", f"{bearer}*"]),
        Target("GET /me, the cookie", "sqlmap", ["-u", f"{api}/me", "--cookie", f"__Host-gatepost={token}*"]),
        Target(
            "GET /me, User-Agent and Referer", "sqlmap", ["-u", f"{api}/me", "-H", bearer, "--level", "3"]
        ),
        Target(
            "everything below /api/auth",
            "wapiti",
            [
                "-u",
                f"{api}/docs",
                *(x for p in ("me", "sessions", "events?limit=5") for x in ("-s", f"{api}/{p}")),
            ],
        ),
    ]


def run(target: Target, token: str, home: Path, log: Path, seconds: int) -> Outcome:
    """Run a tool for so long at most and return what it says."""
    before = log.read_bytes().count(b'"event": "request"')
    if target.tool == "sqlmap":
        command = ["sqlmap", "--batch", "--disable-coloring", "--flush-session", "--technique", "BEUSTQ"]
        command += [
            "--ignore-code",
            "401",
            "--dbms",
            "PostgreSQL",
            "--risk",
            "2",
            "--threads",
            "4",
            "--output-dir",
            str(home / "sqlmap"),
        ]
        command += (
            [*target.arguments] if "--level" in target.arguments else ["--level", "2", *target.arguments]
        )
    else:
        report = home / "wapiti.json"
        command = [
            "wapiti",
            "--flush-session",
            "-m",
            "all",
            "--scope",
            "folder",
            "-f",
            "json",
            "-o",
            str(report),
        ]
        command += [
            "-H",
            f"Authorization: Bearer {token}",
            "--max-scan-time",
            str(seconds),
            "-v",
            "0",
            *target.arguments,
        ]
    try:
        done = subprocess.run(  # noqa: S603 - the tools are ours to run
            command,
            capture_output=True,
            text=True,
            timeout=seconds + 30,
            check=False,
            cwd=home,
            stdin=subprocess.DEVNULL,
        )
        said = done.stdout + done.stderr
    except subprocess.TimeoutExpired as stopped:
        said = (stopped.stdout or b"").decode("utf-8", "replace")
    if target.tool == "sqlmap":
        findings = re.findall(r"Parameter: .+|.*is vulnerable.*", said)
    else:
        found = json.loads(report.read_text()) if report.exists() else {}
        findings = [
            f"{kind}: {item['info']}"
            for part in ("vulnerabilities", "anomalies")
            for kind, items in found.get(part, {}).items()
            for item in items
            if item["info"] not in EXPLAINED
        ]
    return Outcome(target, findings, log.read_bytes().count(b'"event": "request"') - before)


def markdown(outcomes: Sequence[Outcome], faults: int, minutes: float) -> str:
    """Return the report."""
    versions = " and ".join(f"{tool} {version(tool)}" for tool in ("sqlmap", "wapiti"))
    rows = ""
    for each in outcomes:
        found = "; ".join(each.findings) or "nothing"
        rows += f"| {each.target.tool} | {each.target.name} | {each.requests:,} | {found} |\n"
    explained = "".join(f"- {what}: {why}\n" for what, why in EXPLAINED.items())
    return f"""# Attacked by tools

<!-- Written by `make attack`. -->

What {versions} (Debian's) found on a server of this version on {datetime.now(UTC):%Y-%m-%d}, in at most
{minutes * 60:.0f} seconds for each row, with the throttle off, which would have answered most of it.

| Tool | What it attacked | Requests | Found |
|---|---|---|---|
{rows}
{explained}
Requests that were answered by a fault of ours (5xx): {faults}. Afterwards the user signed in as before.

`make attack` does it again. The attacks that we wrote ourselves, one for each that worked on others, stand in
`tests/attacks` and run with `make test`.
"""


def version(tool: str) -> str:
    """Return the version of an installed tool."""
    done = subprocess.run([tool, "--version"], capture_output=True, text=True, check=False)  # noqa: S603 - ours
    found = re.search(r"[0-9]+\.[0-9.]+", done.stdout)
    return found[0] if found else "of an unknown version"


def main() -> int:
    """Attack, write the report, and say whether anything was found."""
    parser = argparse.ArgumentParser(description="Attack a server of our own with sqlmap and wapiti.")
    parser.add_argument("--minutes", type=float, default=4.0, help="for each target at most")
    parser.add_argument("--report", type=Path, default=ROOT / "docs" / "attack.md")
    asked = parser.parse_args()
    if missing := [tool for tool in ("sqlmap", "wapiti") if shutil.which(tool) is None]:
        sys.stderr.write(f"Not installed: {', '.join(missing)}. Run: apt-get install {' '.join(missing)}\n")
        return 2
    with (
        tempfile.TemporaryDirectory(prefix="gatepost-attack-") as directory,
        server(Path(directory)) as (url, log),
    ):
        answer = call(f"{url}/api/auth/register", BODY)
        token = str(answer["data"]["token"])  # type: ignore[index]  # what register answers
        outcomes = []
        with Progress() as progress:
            wanted = targets(url, token)
            task = progress.add_task("attacking", total=len(wanted))
            for target in wanted:
                progress.update(task, description=f"{target.tool}: {target.name}")
                outcomes.append(run(target, token, Path(directory), log, int(asked.minutes * 60)))
                progress.advance(task)
        call(f"{url}/api/auth/login", {k: v for k, v in BODY.items() if k != "name"})
        call(f"{url}/api/auth/me", token=token)
        faults = len(re.findall(rb'"status": 5', log.read_bytes()))
    asked.report.write_text(markdown(outcomes, faults, asked.minutes), "utf-8")
    found = [f"{each.target.name}: {finding}" for each in outcomes for finding in each.findings]
    sys.stderr.write(f"{len(found)} findings, {faults} faults. Written to {asked.report}\n")
    for line in found:
        sys.stderr.write(f"  {line}\n")
    return 1 if found or faults else 0


if __name__ == "__main__":
    sys.exit(main())

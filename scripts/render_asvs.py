"""Write docs/asvs.md from gatepost.asvs, its only source.

python scripts/render_asvs.py           writes it
python scripts/render_asvs.py --check   writes nothing; exit code 1 where it is out of date
"""

import argparse
import os
import sys
from itertools import groupby
from pathlib import Path

from gatepost.asvs import Standing, State, count, judge
from gatepost.features import FEATURES
from gatepost.settings import Settings
from gatepost.settings.feature import settings_of

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "asvs.md"

_CHAPTERS = {
    "1": "Encoding",
    "2": "Validation and business logic",
    "3": "Browsers",
    "4": "APIs",
    "6": "Authentication",
    "7": "Sessions",
    "8": "Authorisation",
    "11": "Cryptography",
    "12": "Secure communication",
    "13": "Configuration",
    "14": "Data protection",
    "15": "Coding and architecture",
    "16": "Logging and errors",
}

_HEAD = """\
# OWASP ASVS

<!-- Written by scripts/render_asvs.py from src/gatepost/asvs/requirements.toml: change it there. -->

How Gatepost stands against the [OWASP Application Security Verification
Standard](https://github.com/OWASP/ASVS) 5.0: every requirement that binds it, in our own words, with the
tests that prove it. A run of the whole suite fails where one of these tests is missing or was passed by.

The states are those of production with its defaults, a `PUBLIC_URL` that is https, a database that is
reached by TLS, and a role that has what `gatepost migrate --grants` gives it. For the settings in force ask

```bash
gatepost doctor --asvs --level 2
```

which ends with exit code 1 where a requirement of level 1 or 2 is not met. Left out are the chapters of
what Gatepost has not: V5 (uploads), V9 (self-contained tokens), V10 (OAuth), V17 (WebRTC), and V4.3 and V4.4
(GraphQL, WebSockets of its own).

"""


def example_settings() -> Settings:
    """Return the settings of production that the page speaks of, whatever this machine's environment says."""
    for name in settings_of(FEATURES).model_fields:
        os.environ.pop(name.upper(), None)
    return settings_of(FEATURES).load(
        env_file=None,
        environment="production",
        secret_key="".join(chr(33 + (7 * n) % 94) for n in range(48)),
        database_url="postgresql://app@db.example.com/app?sslmode=verify-full",
        public_url="https://auth.example.com",
    )


def page() -> str:
    """Return the text of docs/asvs.md."""
    standings = judge(example_settings(), features=FEATURES)
    text = _HEAD + "| Level | Met | Not met | Not applicable |\n|---|---|---|---|\n"
    for level, of in count(standings).items():
        text += f"| {level} | {' | '.join(str(of[state]) for state in State)} |\n"
    for chapter, group in groupby(standings, key=lambda s: s.requirement.number.partition(".")[0]):
        text += f"\n## V{chapter} {_CHAPTERS[chapter]}\n\n"
        text += "| No | Level | Requirement | State | How, or why not | Proof |\n|---|---|---|---|---|---|\n"
        text += "".join(_row(standing) for standing in group)
    return text


def _row(standing: Standing) -> str:
    requirement = standing.requirement
    why = standing.why if standing.setting is None else f"`{standing.setting}`: {standing.why}"
    proofs = [_link(document) for document in requirement.documents]
    if standing.state is not State.OUTSIDE:
        proofs += [f"`{test.removeprefix('tests/')}`" for test in requirement.tests]
    cells = (
        requirement.number,
        requirement.level,
        requirement.requires,
        standing.state,
        why,
        "<br>".join(proofs),
    )
    return f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |\n"


def _link(document: str) -> str:
    target = document.removeprefix("docs/")
    return f"[{target.partition('#')[0]}]({target})"


def main() -> int:
    """Write the page, or check it; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing, tell whether it is out of date")
    check = parser.parse_args().check
    text = page()
    if PAGE.exists() and PAGE.read_text("utf-8") == text:
        return 0
    if check:
        sys.stderr.write(f"{PAGE.relative_to(ROOT)} is out of date: run scripts/render_asvs.py\n")
        return 1
    PAGE.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

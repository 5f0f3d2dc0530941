"""What pages load: named by digests of the content, so that browsers keep it for ever."""

import hashlib
from pathlib import Path

from gatepost.http.pages import looks
from gatepost.settings import Settings

ASSETS = Path(__file__).parent / "assets"

SVG_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"
"""Content security policy of a picture that could hold scripts: opened by itself, it runs none."""


class Assets:
    """What pages load, all of it of this origin.

    Args:
        settings: the colours, the pictures and the theme.

    Attributes:
        paths: name of a file → where it is served, below the pages.
        theme: name of the owner's style sheet, None where there is none.
        has_fonts: there are files of the owner's, fonts among them perhaps.

    Raises:
        SettingsError: a picture or a file of the theme can't be read or shown.
    """

    def __init__(self, settings: Settings) -> None:
        style = looks.style_sheet((ASSETS / "gatepost.css").read_text("utf-8"), settings).encode()
        scripts = {file.name: file.read_bytes() for file in sorted(ASSETS.glob("*.js"))}
        files = {"gatepost.css": style, **scripts, **looks.pictures(settings)}
        self.theme, theirs = looks.theme(settings)
        self.has_fonts = bool(theirs)
        # Of one digest, because its files refer to each other by their names.
        together = _digest(b"".join(name.encode() + b"\0" + content for name, content in theirs.items()))
        self.paths = {name: f"/assets/{_digest(content)}/{name}" for name, content in files.items()}
        self.paths |= {name: f"/assets/{together}/{name}" for name in theirs}
        self._files = {self.paths[name]: content for name, content in (files | theirs).items()}

    def named(self, stem: str) -> str | None:
        """Return the name of the picture that is called so, whatever its kind; None where there is none."""
        return next((name for name in self.paths if Path(name).stem == stem and "/" not in name), None)

    def get(self, path: str) -> tuple[bytes, str] | None:
        """Return a file and its media type by what stands behind `/assets/`; None where there is none."""
        content = self._files.get(f"/assets/{path}")
        if content is None:
            return None
        return content, looks.TYPES[Path(path).suffix.lower()]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]

"""The style sheet, the script and the logo: named by their digest, so that browsers keep them for ever."""

import hashlib
from pathlib import Path

from gatepost.errors import SettingsError
from gatepost.http.pages.colors import scheme
from gatepost.settings import Settings

ASSETS = Path(__file__).parent / "assets"

SVG_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"
"""Content security policy of a picture that could hold scripts: opened by itself, it runs none."""

# Not those of `mimetypes`: they differ by system.
_LOGO_TYPES = {".svg": "image/svg+xml", ".png": "image/png", ".webp": "image/webp"}
_TYPES = {".css": "text/css", ".js": "text/javascript", **_LOGO_TYPES}
_LOGO_MAX = 256 * 1024


class Assets:
    """What pages load, all of it of this origin.

    Args:
        settings: the colour and the logo.

    Attributes:
        paths: name of a file → where it is served, below the pages.

    Raises:
        SettingsError: the logo can't be read or shown.
    """

    def __init__(self, settings: Settings) -> None:
        style = (ASSETS / "gatepost.css").read_bytes() + scheme(settings.accent_color).encode()
        files = {"gatepost.css": style, **_scripts()}
        self.logo: str | None = None
        if settings.app_logo is not None:
            self.logo = f"logo{settings.app_logo.suffix.lower()}"
            files[self.logo] = _logo(settings.app_logo)
        self._files = {f"{_digest(content)}/{name}": content for name, content in files.items()}
        self.paths = {path.partition("/")[2]: f"/assets/{path}" for path in self._files}

    def get(self, path: str) -> tuple[bytes, str] | None:
        """Return a file and its media type by what stands behind `/assets/`; None where there is none."""
        content = self._files.get(path)
        if content is None:
            return None
        return content, _TYPES[Path(path).suffix]


def _scripts() -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(ASSETS.glob("*.js"))}


def _logo(file: Path) -> bytes:
    if file.suffix.lower() not in _LOGO_TYPES:
        raise SettingsError([f"APP_LOGO: {file} is neither SVG, PNG nor WebP"])
    try:
        content = file.read_bytes()
    except OSError as error:
        raise SettingsError([f"APP_LOGO: {file} can't be read: {error.strerror}"]) from error
    if len(content) > _LOGO_MAX:
        raise SettingsError([f"APP_LOGO: {file} is larger than {_LOGO_MAX // 1024} KiB"])
    return content


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]

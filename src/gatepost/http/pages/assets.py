"""What pages load: named by digests of the content, so that browsers keep it for ever."""

import gzip
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Self

from gatepost.http.pages import looks
from gatepost.settings import Settings

ASSETS = Path(__file__).parent / "assets"

SVG_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"
"""Content security policy of a picture that could hold scripts: opened by itself, it runs none."""


_PACKED = {".css", ".js", ".svg"}
"""What gzip makes smaller; it holds no secret whose length could tell of it (BREACH), as pages do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A file that pages load.

    Attributes:
        content: of it.
        packed: the same by gzip; None where that is no smaller.
        media_type: of it.
    """

    content: bytes
    packed: bytes | None
    media_type: str

    @classmethod
    def of(cls, name: str, content: bytes) -> Self:
        """Return a file as it is served."""
        suffix = Path(name).suffix.lower()
        packed = _packed(content) if suffix in _PACKED else content
        return cls(
            content=content,
            packed=packed if len(packed) < len(content) else None,
            media_type=looks.TYPES[suffix],
        )


@lru_cache(maxsize=32)  # several applications of a process have the same scripts
def _packed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


class Assets:
    """What pages load, all of it of this origin.

    Args:
        settings: the colours, the pictures and the theme.
        folders: directories of scripts, besides those that every page may load.

    Attributes:
        paths: name of a file → where it is served, below the pages.
        theme: name of the owner's style sheet, None where there is none.
        has_fonts: there are files of the owner's, fonts among them perhaps.

    Raises:
        SettingsError: a picture or a file of the theme can't be read or shown.
    """

    def __init__(self, settings: Settings, folders: Iterable[Path] = ()) -> None:
        style = looks.style_sheet((ASSETS / "gatepost.css").read_text("utf-8"), settings).encode()
        scripts = {
            file.name: file.read_bytes()
            for folder in (ASSETS, *folders)
            for file in sorted(folder.glob("*.js"))
        }
        files = {"gatepost.css": style, **scripts, **looks.pictures(settings)}
        self.theme, theirs = looks.theme(settings)
        self.has_fonts = bool(theirs)
        # Of one digest, because its files refer to each other by their names.
        together = _digest(b"".join(name.encode() + b"\0" + content for name, content in theirs.items()))
        self.paths = {name: f"/assets/{_digest(content)}/{name}" for name, content in files.items()}
        self.paths |= {name: f"/assets/{together}/{name}" for name in theirs}
        self._files = {
            self.paths[name]: Asset.of(name, content) for name, content in (files | theirs).items()
        }

    def named(self, stem: str) -> str | None:
        """Return the name of the picture that is called so, whatever its kind; None where there is none."""
        return next((name for name in self.paths if Path(name).stem == stem and "/" not in name), None)

    def get(self, path: str) -> Asset | None:
        """Return a file by what stands behind `/assets/`; None where there is none."""
        return self._files.get(f"/assets/{path}")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]

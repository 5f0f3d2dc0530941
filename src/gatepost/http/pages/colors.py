"""The colours of a brand on light and on dark, with the contrast that reading needs (WCAG 2.2 §1.4.3)."""

from dataclasses import dataclass

_CONTRAST = 4.5
_BLACK, _WHITE = "#000000", "#ffffff"

Rgb = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Ground:
    """What pages are drawn on.

    Attributes:
        surface: of --ground and --surface of `gatepost.css` the one on which text has less contrast.
        page: --ground.
    """

    surface: str
    page: str


LIGHT = Ground(surface="#f4f5f8", page="#f4f5f8")
DARK = Ground(surface="#171a21", page="#0e1015")


def properties(accent: str, ground: Ground) -> str:
    """Return the custom properties of a brand's colour, as CSS.

    `--accent` is the colour as it is, to fill with; `--on-accent` is black or white, whichever reads better
    on it; `--link` is the colour for text, lines and the focus, moved as far as reading needs.

    Args:
        accent: as `#rrggbb`.
        ground: what stands behind.
    """
    on_accent = max(_WHITE, _BLACK, key=lambda text: contrast(text, accent))
    return f"--accent:{accent};--on-accent:{on_accent};--link:{readable(accent, ground.surface)}"


def readable(color: str, surface: str) -> str:
    """Return the colour, moved towards black or white as far as text in it needs on a surface."""
    towards = _BLACK if luminance(surface) > 0.5 else _WHITE
    for step in range(21):
        mixed = _mix(color, towards, step / 20)
        if contrast(mixed, surface) >= _CONTRAST:
            return mixed
    return towards


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(color: str) -> float:
    """Return the relative luminance of a colour, 0 to 1 (WCAG 2.2, "relative luminance")."""
    red, green, blue = (_linear(channel / 255) for channel in _rgb(color))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)


def _rgb(color: str) -> Rgb:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _mix(color: str, towards: str, share: float) -> str:
    mixed = (round(a + (b - a) * share) for a, b in zip(_rgb(color), _rgb(towards), strict=True))
    return "#" + "".join(f"{channel:02x}" for channel in mixed)

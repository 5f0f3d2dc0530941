"""The accent colour on light and on dark, always with the contrast that reading needs (WCAG 2.2 §1.4.3)."""

_CONTRAST = 4.5
_LIGHT, _DARK = "#f4f5f8", "#171a21"
"""What the accent stands on: of --ground and --surface of `gatepost.css` the one with less contrast."""

Rgb = tuple[int, int, int]


def scheme(accent: str) -> str:
    """Return the custom properties of an accent colour, as CSS.

    Args:
        accent: as `#rrggbb`.
    """
    light, dark = readable(accent, _LIGHT), readable(accent, _DARK)
    return (
        f":root{{{_properties(light)}}}@media (prefers-color-scheme:dark){{:root{{{_properties(dark)}}}}}\n"
    )


def readable(color: str, surface: str) -> str:
    """Return the colour, moved towards black or white as far as text in it needs on a surface."""
    towards = "#000000" if luminance(surface) > 0.5 else "#ffffff"
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


def _properties(accent: str) -> str:
    on_accent = max("#ffffff", "#000000", key=lambda text: contrast(text, accent))
    return f"--accent:{accent};--on-accent:{on_accent}"


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)


def _rgb(color: str) -> Rgb:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _mix(color: str, towards: str, share: float) -> str:
    mixed = (round(a + (b - a) * share) for a, b in zip(_rgb(color), _rgb(towards), strict=True))
    return "#" + "".join(f"{channel:02x}" for channel in mixed)

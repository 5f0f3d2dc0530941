"""How pages look by the settings: the style sheet, the pictures and the owner's theme."""

from pathlib import Path

from gatepost.errors import SettingsError
from gatepost.http.pages.colors import DARK, LIGHT, properties
from gatepost.settings import Settings

TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".jpg": "image/jpeg",
    ".woff2": "font/woff2",
    ".woff": "font/woff",
}
"""Media types of what is served; not those of `mimetypes`, which differ by system."""

_PICTURES = (".svg", ".png", ".webp")
_PICTURE_MAX = 256 * 1024
_THEME_MAX = 8 * 1024 * 1024
_DARK_BROWSERS = "@media (prefers-color-scheme: dark)"

# The door of Gatepost, on the accent colour.
_ICON = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">\
<rect width="32" height="32" rx="7" fill="{fill}"/>\
<path transform="translate(4 4)" fill="none" stroke="{line}" stroke-width="2" stroke-linecap="round" \
stroke-linejoin="round" d="M5 21V9a7 7 0 0 1 14 0v12M2.5 21h19M9 21v-8a3 3 0 0 1 6 0v8"/></svg>"""

Files = dict[str, bytes]


def style_sheet(style: str, settings: Settings) -> str:
    """Return the pages' style sheet in a brand's colours.

    Args:
        style: `gatepost.css`, which has the dark colours in one media query.
        settings: the colours, APPEARANCE and CORNER_RADIUS.
    """
    dark = settings.accent_color_dark or settings.accent_color
    query = {"auto": _DARK_BROWSERS, "light": "@media not all", "dark": "@media all"}[settings.appearance]
    own = (
        f":root{{color-scheme:{color_scheme(settings)};--radius:{settings.corner_radius / 16:g}rem;"
        f"{properties(settings.accent_color, LIGHT)}}}"
        f"{query}{{:root{{{properties(dark, DARK)}}}}}\n"
    )
    return style.replace(_DARK_BROWSERS, query) + own


def color_scheme(settings: Settings) -> str:
    """Return in which schemes pages are drawn, as CSS and HTML name them."""
    return "light dark" if settings.appearance == "auto" else settings.appearance


def pictures(settings: Settings) -> Files:
    """Return the logos and the icon by the names that templates have for them: `logo`, `logo-dark`, `icon`.

    Raises:
        SettingsError: one of them can't be read or shown.
    """
    given = {"logo": settings.app_logo, "logo-dark": settings.app_logo_dark, "icon": settings.app_icon}
    files = {
        f"{name}{file.suffix.lower()}": picture(f"APP_{name.replace('-', '_').upper()}", file)
        for name, file in given.items()
        if file is not None
    }
    if settings.app_icon is None:
        colors = dict(each.split(":") for each in properties(settings.accent_color, LIGHT).split(";"))
        files["icon.svg"] = _ICON.format(fill=colors["--accent"], line=colors["--on-accent"]).encode()
    return files


def theme(settings: Settings) -> tuple[str | None, Files]:
    """Return the name of the owner's style sheet, None where there is none, and the files of the theme.

    Files keep their places, so that what the style sheet refers to is found where it is on the disk.

    Raises:
        SettingsError: a file can't be read or is of no kind that pages load, or together they are too large.
    """
    folder, css = settings.theme_dir, settings.theme_css
    files = {} if folder is None else _folder(folder)
    name = None
    if css is not None:
        inside = folder is not None and css.resolve().is_relative_to(folder.resolve())
        place = css.resolve().relative_to(folder.resolve()).as_posix() if inside and folder else css.name
        name = f"theme/{place}"
        if css.suffix.lower() != ".css":
            raise SettingsError([f"THEME_CSS: {css} is not a style sheet; name a file that ends in .css"])
        files[name] = _read("THEME_CSS", css)
    if sum(map(len, files.values())) > _THEME_MAX:
        raise SettingsError([f"THEME_DIR: its files are larger than {_THEME_MAX // 1024**2} MiB together"])
    return name, files


def _folder(folder: Path) -> Files:
    if not folder.is_dir():
        raise SettingsError([f"THEME_DIR: {folder} is not a directory"])
    found = [file for file in sorted(folder.rglob("*")) if file.is_file() and not _is_hidden(file, folder)]
    if wrong := [file for file in found if file.suffix.lower() not in TYPES]:
        raise SettingsError([f"THEME_DIR: {wrong[0]} can't be served; only {', '.join(TYPES)} can"])
    inside = folder.resolve()
    if outside := [file for file in found if not file.resolve().is_relative_to(inside)]:
        # Whoever made a theme need not be whoever runs it: a picture may be a link to a file of secrets.
        raise SettingsError([f"THEME_DIR: {outside[0]} is a link to a file outside; copy that file"])
    return {f"theme/{file.relative_to(folder).as_posix()}": _read("THEME_DIR", file) for file in found}


def _is_hidden(file: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(folder).parts)


def picture(name: str, file: Path) -> bytes:
    """Return a picture that a setting names.

    Raises:
        SettingsError: it can't be read or shown.
    """
    if file.suffix.lower() not in _PICTURES:
        raise SettingsError([f"{name}: {file} is neither SVG, PNG nor WebP"])
    content = _read(name, file)
    if len(content) > _PICTURE_MAX:
        raise SettingsError([f"{name}: {file} is larger than {_PICTURE_MAX // 1024} KiB"])
    return content


def _read(name: str, file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise SettingsError([f"{name}: {file} can't be read: {error.strerror}"]) from error

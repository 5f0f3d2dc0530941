"""The chart: session checks a second, drawn as SVG by hand."""

from collections.abc import Sequence
from xml.sax.saxutils import escape

from bench.results import Results, Row
from bench.tables import number

SHOWN = (
    "me-granian",
    "verify-granian",
    "route-session",
    "pyjwt",
    "express-session",
    "better-auth",
    "django",
    "allauth",
    "fastapi-users",
    "node-pool",
    "route-open",
    "hello-granian",
    "node-hello",
)
COLOURS = {"gatepost": "#00796b", "app": "#4db6ac", "peer": "#8d6e63", "limit": "#b0bec5"}
LEGEND = {
    "gatepost": "Gatepost",
    "app": "FastAPI route",
    "peer": "others",
    "limit": "limits: less is done there",
}
WIDTH, LABELS, RIGHT = 860, 310, 90
TOP, LINE, BAR, BOTTOM = 84, 30, 18, 48
FONT = "font-family=\"'DejaVu Sans', Verdana, sans-serif\""


def svg(results: Results) -> str:
    """Return the chart of the session checks, the limits last."""
    rows = shown(results)
    height = TOP + LINE * len(rows) + BOTTOM
    most = max(max(row.of()) for row in rows)
    scale = (WIDTH - LABELS - RIGHT) / most
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(_words(rows))}</title>",
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#ffffff"/>',
        _text(20, 32, "Session checks a second, one worker on one core", size=17, weight="bold"),
        *_legend(),
    ]
    for index, row in enumerate(rows):
        parts += _bar(row, TOP + LINE * index, scale)
    machine = results.machine
    footer = (
        f"{results.date.partition('T')[0]} · {machine['cpu']}, {machine['cores']} cores · "
        f"PostgreSQL {results.versions['postgresql']} · median of {results.plan['rounds']} rounds, "
        "the line shows the least and the most"
    )
    parts += [_text(20, height - 18, footer, size=11, fill="#607d8b"), "</svg>"]
    return "\n".join(parts) + "\n"


def shown(results: Results) -> list[Row]:
    """Return the rows of the chart that were measured: what authenticates by speed, then the limits."""
    found = [row for key in SHOWN if (row := results.row(key)) is not None and row.samples]
    limits = [row for row in found if row.group == "limit" or row.key == "route-open"]
    others = [row for row in found if row not in limits]
    return sorted(others, key=_speed, reverse=True) + sorted(limits, key=_speed)


def _speed(row: Row) -> float:
    return row.median() or 0.0


def _bar(row: Row, y: int, scale: float) -> list[str]:
    middle = y + LINE / 2
    colour = COLOURS["limit" if row.key == "route-open" else row.group]
    length = _speed(row) * scale
    least, most = (LABELS + value * scale for value in (min(row.of()), max(row.of())))
    ends = f"M{least:.1f} {middle - 4:g}v8M{most:.1f} {middle - 4:g}v8"
    spread = f"M{least:.1f} {middle:g}H{most:.1f}{ends}"
    weight = "bold" if row.group == "gatepost" else "normal"
    return [
        _text(LABELS - 10, middle + 4, row.name, size=13, anchor="end", weight=weight),
        _rect(LABELS, middle - BAR / 2, length, BAR, colour),
        f'<path d="{spread}" stroke="#37474f" stroke-width="1.2" fill="none"/>',
        _text(max(length + LABELS, most) + 8, middle + 4, number(_speed(row)), size=13, weight=weight),
    ]


def _legend() -> list[str]:
    parts, x = [], 20
    for group, words in LEGEND.items():
        parts += [
            _rect(x, 48, 12, 12, COLOURS[group]),
            _text(x + 18, 59, words, size=12, fill="#455a64"),
        ]
        x += 42 + 7 * len(words)
    return parts


def _text(
    x: float,
    y: float,
    words: str,
    *,
    size: int,
    anchor: str = "start",
    weight: str = "normal",
    fill: str = "#263238",
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:g}" {FONT} font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}" fill="{fill}">{escape(words)}</text>'
    )


def _rect(x: float, y: float, width: float, height: float, fill: str) -> str:
    return f'<rect x="{x:g}" y="{y:g}" width="{width:.1f}" height="{height:g}" rx="2" fill="{fill}"/>'


def words(results: Results) -> str:
    """Return the chart in words, for those who do not see it."""
    return _words(shown(results))


def _words(rows: Sequence[Row]) -> str:
    return "Session checks a second: " + ", ".join(f"{row.name} {number(row.median())}" for row in rows)

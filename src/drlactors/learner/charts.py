"""Small charts as SVG: curves with bands, points with intervals, shares that add up, a table of counts."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 64, 150, 34, 44
#: Told apart by most eyes, also without colours of red and green (Okabe and Ito 2008).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")


class Band(NamedTuple):
    low: Sequence[float]
    mean: Sequence[float]
    high: Sequence[float]


class Dot(NamedTuple):
    """Each side as low, value, high."""

    x: tuple[float, float, float]
    y: tuple[float, float, float]


class Axes(NamedTuple):
    title: str
    x: str
    y: str


class _Scale(NamedTuple):
    """From what is measured to where it is drawn."""

    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, x: float, y: float) -> str:
        across = (x - self.x[0]) / ((self.x[1] - self.x[0]) or 1)
        up = (y - self.y[0]) / ((self.y[1] - self.y[0]) or 1)
        return f"{LEFT + across * (WIDTH - LEFT - RIGHT):.1f},{HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM):.1f}"


def curves(axes: Axes, x: Sequence[float], bands: Mapping[str, Band]) -> str:
    """Each mean as a line, in the band of its seeds."""
    every = [value for band in bands.values() for side in band for value in side]
    scale = _Scale((min(x), max(x)), (min(every), max(every)))
    drawn = []
    for colour, band in zip(COLOURS, bands.values(), strict=False):
        around = [*zip(x, band.low, strict=True), *reversed(list(zip(x, band.high, strict=True)))]
        drawn.append(f'<polygon fill="{colour}" fill-opacity="0.2" points="{_points(scale, around)}"/>')
        line = _points(scale, zip(x, band.mean, strict=True))
        drawn.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{line}"/>')
    return _page(axes, scale, drawn, list(bands))


def dots(axes: Axes, series: Mapping[str, Sequence[Dot]]) -> str:
    """Points with what they may be off by in both directions; those of one series are joined."""
    every = [dot for of in series.values() for dot in of]
    scale = _Scale(
        (0.0, max((max(dot.x) for dot in every), default=1.0)), (0.0, max((max(dot.y) for dot in every), default=1.0))
    )
    drawn = []
    for colour, of in zip(COLOURS, series.values(), strict=False):
        pen = f'fill="none" stroke="{colour}"'
        middles = _points(scale, [(dot.x[1], dot.y[1]) for dot in of])
        drawn.append(f'<polyline {pen} stroke-dasharray="3 3" points="{middles}"/>')
        for dot in of:
            across = _points(scale, [(dot.x[0], dot.y[1]), (dot.x[2], dot.y[1])])
            up = _points(scale, [(dot.x[1], dot.y[0]), (dot.x[1], dot.y[2])])
            x, y = scale.at(dot.x[1], dot.y[1]).split(",")
            drawn.append(f'<polyline {pen} points="{across}"/><polyline {pen} points="{up}"/>')
            drawn.append(f'<circle cx="{x}" cy="{y}" r="4" fill="{colour}"/>')
    return _page(axes, scale, drawn, list(series))


def shares(axes: Axes, x: Sequence[float], parts: Mapping[str, Sequence[float]]) -> str:
    """Parts of a whole, one above the other."""
    scale = _Scale((min(x), max(x)), (0.0, 1.0))
    below = [0.0] * len(x)
    drawn = []
    for colour, part in zip(COLOURS, parts.values(), strict=False):
        above = [low + more for low, more in zip(below, part, strict=True)]
        around = [*zip(x, below, strict=True), *reversed(list(zip(x, above, strict=True)))]
        drawn.append(f'<polygon fill="{colour}" points="{_points(scale, around)}"/>')
        below = above
    return _page(axes, scale, drawn, list(parts))


def matrix(title: str, rows: Mapping[str, Mapping[str, int]]) -> str:
    """Counts by truth (rows) and by what was done (columns), each shaded by its share of the row."""
    drawn = [f'<text x="{WIDTH / 2}" y="20" text-anchor="middle" font-weight="bold">{escape(title)}</text>']
    for down, (truth, row) in enumerate(rows.items()):
        y = 60 + down * 120
        drawn.append(f'<text x="130" y="{y + 60}" text-anchor="end">{escape(truth)}</text>')
        for across, (done, count) in enumerate(row.items()):
            x, share = 150 + across * 200, count / (sum(row.values()) or 1)
            drawn.append(
                f'<rect x="{x}" y="{y}" width="190" height="110" fill="{COLOURS[0]}" fill-opacity="{share:.2f}"'
            )
            drawn.append('stroke="#555"/>')
            drawn.append(f'<text x="{x + 95}" y="{y + 60}" text-anchor="middle">{count} ({share:.0%})</text>')
            if not down:
                drawn.append(f'<text x="{x + 95}" y="50" text-anchor="middle">{escape(done)}</text>')
    return _svg(drawn)


def _points(scale: _Scale, points: "Sequence[tuple[float, float]] | zip[tuple[float, float]]") -> str:
    return " ".join(scale.at(x, y) for x, y in points)


def _page(axes: Axes, scale: _Scale, drawn: list[str], names: list[str]) -> str:
    frame = [
        f'<text x="{WIDTH / 2}" y="20" text-anchor="middle" font-weight="bold">{escape(axes.title)}</text>',
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(axes.x)}</text>',
        f'<text transform="translate(14 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">{escape(axes.y)}</text>',
    ]
    inside = f'width="{WIDTH - LEFT - RIGHT}" height="{HEIGHT - TOP - BOTTOM}"'
    frame.append(f'<rect x="{LEFT}" y="{TOP}" {inside} fill="none" stroke="#555"/>')
    for step in range(5):
        x = scale.x[0] + step / 4 * (scale.x[1] - scale.x[0])
        y = scale.y[0] + step / 4 * (scale.y[1] - scale.y[0])
        below, beside = scale.at(x, scale.y[0]).split(",")[0], scale.at(scale.x[0], y).split(",")[1]
        frame.append(f'<text x="{below}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{x:.4g}</text>')
        frame.append(f'<text x="{LEFT - 6}" y="{float(beside) + 4:.1f}" text-anchor="end">{y:.3g}</text>')
    for at, (colour, name) in enumerate(zip(COLOURS, names, strict=False)):
        x, y = WIDTH - RIGHT + 12, TOP + 14 + 18 * at
        frame.append(f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{colour}"/>')
        frame.append(f'<text x="{x + 16}" y="{y}">{escape(name)}</text>')
    return _svg(drawn + frame)


def _svg(drawn: list[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
    return head + 'font-size="12">\n<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(drawn) + "\n</svg>\n"

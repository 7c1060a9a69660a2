# SPDX-License-Identifier: Apache-2.0
"""Small SVG charts, written by hand so that they need no library and differ only where the data
do.  Colours follow the reader's light or dark setting."""
import json
import math

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 40, 56
COLOURS = ("#0b7285", "#e8590c", "#5f3dc4", "#2b8a3e", "#c2255c", "#1864ab", "#866118", "#495057")
STYLE = ("text{font:13px sans-serif;fill:#495057}.grid{stroke:#ced4da;stroke-width:.6}"
         ".title{font-size:15px;font-weight:600;fill:#212529}"
         "@media(prefers-color-scheme:dark){text{fill:#ced4da}.title{fill:#f1f3f5}"
         ".grid{stroke:#495057}}")


def escape(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def ticks(low, high, log):
    """Round numbers from low to high."""
    if log:
        found = [m * 10.0 ** e for e in range(math.floor(math.log10(low)), 12) for m in (1, 2, 5)]
    else:
        raw = (high - low) / 6 or 1.0
        unit = 10.0 ** math.floor(math.log10(raw))
        step = next(unit * m for m in (1, 2, 5, 10) if unit * m >= raw)
        found = [step * i for i in range(math.floor(low / step), math.ceil(high / step) + 1)]
    return [t for t in found if low <= t <= high]


def short(x):
    for size, mark in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(x) >= size:
            return f"{x / size:g}{mark}"
    return f"{x:g}"


def apart(labels):
    """[(text, x, y)] from above to below, each moved down until it covers none before it."""
    line, letter = 13, 7.2  # pixels, of the letters of STYLE
    found = []
    for text, x, y in sorted(labels, key=lambda label: label[2]):
        for other, left, top in found:
            if abs(y - top) < line and x < left + letter * len(other) and \
                    left < x + letter * len(text):
                y = top + line
        found.append((text, x, y))
    return found


class Chart:
    """Lines and points over two axes, either of them logarithmic."""

    def __init__(self, title, x_label, y_label, log_x=False, log_y=False):
        self.title, self.x_label, self.y_label = title, x_label, y_label
        self.log_x, self.log_y = log_x, log_y
        self.series = []

    def line(self, name, points, dots=False, names=None, bars=None):
        """points: [(x, y)]; `names` labels single points; `bars` gives y's half-widths."""
        self.series.append((name, sorted(points) if not names else list(points), dots, names,
                            bars))

    def _range(self, axis, log):
        values = [p[axis] for s in self.series for p in s[1]]
        if axis == 1:
            values += [p[1] + sign * bar for s in self.series
                       for p, bar in zip(s[1], s[4] or []) if bar for sign in (-1, 1)]
        low, high = min(values), max(values)
        if log:
            return low / 1.15, high * 1.15
        room = (high - low) * 0.06 or 1.0
        return low - room, high + room

    def svg(self):
        xs, ys = self._range(0, self.log_x), self._range(1, self.log_y)

        def place(value, span, log, begin, length):
            if log:
                value, span = math.log(value), [math.log(v) for v in span]
            return begin + (value - span[0]) / (span[1] - span[0]) * length

        def at_x(v):
            return place(v, xs, self.log_x, LEFT, WIDTH - LEFT - RIGHT)

        def at_y(v):
            return HEIGHT - place(v, ys, self.log_y, BOTTOM, HEIGHT - TOP - BOTTOM)

        out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
               f'role="img" aria-label="{escape(self.title)}"><style>{STYLE}</style>',
               f'<text class="title" x="{LEFT}" y="22">{escape(self.title)}</text>']
        for t in ticks(*xs, self.log_x):
            out.append(f'<line class="grid" x1="{at_x(t):.1f}" x2="{at_x(t):.1f}" y1="{TOP}" '
                       f'y2="{HEIGHT - BOTTOM}"/><text x="{at_x(t):.1f}" '
                       f'y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{short(t)}</text>')
        for t in ticks(*ys, self.log_y):
            out.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at_y(t):.1f}" '
                       f'y2="{at_y(t):.1f}"/><text x="{LEFT - 8}" y="{at_y(t) + 4:.1f}" '
                       f'text-anchor="end">{short(round(t, 10))}</text>')
        middle = (TOP + HEIGHT - BOTTOM) / 2
        out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 16}" '
                   f'text-anchor="middle">{escape(self.x_label)}</text><text x="16" y="{middle}" '
                   f'text-anchor="middle" transform="rotate(-90 16 {middle})">'
                   f'{escape(self.y_label)}</text>')
        for i, (name, points, dots, names, bars) in enumerate(self.series):
            out += self._series(i, name, points, dots, names, bars, at_x, at_y)
        return "\n".join(out) + "\n</svg>\n"

    def _series(self, i, name, points, dots, names, bars, at_x, at_y):
        colour = COLOURS[i % len(COLOURS)]
        spots = [(at_x(x), at_y(y)) for x, y in points]
        out = []
        if len(spots) > 1 and not names:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
            out.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.8" '
                       f'points="{path}"/>')
        for n, (x, y) in enumerate(spots if dots or names else []):
            out.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.6" fill="{colour}"/>')
            if bars and bars[n]:
                low, high = at_y(points[n][1] - bars[n]), at_y(points[n][1] + bars[n])
                out.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}" '
                           f'stroke="{colour}" stroke-width="1.4"/>')
        for text, x, y in apart([(n, *spot) for n, spot in zip(names or [], spots)]):
            out.append(f'<text x="{x + 7:.1f}" y="{y + 4:.1f}">{escape(text)}</text>')
        if name:
            y = TOP + 16 + 18 * i
            out.append(f'<rect x="{WIDTH - RIGHT - 170}" y="{y - 9}" width="14" height="4" '
                       f'fill="{colour}"/><text x="{WIDTH - RIGHT - 150}" y="{y - 2}">'
                       f'{escape(name)}</text>')
        return out

    def save(self, path):
        with open(path, "w", encoding="utf-8") as f:
            f.write(self.svg())


def losses(logs, path):
    """The training loss over the tokens of some runs (log.jsonl each)."""
    chart = Chart("Training loss", "tokens", "nats a token", log_x=True)
    for log in logs:
        with open(log, encoding="ascii") as f:
            notes = [json.loads(line) for line in f]
        points = [(n["tokens"], n["nats"]) for n in notes if "nats" in n]
        if points:
            chart.line(log.split("/")[-2] if "/" in log else log, points)
    if chart.series:
        chart.save(path)

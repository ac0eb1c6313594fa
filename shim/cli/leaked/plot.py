"""A plot of each container's memory as SVG: figures, limits and events on one axis of time, in one file.

The colours are those of M. Okabe and K. Ito, which people with colour blindness can distinguish, on white. Every line
also has its name beside it.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from shim.cli.leaked.axes import bytes_label, bytes_ticks, time_label, time_ticks
from shim.cli.leaked.words import called, clock, verdict
from shim.errors import printable_line
from shim.watch.leaks.runs import shown

if TYPE_CHECKING:
    from typing import Sequence

    from shim.watch.leaks.assess import Assessment
    from shim.watch.leaks.runs import Line

WIDTH, HEIGHT = 960, 330  # of one container's panel
LEFT, RIGHT, TOP, BOTTOM = 84, 150, 58, 46
COLOURS = {
    "usage": "#444444", "anonymous": "#d55e00", "file": "#2a86c8", "shmem": "#b0558a", "kernel": "#00805c",
    "swap": "#9a6a00",
}  # fmt: skip
LIMIT, BEGAN, INK, GRID = "#c00000", "#6a00a8", "#222222", "#e4e4e4"
MARKS = {
    "oom": ("#c00000", "✕", "OOM kill"),
    "reclaim": ("#8a6d00", "|", "reclaim"),
    "limit": (LIMIT, "◆", "limit changed"),
}
OTHER = ("#555555", "▴", "event")
FAR = 3.0  # a limit that is this many times above everything else is named, not drawn
VISIBLE = 0.01  # a figure that stays below this part of the axis is left out
APART = 13  # pixels between two names
MOST_MARKS = 60


def picture(found: Sequence[Assessment]) -> str:
    """Return one SVG file, a panel for each container."""
    height = HEIGHT * len(found)
    title = "Memory of containers" if len(found) > 1 else f"Memory of {called(found[0])}"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
        f' role="img" aria-labelledby="title desc"><title id="title">{text(title)}</title>'
        f'<desc id="desc">{text(" ".join(f"{called(one)}: {verdict(one)}." for one in found))}</desc>'
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>'
    )
    panels = "".join(f'<g transform="translate(0 {HEIGHT * number})">{_Panel(one).drawn()}</g>\n'
                     for number, one in enumerate(found))  # fmt: skip
    return f'{head}\n<g font-family="system-ui, sans-serif" font-size="12" fill="{INK}">\n{panels}</g></svg>\n'


def text(words: str) -> str:
    """Return foreign words for XML: printable and escaped."""
    return escape(printable_line(words).encode("utf-8", "replace").decode("utf-8"), quote=True)


class _Panel:
    """One container."""

    def __init__(self, one: Assessment) -> None:
        self.one, self.run = one, one.run
        self.start, self.end = self.run.start, max(self.run.end, self.run.start + 1e-3)
        highest = max((max(line.values) for name, line in self.run.lines.items() if name in COLOURS), default=0.0)
        limits = [value for _, value in self.run.limits.get("limit", ()) if value is not None]
        self.drawn_limits = [value for value in limits if value <= FAR * max(highest, 1.0)]
        self.far = [value for value in limits if value not in self.drawn_limits]
        self.ticks = bytes_ticks(max([highest, *self.drawn_limits]) * 1.03)
        self.top = self.ticks[-1]

    def drawn(self) -> str:
        """Return the panel's elements, from back to front."""
        parts = [*self._head(), *self._grid(), *self._marks(), *self._limits(), *self._lines(), *self._trend()]
        return "\n".join(parts)

    def x(self, moment: float) -> float:
        """Return pixels from the left."""
        part = (moment - self.start) / (self.end - self.start)
        return LEFT + min(1.0, max(0.0, part)) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Return pixels from the top."""
        return HEIGHT - BOTTOM - value / self.top * (HEIGHT - TOP - BOTTOM)

    def _head(self) -> list[str]:
        colour = LIMIT if self.one.leaking else INK
        sentence = verdict(self.one)
        return [
            f'<text x="{LEFT}" y="22" font-size="15" font-weight="600">{text(called(self.one))}</text>',
            f'<text x="{LEFT}" y="41" fill="{colour}">{text(sentence[0].upper() + sentence[1:])}</text>',
        ]

    def _grid(self) -> list[str]:
        right, low = WIDTH - RIGHT, HEIGHT - BOTTOM
        found = []
        for value in self.ticks:
            y = self.y(value)
            found.append(f'<path d="M{LEFT} {y:.1f}H{right}" stroke="{GRID}"/>')
            found.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{bytes_label(value)}</text>')
        for moment in time_ticks(self.start, self.end):
            x = self.x(moment)
            label = time_label(moment, self.start, self.end)
            found.append(f'<path d="M{x:.1f} {low}v5" stroke="{INK}"/>')
            found.append(f'<text x="{x:.1f}" y="{low + 18}" text-anchor="middle">{label}</text>')
        found.append(f'<path d="M{LEFT} {TOP}V{low}H{right}" fill="none" stroke="{INK}"/>')
        about = f"time (UTC), from {clock(self.start)}"
        found.append(f'<text x="{(LEFT + right) / 2:.0f}" y="{HEIGHT - 8}" text-anchor="middle">{about}</text>')
        middle = (TOP + low) / 2
        found.append(f'<text transform="translate(16 {middle:.0f}) rotate(-90)" text-anchor="middle">memory</text>')
        return found

    def _lines(self) -> list[str]:
        """Return the figures, with their names at the right, moved apart if they would overlap."""
        shown_lines = {
            name: line
            for name, line in self.run.lines.items()
            if name in COLOURS and max(line.values) >= VISIBLE * self.top
        }
        found = []
        for name, line in shown_lines.items():
            wide = 2.6 if name in self.one.leaking else 1.4
            dash = ' stroke-dasharray="5 3"' if name == "usage" else ""
            found.append(
                f'<polyline fill="none" stroke="{COLOURS[name]}" stroke-width="{wide}"{dash}'
                f' points="{self._points(line)}"><title>{name}</title></polyline>'
            )
        wanted = sorted((self.y(line.values[-1]), name) for name, line in shown_lines.items())
        for y, name in _apart(wanted, HEIGHT - BOTTOM):
            weight = ' font-weight="600"' if name in self.one.leaking else ""
            last = bytes_label(shown_lines[name].values[-1])
            label = f"{name} {last}"
            found.append(f'<text x="{WIDTH - RIGHT + 8}" y="{y + 4:.1f}" fill="{COLOURS[name]}"{weight}>{label}</text>')
        return found

    def _points(self, line: Line) -> str:
        return " ".join(f"{self.x(moment):.1f},{self.y(value):.1f}" for moment, value in zip(line.times, line.values))

    def _limits(self) -> list[str]:
        """Return the limit as steps; one that is far above is named at the top."""
        found = []
        changes = self.run.limits.get("limit", ())
        for number, (moment, value) in enumerate(changes):
            if value not in self.drawn_limits or value is None:
                continue
            until = changes[number + 1][0] if number + 1 < len(changes) else self.end
            y = self.y(value)
            found.append(f'<path d="M{self.x(moment):.1f} {y:.1f}H{self.x(until):.1f}" stroke="{LIMIT}"'
                         f' stroke-width="1.6" stroke-dasharray="7 4"><title>limit</title></path>')  # fmt: skip
            label = f"limit {shown(value)}"
            found.append(f'<text x="{self.x(moment) + 4:.1f}" y="{y - 5:.1f}" fill="{LIMIT}">{label}</text>')
        if self.far:
            words = f"limit {shown(self.far[-1])}, far above"
            found.append(f'<text x="{WIDTH - RIGHT}" y="22" text-anchor="end" fill="{LIMIT}">{words}</text>')
        elif not self.drawn_limits:
            found.append(f'<text x="{WIDTH - RIGHT}" y="22" text-anchor="end">no limit</text>')
        return found

    def _trend(self) -> list[str]:
        """Return the beginning of the fastest leak, and the line of its rate."""
        if not self.one.leaking:
            return []
        found = []
        judgement = self.one.kinds[self.one.leaking[0]]
        began = self.start if judgement.began is None else judgement.began
        if judgement.began is not None:
            x = self.x(began)
            way = f"M{x:.1f} {TOP}V{HEIGHT - BOTTOM}"
            path = f'<path d="{way}" stroke="{BEGAN}" stroke-width="1.4" stroke-dasharray="2 3"/>'
            found.append(
                f'{path}<text x="{x - 5:.1f}" y="{TOP + 12}" text-anchor="end" fill="{BEGAN}">leak begins</text>'
            )
        return found

    def _marks(self) -> list[str]:
        """Return marks for events on the axis of time; the mark's title describes the event."""
        found = []
        low = HEIGHT - BOTTOM
        for event in self.run.happenings[-MOST_MARKS:]:
            colour, sign, _ = MARKS.get(event.kind, OTHER)
            x = self.x(event.time)
            way = f"M{x:.1f} {TOP}V{low}"
            line = "" if event.kind == "reclaim" else f'<path d="{way}" stroke="{colour}" stroke-opacity=".3"/>'
            words = text(f"{clock(event.time)} {event.what}")
            mark = f'<text x="{x:.1f}" y="{low - 3}" text-anchor="middle" fill="{colour}">{sign}</text>'
            found.append(f"<g>{line}{mark}<title>{words}</title></g>")
        return found + self._legend()

    def _legend(self) -> list[str]:
        kinds = dict.fromkeys(event.kind if event.kind in MARKS else "" for event in self.run.happenings)
        found, x = [], WIDTH - RIGHT
        for kind in kinds:
            colour, sign, name = MARKS.get(kind, OTHER)
            found.append(f'<text x="{x}" y="{HEIGHT - 8}" text-anchor="end" fill="{colour}">{sign} {name}</text>')
            x -= 8 * len(name) + 24
        return found


def _apart(wanted: list[tuple[float, str]], low: float) -> list[tuple[float, str]]:
    """Return heights of names, from the top, at least APART from each other, the last no lower than `low`."""
    placed: list[tuple[float, str]] = []
    for y, name in wanted:
        placed.append((max(y, placed[-1][0] + APART) if placed else y, name))
    bound = low
    for number in range(len(placed) - 1, -1, -1):
        y, name = placed[number]
        placed[number] = (min(y, bound), name)
        bound = placed[number][0] - APART
    return placed

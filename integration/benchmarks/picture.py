"""Bars as an SVG, drawn by hand: one group a case, one bar a front.

python3 -m integration.benchmarks.picture > docs/performance.svg draws the table of docs/performance.md.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
COLOURS = {"sh": "#9aa5b1", "python": "#7b9e3f", "compiled": "#d9822b", "peer": "#b8327a", "cgshim": "#2b6cb0"}
SEEN = {"bare": "#9aa5b1", "peer": "#b8327a", "cgshim": "#2b6cb0"}
WIDTH, LEFT, BAR, GAP = 860, 230, 13, 14
TITLE = "Extra CPU time over the bare runtime, ms"
# Rows of the page that are not a caller's view: `true` in place of the runtime, and a profile that hides the fronts.
NOT_DRAWN = ("alone", "seccomp")

# Colour, length, the text behind it, and a line over it from here to there.
Bar = tuple[str, float, str, tuple[float, float]]


def svg(cases: dict[str, dict[str, dict[str, Any]]], title: str) -> str:
    """Extra CPU milliseconds over the bare runtime, medians of the rounds."""
    medians = {
        case: {front: found["extra_cpu_ms"]["median"] for front, found in fronts.items() if front in COLOURS}
        for case, fronts in cases.items()
    }
    return drawn(medians, title)


def drawn(medians: dict[str, dict[str, float]], title: str) -> str:
    """The picture of what each front adds to each case; cases without cgshim are left out."""
    rows: list[tuple[str, list[Bar]]] = []
    for case, fronts in medians.items():
        if "cgshim" in fronts:
            rows.append((case, [(COLOURS[front], value, f"{value:.1f}", (0, 0)) for front, value in fronts.items()]))
    shown = {front: colour for front, colour in COLOURS.items() if any(front in fronts for fronts in medians.values())}
    return _of_bars(rows, title, shown)


def relative(cases: dict[str, dict[str, dict[str, Any]]], title: str, kind: str) -> str:
    """The cost `kind` of each front against the bare runtime's median: the median, and a line from minimum to p95."""
    rows: list[tuple[str, list[Bar]]] = []
    for case, fronts in cases.items():
        whole = fronts["bare"][kind]["median"]
        bars = []
        for front, colour in SEEN.items():
            if front in fronts:
                cost = {name: value / whole for name, value in fronts[front][kind].items()}
                value = fronts[front][kind]["median"]
                bars.append((colour, cost["median"], f"{value:,.0f} ms", (cost["min"], cost["p95"])))
        rows.append((case, bars))
    return _of_bars(rows, title, SEEN)


def _of_bars(rows: list[tuple[str, list[Bar]]], title: str, colours: dict[str, str]) -> str:
    most = max((max(length, line[1]) for _, bars in rows for _, length, _, line in bars), default=1.0)
    scale = (WIDTH - LEFT - 90) / max(most, 1.0)
    parts, y = [], 64
    for case, bars in rows:
        middle = y + len(bars) * BAR / 2 + 4
        parts.append(f'<text x="{LEFT - 10}" y="{middle:.0f}" text-anchor="end">{escape(case)}</text>')
        for colour, length, words, line in bars:
            parts += _bar(y, colour, max(length, 0) * scale, words, (line[0] * scale, line[1] * scale))
            y += BAR
        y += GAP
    for index, (front, colour) in enumerate(colours.items()):
        x = LEFT + index * 120
        parts.append(
            f'<rect x="{x}" y="38" width="11" height="11" fill="{colour}"/><text x="{x + 16}" y="48">{front}</text>'
        )
    head = f'<text x="10" y="22" class="t">{escape(title)}</text>'
    style = "text{font:12px sans-serif;fill:#222}.n{font-size:10px}.t{font-size:15px;font-weight:bold}"
    box = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}">'
    ground = f'<rect width="{WIDTH}" height="{y}" fill="#fff"/>'
    return "\n".join((box, f"<style>{style}</style>", ground, head, *parts, "</svg>", ""))


def _bar(y: int, colour: str, long: float, words: str, line: tuple[float, float]) -> list[str]:
    parts = [f'<rect x="{LEFT}" y="{y}" width="{long:.1f}" height="{BAR - 2}" fill="{colour}"/>']
    if line[1]:
        middle = y + (BAR - 2) / 2
        ends = f'x1="{LEFT + line[0]:.1f}" x2="{LEFT + line[1]:.1f}" y1="{middle}" y2="{middle}"'
        parts.append(f'<line {ends} stroke="#222"/>')
    behind = LEFT + max(long, line[1]) + 6
    return [*parts, f'<text x="{behind:.1f}" y="{y + BAR - 3}" class="n">{words}</text>']


def table(page: str) -> dict[str, dict[str, float]]:
    """The extra milliseconds of each case and front in the page's first table of cases.

    Rows marked with an asterisk are of another version and are left out, and so are those of NOT_DRAWN.
    """
    text, _, _ = page[page.index("| case | bare |") :].partition("\n\n")
    header, *rows = text.splitlines()
    names = [name.strip() for name in header.strip("|").split("|")]
    found: dict[str, dict[str, float]] = {}
    for row in rows[1:]:
        case, *cells = (cell.strip() for cell in row.strip("|").split("|"))
        if "\\*" in case or any(word in case for word in NOT_DRAWN):
            continue
        values = dict(zip(names[1:], cells))
        plain = re.sub(r"`| \(\d+\)$", "", case)
        found[plain] = {front: float(values[front].strip("*")) for front in COLOURS if front in values}
    return found


if __name__ == "__main__":
    sys.stdout.write(drawn(table(PAGE.read_text()), TITLE))

"""Bars of extra CPU time as an SVG, drawn by hand: one group a case, one bar a front.

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
WIDTH, LEFT, BAR, GAP = 860, 230, 13, 14
TITLE = "Extra CPU time over the bare runtime, ms"
# Rows of the page that are not a caller's view: `true` in place of the runtime, and a profile that hides the fronts.
NOT_DRAWN = ("alone", "seccomp")


def svg(cases: dict[str, dict[str, dict[str, Any]]], title: str) -> str:
    """Extra CPU milliseconds over the bare runtime, medians of the rounds."""
    medians = {
        case: {front: found["extra_cpu_ms"]["median"] for front, found in fronts.items() if front in COLOURS}
        for case, fronts in cases.items()
    }
    return drawn(medians, title)


def drawn(medians: dict[str, dict[str, float]], title: str) -> str:
    """The picture of what each front adds to each case; cases without cgshim are left out."""
    rows = [(case, list(fronts.items())) for case, fronts in medians.items() if "cgshim" in fronts]
    most = max((value for _, bars in rows for _, value in bars), default=1.0)
    scale = (WIDTH - LEFT - 90) / max(most, 1.0)
    parts, y = [], 64
    for case, bars in rows:
        middle = y + len(bars) * BAR / 2 + 4
        parts.append(f'<text x="{LEFT - 10}" y="{middle:.0f}" text-anchor="end">{escape(case)}</text>')
        for front, value in bars:
            long = max(value, 0) * scale
            parts.append(f'<rect x="{LEFT}" y="{y}" width="{long:.1f}" height="{BAR - 2}" fill="{COLOURS[front]}"/>')
            parts.append(f'<text x="{LEFT + long + 6:.1f}" y="{y + BAR - 3}" class="n">{value:.1f}</text>')
            y += BAR
        y += GAP
    shown = [front for front in COLOURS if any(front in fronts for fronts in medians.values())]
    for index, front in enumerate(shown):
        x = LEFT + index * 120
        parts.append(
            f'<rect x="{x}" y="38" width="11" height="11" fill="{COLOURS[front]}"/>'
            f'<text x="{x + 16}" y="48">{front}</text>'
        )
    head = f'<text x="10" y="22" class="t">{escape(title)}</text>'
    style = "text{font:12px sans-serif;fill:#222}.n{font-size:10px}.t{font-size:15px;font-weight:bold}"
    box = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}">'
    ground = f'<rect width="{WIDTH}" height="{y}" fill="#fff"/>'
    return "\n".join((box, f"<style>{style}</style>", ground, head, *parts, "</svg>", ""))


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

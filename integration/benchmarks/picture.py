"""Bars of extra CPU time as an SVG, drawn by hand: one group a case, one bar a front."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

COLOURS = {"sh": "#9aa5b1", "python": "#7b9e3f", "compiled": "#d9822b", "peer": "#b8327a", "cgshim": "#2b6cb0"}
WIDTH, LEFT, BAR, GAP = 860, 230, 13, 14


def svg(cases: dict[str, dict[str, dict[str, Any]]], title: str) -> str:
    """Extra CPU milliseconds over the bare runtime, medians of the rounds."""
    rows = [
        (case, [(front, found["extra_cpu_ms"]["median"]) for front, found in fronts.items() if front in COLOURS])
        for case, fronts in cases.items()
        if "cgshim" in fronts
    ]
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
    for index, (front, colour) in enumerate(COLOURS.items()):
        x = LEFT + index * 120
        parts.append(
            f'<rect x="{x}" y="38" width="11" height="11" fill="{colour}"/><text x="{x + 16}" y="48">{front}</text>'
        )
    head = f'<text x="10" y="22" class="t">{escape(title)}</text>'
    style = "text{font:12px sans-serif;fill:#222}.n{font-size:10px}.t{font-size:15px;font-weight:bold}"
    box = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}">'
    ground = f'<rect width="{WIDTH}" height="{y}" fill="#fff"/>'
    return "\n".join((box, f"<style>{style}</style>", ground, head, *parts, "</svg>", ""))

"""Draws examples/monitoring/dashboard.json: `python -m integration.dashboard_drawn PROMETHEUS_URL >page.html`.

Grafana draws it otherwise; the panels, their places, queries and units are the dashboard's, the numbers Prometheus'. It
is for docs/dashboard.png, a picture of the page by a browser without a window.
"""

from __future__ import annotations

import json
import math
import re
import sys
import time
import urllib.parse
import urllib.request
from html import escape
from pathlib import Path
from typing import Any

DASHBOARD = Path(__file__).resolve().parent.parent / "examples/monitoring/dashboard.json"
SECONDS, STEP = 300, 5
COLUMN, ROW, GAP = 50, 22, 8  # pixels of a cell of Grafana's grid
COLOURS = ("#2b6cb0", "#c05621", "#2f855a", "#805ad5", "#b83280", "#718096", "#d69e2e", "#319795")
LINES = 4  # of the grid of a panel
STYLE = """body{margin:0;background:#f3f4f6;font:13px sans-serif;color:#1a202c}h1{font-size:18px;margin:12px 8px 2px}
p{margin:0 8px 8px;color:#4a5568}main{position:relative}section{position:absolute;background:#fff;border:1px solid
#d2d6dc;box-sizing:border-box;overflow:hidden}h2{font-size:13px;margin:6px 8px}b{display:block;text-align:center;
font-size:30px;font-weight:500;color:#2f855a}svg text{font:11px sans-serif;fill:#4a5568}"""


def get(url: str, path: str, **query: Any) -> list[dict[str, Any]]:
    """The series of an answer. Raises OSError."""
    with urllib.request.urlopen(f"{url}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=60) as answer:
        return list(json.loads(answer.read())["data"]["result"])


def asked(text: str) -> str:
    """A query with Grafana's variables as they are where everything is chosen."""
    return re.sub(r"\$(container|engine)", ".*", text)


def shown(value: float, unit: str) -> str:
    """A number in its panel's unit."""
    if unit == "percentunit":
        return f"{100 * value:.3g} %"
    if unit in ("bytes", "Bps"):
        for factor, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
            if abs(value) >= factor:
                return f"{value / factor:.3g} {name}{'/s' * (unit == 'Bps')}"
        return f"{value:.3g} B{'/s' * (unit == 'Bps')}"
    return f"{value:.3g}{ {'s': ' s', 'ops': '/s'}.get(unit, '') }"


def named(legend: str, labels: dict[str, str]) -> str:
    """A series' name by the dashboard's format."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), legend).strip()


def stat(panel: dict[str, Any], url: str) -> str:
    """The newest value, large."""
    found = get(url, "query", query=asked(panel["targets"][0]["expr"]))
    text = shown(float(found[0]["value"][1]), panel["fieldConfig"]["defaults"]["unit"]) if found else "no data"
    return f"<b>{escape(text)}</b>"


def lines(panel: dict[str, Any], url: str, wide: int, high: int) -> str:
    """Lines over the last five minutes, with a legend."""
    end = time.time()
    series = [
        (named(target["legendFormat"], one["metric"]), [(float(at), max(0.0, float(value))) for at, value in points])
        for target in panel["targets"]
        for one in get(url, "query_range", query=asked(target["expr"]), start=end - SECONDS, end=end, step=STEP)
        for points in [[(at, value) for at, value in one["values"] if value != "NaN"]]
        if points
    ]
    if not series:
        return f'<svg width="{wide}" height="{high}"><text x="{wide // 2}" y="{high // 2}">no data</text></svg>'
    top = _round_up(max(value for _, points in series for _, value in points) or 1.0)
    left, right, bottom = 70, wide - 24, high - 40
    unit, parts = panel["fieldConfig"]["defaults"]["unit"], []
    for number in range(LINES + 1):
        y = bottom - number * (bottom - 8) / LINES
        parts.append(f'<path d="M{left} {y:.1f}H{right}" stroke="#e2e8f0"/>')
        label = escape(shown(top * number / LINES, unit))
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    for minute in range(SECONDS // 60 + 1):
        x = left + (right - left) * minute * 60 / SECONDS
        parts.append(f'<text x="{x:.0f}" y="{bottom + 14}" text-anchor="middle">{minute - SECONDS // 60} min</text>')
    place = left
    for (name, points), colour in zip(series, COLOURS * 3):
        path = "L".join(
            f"{left + (right - left) * (at - end + SECONDS) / SECONDS:.1f} {bottom - value / top * (bottom - 8):.1f}"
            for at, value in points
        )
        parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        parts.append(f'<text x="{place}" y="{high - 8}" style="fill:{colour}">{escape(name)}</text>')
        place += 7 * len(name) + 16
    return f'<svg width="{wide}" height="{high}">{"".join(parts)}</svg>'


def _round_up(value: float) -> float:
    step = 10.0 ** math.floor(math.log10(value))
    return next(factor * step for factor in (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0) if factor * step >= value)


def page(url: str) -> str:
    """All panels in their places."""
    dashboard, found, lowest = json.loads(DASHBOARD.read_text()), [], 0
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        wide, high, top = place["w"] * COLUMN - GAP, place["h"] * ROW - GAP, place["y"] * ROW
        inside = stat(panel, url) if panel["type"] == "stat" else lines(panel, url, wide - 2, high - 32)
        style = f"left:{place['x'] * COLUMN + GAP}px;top:{top}px;width:{wide}px;height:{high}px"
        found.append(f'<section style="{style}"><h2>{escape(panel["title"])}</h2>{inside}</section>')
        lowest = max(lowest, top + high)
    head = f"<h1>{escape(dashboard['title'])}</h1><p>Drawn from Prometheus' answers to the dashboard's queries.</p>"
    size = f"width:{24 * COLUMN + GAP}px;height:{lowest + GAP}px"
    return (
        f'<!DOCTYPE html><meta charset="utf-8"><style>{STYLE}</style>{head}<main style="{size}">{"".join(found)}</main>'
    )


if __name__ == "__main__":
    print(page(sys.argv[1].rstrip("/")))

"""The page of `cgshimctl audit -o html` in a real browser: it lays out, fits, colours and loads nothing."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import struct
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from integration.capabilities import require
from shim.audit.row import ORDER
from shim.cli.audited import page, shape

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")
SECONDS = 120
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage")
# Added to a copy of the page: what the browser made of it, written where --dump-dom shows it.
MEASURE = """<script>
const seen = {rows: document.querySelectorAll("tbody tr").length,
  wide: document.documentElement.scrollWidth > window.innerWidth,
  loaded: performance.getEntriesByType("resource").length, title: document.title,
  colours: [...new Set([...document.querySelectorAll("td:first-child")].map((cell) => getComputedStyle(cell).color))],
  hidden: [...document.querySelectorAll("td")].filter((cell) => cell.offsetHeight < 10).length};
document.body.setAttribute("data-seen", JSON.stringify(seen));
</script>"""


def browser_problem() -> str:
    """Why no page can be opened here, "" if it can."""
    found = next((path for path in map(shutil.which, NAMES) if path), None)
    if found is None:
        return f"none of {', '.join(NAMES)} is installed"
    done = _run(found, "--dump-dom", "data:text/html,<p>alive</p>")
    return "" if "alive" in done.stdout else f"{found}: {done.stderr.strip()[-300:]}"


def _run(*argv: str) -> subprocess.CompletedProcess[str]:
    program, *rest = argv
    return subprocess.run(
        [program, *FLAGS, *rest], check=False, capture_output=True, text=True, timeout=SECONDS, cwd="/"
    )


@pytest.fixture(scope="module")
def browser() -> str:
    """A browser's path."""
    require("headless browser", browser_problem())
    return next(path for path in map(shutil.which, NAMES) if path)


def _limit(verdict: str, number: int) -> dict[str, Any]:
    texts = dict.fromkeys(("asked", "configured", "systemd", "kernel", "effective"), f"{number} MiB")
    why = "the reason, with a path that is long: /sys/fs/cgroup/" + "a" * 120
    lost = ORDER.index(verdict) < 5
    return {"limit": "memory.limit", "verdict": verdict, "lost": lost, "why": why, "shown": texts}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The page of two hosts, each with a container a verdict."""
    host = {
        "kernel": "6.1",
        "layout": "unified",
        "cgshim": "0.1.0",
        "time": "2026-11-29T10:00:00Z",
        "problems": [],
        "containers": [
            {
                "engine": "docker",
                "pod": "",
                "name": f"web-{n} <b>",
                "id": "5e" * 32,
                "problems": [],
                "limits": [_limit(verdict, n)],
            }
            for n, verdict in enumerate(ORDER)
        ],
    }
    text = page.page(shape.fleet([{**host, "host": "node1"}, {**host, "host": "node2"}]))
    path = tmp_path / "page.html"
    path.write_text(text.replace("</body>", f"{MEASURE}</body>"))
    return path


@pytest.mark.parametrize("width", [1200, 500])
def test_page_is_laid_out(browser: str, place: Path, width: int) -> None:
    """Every limit is a row that is to be seen; three colours at least; the page is no wider than the window, also a
    small one; nothing is loaded.
    """
    done = _run(browser, f"--window-size={width},900", "--dump-dom", place.as_uri())
    match = re.search(r'data-seen="([^"]*)"', done.stdout)
    assert match, done.stderr
    seen = json.loads(html.unescape(match.group(1)))
    assert seen["rows"] == 2 * len(ORDER)
    assert (seen["wide"], seen["hidden"], seen["loaded"]) == (False, 0, 0)
    assert len(seen["colours"]) >= 3
    assert seen["title"] == "10 of 18 container limits are lost"


def test_page_is_painted(browser: str, place: Path, tmp_path: Path) -> None:
    """The screenshot has the window's size and is no blank sheet."""
    target = tmp_path / "page.png"
    done = _run(browser, "--window-size=1200,900", f"--screenshot={target}", place.as_uri())
    assert target.exists(), done.stderr
    content = target.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", content[16:24]) == (1200, 900)
    assert os.path.getsize(target) > 20_000

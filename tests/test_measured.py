"""The figures of engines' commands: what the documents show is what docs/engines-measured.json holds."""

from __future__ import annotations

import json
import xml.dom.minidom
from typing import Any

import pytest

from integration.benchmarks import page, picture

NUMBERS = {"min": 100.4, "median": 1250.0, "p95": 2000.6}
OURS = {"min": 150.0, "median": 2500.0, "p95": 2600.0}
ZERO = {"min": 0.0, "median": 0.0, "p95": 0.0}
FOUND: dict[str, Any] = {
    "machine": {
        "date": "2026-11-29T17:04+00:00",
        "processor": "2 x Model",
        "kernel": "6.1",
        "system": "Debian",
        "runtime": "runc 1",
        "python": "Python 3",
        "load": "0.2",
        "podman": "4.3",
    },
    "rounds": 6,
    "minutes": 1.0,
    "cases": {
        "podman run": {
            "bare": {"rounds": 6, "wall_ms": NUMBERS, "cpu_ms": NUMBERS, "extra_wall_ms": ZERO, "extra_cpu_ms": ZERO},
            "cgshim": {"rounds": 6, "wall_ms": OURS, "cpu_ms": OURS, "extra_wall_ms": OURS, "extra_cpu_ms": OURS},
        }
    },
    "missing": {"docker run": "dockerd not installed"},
}


def test_documents_show_the_data() -> None:
    """README's sentence, the table and the picture; `python3 -m integration.benchmarks.page` mends a difference."""
    for path, content in page.documents(json.loads(page.DATA.read_text())).items():
        assert path.read_text() == content, path


def test_table() -> None:
    """A row a front, and what could not be measured."""
    first, _, _, _, *rows = page.table(FOUND).splitlines()
    assert first == "2026-11-29, 2 x Model, Linux 6.1, Debian; runc 1, Python 3; podman 4.3. Milliseconds."
    assert rows == [
        "| podman run (6) | bare | 100 | 1,250 | 2,001 | 100 | 1,250 | 2,001 |  |",
        "|  | cgshim | 150 | 2,500 | 2,600 | 150 | 2,500 | 2,600 | +2,500 |",
        "",
        "docker run was not measured: dockerd not installed.",
    ]


def test_a_machine_that_others_used_is_said_to_be_one() -> None:
    """By the load when the run began."""
    loaded = {**FOUND, "machine": {**FOUND["machine"], "load": "3.1"}}
    assert "Others used the machine, too (load 3.1)" in page.table(loaded)
    assert "Others" not in page.table(FOUND)


def test_sentence() -> None:
    """Medians by the clock, in seconds."""
    words = "Seconds by the clock with runc and with cgshim in front of it, medians: podman run: 1.25 and 2.50."
    assert page.sentence(FOUND) == words
    busy = {**FOUND, "machine": {**FOUND["machine"], "load": "3.0"}}
    assert "(load 3.0)" in page.sentence(busy).replace("\n", " ")


def test_text_says_what_is_missing() -> None:
    """The last lines on a terminal."""
    assert page.text(FOUND).splitlines()[-5] == "docker run: not measured: dockerd not installed"


def test_place_is_replaced() -> None:
    """Only what stands between the marks; a document without them is an error."""
    marked = "a\n<!-- x -->\nold\n<!-- /x -->\nb\n"
    assert page.between(marked, "x", "new") == "a\n<!-- x -->\nnew\n<!-- /x -->\nb\n"
    with pytest.raises(SystemExit, match="no place for y"):
        page.between(marked, "y", "new")


def test_picture_is_relative_to_bare() -> None:
    """The bar of cgshim is twice as long here, its line from 150 to 2,600 ms."""
    drawn = xml.dom.minidom.parseString(picture.relative(FOUND["cases"], "t", "wall_ms"))
    widths = [float(bar.getAttribute("width")) for bar in drawn.getElementsByTagName("rect")]
    bare, ours = (width for width in widths if width not in (860.0, 11.0))
    assert ours == pytest.approx(2 * bare, abs=0.2)
    _, line = drawn.getElementsByTagName("line")
    ends = [float(line.getAttribute(name)) - picture.LEFT for name in ("x1", "x2")]
    assert ends == pytest.approx([bare * 150 / 1250, bare * 2600 / 1250], abs=0.2)

"""`cgshimctl leaks`: its text, JSON, picture and page, over recordings that are made by hand."""

from __future__ import annotations

import json
import os
import re
import stat
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from shim.cli.leaked import axes, words
from shim.cli.main import main
from shim.watch.leaks.runs import shown
from tests.watch.recordings import BEGIN, MIB, figures, header, introduced, written

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '<script>"&\x1b[2J\u202e'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """`web` holds ten minutes, then leaks a MiB each five seconds; its limit is raised then. `db` holds."""
    lines: list[dict[str, Any]] = [header(), introduced(0), introduced(1, id="db" * 32, name="db")]
    for number in range(240):
        line = figures(number, (20 + max(0, number - 120)) * MIB)
        if number >= 121:
            line["s"][10] = 768 * MIB
        lines += [line, figures(number, key=1)]
    return written(tmp_path / "r", *lines)


def _leaks(*argv: str | Path) -> Result:
    return CliRunner().invoke(main, ["leaks", *map(str, argv)])


def test_text(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What leaks comes first, with when, how fast, until when, and what happened then; the rest is a line."""
    monkeypatch.setattr("shim.cli.terminal.columns", lambda: 100)
    found = _leaks(file)
    assert found.exit_code == 1
    first, _, rest = found.stdout.partition("\n\n")
    assert " ".join(first.splitlines()) == f"{file}: 2023-11-14 22:13:20 to 2023-11-14 22:33:15 UTC, 480 samples"
    lines = ["", "", *rest.splitlines()]
    assert lines[2] == "docker web"
    assert lines[3:5] == [
        "  Anonymous memory leaks by 12 MiB/min since 2023-11-14 22:23:22; the limit of 768 MiB is reached in",
        "  52 min at this rate.",
    ]
    assert lines[5].split() == ["KIND", "VERDICT", "FROM,", "TO", "RATE", "WHY"]
    assert lines[6].split()[:9] == ["anonymous", "leak", "20", "MiB", "to", "138", "MiB", "12", "MiB/min"]
    assert "  What happened when it began:" in lines
    assert "    2023-11-14 22:23:25  limit changed from 512 MiB to 768 MiB (read back)" in lines
    assert "docker db  steady   nothing changed much" in lines
    assert lines[-1] == "1 of 2 runs of containers leaks."
    assert max(map(len, lines)) <= 100


def test_json(file: Path) -> None:
    """The same as numbers."""
    found = _leaks(file, "--json")
    shape = json.loads(found.stdout)
    assert found.exit_code == 1
    assert (shape["schema"], shape["leaks"], shape["confidence"], shape["problems"]) == (1, 1, 0.99, [])
    web, db = shape["containers"]
    assert (web["name"], web["verdict"], web["leaking"], web["run"], web["samples"]) == (
        "web",
        "leak",
        ["anonymous"],
        1,
        240,
    )
    assert web["limit_bytes"] == 768 * MIB
    trend = web["kinds"]["anonymous"]["trend"]
    assert trend["rate"] == pytest.approx(MIB / 5, rel=0.01)
    assert trend["tau"] == pytest.approx(1)
    assert web["limit_reached"]["seconds"] == pytest.approx((768 - 138.5 - 1) * 5, rel=0.01)
    assert [event["kind"] for event in web["happened_then"]] == ["limit"]
    assert (db["verdict"], db["leaking"], db["began"], db["limit_reached"]) == ("steady", [], None, None)
    assert set(db["kinds"]) == {"anonymous", "file", "shmem", "kernel", "swap"}


def test_one_container(file: Path) -> None:
    """By name; nothing leaks in it, so the status is 0."""
    found = _leaks(file, "db", "--json")
    assert found.exit_code == 0
    assert [one["name"] for one in json.loads(found.stdout)["containers"]] == ["db"]


def test_picture_is_svg(file: Path) -> None:
    """Well-formed; a title and a description; limit, lines and the beginning of the leak, all inside of the picture."""
    found = _leaks(file, "-o", "svg")
    root = ET.fromstring(found.stdout)
    assert (root.tag, root.get("role")) == (f"{SVG}svg", "img")
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert title.text == "Memory of containers"
    assert description is not None
    assert "docker web: anonymous memory leaks by 12 MiB/min" in (description.text or "")
    texts = ["".join(one.itertext()) for one in root.iter(f"{SVG}text")]
    assert "leak begins" in texts
    assert "limit 768 MiB, far above" in texts
    assert any(text.startswith("time (UTC), from 2023-11-14 22:13:20") for text in texts)
    assert "anonymous 138 MiB" in texts
    width, height = (float(root.get(name) or 0) for name in ("width", "height"))
    for line in root.iter(f"{SVG}polyline"):
        pairs = [tuple(map(float, pair.split(","))) for pair in (line.get("points") or "").split()]
        assert all(0 <= x <= width and 0 <= y <= height for x, y in pairs)
    assert len(list(root.iter(f"{SVG}polyline"))) == 3 + 4  # of web kernel memory is too small to be seen


def test_page_loads_nothing(file: Path) -> None:
    """One HTML page, a section for each container, without scripts and links; ids are its own."""
    found = _leaks(file, "-o", "html")
    page = found.stdout
    assert page.startswith("<!DOCTYPE html>")
    assert "<title>1 of 2 containers leak memory</title>" in page
    assert page.count("<section") == 2
    assert not re.search(r"<script|href=|src=|url\(|@import", page)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids)) == 4


@pytest.mark.parametrize("form", ["text", "svg", "html", "json"])
def test_foreign_words_are_data(tmp_path: Path, form: str) -> None:
    """A name that would be markup, and steer a terminal."""
    lines = [header(), introduced(0, name=HOSTILE, pod=HOSTILE), *(figures(n, (20 + n) * MIB) for n in range(30))]
    event = {"e": {"time": BEGIN, "kind": HOSTILE, "id": "5e" * 32, "source": HOSTILE, "evidence": {HOSTILE: HOSTILE}}}
    found = _leaks(written(tmp_path / "r", *lines, event), "-o", form)
    assert found.exit_code == 1
    assert not set("\x1b\u202e") & set(found.stdout)
    if form == "svg":
        ET.fromstring(found.stdout)
    if form in ("svg", "html"):
        assert "<script" not in found.stdout


def test_output_is_written_whole(file: Path, tmp_path: Path) -> None:
    """Into a file; nothing on standard output; what is not a regular file is not replaced."""
    target = tmp_path / "leaks.svg"
    found = _leaks(file, "-o", "svg", "--output", target)
    assert (found.exit_code, found.stdout) == (1, "")
    assert target.read_text().startswith("<svg")
    assert stat.S_IMODE(target.stat().st_mode) == 0o644
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    found = _leaks(file, "--output", fifo)
    assert found.exit_code == 3
    assert found.stderr.startswith(f"cgshim: {fifo} cannot be written: it is not a regular file [unwritable-output]")
    assert stat.S_ISFIFO(fifo.stat().st_mode)
    found = _leaks(file, "--output", tmp_path / "none" / "x")
    assert found.exit_code == 3
    assert "No such file or directory [unwritable-output]" in found.stderr


def test_errors(file: Path, tmp_path: Path) -> None:
    """Each names what is wrong, and what exists; status 3 for input, 2 for usage."""
    found = _leaks(file, "nobody")
    assert found.exit_code == 3
    assert found.stderr.splitlines()[:2] == [
        f"cgshim: {file} has no container 'nobody' [not-in-recording]",
        "  evidence: recorded: db, web",
    ]
    empty = written(tmp_path / "empty", header())
    assert "has no sample of any container [empty-recording]" in _leaks(empty).stderr
    assert "none: No such file or directory [bad-recording]" in _leaks(tmp_path / "none").stderr
    assert _leaks(file, "--confidence", "1").exit_code == 2
    assert _leaks().exit_code == 2


def test_torn_line_is_a_note(file: Path) -> None:
    """The answer is the same, and what was passed over is said."""
    with file.open("a") as more:
        more.write('{"s":[17')
    found = _leaks(file)
    assert found.exit_code == 1
    assert "the last line is torn; it is skipped" in " ".join(found.stdout.split())


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "none"), (0, "0 bytes"), (512, "512 bytes"), (1536, "1.50 KiB"), (64 * MIB, "64 MiB"), (1 << 40, "1 TiB")],
)
def test_bytes_for_people(value: int | None, text: str) -> None:
    """Three digits, powers of 1024."""
    assert shown(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "never"), (0, "0 s"), (90, "90 s"), (120, "2 min"), (7200, "2 h"), (4e5, "5 d")]
)
def test_spans_for_people(seconds: float | None, text: str) -> None:
    """The largest unit of which there are two."""
    assert words.lasting(seconds) == text


def test_axes_are_round() -> None:
    """Bytes in steps of 1, 2 or 5 of one unit up to the largest value; moments on full minutes."""
    assert axes.bytes_ticks(151 * MIB) == [50 * MIB * n for n in range(5)]
    assert axes.bytes_ticks(0)[0] == 0
    ticks = axes.time_ticks(BEGIN, BEGIN + 600)
    assert all(tick % 120 == 0 for tick in ticks)
    assert [axes.time_label(tick, BEGIN, BEGIN + 600) for tick in ticks] == [
        "22:14:00", "22:16:00", "22:18:00", "22:20:00", "22:22:00",
    ]  # fmt: skip

"""The table of `cgshimctl watch`: rates, order, columns that fit, notes; drawn by rich and as plain text."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from shim.cli.watched.board import SORTS, Board
from shim.cli.watched.columns import cells, cut, filled, page, size
from shim.cli.watched.screen import InPlace, Plain, Shown, as_text
from shim.observe.allocation import Allocated
from shim.observe.pressure import Pressure
from tests.watched_made import MIB, NO_PSI, alert, event, sample


def _psi(some: int) -> Pressure:
    return Pressure(source="psi", totals={"some": some, "full": 0}, evidence="")


def _row(board: Board, width: int = 120) -> dict[str, str]:
    made = page(board, "limit", ["x"], (width, 0))
    return {column.title: cell.strip() for column, cell in zip(made.columns, made.rows[0])}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1023, "1023"),
        (1024, "1.0K"),
        (10188, "9.9K"),
        (10189, "10K"),
        (50 * MIB, "50M"),
        (1023 * MIB, "1023M"),
        (1024 * MIB - 1, "1.0G"),
        (1.5 * 1024**4, "1.5T"),
        (1 << 63, "8192P"),
        (-2048, "-2.0K"),
        (None, "-"),
    ],
)
def test_sizes_are_short(value: float | None, text: str) -> None:
    """By powers of 1024, as the kernel's own limits are written; never wider than their column."""
    assert size(value) == text
    assert len(text) <= 6


def test_row_of_one_look() -> None:
    """Figures are the sample's; what takes two looks is not known yet."""
    board = Board()
    board.sample(sample())
    assert _row(board) == {
        "ENGINE": "podman",
        "NAME": "web",
        "WORKING": "50M",
        "LIMIT": "100M",
        "HEADROOM": "50M",
        "SWAP": "0",
        "PEAK": "70M",
        "PRESSURE": "-",
        "GROWTH/s": "-",
        "OOM": "0",
        "THROTTLED": "-",
        "ALLOC/s": "-",
    }


def test_rates_of_two_looks() -> None:
    """10 s: 20 MiB more, half a second stalled, 25 of 100 periods throttled."""
    board = Board()
    quota = {"quota_usec": 1, "period_usec": 1}
    board.sample(sample(pressure=_psi(1_000_000), cpu={"nr_periods": 100, "nr_throttled": 0, **quota}))
    later = sample(
        time=1010,
        memory={"working_set": 70 * MIB},
        pressure=_psi(1_500_000),
        cpu={"nr_periods": 200, "nr_throttled": 25, **quota},
    )
    board.sample(later)
    row = _row(board)
    assert (row["GROWTH/s"], row["PRESSURE"], row["THROTTLED"]) == ("+2.0M", "5.0%", "25%")


def test_rate_of_allocation() -> None:
    """30 MiB more in ten seconds; of a kernel that does not count there is none."""
    board = Board()
    for second, count in ((0, 5 * MIB), (10, 35 * MIB)):
        board.sample(sample(time=1000 + second, allocated=Allocated(bytes=count, source="x")))
        board.sample(sample("other", time=1000 + second))
    assert [line.allocated for line in board.lines("allocation")] == [3 * MIB, None]


def test_rates_are_those_of_the_last_minute() -> None:
    """From 55 MiB sixty seconds ago to 60 MiB now: 85 KiB a second; what was before is forgotten."""
    board = Board()
    for second in range(0, 120, 5):
        grown = min(second, 60)
        board.sample(sample(time=1000 + second, memory={"working_set": grown * MIB}))
    assert _row(board)["GROWTH/s"] == "+85K"


def test_kill_is_shown_before_the_next_look() -> None:
    """The event's total counts at once."""
    board = Board()
    board.sample(sample())
    board.event(event("oom_kill", count=1, total=3))
    assert _row(board)["OOM"] == "3"


def test_absent_figures_are_not_zero() -> None:
    """No limit, no swap accounting, no counter of kills, no pressure."""
    board = Board()
    board.sample(sample(limit=None, memory={"swap": None}, events={}, pressure=NO_PSI))
    row = _row(board)
    assert (row["LIMIT"], row["HEADROOM"], row["SWAP"], row["OOM"]) == ("none", "-", "-", "-")
    assert row["PRESSURE"] == "n/a"
    assert page(board, "limit", ["x"], (120, 0)).notes == [
        "pressure not available: no PSI: cgroup2 is not mounted",
    ]


def test_nearest_to_its_limit_comes_first() -> None:
    """By the share that is used; those without a limit last, in the order of their names."""
    board = Board()
    for name, used, limit in (("a", 10, None), ("b", 95, 100), ("c", 3, 4), ("d", 90, 1000), ("e", 999, None)):
        board.sample(sample(name, memory={"working_set": used * MIB}, limit=limit and limit * MIB))
    assert [line.sample.name for line in board.lines()] == ["b", "c", "d", "a", "e"]
    assert page(board, "limit", ["x"], (80, 0)).marks == ["nearer", "near", "", "", ""]


def test_limit_of_zero_is_full() -> None:
    """memory.max may be 0."""
    board = Board()
    board.sample(sample("a", limit=0))
    board.sample(sample("b"))
    assert [line.sample.name for line in board.lines()] == ["a", "b"]


@pytest.mark.parametrize(
    ("order", "expected"),
    [("memory", "cba"), ("headroom", "cab"), ("name", "abc"), ("engine", "cab"), ("kills", "bac"), ("swap", "abc")],
)
def test_other_orders(order: str, expected: str) -> None:
    """Highest first, headroom lowest first, words from a to z; without the figure last."""
    board = Board()
    board.sample(sample("a", engine="docker", limit=40 * MIB, memory={"working_set": 10 * MIB, "swap": 9}))
    board.sample(sample("b", engine="podman", limit=None, memory={"working_set": 20 * MIB, "swap": None}))
    board.sample(sample("c", engine="cri-o", limit=40 * MIB, memory={"working_set": 30 * MIB, "swap": None}))
    board.event(event("oom_kill", "b", total=2))
    assert "".join(line.sample.name for line in board.lines(order)) == expected


@pytest.mark.parametrize("order", SORTS)
def test_every_order_takes_absent_figures(order: str) -> None:
    """A host whose kernel has nothing is sorted, too."""
    board = Board()
    for name in "ab":
        board.sample(
            sample(name, limit=None, memory=dict.fromkeys(("usage", "working_set", "swap", "peak")), events={})
        )
    assert len(board.lines(order)) == 2


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_table_fits(width: int) -> None:
    """Long names of any alphabet, large numbers: no line is wider, each column keeps its place."""
    board = Board()
    huge = 999 * 1024**5
    board.sample(sample("集装箱" * 30, memory={"working_set": huge, "peak": huge, "swap": huge}, limit=huge))
    board.sample(sample("b\x1b[31m" * 30, pod="kube-system/pod-" + "x" * 80))
    board.alert(alert(message="m" * 300))
    made = page(board, "limit", ["vm: 2 containers", "nearest first", "every 5 s"], (width, 0), ["p" * 300])
    lines = as_text(made).splitlines()
    assert max(map(cells, lines)) <= width
    assert "\x1b" not in "".join(lines)
    assert [column.title for column in made.columns][:2] == (["NAME", "WORKING"] if width < 100 else ["ENGINE", "NAME"])


def test_columns_that_do_not_fit_are_named() -> None:
    """The most telling stay longest."""
    board = Board()
    board.sample(sample())
    assert page(board, "limit", ["x"], (60, 0)).notes == ["too narrow for: ENGINE SWAP PEAK PRESSURE THROTTLED ALLOC/s"]
    assert page(board, "limit", ["x"], (80, 0)).notes == ["too narrow for: ENGINE PEAK THROTTLED ALLOC/s"]
    assert page(board, "limit", ["x"], (120, 0)).notes == []


def test_rows_that_do_not_fit_are_counted() -> None:
    """The terminal's lines are enough for the head, the titles, the notes and the nearest containers."""
    board = Board()
    for number in range(50):
        board.sample(sample(f"c{number:02}", memory={"working_set": number * MIB}))
    made = page(board, "limit", ["x"], (120, 20))
    assert made.notes == ["34 more do not fit"]
    assert [row[1] for row in made.rows][:2] == ["c49", "c48"]
    assert len(as_text(made).splitlines()) == 19


def test_newest_alerts_are_below_the_table() -> None:
    """Three of them, each one line."""
    board = Board()
    board.sample(sample())
    for number in range(5):
        board.alert(alert(time=36000 + number, message=f"n{number}\nx"))
    assert page(board, "limit", ["x"], (120, 0)).notes == [
        "10:00:02 n2\\nx",
        "10:00:03 n3\\nx",
        "10:00:04 n4\\nx",
    ]


def test_container_that_has_ended_is_gone() -> None:
    """Its line goes with it."""
    board = Board()
    board.sample(sample())
    board.gone(sample().id)
    assert board.lines() == []


def test_text_is_cut_by_columns_of_the_terminal() -> None:
    """A wide character takes two."""
    assert (cells("集b"), cut("集集集", 5), filled("集", 4, right=True)) == (3, "集集…", "  集")


def _shown() -> Shown:
    board = Board()
    board.sample(sample())
    board.sample(sample("full", memory={"working_set": 99 * MIB}))
    return Shown(board, "limit", lambda count: [f"host: {count} containers", "every 5 s"])


EXPECTED = """\
00:00:00 UTC  host: 2 containers, every 5 s
ENGINE      NAME          WORKING   LIMIT  HEADROOM    SWAP    PEAK  PRESSURE  GROWTH/s    OOM  THROTTLED  ALLOC/s
podman      full              99M    100M      1.0M       0     70M         -         -      0          -        -
podman      web               50M    100M       50M       0     70M         -         -      0          -        -
"""


def test_plain_tables() -> None:
    """One after the other, with an empty line between them."""
    stream = io.StringIO()
    sink = Plain(_shown(), stream)
    sink.tick(0)
    sink.tick(0)
    assert stream.getvalue() == f"{EXPECTED}\n{EXPECTED}"


def test_rich_draws_the_same_in_place() -> None:
    """The alternate screen is entered once and left once; cells are those of the plain table; no clearing between."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=120, height=10, color_system="standard")
    sink = InPlace(_shown(), console)
    sink.tick(0)
    sink.tick(0)
    drawn = stream.getvalue()
    sink.close()
    assert drawn.count("\x1b[?1049h") == 1
    assert "\x1b[2J" not in drawn
    final = stream.getvalue()[len(drawn) :]
    assert final.count("\x1b[?1049l") == 1
    assert "\x1b[1;31m" in drawn  # bold red: nearer than 90 %
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", final)
    assert [line.rstrip() for line in plain.splitlines() if line.strip()] == EXPECTED.splitlines()

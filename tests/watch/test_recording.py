"""Reading a recording: damage is named by file and line, and nothing in it is believed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from shim.errors import ShimError
from shim.watch.leaks.runs import runs, survey
from shim.watch.recording import LONGEST, Recording
from tests.watch.recordings import BEGIN, MIB, WEB, figures, header, introduced, written

if TYPE_CHECKING:
    from pathlib import Path

HEAD, WHO = header(), introduced()


def _read(path: Path) -> Recording:
    with Recording(str(path)) as recording:
        list(recording.records())
        return recording


def test_a_torn_last_line_is_passed_over(tmp_path: Path) -> None:
    """The records before it count, and the line is named."""
    path = written(tmp_path / "r", HEAD, WHO, figures(0), '{"s":[17')
    assert _read(path).problems == [f"{path}:4: the last line is torn; it is skipped"]


DAMAGED: list[tuple[tuple[Any, ...], str]] = [
    (("",), ": it is empty"),
    (("hello\n",), ":1: it is not a recording"),
    (("hello",), ":1: it is not a recording"),
    ((WHO,), ":1: it is not a recording"),
    ((header(schema=2),), ":1: schema is 2; this version of cgshim reads 1"),
    ((header(columns=None),), ":1: columns is not a list of names"),
    ((header(time="now"),), ":1: the time 'now' is not in seconds since 1970"),
    ((HEAD, "{oops\n"), ":2: the line is damaged: it is not a JSON object"),
    ((HEAD, "[1]\n"), ":2: the line is damaged: it is not a JSON object"),
    ((HEAD, "[" * 9000 + "\n"), ":2: the line is damaged: it is not a JSON object"),
    ((HEAD, b"\xff\xfe\n".decode("latin-1")), ":2: the line is damaged: it is not a JSON object"),
    ((HEAD, {"x": 1}), ":2: 'x' is not a kind of record"),
    ((HEAD, figures(0)), ":2: container 0 was not introduced by a line before"),
    ((HEAD, {"c": {"k": 0}}), ":2: c: a container has k, id, engine, name, pod, cgroup, version and counters"),
    ((HEAD, introduced("a")), ":2: c: k is not a number"),
    ((HEAD, WHO, {"s": 5}), ":3: s: a sample is a list of time, container and numbers"),
    ((HEAD, WHO, {"s": [BEGIN, 0, 1]}), ":3: s: the sample has 1 numbers; its container has 12"),
    ((HEAD, WHO, figures(0, high=-1)), ":3: s: events.high is -1, not a number of bytes or events"),
    ((HEAD, WHO, {"s": [BEGIN, 0, "x", *[0] * 11]}), ":3: s: usage is 'x', not a number of bytes or events"),
    ((HEAD, WHO, {"s": [BEGIN, 0, True, *[0] * 11]}), ":3: s: usage is True, not a number of bytes or events"),
    ((HEAD, WHO, '{"s":[NaN,0' + ",0" * 12 + "]}\n"), ":3: the time nan is not in seconds since 1970"),
    ((HEAD, WHO, {"g": 1}), ":3: g: it is not a list of time and container"),
    ((HEAD, {"e": {"kind": 1, "time": 1}}), ":2: e: kind of the event is not a text"),
    ((HEAD, {"a": []}), ":2: the alert is not an object"),
    ((HEAD, '{"e":"' + "x" * LONGEST + '"}\n'), f":2: the line is longer than {LONGEST} bytes"),
]


@pytest.mark.parametrize(("lines", "message"), DAMAGED)
def test_damage_is_named(tmp_path: Path, lines: tuple[Any, ...], message: str) -> None:
    """The file, the line, and what is wrong with it; for a line in between also how to take it out."""
    path = written(tmp_path / "r", *lines)
    with pytest.raises(ShimError) as caught:
        _read(path)
    assert caught.value.code == "bad-recording"
    assert caught.value.what == f"{path}{message}"
    assert caught.value.remedy[0] == "name a file that `cgshimctl watch --record FILE` wrote"
    if not message.startswith((":1:", ": ")):
        assert caught.value.remedy[1] == f"or take the damaged line out, from a copy: sed -i {message[1]}d COPY"


def test_what_is_not_a_file(tmp_path: Path) -> None:
    """A directory and a name of nothing."""
    with pytest.raises(ShimError, match="it is not a regular file"):
        Recording(str(tmp_path))
    with pytest.raises(ShimError, match="none: No such file or directory"):
        Recording(str(tmp_path / "none"))


def _runs(path: Path) -> list[tuple[int, int]]:
    with Recording(str(path)) as recording:
        found = runs(recording.records(), survey(recording.extents()))
    return [(run.number, run.samples) for run in found]


def test_parts_are_one_recording(tmp_path: Path) -> None:
    """FILE.2, FILE.1 and FILE in this order are one run."""
    for name, number in (("r.2", 0), ("r.1", 5), ("r", 10)):
        written(tmp_path / name, HEAD, WHO, *(figures(number + n) for n in range(5)))
    assert _runs(tmp_path / "r") == [(1, 15)]


def _began(inode: int) -> dict[str, Any]:
    return {"e": {"time": BEGIN, "kind": "started", "id": WEB, "source": "polling", "evidence": {"inode": inode}}}


@pytest.mark.parametrize(
    ("between", "expected"),
    [
        ((), [(1, 2)]),
        (({"g": [BEGIN, 0]},), [(1, 1), (2, 1)]),
        ((HEAD, WHO), [(1, 2)]),
        ((header(boot="b2"), WHO), [(1, 1), (2, 1)]),
        ((HEAD, _began(7), WHO), [(1, 2)]),
        ((HEAD, _began(8), WHO), [(1, 1), (2, 1)]),
    ],
    ids=["nothing", "gone", "watcher again", "host again", "the same cgroup", "another cgroup"],
)
def test_a_run_ends_with_its_cgroup(tmp_path: Path, between: tuple[Any, ...], expected: list[tuple[int, int]]) -> None:
    """A watcher that starts again does not end it; another boot and another cgroup do, also when nobody looked."""
    assert _runs(written(tmp_path / "r", HEAD, _began(7), WHO, figures(0), *between, figures(1))) == expected


def test_medians_limits_and_counters(tmp_path: Path) -> None:
    """1,200 samples become 120 medians of ten; a limit that changes and a counter that grows are happenings."""
    lines = [figures(n, (20 + n) * MIB, high=1 if n >= 600 else 0) for n in range(1200)]
    for line in lines[900:]:
        line["s"][10] = 768 * MIB
    with Recording(str(written(tmp_path / "r", HEAD, WHO, *lines))) as recording:
        (run,) = runs(recording.records(), survey(recording.extents(), "web"))
    medians = run.lines["anonymous"].values
    assert len(medians) == 120
    assert medians[0] == pytest.approx((20 + 4.5) * MIB, abs=MIB)
    assert [(one.time, one.what) for one in run.happenings] == [
        (BEGIN + 3000, "reclaim, because usage was above memory.high (1)"),
        (BEGIN + 4500, "limit changed from 512 MiB to 768 MiB"),
    ]
    assert run.limits["limit"] == ((BEGIN, 512 * MIB), (BEGIN + 4500, 768 * MIB))


def test_samples_before_the_last_one_are_left_out(tmp_path: Path) -> None:
    """The clock was set back by a minute: until it has caught up nothing counts, and how much is known."""
    lines = [figures(n) for n in (*range(20), *range(8, 30))]
    with Recording(str(written(tmp_path / "r", HEAD, WHO, *lines))) as recording:
        (run,) = runs(recording.records(), survey(recording.extents()))
    assert (run.samples, run.skipped) == (42, 11)


@pytest.mark.parametrize(("wanted", "count"), [("", 1), ("web", 1), (WEB, 1), ("5e5e", 1), ("5e", 0), ("other", 0)])
def test_containers_are_chosen(tmp_path: Path, wanted: str, count: int) -> None:
    """By name, id, or four characters of it at least."""
    with Recording(str(written(tmp_path / "r", HEAD, WHO, figures(0)))) as recording:
        assert len(survey(recording.extents(), wanted)) == count

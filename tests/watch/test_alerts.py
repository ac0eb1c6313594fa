"""Which events become alerts, when, and what survives a restart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from shim.errors import ShimError
from shim.watch import changes
from shim.watch.alert import TYPES, iso
from shim.watch.alerts import Alerts
from shim.watch.desk import Desk
from shim.watch.memory_of_alerts import NAME, Remembered
from shim.watch.words import size
from tests.watch.made import ID, M, Seen, sample

if TYPE_CHECKING:
    from shim.watch.alert import Alert


def _alert(alerts: Alerts, time: float, kind: str = "max", total: int = 1, **more: Any) -> Alert | None:
    one = sample(time, high=16 * M)
    return alerts.of(changes.of(one, kind, "test", **{"count": 1, "total": total, "inode": 5, **more}), one)


@pytest.mark.parametrize(
    ("kind", "kind_of_alert"),
    [
        ("high", "cgroup_v2_memory_high_exceeded"),
        ("threshold", "cgroup_v1_memory_threshold_exceeded"),
        ("max", "memory_max_hit"),
        ("oom_kill", "oom_kill"),
        ("oom_stuck", "oom_stuck"),
        ("drift", "limit_drift"),
        ("leak", "leak_suspected"),
        ("pressure", "pressure"),
    ],
)
def test_every_type_and_its_event(kind: str, kind_of_alert: str) -> None:
    """Each type of alert is made of one kind of event; its message names the container."""
    alert = _alert(Alerts(Remembered(""), 60), 1000, kind)
    assert alert is not None
    assert (alert.type, alert.id) == (kind_of_alert, ID)
    assert "container web" in alert.message
    assert kind_of_alert in TYPES


@pytest.mark.parametrize("kind", ["started", "gone", "oom", "exit"])
def test_other_events_are_no_alerts(kind: str) -> None:
    """They are told as events only."""
    assert _alert(Alerts(Remembered(""), 60), 1000, kind) is None


def test_the_shape_is_what_other_programs_read() -> None:
    """The first twelve characters of the id, bytes as numbers, UTC."""
    alert = _alert(Alerts(Remembered(""), 60), 1000.25, "high", 3)
    assert alert is not None
    assert alert.shape() == {
        "type": "alert",
        "alert_type": "cgroup_v2_memory_high_exceeded",
        "container_id": "0123456789ab",
        "container_full_id": ID,
        "container_name": "web",
        "engine": "docker",
        "pod": "",
        "time": "1970-01-01T00:16:40.250Z",
        "threshold_bytes": 16 * M,
        "usage_bytes": 10 * M,
        "limit_bytes": 64 * M,
        "serial": f"cgroup_v2_memory_high_exceeded:{ID}:5:3",
        "repeated": 0,
        "message": "container web exceeded memory.high (16 MiB) once and is slowed down",
        "evidence": {
            "source": "test",
            "cgroup": "/docker/web",
            "count": 1,
            "total": 3,
            "inode": 5,
            "working_set": 10 * M,
            "limit_of": "/docker/web",
        },
    }


def test_later_ones_are_held_back_and_counted() -> None:
    """The first at once, the others together when the time is over, and the distances grow."""
    alerts = Alerts(Remembered(""), 60)
    assert _alert(alerts, 1000) is not None
    assert [_alert(alerts, 1000 + n, total=1 + n, count=n) for n in (1, 2, 3)] == [None, None, None]
    assert list(alerts.due(1059)) == []
    (alert,) = alerts.due(1060)
    assert (alert.repeated, alert.evidence["count"], alert.evidence["total"]) == (2, 6, 4)
    assert alert.message == "container web hit the limit of 64 MiB (cgroup /docker/web) 6 times"
    assert _alert(alerts, 1061) is None
    assert list(alerts.due(1179)) == []  # 120 seconds this time
    assert len(list(alerts.due(1180))) == 1
    assert list(alerts.due(9999)) == []


def test_calm_makes_the_distance_small_again() -> None:
    """After a time without any the next is told at once, and those after it soon."""
    alerts = Alerts(Remembered(""), 60)
    _alert(alerts, 1000)
    _alert(alerts, 1001)
    assert len(list(alerts.due(1060))) == 1
    assert _alert(alerts, 1060 + 240) is not None
    _alert(alerts, 1301)
    assert len(list(alerts.due(1360))) == 1


def test_types_and_containers_do_not_hold_each_other_back() -> None:
    """An oom_kill is told although a memory_max_hit has just been."""
    alerts = Alerts(Remembered(""), 60)
    assert _alert(alerts, 1000) is not None
    assert _alert(alerts, 1000, "oom_kill") is not None


def test_killed_processes_are_all_named() -> None:
    """Those of kills that were held back are in the alert that comes."""
    alerts = Alerts(Remembered(""), 60)
    for n in range(3):
        _alert(alerts, 1000 + n, "oom_kill", n, victims=[{"name": "a", "pid": n, "init": False}])
    (alert,) = alerts.due(1060)
    assert [one["pid"] for one in alert.evidence["victims"]] == [1, 2]
    assert alert.message == (
        "the kernel killed a (1), a (2) of container web, which ran out of memory; "
        "its init is alive, so engines show nothing"
    )


def test_a_container_that_ends_takes_nothing_with_it() -> None:
    """What is held back for it is told when it ends."""
    alerts = Alerts(Remembered(""), 60)
    _alert(alerts, 1000)
    _alert(alerts, 1001)
    assert list(alerts.due(1002, "other")) == []
    assert [one.time for one in alerts.due(1002, ID)] == [1001]


def test_held_back_alerts_survive_a_restart(state_directory: Path) -> None:
    """The next watcher tells them, once."""
    place = str(state_directory / "watch")
    first = Remembered(place, "boot")
    alerts = Alerts(first, 60)
    _alert(alerts, 1000)
    _alert(alerts, 1001)
    first.save()
    second = Remembered(place, "boot")
    assert [one.time for one in Alerts(second, 60).due(1060)] == [1001]
    second.save()
    assert list(Alerts(Remembered(place, "boot"), 60).due(2000)) == []


def test_another_boot_begins_afresh(state_directory: Path) -> None:
    """Counters and inodes of the boot before mean nothing; what counters have by now is news."""
    place = str(state_directory / "watch")
    first = Remembered(place, "boot")
    first.begin(ID, 5)
    first.count(ID, {"max": 3})
    first.save()
    again = Remembered(place, "boot")
    assert (again.counters(ID), again.begin(ID, 5), again.fresh) == ({"max": 3}, True, False)
    assert again.begin(ID, 6) is False
    assert again.counters(ID) is None
    other = Remembered(place, "other boot")
    assert (other.counters(ID), other.fresh) == (None, False)


class Dies(Seen):
    """A sink in which the watcher is killed: before or after it has the alert."""

    def __init__(self, after: bool) -> None:
        super().__init__()
        self.after = after

    def alert(self, alert: Alert) -> None:
        """Not a failure of the sink, which would be told: the end of the process."""
        if self.after:
            self.got.append(alert)
        raise KeyboardInterrupt


@pytest.mark.parametrize("after", [False, True])
def test_a_watcher_that_is_killed_while_it_tells(state_directory: Path, after: bool) -> None:
    """The next one offers the alert again; a sink that has it already does not get it twice."""
    place = str(state_directory / "watch")
    desk, dies = Desk(Remembered(place, "boot"), 60), Dies(after)
    desk.open([dies])
    one = sample(1000)
    with pytest.raises(KeyboardInterrupt):
        desk.event(changes.of(one, "max", "test", count=1, total=1, inode=5), one)
    serial = f"memory_max_hit:{ID}:5:1"
    sink = Seen((serial,) if after else ())
    Desk(Remembered(place, "boot"), 60).open([sink])
    assert [alert.serial for alert in [*dies.got[1:], *sink.got]] == [serial]
    third = Seen()
    Desk(Remembered(place, "boot"), 60).open([third])
    assert third.got == []


class Broken(Seen):
    """A sink that cannot."""

    def event(self, event: object) -> None:
        """Its disk is full."""
        raise OSError(28, "No space left on device", "/full")


def test_a_broken_sink_stops_nothing() -> None:
    """The others get theirs, and what is wrong is kept, once."""
    desk, other = Desk(Remembered(""), 60), Seen()
    desk.open([Broken(), other])
    for n in range(2):
        desk.event(changes.of(sample(n), "oom", "test"))
    assert len(other.got) == 2
    assert desk.problems == ["Broken: [Errno 28] No space left on device: '/full'"]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"schema": 2, "boot": "boot"}'])
def test_a_damaged_state_file_is_as_none(state_directory: Path, text: str) -> None:
    """It is not ours any more: begin afresh, and write a good one."""
    place = state_directory / "watch"
    Remembered(str(place), "boot")
    (place / NAME).write_text(text)
    assert Remembered(str(place), "boot").fresh
    assert json.loads((place / NAME).read_text())["schema"] == 1


def test_a_state_directory_that_cannot_be_used(state_directory: Path) -> None:
    """One clear error before anything is watched."""
    (state_directory / "file").write_text("")
    with pytest.raises(ShimError) as caught:
        Remembered(str(state_directory / "file" / "watch"), "boot")
    assert caught.value.code == "watch-state"
    assert caught.value.what == f"the watcher cannot keep its state in {state_directory}/file/watch"


@pytest.mark.parametrize(
    ("number", "text"),
    [(None, "unknown"), (0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (64 * M, "64 MiB"), (10 << 30, "10 GiB")],
)
def test_sizes_in_messages(number: int | None, text: str) -> None:
    """One decimal at most."""
    assert size(number) == text


def test_times_are_utc_with_milliseconds() -> None:
    """RFC 3339."""
    assert iso(1769862896.789) == "2026-01-31T12:34:56.789Z"

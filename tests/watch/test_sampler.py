"""From interface files to a sample."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NoReturn

import pytest

from shim.host.view import View
from shim.observe.pressure import Pressure
from shim.watch.lost_time import LostTime
from shim.watch.place import Spot
from shim.watch.sampler import Sampler
from tests.watch.made import ID, M, followed

if TYPE_CHECKING:
    from pathlib import Path

    from shim.watch.place import Followed

V2 = {
    "memory.current": "10485760\n",
    "memory.stat": "anon 4096\nfile 8192\nshmem 4096\ninactive_file 4096\nkernel 4096\n",
    "memory.max": "max\n",
    "memory.high": "8388608\n",
    "memory.swap.max": "0\n",
    "memory.swap.current": "0\n",
    "memory.events": "low 0\nhigh 5\nmax 9\noom 4\noom_kill 3\noom_group_kill 0\n",
    "memory.events.local": "low 0\nhigh 1\nmax 2\noom 1\noom_kill 0\noom_group_kill 0\n",
    "memory.pressure": "some avg10=0.00 avg60=0.00 avg300=0.00 total=313\nfull avg10=0.00 avg60=0.00 total=100\n",
    "cpu.stat": "usage_usec 5\nnr_periods 7\nnr_throttled 3\nthrottled_usec 900\n",
    "cpu.max": "50000 100000\n",
}
V1 = {
    "memory.usage_in_bytes": "10485760\n",
    "memory.stat": "total_rss 4096\ntotal_cache 8192\ntotal_shmem 4096\ntotal_inactive_file 4096\ntotal_swap 0\n",
    "memory.limit_in_bytes": "67108864\n",
    "memory.soft_limit_in_bytes": "9223372036854771712\n",
    "memory.memsw.limit_in_bytes": "134217728\n",
    "memory.failcnt": "17\n",
    "memory.memsw.failcnt": "4\n",
    "memory.oom_control": "oom_kill_disable 0\nunder_oom 1\noom_kill 2\n",
    "cpu.stat": "nr_periods 7\nnr_throttled 3\nthrottled_time 900000\n",
    "cpu.cfs_quota_us": "-1\n",
    "cpu.cfs_period_us": "100000\n",
}


def _made(root: Path, files: dict[str, str], version: int, path: str = "/a/web") -> Followed:
    one = followed(root, version, path)
    for name, text in files.items():
        (root / "cg" / path.strip("/") / name).write_text(text)
    return one


def test_a_sample_of_cgroup2(tmp_path: Path) -> None:
    """Limits from its own cgroup, own counters of limits, kills with everything below."""
    found = Sampler(View(str(tmp_path))).sample(_made(tmp_path, V2, 2), 5.0)
    assert found is not None
    assert (found.time, found.id, found.name, found.engine, found.version) == (5.0, ID, "web", "docker", "v2")
    assert (found.cgroup, found.limit, found.high, found.swap_limit) == ("/a/web", None, 8 * M, 0)
    assert found.events == {"low": 0, "high": 1, "max": 2, "oom": 1, "oom_kill": 3, "oom_group_kill": 0}
    assert found.pressure == Pressure(
        source="psi", totals={"some": 313, "full": 100}, evidence="/cg/a/web/memory.pressure"
    )
    assert found.cpu == {
        "nr_periods": 7,
        "nr_throttled": 3,
        "throttled_usec": 900,
        "quota_usec": 50000,
        "period_usec": 100000,
    }
    assert (found.memory.usage, found.memory.anonymous, found.memory.kernel) == (10 * M, 4096, 4096)
    assert found.headroom is None


def test_before_linux_5_2_there_are_no_own_counters(tmp_path: Path) -> None:
    """Without memory.events.local those of memory.events count."""
    files = {name: text for name, text in V2.items() if name != "memory.events.local"}
    found = Sampler(View(str(tmp_path))).sample(_made(tmp_path, files, 2), 5.0)
    assert found is not None
    assert (found.events["max"], found.events["oom_kill"]) == (9, 3)


def test_a_sample_of_v1(tmp_path: Path) -> None:
    """v1's own numbers: no limit is a number near 2**63, throttled time is in nanoseconds, no quota is -1."""
    found = Sampler(View(str(tmp_path))).sample(_made(tmp_path, V1, 1), 5.0)
    assert found is not None
    assert (found.version, found.limit, found.limit_of, found.high) == ("v1", 64 * M, "/a/web", None)
    assert found.swap_limit == 128 * M
    assert found.events == {"failcnt": 17, "memsw_failcnt": 4, "oom_kill": 2, "under_oom": 1, "oom_kill_disable": 0}
    assert found.cpu == {"nr_periods": 7, "nr_throttled": 3, "throttled_usec": 900}
    assert found.headroom == 64 * M - (10 * M - 4096)
    assert found.pressure.reason == "no PSI: no cgroup2 directory"


def test_a_vendor_kernel_with_psi_and_events_in_v1(tmp_path: Path) -> None:
    """openEuler and Anolis have memory.pressure and memory.events in v1: they count, v1's own counters first."""
    more = {name: V2[name] for name in ("memory.pressure", "memory.events")}
    found = Sampler(View(str(tmp_path))).sample(_made(tmp_path, {**V1, **more}, 1), 5.0)
    assert found is not None
    assert found.pressure.totals == {"some": 313, "full": 100}
    assert (found.events["high"], found.events["oom_kill"], found.events["failcnt"]) == (5, 2, 17)


@pytest.mark.parametrize(
    ("own", "above", "limit", "where"),
    [
        ("max", "33554432", 32 * M, "/a"),
        ("16777216", "33554432", 16 * M, "/a/web"),
        ("67108864", "33554432", 32 * M, "/a"),
        ("max", "max", None, ""),
    ],
)
def test_the_tightest_limit_counts(tmp_path: Path, own: str, above: str, limit: int | None, where: str) -> None:
    """Its own, or one above it: that is what is hit."""
    one = _made(tmp_path, {**V2, "memory.max": own}, 2)
    (tmp_path / "cg/a/memory.max").write_text(above)
    found = Sampler(View(str(tmp_path))).sample(one, 5.0)
    assert found is not None
    assert (found.limit, found.limit_of) == (limit, where)


def test_what_lies_on_another_device_is_named_and_not_read(tmp_path: Path) -> None:
    """Every file, whichever it is; the figures that would come from it are absent with that reason."""
    one = _made(tmp_path, V2, 2)
    place = one.place.memory.changed(device=one.place.memory.device + 1)
    forged = one.changed(place=one.place.changed(memory=place, unified=place))
    found = Sampler(View(str(tmp_path))).sample(forged, 5.0)
    assert found is not None
    why = "/cg/a/web/memory.current: on another device than the cgroup file system, so it is not the kernel's"
    assert found.memory.absent["usage"] == why
    assert (found.memory.usage, found.events, found.limit, found.pressure.totals) == (None, {}, None, {})
    assert found.pressure.reason.startswith("no PSI: /cg/a/web/memory.pressure: on another device")
    assert set(found.problems) >= {"memory.stat", "memory.max", "memory.pressure"}


def test_a_link_to_another_file_system(tmp_path: Path) -> None:
    """Followed, but what counts is where it ends."""
    one = _made(tmp_path, {name: text for name, text in V2.items() if name != "memory.pressure"}, 2)
    (tmp_path / "cg/a/web/memory.pressure").symlink_to("/proc/pressure/memory")
    found = Sampler(View(str(tmp_path))).sample(one, 5.0)
    assert found is not None
    assert found.pressure.source == ""


def test_a_container_that_is_gone(tmp_path: Path) -> None:
    """No cgroup, no sample; and what is missing then is not taken for what this kernel does not have."""
    one = _made(tmp_path, V2, 2)
    sampler = Sampler(View(str(tmp_path)))
    gone = one.changed(place=one.place.changed(memory=one.place.memory.changed(path="/a/gone")))
    assert sampler.sample(gone, 5.0) is None
    assert sampler.missing == set()
    assert sampler.usage(one) == 10 * M


def test_cgroups_above(tmp_path: Path) -> None:
    """The nearest first, without the root of the mount."""
    spot = Spot(version=2, mount="/cg", path="/a/b/c", device=1)
    assert [one.path for one in spot.above] == ["/a/b", "/a"]
    assert spot.changed(path="/a").above == ()


def test_the_counters_of_the_limit_that_binds(tmp_path: Path) -> None:
    """A pod's limit is hit at the pod: its own counters are in the sample of the container, and read once a round."""
    one = _made(tmp_path, V2, 2)
    (tmp_path / "cg/a/memory.max").write_text("33554432")
    (tmp_path / "cg/a/memory.events.local").write_text("max 40\noom 2\noom_kill 0\n")
    sampler = Sampler(View(str(tmp_path)))
    found = sampler.sample(one, 5.0)
    assert found is not None
    assert (found.events["max"], found.events["above_max"], found.events["above_oom"]) == (2, 40, 2)
    v1 = _made(tmp_path, V1, 1, "/b/web")
    (tmp_path / "cg/b/memory.limit_in_bytes").write_text("33554432")
    (tmp_path / "cg/b/memory.failcnt").write_text("9")
    found = sampler.sample(v1, 5.0)
    assert found is not None
    assert (found.limit_of, found.events["failcnt"], found.events["above_failcnt"]) == ("/b", 17, 9)


def _ask(pid: int) -> bytes:
    """A struct taskstats of version 16 (include/uapi/linux/taskstats.h): 5 ms lost to reclaim by each process."""
    stats = bytearray(560)
    struct.pack_into("=H", stats, 0, 16)
    struct.pack_into("=Q", stats, 16, pid)
    struct.pack_into("=Q", stats, 320, 5_000_000)
    return bytes(stats)


def test_without_psi_delay_accounting(tmp_path: Path) -> None:
    """What the living processes lost, called by its name, with the reason why it is not PSI."""
    one = _made(tmp_path, {**V1, "cgroup.procs": "7\n8\n"}, 1)
    view = View(str(tmp_path))
    found = Sampler(view, LostTime(view, lambda: _ask)).sample(one, 5.0)
    assert found is not None
    assert (found.pressure.source, found.pressure.totals["reclaim"]) == ("taskstats", 10_000)
    assert found.pressure.reason == (
        "no PSI: no cgroup2 directory; the delays of processes that have ended are not in it"
    )


def test_neither_psi_nor_taskstats(tmp_path: Path) -> None:
    """Asked once; then the reason is known."""
    asked = []

    def refused() -> NoReturn:
        asked.append(1)
        raise PermissionError(1, "Operation not permitted")

    one = _made(tmp_path, V1, 1)
    view = View(str(tmp_path))
    sampler = Sampler(view, LostTime(view, refused))
    for _ in range(2):
        found = sampler.sample(one, 5.0)
        assert found is not None
        assert found.pressure.source == ""
        assert found.pressure.reason == (
            "no PSI: no cgroup2 directory; no taskstats: [Errno 1] Operation not permitted"
        )
    assert asked == [1]

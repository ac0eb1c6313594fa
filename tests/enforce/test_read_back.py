"""For every field and key, on every captured host: the read-back rejects the kernel's default and accepts its spelling.

Defaults and forms: Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/*.rst, scheduler/sched-bwc.rst, and for cgroup v1
the files of new cgroups on the captured hosts. Nothing of it comes from the code under test.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from shim.cli import probes
from shim.enforce.verify import agrees
from shim.host.captured import CapturedView
from shim.host.detect import detect
from shim.planning.plan import controllers, make_plan, wanted
from shim.rules.base import CHANGED, GUARD, KEPT, UNENFORCEABLE

if TYPE_CHECKING:
    from shim.cli.probes import Probe
    from shim.host.facts import Host
    from shim.planning.plan import Plan
    from shim.rules.base import Expectation

HOSTS = Path(__file__).resolve().parents[1] / "hosts"
NAMES = sorted(path.parent.name for path in HOSTS.glob("*/manifest.json"))
UNLIMITED_V1 = "9223372036854771712"
IO_MAX = "8:0 rbps={} wbps={} riops={} wiops={}"
OOM_CONTROL = "oom_kill_disable {}\nunder_oom 0\noom_kill 0"
RATES = {"ReadBps": 0, "WriteBps": 1, "ReadIOPS": 2, "WriteIOPS": 3}


class File(NamedTuple):
    """An interface file in a new cgroup, and as it shows what the probes ask for (one text for each value)."""

    default: str
    shown: tuple[str, ...]


def _rates() -> tuple[str, ...]:
    lines = []
    for place in range(4):
        words = ["max"] * 4
        words[place] = "1048576"
        lines.append(IO_MAX.format(*words))
    return tuple(lines)


V1 = {
    "memory.limit_in_bytes": File(UNLIMITED_V1, ("67108864",)),
    "memory.memsw.limit_in_bytes": File(UNLIMITED_V1, ("67108864", "134217728")),
    "memory.soft_limit_in_bytes": File(UNLIMITED_V1, ("33554432", "50331648")),
    "memory.kmem.limit_in_bytes": File(UNLIMITED_V1, ("33554432",)),
    "memory.kmem.tcp.limit_in_bytes": File(UNLIMITED_V1, ("33554432",)),
    "memory.swappiness": File("60", ("0", "10")),
    "memory.oom_control": File(OOM_CONTROL.format(0), (OOM_CONTROL.format(1),)),
    "memory.use_hierarchy": File("0", ("1",)),  # 1 by itself since Linux 5.11
    "cpu.shares": File("1024", ("512", "421")),
    "cpu.cfs_quota_us": File("-1", ("25000",)),
    "cpu.cfs_period_us": File("100000", ("50000",)),
    "cpu.cfs_burst_us": File("0", ("10000",)),
    "cpu.rt_runtime_us": File("0", ("450000",)),
    "cpu.rt_period_us": File("1000000", ("500000",)),
    "cpu.idle": File("0", ("1",)),
    "cpuset.cpus": File("", ("0",)),
    "cpuset.mems": File("", ("0",)),
    "pids.max": File("max", ("32",)),
    "blkio.bfq.weight": File("100", ("200",)),
    "blkio.bfq.weight_device": File("", ("8:0 200",)),
    "blkio.throttle.read_bps_device": File("", ("8:0 1048576",)),
    "blkio.throttle.write_bps_device": File("", ("8:0 1048576",)),
    "blkio.throttle.read_iops_device": File("", ("8:0 1048576",)),
    "blkio.throttle.write_iops_device": File("", ("8:0 1048576",)),
    "hugetlb.2MB.limit_in_bytes": File("9223372036852678656", ("67108864",)),
    "rdma.max": File("mlx5_0 hca_handle=max hca_object=max", ("mlx5_0 hca_handle=2 hca_object=2000",)),
    "net_cls.classid": File("0", ("1048577",)),
    "net_prio.ifpriomap": File("lo 0\neth0 0", ("lo 5\neth0 0",)),
}
V2 = {
    "memory.max": File("max", ("67108864",)),
    "memory.swap.max": File("max", ("0", "67108864")),
    "memory.high": File("max", ("50331648",)),
    "memory.low": File("0", ("33554432",)),
    "memory.min": File("0", ("33554432",)),
    "memory.oom.group": File("0", ("1",)),
    "memory.swap.high": File("max", ("33554432",)),
    "memory.zswap.max": File("max", ("0",)),
    "memory.zswap.writeback": File("1", ("0",)),
    "cpu.max": File("max 100000", ("25000 50000",)),
    "cpu.max.burst": File("0", ("10000",)),
    "cpu.weight": File("100", ("50",)),
    "cpu.weight.nice": File("0", ("5",)),
    "cpu.idle": File("0", ("1",)),
    "cpu.uclamp.min": File("0.00", ("10.00",)),
    "cpu.uclamp.max": File("max", ("50.00",)),
    "cpuset.cpus": File("", ("0",)),
    "cpuset.mems": File("", ("0",)),
    "cpuset.cpus.exclusive": File("", ("0",)),
    "cpuset.cpus.partition": File("member", ("root",)),
    "pids.max": File("max", ("32",)),
    "io.max": File("", _rates()),
    "io.weight": File("default 100", ("default 200", "default 1920")),  # 1 + (200 - 10) * 9999 / 990
    "io.bfq.weight": File("default 100", ("default 200", "default 100\n8:0 200")),
    "io.latency": File("", ("8:0 target=75000",)),
    "io.prio.class": File("no-change", ("idle",)),
    "hugetlb.2MB.max": File("max", ("67108864",)),
    "hugetlb.2MB.rsvd.max": File("max", ("67108864",)),
    "rdma.max": File("mlx5_0 hca_handle=max hca_object=max", ("mlx5_0 hca_handle=2 hca_object=2000",)),
    "misc.max": File("res_a max\nres_b 1", ("res_a 1\nres_b max",)),
    "dmem.max": File("drm/0000:03:00.0/vram0 max", ("drm/0000:03:00.0/vram0 1073741824",)),
}
KERNEL = {1: V1, 2: V2}
# Limits that no interface file shows: an eBPF program, or v1's device lists.
UNREADABLE = {"devices"}


@functools.cache
def _host(name: str, questions: tuple[str, ...], placed: tuple[str, ...]) -> Host:
    return detect(CapturedView(str(HOSTS / name)), wanted=questions, controllers=placed)


def _plans(name: str, probe: Probe) -> list[tuple[str, str, Plan, Plan]]:
    host = _host(name, wanted(probe.resources), controllers(probe.resources))
    return [
        (
            runtime,
            operation,
            make_plan(probe.resources, host, runtime, operation, "cgroupfs"),
            make_plan(probe.beside, host, runtime, operation, "cgroupfs"),
        )
        for runtime in ("runc", "crun", "other")
        for operation in ("create", "update")
    ]


def _faults(expectation: Expectation) -> list[str]:
    """What is wrong with one expectation: the file is not in the kernel's table, or it accepts or rejects amiss."""
    known = KERNEL[expectation.version].get(expectation.file)
    if known is None:
        return [f"{expectation.file}: nothing is known of this file"]
    found = []
    accepted = [text for text in known.shown if agrees(expectation, text + "\n")]
    if agrees(expectation, known.default + "\n"):
        found.append(f"{expectation.file}: {expectation.value!r} passes where the kernel shows its default")
    if known.shown and len(accepted) != 1:
        found.append(f"{expectation.file}: {expectation.value!r} accepts {accepted} of {known.shown}")
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_limit_that_is_read_back(name: str) -> None:
    """An expectation tells the value that was asked for from the default and from every other that is asked for."""
    faults = {
        f"{probe.name} ({runtime}, {operation}): {fault}"
        for probe in probes.ALL
        for runtime, operation, plan, _ in _plans(name, probe)
        for expectation in plan.expectations
        for fault in _faults(expectation)
    }
    assert sorted(faults) == []


@pytest.mark.parametrize("name", NAMES)
def test_every_guard_is_read_back_or_said_to_be_lost(name: str) -> None:
    """A guard that is honoured or carried has an expectation of its own; there is no silent way past the read-back."""
    missing = set()
    for probe in probes.ALL:
        for runtime, operation, plan, beside in _plans(name, probe):
            guards = [note for note in plan.notes if note.kind == GUARD and note not in beside.notes]
            lost = [note for note in plan.notes if note.effect == UNENFORCEABLE or note.lost]
            carried = [note for note in guards if note.effect in (KEPT, CHANGED)]
            own = [one for one in plan.expectations if one not in beside.expectations]
            settled = {note.code for note in guards} & {"swap-absent", "layout-unknown"}
            if carried and not (own or lost or settled or plan.problems) and probe.name not in UNREADABLE:
                missing.add(f"{probe.name} ({runtime}, {operation}): {[note.code for note in carried]}")
    assert sorted(missing) == []


def test_every_file_of_the_table_is_asked_for() -> None:
    """No row of the kernel's table is left over from a field that is gone; what no captured host has is named."""
    asked = {
        (expectation.version, expectation.file)
        for name in NAMES
        for probe in probes.ALL
        for _, _, plan, _ in _plans(name, probe)
        for expectation in plan.expectations
    }
    rows = {(version, file) for version, files in KERNEL.items() for file in files}
    assert rows - asked == {
        (1, "blkio.bfq.weight"),
        (1, "blkio.bfq.weight_device"),
        (2, "dmem.max"),
    }

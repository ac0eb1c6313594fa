"""The model against the world: writes recorded on a real kernel, and what the bare runtimes did in the matrix.

docs/compatibility.md holds the outcome of each case of integration/matrix/guest/cases.py with the bare runtimes, on
real kernels; the cells of cgshim's own columns are not looked at.
"""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from integration.matrix import judge
from integration.matrix.guest import cases
from tests.model import crun, limits, machine, requests, runc
from tests.model.cgroup import Cgroup
from tests.model.kernel import Refused

if TYPE_CHECKING:
    from tests.model.machine import Machine

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
MACHINES = machine.every(CHECKOUT / "tests/hosts")
TOP = "9223372036854771712"
# (file, value written, what the file shows then; "" for one that is refused), one after the other on one cgroup.
# Recorded on Linux 6.18 with a child cgroup in each v1 hierarchy and in a cgroup2 that had hugetlb.
RECORDED = (
    ("memory.limit_in_bytes", "64M", "67108864"),
    ("memory.limit_in_bytes", "", "67108864"),
    ("memory.limit_in_bytes", "-1", TOP),
    ("memory.limit_in_bytes", "max", ""),
    ("memory.limit_in_bytes", " 8M ", "8388608"),
    ("memory.limit_in_bytes", "0x800000", "8388608"),
    ("memory.limit_in_bytes", "010M", "8388608"),
    ("memory.limit_in_bytes", "1.5M", ""),
    ("memory.limit_in_bytes", "-2", ""),
    ("memory.limit_in_bytes", "18446744073709551615", TOP),
    ("memory.limit_in_bytes", "67108865", "67108864"),
    ("memory.soft_limit_in_bytes", "0", "0"),
    ("memory.swappiness", "200", "200"),
    ("memory.swappiness", "201", ""),
    ("memory.swappiness", "18446744073709551615", ""),
    ("pids.max", "5", "5"),
    ("pids.max", "", "5"),
    ("pids.max", "-1", ""),
    ("pids.max", "0", "0"),
    ("pids.max", "4194304", "4194304"),
    ("pids.max", "4194305", ""),
    ("pids.max", "0x10", "16"),
    ("pids.max", " 7 ", "7"),
    ("pids.max", "7K", ""),
    ("cpu.cfs_quota_us", "50000", "50000"),
    ("cpu.cfs_quota_us", "-5", "-1"),
    ("cpu.cfs_quota_us", "0", ""),
    ("cpu.cfs_quota_us", "999", ""),
    ("cpu.cfs_quota_us", "17592186044415", "17592186044415"),
    ("cpu.cfs_quota_us", "17592186044416", ""),
    ("cpu.cfs_quota_us", "max", ""),
    ("cpu.cfs_period_us", "999", ""),
    ("cpu.cfs_period_us", "1000000", "1000000"),
    ("cpu.cfs_period_us", "1000001", ""),
    ("cpu.shares", "0", "2"),
    ("cpu.shares", "1000000", "262144"),
    ("cpu.idle", "1", "1"),
    ("cpu.idle", "2", ""),
    ("cpuset.cpus", "0,1", "0-1"),
    ("cpuset.cpus", "1,0", "0-1"),
    ("cpuset.cpus", " 0 ", "0"),
    ("cpuset.cpus", "", "0"),
    ("cpuset.cpus", "99", ""),
    ("cpuset.cpus", "0-1:1/2", "0"),
    ("cpuset.mems", "1", ""),
    ("hugetlb.2MB.max", "4M", "4194304"),
    ("hugetlb.2MB.max", "", "4194304"),
    ("hugetlb.2MB.max", "-1", ""),
    ("hugetlb.2MB.max", "3000000", "2097152"),
    ("hugetlb.2MB.max", "9223372036854775807", "max"),
    ("hugetlb.2MB.max", "1", "0"),
    ("hugetlb.2MB.max", "abc", ""),
    ("blkio.throttle.read_bps_device", "253:0 5", ""),
    ("blkio.throttle.read_bps_device", "8:0 1000", "8:0 1000"),
    ("blkio.throttle.read_bps_device", "8:0 18446744073709551615", " "),
    ("blkio.throttle.read_iops_device", "8:0 7", "8:0 7"),
    ("blkio.throttle.read_iops_device", "8:0 0", " "),
)


def test_writes_end_as_they_did_on_a_kernel() -> None:
    """Each recorded write is taken, rounded or refused by the model as it was by the kernel."""
    group = Cgroup({file for file, _, _ in RECORDED}, (6, 18))
    for file, text, shown in RECORDED:
        try:
            group.write(file, text)
            found = group.files[file] or " "
        except Refused:
            found = ""
        assert (file, text, found) == (file, text, shown)


def test_nothing_of_cgshim_is_in_the_model() -> None:
    """Only the modules that compare the two import from shim; nothing else here could share a fault with it."""
    lines = {path.name: path.read_text().splitlines() for path in HERE.glob("*.py")}
    found = {name for name, text in lines.items() if any(re.match(r"\s*(from|import) shim\b", line) for line in text)}
    assert found == {"judged.py", "test_model_against_plans.py"}


# Profiles whose tree is kept under another name.
SAME = {
    "unified-6.1": "debian12-unified-6.1",
    "hybrid-memory2": "debian13-hybrid-6.12",
    "hybrid-memory2-7": "debian-sid-hybrid-7.2",
    "legacy-6.1-new": "matrix-legacy-6.1",
}


class Row(NamedTuple):
    """One cell of the table of one profile: what a bare runtime made of a case, at a start or in an update."""

    profile: str
    operation: str
    case: str
    runtime: str
    version: tuple[int, ...]
    outcome: str


def _rows() -> list[Row]:
    found = []
    for section in (CHECKOUT / "docs/compatibility.md").read_text().split("\n## ")[1:]:
        profile = section.partition("\n")[0]
        stated = re.search(r"crun (?P<crun>[0-9.]+), runc (?P<runc>[0-9.]+)", section)
        for line in section.splitlines() if stated and SAME.get(profile, f"matrix-{profile}") in MACHINES else ():
            cells = [cell.strip() for cell in line.split("|")[1:-1]]
            label = cells[0].removesuffix(" †") if cells else ""
            operation, name = ("update" if label.startswith("update: ") else "create"), label.removeprefix("update: ")
            if name in judge.CASES:
                for column, (runtime, version) in enumerate(
                    zip(("runc", "crun"), reversed(stated.groups()) if stated else ())
                ):
                    parts = tuple(map(int, version.rstrip(".").split(".")))
                    found.append(Row(profile, operation, name, runtime, parts, cells[1 + column]))
    return found


# What no model of the files can know: bullseye's release candidate of runc, a parent with processes, the loop device
# without a scheduler that takes weights, interfaces of the network.
BEYOND = ("blockIO.weight", "blockIO.weightDevice", "network.priorities", "unified.io.weight")
ROWS = [row for row in _rows() if row.profile not in ("occupied-parent", "read-only") and row.case not in BEYOND]
ROWS = [row for row in ROWS if row.runtime == "crun" or row.version != (1, 0, 0)]
# runc, whose turn it was first, had enabled rdma for the containers of crun, which does not.
ROWS = [row for row in ROWS if (row.profile, row.runtime, row.case) != ("unified-6.1", "crun", "unified.rdma.max")]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.profile}-{row.operation}-{row.runtime}-{row.case}")
def test_bare_runtimes_do_what_they_did(row: Row) -> None:
    """The model runs, refuses or loses what the real runtime ran, refused or lost on that kernel."""
    host, case = MACHINES[SAME.get(row.profile, f"matrix-{row.profile}")], judge.CASES[row.case]
    assert _outcome(host, case, row) == row.outcome


def _outcome(host: Machine, case: cases.Case, row: Row) -> str:
    runtime: Any = runc if row.runtime == "runc" else crun
    try:
        group = runtime.create(case.resources if row.operation == "create" else {}, host, row.version)
        if row.operation == "update":
            runtime.update(group, {}, case.resources, host, row.version)
    except Refused:
        return judge.ABSENT if row.runtime == "crun" and host.beside else judge.ERROR
    expected, lost = judge.wanted(case, dict.fromkeys(host.files, ""))
    shown = {name: "; ".join(text.split("\n")) for name, text in group.files.items()}
    fulfilled = all(judge.shows(shown.get(name), value) for name, value in expected.items())
    return judge.ENFORCED if fulfilled and not lost and not case.invalid else judge.IGNORED


def test_limits_are_one_in_every_notation() -> None:
    """A limit reads the same from v1 files, from cgroup2 files, from classic fields and from keys of `unified`."""
    wanted = {"memory": 64 << 20, "swap": 32 << 20, "pids": 100}
    assert limits.enforced({"memory.max": "67108864", "memory.swap.max": "33554432", "pids.max": "100"}) == wanted
    both = {"memory.limit_in_bytes": "67108864", "memory.memsw.limit_in_bytes": "100663296", "pids.max": "100"}
    assert limits.enforced(both) == wanted
    assert limits.asked({"memory": {"limit": 64 << 20, "swap": 96 << 20}, "pids": {"limit": 100}}) == wanted
    keys = {"memory.max": "64M", "memory.swap.max": "32M", "pids.max": "100"}
    assert limits.asked({"memory": {"limit": 1 << 20}, "unified": keys}) == wanted


def test_an_object_does_not_change_the_next_one() -> None:
    """Sections and lists are drawn from one table, and fields are put into copies of them."""
    before = copy.deepcopy(requests.FIELDS)
    section, pages = requests.FIELDS["memory"][0], requests.FIELDS["hugepageLimits"][1]
    found = requests.made([("memory", section), ("memory.swap", 5), ("hugepageLimits", pages)])
    assert found == {"memory": {"swap": 5}, "hugepageLimits": [{"pageSize": "2MB", "limit": 0}]}
    found["hugepageLimits"][0]["limit"] = 7
    assert before == requests.FIELDS

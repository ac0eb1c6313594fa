"""Published cases of lost limits, each with the verdict that audit gives. The names are those of docs/audit.md."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from shim.audit.row import (
    AT_RISK,
    CAPPED,
    CHANGED,
    ENFORCED,
    LOST_BEFORE,
    LOST_IN,
    STRICTER,
    UNKNOWN,
    WEAKER,
)
from shim.audit.subject import AuditedContainer, HostFacts
from tests.audited_made import MIB, cri, docker, judged, made, pod, podman, runc, spec, unit
from tests.audited_made import config as oci
from tests.syntax import ROOT

NO_SWAP_ACCOUNTING = HostFacts(swap=1 << 30, swap_accounting=False)
MQ = HostFacts(schedulers={"8:0": "mq-deadline"}, partitions=("8:1",))
BFQ = HostFacts(schedulers={"8:0": "bfq"})
LIMIT = {"limit": 64 * MIB}
WRITES = {"throttleWriteBpsDevice": [{"major": 8, "minor": 0, "rate": MIB}]}
ON_PARTITION = {"throttleReadBpsDevice": [{"major": 8, "minor": 1, "rate": MIB}]}
HUGE = [{"pageSize": "2MB", "limit": 4 * MIB}]
FULL = {"memory.max": f"{64 * MIB}\n"}
OPEN = {"memory.max": "max\n"}


class Case(NamedTuple):
    """A report: its name, the container, the limit, the verdict (None: nothing is said), words of the reason."""

    name: str
    subject: AuditedContainer
    limit: str
    verdict: str | None
    why: str = ""


def _swap(now: str, *records: Any) -> AuditedContainer:
    """Memory 64 MiB and no swap were asked; swap.max is `now`."""
    return made(docker(Memory=64 * MIB, MemorySwap=64 * MIB), *records, files={**FULL, "memory.swap.max": now})


CASES = (
    Case("A01", made(docker(Memory=0, MemorySwap=-1), oci(), files=OPEN), "memory.limit", LOST_BEFORE, "dropped"),
    Case(
        "A03",
        made(docker(Memory=0, MemorySwap=-1), oci(), files=OPEN, hints={"compose": "/srv/compose.yml"}),
        "memory.limit",
        LOST_BEFORE,
        "/srv/compose.yml",
    ),
    Case(
        "A05",
        made(docker(Memory=64 * MIB, MemorySwap=-1), oci(memory=LIMIT), files=FULL, facts=NO_SWAP_ACCOUNTING),
        "memory.swap",
        LOST_BEFORE,
        "without swap accounting",
    ),
    Case(
        "A05 memory",
        made(docker(Memory=64 * MIB, MemorySwap=-1), oci(memory=LIMIT), files=FULL, facts=NO_SWAP_ACCOUNTING),
        "memory.limit",
        ENFORCED,
    ),
    Case("A06", made(docker(Memory=64 * MIB), oci(), files=OPEN), "memory.limit", LOST_BEFORE, "config.json does not"),
    Case(
        "A07",
        made(docker(NanoCpus=500_000_000), oci(cpu={"quota": 50000, "period": 100000}), files={}),
        "cpu.quota",
        LOST_IN,
        "no file for it",
    ),
    Case("A08", made(podman("--memory=64m"), spec(), oci(), version=1, files={}), "memory.limit", LOST_BEFORE),
    Case(
        "A09",
        made(
            podman("-m", "64m"),
            spec(memory=LIMIT),
            oci(memory=LIMIT),
            version=1,
            missing="no cgroup of its own: it is in /",
        ),
        "memory.limit",
        LOST_IN,
        "no cgroup of its own",
    ),
    Case(
        "A11",
        made(podman("--pids-limit=10"), spec(), oci(), version=1, files={"pids.max": "max\n"}),
        "pids.limit",
        LOST_BEFORE,
    ),
    Case("A12", made(podman("--oom-score-adj=500"), spec(), oci()), "oom-score-adj", LOST_BEFORE),
    Case(
        "A15", made(podman("--pids-limit", "10"), spec(), oci(), files={"pids.max": "max"}), "pids.limit", LOST_BEFORE
    ),
    Case("A16", made(docker(Memory=0, MemorySwap=0), oci(), files=OPEN), "memory.limit", None),
    Case(
        "A17",
        made(
            pod(cpu="500m", allocated=True),
            docker(CpuQuota=50000, CpuPeriod=10000),
            oci(cpu={"quota": 50000, "period": 10000}),
            files={"cpu.max": "50000 10000\n"},
        ),
        "cpu.quota",
        LOST_BEFORE,
        "config.json has 5 CPUs",
    ),
    Case(
        "A18",
        made(
            cri(hugepage_limits=[{"page_size": "2MB", "limit": 4 * MIB}]),
            spec(),
            oci(),
            files={"hugetlb.2MB.max": "max\n"},
            above={"hugetlb.2MB.max": f"{4 * MIB}\n"},
        ),
        "hugetlb 2MB",
        CAPPED,
        "/pod holds it",
    ),
    Case(
        "A19",
        made(cri(), oci(unified={"memory.high": str(32 * MIB)}), files={"memory.high": str(64 * MIB)}),
        "memory.high",
        CHANGED,
    ),
    Case("A21", made(oci(pids={"limit": 0}), files={"pids.max": "max\n"}), "pids.limit", UNKNOWN, "0 is unset to crun"),
    Case(
        "A22",
        made(podman("--oom-score-adj=0"), oci(200), process={"oom_score_adj": "200\n"}),
        "oom-score-adj",
        LOST_BEFORE,
        "config.json has 200",
    ),
    Case(
        "B01",
        made(
            podman("-m64m"),
            spec(memory=LIMIT),
            oci(memory=LIMIT),
            missing="no cgroup of its own: its process is in /user",
        ),
        "memory.limit",
        LOST_IN,
        "/user",
    ),
    Case(
        "B02",
        made(podman("-m=64m"), oci(memory=LIMIT), runc(memory=64 * MIB), unit(MemoryMax=str(64 * MIB)), files=OPEN),
        "memory.limit",
        CHANGED,
    ),
    Case("B03", made(oci(cpu={"shares": 512}), runc(memory=0), files={"cpu.weight": "100"}), "cpu.weight", LOST_IN),
    Case("B04 old", made(oci(cpu={"shares": 1024}), files={"cpu.weight": "39\n"}), "cpu.weight", ENFORCED),
    Case("B04 new", made(oci(cpu={"shares": 1024}), files={"cpu.weight": "100\n"}), "cpu.weight", ENFORCED),
    Case("B04 2000 old", made(oci(cpu={"shares": 2000}), files={"cpu.weight": "77\n"}), "cpu.weight", ENFORCED),
    Case("B04 2000 new", made(oci(cpu={"shares": 2000}), files={"cpu.weight": "170\n"}), "cpu.weight", ENFORCED),
    Case("B05", made(oci(cpu={"period": 50000}), runc(), files={"cpu.max": "max 100000"}), "cpu.period", LOST_IN),
    Case(
        "B06",
        made(oci(cpu={"quota": 123456, "period": 100000}), files={"cpu.max": "124000 100000\n"}),
        "cpu.quota",
        ENFORCED,
    ),
    Case(
        "B07",
        made(oci(hugepageLimits=HUGE), files={"hugetlb.2MB.max": str(4 * MIB), "hugetlb.2MB.rsvd.max": "max"}),
        "hugetlb 2MB",
        WEAKER,
        "more can be reserved",
    ),
    Case("B08", made(oci(pids={"limit": 0}), files={"pids.max": "1\n"}), "pids.limit", STRICTER, "use -1"),
    Case(
        "B09",
        made(docker(PidsLimit=None), oci(), unit(TasksMax="9457"), files={"pids.max": "9457\n"}),
        "pids.limit",
        STRICTER,
        "systemd has the same: TasksMax",
    ),
    Case(
        "B10",
        made(oci(pids={"limit": 10}), runc(pids_limit=10), files={"pids.max": "max\n"}),
        "pids.limit",
        CHANGED,
    ),
    Case(
        "B15",
        made(oci(memory=LIMIT), files=OPEN, facts=HostFacts(outside=True)),
        "memory.limit",
        UNKNOWN,
        "cannot be seen",
    ),
    Case("C01 before", _swap("0\n", unit(MemoryMax=str(64 * MIB))), "memory.swap", AT_RISK, "MemorySwapMax=nothing"),
    Case(
        "C01 after",
        _swap("max\n", oci(memory={**LIMIT, "swap": 64 * MIB}), unit(MemoryMax=str(64 * MIB))),
        "memory.swap",
        CHANGED,
    ),
    Case(
        "C03 before",
        made(docker(CpuQuota=50000), oci(cpu={"quota": 50000}), unit(), version=1, files={"cpu.cfs_quota_us": "50000"}),
        "cpu.quota",
        AT_RISK,
        "CPUQuota=nothing",
    ),
    Case(
        "C03 after",
        made(docker(CpuQuota=50000), oci(cpu={"quota": 50000}), unit(), version=1, files={"cpu.cfs_quota_us": "-1"}),
        "cpu.quota",
        CHANGED,
    ),
    Case(
        "C04 ratio kept",
        made(
            oci(cpu={"quota": 200000, "period": 200000}),
            version=1,
            files={"cpu.cfs_quota_us": "100000", "cpu.cfs_period_us": "100000"},
        ),
        "cpu.quota",
        ENFORCED,
    ),
    Case(
        "C04 ratio lost",
        made(
            oci(cpu={"quota": 200000, "period": 200000}),
            version=1,
            files={"cpu.cfs_quota_us": "100000", "cpu.cfs_period_us": "200000"},
        ),
        "cpu.quota",
        STRICTER,
    ),
    Case(
        "C05",
        made(docker(PidsLimit=10), oci(pids={"limit": 10}), unit(), version=1, files={"pids.max": "max"}),
        "pids.limit",
        CHANGED,
    ),
    Case(
        "C06",
        made(
            docker(Memory=32 * MIB, MemorySwap=0),
            oci(memory=LIMIT),
            runc(memory=32 * MIB),
            unit(MemoryMax=str(64 * MIB)),
            files=FULL,
        ),
        "memory.limit",
        CHANGED,
        "systemd has the same: MemoryMax",
    ),
    Case(
        "C08",
        made(podman("-m=64m"), oci(memory=LIMIT), unit(MemoryMax=str(64 * MIB)), files={}),
        "memory.limit",
        CHANGED,
        "no file for it any more",
    ),
    Case(
        "C09",
        made(oci(cpu={"quota": 50000, "period": 100000}), unit(), files={"cpu.max": "50000 100000"}),
        "cpu.quota",
        AT_RISK,
    ),
    Case(
        "C11",
        made(oci(), unit(TasksMax="4915"), files={"pids.max": "4915\n"}),
        "pids.limit",
        STRICTER,
        "nobody asked for it",
    ),
    Case(
        "C13",
        made(
            docker(Memory=64 * MIB),
            oci(memory=LIMIT),
            unit(MemoryLimit=str(64 * MIB)),
            version=1,
            files={"memory.limit_in_bytes": "9223372036854771712\n"},
        ),
        "memory.limit",
        CHANGED,
    ),
    Case(
        "C19",
        made(
            pod(cpu="200m", allocated=True),
            cri(cpu_quota=50000, cpu_period=100000),
            spec(cpu={"quota": 20000, "period": 100000}),
            oci(cpu={"quota": 50000, "period": 100000}),
            runc(cpu_quota=20000, cpu_period=100000),
            files={"cpu.max": "50000 100000"},
        ),
        "cpu.quota",
        CHANGED,
    ),
    Case(
        "C20",
        made(pod(allocated=True), cri(memory_limit_in_bytes=64 * MIB), oci(memory=LIMIT), files=FULL),
        "memory.limit",
        STRICTER,
        "the pod has no such limit any more",
    ),
    Case("C21", made(oci(), files={"memory.min": str(MIB)}), "memory.min", STRICTER, "nobody asked"),
    Case(
        "C22",
        made(pod(exclusive="2-3"), cri(), spec(cpu={"cpus": "2-3"}), oci(), files={"cpuset.cpus": "0-7\n"}),
        "cpuset.cpus",
        CHANGED,
    ),
    Case(
        "C25 pinned",
        made(oci(cpu={"cpus": "0-3"}), version=1, files={"cpuset.cpus": "0-2\n"}, above={"cpuset.cpus": "0-2\n"}),
        "cpuset.cpus",
        CAPPED,
        "/pod has 0-2",
    ),
    Case(
        "C25 alone",
        made(oci(cpu={"cpus": "0-3"}), version=1, files={"cpuset.cpus": "0-2\n"}, above={"cpuset.cpus": "0-3\n"}),
        "cpuset.cpus",
        STRICTER,
    ),
    Case(
        "D01",
        made(oci(blockIO={"weight": 300}), version=1, files={"blkio.bfq.weight": "300"}, facts=MQ),
        "io.weight",
        WEAKER,
        "nothing looks at weights",
    ),
    Case(
        "D01 bfq",
        made(oci(blockIO={"weight": 300}), version=1, files={"blkio.bfq.weight": "300"}, facts=BFQ),
        "io.weight",
        ENFORCED,
    ),
    Case(
        "D02",
        made(
            oci(blockIO={"weight": 300}),
            files={"io.bfq.weight": "default 100"},
            inner={"io.bfq.weight": "default 300"},
            facts=BFQ,
        ),
        "io.weight",
        WEAKER,
        "no siblings",
    ),
    Case(
        "D03",
        made(oci(blockIO=ON_PARTITION), files={"io.max": f"8:1 rbps={MIB} wbps=max riops=max wiops=max"}, facts=MQ),
        "io.rbps 8:1",
        WEAKER,
        "partition",
    ),
    Case(
        "D04",
        made(oci(blockIO=WRITES), version=1, files={"blkio.throttle.write_bps_device": f"8:0 {MIB}\n"}, facts=MQ),
        "io.wbps 8:0",
        WEAKER,
        "direct writes only",
    ),
    Case(
        "D07",
        made(oci(), unit(TasksMax="9830"), files={"pids.max": "9830"}, above={"pids.max": "65535"}),
        "pids.limit",
        STRICTER,
    ),
    Case(
        "D10",
        made(oci(memory=LIMIT), files=FULL, above={"memory.max": str(32 * MIB)}),
        "memory.limit",
        CAPPED,
        "/pod has 32 MiB",
    ),
    Case("D13", made(oci(memory=LIMIT), files=OPEN, inner=FULL), "memory.limit", ENFORCED),
    Case("D14", _swap("0\n", oci(memory={**LIMIT, "swap": 64 * MIB})), "memory.swap", ENFORCED),
    Case("D14 lost", _swap("max\n", oci(memory={**LIMIT, "swap": 64 * MIB})), "memory.swap", CHANGED),
    Case(
        "D15",
        made(
            pod(exclusive="2-3", cpu="2", allocated=True),
            cri(),
            oci(cpu={"cpus": "2-3"}),
            files={"cpu.max": "max 100000", "cpuset.cpus": "2-3"},
        ),
        "cpu.quota",
        ENFORCED,
        "exclusive CPUs",
    ),
)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_reported_loss_gets_its_verdict(case: Case) -> None:
    """What the report's host would show gives the verdict, with the reason."""
    row = judged(case.subject, case.limit)
    assert (row.verdict if row else None) == case.verdict, row
    assert case.why in (row.why if row else "")


def test_no_loss_is_claimed_without_the_runtimes_side() -> None:
    """config.json could not be read (another user's): that a limit is missing there is not known."""
    for subject in (made(docker(Memory=64 * MIB), files=OPEN), made(docker(Memory=64 * MIB), files={})):
        row = judged(subject, "memory.limit")
        assert row is not None
        assert (row.verdict, row.lost) == (UNKNOWN, False)
        assert row.why.startswith("no config.json of it could be read")


def test_container_of_which_nobody_has_a_record() -> None:
    """Only its cgroup is known: what limits there are, not what was asked."""
    row = judged(made(files=FULL), "memory.limit")
    assert row is not None
    assert (row.verdict, row.why) == (UNKNOWN, "its cgroup has 64 MiB; there is no record of what was asked")


def test_systemd_has_no_word_on_memory_and_swap_of_v1() -> None:
    """No unit setting stands for memory.memsw: that the unit has none is no risk."""
    files = {"memory.limit_in_bytes": str(64 * MIB), "memory.memsw.limit_in_bytes": str(128 * MIB)}
    memory = {"limit": 64 * MIB, "swap": 128 * MIB}
    subject = made(oci(memory=memory), unit(MemoryLimit=str(64 * MIB)), version=1, files=files)
    for limit in ("memory.limit", "memory.swap"):
        row = judged(subject, limit)
        assert row is not None
        assert row.verdict == ENFORCED


def test_loss_that_cgshim_itself_accepted() -> None:
    """Under the policy warn cgshim takes a limit out and says so in the bundle: the audit says so, too."""
    change = {"field": "memory.swap", "kind": "guard", "lost": "memory.swap", "reason": "swap is not accounted for"}
    report = json.dumps({"schema": 1, "policy": "warn", "changes": [change]})
    config = oci(memory=LIMIT)
    config = config.changed(value={**config.value, "report": report})
    row = judged(made(config, files=FULL), "memory.swap")
    assert row is not None
    assert (row.verdict, row.why) == (LOST_BEFORE, "cgshim, policy warn: swap is not accounted for")


def test_every_report_is_tested_or_explained() -> None:
    """docs/audit.md has each of the 80 reports: as a test here, or with the reason why it is none."""
    text = (ROOT / "docs" / "audit.md").read_text()
    numbers = {"A": 23, "B": 15, "C": 27, "D": 15}
    every = {f"{letter}{number:02}" for letter, most in numbers.items() for number in range(1, most + 1)}
    tested = {case.name.split()[0] for case in CASES}
    listed = {line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ") and line.count("|") > 3}
    assert every - listed == set()
    marked = {line.split("|")[1].strip() for line in text.splitlines() if "| test |" in line}
    assert marked & every == tested

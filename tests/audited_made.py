"""A container with its records and cgroups, made by hand, for the verdicts."""

from __future__ import annotations

from typing import Any

from shim.audit.after import as_driver, as_family
from shim.audit.row import Row
from shim.audit.subject import AuditedContainer, CgroupLevels, HostFacts, Level
from shim.audit.verdict import rows
from shim.containers.container import ASKED, CONFIG, KUBELET, REMEMBERED, SPEC, SYSTEMD, Container, RecordedLimits
from shim.planning.plan import make_plan
from tests.hosts_made import make_host

MIB = 1 << 20
CONTROLLERS = {"memory": "memory", "cpu": "cpu", "cpuset": "cpuset", "pids": "pids", "io": "io", "blkio": "io"}
PREFIXES = {**CONTROLLERS, "hugetlb": "hugetlb", "devices": "devices"}
ID = "5e" * 32


def record(column: str, kind: str, **value: Any) -> RecordedLimits:
    """One party's word, from a file called after the column."""
    return RecordedLimits(column=column, kind=kind, source=f"/{column}", value=value)


def docker(**host: Any) -> RecordedLimits:
    """hostconfig.json."""
    return record(ASKED, "docker", **host)


def podman(*options: str) -> RecordedLimits:
    """CreateCommand: these options of `podman run`."""
    return record(ASKED, "podman", argv=["podman", "run", *options, "image", "sleep", "--memory=1g"])


def cri(**asked: Any) -> RecordedLimits:
    """CRI's LinuxContainerResources."""
    return record(ASKED, "cri", **asked)


def spec(**resources: Any) -> RecordedLimits:
    """The engine's own copy of the OCI spec."""
    return record(SPEC, "oci", resources=resources)


def config(score: int | None = None, **resources: Any) -> RecordedLimits:
    """config.json."""
    return record(CONFIG, "oci", resources=resources, oom_score_adj=score)


def runc(**groups: Any) -> RecordedLimits:
    """runc's state.json."""
    return record(REMEMBERED, "runc", **groups)


def unit(**settings: str) -> RecordedLimits:
    """systemd's files of the scope."""
    return record(SYSTEMD, "unit", **settings)


def pod(**limits: Any) -> RecordedLimits:
    """The kubelet's files."""
    return record(KUBELET, "pod", **limits)


def made(
    *records: RecordedLimits,
    version: int = 2,
    files: dict[str, str] | None = None,
    inner: dict[str, str] | None = None,
    above: dict[str, str] | None = None,
    missing: str = "",
    facts: HostFacts | None = None,
    process: dict[str, str] | None = None,
    **container: Any,
) -> AuditedContainer:
    """A running container. files: of its own cgroup; inner: of one below it; above: of one above it."""
    kinds = {one.kind: one for one in records}
    engine = next((name for name in ("docker", "podman", "cri") if name in kinds), "runc")
    given = {"id": ID, "name": "web", "engine": engine, "state": "running", "pid": 7, "family": "runc", **container}
    driver = "systemd" if "unit" in kinds else "cgroupfs"
    texts = {"/pod/web": {} if files is None else files, "/pod/web/inner": inner, "/pod": above}
    levels = {name: _hierarchy(name, version, texts, missing) for name in set(PREFIXES.values())}
    asked = next((one.value["resources"] for one in records if one.column == CONFIG), None)
    host = make_host("unified" if version == 2 else "legacy")
    return AuditedContainer(
        container=Container(**{"driver": driver, "records": records, **given}),
        hierarchies=levels,
        process=process or {"oom_score_adj": "0\n"},
        facts=facts or HostFacts(swap=1 << 30, swap_accounting=True),
        plan=make_plan(asked, host, as_family(str(given["family"])), "create", as_driver(driver)) if asked else None,
    )


def _hierarchy(controller: str, version: int, texts: dict[str, dict[str, str] | None], missing: str) -> CgroupLevels:
    """One controller's files of each level."""

    def levels(*paths: str) -> tuple[Level, ...]:
        return tuple(
            Level(path=path, files={n: t for n, t in found.items() if PREFIXES[n.partition(".")[0]] == controller})
            for path in paths
            for found in (texts[path],)
            if found is not None
        )

    own = () if missing else levels("/pod/web", "/pod/web/inner")
    return CgroupLevels(version=version, mount="/sys/fs/cgroup", own=own, above=levels("/pod"), missing=missing)


def judged(subject: AuditedContainer, limit: str) -> Row | None:
    """The row of one limit, None where nothing is said about it."""
    return next((row for row in rows(subject) if row.limit == limit), None)

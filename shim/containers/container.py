"""A container in the inventory: its names, where it runs, and each party's record of its limits."""

from __future__ import annotations

from shim.oci import cgroups_path
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

RUNNING, PAUSED, CREATED, STOPPED, GONE, UNKNOWN = "running", "paused", "created", "stopped", "gone", "unknown"
ALIVE = (RUNNING, PAUSED, CREATED)
# Which engine is shown for a container that several know: the topmost first.
RANKS = ("docker", "cri-o", "cri", "nerdctl", "podman", "buildah", "containerd", "runc", "crun", "unknown")
ASKED, SPEC, CONFIG, REMEMBERED, SYSTEMD, KUBELET = "asked", "spec", "config", "remembered", "systemd", "kubelet"


class RecordedLimits(Value):
    """The record of one party. column: ASKED, SPEC, CONFIG, REMEMBERED, SYSTEMD or KUBELET.

    kind: whose notation: "docker" (HostConfig), "podman" (argv of its create command under "argv"), "cri" (CRI's
    LinuxContainerResources), "oci" (`resources` and `oom_score_adj`), "runc" (its state's config.cgroups), "unit"
    (systemd properties), "pod" (Kubernetes limits). source: the file.
    """

    column: str
    kind: str
    source: str
    value: dict[str, Any]


class Container(Value):
    """One container; an unknown field is "" or 0.

    root: of the runtime's state directory. namespace: containerd's. pod: NAMESPACE/NAME. start: clock ticks since boot
    of the init process. family: "runc", "crun" or "other". driver: "cgroupfs", "systemd" or "disabled".
    recorded: controller ("" for cgroup2) -> cgroup that the runtime recorded.
    helper: infrastructure of an engine (a pod's pause container) that no user asked for.
    problems: what could not be read, one sentence each.
    """

    id: str
    name: str = ""
    engine: str = "unknown"
    namespace: str = ""
    pod: str = ""
    image: str = ""
    state: str = UNKNOWN
    pid: int = 0
    start: int = 0
    bundle: str = ""
    root: str = ""
    runtime: str = ""
    family: str = ""
    driver: str = ""
    cgroups_path: str = ""
    recorded: dict[str, str] = {}  # noqa: RUF012 # a frozen value's default
    helper: bool = False
    user: str = ""
    hints: dict[str, str] = {}  # noqa: RUF012 # named facts for the verdicts: compose files, cgroups mode, pod uid
    records: tuple[RecordedLimits, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The name for people."""
        return self.name or self.id[:12]

    def record(self, column: str) -> RecordedLimits | None:
        """Return the record of a column, None if there is none."""
        return next((record for record in self.records if record.column == column), None)


def key(container: Container) -> tuple[str, str]:
    """Return the identity of a container: a long hexadecimal id is unique, another one is unique only below one
    root.
    """
    unique = len(container.id) == 64 and all(letter in "0123456789abcdef" for letter in container.id)
    return container.id, "" if unique else container.root


def merged(first: Container, second: Container) -> Container:
    """Return two sightings of one container as one; if both know a field, the topmost engine wins."""
    upper, lower = (first, second) if _rank(first) <= _rank(second) else (second, first)
    fields: dict[str, Any] = {}
    for name in Container.__annotations__:
        mine, theirs = getattr(upper, name), getattr(lower, name)
        fields[name] = mine if mine not in ("", 0, UNKNOWN, "other", {}) else theirs or mine
    known = {record.column for record in upper.records}
    fields["records"] = (*upper.records, *(record for record in lower.records if record.column not in known))
    fields["problems"] = tuple(dict.fromkeys((*upper.problems, *lower.problems)))
    fields["hints"] = {**lower.hints, **upper.hints}
    fields["helper"] = upper.helper or lower.helper
    fields["engine"] = upper.engine
    return Container(**fields)


def _rank(container: Container) -> int:
    return RANKS.index(container.engine) if container.engine in RANKS else len(RANKS)


def family_of(runtime: str) -> str:
    """Return the family of a runtime's path or name, judged by its last component."""
    name = runtime.rpartition("/")[2]
    return next((known for known in ("crun", "runc") if known in name), "other" if name else "")


def oci(column: str, source: str, document: dict[str, Any]) -> RecordedLimits:
    """Return the record of a config.json: only its cgroup limits, because it also holds secrets."""
    linux = document.get("linux")
    linux = linux if isinstance(linux, dict) else {}
    process = document.get("process")
    resources = linux.get("resources")
    value = {
        "resources": resources if isinstance(resources, dict) else {},
        "oom_score_adj": process.get("oomScoreAdj") if isinstance(process, dict) else None,
    }
    annotations = document.get("annotations")
    report = annotations.get("io.cgshim.report") if isinstance(annotations, dict) else None
    if isinstance(report, str):
        value["report"] = report
    return RecordedLimits(column=column, kind="oci", source=source, value=value)


def path_of(document: dict[str, Any]) -> str:
    """Return cgroupsPath of a config.json."""
    return cgroups_path.of(document) or ""

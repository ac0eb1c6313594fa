"""A container as the inventory has it: who it is, where it runs, and what each party wrote down about its limits."""

from __future__ import annotations

from shim.oci import cgroups_path
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

RUNNING, PAUSED, CREATED, STOPPED, GONE, UNKNOWN = "running", "paused", "created", "stopped", "gone", "unknown"
ALIVE = (RUNNING, PAUSED, CREATED)
# Who is shown for a container that several know: the topmost engine first.
RANKS = ("docker", "cri-o", "cri", "nerdctl", "podman", "buildah", "containerd", "runc", "crun", "unknown")
ASKED, SPEC, CONFIG, REMEMBERED, SYSTEMD, KUBELET = "asked", "spec", "config", "remembered", "systemd", "kubelet"


class RecordedLimits(Value):
    """What one party wrote down. column: ASKED, SPEC, CONFIG, REMEMBERED, SYSTEMD or KUBELET.

    kind: whose notation: "docker" (HostConfig), "podman" (argv of its create command under "argv"), "cri" (CRI's
    LinuxContainerResources), "oci" (`resources` and `oom_score_adj`), "runc" (its state's config.cgroups), "unit"
    (systemd properties), "pod" (Kubernetes limits). source: the file.
    """

    column: str
    kind: str
    source: str
    value: dict[str, Any]


class Container(Value):
    """One container; what is not known is "" or 0.

    root: of the runtime's state directory. namespace: containerd's. pod: NAMESPACE/NAME. start: clock ticks since boot
    of the init process. family: "runc", "crun" or "other". driver: "cgroupfs", "systemd" or "disabled".
    recorded: controller ("" for cgroup2) -> cgroup that the runtime says it made.
    helper: infrastructure of an engine (a pod's pause container), not asked for by anybody.
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
        """How a person calls it."""
        return self.name or self.id[:12]

    def record(self, column: str) -> RecordedLimits | None:
        """The record of a column, None where nobody kept one."""
        return next((record for record in self.records if record.column == column), None)


def key(container: Container) -> tuple[str, str]:
    """What makes two sightings one container: long hexadecimal ids are unique, others are so below one root only."""
    unique = len(container.id) == 64 and all(letter in "0123456789abcdef" for letter in container.id)
    return container.id, "" if unique else container.root


def merged(first: Container, second: Container) -> Container:
    """Two sightings of one container; where both know something, the topmost engine's word counts."""
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
    """Which runtime a path or a name means, judged by its last component."""
    name = runtime.rpartition("/")[2]
    return next((known for known in ("crun", "runc") if known in name), "other" if name else "")


def oci(column: str, source: str, document: dict[str, Any]) -> RecordedLimits:
    """The record of a config.json: what it asks of cgroups, and nothing else of it (it holds secrets, too)."""
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
    """cgroupsPath of a config.json."""
    return cgroups_path.of(document) or ""

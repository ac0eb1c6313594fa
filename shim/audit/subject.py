"""The input of the verdicts: a container, its cgroups level by level, and facts about the host."""

from __future__ import annotations

from shim.containers.container import Container
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.planning.plan import Plan


class Level(Value):
    """One cgroup. files: interface file -> text, those that exist. path: below the hierarchy's mount."""

    path: str
    files: dict[str, str]


class CgroupLevels(Value):
    """The container in one controller: own levels (its cgroup down to the process's), and those above.

    version: 1, 2, or 0 if the host does not have the controller. missing: why there is no own level, "" if there is.
    """

    version: int
    mount: str = ""
    own: tuple[Level, ...] = ()
    above: tuple[Level, ...] = ()
    missing: str = ""


class HostFacts(Value):
    """Facts about the host that decide what limits achieve.

    swap: bytes of swap space. schedulers: disk `MAJ:MIN` -> its I/O scheduler. partitions: devices that are not whole
    disks. cost: io.cost is on for at least one device. numbers: device path -> `MAJ:MIN`. page: bytes.
    outside: cgroups above the reader's own view cannot be seen.
    """

    swap: int = 0
    swap_accounting: bool | None = None
    schedulers: dict[str, str] = {}  # noqa: RUF012 # a frozen value's default
    partitions: tuple[str, ...] = ()
    cost: bool = False
    numbers: dict[str, str] = {}  # noqa: RUF012
    outside: bool = False


class AuditedContainer(Value):
    """One container with all data for its verdicts. process: files of its init, `oom_score_adj`.

    plan: the rules' plan for its resources on this host under its own runtime; None if it has none.
    """

    container: Container
    hierarchies: dict[str, CgroupLevels]
    process: dict[str, str]
    facts: HostFacts
    plan: Plan | None = None

    def hierarchy(self, controller: str) -> CgroupLevels:
        """Return the controller's hierarchy; for limits without a controller the process itself is the level."""
        if not controller:
            own = (Level(path="", files=self.process),) if self.process else ()
            return CgroupLevels(version=0, own=own, missing="" if own else "the process cannot be read")
        return self.hierarchies.get(controller) or CgroupLevels(version=0, missing=f"no {controller} controller")

"""What detection returns: frozen values that planning and diagnosis read, never the machine itself.

Names are the kernel's: Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst.
"""

from __future__ import annotations

from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing_extensions import Final, Literal

    Layout = Literal["unified", "hybrid", "legacy", "none", "ambiguous"]

UNIFIED: Final = "unified"  # cgroup2 only, mounted where runtimes look for it
HYBRID: Final = "hybrid"  # v1 hierarchies, cgroup2 beside them
LEGACY: Final = "legacy"  # v1 hierarchies only
NONE: Final = "none"  # nothing mounted
AMBIGUOUS: Final = "ambiguous"  # neither; the evidence says what contradicts what


class Fact(Value):
    """One answer with the proof. `value` None means that it could not be found out, and the evidence says why."""

    value: bool | str | int | None
    evidence: str


class Placement(Value):
    """Where one controller lives.

    controller: v2 name where there is one (`io`, not `blkio`); v1-only ones keep theirs (`net_cls`, `devices`).
    version: 1, 2, or 0 for nowhere.
    mount: mount point of its hierarchy, "" for nowhere. cgroup: the cgroup below it that was looked at.
    """

    controller: str
    version: int
    mount: str = ""
    evidence: str = ""


class Host(Value):
    """Everything that planning may know of a host.

    cgroup2_mount: where cgroup2 is mounted ("/sys/fs/cgroup", ".../unified" on hybrid, "" if nowhere).
    cgroup2_controllers: its root's `cgroup.controllers`; not empty on a hybrid host means that crun refuses.
    placements: controller name -> Placement, for every controller known to the OCI runtime-spec.
    interface: interface file name -> does a non-root cgroup of this host have it (None: could not be probed).
        Holds the files that were asked for, nothing else.
    interface_evidence: one line for each of them, `file: path: what was seen`, also why it could not be probed.
    own: this process's cgroups, as shim.host.membership.paths gives them; {} where they cannot be read.
    """

    layout: Layout
    layout_evidence: str
    mount: str = "/sys/fs/cgroup"
    cgroup2_mount: str = ""
    cgroup2_controllers: tuple[str, ...] = ()
    placements: dict[str, Placement]
    interface: dict[str, bool | None]
    interface_evidence: tuple[str, ...] = ()
    swap_accounting: Fact
    swap_present: Fact
    psi: Fact
    cgroup_view: Fact  # "host", "namespace" (a cgroup namespace's root) or "subtree" (a bind of one, as on EKS)
    user_namespace: Fact  # True: not the initial one; the evidence holds uid_map and gid_map
    rootless: Fact
    own: dict[str, str] = {}

    def place(self, controller: str) -> Placement:
        """The controller's placement; one that detection never heard of is nowhere."""
        found = self.placements.get(controller)
        return found or Placement(controller=controller, version=0, evidence=f"{controller}: not detected")

    def version(self, controller: str) -> int:
        """1, 2 or 0 (nowhere)."""
        return self.place(controller).version

    def has(self, name: str) -> bool | None:
        """Does a non-root cgroup have the interface file `name`; None if unknown."""
        return self.interface.get(name)

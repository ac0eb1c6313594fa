"""The results of detection: frozen values for planning and diagnosis, which never read the machine.

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
AMBIGUOUS: Final = "ambiguous"  # neither; the evidence has the contradiction


class Fact(Value):
    """One answer with its proof. value: None if it is unknown; the evidence then says why."""

    value: bool | str | int | None
    evidence: str


class Placement(Value):
    """Where one controller is.

    controller: v2 name where there is one (`io`, not `blkio`); v1-only ones keep theirs (`net_cls`, `devices`).
    version: 1, 2, or 0 for nowhere.
    mount: mount point of its hierarchy, "" for nowhere. cgroup: the cgroup below it that was examined.
    """

    controller: str
    version: int
    mount: str = ""
    evidence: str = ""


class Host(Value):
    """All facts about a host that planning may use.

    cgroup2_mount: where cgroup2 is mounted ("/sys/fs/cgroup", ".../unified" on hybrid, "" if nowhere).
    cgroup2_controllers: its root's `cgroup.controllers`; not empty on a hybrid host means that crun refuses.
    placements: controller name -> Placement, for every controller known to the OCI runtime-spec.
    interface: interface file name -> whether a non-root cgroup of this host has it (None: could not be probed). Has
        only the files that were asked for.
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
    user_namespace: Fact  # True: not the initial one; the evidence has uid_map and gid_map
    rootless: Fact
    own: dict[str, str] = {}  # noqa: RUF012 # a frozen value's default

    def place(self, controller: str) -> Placement:
        """Return the controller's placement; a controller without one is nowhere."""
        found = self.placements.get(controller)
        return found or Placement(controller=controller, version=0, evidence=f"{controller}: not detected")

    def version(self, controller: str) -> int:
        """Return 1, 2 or 0 (nowhere)."""
        return self.place(controller).version

    def has(self, name: str) -> bool | None:
        """Return whether a non-root cgroup has the interface file `name`; None if unknown."""
        return self.interface.get(name)

"""Limits that the policy refuses to lose, by the codes of the planner's notes; no message leads to them.

The text for the user names the field, the fact about the host, and what would not be limited.
"""

from __future__ import annotations

from shim.diagnose.catalogue.own import refusal
from shim.rules import fieldspec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.diagnose.entry import Entry

PARAMETERS = "kernel Documentation/admin-guide/kernel-parameters.txt"
V1_DOC = "kernel Documentation/admin-guide/cgroup-v1"
V2_DOC = "kernel Documentation/admin-guide/cgroup-v2.rst"
POLICY = "The default policy, refuse, starts no container and makes no update that would lose a limit."
ACCEPT = "Or leave the limit out, or accept its loss: policy warn in the settings."
DOCTOR = "cgshimctl doctor shows what this host has and can enforce."
# Those of cgroup v1 alone hold hints, which no policy refuses to lose.
CONTROLLERS = {name: option for name, option in fieldspec.CONTROLLERS.items() if not name.startswith("net_")}


def _nowhere(name: str, option: str) -> Entry:
    return refusal(
        f"{name}-nowhere",
        f"a limit needs the {name} controller, which this host does not have",
        f"No v1 hierarchy on this host has it, and cgroup2 does not offer it. {POLICY}",
        f"Use a kernel with {option}, boot it without {name} in cgroup_disable= or cgroup_no_v1=, and mount it.",
        ACCEPT,
        DOCTOR,
        reference=PARAMETERS,
    )


def _not_enabled(name: str) -> Entry:
    return refusal(
        f"{name}-not-enabled",
        f"a limit needs the {name} controller, which crun never enables",
        f"crun writes only to controllers that it enables for the container, and {name} is not one of them. {POLICY}",
        "Use runc, which enables it.",
        ACCEPT,
        reference=V2_DOC,
    )


ENTRIES = (
    *(_nowhere(name, option) for name, option in CONTROLLERS.items()),
    _not_enabled("rdma"),
    _not_enabled("dmem"),
    refusal(
        "layout-unknown",
        "a limit on a host whose cgroup layout is not understood",
        "cgshim does not know which hierarchy the limit belongs to, so it can neither set it nor read it back. "
        f"{POLICY}",
        "Mount the cgroup file systems where systemd mounts them, /sys/fs/cgroup.",
        ACCEPT,
        DOCTOR,
        reference=V2_DOC,
    ),
    refusal(
        "unified-without-counterpart",
        "a cgroup2 limit has no counterpart on this host's v1 hierarchies",
        f"The configuration was written for cgroup2, and cgroup v1 has no file with this meaning. {POLICY}",
        "Use a host with cgroup2 alone (boot with systemd.unified_cgroup_hierarchy=1).",
        ACCEPT,
        DOCTOR,
        reference=V1_DOC,
    ),
    refusal(
        "swap-unaccounted",
        "a swap limit on a kernel that does not account for swap",
        f"The host has swap, but the kernel has no file that limits it. {POLICY}",
        "Boot with swapaccount=1 (kernels before 6.1), or turn swap off: swapoff -a.",
        ACCEPT,
        reference=PARAMETERS,
    ),
    refusal(
        "cpu-quota-unsupported",
        "a CPU quota on a kernel without bandwidth control",
        f"The kernel was built without CONFIG_CFS_BANDWIDTH. {POLICY}",
        "Use a kernel with CONFIG_CFS_BANDWIDTH.",
        ACCEPT,
        reference="kernel Documentation/scheduler/sched-bwc.rst",
    ),
    refusal(
        "cpu-period-alone",
        "an update of the CPU period without a quota beside it",
        f"crun would remove the quota along with it. {POLICY}",
        "Name cpu.quota in the same update.",
        reference=V2_DOC,
    ),
    refusal(
        "blockio-throttle-unsupported",
        "a limit of block I/O on a kernel without throttling",
        f"The kernel was built without CONFIG_BLK_DEV_THROTTLING. {POLICY}",
        "Use a kernel with CONFIG_BLK_DEV_THROTTLING.",
        ACCEPT,
        reference=f"{V1_DOC}/blkio-controller.rst",
    ),
    refusal(
        "rdma-unread",
        "a limit of RDMA resources that the runtime does not read",
        f"crun ignores linux.resources.rdma. {POLICY}",
        "Use runc, which sets it.",
        ACCEPT,
        reference=f"{V1_DOC}/rdma.rst",
    ),
)

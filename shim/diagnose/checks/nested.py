"""Checks of restrictions that an outer container imposes on this process."""

from __future__ import annotations

from shim.diagnose.facts import CGROUP, SYS_ADMIN, Facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.diagnose.entry import Words

LABELS = ("/proc/self/attr/apparmor/current", "/proc/self/attr/current")
OUTER = ("lxc", "incus", "lxd")
USER_LIMITS = "/proc/sys/user"
KEYS = "/proc/sys/kernel/keys"


def confined_by_lxc(facts: Facts, words: Words) -> tuple[str, ...]:
    """This process has an AppArmor label of LXC, Incus or LXD."""
    return tuple(facts.quote(path) for path in LABELS if any(name in facts.line(path).lower() for name in OUTER))[:1]


def mounts_over_proc(facts: Facts, words: Words) -> tuple[str, ...]:
    """Mounts over parts of /proc that are not proc themselves."""
    below = (one for one in facts.mounts if one.point.startswith("/proc/"))
    return tuple(one.line() for one in below if one.fstype not in ("proc", "binfmt_misc", "autofs"))[:3]


def mounts_over_sys(facts: Facts, words: Words) -> tuple[str, ...]:
    """Read-only mounts, or mounts of foreign file systems, over parts of /sys, if this process is in a user namespace:
    the kernel then allows no new sysfs (mount_too_revealing).
    """
    if not facts.in_user_namespace():
        return ()
    below = (one for one in facts.mounts if one.point.startswith("/sys/") and one.read_only)
    found = tuple(one.line() for one in below)[:3]
    return (facts.quote("/proc/self/uid_map"), *found) if found else ()


def mounts_over_cgroup(facts: Facts, words: Words) -> tuple[str, ...]:
    """A read-only cgroup mount, or a mount over a part of one, if this process is in a user namespace."""
    if not facts.in_user_namespace():
        return ()
    below = (one for one in facts.mounts if one.point.startswith(CGROUP) and one.read_only)
    found = tuple(one.line() for one in below)[:3]
    return (facts.quote("/proc/self/uid_map"), *found) if found else ()


def may_not_mount(facts: Facts, words: Words) -> tuple[str, ...]:
    """This process lacks CAP_SYS_ADMIN, or has an AppArmor label of an outer container."""
    if facts.capable(SYS_ADMIN) is False:
        return (f"/proc/self/status CapEff: {facts.field('CapEff')} (no CAP_SYS_ADMIN)",)
    return confined_by_lxc(facts, words)


def session_keys(facts: Facts, words: Words) -> tuple[str, ...]:
    """A user has as many keys as the kernel allows; root has a quota of its own."""
    most, roots = facts.number(f"{KEYS}/maxkeys"), facts.number(f"{KEYS}/root_maxkeys")
    found = []
    for line in (facts.text("/proc/key-users") or "").splitlines():
        user, _, rest = line.partition(":")
        counts = rest.split()
        held = counts[2].split("/")[0] if len(counts) > 2 else ""
        limit = roots if user.strip() == "0" else most
        if held.isdigit() and limit and int(held) + 2 >= limit:
            found.append(f"/proc/key-users: uid {user.strip()} has {held} keys of {limit}")
    return tuple(found)


def ended_by_kernel(facts: Facts, words: Words) -> tuple[str, ...]:
    """The kernel log has a kill or a denial of a runtime's own process."""
    ours = ("runc:[", 'comm="runc', 'comm="crun', "crun[")
    ended = ("segfault", "DENIED", "type=1326")
    lines = facts.kernel_log().splitlines()
    return tuple(line for line in lines if any(map(line.__contains__, ours)) and any(map(line.__contains__, ended)))[
        -2:
    ]


def no_user_namespaces(facts: Facts, words: Words) -> tuple[str, ...]:
    """User namespaces are switched off by a sysctl."""
    found = []
    for path, least in ((f"{USER_LIMITS}/max_user_namespaces", 1), ("/proc/sys/kernel/unprivileged_userns_clone", 1)):
        value = facts.number(path)
        if value is not None and value < least:
            found.append(f"{path}: {value}")
    return tuple(found)


def without_proc(facts: Facts, words: Words) -> tuple[str, ...]:
    """config.json asks for no mount of proc."""
    listed = facts.config("mounts")
    kinds = [one.get("type") for one in listed or () if isinstance(one, dict)]
    return () if not isinstance(listed, list) or "proc" in kinds else ("config.json mounts: no mount of type proc",)

"""Checks of mounts and hierarchies."""

from __future__ import annotations

import re

from shim.diagnose.facts import CGROUP, Facts
from shim.host.controllers import v2_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.diagnose.entry import Words


def straggler(facts: Facts) -> tuple[str, ...]:
    """cgroup2 beside v1 hierarchies still has a controller, so that crun refuses to run."""
    path = CGROUP + "/unified/cgroup.controllers"
    return (facts.quote(path),) if facts.layout() == "hybrid" and facts.words(path) else ()


def hybrid_with_controllers(facts: Facts, words: Words) -> tuple[str, ...]:
    """As `straggler`, with the alternatives that would work and those that would not."""
    found = straggler(facts)
    return (*found, *_without_v1_code(facts), *_other_runtime(facts)) if found else ()


V1_CODE = {"memory": "CONFIG_MEMCG_V1", "cpuset": "CONFIG_CPUSETS_V1"}
RUNC = ("/usr/local/sbin/runc", "/usr/local/bin/runc", "/usr/sbin/runc", "/usr/bin/runc")


def _without_v1_code(facts: Facts) -> tuple[str, ...]:
    """Kernel options that are off, for controllers that would have to be mounted as v1."""
    release = (facts.view.text("/proc/sys/kernel/osrelease") or "").strip()
    path = f"/boot/config-{release}"
    lines = (facts.view.text(path) or "").splitlines()
    left = facts.words(CGROUP + "/unified/cgroup.controllers")
    unset = [f"# {option} is not set" for name, option in V1_CODE.items() if name in left]
    return tuple(f"{path}: {line}" for line in unset if line in lines)


def _other_runtime(facts: Facts) -> tuple[str, ...]:
    """runc, which works on such a host."""
    return next(((f"installed beside crun: {path}",) for path in RUNC if facts.exists(path)), ())


def devices_missing(facts: Facts) -> tuple[str, ...]:
    """v1 layout without the devices hierarchy, which runc insists on."""
    if facts.layout() not in ("legacy", "hybrid") or facts.v1("devices"):
        return ()
    return ("mountinfo: no cgroup mount carries the devices controller",)


def no_devices(facts: Facts, words: Words) -> tuple[str, ...]:
    """As `devices_missing`."""
    return devices_missing(facts)


def nothing_mounted(facts: Facts) -> tuple[str, ...]:
    """No cgroup file system at /sys/fs/cgroup."""
    top = facts.covering(CGROUP)
    if top is None or facts.layout() != "none" or top.fstype == "tmpfs":
        return ()
    mount = facts.cgroup2()
    if mount is not None:
        return (f"mountinfo: {CGROUP} lies on {top.fstype} at {top.point}; cgroup2 is mounted at {mount.point} only",)
    return (f"mountinfo: {CGROUP} lies on {top.fstype} at {top.point}; no cgroup mount anywhere",)


def no_cgroup_mount(facts: Facts, words: Words) -> tuple[str, ...]:
    """As `nothing_mounted`."""
    return nothing_mounted(facts)


def empty_tmpfs(facts: Facts, words: Words) -> tuple[str, ...]:
    """A tmpfs is mounted at /sys/fs/cgroup with no hierarchy inside."""
    top = facts.covering(CGROUP)
    return (top.line(), "mountinfo: no cgroup mount below it") if top and _bare(facts, top.fstype) else ()


def _bare(facts: Facts, fstype: str) -> bool:
    return fstype == "tmpfs" and facts.layout() == "none"


def no_sys(facts: Facts, words: Words) -> tuple[str, ...]:
    """Nothing is mounted at /sys, so there is no /sys/fs/cgroup."""
    top = facts.covering("/sys")
    if not facts.absent(CGROUP) or (top and top.point == "/sys"):
        return ()
    return ("mountinfo: nothing mounted at /sys", f"{CGROUP}: absent")


def cgroup2_present(facts: Facts, words: Words) -> tuple[str, ...]:
    """A cgroup2 mount that an old runtime cannot parse."""
    found = facts.cgroup2()
    return (found.line(),) if found else ()


def no_systemd_hierarchy(facts: Facts, words: Words) -> tuple[str, ...]:
    """v1 layout without the named hierarchy that old engines look for."""
    if facts.layout() not in ("legacy", "hybrid") or facts.v1("name=systemd"):
        return ()
    return ("mountinfo: no cgroup mount carries name=systemd",)


def said_by_kernel(facts: Facts, words: Words, phrase: str) -> tuple[str, ...]:
    """The kernel log, or the text itself, has `phrase` 'controller'; a controller in the words must be the same one."""
    wanted = words["controller"]
    found = []
    for line in [*facts.kernel_log().splitlines(), words.text]:
        name = line.partition(phrase)[2].strip(" '\"")
        if name and (not wanted or name == wanted):
            found.append(f"kernel log: {phrase.strip()} '{name}'")
    return tuple(dict.fromkeys(found))


def unknown_to_v1(facts: Facts, words: Words) -> tuple[str, ...]:
    """The kernel has no v1 code for the controller."""
    return said_by_kernel(facts, words, "Unknown subsys name")


def disabled_for_v1(facts: Facts, words: Words) -> tuple[str, ...]:
    """The controller was disabled by a boot option."""
    options = [f"{name}={facts.command_line(name)}" for name in ("cgroup_disable", "cgroup_no_v1")]
    given = [f"/proc/cmdline: {option}" for option in options if not option.endswith("=")]
    said = said_by_kernel(facts, words, "Disabled controller")
    wanted = words["controller"]
    named = [line for line in given if wanted and (wanted in line or line.endswith("=all"))]
    return (*said, *named) if said or named else ()


def owned_by_cgroup2(facts: Facts, words: Words) -> tuple[str, ...]:
    """cgroup2 has the controller, so no v1 hierarchy can."""
    name, mount = v2_name(words.controller), facts.cgroup2()
    path = f"{mount.point if mount else CGROUP}/cgroup.controllers"
    return (facts.quote(path),) if name in facts.words(path) else ()


def not_mounted(facts: Facts, words: Words) -> tuple[str, ...]:
    """No v1 hierarchy has the controller, on a host with v1 hierarchies."""
    if facts.layout() not in ("legacy", "hybrid") or facts.v1(words.controller):
        return ()
    return (f"mountinfo: no cgroup mount carries the {words.controller} controller",)


def bare_cpuset(facts: Facts) -> tuple[str, ...]:
    """The v1 cpuset hierarchy is mounted with `noprefix` (cgroup-v1/cpusets.rst)."""
    found = facts.v1("cpuset")
    if found is None or "noprefix" not in found.super_options:
        return ()
    return (f"mountinfo: {found.point} cgroup {','.join(found.super_options)}",)


def only_on_cgroup2(facts: Facts, words: Words) -> tuple[str, ...]:
    """No v1 hierarchy has the controller, because cgroup2 beside them does."""
    missing = not_mounted(facts, words)
    owner = owned_by_cgroup2(facts, words) if missing else ()
    return (*missing, *owner) if owner else ()


def found_elsewhere(facts: Facts, words: Words) -> bool:
    """The path in the message is outside /sys/fs/cgroup: the runtime found a mount of that hierarchy. The same is true
    if runc names an interface file: for a controller that is not mounted it has another message.
    """
    if "`" not in words.text and re.search(r"/[a-z_]+\.[\w.]+: ", words.text):
        return True
    return words["path"].startswith("/") and not words["path"].startswith(CGROUP + "/")


def elsewhere(facts: Facts, words: Words) -> tuple[str, ...]:
    """The controller is mounted, but not under the name that runtimes use."""
    name = words["controller"]
    mount = facts.v1(name)
    usual = f"{CGROUP}/{name}"
    if mount and f"{mount.point}/" in words.text:
        return ()
    return (mount.line(),) if mount and mount.point != usual and facts.absent(f"{usual}/cgroup.procs") else ()


def plain_directories(facts: Facts) -> tuple[str, ...]:
    """Controller directories that are ordinary directories of the tmpfs: limits written there have no effect."""
    if facts.layout() not in ("legacy", "hybrid"):
        return ()
    found = []
    for name in facts.names(CGROUP):
        path = f"{CGROUP}/{name}"
        top = facts.covering(path)
        status = facts.status(path)
        if top and top.fstype == "tmpfs" and status and status.directory and facts.absent(path + "/cgroup.procs"):
            found.append(f"{path}: a directory on {top.fstype}, not a cgroup mount")
    return tuple(found)


def read_only(facts: Facts, words: Words) -> tuple[str, ...]:
    """The path of the failed operation is on a read-only cgroup mount."""
    mount = facts.covering(words["path"])
    return (mount.line(),) if mount and mount.fstype.startswith("cgroup") and mount.read_only else ()


def read_only_anywhere(facts: Facts) -> tuple[str, ...]:
    """Any cgroup mount below /sys/fs/cgroup is read-only."""
    below = (one for one in facts.mounts if one.fstype.startswith("cgroup") and one.point.startswith(CGROUP))
    return tuple(one.line() for one in below if one.read_only)


def above_namespace(facts: Facts, words: Words) -> tuple[str, ...]:
    """This process's own cgroup path leads above its cgroup namespace or does not exist in its view, or its mounts show
    more than its namespace.
    """
    found = []
    for name, path in facts.own.items():
        mount = facts.cgroup2() if not name else facts.v1(name)
        if "/.." in path or (mount and mount.root == "/" and facts.absent(mount.point + path)):
            found.append(f"/proc/self/cgroup: {name or 'cgroup2'}: {path}")
        elif mount and mount.root.startswith("/.."):
            found.append(mount.line())
    return tuple(dict.fromkeys(found))[:3]


def subtree(facts: Facts) -> tuple[str, ...]:
    """A cgroup mount whose root is a subtree of the hierarchy: a bind of a pod's own cgroup."""
    found = []
    for one in facts.mounts:
        if one.fstype.startswith("cgroup") and one.root != "/" and not one.root.startswith("/.."):
            identity = facts.view.identity(one.point)
            inode = f", inode {identity.inode} (a host root has 1)" if identity else ""
            found.append(one.line() + inode)
    return tuple(found[:3])


def pod_subtree(facts: Facts, words: Words) -> tuple[str, ...]:
    """As `subtree`."""
    return subtree(facts)


def nested(facts: Facts, words: Words) -> tuple[str, ...]:
    """This process is in a user namespace, so an outer layer decided what it may have."""
    return (facts.quote("/proc/self/uid_map"),) if facts.in_user_namespace() else ()

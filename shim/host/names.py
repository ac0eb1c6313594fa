"""Foreign names that become paths: interface files, container ids, cgroupsPath, devices.

Each function returns "" for a valid name, otherwise what is wrong with it. Pure. A valid name is one component of a
path; a valid cgroupsPath is a path that does not climb.
"""

from __future__ import annotations

# Bytes. NAME_MAX and PATH_MAX of linux/limits.h, the latter less its NUL.
COMPONENT, PATH = 255, 4095
# Detection and the kernel do some work for each level. The deepest trees of nested engines have about twenty.
LEVELS = 256
# CGROUP_FILE_NAME_MAX of linux/cgroup-defs.h: a controller's name, a dot, a file's name and a NUL.
INTERFACE_FILE = 97
IB_DEVICE, INTERFACE = 63, 15  # IB_DEVICE_NAME_MAX of rdma/ib_verbs.h, IFNAMSIZ of linux/if.h, less their NUL


def interface_file(name: str) -> str:
    """Check `controller.file`, as built by cgroup_file_name() in kernel/cgroup/cgroup.c: letters, digits, `_` and
    dots.
    """
    parts = name.split(".")
    if len(parts) > 1 and len(name) <= INTERFACE_FILE and all(map(_word, parts)):
        return ""
    return "it is not the name of a cgroup interface file"


def _word(part: str) -> bool:
    return part.isascii() and part.replace("_", "a").isalnum()


def container(name: str) -> str:
    """Check a container's id by what runc and crun have in common: one component of a path.

    runc allows only letters, digits and `_+-.`, and refuses the rest itself. crun accepts `..` as an id and then
    removes its root's parent.
    """
    return _unfit(name, COMPONENT)


def _unfit(name: str, most: int) -> str:
    if name in ("", ".", ".."):
        return "it is a directory's own name for itself or its parent" if name else "it is empty"
    for sign, called in (("/", "a slash"), ("\0", "a NUL"), ("\n", "a line end")):
        if sign in name:
            return f"it contains {called}"
    size = len(name.encode("utf-8", "surrogatepass"))
    return f"it has {size} bytes, more than the {most} that are possible" if size > most else ""


def cgroups_path(path: str) -> str:
    """Check `linux.cgroupsPath`, in the cgroupfs or the systemd form."""
    if len(path) > PATH or len(path.encode("utf-8", "surrogatepass")) > PATH:
        return f"it is longer than the {PATH} bytes that a path may have"
    for sign, called in (("\0", "a NUL"), ("\n", "a line end, which no cgroup may have in its name")):
        if sign in path:
            return f"it contains {called}"
    parts = [part for part in path.split("/") if part]
    if ".." in parts:
        return "it contains '..', which runc and crun resolve differently"
    if len(parts) > LEVELS:
        return f"it has {len(parts)} levels, more than the {LEVELS} that are read"
    longest = max(map(len, parts)) if parts else 0
    return f"one of its parts has {longest} characters, more than {COMPONENT}" if longest > COMPONENT else ""


def rdma_device(name: str) -> str:
    """Check a key of `linux.resources.rdma`, which becomes the first word of a line of rdma.max."""
    return _unfit(name, IB_DEVICE) or ("it contains white space" if name.split() != [name] else "")


def network_interface(name: str) -> str:
    """Check `name` of `linux.resources.network.priorities`, by dev_valid_name() in net/core/dev.c."""
    if name in (".", "..") or ":" in name:
        return "it is not the name of a network interface"
    return _unfit(name, INTERFACE) or ("it contains white space" if name.split() != [name] else "")

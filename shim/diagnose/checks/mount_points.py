"""Checks of mount targets: the mount point, the root of the runtime, the devpts of a terminal."""

from __future__ import annotations

import re

from shim.diagnose.checks.mounts import (
    in_the_initial_or_not,
    inside,
    map_line,
    mapped,
    mapped_ids,
    older_than,
    options_of,
    requested,
    root_of,
    upwards,
)
from shim.diagnose.entry import EINVAL
from shim.diagnose.facts import Facts, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.diagnose.entry import Words

WRITE_AND_SEARCH = 0o3


def closed_mount_point(facts: Facts, words: Words) -> tuple[str, ...]:
    """The first directory on the path to the mount point in which the mapped users may not create or find anything."""
    root = root_of(facts)
    uids, gids = mapped_ids(facts, "uid"), mapped_ids(facts, "gid")
    if not root or not uids:
        return ()
    path, start = words["path"], root.rstrip("/")
    whole = inside(facts, _destination(facts, path[len(start) :] if path.startswith(start) else path))
    for directory in upwards(whole)[:-1]:
        found = facts.status(directory)
        last = facts.status(f"{directory.rstrip('/')}/{_next(directory, whole)}") is None
        if directory.startswith(root) and found is not None and not _open_to(found, (uids, gids), last):
            owner = f"{directory}: mode {found.mode:04o}, owner {found.uid}:{found.gid}"
            return (owner, map_line(facts))
    return ()


def _destination(facts: Facts, path: str) -> str:
    """Return `path`, or the destination that ends in it: crun before 1.0 printed only the last part."""
    listed = [str(one.get("destination")) for one in facts.config("mounts") or () if isinstance(one, dict)]
    path = "/" + path.strip("/")
    if any(f"{one}/".startswith(f"{path}/") for one in listed):
        return path
    return next((one for one in listed if one.endswith(path)), path)


def _next(directory: str, whole: str) -> str:
    return whole[len(directory) :].strip("/").split("/")[0]


def _open_to(found: Status, maps: tuple[list[range], list[range]], create: bool) -> bool:
    """Return whether root of the user namespace may search the directory and create files in it
    (user_namespaces(7)).
    """
    known_uid, known_gid = any(found.uid in ids for ids in maps[0]), any(found.gid in ids for ids in maps[1])
    if known_uid and known_gid:
        return True  # CAP_DAC_OVERRIDE applies to inodes whose owner and group are both mapped
    owner = any(ids and ids[0] == found.uid for ids in maps[0])
    group = any(ids and ids[0] == found.gid for ids in maps[1])
    wanted = WRITE_AND_SEARCH if create else 0o1
    return found.mode >> (6 if owner else 3 if group else 0) & wanted == wanted


def foreign_owner(facts: Facts, words: Words) -> tuple[str, ...]:
    """An unmapped owner among the mount's options; for EACCES and EPERM also the existence of a user namespace."""
    if not re.search(EINVAL, words.text, re.IGNORECASE):
        return in_the_initial_or_not(facts, words)
    for option in requested(facts, words).get("options") or ():
        name, _, value = str(option).partition("=")
        mappings = facts.config("linux", f"{name}Mappings") if name in ("uid", "gid") else ()
        if mappings and value.isdigit() and not mapped(int(value), mappings, "containerID"):
            where = requested(facts, words).get("destination")
            return (f"config.json mounts {where}: {option}", f"config.json linux.{name}Mappings: {mappings}")
    return ()


def root_is_file(facts: Facts, words: Words) -> tuple[str, ...]:
    """`root.path` exists and is not a directory."""
    found = facts.status(root_of(facts)) if root_of(facts) else None
    return (f"{root_of(facts)}: a file, not a directory",) if found is not None and not found.directory else ()


def no_mount_at_root(facts: Facts, words: Words) -> tuple[str, ...]:
    """As `root_without_mount`."""
    return root_without_mount(facts)


def root_without_mount(facts: Facts) -> tuple[str, ...]:
    """This process sees no mount at /: it runs in a chroot."""
    if not facts.mounts or any(one.point == "/" for one in facts.mounts):
        return ()
    return ("/proc/self/mountinfo: no mount at /",)


def no_devpts(facts: Facts, words: Words) -> tuple[str, ...]:
    """config.json wants a terminal and mounts no devpts at /dev/pts, or the host has no /dev/ptmx."""
    mounts = [one for one in facts.config("mounts") or () if isinstance(one, dict)]
    at = [one for one in mounts if str(one.get("destination", "")).rstrip("/") in ("/dev", "/dev/pts")]
    if facts.config("process", "terminal") and not any(one.get("type") in ("devpts", "bind") for one in at):
        return ("config.json process.terminal = True", "config.json mounts: no devpts at /dev/pts")
    return () if not facts.absent("/dev/ptmx") or facts.config("mounts") is None else ("/dev/ptmx: absent",)


def ramdisk(facts: Facts, words: Words) -> tuple[str, ...]:
    """The root that this process sees is the initial ramdisk."""
    top = facts.covering("/")
    return (top.line(),) if top and top.fstype in ("rootfs", "ramfs") else ()


def old_for_attributes(facts: Facts, words: Words) -> tuple[str, ...]:
    """A kernel before 5.12, which has no mount_setattr(2)."""
    found = older_than(facts, (5, 12))
    return (*found, *options_of(facts, words)) if found else ()

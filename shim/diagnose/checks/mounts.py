"""Checks of the mounts in config.json."""

from __future__ import annotations

from shim.diagnose.facts import Facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.diagnose.entry import Check, Words

OVERFLOW = 65534  # how an id without a mapping looks from inside (/proc/sys/kernel/overflowuid)


def destination_of(words: Words) -> str:
    """Return the destination of the failed mount: absolute, or relative to the root file system as crun writes it."""
    return "/" + words["destination"].lstrip("/")


def source_of(words: Words) -> str:
    """Return the source of the failed mount, "" if the message has none."""
    return words["source"] or words["path"]


def requested(facts: Facts, words: Words) -> dict[str, Any]:
    """Return the mount of config.json that failed, found by its destination or else by its source; {} if it is not
    there.

    With mount_setattr crun prints the destination, while older versions printed the source.
    """
    listed = [one for one in facts.config("mounts") or () if isinstance(one, dict)]
    source = source_of(words)
    for key, wanted in (("destination", destination_of(words)), ("source", source), ("destination", source)):
        for one in listed:
            if wanted.strip("/") and str(one.get(key, "")).rstrip("/") == wanted.rstrip("/"):
                return one
    return {}


def options_of(facts: Facts, words: Words) -> tuple[str, ...]:
    """Return the options of the failed mount, cut if they are long."""
    options = [str(option) for option in requested(facts, words).get("options") or ()]
    text = ",".join(options)
    return (
        (f"config.json mounts {requested(facts, words).get('destination')}: options {text[:160]}",) if options else ()
    )


def without_namespace(kind: str) -> Check:
    """Evidence: the container has a user namespace of its own, but none of `kind`."""

    def check(facts: Facts, words: Words) -> tuple[str, ...]:
        owned = facts.has_namespace("user") or facts.in_user_namespace()
        if not owned or facts.has_namespace(kind) or facts.config("linux", "namespaces") is None:
            return ()
        return (f"config.json linux.namespaces: a user namespace, but no {kind} namespace",)

    return check


def covered_proc(facts: Facts, words: Words) -> tuple[str, ...]:
    """The /proc of this process has other mounts on top, or is read-only: the kernel then allows no fresh one."""
    below = [one for one in facts.mounts if one.point.startswith("/proc/") and one.fstype != "binfmt_misc"]
    top = [one for one in facts.mounts if one.point == "/proc" and one.read_only]
    return tuple(one.line() for one in [*top, *below][:4])


def unmapped_gid(facts: Facts, words: Words) -> tuple[str, ...]:
    """A devpts mount names a group that the user namespace does not map."""
    mappings = facts.config("linux", "gidMappings") or ()
    for one in facts.config("mounts") or ():
        for option in (one.get("options") or ()) if isinstance(one, dict) and one.get("type") == "devpts" else ():
            name, _, value = str(option).partition("=")
            if name == "gid" and value.isdigit() and mappings and not mapped(int(value), mappings, "containerID"):
                where = f"config.json mounts {one.get('destination')}: gid={value}"
                return (where, f"config.json linux.gidMappings: {mappings}")
    return ()


def missing_component(facts: Facts, words: Words) -> tuple[str, ...]:
    """The first component of the source that does not exist."""
    path = source_of(words)
    if not path.startswith("/") or not facts.absent(path):
        return ()
    known = path
    while known != "/" and facts.absent(known):
        missing, known = known, known.rpartition("/")[0] or "/"
    return (f"{known}: exists", f"{missing}: absent")


def unreachable(facts: Facts, words: Words) -> tuple[str, ...]:
    """The first directory on the path to the source, or to the root, that the container's users may not search."""
    path, uids, gids = source_of(words) or root_of(facts), mapped_ids(facts, "uid"), mapped_ids(facts, "gid")
    if not path.startswith("/") or not uids:
        return ()
    for directory in upwards(path)[:-1]:
        found = facts.status(directory)
        if found is not None and not searchable(found.mode, found.uid, found.gid, (uids, gids)):
            return (
                f"{directory}: mode {found.mode:04o}, owner {found.uid}:{found.gid}",
                map_line(facts),
            )
    return ()


def closed_cgroup(facts: Facts, words: Words) -> tuple[str, ...]:
    """The first cgroup directory on the container's path that its mapped users may not search."""
    uids, gids = mapped_ids(facts, "uid"), mapped_ids(facts, "gid")
    for directory in facts.lineage(facts.directory()):
        found = facts.status(directory)
        if uids and found is not None and not searchable(found.mode, found.uid, found.gid, (uids, gids)):
            umask = facts.field("Umask")
            return (
                f"{directory}: mode {found.mode:04o}, owner {found.uid}:{found.gid}",
                map_line(facts),
                *((f"/proc/self/status Umask: {umask}",) if umask else ()),
            )
    return ()


def searchable(mode: int, uid: int, gid: int, maps: tuple[list[range], list[range]]) -> bool:
    """Return whether root of a user namespace with these host id ranges may search the directory
    (user_namespaces(7)).
    """
    mapped_uid = any(uid in ids for ids in maps[0])
    mapped_gid = any(gid in ids for ids in maps[1])
    if mapped_uid and mapped_gid:
        return True  # CAP_DAC_READ_SEARCH applies to inodes whose owner and group are both mapped
    owner = any(ids and ids[0] == uid for ids in maps[0])
    group = any(ids and ids[0] == gid for ids in maps[1])
    return bool(mode & (0o100 if owner else 0o010 if group else 0o001))


def kinds(source_is_directory: bool) -> Check:
    """Evidence: source and destination differ: one is a directory, the other is not."""

    def check(facts: Facts, words: Words) -> tuple[str, ...]:
        source, target = facts.status(source_of(words)), facts.status(inside(facts, destination_of(words)))
        if source is None or target is None or source.directory == target.directory:
            return ()
        names = {True: "a directory", False: "not a directory"}
        lines = (
            f"{source_of(words)}: {names[source.directory]}",
            f"{inside(facts, destination_of(words))}: {names[target.directory]}",
        )
        return lines if source.directory == source_is_directory else ()

    return check


def file_in_the_way(facts: Facts, words: Words) -> tuple[str, ...]:
    """A component of the destination is a file."""
    path = words["path"]
    root = root_of(facts)
    for directory in upwards(path if root and path.startswith(root) else inside(facts, path))[:-1]:
        found = facts.status(directory)
        if found is not None and not found.directory:
            return (f"{directory}: a file, not a directory",)
    return ()


def over_root(facts: Facts, words: Words) -> tuple[str, ...]:
    """A mount has / as its destination."""
    listed = [one for one in facts.config("mounts") or () if isinstance(one, dict)]
    return tuple(f"config.json mounts /: source {one.get('source')}" for one in listed if one.get("destination") == "/")


def inside(facts: Facts, destination: str) -> str:
    """Return the host's path of a destination in the container."""
    return root_of(facts).rstrip("/") + "/" + destination.lstrip("/")


def root_of(facts: Facts) -> str:
    """Return `root.path`, absolute."""
    root = str(facts.config("root", "path") or "")
    return root if root.startswith("/") or not root else f"{facts.context.bundle}/{root}"


def root_problem(facts: Facts, words: Words) -> tuple[str, ...]:
    """`root.path` and what is at it."""
    root = root_of(facts)
    if not root or not facts.absent(root):
        return ()
    return (f"config.json root.path = {facts.config('root', 'path')!r}", f"{root}: absent")


def root_is_no_mount(facts: Facts, words: Words) -> tuple[str, ...]:
    """`root.path` is the host's own root."""
    root = root_of(facts)
    return (f"config.json root.path = {root!r}",) if root.rstrip("/") == "" and root else ()


def unknown_filesystem(facts: Facts, words: Words) -> tuple[str, ...]:
    """The type of the mount is not in /proc/filesystems."""
    kind = str(requested(facts, words).get("type", ""))
    known = facts.words("/proc/filesystems")
    return (f"/proc/filesystems: no {kind}",) if kind and known and kind not in known else ()


def overlay_directories(facts: Facts, words: Words) -> tuple[str, ...]:
    """A lower, upper or work directory of the overlay does not exist."""
    found = []
    for option in requested(facts, words).get("options") or ():
        name, _, value = str(option).partition("=")
        for path in value.split(":") if name in ("lowerdir", "upperdir", "workdir") else ():
            if path and facts.absent(path):
                found.append(f"{name} {path}: absent")
    return tuple(found)


def too_long(facts: Facts, words: Words) -> tuple[str, ...]:
    """The options leave no room for the NUL in the page that mount(2) copies."""
    length = len(",".join(str(option) for option in requested(facts, words).get("options") or ()))
    wanted = destination_of(words)
    page = facts.page_size()
    return (f"config.json mounts {wanted}: options of {length} bytes, a page is {page}",) if length >= page else ()


def in_the_initial_or_not(facts: Facts, words: Words) -> tuple[str, ...]:
    """The container, or the caller, is in a user namespace."""
    if facts.in_user_namespace():
        return (facts.quote("/proc/self/uid_map"),)
    mappings = facts.config("linux", "uidMappings")
    return (f"config.json linux.uidMappings: {mappings}",) if mappings else ()


def old_for_overlay(facts: Facts, words: Words) -> tuple[str, ...]:
    """A user namespace on a kernel before 5.11."""
    where = in_the_initial_or_not(facts, words)
    return (*older_than(facts, (5, 11)), *where) if where and older_than(facts, (5, 11)) else ()


def older_than(facts: Facts, wanted: tuple[int, int]) -> tuple[str, ...]:
    """A kernel before this version."""
    version = facts.line("/proc/sys/kernel/osrelease")
    numbers = tuple(int(part) for part in version.split("-")[0].split(".")[:2] if part.isdigit())
    return (f"/proc/sys/kernel/osrelease: {version}",) if numbers and numbers < wanted else ()


def shared_sys(facts: Facts, words: Words) -> tuple[str, ...]:
    """The container shares the host's network, so engines bind /sys with cgroup2 already in it."""
    binds = [one for one in facts.config("mounts") or () if isinstance(one, dict) and one.get("destination") == "/sys"]
    bound = [one for one in binds if one.get("type") == "bind"]
    return (f"config.json mounts /sys: {bound[0].get('source')}, {bound[0].get('options')}",) if bound else ()


def label_support(path: str, name: str, field: tuple[str, ...]) -> Check:
    """Evidence: config.json asks for a label and the kernel has no `path` of that security module."""

    def check(facts: Facts, words: Words) -> tuple[str, ...]:
        label = facts.config(*field)
        asked = (f"config.json {'.'.join(field)} = {label!r}",) if label else ()
        return (*asked, f"{path}: absent ({name} is off)") if asked and facts.absent(path) else ()

    return check


def not_shared(facts: Facts, words: Words) -> tuple[str, ...]:
    """The mount that holds the source is private."""
    mount = facts.covering(source_of(words) or "/")
    return (mount.line(),) if mount and not any(peer.startswith("shared:") for peer in mount.peers) else ()


def mapped_ids(facts: Facts, kind: str) -> list[range]:
    """Return the file ids that the container's users own or may own, as stat(2) shows them to this process."""
    listed = facts.config("linux", f"{kind}Mappings")
    if not listed and facts.in_user_namespace():
        rows = [line.split() for line in (facts.text(f"/proc/self/{kind}_map") or "").splitlines()]
        return [
            range(int(row[0]), min(int(row[0]) + int(row[2]), OVERFLOW))
            for row in rows
            if len(row) == 3 and all(map(str.isdigit, row))
        ]
    found = []
    for one in listed or ():
        if isinstance(one, dict) and isinstance(one.get("hostID"), int) and isinstance(one.get("size"), int):
            found.append(range(one["hostID"], one["hostID"] + one["size"]))
    return found


def map_line(facts: Facts) -> str:
    """Return the ids of the container's users on the host."""
    mappings = facts.config("linux", "uidMappings")
    return f"config.json linux.uidMappings: {mappings}" if mappings else facts.quote("/proc/self/uid_map")


def mapped(number: int, mappings: Any, key: str) -> bool:
    """Return whether `number` is in one of the mappings, on the side of `key` ("containerID" or "hostID")."""
    known = [one for one in mappings if isinstance(one, dict)]
    return any(one.get(key, 0) <= number < one.get(key, 0) + one.get("size", 0) for one in known)


def upwards(path: str) -> tuple[str, ...]:
    """Return every directory from the root to `path`, both included."""
    found = ["/"]
    for name in path.split("/"):
        if name:
            found.append(f"{found[-1].rstrip('/')}/{name}")
    return tuple(found)

"""Checks of the cgroup2 tree: types, enabled controllers, processes, tree limits, freezing."""

from __future__ import annotations

from shim.diagnose.facts import Facts
from shim.host.controllers import v1_name, v2_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.diagnose.entry import Words


def vanishing_point(facts: Facts, controller: str) -> tuple[str, ...]:
    """The first level on the container's path at which `controller` is not enabled for the children."""
    path = _vanishes_in(facts, controller)
    return (f"{facts.quote(path)} (no {v2_name(controller)})",) if path else ()


def _vanishes_in(facts: Facts, controller: str) -> str:
    if facts.layout() != "unified":
        return ""
    name = v2_name(controller)
    for directory in facts.lineage(facts.directory())[:-1]:
        for file in ("cgroup.controllers", "cgroup.subtree_control"):
            path = f"{directory}/{file}"
            if facts.text(path) is not None and name not in facts.words(path):
                return path
    return ""


def not_enabled(facts: Facts, words: Words) -> tuple[str, ...]:
    """As `vanishing_point`, for the controller of the message."""
    return vanishing_point(facts, words.controller)


def disabled_at_boot(facts: Facts, words: Words) -> tuple[str, ...]:
    """cgroup_disable= on the kernel command line names the controller."""
    name = words.controller
    given = facts.command_line("cgroup_disable").split(",")
    return (f"/proc/cmdline: cgroup_disable={','.join(given)}",) if name in given else ()


def owned_by_v1(facts: Facts, words: Words) -> tuple[str, ...]:
    """The controller is bound to a v1 hierarchy, so cgroup2 cannot have it."""
    name = v1_name(words.controller)
    if facts.layout() != "unified" or name not in facts.own:
        return ()
    mount = facts.cgroup2()
    line = facts.quote(f"{mount.point if mount else ''}/cgroup.controllers")
    return (f"/proc/self/cgroup: {name}:{facts.own[name]} (a v1 hierarchy)", line)


def not_delegated(facts: Facts, words: Words) -> tuple[str, ...]:
    """The level that does not enable the controller belongs to systemd's user manager or to this user."""
    where = vanishing_point(facts, words.controller)
    own = facts.own.get("", "")
    users = "/user@" in own or "user.slice" in own
    return (
        (*where, f"/proc/self/cgroup: {own}")
        if where and (users or facts.field("Uid").split()[:1] not in ([], ["0"]))
        else ()
    )


def threaded(facts: Facts, words: Words) -> tuple[str, ...]:
    """The container's cgroup or an ancestor is not an ordinary domain. Names the processes that made crun turn the
    subtree into a threaded one.
    """
    above = facts.lineage(facts.directory())
    crowds = (
        (one, facts.words(one + "/cgroup.procs"))
        for one in above
        if facts.line(one + "/cgroup.type") == "domain threaded"
    )
    named = (f"{one}/cgroup.procs: {len(crowd)} process(es), {' '.join(crowd[:5])}" for one, crowd in crowds if crowd)
    return (*_odd_types(facts, above), *named)


def named_type(facts: Facts, words: Words) -> tuple[str, ...]:
    """The cgroup of the message, or its parent if it is gone, is not an ordinary domain. Its processes and enabled
    controllers explain why.
    """
    directory = words["path"].rstrip("/")
    directory = directory.rpartition("/cgroup.")[0] or directory
    above = directory.rpartition("/")[0]
    gone = facts.text(f"{directory}/cgroup.type") is None  # runc removes the cgroup that it made
    found = _odd_types(facts, (above if gone else directory,))
    for one in (directory, above) if found else ():
        crowd = facts.words(one + "/cgroup.procs")
        if crowd and facts.words(one + "/cgroup.subtree_control"):
            found += (f"{one}/cgroup.procs: {len(crowd)} process(es)", facts.quote(one + "/cgroup.subtree_control"))
    return found


def _odd_types(facts: Facts, directories: tuple[str, ...]) -> tuple[str, ...]:
    paths = (f"{directory}/cgroup.type" for directory in directories)
    return tuple(facts.quote(path) for path in paths if facts.line(path) not in ("", "domain"))


def has_children(facts: Facts, words: Words) -> tuple[str, ...]:
    """The cgroup of the message enables controllers for its children, so it may not contain processes."""
    path = words["directory"] + "cgroup.subtree_control" if words["directory"] else ""
    return (facts.quote(path),) if facts.words(path) else ()


def has_processes(facts: Facts, words: Words) -> tuple[str, ...]:
    """The cgroup that should enable the controller for its children contains processes, so it may not."""
    path = words["path"] or _vanishes_in(facts, words.controller)
    directory = path.rpartition("/cgroup.")[0]
    mount = facts.cgroup2()
    if not directory or (mount and mount.point == directory and mount.root == "/"):
        return ()
    count = len(facts.words(f"{directory}/cgroup.procs"))
    return (
        (f"{directory}/cgroup.procs: {count} process(es)", facts.quote(f"{directory}/cgroup.subtree_control"))
        if count
        else ()
    )


def tree_limit(facts: Facts, words: Words) -> tuple[str, ...]:
    """An ancestor limits the depth or the number of cgroups below it."""
    found = []
    for directory in facts.lineage(words["path"])[:-1]:
        for file in ("cgroup.max.descendants", "cgroup.max.depth"):
            if facts.line(f"{directory}/{file}") not in ("", "max"):
                found += [facts.quote(f"{directory}/{file}"), facts.quote(f"{directory}/cgroup.stat")]
    return tuple(found)


def occupied(facts: Facts, words: Words) -> tuple[str, ...]:
    """The container's cgroup already contains processes."""
    path = facts.directory() + "/cgroup.procs"
    count = len(facts.words(path))
    return (f"{path}: {count} process(es)",) if count else ()


def frozen_ancestors(facts: Facts) -> tuple[str, ...]:
    """Frozen cgroups on the container's path, v2 and v1; a task that enters one stops forever."""
    found = []
    for directory in facts.lineage(facts.directory()):
        if facts.layout() == "unified" and facts.line(f"{directory}/cgroup.freeze") == "1":
            found.append(f"{directory}/cgroup.freeze: 1")
    for directory in facts.lineage(facts.directory("freezer")):
        if facts.layout() != "unified" and facts.line(f"{directory}/freezer.state") in ("FROZEN", "FREEZING"):
            found.append(facts.quote(f"{directory}/freezer.state"))
    return tuple(found)


def frozen(facts: Facts, words: Words) -> tuple[str, ...]:
    """As `frozen_ancestors`."""
    return frozen_ancestors(facts)


def root_path(facts: Facts, words: Words) -> tuple[str, ...]:
    """`linux.cgroupsPath` is empty or the root."""
    wanted = facts.context.cgroups_path
    return (f"config.json linux.cgroupsPath = {wanted!r}",) if wanted is not None and not wanted.strip("/") else ()


def escaping_path(facts: Facts, words: Words) -> tuple[str, ...]:
    """`linux.cgroupsPath` contains `..`."""
    wanted = facts.context.cgroups_path or ""
    return (f"config.json linux.cgroupsPath = {wanted!r}",) if ".." in wanted.split("/") else ()


def not_unified(facts: Facts, words: Words) -> bool:
    """The key of the message is not in the config.json that was read. Without one: the message does not name it."""
    if facts.context.config is None:
        return not words["key"]
    return not unified_key(facts, words)


def unified_key(facts: Facts, words: Words) -> tuple[str, ...]:
    """The key of the message is in `linux.resources.unified`."""
    key = words["key"] or words["file"]
    values = facts.resource("unified")
    if not isinstance(values, dict) or key not in values:
        return ()
    return (f"config.json linux.resources.unified[{key!r}] = {values[key]!r}",)

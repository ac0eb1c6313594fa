"""Checks of cgroups that are gone."""

from __future__ import annotations

from shim.diagnose.facts import Facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.diagnose.entry import Words


def gone(facts: Facts, words: Words) -> tuple[str, ...]:
    """The cgroup of the message does not exist, although its hierarchy is mounted there.

    An ancestor below the mount point must exist: otherwise the text may be about another host. If the words have other
    causes, too, this counts only for update and exec: after a failed start every runtime removes the cgroup.
    """
    if not words.proven and facts.context.command not in ("update", "exec"):
        return ()
    path = words["path"].rstrip("/")
    mount = facts.covering(path)
    if mount is None or not mount.fstype.startswith("cgroup") or path == mount.point or not facts.absent(path):
        return ()
    parts = path[len(mount.point) :].strip("/").split("/")
    first = f"{mount.point.rstrip('/')}/{parts[0]}"
    if len(parts) > 1 and not facts.exists(first):
        return ()
    return (mount.line(), f"{path}: absent")

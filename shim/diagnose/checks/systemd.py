"""Checks of the systemd cgroup driver."""

from __future__ import annotations

from shim.diagnose.facts import Facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.diagnose.entry import Words

RUNNING = "/run/systemd/system"


def path_form(facts: Facts, words: Words) -> tuple[str, ...]:
    """`linux.cgroupsPath` is not a slice:prefix:name."""
    wanted = facts.context.cgroups_path
    return (f"config.json linux.cgroupsPath = {wanted!r}",) if wanted and wanted.count(":") != 2 else ()


def slice_form(facts: Facts, words: Words) -> tuple[str, ...]:
    """`linux.cgroupsPath` is a slice:prefix:name; the quoted slice is its first part."""
    wanted = facts.context.cgroups_path
    return (f"config.json linux.cgroupsPath = {wanted!r}",) if wanted and wanted.count(":") == 2 else ()


def not_running(facts: Facts, words: Words) -> tuple[str, ...]:
    """systemd does not run on this host, by the test of sd_booted(3)."""
    if not facts.absent(RUNNING):
        return ()
    return (f"{RUNNING}: absent", f"/proc/1/comm: {facts.line('/proc/1/comm') or 'unreadable'}")


def running(facts: Facts, words: Words) -> tuple[str, ...]:
    """systemd runs on this host."""
    return (f"{RUNNING}: present",) if facts.exists(RUNNING) else ()


def no_user_bus(facts: Facts, words: Words) -> tuple[str, ...]:
    """The bus in the message does not exist. If it names none: this user has no runtime directory with a bus in it.

    A missing bus of root proves nothing: the container's user is another one.
    """
    uid = (facts.field("Uid").split() or [""])[0]
    path = words["path"] or (f"/run/user/{uid}/bus" if uid not in ("", "0") else "")
    return (f"{path}: absent",) if path and facts.absent(path) else ()


def is_root(facts: Facts, words: Words) -> bool:
    """The caller is root, whose bus is the system's."""
    return facts.field("Uid").split()[1:2] == ["0"] and not facts.in_user_namespace()

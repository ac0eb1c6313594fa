"""Checks of the systemd cgroup driver."""

from __future__ import annotations

from shim.diagnose.facts import Facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.diagnose.entry import Words

RUNNING = "/run/systemd/system"


def path_form(facts: Facts, words: Words) -> tuple[str, ...]:
    """`linux.cgroupsPath` is no slice:prefix:name."""
    wanted = facts.context.cgroups_path
    return (f"config.json linux.cgroupsPath = {wanted!r}",) if wanted and wanted.count(":") != 2 else ()


def slice_form(facts: Facts, words: Words) -> tuple[str, ...]:
    """`linux.cgroupsPath` is a slice:prefix:name; the quoted slice is its first part."""
    wanted = facts.context.cgroups_path
    return (f"config.json linux.cgroupsPath = {wanted!r}",) if wanted and wanted.count(":") == 2 else ()


def not_running(facts: Facts, words: Words) -> tuple[str, ...]:
    """systemd does not run on this host, by the test that sd_booted(3) makes."""
    if facts.exists(RUNNING):
        return ()
    return (f"{RUNNING}: absent", f"/proc/1/comm: {facts.line('/proc/1/comm') or 'unreadable'}")


def running(facts: Facts, words: Words) -> tuple[str, ...]:
    """systemd runs on this host."""
    return (f"{RUNNING}: present",) if facts.exists(RUNNING) else ()


def no_user_bus(facts: Facts, words: Words) -> tuple[str, ...]:
    """This user has no runtime directory with a bus in it."""
    uid = (facts.field("Uid").split() or [""])[0]
    path = f"/run/user/{uid}/bus"
    return (f"{path}: absent",) if uid and not facts.exists(path) else ()

"""Checks of a node's kernel."""

from __future__ import annotations

from shim.diagnose.facts import Facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.diagnose.entry import Words


def switched_off(facts: Facts, words: Words) -> tuple[str, ...]:
    """A boot option disables the controller, or the kernel lists it as disabled."""
    name = words.controller.lower()
    if not name:
        return ()
    found = []
    if name in facts.command_line("cgroup_disable").split(","):
        found.append(f"/proc/cmdline: cgroup_disable={facts.command_line('cgroup_disable')}")
    for line in (facts.text("/proc/cgroups") or "").splitlines():
        parts = line.split()
        if len(parts) == 4 and parts[0] == name and parts[3] == "0":
            found.append(f"/proc/cgroups: {' '.join(parts)} (enabled: 0)")
    return tuple(found)


def hidden_from_v1(facts: Facts, words: Words) -> tuple[str, ...]:
    """cgroup2 offers the controller, and /proc/cgroups does not list it."""
    name, mount, listed = words.controller.lower(), facts.cgroup2(), facts.text("/proc/cgroups")
    path = f"{mount.point if mount else ''}/cgroup.controllers"
    if listed is None or name not in facts.words(path) or any(row.split()[:1] == [name] for row in listed.splitlines()):
        return ()
    return (facts.quote(path), f"/proc/cgroups: no {name}")

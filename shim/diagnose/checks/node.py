"""Checks of a node's kernel."""

from __future__ import annotations

from shim.diagnose.facts import Facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.diagnose.entry import Words


def switched_off(facts: Facts, words: Words) -> tuple[str, ...]:
    """A boot option switches the controller off, or the kernel lists it as disabled."""
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

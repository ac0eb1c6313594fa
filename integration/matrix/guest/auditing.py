"""`audit`: what cgshimctl audit says of a raw runtime's container on this layout, beside what the files say.

The files are read by the guest's own code (cgroups.py); judged on the host by measured.py.
"""

from __future__ import annotations

import os

from integration.matrix.guest import cgroups, container
from integration.matrix.guest.container import Container, Way

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

M = 1 << 20
HOST_ROOT = 1  # inode of the root of a cgroup file system; what is mounted from further down has another
PIDS = {"pids": {"limit": 50}}
# Of what a layout cannot take at all the bare runtime starts no container; then the next is tried.
ASKED: tuple[dict[str, Any], ...] = (
    {"memory": {"limit": 64 * M}, "cpu": {"shares": 512, "quota": 50000, "period": 100000}, **PIDS},
    {"cpu": {"shares": 512, "quota": 50000, "period": 100000}, **PIDS},
    PIDS,
)


def measure(way: Way, parent: str) -> Iterator[dict[str, Any]]:
    """As the runtime made it, and after pids.max was changed behind its back."""
    for resources in ASKED:
        with Container(way, resources, parent) as held:
            result = held.create("run")
            if result.status:
                continue
            common = {"runtime": way.runtime, "through": way.through, "resources": resources}
            yield {"asked": "created", **common, **_audited(held)}
            for directory in cgroups.directories(held.pid(), held.path).values():
                _open_up(directory)
            yield {"asked": "changed", **common, **_audited(held)}
            return
    yield {"asked": "nothing", "runtime": way.runtime, "through": way.through, "text": result.text[-500:]}


def _open_up(directory: str) -> None:
    try:
        with open(f"{directory}/pids.max", "r+") as file:
            file.write("max")
    except FileNotFoundError:
        return  # another hierarchy


def _scope(held: Container) -> dict[str, str]:
    """With systemd crun puts the process one below the scope, and both have limits."""
    above = [os.path.split(directory) for directory in cgroups.directories(held.pid(), held.path).values()]
    found: dict[str, str] = {}
    for scope, name in above:
        if name == "container" and scope.endswith(".scope"):
            found.update(cgroups.settings(scope))
    return found


def _audited(held: Container) -> dict[str, Any]:
    """The audit's rows of this container, and the files."""
    from shim.audit.subjects import facts_of, host_of, subjects
    from shim.audit.verdict import rows
    from shim.containers.inventory import inventory
    from shim.containers.tree import HostTree
    from shim.host.view import View

    tree = HostTree()
    found = inventory(tree, (f"{container.RUN}/state",))
    host = host_of(View(), found.containers)
    judged = list(subjects(tree, host, found, facts_of(tree, host, found.containers)))
    mine = [one for one in judged if one.container.id == held.name]
    return {
        "found": len(mine),
        "rows": {row.limit: [row.verdict, row.kernel] for one in mine for row in rows(one)},
        "files": held.settings(),
        "scope": _scope(held),
        "outside": any(os.stat(hierarchy.mount).st_ino != HOST_ROOT for hierarchy in cgroups.hierarchies()),
    }

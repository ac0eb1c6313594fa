"""The inventory with all data for the verdicts: the kernel's values, facts about the host, the rules' plans."""

from __future__ import annotations

import os
import stat

from shim.audit import command
from shim.audit.after import as_driver, as_family
from shim.audit.levels import Kernel
from shim.audit.subject import AuditedContainer, HostFacts
from shim.containers.container import CONFIG, GONE, REMEMBERED, SPEC
from shim.host.detect import detect
from shim.oci import checks
from shim.planning.plan import make_plan, wanted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterable, Iterator

    from shim.containers.container import Container
    from shim.containers.inventory import Inventory
    from shim.containers.tree import HostTree
    from shim.host.facts import Host
    from shim.host.view import View
    from shim.planning.plan import Plan


def resources_of(container: Container) -> dict[str, Any]:
    """Return linux.resources as passed to the runtime, or the engine's own copy if there is no bundle.

    {} for resources that no runtime can read: the rules do not accept values of a wrong type.
    """
    for column in (CONFIG, SPEC):
        record = container.record(column)
        if record is not None and record.kind == "oci":
            found: dict[str, Any] = record.value["resources"]
            return {} if checks.check(found, "resources") else found
    return {}


def host_of(view: View, containers: Iterable[Container]) -> Host:
    """Return one host for all: its facts, and the interface files that the rules need for any of the containers."""
    names = dict.fromkeys(name for container in containers for name in wanted(resources_of(container)))
    return detect(view, tuple(names), writable=False)


def subjects(tree: HostTree, host: Host, found: Inventory, facts: HostFacts) -> Iterator[AuditedContainer]:
    """Yield each container, read now; one that ends meanwhile has no levels."""
    kernel = Kernel(tree, host)
    planned: dict[str, Plan] = {}
    for known in found.containers:
        container = known
        text = found.cgroups.get(container.pid, "") if container.pid else ""
        score = tree.text(f"/proc/{container.pid}/oom_score_adj") if text else None
        hierarchies = kernel.hierarchies(container, text) if text else {}
        if text and tree.text(f"/proc/{container.pid}/cgroup") != text:
            # It ended (or moved) while its cgroups were read: the data are inconsistent.
            why = f"process {container.pid} ended while it was looked at"
            container = container.changed(state=GONE, pid=0, problems=(*container.problems, why))
        yield AuditedContainer(
            container=container,
            hierarchies=hierarchies,
            process={"oom_score_adj": score} if score is not None else {},
            facts=facts,
            plan=_plan(planned, container, host),
        )


def _plan(planned: dict[str, Plan], container: Container, host: Host) -> Plan | None:
    """Return the rules' plan. Containers of a kind have the same resources, so equal plans are made once."""
    resources = {name: value for name, value in resources_of(container).items() if name != "devices"}
    if not resources:
        return None
    family, driver = as_family(container.family), as_driver(container.driver)
    key = f"{family} {driver} {resources!r}"
    if key not in planned:
        planned[key] = make_plan(resources, host, family, "create", driver)
    return planned[key]


def facts_of(tree: HostTree, host: Host, containers: Iterable[Container]) -> HostFacts:
    """Return the facts about the host that decide what limits achieve."""
    schedulers, partitions, cost = {}, [], ""
    for name in tree.names("/sys/dev/block"):
        base = f"/sys/dev/block/{name}"
        text = tree.text(f"{base}/queue/scheduler")
        if text is not None and not tree.names(f"{base}/slaves"):
            schedulers[name] = text.partition("[")[2].partition("]")[0] or text.strip()
        elif tree.text(f"{base}/partition") is not None or tree.names(f"{base}/slaves"):
            partitions.append(name)
    if host.cgroup2_mount:
        cost = tree.text(f"{host.cgroup2_mount}/io.cost.qos") or ""
    swaps = (tree.text("/proc/swaps") or "").splitlines()[1:]
    accounting = host.swap_accounting.value
    return HostFacts(
        swap=sum(int(line.split()[2]) << 10 for line in swaps if len(line.split()) > 2),
        swap_accounting=accounting if isinstance(accounting, bool) else None,
        schedulers=schedulers,
        partitions=tuple(partitions),
        cost="enable=1" in cost,
        numbers=_numbers(tree, containers),
        outside=host.cgroup_view.value not in ("host", None),
    )


def _numbers(tree: HostTree, containers: Iterable[Container]) -> dict[str, str]:
    """Return device path -> `MAJ:MIN` for the devices in engines' records."""
    found = {}
    for path in {path for container in containers for path in _named(container)}:
        handle = tree.open(path, os.O_PATH | os.O_CLOEXEC) if path.startswith("/dev/") else None
        if handle is not None:
            entry = os.fstat(handle)
            os.close(handle)
            if stat.S_ISBLK(entry.st_mode):
                found[path] = f"{os.major(entry.st_rdev)}:{os.minor(entry.st_rdev)}"
    return found


def _named(container: Container) -> Iterator[str]:
    for record in container.records:
        if record.column == REMEMBERED:
            continue
        if record.kind == "docker":
            for value in record.value.values():
                yield from (
                    (str(e["Path"]) for e in value or () if isinstance(e, dict) and "Path" in e)
                    if isinstance(value, list)
                    else ()
                )
        elif record.kind == "podman":
            for name, words in command.options(record.value["argv"]).items():
                if name.startswith("--device-"):
                    yield from (word.rpartition(":")[0] for word in words)

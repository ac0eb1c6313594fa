"""systemd's settings for a container's scope, from text files, without D-Bus.

Transient units are written below /run/systemd/transient; `systemctl set-property` writes to system.control. In these
files the quota is `CPUQuota=NN%` and sizes are bytes or "infinity" (systemd.resource-control(5)).
"""

from __future__ import annotations

from shim.containers.container import SYSTEMD, Container, RecordedLimits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.containers.tree import HostTree

PREFIXES = ("docker", "libpod", "cri-containerd", "crio", "nerdctl", "runc", "crun")
# In systemd's order: later ones win.
WHERE = ("/run/systemd/transient", "/run/systemd/system.control", "/etc/systemd/system.control")


def noted(tree: HostTree, container: Container) -> Container:
    """Return the container with systemd's record, if it has a scope of its own."""
    if container.driver != "systemd":
        return container
    slice_, _, rest = container.cgroups_path.partition(":")
    prefix = rest.partition(":")[0]
    names = [f"{prefix}-{container.id}.scope"] if slice_ and prefix else []
    names += [f"{one}-{container.id}.scope" for one in PREFIXES]
    for name in dict.fromkeys(names):
        found = properties(tree, name, container.user)
        if found:
            record = RecordedLimits(column=SYSTEMD, kind="unit", source=next(iter(found)), value=_flat(found))
            return container.changed(records=(*container.records, record))
    return container


def properties(tree: HostTree, unit: str, user: str = "") -> dict[str, dict[str, str]]:
    """Return file -> its settings, in the order in which systemd applies them; {} if there is no such unit."""
    where = [f"/run/user/{user}/systemd/transient", f"/run/user/{user}/systemd/user.control"] if user else WHERE
    found = {}
    for directory in where:
        names = [f"{directory}/{unit}"]
        names += [f"{directory}/{unit}.d/{name}" for name in tree.names(f"{directory}/{unit}.d")]
        for path in names:
            text = tree.text(path)
            if text is not None:
                found[path] = settings(text)
    return found


def settings(text: str) -> dict[str, str]:
    """Return KEY -> value of a unit file; a repeated key (one line a device) has all values, one a line."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if not equals or line.startswith(("#", ";", "[")):
            continue
        name, value = name.strip(), value.strip()
        found[name] = f"{found[name]}\n{value}" if found.get(name) and name.startswith("IO") and value else value
    return found


def _flat(files: dict[str, dict[str, str]]) -> dict[str, str]:
    flat: dict[str, str] = {}
    for one in files.values():
        flat.update(one)
    return flat

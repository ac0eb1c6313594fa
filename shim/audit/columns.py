"""Each party's values for every limit, in one notation."""

from __future__ import annotations

from shim.audit import command
from shim.audit.limit import NONE
from shim.audit.limits import KINDS
from shim.containers.container import ASKED, CONFIG, KUBELET, REMEMBERED, SPEC, SYSTEMD
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.audit.limit import Found, Kind, Limit
    from shim.audit.subject import AuditedContainer, CgroupLevels
    from shim.containers.container import RecordedLimits

COLUMNS = (KUBELET, ASKED, SPEC, CONFIG, REMEMBERED, SYSTEMD)


class Said(Value):
    """One kind of limit of one container: column -> limit -> value; own and above: (cgroup, values) level by level."""

    kind: Kind
    hierarchy: CgroupLevels
    by: dict[str, Found]
    own: tuple[tuple[str, Found], ...]
    above: tuple[tuple[str, Found], ...]

    def keys(self) -> list[str]:
        """Every limit that a party names, and those that are always checked."""
        named = [key for column in COLUMNS for key in self.by.get(column, ())]
        always = [limit.key for limit in self.kind.limits if limit.always and any(limit.key in f for _, f in self.own)]
        return list(dict.fromkeys((*named, *always)))

    def limit(self, key: str) -> Limit:
        """Return the limit of a key; a device or size follows a space."""
        name = key.partition(" ")[0]
        return next(limit for limit in self.kind.limits if limit.key == name)

    def values(self, key: str, levels: tuple[tuple[str, Found], ...]) -> list[tuple[str, Any]]:
        """Return (cgroup, value) of the levels that have the limit. A file without a line for a device means no
        limit.
        """
        name = key.partition(" ")[0]
        found = [(path, values.get(key, values.get(name) if name != key else None)) for path, values in levels]
        return [(path, value) for path, value in found if value is not None]


def said(subject: AuditedContainer) -> list[Said]:
    """Return all values, kind by kind."""
    return [_of_kind(subject, kind) for kind in KINDS]


def _of_kind(subject: AuditedContainer, kind: Kind) -> Said:
    hierarchy = subject.hierarchy(kind.limits[0].controller)
    version = hierarchy.version
    by = {}
    for record in subject.container.records:
        found = _of_record(kind, record, version or 1, subject.facts.numbers)
        if found:
            by[record.column] = found
    read = kind.kernel.get(version) or kind.kernel.get(0)
    return Said(
        kind=kind,
        hierarchy=hierarchy,
        by=by,
        own=tuple((level.path, read(level.files)) for level in hierarchy.own) if read else (),
        above=tuple((level.path, read(level.files)) for level in hierarchy.above) if read else (),
    )


def _of_record(kind: Kind, record: RecordedLimits, version: int, numbers: dict[str, str]) -> Found:
    value = record.value
    if record.kind == "docker":
        return kind.docker({**value, "numbers": numbers}, version)
    if record.kind == "podman":
        found = kind.podman(command.options(value["argv"]), version)
        return {_numbered(key, numbers): word for key, word in found.items()}
    if record.kind == "oci":
        return kind.oci({**value["resources"], "oom_score_adj": value.get("oom_score_adj")}, version)
    read = {"cri": kind.cri, "runc": kind.runc, "unit": kind.unit, "pod": kind.pod}[record.kind]
    return read(value, version)


def _numbered(key: str, numbers: dict[str, str]) -> str:
    """Return a device by its number if the user named it by its path."""
    name, space, device = key.partition(" ")
    return f"{name} {numbers.get(device, device)}" if space else key


def is_nothing(limit: Limit, value: Any) -> bool:
    """Return whether the value means no limit."""
    return value is None or (value == NONE and limit.unit != "")

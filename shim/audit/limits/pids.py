"""The number of processes. 0 is "not set" to crun and to older runc, and a limit of 1 to runc from 1.4."""

from __future__ import annotations

from shim.audit.limit import AT_MOST, NONE, Kind, Limit
from shim.audit.numbers import integer, last_option, present, section, shown, sized, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.audit.limit import Found

LIMITS = (
    Limit(
        key="pids.limit",
        unit="count",
        order=AT_MOST,
        controller="pids",
        field="pids.limit",
        property=("TasksMax",),
        erased=True,
        always=True,
    ),
)


def _signed(value: Any) -> int | None:
    found = whole(value)
    return None if found is None else max(found, NONE)


def _oci(resources: dict[str, Any], version: int) -> Found:
    del version
    stated = shown(section(resources, "unified").get("pids.max"))
    return present({"pids.limit": stated if stated is not None else _signed(section(resources, "pids").get("limit"))})


def _docker(host: dict[str, Any], version: int) -> Found:
    del version
    found = _signed(host.get("PidsLimit"))
    return present({"pids.limit": found or None})  # dockerd reads 0 as "not requested"


def _podman(options: dict[str, list[str]], version: int) -> Found:
    del version
    number = integer(last_option(options, "--pids-limit"))
    return present({"pids.limit": None if number is None else number or NONE})


def _cri(asked: dict[str, Any], version: int) -> Found:
    return _oci({"unified": section(asked, "unified")}, version)


def _runc(groups: dict[str, Any], version: int) -> Found:
    found = _signed(groups.get("pids_limit")) or None
    return {**present({"pids.limit": found}), **_oci({"unified": section(groups, "unified")}, version)}


def _unit(settings: dict[str, str], version: int) -> Found:
    del version
    return present({"pids.limit": sized(settings.get("TasksMax", ""))})


def _kernel(files: dict[str, str]) -> Found:
    return present({"pids.limit": shown(files.get("pids.max"))})


KIND = Kind(
    limits=LIMITS,
    files={1: ("pids.max",), 2: ("pids.max",)},
    oci=_oci,
    docker=_docker,
    podman=_podman,
    cri=_cri,
    runc=_runc,
    unit=_unit,
    kernel={1: _kernel, 2: _kernel},
)

"""CPUs and memory nodes as sets (cgroup-v1/cpusets.rst; cgroup-v2.rst, "Cpuset")."""

from __future__ import annotations

from shim.audit.limit import WITHIN, Kind, Limit
from shim.audit.numbers import last_option, present, section

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.audit.limit import Found

LIMITS = (
    Limit(
        key="cpuset.cpus",
        unit="set",
        order=WITHIN,
        controller="cpuset",
        field="cpu.cpus",
        property=("AllowedCPUs",),
        erased=True,
    ),
    Limit(
        key="cpuset.mems",
        unit="set",
        order=WITHIN,
        controller="cpuset",
        field="cpu.mems",
        property=("AllowedMemoryNodes",),
        erased=True,
    ),
)
FILES = ("cpuset.cpus", "cpuset.mems", "cpuset.cpus.effective", "cpuset.mems.effective")


def _text(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _oci(resources: dict[str, Any], version: int) -> Found:
    del version
    cpu, unified = section(resources, "cpu"), section(resources, "unified")
    return present({f"cpuset.{n}": _text(unified.get(f"cpuset.{n}")) or _text(cpu.get(n)) for n in ("cpus", "mems")})


def _docker(host: dict[str, Any], version: int) -> Found:
    del version
    return present({"cpuset.cpus": _text(host.get("CpusetCpus")), "cpuset.mems": _text(host.get("CpusetMems"))})


def _podman(options: dict[str, list[str]], version: int) -> Found:
    del version
    return present({f"cpuset.{name}": _text(last_option(options, f"--cpuset-{name}")) for name in ("cpus", "mems")})


def _cri(asked: dict[str, Any], version: int) -> Found:
    names = present({f"cpuset.{name}": _text(asked.get(f"cpuset_{name}")) for name in ("cpus", "mems")})
    return {**names, **_oci({"unified": section(asked, "unified")}, version)}


def _unit(settings: dict[str, str], version: int) -> Found:
    del version
    return present(
        {"cpuset.cpus": _text(settings.get("AllowedCPUs")), "cpuset.mems": _text(settings.get("AllowedMemoryNodes"))}
    )


def _pod(limits: dict[str, Any], version: int) -> Found:
    del version
    return present({"cpuset.cpus": _text(limits.get("exclusive"))})


def _kernel(files: dict[str, str]) -> Found:
    """An empty file of cgroup2 means the parent's set; `.effective` has the set in force in both cases."""
    return present(
        {
            f"cpuset.{n}": _text(files.get(f"cpuset.{n}")) or _text(files.get(f"cpuset.{n}.effective"))
            for n in ("cpus", "mems")
        }
    )


KIND = Kind(
    limits=LIMITS,
    files={1: FILES[:2], 2: FILES},
    oci=_oci,
    docker=_docker,
    podman=_podman,
    cri=_cri,
    runc=_cri,  # the same names
    unit=_unit,
    pod=_pod,
    kernel={1: _kernel, 2: _kernel},
)

"""The score by which the kernel chooses a process to kill: a process's own, inherited, not a cgroup's (proc(5))."""

from __future__ import annotations

from shim.audit.limit import EXACT, Kind, Limit
from shim.audit.numbers import integer, last_option, present, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.audit.limit import Found

FILE = "oom_score_adj"
LIMITS = (Limit(key="oom-score-adj", unit="", order=EXACT, controller="", hint=True),)


def _oci(document: dict[str, Any], version: int) -> Found:
    del version
    return present({"oom-score-adj": whole(document.get(FILE))})


def _docker(host: dict[str, Any], version: int) -> Found:
    """The client sends 0 if nothing was requested."""
    del version
    return present({"oom-score-adj": whole(host.get("OomScoreAdj")) or None})


def _podman(options: dict[str, list[str]], version: int) -> Found:
    del version
    return present({"oom-score-adj": integer(last_option(options, "--oom-score-adj"))})


def _kernel(files: dict[str, str]) -> Found:
    return present({"oom-score-adj": integer(files.get(FILE))})


KIND = Kind(
    limits=LIMITS,
    files={1: (), 2: ()},
    oci=_oci,
    docker=_docker,
    podman=_podman,
    cri=_oci,
    runc=_oci,
    kernel={0: _kernel},
)

"""Whether a runtime starts any container on this host: for `doctor`, `engine install` and `engine status`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from shim.errors import ShimError
from shim.host.detect import detect
from shim.host.facts import HYBRID
from shim.host.view import View
from shim.planning import settings
from shim.rules import runtimes

if TYPE_CHECKING:
    from shim.engines.tree import Tree
    from shim.host.facts import Host

CODE = "runtime-starts-nothing"


def crun_refuses(host: Host) -> str:
    """Return why crun starts no container on this host (libcrun_cgroup_enter), "" if it does."""
    if host.layout != HYBRID or not host.cgroup2_controllers:
        return ""
    names = " ".join(host.cgroup2_controllers)
    file = f"{host.cgroup2_mount}/cgroup.controllers"
    return f"crun starts no container on a hybrid host while cgroup2 has controllers: {file}: {names}"


def why_nothing_starts(tree: Tree, runtime: str) -> str:
    """Return why this runtime starts no container here, "" if it does. The host of another root tree is unknown."""
    if not tree.live or not runtimes.of(settings.family(runtime)).refuses_hybrid or _is_hidden():
        return ""
    return crun_refuses(detect(View()))


def _is_hidden() -> bool:
    """Return whether the settings hide cgroup2 from crun. Unreadable settings are reported elsewhere."""
    try:
        return settings.load(os.environ).crun_on_hybrid != settings.OFF
    except ShimError:
        return False


def starts_nothing(runtime: str, reason: str) -> ShimError:
    """Return the refusal to register a runtime that starts no container here."""
    return ShimError(
        CODE,
        f"{runtime} cannot start a container on this host, so it is not registered",
        cause=reason,
        evidence=(reason,),
        remedy=(
            "install runc, or name another runtime with --runtime",
            f'or set {{"crun_on_hybrid": "hide-cgroup2"}} in {settings.PATH}',
        ),
    )

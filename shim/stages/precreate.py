"""precreate (podman, buildah): config.json on standard input, config.json for this host on standard output.

Same plan and same splice as in an intercepted `create`. A configuration that needs no change is written back byte for
byte. podman discards the hook's stderr, so a refusal goes to podman's own stderr, to `cgshimctl explain --last` and to
the system's log.
"""

from __future__ import annotations

import os
import sys

from shim.call.channel import tell_operators
from shim.errors import ShimError
from shim.host.view import View
from shim.oci import cgroups_path, document
from shim.planning import rewrite, settings
from shim.stages.call import creation, enabled, options, refuse
from shim.system import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.planning.rewrite import Rewrite

SOURCE = "standard input"
USAGE = "usage: precreate --runtime PATH [--driver cgroupfs|systemd|disabled] < config.json > CHANGED"


def main() -> None:
    """Run the hook. Exit with 0, or with 1, the reason on stderr and nothing on standard output."""
    try:
        data = document.standard_input(SOURCE).encode("utf-8", "surrogateescape")
        write_all(1, filtered(data, sys.argv[1:]))
    except ShimError as error:
        refuse(error)
        os._exit(error.status)
    except Exception as error:
        from shim.call.faults import own_fault

        refuse(own_fault(error))
        os._exit(1)
    os._exit(0)


def filtered(data: bytes, arguments: list[str]) -> bytes:
    """Return the configuration for this host, the same bytes if nothing changes. Raises ShimError to refuse."""
    asked = options(arguments, {"--runtime": "", "--driver": ""}, USAGE)
    loaded = document.load(data.decode("utf-8", "surrogateescape"), SOURCE)
    configured = settings.load(os.environ)
    if not enabled(loaded.value.get("annotations"), configured, _name(loaded.value)):
        return data
    made = rewrite.of(loaded, rewrite.RESOURCES, creation(loaded.value, asked), configured, View())
    rewrite.judge(made)
    from shim.call.prepare import notices

    tell_operators((*made.notices, *notices(made.plan)), _name(loaded.value))
    return _watched(made).text().encode("utf-8", "surrogateescape")


def _watched(made: Rewrite) -> Rewrite:
    """Add the createRuntime hook if there are limits that the runtime cannot set: the hook sets them."""
    return made.changed(asked=made.asked.changed(foreground=True)) if made.plan.bridge else made


def _name(config: dict[str, Any]) -> str:
    """Return the container's name for a log: podman passes no id to the hook, but the cgroup's path ends in it."""
    return os.path.basename(cgroups_path.of(config) or "")

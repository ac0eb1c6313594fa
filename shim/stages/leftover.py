"""poststop: remove the cgroup that the bridge made for the container (shim.enforce.bridge).

`delete` is passed to the runtime unchanged, and the runtime does not know that cgroup. shim.planning.injection adds
this hook to a configuration. Nothing depends on it: the hook always exits with 0.
"""

from __future__ import annotations

import os
import sys
import time

from shim.containers.hook_state import read
from shim.enforce import private_view
from shim.enforce.bridge import OWN, remove_own
from shim.errors import ShimError
from shim.host.view import View
from shim.planning import settings
from shim.stages.call import options, refuse

USAGE = "usage: leftover --mount CGROUP2 < STATE"
TRIES, PAUSE = 20, 0.05  # seconds; a killed process leaves its cgroup only some time after its end


def main() -> None:
    """Remove the cgroup of the container in the state on standard input. Always exits with 0."""
    container = ""
    try:
        container = read().container
        asked = options(sys.argv[1:], {"--mount": ""}, USAGE)
        private_view.leave(settings.load(os.environ), container)
        remove(asked["--mount"], container)
    except ShimError as error:
        refuse(error, container)
    except Exception as error:
        from shim.call.faults import own_fault

        refuse(own_fault(error), container)
    os._exit(0)


def remove(mount: str, container: str) -> None:
    """Remove the cgroup if it exists. Raises ShimError if it cannot be removed."""
    if not mount.startswith("/") or "/" in container:
        return
    view, path = View(), f"{mount}{OWN}/{container}"
    for _ in range(TRIES):
        remove_own(view, container, mount)
        if not view.exists(path):
            return
        time.sleep(PAUSE)
    raise ShimError(
        "leftover-cgroup",
        f"the cgroup {path} could not be removed",
        cause="it has processes or child cgroups that others created",
        evidence=(f"{path}/cgroup.procs: {' '.join((view.text(path + '/cgroup.procs') or '').split())}",),
        remedy=(f"rmdir {path} when it is empty",),
    )

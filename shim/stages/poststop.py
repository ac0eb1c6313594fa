"""createRuntime and poststop: the memory account of a container, for `cgshimctl report`.

runc and crun remove the container's cgroup, with its counters, before they run poststop hooks. So the same hook runs
twice. Before the process starts it records the cgroup's path, its limit and the counters of the cgroup above.
Afterwards it uses what outlives the cgroup: the kernel's log, and the counters of the cgroup above for all below it.
Every figure names its source and what it may include. A figure that the kernel does not have is absent, with the
reason. A report must not cost a container: the hook always exits with 0.
"""

from __future__ import annotations

import os
import sys
import time

from shim.containers.hook_state import read
from shim.errors import ShimError
from shim.planning import settings
from shim.stages.call import enabled, options, refuse
from shim.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.containers.hook_state import State

SCHEMA = 1
NOTES, REPORTS = "notes", "reports"
MOST_NOTES, MOST_REPORTS = 1000, 200  # files; above this number the oldest are removed
USAGE = "usage: poststop < STATE"


def main() -> None:
    """Record or report for the state on standard input. Always exits with 0."""
    container = ""
    try:
        state = read()
        container = state.container
        options(sys.argv[1:], {}, USAGE)
        if enabled(state.annotations, settings.load(os.environ), container):
            (report if ended(state) else note)(state)
    except ShimError as error:
        refuse(error, container)
    except Exception as error:
        from shim.call.faults import own_fault

        refuse(own_fault(error), container)
    os._exit(0)


def ended(state: State) -> bool:
    """Return whether this is the poststop stage (its state is "stopped", without a process), not the one before the
    start.
    """
    return state.status == "stopped" or not state.pid


def note(state: State) -> None:
    """Before the process starts: record the paths of its cgroups and the counters for a comparison. Raises OSError."""
    from shim.host.view import View
    from shim.observe import delays, kernel_log, memory

    records = kernel_log.records()
    view = View()
    value = {
        "schema": SCHEMA,
        "container": state.container,
        "bundle": state.bundle,
        "noted": int(time.time()),
        "kernel_log": records[-1][0] if records else -1,
        **memory.place(view, state.pid, _bridged(state)),
        "delays": delays.start(view, state),
    }
    files.write(_place(NOTES), files.name_of(state.container), value, MOST_NOTES)


def _bridged(state: State) -> dict[str, str]:
    """Return the limits that cgshim itself sets after this (shim.planning.bridged_limits), from config.json."""
    from shim.oci import document
    from shim.planning import bridged_limits

    if bridged_limits.ANNOTATION not in state.annotations:
        return {}
    path = os.path.join(state.bundle, "config.json")
    return bridged_limits.read(document.load(document.read(path), path)).limits


def report(state: State) -> None:
    """After the end: replace the record with the report. Raises OSError."""
    from shim.host.view import View
    from shim.observe import delays, kernel_log, memory

    view = View()
    name = files.name_of(state.container)
    noted = files.read(_place(NOTES), name)
    if noted is None and files.read(_place(REPORTS), name) is not None:
        return  # podman calls the hook again when it cleans up; the first call consumed the record
    value: dict[str, Any] = {
        "schema": SCHEMA,
        "container": state.container,
        "bundle": state.bundle,
        "ended": int(time.time()),
        **memory.account(view, noted, kernel_log.records(), delays.collect(view, noted or {}, state.container)),
    }
    files.write(_place(REPORTS), name, value, MOST_REPORTS)
    files.drop(_place(NOTES), name)


def recall(container: str) -> dict[str, Any] | None:
    """Return the report of a container that has ended, by its id or a unique beginning; None if there is none.

    schema, container, bundle, ended (seconds since 1970), figures [{name, value, unit, source, includes}],
    killed [{name, pid, cgroup, limited_by}], absent [{name, reason}].
    """
    place = _place(REPORTS)
    found = files.read(place, files.name_of(container))
    if found is None and container:
        beginning = files.name_of(container)[: -len(".json")]
        several = [name for name in files.names(place) if name.startswith(beginning)]
        found = files.read(place, several[0]) if len(several) == 1 else None
    return found if found and found.get("schema") == SCHEMA else None


def _place(kind: str) -> str:
    return os.path.join(files.directory(os.environ), kind)

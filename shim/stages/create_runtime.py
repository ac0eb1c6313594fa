"""createRuntime (or prestart): bridge and verify, before the user's process starts.

Reads the OCI state on standard input and config.json of its bundle. A limit that the kernel does not show fails the
container with the diagnosis on stderr, which runc and crun pass on. Success prints nothing.
"""

from __future__ import annotations

import os
import sys

from shim.call.channel import tell_operators
from shim.containers.hook_state import read
from shim.enforce.follow_up import InitEnded, Subject, follow_up
from shim.errors import ShimError
from shim.host.view import View
from shim.oci import document
from shim.planning import bridged_limits, rewrite, settings
from shim.planning.report import ANNOTATION as REPORT
from shim.stages.call import creation, enabled, options, refuse
from shim.state import hook_notices

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.containers.hook_state import State
    from shim.errors import Notice
    from shim.planning.settings import Settings

USAGE = "usage: create_runtime --runtime PATH [--driver cgroupfs|systemd|disabled] [--bridged true] < STATE"


def main() -> None:
    """Run the hook for the state on standard input. Exit with 0, or with 1 and the reason on stderr."""
    state = None
    try:
        state = read()
        asked = options(sys.argv[1:], {"--runtime": "", "--driver": "", "--bridged": ""}, USAGE)
        verify_state(state, asked)
    except ShimError as error:
        refuse(error, state.container if state else "")
        os._exit(error.status)
    except Exception as error:
        from shim.call.faults import own_fault

        refuse(own_fault(error), state.container if state else "")
        os._exit(1)
    os._exit(0)


def verify_state(state: State, asked: dict[str, str]) -> None:
    """Bridge and read back. Raises ShimError for every error that must fail the container."""
    if not state.pid or not os.path.isdir(f"/proc/{state.pid}"):
        raise _gone(state)
    path = os.path.join(state.bundle, "config.json")
    loaded = document.load(document.read(path), path, reader=settings.family(asked["--runtime"]))
    configured = settings.load(os.environ)
    if _left_alone(loaded.value.get("annotations"), configured, state.container):
        return
    if configured.crun_on_hybrid != settings.OFF:
        from shim.enforce import private_view

        private_view.leave(configured, state.container)
    view = View()
    made = rewrite.of(loaded, rewrite.RESOURCES, creation(loaded.value, asked), configured, view)
    if bridged_limits.ANNOTATION in (loaded.value.get("annotations") or {}):
        rewrite.judge(made)  # limits that moved from the resources to cgroup2 must still be reachable
    if asked.get("--bridged") and made.policy != settings.WARN:
        _require_kept(bridged_limits.read(loaded))
    found = _followed_up(view, Subject(pid=state.pid, container=state.container), made)
    hook_notices.leave(state.container, found, os.environ)
    tell_operators([*made.notices, *found], state.container)


def _followed_up(view: View, subject: Subject, made: rewrite.Rewrite) -> list[Notice]:
    try:
        return follow_up(view, subject, made)
    except InitEnded as ended:
        from shim.diagnose import init_ended

        return init_ended.notices(view, subject, made, ended.fate)


def _left_alone(annotations: Any, configured: Settings, container: str) -> bool:
    """Return whether the container opted out of the hooks. One whose limits cgshim has moved must still get them."""
    if enabled(annotations, configured, container):
        return False
    return not (isinstance(annotations, dict) and (bridged_limits.ANNOTATION in annotations or REPORT in annotations))


def _require_kept(found: bridged_limits.Kept) -> None:
    if found.limits:
        return
    raise ShimError(
        "limit-not-applied",
        "limits that cgshim keeps for this container are not in its configuration, so it was not started",
        cause="only cgroup2 has their controllers, so they were moved out of linux.resources; their seal is wrong",
        evidence=(found.refused or f"annotation {bridged_limits.ANNOTATION} is missing",),
        remedy=("put the limits back into linux.resources, or have the engine write the bundle again",),
    )


def _gone(state: State) -> ShimError:
    return ShimError(
        "no-process",
        f"container {state.container} has no process whose limits could be read back",
        evidence=(f"/proc/{state.pid}: ENOENT" if state.pid else "standard input: pid 0 or missing",),
        remedy=("register the hook for createRuntime or prestart, not for a later stage",),
    )

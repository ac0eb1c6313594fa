"""Delay accounting of a whole container, from its start to its end, for the poststop hook's account.

Only on request, by the setting `pressure` or, if the settings trust annotations, by io.cgshim.pressure. The host's
watcher (`cgshimctl watch`, shim.watch.delays) adds the delays up. The hook announces the container to it before its
process starts and takes the sum at the end. Without a watcher there is no sum, and the account says so.
"""

from __future__ import annotations

import os

from shim.errors import ShimError
from shim.host import membership
from shim.observe.pressure import UNACCOUNTED, switched_off
from shim.planning import settings
from shim.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.containers.hook_state import State
    from shim.host.view import View

PATIENCE = 20  # seconds for the watcher's answer; it imports pyroute2 at the first question
SOCKET = "watch.socket"  # in the state directory, which only its owner can use
LARGEST = 1 << 16  # bytes of a question or an answer
NOT_ASKED = 'delay accounting (taskstats) was not asked for: setting "pressure": "taskstats"'
NO_WATCHER = "no taskstats: no watcher runs that could listen (cgshimctl watch; systemctl start cgshim-watch)"


def wanted(annotations: dict[str, Any]) -> bool:
    """Return whether it is requested; a container's annotation wins if the settings trust annotations. Raises
    ShimError.
    """
    configured, value = settings.load(os.environ), annotations.get(settings.PRESSURE)
    if value is None or (value in settings.PRESSURES and not configured.trusting):
        value = configured.pressure
    if value not in settings.PRESSURES:
        raise ShimError(
            "bad-pressure",
            f"annotation {settings.PRESSURE}: {value!r} is neither 'psi' nor 'taskstats'",
            remedy=(f"set {settings.PRESSURE} to psi or taskstats, or leave it out",),
        )
    return bool(value == settings.TASKSTATS)


def start(view: View, state: State) -> dict[str, Any]:
    """Make the watcher listen for the container of `state`, before its process starts. Return the object to record.

    reason: why the watcher does not listen, "" if it does.
    """
    try:
        if not wanted(state.annotations):
            return {"reason": _not_wanted(state.annotations)}
    except ShimError as error:
        return {"reason": error.what}
    off = switched_off(view)
    if off:
        return {"reason": off}
    controller, path = _hierarchy(view, state.pid)
    question = {"ask": "listen", "pid": state.pid, "controller": controller, "path": path}
    return {"reason": str(_asked(state.container, question).get("reason", ""))}


def _not_wanted(annotations: dict[str, Any]) -> str:
    value = annotations.get(settings.PRESSURE)
    return settings.not_trusted(settings.PRESSURE, value) if value == settings.TASKSTATS else NOT_ASKED


def _hierarchy(view: View, pid: int) -> tuple[str, str]:
    """Return (controller, path) of a cgroup that only the container uses; ("", "") if it shares all with its caller.

    cgroup2 first: it still shows the cgroup of a process that has ended.
    """
    own = membership.paths(view.text(f"/proc/{pid}/cgroup") or "")
    callers = membership.paths(view.text("/proc/self/cgroup") or "")
    for controller in ("", "memory", "pids", "cpu", *own):
        path = own.get(controller, "/")
        if path not in ("/", callers.get(controller)):
            return controller, path
    return "", ""


def _asked(container: str, question: dict[str, Any]) -> dict[str, Any]:
    """Return the watcher's answer, or a reason if there is none."""
    import json
    import socket

    try:
        handle = files.opened(files.directory(os.environ))
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
                connection.settimeout(PATIENCE)
                connection.connect(f"/proc/self/fd/{handle}/{SOCKET}")
                connection.send(json.dumps({**question, "container": container}).encode("ascii"))
                answer = json.loads(connection.recv(LARGEST) or b"{}")
        finally:
            os.close(handle)
    except (FileNotFoundError, ConnectionRefusedError):
        return {"reason": NO_WATCHER}
    except (OSError, ValueError) as error:
        return {"reason": f"no taskstats: the watcher does not answer: {error}"}
    known = isinstance(answer, dict) and answer
    return answer if known else {"reason": "no taskstats: the watcher gave no answer"}


def collect(view: View, noted: dict[str, Any], container: str) -> dict[str, Any]:
    """Return the watcher's data on the container: Exits.shape() and `overruns`; or {"reason"}."""
    started = noted.get("delays") or {"reason": NOT_ASKED}
    if started.get("reason"):
        return {"reason": started["reason"]}
    found = _asked(container, {"ask": "sum"})
    if "tasks" not in found:
        return {"reason": str(found.get("reason", NO_WATCHER))}
    if switched_off(view):
        return {"reason": f"{switched_off(view)}; it was on when the container started"}
    if found["tasks"] == found["without"]:
        why = UNACCOUNTED if found["tasks"] else "the kernel reported no process of the container"
        return {"reason": f"no delay accounting: {why}"}
    return found

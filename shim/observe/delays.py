"""Delay accounting of a whole container, from its start to its end, for the poststop hook's account.

Only where it is asked for, by the setting `pressure` or, where the settings trust annotations, by io.cgshim.pressure:
it takes a process of its own for each container (shim.observe.listener), which no image may cost the host.
"""

from __future__ import annotations

import os

from shim.errors import ShimError
from shim.host import membership, process
from shim.observe.pressure import UNACCOUNTED, switched_off
from shim.planning import settings
from shim.state import files
from shim.system import pidfd_open

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.containers.hook_state import State
    from shim.host.view import View

PATIENCE = 20  # seconds, for the listener to come up, and to write what it has after the end
PLACE = "delays"
NOT_ASKED = 'delay accounting (taskstats) was not asked for: setting "pressure": "taskstats"'


def wanted(annotations: dict[str, Any]) -> bool:
    """Is a listener asked for; a container's annotation wins over settings that trust it. Raises ShimError."""
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
    """A listener for the container of `state`, before its process starts: what to note of it. reason: why none."""
    directory = os.path.join(files.directory(os.environ), PLACE)
    name = files.name_of(state.container)
    files.drop(directory, name)
    try:
        if not wanted(state.annotations):
            return {"reason": _not_wanted(state.annotations)}
    except ShimError as error:
        return {"reason": error.what}
    off = switched_off(view)
    if off:
        return {"reason": off}
    words = [directory, name, str(state.pid), *_hierarchy(view, state.pid)]
    pid, said = _started(words)
    return {"reason": "", "listener": pid, "born": _born(view, pid)} if pid else {"reason": f"no taskstats: {said}"}


def _not_wanted(annotations: dict[str, Any]) -> str:
    value = annotations.get(settings.PRESSURE)
    return settings.not_trusted(settings.PRESSURE, value) if value == settings.TASKSTATS else NOT_ASKED


def _hierarchy(view: View, pid: int) -> tuple[str, str]:
    """(controller, path) of a cgroup that is the container's alone; ("", "") where it shares all with its caller.

    cgroup2 first: it shows a process that has ended where it was.
    """
    own = membership.paths(view.text(f"/proc/{pid}/cgroup") or "")
    callers = membership.paths(view.text("/proc/self/cgroup") or "")
    for controller in ("", "memory", "pids", "cpu", *own):
        path = own.get(controller, "/")
        if path not in ("/", callers.get(controller)):
            return controller, path
    return "", ""


def _started(words: list[str]) -> tuple[int, str]:
    """(process id of a listener that listens, "") or (0, what it said instead)."""
    import select
    import subprocess

    from shim.observe import listener

    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    # A hook's argv[0] is not a path, so Python does not know its own. What pip installed is beside our package.
    argv = [os.readlink("/proc/self/exe"), "-I", "-c", listener.CODE.format("register"), package, *words]
    try:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )
    except OSError as error:
        return 0, str(error)
    assert child.stdout is not None
    with child.stdout as pipe:
        heard, _, _ = select.select([pipe], [], [], PATIENCE)
        said = pipe.readline().decode("utf-8", "replace").strip() if heard else f"no answer within {PATIENCE} s"
    if said == listener.READY:
        return child.pid, ""
    child.kill()
    child.wait()
    return 0, said or "the listener ended without a message"


def _born(view: View, pid: int) -> str:
    """When a process was started; with its id that is one process and no other."""
    return process.field(view.text(f"/proc/{pid}/stat") or "", process.STARTED)


def collect(view: View, noted: dict[str, Any], container: str) -> dict[str, Any]:
    """What the listener left: Exits.shape() and `overruns`; or {"reason"}. Waits for a listener at work."""
    started = noted.get("delays") or {"reason": NOT_ASKED}
    if started.get("reason"):
        return {"reason": started["reason"]}
    _wait(view, started["listener"], started["born"])
    directory = os.path.join(files.directory(os.environ), PLACE)
    found = files.read(directory, files.name_of(container))
    files.drop(directory, files.name_of(container))
    if found is None:
        return {"reason": f"no taskstats: the listener (process {started['listener']}) left nothing"}
    if switched_off(view):
        return {"reason": f"{switched_off(view)}; it was on when the container started"}
    if found["tasks"] == found["without"]:
        why = UNACCOUNTED if found["tasks"] else "the kernel reported no process of the container"
        return {"reason": f"no delay accounting: {why}"}
    return found


def _wait(view: View, pid: int, born: str) -> None:
    """Until the listener has ended; it does by itself when the container's init has."""
    import select

    try:
        handle = pidfd_open(pid)
    except OSError:
        return
    try:
        if _born(view, pid) == born:
            select.select([handle], [], [], PATIENCE)
    finally:
        os.close(handle)

"""crun on a hybrid host: a mount namespace of its own, in which the cgroup2 mount is not there.

crun starts no container while cgroup2, beside v1 hierarchies, still has a controller. Without that mount it takes the
host for one with v1 hierarchies alone. Switched on by the setting `crun_on_hybrid`; every call for a container has to
see the same, so the launcher does likewise for what it hands on. mount_namespaces(7).
"""

from __future__ import annotations

import posix

from shim.host import process
from shim.planning import settings
from shim.state import files
from shim.system import basename, environment, join

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shim.planning.settings import Settings

CGROUP2 = "/sys/fs/cgroup/unified"  # where crun looks
PLACE, MOST = "private", 200  # files: of runs whose cgshim was killed
CLONE_NEWNS, MS_REC, MS_SLAVE, MNT_DETACH = 0x20000, 0x4000, 0x80000, 2  # sched.h, mount.h


def applies(configured: Settings, runtime: str) -> bool:
    """Is this runtime to be started without the mount; judged as the launcher does, by the name that was given."""
    chosen = configured.crun_on_hybrid == settings.HIDE and "crun" in basename(runtime)
    return chosen and posix.access(f"{CGROUP2}/cgroup.procs", posix.W_OK)


def hide() -> None:
    """Take the mount out of this process's view, and of nobody else's. What fails is left to crun to refuse."""
    import ctypes

    libc = ctypes.CDLL(None)
    if libc.unshare(CLONE_NEWNS) or libc.mount(None, b"/", None, MS_REC | MS_SLAVE, None):
        return
    libc.umount2(CGROUP2.encode(), MNT_DETACH)


def announce(container: str) -> Callable[[], None]:
    """Leave word of this process for the hooks of a `run`: crun may have detached itself. Returns how to take it back.

    A hook that does not find the way out refuses what it cannot see (shim.planning.rewrite.judge).
    """
    place, name = _word(container)
    try:
        files.write(place, name, {"pid": posix.getpid()}, MOST)
    except (OSError, ValueError):
        return lambda: None
    return lambda: files.drop(place, name)


def leave(configured: Settings, container: str) -> None:
    """For a hook of a runtime that was started so: back to the view of whoever started the runtime."""
    if configured.crun_on_hybrid != settings.HIDE:
        return
    own = posix.readlink("/proc/self/ns/mnt")
    for pid in (*_ancestors(), (files.read(*_word(container)) or {}).get("pid")):
        try:
            place = f"/proc/{pid}/ns/mnt"
            if posix.readlink(place) != own:
                _enter(place)
                return
        except OSError:
            continue


def _word(container: str) -> tuple[str, str]:
    return join(files.directory(environment()), PLACE), files.name_of(container)


def _ancestors() -> Iterator[int]:
    pid = posix.getppid()
    while pid > 1:
        yield pid
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                pid = process.parent(file.read())
        except OSError:
            return


def _enter(place: str) -> None:
    import ctypes

    handle = posix.open(place, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        ctypes.CDLL(None).setns(handle, CLONE_NEWNS)
    finally:
        posix.close(handle)

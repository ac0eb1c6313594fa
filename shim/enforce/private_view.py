"""crun on a hybrid host: a mount namespace of its own without the cgroup2 mount.

crun starts no container while cgroup2, beside v1 hierarchies, still has a controller. Without that mount it sees only
v1 hierarchies. The setting `crun_on_hybrid` enables this. Every call for a container has to see the same mounts, so the
launcher does likewise for the calls that it passes through. mount_namespaces(7).
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
PLACE, MOST = "private", 200  # files: left by runs whose cgshim was killed
CLONE_NEWNS, MS_REC, MS_SLAVE, MNT_DETACH = 0x20000, 0x4000, 0x80000, 2  # sched.h, mount.h


def applies(configured: Settings, runtime: str) -> bool:
    """Return whether this runtime must be started without the mount, judged by its name as in the launcher."""
    chosen = configured.crun_on_hybrid == settings.HIDE and "crun" in basename(runtime)
    return chosen and posix.access(f"{CGROUP2}/cgroup.procs", posix.W_OK)


def hide() -> None:
    """Hide the mount from this process alone. If that fails, crun itself refuses the host."""
    import ctypes

    libc = ctypes.CDLL(None)
    if libc.unshare(CLONE_NEWNS) or libc.mount(None, b"/", None, MS_REC | MS_SLAVE, None):
        return
    libc.umount2(CGROUP2.encode(), MNT_DETACH)


def announce(container: str) -> Callable[[], None]:
    """Record this process for the hooks of a `run`: crun may have detached itself. Return a function that removes the
    record.

    A hook without that record refuses limits that it cannot see (shim.planning.rewrite.judge).
    """
    place, name = _word(container)
    try:
        files.write(place, name, {"pid": posix.getpid()}, MOST)
    except (OSError, ValueError):
        return lambda: None
    return lambda: files.drop(place, name)


def leave(configured: Settings, container: str) -> None:
    """For a hook of a runtime in such a namespace: return to the mount namespace of the runtime's caller."""
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

"""The runtime's own record of a container's cgroups and init process.

runc writes ROOT/ID/state.json: `cgroup_paths` has an absolute directory for each controller ("" for cgroup2), and
`init_process_start` the init's start in clock ticks. crun writes ROOT/ID/status: `cgroup-path`, one path below every
mount, and `process-start-time`. Both outlive the init; only `delete` removes them.
"""

from __future__ import annotations

from shim.containers.state_files import state_object
from shim.host.controllers import v1_name
from shim.system import join
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.host.facts import Host

EVERYWHERE = "*"  # crun has one path for all hierarchies


class Recorded(Value):
    """The runtime's record.

    file: its path. directories: controller ("" for cgroup2, as in /proc/PID/cgroup) or EVERYWHERE -> the directory; of
    EVERYWHERE it is below the mount. started: the init's start in clock ticks since boot (proc(5)), 0 if unknown.
    """

    file: str
    directories: dict[str, str]
    started: int = 0

    def below(self, controller: str, mount: str) -> str | None:
        """Return the path below `mount` of the container's cgroup, None if the record has none there."""
        path = self.directories.get(EVERYWHERE)
        if path is not None:
            return path
        directory = self.directories.get(controller, "")
        return directory[len(mount) :] or "/" if mount and f"{directory}/".startswith(f"{mount}/") else None

    def memberships(self, host: Host) -> dict[str, str]:
        """Return the record in the form of /proc/PID/cgroup: controller -> path below the mount."""
        found = {}
        for name in (*host.placements, ""):
            key = v1_name(name)
            path = self.below(key, host.place(name).mount if name else host.cgroup2_mount)
            if path is not None:
                found[key] = path
        return found


def recorded(runtime_root: str, container: str) -> Recorded | None:
    """Return the record of a container below the runtime's root; None if no readable one exists."""
    if not runtime_root:
        return None
    directory = join(runtime_root, container)
    return _of_runc(join(directory, "state.json")) or _of_crun(join(directory, "status"))


def _of_runc(path: str) -> Recorded | None:
    state = state_object(path)
    paths = state.get("cgroup_paths")
    if not isinstance(paths, dict) or not paths:
        return None
    directories = {name: place for name, place in paths.items() if isinstance(place, str) and place.startswith("/")}
    return Recorded(file=path, directories=directories, started=_ticks(state.get("init_process_start")))


def _of_crun(path: str) -> Recorded | None:
    state = state_object(path)
    found = state.get("cgroup-path")
    if not isinstance(found, str) or not found:
        return None
    started = _ticks(state.get("process-start-time"))
    return Recorded(file=path, directories={EVERYWHERE: f"/{found.strip('/')}"}, started=started)


def _ticks(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0

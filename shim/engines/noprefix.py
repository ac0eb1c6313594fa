"""A cpuset hierarchy with files named `cpus` and `mems` (mount option `noprefix`), and which runtimes start there.

runc before 1.3 and crun before 1.8 look only for `cpuset.cpus`, for every container, and start none. Whether a runc
looks for the other name shows in a function's name; a crun does not show it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shim.errors import ShimError

if TYPE_CHECKING:
    from shim.host.view import View

CODE = "cpuset-mounted-noprefix"
FINDER = b"cpusetFile"  # opencontainers/cgroups, fs/cpuset.go; a stripped Go program keeps function names
PART = 1 << 20


def mounted(view: View) -> str:
    """Return the mount of such a hierarchy as evidence, "" if there is none."""
    for line in (view.text("/proc/self/mountinfo") or "").splitlines():
        left, _, right = line.partition(" - ")
        words, options = left.split(), right.split()
        carried = options[2].split(",") if len(options) > 2 and options[0] == "cgroup" else []
        if "cpuset" in carried and "noprefix" in carried and len(words) > 4:
            return f"mountinfo: {words[4]} cgroup {options[2]}"
    return ""


def looks_for_both(runtime: str) -> bool | None:
    """Return whether this runc looks for both names; None if the file cannot be read."""
    overlap = b""
    try:
        with open(runtime, "rb") as file:
            while True:
                part = file.read(PART)
                if not part:
                    return False
                if FINDER in overlap + part:
                    return True
                overlap = part[-len(FINDER) :]
    except OSError:
        return None


def refusal(view: View, runtime: str, family: str) -> ShimError | None:
    """Return why this runtime starts no container on such a host; None elsewhere, and if that is unknown."""
    place = mounted(view)
    if not place or family != "runc" or looks_for_both(runtime) is not False:
        return None
    return ShimError(
        CODE,
        f"{runtime} cannot start a container on this host: its cpuset hierarchy is mounted with noprefix",
        cause="the files are called cpus and mems there, and this runc looks for cpuset.cpus and cpuset.mems alone",
        evidence=(place, f"{runtime}: without the function {FINDER.decode()}, which runc has from 1.3 on"),
        remedy=("use runc 1.3 or crun 1.8, or later", "or mount cpuset without noprefix, after a reboot"),
    )


def warning(view: View, family: str) -> str:
    """Return a plan's note if it is unknown whether the runtime starts anything, "" elsewhere."""
    place = mounted(view)
    if not place or family == "runc":
        return ""
    return f"cpuset is mounted with noprefix ({place}): crun before 1.8 starts no container here, later ones do"

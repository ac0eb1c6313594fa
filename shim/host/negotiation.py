"""Which cgroup version a container engine should use on this host, and whether systemd or the engine makes the cgroups.

For a program that starts an engine: `negotiated(View())` returns or raises, and never guesses. An intercepted call
never imports this.
"""

from __future__ import annotations

from shim.errors import ShimError
from shim.host.captured import CapturedView
from shim.host.detect import detect
from shim.host.facts import HYBRID, LEGACY, NONE, UNIFIED, Fact
from shim.host.hierarchies import BASE, MEMBERSHIP, Hierarchies
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing_extensions import Literal

    from shim.host.facts import Host, Layout
    from shim.host.view import View

    Version = Literal["1", "2", "hybrid"]
    Driver = Literal["systemd", "cgroupfs"]

VERSIONS: dict[Layout, Version] = {LEGACY: "1", UNIFIED: "2", HYBRID: "hybrid"}
BOOTED = "/run/systemd/system"  # a directory where systemd is PID 1: sd_booted(3)
UNITS = (".service", ".scope", ".mount")  # only systemd makes cgroups with these names
GUARDS = ("memory", "cpu", "pids", "cpuset", "io")  # controllers whose limits protect a host
CODE = "no-cgroup-version"


class Negotiated(Value):
    """What an engine should use on this host.

    version: "1" (v1 hierarchies only), "2" (cgroup2 only) or "hybrid" (v1 hierarchies, cgroup2 beside them). evidence:
    the files that prove it. systemd: whether systemd is PID 1, with the evidence; None if a capture does not tell.
    rootless: whether the caller is a user without privileges, whose engine makes no cgroups in v1 hierarchies. notes:
    what such an engine cannot do here, one sentence each.
    """

    version: Version
    evidence: str
    systemd: Fact
    rootless: Fact
    notes: tuple[str, ...] = ()


def negotiated(view: View) -> Negotiated:
    """Return the cgroup version for an engine on the host behind `view`.

    Raises ShimError "no-cgroup-version" if no cgroup file system is at /sys/fs/cgroup or two contradict each other.
    """
    host = detect(view, writable=False)
    if host.layout not in VERSIONS:
        raise _undecided(view, host)
    return Negotiated(
        version=VERSIONS[host.layout],
        evidence=host.layout_evidence,
        systemd=systemd(view, whole=host.cgroup_view.value == "host"),
        rootless=host.rootless,
        notes=(*_placements(host), *_sight(host), *_read_only(view, host)),
    )


def driver(found: Negotiated) -> tuple[Driver, str]:
    """Return which program makes the cgroups, and why. Two that write to one tree undo each other's work, so PID 1
    decides.

    Raises ShimError "no-cgroup-driver" for a capture that does not tell what PID 1 is.
    """
    if found.version != "2" and found.rootless.value is True:
        return "cgroupfs", f"systemd gives a user no cgroups in v1 hierarchies; {found.rootless.evidence}"
    if found.systemd.value is None:
        raise ShimError(
            "no-cgroup-driver",
            "the cgroup driver depends on whether systemd is PID 1, and the capture does not tell",
            evidence=(found.systemd.evidence,),
            remedy=("capture the host again with `cgshimctl capture DIRECTORY`",),
        )
    if found.systemd.value:
        return "systemd", f"systemd is PID 1 and makes the cgroups of this host; {found.systemd.evidence}"
    return "cgroupfs", f"systemd is not PID 1, so nobody else makes cgroups; {found.systemd.evidence}"


def systemd(view: View, *, whole: bool = True) -> Fact:
    """Return whether systemd is PID 1: by its own mark, or in a capture without it by the names of the cgroups.

    whole: the host's own root is mounted; in a container the names come from the host's PID 1.
    """
    found = view.identity(BOOTED)
    if found is not None:
        return Fact(value=found.directory, evidence=f"{BOOTED}: {'a directory' if found.directory else 'a file'}")
    evidence = view.why(BOOTED)
    if not isinstance(view, CapturedView) or view.knows(BOOTED):
        return Fact(value=False, evidence=evidence)
    named = [f"{MEMBERSHIP}: {mine}" for mine in Hierarchies(view).own.values() if mine.endswith(UNITS)]
    named += [f"{BASE}/{name}: a unit's cgroup" for name in view.names(BASE) if name.endswith(UNITS)]
    if named and whole:
        return Fact(value=True, evidence=named[0])
    return Fact(value=None, evidence=f"{BOOTED}: not in the capture")


def _placements(host: Host) -> tuple[str, ...]:
    """Return the controllers that the engine will not find."""
    nowhere = [name for name in GUARDS if not host.version(name)]
    beside = [name for name in GUARDS if host.layout == HYBRID and host.version(name) == 2]
    notes = [f"no hierarchy has {', '.join(nowhere)}, so no engine enforces such limits here"] if nowhere else []
    if beside:
        where = f"only cgroup2 at {host.cgroup2_mount} has {', '.join(beside)}"
        notes.append(f"{where}; an engine that uses v1 sets no such limits, unless it calls cgshim")
    return tuple(notes)


def _sight(host: Host) -> tuple[str, ...]:
    shows = host.cgroup_view
    words = {"namespace": "the root of a cgroup namespace", "subtree": "a part of the host's tree"}
    if shows.value not in words:
        return ()
    return (f"what is mounted is {words[str(shows.value)]}, not the host's own root; {shows.evidence}",)


def _read_only(view: View, host: Host) -> tuple[str, ...]:
    """Return the mounts in which even root can make no cgroup."""
    if host.rootless.value is True:
        return ()
    mounts = dict.fromkeys(place.mount for place in host.placements.values() if place.version)
    closed = [mount for mount in mounts if not view.writable(mount)]
    return (f"not writable, so an engine makes no cgroup there: {' '.join(closed)}",) if closed else ()


def _undecided(view: View, host: Host) -> ShimError:
    if host.layout == NONE:
        what = f"no cgroup file system is mounted at {BASE}, so an engine has no cgroup version to use"
        remedy = [f"mount one before the engine starts: mount -t cgroup2 none {BASE}"]
    elif host.cgroup2_mount:
        what = "cgroup2 and v1 hierarchies inside it contradict each other, so the cgroup version is ambiguous"
        remedy = [
            f"unmount the v1 hierarchies below {BASE}, and remove what mounts them at boot",
            "or start the kernel with systemd.unified_cgroup_hierarchy=0, which puts the two beside each other",
        ]
    elif any(view.identity(mount.point) for mount in Hierarchies(view).mounts()):
        what = f"a cgroup file system is mounted, but not at {BASE} where engines look: the version is ambiguous"
        remedy = [f"mount it at {BASE}"]
    else:
        what = f"what is at {BASE} is not a cgroup file system that can be recognised: the version is ambiguous"
        remedy = [f"mount the kernel's own over it: mount -t cgroup2 none {BASE}"]
    return ShimError(CODE, what, evidence=(host.layout_evidence,), remedy=tuple(remedy))

"""Finds starts that would fail without a message: a start that hangs, limits that go nowhere, a cleanup that kills all.

Runs before every create and run, so it reads only one file for each level of the container's path. The texts are the
catalogue's (`shim.diagnose.preflight`), imported only after a finding.
"""

from __future__ import annotations

from shim.host import controllers, parents
from shim.oci import cgroups_path
from shim.rules import runtimes
from shim.rules.sizes import Untranslatable, amount
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

    from shim.errors import Level
    from shim.host.facts import Host
    from shim.host.view import View
    from shim.rules.base import Driver
    from shim.rules.runtimes import Family

CGROUP = "/sys/fs/cgroup"
# The controllers that a limit in `linux.resources` needs, by their v1 names.
FIELDS = (
    ("memory", "memory"),
    ("cpu", "cpu"),
    ("pids", "pids"),
    ("blockIO", "blkio"),
    ("hugepageLimits", "hugetlb"),
)


class Start(Value):
    """What will be started.

    resources: parsed `linux.resources`. cgroups_path: `linux.cgroupsPath`, None where the key is absent.
    runtime: "runc", "crun" or "other". driver: "cgroupfs", "systemd" or "disabled".
    mounts: destinations of the container's mounts if it has no mount namespace.
    """

    resources: dict[str, Any]
    cgroups_path: str | None
    runtime: Family
    driver: Driver = "cgroupfs"
    mounts: tuple[str, ...] = ()


class Hazard(Value):
    """A silent failure.

    code: a row of the catalogue. evidence: facts, one a line. values: for the row's templates.
    certain: True if the start cannot succeed, or must not be tried. False if it succeeds, but a setting has no effect.
    level: of the notice, if not certain; a warning also goes to the system's log.
    """

    code: str
    evidence: tuple[str, ...]
    values: dict[str, str]
    certain: bool = True
    level: Level = "info"


def hazards(asked: Start, view: View, host: Host) -> tuple[Hazard, ...]:
    """Return all hazards, worst first."""
    if asked.driver == "disabled":
        return tuple(_shared_mounts(asked))
    looks = (_root_path(asked), _frozen(asked, view, host), _no_room(asked, host), _folders(asked, view, host))
    return (*(found for look in looks for found in look), *_driver(asked), *_zero_pids(asked), *_shared_mounts(asked))


def _root_path(asked: Start) -> Iterator[Hazard]:
    path = asked.cgroups_path
    if not runtimes.of(asked.runtime).root_itself or asked.driver != "cgroupfs" or path is None or path.strip("/."):
        return
    yield Hazard(code="cgroups-path-is-root", evidence=(f"config.json linux.cgroupsPath = {path!r}",), values={})


def _frozen(asked: Start, view: View, host: Host) -> Iterator[Hazard]:
    """Find a frozen cgroup. v2: `cgroup.freeze` of every ancestor. v1: `freezer.state` of the nearest, which shows
    all.
    """
    unified = host.layout == "unified"
    mount = host.cgroup2_mount if unified else host.place("freezer").mount
    if not mount:
        return
    file, words = ("cgroup.freeze", ("1",)) if unified else ("freezer.state", ("FROZEN", "FREEZING"))
    for directory in parents.existing(view, mount, _path(asked, host, unified)):
        state = (view.text(f"{directory}/{file}") or "").strip()
        if state in words:
            frozen = directory if unified else _frozen_itself(view, mount, directory)
            own = _is_own(asked, frozen[len(mount) :]) and (unified or not _shown_above(view, mount, frozen, words))
            if own and runtimes.of(asked.runtime).looks_at_frozen:
                return
            yield Hazard(
                code="container-cgroup-frozen" if own else "frozen-ancestor",
                evidence=(f"{frozen}/{file}: {state}",),
                values={
                    "runtime": asked.runtime,
                    "path": frozen,
                    "file": file,
                    "thawed": "0" if unified else "THAWED",
                },
            )
            return
        if not unified and state:
            return


def _is_own(asked: Start, path: str) -> bool:
    """Return whether this cgroup is the container's own; only an absolute cgroupsPath tells."""
    wanted = asked.cgroups_path or ""
    return wanted.startswith("/") and parents.expand(wanted, "") == path


def _shown_above(view: View, mount: str, directory: str, words: tuple[str, ...]) -> bool:
    """v1: return whether the cgroup above is frozen, so that this one may only show its ancestor's state."""
    above = parents.existing(view, mount, directory[len(mount) :].rpartition("/")[0])
    return any((view.text(f"{one}/freezer.state") or "").strip() in words for one in above)


def _frozen_itself(view: View, mount: str, directory: str) -> str:
    """Return the topmost cgroup that was frozen itself: THAWED has no effect on one that shows its ancestor's state."""
    for above in parents.existing(view, mount, directory[len(mount) :]):
        if (view.text(f"{above}/freezer.self_freezing") or "").strip() == "1":
            directory = above
    return directory


def _path(asked: Start, host: Host, unified: bool) -> str:
    if asked.cgroups_path and asked.cgroups_path.startswith("/"):
        return asked.cgroups_path
    own = host.own.get("" if unified else "freezer", "/")
    return parents.expand(asked.cgroups_path or "", own) or own


def _no_room(asked: Start, host: Host) -> Iterator[Hazard]:
    limit, runtime = memory_limit(asked.resources), runtimes.of(asked.runtime)
    least = runtime.least_memory if host.swap_present.value is False else runtime.least_memory_with_swap
    if limit is None or not least or limit > least:
        return
    evidence = (
        f"memory limit in config.json: {limit} bytes; {asked.runtime} cannot start a container with {least} or less",
    )
    yield Hazard(code="oom-certain-at-start", evidence=evidence, values={"limit": str(limit), "runtime": asked.runtime})


def memory_limit(resources: dict[str, Any]) -> int | None:
    """Return `unified["memory.max"]`, which may have a suffix, or `memory.limit`, in bytes; None if there is none.

    0 is a limit in `unified` and unset in `memory.limit`. Values of other types are left to the checks.
    """
    unified, memory = resources.get("unified"), resources.get("memory")
    wanted = unified.get("memory.max") if isinstance(unified, dict) else None
    if isinstance(wanted, str) and wanted:
        try:
            found = amount(wanted.strip() or "0")
        except Untranslatable:
            return None  # `max`, or a word that the kernel refuses
        return found
    limit = memory.get("limit") if isinstance(memory, dict) else None
    return limit if isinstance(limit, int) and not isinstance(limit, bool) and limit > 0 else None


def _folders(asked: Start, view: View, host: Host) -> Iterator[Hazard]:
    """crun on v1: find a controller without a mount but with a directory: its limits become ordinary files."""
    if not runtimes.of(asked.runtime).unmounted or host.layout not in ("hybrid", "legacy"):
        return
    for field, controller in FIELDS:
        name = controllers.v2_name(controller)
        path = f"{CGROUP}/{controller}"
        if asked.resources.get(field) and host.version(name) != 1 and view.exists(path):
            evidence = (f"{path}: exists", host.place(name).evidence or f"{controller}: no v1 hierarchy")
            yield Hazard(
                code="limits-written-to-tmpfs", evidence=evidence, values={"path": path, "controller": controller}
            )


def _driver(asked: Start) -> Iterator[Hazard]:
    path = asked.cgroups_path or ""
    if asked.driver == "cgroupfs" and cgroups_path.is_for_systemd(path):
        evidence = (f"config.json linux.cgroupsPath = {path!r}",)
        yield Hazard(code="slice-path-with-cgroupfs", evidence=evidence, values={"path": path}, certain=False)


def _zero_pids(asked: Start) -> Iterator[Hazard]:
    pids = asked.resources.get("pids")
    limit = pids.get("limit") if isinstance(pids, dict) else None
    if limit == 0 and not isinstance(limit, bool):
        evidence = ("config.json linux.resources.pids.limit = 0",)
        yield Hazard(code="pids-limit-zero", evidence=evidence, values={"runtime": asked.runtime}, certain=False)


def _shared_mounts(asked: Start) -> Iterator[Hazard]:
    """Find mounts on the host: runc and crun mount in their caller's namespace, and unmount nothing at the end."""
    if asked.mounts:
        evidence = ("config.json linux.namespaces: no mount namespace", f"mounts: {' '.join(asked.mounts)}")
        values = {"count": str(len(asked.mounts))}
        yield Hazard(code="mounts-left-on-host", evidence=evidence, values=values, certain=False, level="warning")


def mounts_on_host(config: dict[str, Any]) -> tuple[str, ...]:
    """Return the destinations of the mounts of a parsed config.json without a mount namespace, () if it has one."""
    linux, mounts = config.get("linux"), config.get("mounts")
    listed = linux.get("namespaces") if isinstance(linux, dict) else None
    kinds = [one.get("type") for one in listed or () if isinstance(one, dict)] if isinstance(listed, list) else []
    if "mount" in kinds or not isinstance(mounts, list):
        return ()
    return tuple(str(one.get("destination", "")) for one in mounts if isinstance(one, dict))

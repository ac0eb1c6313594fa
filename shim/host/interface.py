"""Whether a non-root cgroup of this host has an interface file. An existing cgroup is examined if there is one.

Many v2 files and some v1 ones (`pids.max`, `blkio.bfq.weight`) are absent from the root (CFTYPE_NOT_ON_ROOT), so their
absence from the root proves nothing. On v2 a cgroup has a controller's files only when its own
`cgroup.controllers` lists the controller.
"""

from __future__ import annotations

from shim.host import parents
from shim.host.controllers import of_file, v1_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator, Optional

    from shim.host.facts import Placement
    from shim.host.hierarchies import Hierarchies

    Answer = tuple[Optional[bool], str]

# v1 files with CFTYPE_NOT_ON_ROOT. For all others the root shows what every cgroup has. (Vendor kernels add more of
# these, on hosts whose init system populates each hierarchy, so that another cgroup is there to examine.)
NOT_ON_V1_ROOT = ("pids.max", "rdma.max", "misc.max", "blkio.bfq.weight", "blkio.bfq.weight_device")
# No cgroup2 file has such a name: an answer that needs no trial.
_V1_ENDINGS = ("_in_bytes", "_us", "_device")
# cgroup2's names that no v1 hierarchy has, not even a vendor's. The rules ask for the files of both versions.
_V2_NAMES = ("memory.swap.max", "cpu.max", "cpu.max.burst")
HOST_ROOT = 1  # inode of the root directory of every cgroup file system; a namespace's or a bind's root has another


class Interface:
    """Answers about interface files. target: the container's cgroup path, or "" if unknown."""

    def __init__(self, hierarchies: Hierarchies, target: str = "") -> None:
        self.hierarchies = hierarchies
        self.view = hierarchies.view
        self.target = target
        self._directories: dict[str, str | None] = {}

    def answers(self, names: tuple[str, ...], places: dict[str, Placement], trial: bool) -> dict[str, Answer]:
        """Return name -> (present, evidence). trial: a cgroup may be made for files that are not visible otherwise."""
        found = {name: self.look(name, places[of_file(name)]) for name in names}
        open_questions: dict[str, list[str]] = {}
        for name, answer in found.items():
            if answer[0] is None:
                open_questions.setdefault(places[of_file(name)].mount, []).append(name)
        if trial and self.view.live and open_questions:
            from shim.host import trial as trials  # only on a host without any cgroup below the root

            for mount, unknown in open_questions.items():
                found.update(trials.look(self.view, mount, {name: places[of_file(name)] for name in unknown}))
        return found

    def look(self, name: str, place: Placement) -> Answer:
        """Return the answer for one file from existing cgroups; None if there is no cgroup to examine."""
        if place.version == 0:
            return False, place.evidence
        if not of_file_in(name, place):
            return False, f"no such file in cgroup v{place.version}, where {place.controller} is: {place.evidence}"
        on_root = self._present(place.mount, name, place) if place.version == 1 else (False, "")
        if on_root[0]:
            return on_root
        directory = self.directory(place)
        if directory:
            return self._present(directory, name, place)
        if place.version == 1 and name not in NOT_ON_V1_ROOT:
            return on_root
        below = f"{place.mount}: no cgroup below it"
        return None, below + (f" has {place.controller} enabled" if place.version == 2 and place.controller else "")

    def directory(self, place: Placement) -> str | None:
        """Return a non-root cgroup that has the controller; None if finding one would need a search."""
        key = f"{place.version}:{place.controller}"
        if key not in self._directories:
            candidates = self._candidates(place)
            self._directories[key] = next((path for path in candidates if self._enabled(path, place)), None)
        return self._directories[key]

    def _candidates(self, place: Placement) -> Iterator[str]:
        own = self.hierarchies.own.get(v1_name(place.controller) if place.version == 1 else "", "")
        seen = []
        for path in (self.target, own):
            for directory in parents.existing(self.view, place.mount, path):
                if directory not in seen:
                    seen.append(directory)
                    yield directory
        root = self.hierarchies.root(place.mount)
        if root and root.inode != HOST_ROOT:
            yield place.mount
        child = self.view.first_child(place.mount)
        if child:
            yield f"{place.mount}/{child}"

    def _enabled(self, directory: str, place: Placement) -> bool:
        if place.version == 1 or not place.controller:
            return True
        return place.controller in (self.view.text(f"{directory}/cgroup.controllers") or "").split()

    def _present(self, directory: str, name: str, place: Placement) -> Answer:
        path = f"{directory}/{name}"
        found = self.view.identity(path)
        if found is None:
            return False, self.view.why(path)
        root = self.hierarchies.root(place.mount)
        if root and found.device != root.device:
            return False, f"{path}: not on the cgroup file system"
        return True, f"{path}: present"


def of_file_in(name: str, place: Placement) -> bool:
    """Return False if no file of this name can exist in that version: `blkio.*` is v1's, `io.*` is cgroup2's."""
    prefix = name.partition(".")[0]
    if place.version == 1:
        return prefix == v1_name(place.controller) and name not in _V2_NAMES
    return prefix == "cgroup" or (prefix == place.controller and not name.endswith(_V1_ENDINGS))

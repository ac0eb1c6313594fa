"""Memory pressure of containers on hosts without PSI, from the kernel's delay accounting of their processes."""

from __future__ import annotations

from shim.observe import pressure
from shim.observe.pressure import Pressure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from shim.host.view import View
    from shim.watch.place import Followed

MOST = 200  # processes of one container; each is one query to the kernel
NO_DIRECTORY = "no PSI: no cgroup2 directory"


class LostTime:
    """Queries taskstats. The connection is kept; after a failure it is not tried again."""

    def __init__(self, view: View, connect: Callable[[], Callable[[int], bytes]] | None = None) -> None:
        self.view = view
        self.connect = connect or pressure.asking
        self.ask: Callable[[int], bytes] | None = None
        self.problem = ""

    def __call__(self, one: Followed, reason: str) -> Pressure:
        """Return the pressure of a container. reason: why it has no PSI."""
        if self.ask is None and not self.problem:
            try:
                self.ask = self.connect()
            except (OSError, ImportError) as error:
                self.problem = f"no taskstats: {error}"
        if self.ask is None:
            return Pressure(source="", totals={}, evidence="", reason=f"{reason}; {self.problem}")
        pids = [int(word) for word in (self.view.text(f"{one.place.memory.directory}/cgroup.procs") or "").split()]
        if len(pids) > MOST:
            why = f"{len(pids)} processes are too many to ask taskstats about"
            return Pressure(source="", totals={}, evidence="", reason=f"{reason}; {why}")
        found = pressure.of_cgroup(self.view, "", pids, self.ask)
        return found.changed(reason=found.reason.replace(NO_DIRECTORY, reason))

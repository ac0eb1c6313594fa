"""One watcher for the whole host: follows containers, looks at them when the kernel says so, and otherwise in turn."""

from __future__ import annotations

import os
import select
import time

from shim.containers.inventory import inventory
from shim.containers.tree import Tree
from shim.host.detect import detect
from shim.host.view import View
from shim.values import Value
from shim.watch import changes
from shim.watch import event as kinds
from shim.watch.alerts import Alerts
from shim.watch.event import Event
from shim.watch.memory_of_alerts import Remembered
from shim.watch.place import Places, follow
from shim.watch.sampler import Sampler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from shim.watch.alert import Alert
    from shim.watch.place import Followed
    from shim.watch.sample import Sample
    from shim.watch.sink import Sink

INTERVAL = 5.0  # seconds between looks at a container of which the kernel says nothing
DISCOVERY = 30.0  # seconds between looks for containers, besides those that the kernel causes
QUIET = 60.0  # seconds in which an alert of one type for one container is given once
SHARE = 0.015  # of one core: what the looks in turn may take


class Options(Value):
    """What is watched and how.

    names: containers (shim.watch.place.is_called), all where there are none. interval: seconds between looks; longer
    where looking at all takes more than SHARE of a core. quiet: seconds, QUIET. state: a directory of its own in which
    alerts survive a restart, "" for none. roots: further state directories of runtimes. root: of the host's files.
    """

    names: tuple[str, ...] = ()
    interval: float = INTERVAL
    quiet: float = QUIET
    state: str = ""
    roots: tuple[str, ...] = ()
    root: str = "/"


class Watcher:
    """Watches until `stop`, or for a number of rounds.

    view: the host, a captured one too; this one's by default. clock: UNIX seconds.
    """

    def __init__(
        self, options: Options | None = None, *, view: View | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        options = options or Options()
        self.view = view or View(options.root)
        self.tree = Tree(options.root)
        self.names, self.roots = options.names, options.roots
        self.interval = self.pace = options.interval
        self.clock = clock
        self.host = detect(self.view, controllers=("memory", "cpu"), writable=False)
        self.places = Places(self.view, self.host)
        self.sampler = Sampler(self.view)
        self.followed: dict[str, Followed] = {}
        self.unfollowed: dict[str, str] = {}
        self.problems: list[str] = []
        self.remembered = Remembered(options.state)
        self.alerts = Alerts(self.remembered, options.quiet)
        self.sinks: tuple[Sink, ...] = ()
        self._pipe = os.pipe()
        self._stopped = False

    def run(self, sinks: Iterable[Sink], *, rounds: int = 0) -> None:
        """Until `stop`; rounds: end after so many looks at everything. Closes the sinks."""
        self.sinks = tuple(sinks)
        done = 0
        try:
            while not self._stopped:
                self.round()
                done += 1
                if done == rounds:
                    break
                self._wait(self.pace)
        finally:
            self.close()

    def stop(self) -> None:
        """End soon; may be called by a signal handler or another thread."""
        self._stopped = True
        os.write(self._pipe[1], b"x")

    def close(self) -> None:
        """Keep what a restart needs, close the sinks."""
        self.remembered.save()
        self._each(lambda sink: sink.close())

    def round(self) -> None:
        """One look at everything."""
        began = time.process_time()
        self.discover()
        self.sampler.round()
        for one in list(self.followed.values()):
            self.look(one, f"polling every {self.pace:g} s")
        now = self.clock()
        for alert in self.alerts.due(now):
            self._tell(alert)
        self.remembered.save()
        self._each(lambda sink: sink.tick(now))
        self.pace = max(self.interval, (time.process_time() - began) / SHARE)

    def discover(self) -> None:
        """Which containers run now."""
        found, self.unfollowed = follow(self.places, inventory(self.tree, self.roots), self.names)
        for container in [container for container in self.followed if container not in found]:
            self.ended(container)
        for container, one in found.items():
            known = self.followed.get(container)
            if known is None or known.place.inode != one.place.inode:
                self.followed[container] = one
                self.remembered.begin(container, one.place.inode)
                self._event(self._plain(one, kinds.STARTED, "polling"))

    def ended(self, container: str) -> None:
        """A container is gone."""
        one = self.followed.pop(container)
        self._event(self._plain(one, kinds.GONE, "polling"))
        self._each(lambda sink: sink.gone(container))
        self.remembered.forget(container)

    def look(self, one: Followed, source: str) -> Sample | None:
        """Read a container's cgroup now. source: how it was learned that it is time to."""
        sample = self.sampler.sample(one, self.clock())
        if sample is None:
            return None
        self._each(lambda sink: sink.sample(sample))
        before = self.remembered.counters(sample.id)
        for event in changes.between(sample.events if before is None else before, sample, source):
            self._event(event)
            for alert in self.alerts.of(event, sample):
                self._tell(alert)
        self.remembered.count(sample.id, sample.events)
        return sample

    def _plain(self, one: Followed, kind: str, source: str) -> Event:
        evidence = {"cgroup": one.place.memory.path, "pid": one.container.pid}
        return Event(time=self.clock(), kind=kind, **one.named, source=source, evidence=evidence)

    def _event(self, event: Event) -> None:
        self._each(lambda sink: sink.event(event))

    def _tell(self, alert: Alert) -> None:
        self._each(lambda sink: sink.alert(alert))

    def _each(self, step: Callable[[Sink], None]) -> None:
        for sink in self.sinks:
            try:
                step(sink)
            except OSError as error:
                problem = f"{type(sink).__name__}: {error}"
                if problem not in self.problems:
                    self.problems.append(problem)

    def _wait(self, seconds: float) -> None:
        select.select([self._pipe[0]], [], [], seconds)

"""One watcher for the whole host: follows containers, samples them after a notification, and otherwise in turn."""

from __future__ import annotations

import time

from shim.containers.tree import HostTree
from shim.host.detect import detect
from shim.host.view import View
from shim.values import Value
from shim.watch import changes, reports
from shim.watch import event as kinds
from shim.watch.delays import Delays
from shim.watch.desk import Desk
from shim.watch.drift import AGE, Drift, evidence
from shim.watch.ears import CONTROL_SOURCE, EventControl, EventsFiles, Triggers, heard
from shim.watch.exits import Exits
from shim.watch.hierarchy import SOURCE, Hierarchy
from shim.watch.judge import Judge, threshold
from shim.watch.kills import KernelLog
from shim.watch.loop import Loop
from shim.watch.lost_time import LostTime
from shim.watch.memory_of_alerts import BOOT, Remembered
from shim.watch.passing import Passing
from shim.watch.place import CgroupFinder
from shim.watch.roster import Roster
from shim.watch.sampler import Sampler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from shim.watch.ears import Ear
    from shim.watch.place import Followed
    from shim.watch.sample import Sample
    from shim.watch.sink import Sink

INTERVAL = 5.0  # seconds between samples of a container without notifications
QUIET = 60.0  # seconds in which an alert of one type for one container is sent once
SHARE = 0.008  # of one core: the limit for samples in turn
GAP = 1.0  # seconds between two samples of one container, however often the kernel notifies


class Options(Value):
    """The options of a watcher.

    names: containers (shim.watch.place.is_called), all if empty. interval: seconds between samples; longer if one of
    each container takes more than SHARE of a core. quiet: seconds, QUIET. state: a directory of its own in which alerts
    survive a restart, "" for none. roots: further state directories of runtimes. root: of the host's files. listen: for
    the kernel's notifications; without, all is polled. service: the state directory in which hooks find the watcher
    (shim.watch.delays), "" for none.
    """

    names: tuple[str, ...] = ()
    interval: float = INTERVAL
    quiet: float = QUIET
    state: str = ""
    roots: tuple[str, ...] = ()
    root: str = "/"
    listen: bool = True
    service: str = ""


class Watcher:
    """Watches until `stop`, or for a number of rounds.

    view: the host, possibly a captured one; this host by default. clock: UNIX seconds. Raises ShimError for a state
    directory that cannot be used. sources: id -> how events of the container are found. problems: errors that stopped
    nothing.
    """

    def __init__(
        self, options: Options | None = None, *, view: View | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self.options = options = options or Options()
        self.clock = clock
        self.view = view or View(options.root)
        self.host = detect(self.view, controllers=("memory", "cpu"), writable=False)
        finder = CgroupFinder(self.view, self.host)
        self.roster = Roster(HostTree(options.root), finder, options.names, options.roots)
        self.passing = Passing(self.view, finder, options.names, options.roots)
        self.sampler = Sampler(self.view, LostTime(self.view) if self.view.live else None)
        self.remembered = Remembered(options.state, (self.view.text(BOOT) or "").strip())
        self.judge = Judge(self.remembered)
        self.drift = Drift(self.roster.tree, self.view, self.remembered)
        self.desk = Desk(self.remembered, options.quiet)
        self.log = KernelLog(after=self.remembered.log, anywhere=self.host.cgroup_view.value != "host")
        self.pace = options.interval
        self.sources: dict[str, list[str]] = {}
        self.urgent: dict[str, tuple[float, str]] = {}
        self.looked: dict[str, float] = {}
        self.loop = Loop()
        self.stopped = False
        self.ears: list[Ear] = []
        self.hierarchy: Hierarchy | None = None
        self.exits: Exits | None = None
        if options.listen and self.view.live:
            self._listen()
        self.delays = Delays(self.view, self.loop, options.service, self.desk.problem) if options.service else None

    @property
    def problems(self) -> list[str]:
        """The problems, each once."""
        return self.desk.problems

    def _listen(self) -> None:
        self.ears.append(Triggers(self.view, self.loop, self.want))
        self.ears.append(EventControl(self.view, self.loop, self.want, threshold))
        self.exits = Exits(self.view, self.loop, self.roster, self._exited, self.desk.problem)
        mount = self.host.place("memory").mount
        try:
            self.ears.append(EventsFiles(self.view, self.loop, self.want))
            if mount:
                self.passing.listen()
                self.hierarchy = Hierarchy(self.view, self.loop, mount, self._hierarchy)
        except OSError as error:
            self.desk.problem(f"inotify: {error.strerror}; events are found by polling")

    def run(self, sinks: Iterable[Sink], *, rounds: int = 0) -> None:
        """Watch until `stop`. rounds: end after so many rounds. Closes the sinks."""
        try:
            self.desk.open(sinks)
            while not self.stopped:
                self.round()
                rounds -= 1
                if not rounds:
                    break
                self._until(time.monotonic() + self.pace)
        finally:
            self.close()

    def stop(self) -> None:
        """End soon; a signal handler or another thread may call this."""
        self.stopped = True
        self.loop.wake()

    def want(self, container: str, source: str, delay: float = 0.0) -> None:
        """Sample the container soon: at once, unless it was sampled a moment ago."""
        when = max(time.monotonic() + delay, self.looked.get(container, 0.0) + GAP)
        known = self.urgent.get(container)
        if known is None or when < known[0]:
            self.urgent[container] = (when, source)

    def round(self) -> None:
        """Sample every container once."""
        if time.monotonic() >= self.roster.due:
            self.discover("polling")
        began = time.process_time()
        self.sampler.round()
        for one in list(self.roster.followed.values()):
            self.look(one, f"polling every {self.pace:.3g} s")
        self._compare()
        if self.exits is not None:
            self.exits.tick()
        now = self.clock()
        self.desk.due(now)
        self.remembered.read_log(self.log.last)
        self.remembered.save()
        self.desk.each(lambda sink: sink.tick(now))
        self.pace = max(self.options.interval, (time.process_time() - began) / SHARE)

    def _compare(self) -> None:
        """Find limits that the kernel no longer shows as requested."""
        told, again = self.drift.turn(self.roster.records, self.roster.read, self.pace)
        for container, found in told:
            one = self.roster.followed.get(container)
            sample = self.sampler.sample(one, self.clock()) if one else None
            if one is not None and sample is not None:
                source = f"comparison with what was asked, every {AGE:.0f} s or more"
                self.desk.event(
                    changes.of(sample, kinds.DRIFT, source, inode=one.place.inode, **evidence(found)), sample
                )
                self.drift.reported(container, found)
        if again:
            self.roster.changed(time.monotonic())

    def _until(self, end: float) -> None:
        """Handle notifications until the next round."""
        while not self.stopped:
            now = time.monotonic()
            if now >= self.roster.due:
                self.discover(SOURCE if self.roster.second else "polling")
            for container in [name for name, (when, _) in self.urgent.items() if when <= now]:
                source = self.urgent.pop(container)[1]
                one = self.roster.followed.get(container)
                if one is not None:
                    self.look(one, source)
            now = time.monotonic()
            if now >= end:
                return
            self.loop.wait(min([end, self.roster.due, *(when for when, _ in self.urgent.values())]) - now)

    def discover(self, source: str) -> None:
        """Find the containers that run now."""
        started, gone = self.roster.refresh(time.monotonic())
        for one in gone:
            self.ended(one, source)
        for one in started:
            known = self.remembered.begin(one.id, one.place.inode)
            if not known and not self.remembered.fresh:
                self.remembered.count(one.id, {})  # never seen before: all counts are reported
            self.passing.known(one.place.memory.directory)
            self.sources[one.id] = [f"{type(ear).__name__}: {heard(ear, one)}" for ear in self.ears]
            if self.exits is not None:
                self.sources[one.id].append(f"Exits: {self.exits.follow(one)}")
            if not known:
                self.desk.event(reports.plain(one, self.clock(), kinds.STARTED, source))
            self.want(one.id, source)
        self._forget_strangers()
        if self.hierarchy is not None and (started or gone or not self.hierarchy.of_watch):
            self.hierarchy.watch(one.place.memory.directory for one in self.roster.followed.values())
            if self.hierarchy.problem:
                self.desk.problem(self.hierarchy.problem)
        self.remembered.fresh = False

    def _forget_strangers(self) -> None:
        """Remove containers from the state that an earlier watcher knew and that are gone."""
        for container in [name for name in self.remembered.value["containers"] if name not in self.roster.followed]:
            self.desk.due(self.clock(), container)
            self.remembered.forget(container)

    def _hierarchy(self, path: str, new: bool) -> None:
        """A cgroup was made or removed. That a container's is gone is certain; only the records show who is new."""
        one = None if new else self.roster.drop(path)
        passed = None if new or one is not None else self.passing.went(path)
        if new:
            self.passing.came(path, self.clock())
        elif passed is not None:
            more = {"brief": "it ended before its records were read"}
            self.desk.event(reports.plain(passed.one, passed.began, kinds.STARTED, SOURCE, **more))
            one = passed.one
        if one is not None:
            self.ended(one, SOURCE)
        self.roster.changed(time.monotonic())

    def _exited(self, one: Followed, facts: dict[str, Any], source: str) -> None:
        """A process has ended. After a container's first one the counters are read before the cgroup goes."""
        if facts["init"]:
            self.look(one, source)
            self.roster.changed(time.monotonic())
        self.desk.event(reports.plain(one, self.clock(), kinds.EXIT, source, **facts))

    def ended(self, one: Followed, source: str) -> None:
        """A container is gone: its last kills are in the kernel's log, even if its counters were lost."""
        if self.exits is not None:
            self.exits.forget(one, source)
        killed = reports.killed(one, self.clock(), self.log)
        if killed is not None:
            self.desk.event(killed)
        for ear in self.ears:
            ear.forget(one.id)
        self.desk.due(self.clock(), one.id)
        self.desk.event(reports.plain(one, self.clock(), kinds.GONE, source))
        self.desk.each(lambda sink: sink.gone(one.id))
        self.judge.forget(one.id)
        self.drift.forget(one.id)
        self.remembered.forget(one.id)
        for kept in (self.urgent, self.looked, self.sources):
            kept.pop(one.id, None)

    def look(self, one: Followed, source: str) -> Sample | None:
        """Read a container's cgroup now. source: the notification that led to this."""
        sample = self.sampler.sample(one, self.clock())
        if sample is None:
            self.roster.changed(time.monotonic())
            return None
        self.looked[one.id] = time.monotonic()
        self.urgent.pop(one.id, None)
        self.desk.each(lambda sink: sink.sample(sample))
        for event in self.judge.events(sample, source):
            placed = event.changed(evidence={**event.evidence, "inode": one.place.inode})
            self.desk.event(reports.with_victims(one, placed, self.log), sample)
        for ear in self.ears:
            try:
                ear.saw(sample)
            except OSError as error:
                self.desk.problem(f"{type(ear).__name__}: {one.container.title}: {error.strerror or error}")
        if source == CONTROL_SOURCE:  # the kernel notifies before it kills and counts
            self.want(one.id, f"{CONTROL_SOURCE}, a second later", GAP)
        delay = self.judge.again(one.id)
        if delay is not None:
            self.want(one.id, source, delay)
        return sample

    def close(self) -> None:
        """Save the state for a restart, close the sinks, and release the kernel's resources."""
        self.remembered.read_log(self.log.last)
        self.remembered.save()
        self.desk.each(lambda sink: sink.close())
        for ear in self.ears:
            ear.close()
        if self.hierarchy is not None:
            self.hierarchy.close()
        for other in (self.exits, self.delays, self.passing):
            if other is not None:
                other.close()
        self.log.close()
        self.loop.close()

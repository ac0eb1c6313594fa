"""The kernel's notifications about containers: each kind is an ear.

An ear reports only which container to look at, and through which notification; the files show what happened.
"""

from __future__ import annotations

import os
import time

from shim.watch import kernel_calls
from shim.watch.loop import ERROR, IN, PRIORITY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from shim.host.view import View
    from shim.watch.loop import Loop
    from shim.watch.place import Followed, Spot
    from shim.watch.sample import Sample

    Want = Callable[[str, str], None]  # (container, source): look at this container

TRIGGERS = 64  # containers with a PSI trigger of their own; each costs a kernel thread (psi.rst, "psimon")
# Microseconds of stall in a window that count as pressure. Window lengths other than multiples of 2 s need
# CAP_SYS_RESOURCE (psi.rst).
STALL, WINDOW = 300_000, 2_000_000
PATIENCE = 0.2  # seconds of every EVERY for thresholds: for each one the kernel waits for all processors (RCU)
EVERY = 5.0
LEVEL = "critical"  # of memory.pressure_level: reclaim finds almost nothing (cgroup-v1/memory.rst, 11)
EVENTS_SOURCE, ABOVE_SOURCE = "inotify memory.events", "inotify memory.events.local of {}"
CONTROL_SOURCE = "cgroup.event_control (memory.oom_control, thresholds)"
LEVEL_SOURCE = f"cgroup.event_control memory.pressure_level {LEVEL}"
TRIGGER_SOURCE = "PSI trigger"


class Ear:
    """One kind of notification. want: called with each container to look at."""

    def __init__(self, view: View, loop: Loop, want: Want) -> None:
        self.view = view
        self.loop = loop
        self.want = want

    def follow(self, one: Followed) -> str:
        """Listen for a container; return why that is not possible, "" if it is. Raises OSError."""
        raise NotImplementedError

    def forget(self, container: str) -> None:
        """Stop listening for a container."""

    def saw(self, sample: Sample) -> None:
        """Take note of a sample."""

    def close(self) -> None:
        """Stop listening."""


class EventsFiles(Ear):
    """inotify on memory.events of cgroup2, which the kernel modifies at each event (cgroup-v2.rst, "memory.events").

    It watches the container's own file, which also counts everything below, and the local file of each cgroup above it,
    which counts the effects of that cgroup's own limit. One watch for each file, one descriptor for all.
    """

    def __init__(self, view: View, loop: Loop, want: Want) -> None:
        super().__init__(view, loop, want)
        self.inotify = kernel_calls.Inotify()
        self.watches: dict[str, int] = {}
        self.of_watch: dict[int, tuple[str, set[str]]] = {}
        loop.add(self.inotify.handle, IN, self._ready)

    def follow(self, one: Followed) -> str:
        """Watch the files of the container and of the cgroups above it."""
        spot = one.place.memory
        path = _interface(self.view, spot, "memory.events")
        if not path:
            return f"{spot.directory} has no memory.events"
        self._watch(path, EVENTS_SOURCE, one.id)
        for above in spot.above if spot.version == 2 else ():
            path = _interface(self.view, above, "memory.events.local")
            if path:
                self._watch(path, ABOVE_SOURCE.format(above.path), one.id)
        return ""

    def _watch(self, path: str, source: str, container: str) -> None:
        watch = self.watches.get(path)
        if watch is None:
            watch = self.watches[path] = self.inotify.add(path, kernel_calls.MODIFY)
            self.of_watch[watch] = (source, set())
        self.of_watch[watch][1].add(container)

    def forget(self, container: str) -> None:
        """Drop the watches that no container needs any more."""
        for path, watch in list(self.watches.items()):
            containers = self.of_watch[watch][1]
            containers.discard(container)
            if not containers:
                self.inotify.remove(watch)
                del self.watches[path], self.of_watch[watch]

    def _ready(self, _: int) -> None:
        for watch, mask, _name in self.inotify.read():
            source, containers = self.of_watch.get(watch, ("", set()))
            if mask & kernel_calls.OVERFLOW:  # some events were dropped, and their containers are unknown
                containers = set().union(*(names for _, names in self.of_watch.values()))
                source = f"{EVENTS_SOURCE}, whose queue overflowed"
            if not mask & kernel_calls.IGNORED:
                for container in sorted(containers):
                    self.want(container, source)

    def close(self) -> None:
        """End all watches."""
        self.loop.drop(self.inotify.handle)
        self.inotify.close()


class EventControl(Ear):
    """eventfd(2) registered in v1's cgroup.event_control: OOM, the threshold, and a critical pressure level.

    cgroup-v1/memory.rst, sections 9 to 11. A container has one descriptor for OOM and threshold, and a second one for
    the level if the kernel has no PSI. threshold: returns for a sample the bytes at which to notify, None for none. On
    a host with many containers only some thresholds are registered at a time; the others are checked when it is their
    turn.
    """

    def __init__(self, view: View, loop: Loop, want: Want, threshold: Callable[[Sample], int | None]) -> None:
        super().__init__(view, loop, want)
        self.threshold = threshold
        self.spots: dict[str, Spot] = {}
        self.handles: dict[str, list[int]] = {}
        self.at: dict[str, int | None] = {}
        self.spent = (0.0, 0.0)  # (since when, how long)

    def follow(self, one: Followed) -> str:
        """Register for OOM and, without PSI, for the level. The threshold follows when its value is known."""
        spot = one.place.memory
        if spot.version != 1:
            return "cgroup2 has no cgroup.event_control"
        self.spots[one.id] = spot
        self.handles[one.id] = [self._register(spot, one.id, CONTROL_SOURCE, "memory.oom_control")]
        if one.place.unified is None or not _interface(self.view, one.place.unified, "memory.pressure"):
            self.handles[one.id].append(self._register(spot, one.id, LEVEL_SOURCE, "memory.pressure_level", LEVEL))
        return ""

    def saw(self, sample: Sample) -> None:
        """Register the threshold, and a new one if the limit has changed."""
        spot, wanted = self.spots.get(sample.id), self.threshold(sample)
        began = time.monotonic()
        if began - self.spent[0] > EVERY:
            self.spent = (began, 0.0)
        if spot is None or wanted == self.at.get(sample.id) or self.spent[1] > PATIENCE:
            return
        first = self.handles[sample.id][0]  # closing it removes its registrations
        self._drop(first)
        self.handles[sample.id][0] = handle = self._register(spot, sample.id, CONTROL_SOURCE, "memory.oom_control")
        if wanted is not None:
            self._write(spot, handle, "memory.usage_in_bytes", str(wanted))
        self.at[sample.id] = wanted
        self.spent = (self.spent[0], self.spent[1] + time.monotonic() - began)

    def _register(self, spot: Spot, container: str, source: str, file: str, argument: str = "") -> int:
        handle = kernel_calls.event_descriptor()
        try:
            self._write(spot, handle, file, argument)
        except OSError:
            os.close(handle)
            raise

        def ready(_: int) -> None:
            if kernel_calls.counted(handle):
                self.want(container, source)

        self.loop.add(handle, IN, ready)
        return handle

    def _write(self, spot: Spot, handle: int, file: str, argument: str) -> None:
        """Write `EVENTFD FILE ARGUMENT`, the kernel's format; the files need not stay open."""
        path = _interface(self.view, spot, file)
        if not path:
            raise FileNotFoundError(2, "no such interface file", f"{spot.directory}/{file}")
        target = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            control = os.open(self.view.path(f"{spot.directory}/cgroup.event_control"), os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(control, f"{handle} {target} {argument}".rstrip().encode("ascii"))
            finally:
                os.close(control)
        finally:
            os.close(target)

    def _drop(self, handle: int) -> None:
        self.loop.drop(handle)
        os.close(handle)

    def forget(self, container: str) -> None:
        """Close its descriptors, which ends the registrations."""
        for handle in self.handles.pop(container, ()):
            self._drop(handle)
        self.spots.pop(container, None)
        self.at.pop(container, None)

    def close(self) -> None:
        """Close all descriptors."""
        for container in list(self.handles):
            self.forget(container)


class Triggers(Ear):
    """PSI triggers (Documentation/accounting/psi.rst, "Monitoring for pressure thresholds"), for the first containers.

    Each costs a descriptor and, for a privileged watcher, a kernel thread. So there are at most TRIGGERS, and pressure
    of further containers is checked when it is their turn.
    """

    def __init__(self, view: View, loop: Loop, want: Want) -> None:
        super().__init__(view, loop, want)
        self.handles: dict[str, int] = {}

    def follow(self, one: Followed) -> str:
        """Add a trigger to the container's memory.pressure."""
        spot = one.place.unified
        path = _interface(self.view, spot, "memory.pressure") if spot else ""
        if not path:
            return "no PSI of its own"
        if len(self.handles) >= TRIGGERS:
            return f"{TRIGGERS} containers have a PSI trigger already"
        handle = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            os.write(handle, f"some {STALL} {WINDOW}\0".encode("ascii"))
        except OSError:
            os.close(handle)
            raise

        def ready(events: int) -> None:
            if events & ERROR:  # the cgroup is gone
                self.forget(one.id)
            self.want(one.id, TRIGGER_SOURCE)

        self.loop.add(handle, PRIORITY, ready)
        self.handles[one.id] = handle
        return ""

    def forget(self, container: str) -> None:
        """Close its descriptor, which ends the trigger."""
        handle = self.handles.pop(container, None)
        if handle is not None:
            self.loop.drop(handle)
            os.close(handle)

    def close(self) -> None:
        """Close all descriptors."""
        for container in list(self.handles):
            self.forget(container)


def heard(ear: Ear, one: Followed) -> str:
    """Return `listening`, or why an ear cannot listen for a container."""
    try:
        return ear.follow(one) or "listening"
    except OSError as error:
        return error.strerror or str(error)


def _interface(view: View, spot: Spot, name: str) -> str:
    """Return the real path of a kernel's interface file, "" if there is none or another file in its place."""
    path = f"{spot.directory}/{name}"
    identity = view.identity(path)
    return view.path(path) if identity is not None and identity.device == spot.device else ""

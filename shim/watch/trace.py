"""Counts allocations by thread and size, with histogram triggers in a tracefs instance of our own.

Other tracing on this host is not affected: an instance has its own events and is removed as a whole. While it exists a
note is in the state directory, so that the next watcher removes the instance of a killed one.
"""

from __future__ import annotations

import contextlib
import os
import re
import time

from shim.errors import ShimError
from shim.host import process
from shim.state import files
from shim.watch.histogram import EVENTS, NEEDED, Histogram, parse, together, trigger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

PLACES = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")
LOCKDOWN = "/sys/kernel/security/lockdown"
HOST_PIDS = 0xEFFFFFFC  # inode of the host's PID namespace: PROC_PID_INIT_INO, include/linux/proc_ns.h
FOLDER = "traces"  # of the state directory
_OURS = re.compile(r"cgshim-\d+\Z")
BUSY = 20  # attempts at a removal while another process reads in the instance
MOST = 64 << 20  # bytes of one histogram's text


class Trace:
    """Histograms that count until `close`. Raises ShimError `no-trace` if they are not available."""

    def __init__(self, environment: Mapping[str, str], root: str = "/") -> None:
        self.notes = _notes(environment)
        tracefs = place(root)
        sweep(environment)
        name = f"cgshim-{os.getpid()}"
        self.instance = f"{tracefs}/instances/{name}"
        self.page = os.sysconf("SC_PAGE_SIZE")
        self.events: list[str] = []
        note = {"pid": os.getpid(), "started": started(os.getpid()), "instance": self.instance}
        try:
            files.write(self.notes, f"{name}.json", note)
            os.mkdir(self.instance)
            self._begin()
        except OSError as error:
            self.close()
            raise _closed(self.instance, error) from error
        except ShimError:
            self.close()
            raise

    def _begin(self) -> None:
        for event in EVENTS:
            path = f"{self.instance}/events/kmem/{event}"
            if not os.path.isdir(path):
                if event in NEEDED:
                    raise _none(f"{path} does not exist", "this kernel has no such event")
                continue
            if not os.path.exists(f"{path}/hist"):
                raise _none(f"{path}/hist does not exist", "this kernel was built without CONFIG_HIST_TRIGGERS")
            _write(f"{path}/trigger", trigger(event))
            self.events.append(event)

    def read(self) -> Histogram:
        """Return all counts since the beginning. Raises OSError."""
        found = []
        for event in self.events:
            with open(f"{self.instance}/events/kmem/{event}/hist", encoding="ascii", errors="replace") as file:
                found.append(parse(event, file.read(MOST), self.page))
        return together(found)

    def close(self) -> None:
        """Remove the instance."""
        if _removed(self.instance):
            files.drop(self.notes, f"{os.path.basename(self.instance)}.json")


def place(root: str = "/") -> str:
    """Return the mount point of tracefs. Raises ShimError `no-trace`, with the reason."""
    namespace = os.path.join(root, "proc/self/ns/pid")
    with contextlib.suppress(OSError):
        if os.stat(namespace).st_ino != HOST_PIDS:
            raise _none(f"{namespace} is not the host's", "the kernel counts by the host's process ids; run this there")
    for path in PLACES:
        found = os.path.join(root, path.lstrip("/"))
        try:
            if "instances" in os.listdir(found):
                return found
        except OSError as error:
            if error.errno not in (2, 20):
                raise _closed(found, error) from error
    raise _none(
        f"no tracefs on {' or '.join(PLACES)}", "it is not mounted", "mount -t tracefs tracefs /sys/kernel/tracing"
    )


def sweep(environment: Mapping[str, str]) -> list[str]:
    """Remove the instances of dead watchers; return those that were removed."""
    notes = _notes(environment)
    found = []
    for name in files.names(notes):
        note = files.read(notes, name) or {}
        instance, pid = note.get("instance"), note.get("pid")
        if not isinstance(instance, str) or not _OURS.match(os.path.basename(instance)):
            continue
        if not os.path.dirname(instance).endswith("/tracing/instances"):
            continue
        if isinstance(pid, int) and started(pid) == note.get("started") != "":
            continue
        if os.path.isdir(instance) and _removed(instance):
            found.append(instance)
        if not os.path.isdir(instance):
            files.drop(notes, name)
    return found


def started(pid: int) -> str:
    """Return when a process started, in the kernel's ticks (proc(5), field 22 of stat); "" if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return process.field(file.read(), process.STARTED)
    except OSError:
        return ""


def _removed(instance: str) -> bool:
    """Remove triggers first, for kernels that keep an instance with triggers, then the instance."""
    for event in EVENTS:
        with contextlib.suppress(OSError):
            _write(f"{instance}/events/kmem/{event}/trigger", f"!{trigger(event)}")
    for _ in range(BUSY):
        try:
            os.rmdir(instance)
        except FileNotFoundError:
            return True
        except OSError:
            time.sleep(0.05)
        else:
            return True
    return False


def _write(path: str, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(handle, text.encode("ascii") + b"\n")
    finally:
        os.close(handle)


def _notes(environment: Mapping[str, str]) -> str:
    own = files.directory(environment)
    return os.path.join(own, FOLDER) if own else ""


def _closed(path: str, error: OSError) -> ShimError:
    why = error.strerror or str(error)
    if error.errno in (1, 13):
        with contextlib.suppress(OSError), open(LOCKDOWN, encoding="ascii") as file:
            chosen = file.read()
            if "[none]" not in chosen:
                return _none(
                    f"{path}: {why}", "the kernel's lockdown forbids it", evidence=f"{LOCKDOWN}: {chosen.strip()}"
                )
        return _none(f"{path}: {why}", "only root may trace", "run it as root of the host")
    return _none(f"{path}: {why}", "the kernel refuses it")


def _none(what: str, cause: str, remedy: str = "", evidence: str = "") -> ShimError:
    return ShimError(
        "no-trace",
        f"allocations cannot be traced: {what}",
        cause=cause,
        evidence=(evidence,) if evidence else (),
        remedy=(remedy or "leave out --trace: the rate of each container is shown without it",),
    )

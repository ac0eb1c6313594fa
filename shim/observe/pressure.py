"""Memory pressure of a running container: from PSI, or from taskstats delay accounting if the kernel has no PSI.

PSI (Documentation/accounting/psi.rst) shows how long a cgroup's tasks were stalled on memory. Without it (`psi=0`,
vendor kernels) the kernel still counts, for each process, the time spent in swap-in, direct reclaim, thrashing and
compaction (Documentation/accounting/delay-accounting.rst) if `task_delayacct` is on, and reports it over generic
netlink. The two measures differ, so every answer names its source.

Imports pyroute2 only on request: never on the path of an intercepted call.
"""

from __future__ import annotations

import os
import socket
import struct

from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from shim.host.view import View

PSI, TASKSTATS, NOTHING = "psi", "taskstats", ""
SWITCH = "/proc/sys/kernel/task_delayacct"
AGGREGATE_PID, AGGREGATE_TGID, PID, STATS = 4, 5, 1, 3  # TASKSTATS_TYPE_* of include/uapi/linux/taskstats.h
POSSIBLE = "/sys/devices/system/cpu/possible"
BUFFER = 4 << 20  # bytes of exit records that may wait for their listener
SO_RCVBUFFORCE, NETLINK_GENERIC, NLMSG_ERROR = 33, 16, 2

# Offsets of `count` (u64) and of `delay_total` (u64, nanoseconds) in struct taskstats, by the first version of the
# struct with the field. Version 15 (Linux 6.14) put maxima and minima between the fields, version 16 moved them to the
# end, so that all others have one layout.
FIELDS = {"swapin": (48, 1), "reclaim": (312, 7), "thrashing": (328, 9), "compaction": (352, 11)}
FIELDS_15 = {"swapin": (80, 15), "reclaim": (360, 15), "thrashing": (392, 15), "compaction": (432, 15)}
UNACCOUNTED = "the kernel was built or booted without it (CONFIG_TASK_DELAY_ACCT; nodelayacct before Linux 5.14)"
RUNS = 16  # offset of cpu_count, how often the task got a processor; 0 if the kernel has no delay accounting


class Pressure(Value):
    """Memory pressure of one container.

    source: "psi", "taskstats" or "" for neither. totals: for PSI `some` and `full`, for taskstats `swapin`,
    `reclaim`, `thrashing` and `compaction`, each in microseconds since the start, summed over the processes that live.
    evidence: the file, or the processes queried. reason: why there is no answer, or why it is not PSI.
    """

    source: str
    totals: dict[str, int]
    evidence: str
    reason: str = ""

    def shape(self) -> dict[str, Any]:
        """As JSON."""
        unit = {"unit": "microseconds"} if self.totals else {}
        return {"source": self.source, **unit, "totals": self.totals, "evidence": self.evidence, "reason": self.reason}


def of_cgroup(view: View, directory: str, pids: Iterable[int], ask: Callable[[int], bytes] | None = None) -> Pressure:
    """The memory pressure of the cgroup2 `directory` ("" if there is none), or of its processes `pids` by taskstats.

    ask: pid (of a thread group) -> struct taskstats; raises OSError. The kernel's own by default.
    """
    path = f"{directory}/memory.pressure"
    text = view.kernel_text(path) if directory else None
    totals = stalls(text or "")
    if totals:
        return Pressure(source=PSI, totals=totals, evidence=path)
    missing = no_psi(view, directory)
    off = switched_off(view)
    if off:
        return _nothing(f"{missing}; {off}")
    try:
        if ask:
            return _by_tasks(tuple(pids), ask, missing)
        kernel = _Netlink()
        try:
            return _by_tasks(tuple(pids), kernel, missing)
        finally:
            kernel.socket.close()
    except (OSError, ImportError) as error:
        return _nothing(f"{missing}; no taskstats: {error}")


def asking() -> Callable[[int], bytes]:
    """Return a reusable `ask` for `of_cgroup`: the kernel's own answers. Raises OSError, ImportError."""
    return _Netlink()


def switched_off(view: View) -> str:
    """Return why the kernel counts no delays although it could, "" if it does or has no switch (before Linux 5.14)."""
    off = (view.text(SWITCH) or "").strip() == "0"
    return f"no delay accounting: {SWITCH} is 0 (sysctl kernel.task_delayacct=1 starts it)" if off else ""


def no_psi(view: View, directory: str) -> str:
    """Return why the cgroup2 `directory` ("" if there is none) has no PSI."""
    path = f"{directory}/memory.pressure"
    if not directory:
        return "no PSI: no cgroup2 directory"
    if view.kernel_text(path) is not None:
        return f"no PSI: {path} has no totals"
    known = path in view.errors
    return "no PSI: " + (view.why(path) if known else f"{path} is a regular file, not the kernel's")


def _nothing(reason: str) -> Pressure:
    return Pressure(source=NOTHING, totals={}, evidence="", reason=reason)


def stalls(text: str) -> dict[str, int]:
    """Parse a PSI file: `some avg10=0.00 avg60=0.00 avg300=0.00 total=313` -> {"some": 313}; microseconds."""
    found = {}
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        total = rest.rpartition("total=")[2]
        if kind in ("some", "full") and total.isdigit():
            found[kind] = int(total)
    return found


def _by_tasks(pids: tuple[int, ...], ask: Callable[[int], bytes], missing: str) -> Pressure:
    totals: dict[str, int] = {}
    asked = []
    for pid in pids:
        try:
            data = ask(pid)
        except ProcessLookupError:
            continue  # it ended meanwhile
        if not accounted(data):
            return _nothing(f"{missing}; no delay accounting: {UNACCOUNTED}")
        asked.append(pid)
        for name, nanoseconds in delays(data).items():
            totals[name] = totals.get(name, 0) + nanoseconds
    if not asked:
        return _nothing(f"{missing}; no process to ask taskstats about")
    return Pressure(
        source=TASKSTATS,
        totals={name: value // 1000 for name, value in totals.items()},
        evidence=f"taskstats of {len(asked)} living process(es): {', '.join(map(str, asked[:8]))}",
        reason=f"{missing}; the delays of processes that have ended are not in it",
    )


def accounted(data: bytes) -> bool:
    """Return whether the kernel counts delays at all; if not, all of them read 0. The sysctl is checked elsewhere."""
    return len(data) >= RUNS + 8 and data[RUNS : RUNS + 8] != bytes(8)


def delays(data: bytes) -> dict[str, int]:
    """Return nanoseconds lost, by cause, from a struct taskstats; causes that its version lacks are left out."""
    (version,) = struct.unpack_from("=H", data)
    fields = FIELDS_15 if version == 15 else FIELDS
    found = {}
    for name, (offset, first) in fields.items():
        if version >= first and len(data) >= offset + 16:
            (found[name],) = struct.unpack_from("=Q", data, offset + 8)
    return found


def exit_records() -> tuple[socket.socket, int]:
    """Return a socket that gets the struct taskstats of every task of the host that ends, and the number of their
    family.

    Documentation/accounting/taskstats.rst, "Usage". Raises OSError: no right (CAP_NET_ADMIN of the host), not the
    host's pid namespace, a kernel without taskstats.
    """
    from pyroute2.netlink import NLM_F_ACK, NLM_F_REQUEST
    from pyroute2.netlink.taskstats import TASKSTATS_CMD_GET, tcmd

    kernel = _Netlink()
    family = int(kernel.socket.prid)
    kernel.socket.close()
    with open(POSSIBLE, encoding="ascii") as file:
        processors = file.read().strip()
    message = tcmd()
    message["cmd"], message["version"] = TASKSTATS_CMD_GET, 1
    message["attrs"].append(["TASKSTATS_CMD_ATTR_REGISTER_CPUMASK", processors])
    message["header"]["type"], message["header"]["flags"] = family, NLM_F_REQUEST | NLM_F_ACK
    message.encode()
    listener = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
    try:
        listener.bind((0, 0))
        listener.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        listener.send(bytes(message.data))
        _acknowledged(listener.recv(8192))
    except OSError:
        listener.close()
        raise
    return listener, family


def _acknowledged(data: bytes) -> None:
    """Check struct nlmsghdr (16 bytes) and the first word of struct nlmsgerr. An earlier exit record is not a
    refusal.
    """
    kind, code = struct.unpack_from("=4xH10xi", data)
    if kind == NLMSG_ERROR and code:
        raise OSError(-code, os.strerror(-code))


class _Netlink:
    """TASKSTATS_CMD_GET for a thread group, over generic netlink. Raises OSError."""

    def __init__(self) -> None:
        from pyroute2.netlink import genlmsg, nla
        from pyroute2.netlink.exceptions import NetlinkError
        from pyroute2.netlink.generic import GenericNetlinkSocket
        from pyroute2.netlink.taskstats import tcmd

        class Answer(genlmsg):  # type: ignore[misc] # pyroute2 has no types
            """The answer with the struct as bytes: for most versions pyroute2's own class lacks reclaim or
            thrashing.
            """

            nla_map = ((AGGREGATE_PID, "TASKSTATS_TYPE_AGGR_PID", "group"), (AGGREGATE_TGID, "GROUP", "group"))

            class group(nla):  # type: ignore[misc] # noqa: N801 # pyroute2's name for the type of an attribute
                """A pid and its struct."""

                nla_map = ((STATS, "STATS", "cdata"),)

        self.question = tcmd
        self.socket = GenericNetlinkSocket()
        try:
            self.socket.bind("TASKSTATS", Answer)
        except (NetlinkError, OSError) as error:
            self.socket.close()
            raise OSError(f"generic netlink has no family TASKSTATS: {error}") from error

    def __call__(self, pid: int) -> bytes:
        from pyroute2.netlink import NLM_F_REQUEST
        from pyroute2.netlink.exceptions import NetlinkError

        message = self.question()
        message["cmd"], message["version"] = 1, 1  # TASKSTATS_CMD_GET
        message["attrs"].append(["TASKSTATS_CMD_ATTR_TGID", pid])
        try:
            answers = self.socket.nlm_request(message, self.socket.prid, msg_flags=NLM_F_REQUEST)
        except NetlinkError as error:
            raise OSError(error.code, os.strerror(error.code)) from error
        for answer in answers:
            group = answer.get_attr("GROUP")
            data = group.get_attr("STATS") if group else None
            if data:
                return bytes(data)
        raise OSError(f"taskstats has no answer for process {pid}")

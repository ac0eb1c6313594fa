"""Sources for the end of a process and its status: the process connector, or taskstats.

The process connector (drivers/connector/cn_proc.c) is used through pyroute2's messages if the installed pyroute2 has
them (pyroute2.netlink.connector; 0.7.2 does not). From Linux 6.6 on it is asked for exits only.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from typing import NamedTuple

from shim.observe import pressure
from shim.observe.exits import decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

ANSWER = 0.5  # seconds for the kernel's answer, which it gives before send(2) returns
BEFORE_IT = 1000  # events for others that may come before the answer
WAITING = 1 << 20  # bytes of events that may wait
LARGEST = 1 << 16


class Exit(NamedTuple):
    """One process that ended. parent: 0 if unknown. status: as wait(2) gives it."""

    pid: int
    parent: int
    status: int


class Layout:
    """The positions of a message's fields, from the table of pyroute2's class. Decoding with the class itself takes 0.1
    ms, and every process of the host that ends sends a message.
    """

    def __init__(self, message: Any) -> None:
        table = (*message.header, *message.fields)
        self.form = struct.Struct("=" + "".join(code for _, code in table))
        self.names = [name for name, _ in table]

    def pick(self, *names: str) -> tuple[int, ...]:
        """Return the positions of fields in the result of `values`. If two have the same name (`flags`), the first."""
        return tuple(self.names.index(name) for name in names)

    def values(self, data: bytes) -> tuple[int, ...]:
        """Return the fields of one message, () if it is too short."""
        return self.form.unpack_from(data) if len(data) >= self.form.size else ()


class Connector:
    """Every process that ends, from the process connector.

    Raises ImportError if pyroute2 has no messages for it, and OSError without CAP_NET_ADMIN or outside of the host's
    namespaces.
    """

    source = "process connector"
    workers = True

    def __init__(self) -> None:
        from pyroute2.netlink import NETLINK_CONNECTOR
        from pyroute2.netlink.connector import cn_proc

        self.wanted = cn_proc.PROC_EVENT_EXIT
        self.layout = Layout(cn_proc.proc_event_exit)
        names = ("what", "process_pid", "process_tgid", "exit_code", "parent_tgid")
        self.places = self.layout.pick(*names)
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, NETLINK_CONNECTOR)
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, pressure.SO_RCVBUFFORCE, WAITING)
            self.socket.bind((0, cn_proc.CN_IDX_PROC))
            self._listen(cn_proc)
        except OSError:
            self.socket.close()
            raise
        self.socket.setblocking(False)

    def _listen(self, cn_proc: Any) -> None:
        """Subscribe, wait for the answer, then ask for exits only, which kernels before 6.6 do not even answer."""

        class Filtered(cn_proc.proc_event_control):  # type: ignore[misc] # pyroute2 has no types
            """struct proc_input of Linux 6.6: which events."""

            fields = (*cn_proc.proc_event_control.fields, ("event_type", "I"))

        class Answer(cn_proc.proc_event_base):  # type: ignore[misc]
            """Has the error number, which pyroute2's own class leaves out."""

            fields = (*cn_proc.proc_event_base.fields, ("error", "I"))

        self.socket.send(_control(cn_proc, cn_proc.proc_event_control, 4))
        _answered(self.socket, Layout(Answer), cn_proc.PROC_EVENT_NONE)
        self.socket.send(_control(cn_proc, Filtered, 8, event_type=self.wanted))

    def read(self) -> Iterator[Exit]:
        """Yield the processes that ended since the last call, without threads of processes that still run."""
        for data in received(self.socket):
            values = self.layout.values(data)
            if not values:
                continue
            what, thread, pid, status, parent = (values[place] for place in self.places)
            if what == self.wanted and thread == pid:
                yield Exit(pid, parent, status)

    def close(self) -> None:
        """Stop listening."""
        self.socket.close()


def _control(cn_proc: Any, kind: Any, length: int, **fields: int) -> bytes:
    """Return the message that subscribes. length: bytes behind struct cn_msg."""
    from pyroute2.netlink import NLMSG_DONE

    message = kind()
    message["header"]["type"], message["header"]["flags"] = NLMSG_DONE, 0
    message["idx"], message["val"], message["len"] = cn_proc.CN_IDX_PROC, cn_proc.CN_VAL_PROC, length
    message["action"] = cn_proc.PROC_CN_MCAST_LISTEN
    for name, value in fields.items():
        message[name] = value
    message.encode()
    return bytes(message.data)


def _answered(connection: socket.socket, layout: Layout, none: int) -> None:
    """Wait for the answer. Raises OSError for a refusal, and for silence, which other namespaces get."""
    connection.settimeout(ANSWER)
    what, error = layout.pick("what", "error")
    for _ in range(BEFORE_IT):
        try:
            values = layout.values(connection.recv(LARGEST))
        except socket.timeout:
            break
        if values and values[what] == none:
            if values[error]:
                raise OSError(values[error], os.strerror(values[error]))
            return
    raise OSError(errno.EPERM, "the kernel gives no answer: this is not the host's PID and user namespace")


def received(connection: socket.socket) -> Iterator[bytes]:
    """Yield the waiting messages of the kernel alone. Messages that did not fit into the socket's buffer are lost."""
    while True:
        try:
            data, sender = connection.recvfrom(LARGEST)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            continue
        if not sender or sender[0] == 0:
            yield data


class Taskstats:
    """Every task that ends, from taskstats. This includes threads, so only known pids can be used.

    Raises ImportError and OSError as shim.observe.pressure.exit_records does.
    """

    source = "taskstats (records of exits)"
    workers = False

    def __init__(self) -> None:
        self.socket, self.family = pressure.exit_records()
        self.socket.setblocking(False)

    def read(self) -> Iterator[Exit]:
        """Yield the tasks that ended since the last call."""
        for data in received(self.socket):
            for one in decode(data, self.family):
                yield Exit(one.pid, one.parent, one.status)

    def close(self) -> None:
        """Stop listening."""
        self.socket.close()

"""Where the kernel tells that a process has ended, and with what status: the process connector, or taskstats.

The process connector (drivers/connector/cn_proc.c) is asked through pyroute2's messages, where the installed pyroute2
has them (pyroute2.netlink.connector; 0.7.2 does not). From Linux 6.6 on it is told to send ends alone.
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
BEFORE_IT = 1000  # events of others that may come before the answer
WAITING = 1 << 20  # bytes of events that may wait
LARGEST = 1 << 16


class Exit(NamedTuple):
    """One process that ended. parent: 0 where it is not told. status: as wait(2) gives it."""

    pid: int
    parent: int
    status: int


class Layout:
    """Where the fields of a message are, by the table of pyroute2's class: decoding each by the class itself takes a
    hundred microseconds, and every process of the host that ends is a message.
    """

    def __init__(self, message: Any) -> None:
        table = (*message.header, *message.fields)
        self.form = struct.Struct("=" + "".join(code for _, code in table))
        self.names = [name for name, _ in table]

    def pick(self, *names: str) -> tuple[int, ...]:
        """The places of fields in what `values` gives. Of two with one name (`flags`) the first."""
        return tuple(self.names.index(name) for name in names)

    def values(self, data: bytes) -> tuple[int, ...]:
        """The fields of one message, () for one that is too short."""
        return self.form.unpack_from(data) if len(data) >= self.form.size else ()


class Connector:
    """Every process that ends, as the process connector tells it.

    Raises ImportError where pyroute2 has no messages for it, OSError: no CAP_NET_ADMIN, or not the host's namespaces.
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
        """Ask, wait for the answer, then ask for ends alone: kernels before 6.6 do not even answer that."""

        class Filtered(cn_proc.proc_event_control):  # type: ignore[misc] # pyroute2 has no types
            """struct proc_input of Linux 6.6: which events."""

            fields = (*cn_proc.proc_event_control.fields, ("event_type", "I"))

        class Answer(cn_proc.proc_event_base):  # type: ignore[misc]
            """With the number of the error, which pyroute2's own leaves out."""

            fields = (*cn_proc.proc_event_base.fields, ("error", "I"))

        self.socket.send(_control(cn_proc, cn_proc.proc_event_control, 4))
        _answered(self.socket, Layout(Answer), cn_proc.PROC_EVENT_NONE)
        self.socket.send(_control(cn_proc, Filtered, 8, event_type=self.wanted))

    def read(self) -> Iterator[Exit]:
        """What has ended since; threads of processes that go on are left out."""
        for data in received(self.socket):
            values = self.layout.values(data)
            if not values:
                continue
            what, thread, pid, status, parent = (values[place] for place in self.places)
            if what == self.wanted and thread == pid:
                yield Exit(pid, parent, status)

    def close(self) -> None:
        """Listen no longer."""
        self.socket.close()


def _control(cn_proc: Any, kind: Any, length: int, **fields: int) -> bytes:
    """The message that begins to listen. length: bytes behind struct cn_msg."""
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
    """Wait for the answer. Raises OSError for a refusal and for silence, which is the kernel's to other namespaces."""
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
    """What waits, from the kernel alone. What did not fit into the socket's buffer is lost."""
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
    """Every task that ends, as taskstats tells it: threads, too, so that only pids that are known mean something.

    Raises ImportError, OSError as shim.observe.pressure.exit_records.
    """

    source = "taskstats (records of exits)"
    workers = False

    def __init__(self) -> None:
        self.socket, self.family = pressure.exit_records()
        self.socket.setblocking(False)

    def read(self) -> Iterator[Exit]:
        """What has ended since."""
        for data in received(self.socket):
            for one in decode(data, self.family):
                yield Exit(one.pid, one.parent, one.status)

    def close(self) -> None:
        """Listen no longer."""
        self.socket.close()

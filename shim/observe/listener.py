"""A process that lives as long as a container and adds up what its tasks lost to memory: taskstats' exit records.

The kernel tells of a task's delays once, when it ends, to whoever listens; afterwards nobody knows them any more.
`register` speaks generic netlink through pyroute2 and makes way for `listen`, the same process without pyroute2, which
would take thirty megabytes for as long as the container lives. Started by shim.observe.delays; both run on their own.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any

NAME = "cgshim-delays"  # argv[0]
CODE = "import sys; sys.path.insert(0, sys.argv.pop(1)); from shim.observe.listener import {0}; {0}()"
READY = "ready"
MOST = 200  # files: of containers whose poststop hook never came


def register() -> None:
    """`PLACE FILE PID CONTROLLER PATH`: get the socket, become `listen`; or say why not on standard output."""
    from shim.observe import pressure

    try:
        pressure.lean()
        found, family = pressure.exit_records()
    except (OSError, ImportError) as error:
        print(error, flush=True)
        os._exit(1)
    handle = found.detach()
    os.set_inheritable(handle, True)
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    words = [package, str(handle), str(family), *sys.argv[1:]]
    os.execv(os.readlink("/proc/self/exe"), [NAME, "-IS", "-c", CODE.format("listen"), *words])


def listen() -> None:
    """`SOCKET FAMILY PLACE FILE PID CONTROLLER PATH`: add up until the process PID has ended, then leave a file."""
    import socket

    from shim.observe.exits import Exits
    from shim.state import files
    from shim.system import pidfd_open

    handle, family, place, name, pid, controller, path = sys.argv[1:]
    records = socket.socket(fileno=int(handle))
    records.setblocking(False)
    try:
        ended = pidfd_open(int(pid))
    except OSError as error:
        print(f"pidfd_open: {error}", flush=True)
        os._exit(1)
    exits = Exits(int(pid), lambda one: _inside(one, int(pid), controller, path))
    _ready()
    overruns = _until(ended, records, exits, int(family))
    files.write(place, name, {"init": int(pid), "overruns": overruns, **exits.shape()}, MOST)
    os._exit(0)


def _ready() -> None:
    """Tell the hook, then let go of its pipe."""
    print(READY, flush=True)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.close(null)


def _until(ended: int, records: socket.socket, exits: Any, family: int) -> int:
    """Until `ended` can be read, and then what is waiting; how often the kernel had to drop records.

    The kernel sends a task's record before it makes the task's end known, so init's is the last that matters.
    """
    import select

    overruns, over = 0, False
    poll = select.poll()
    for handle in (ended, records.fileno()):
        poll.register(handle, select.POLLIN)
    while not over:
        over = any(handle == ended for handle, _ in poll.poll())
        overruns += _drain(records, exits, family)
    return overruns


def _drain(records: socket.socket, exits: Any, family: int) -> int:
    import errno

    from shim.observe.exits import decode

    overruns = 0
    while True:
        try:
            data = records.recv(65536)
        except BlockingIOError:
            return overruns
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            overruns += 1
            continue
        for one in decode(data, family):
            exits.add(one)


def _inside(pid: int, init: int, controller: str, path: str) -> bool | None:
    from shim.observe.exits import descends, same_cgroup

    if not path:
        return descends(pid, init, _parent)
    text = _read(f"/proc/{pid}/cgroup")
    return same_cgroup(text, controller, path) if text else None


def _parent(pid: int) -> int:
    from shim.host import process

    return process.parent(_read(f"/proc/{pid}/stat"))


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""

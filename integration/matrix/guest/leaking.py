"""What runs in a container to hold ever more memory of one kind: `python3 leaking.py KIND RATE [QUIET [TOOTH]]`.

KIND: anonymous, shmem (a tmpfs on /shm), sockets and dentries (kernel memory; /names is on an overlay, because a tmpfs
does not keep names that do not exist), cache (/files/large is read: no leak), sawtooth (memory that is given back),
steady. RATE: MiB a second. QUIET: seconds before it begins. TOOTH: seconds after which a sawtooth frees its memory.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

MIB = 1 << 20
STEP = 0.1  # seconds between two allocations
CATCH_UP = 3  # steps at once at most
TOOTH = float(sys.argv[4]) if len(sys.argv) > 4 else 2.0
BASE = 8 * MIB  # bytes that it holds from the start
SLOTS = 512  # bytes that a dentry with a long name takes, about


def main() -> None:
    """Until it is killed."""
    kind, rate = sys.argv[1], float(sys.argv[2])
    time.sleep(float(sys.argv[3]) if len(sys.argv) > 3 else 0)
    began, held = time.monotonic(), 0
    while True:
        due = int((time.monotonic() - began) * rate * MIB)
        due = min(due, held + int(CATCH_UP * STEP * rate * MIB))  # after a pause no step, but a steeper rise
        if due > held:
            GROW[kind](due - held, held)
            held = due
        time.sleep(STEP)


KEPT: list[object] = [bytearray(b"x") * BASE]
READ: list[BinaryIO] = []


def _anonymous(more: int, _: int) -> None:
    KEPT.append(bytearray(b"x") * more)


def _shmem(more: int, held: int) -> None:
    with open(f"/shm/{held}", "wb") as file:
        file.write(b"x" * more)


def _sockets(more: int, _: int) -> None:
    while more > 0:
        one, other = socket.socketpair()
        KEPT.append((one, other))
        one.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while more > 0:
                more -= one.send(b"x" * 16384)


def _dentries(more: int, held: int) -> None:
    for number in range(held // SLOTS, (held + more) // SLOTS):
        os.path.exists(f"/names/{number:0200d}")  # a name that does not exist is remembered, too


def _cache(more: int, _: int) -> None:
    if not READ:  # kept open: the kernel drops the cache of a block device that nobody has open
        READ.append(open("/files/large", "rb"))  # noqa: SIM115
        # Else the kernel reads ahead, on some disks by 8 MiB at a time, and the cache grows by steps.
        os.posix_fadvise(READ[0].fileno(), 0, 0, os.POSIX_FADV_RANDOM)
    while more > 0:
        more -= len(READ[0].read(min(more, MIB))) or more


def _sawtooth(more: int, _: int) -> None:
    KEPT.append(bytearray(b"x") * more)
    if len(KEPT) > TOOTH / STEP:
        del KEPT[1:]


def _steady(_: int, __: int) -> None:
    pass


GROW = {
    "anonymous": _anonymous,
    "shmem": _shmem,
    "sockets": _sockets,
    "dentries": _dentries,
    "cache": _cache,
    "sawtooth": _sawtooth,
    "steady": _steady,
}

if __name__ == "__main__":
    main()

"""A watcher at work while a test makes things happen, and a process that takes known amounts of each kind of memory.

For tests on this host and in the guests of the matrix.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time

from shim.watch.sink import Sink
from shim.watch.watcher import Options, Watcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from shim.watch.alert import Alert
    from shim.watch.event import Event
    from shim.watch.sample import Sample

M = 1 << 20
AMOUNTS = {"anonymous": 24 * M, "shmem": 20 * M, "file": 12 * M, "kernel": 12 * M}
BLOCKS = "/dev/loop0"  # of the matrix's layout `disk`: 16 MiB

# Takes what standard input names, a kind a line, and answers when it has it. Pipes are filled with pages that the
# kernel charges to the writer (fs/pipe.c, __GFP_ACCOUNT); a read of a block device fills the page cache.
TAKER = """
import fcntl, mmap, os, sys
held, CHUNK = [], b"x" * (1 << 16)
def fill(n):
    for _ in range(n >> 16):
        held[-1].write(CHUNK)
def anonymous(n):
    held.append(mmap.mmap(-1, n, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
    fill(n)
def shmem(n):
    held.append(mmap.mmap(-1, n))
    fill(n)
def file(n, path=sys.argv[1]):
    handle = os.open(path, os.O_RDONLY)
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_RANDOM)  # no more is read ahead
    buffer = bytearray(1 << 16)
    for _ in range(n >> 16):
        os.readv(handle, [buffer])
    held.append(handle)
def kernel(n):
    for _ in range(n >> 20):
        reading, writing = os.pipe()
        fcntl.fcntl(writing, 1031, 1 << 20)  # F_SETPIPE_SZ
        for _ in range(16):
            assert os.write(writing, CHUNK) == len(CHUNK)
        held.append((reading, writing))
for directory in sys.argv[2:]:
    with open(directory + "/cgroup.procs", "w") as procs:
        procs.write("0")  # itself
print("ready", flush=True)
for line in sys.stdin:
    name, amount = line.split()
    globals()[name](int(amount))
    print("done", flush=True)
"""


class Seen(Sink):
    """Keeps everything."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.events: list[Event] = []
        self.alerts: list[Alert] = []
        self.gone_ones: list[str] = []

    def sample(self, sample: Sample) -> None:
        """Keep."""
        self.samples.append(sample)

    def event(self, event: Event) -> None:
        """Keep."""
        self.events.append(event)

    def alert(self, alert: Alert) -> None:
        """Keep."""
        self.alerts.append(alert)

    def gone(self, container: str) -> None:
        """Keep."""
        self.gone_ones.append(container)


class Watching:
    """A watcher in a thread of its own, for as long as the context lasts. more: sinks beside the one that keeps all."""

    def __init__(self, *more: Sink, **options: Any) -> None:
        self.seen = Seen()
        self.more = more
        self.watcher = Watcher(Options(**options))
        self.failed: list[BaseException] = []
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self.watcher.run([self.seen, *self.more])
        except BaseException as error:  # shown by the test that waits
            self.failed.append(error)
            raise

    def __enter__(self) -> Watching:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.watcher.stop()
        self.thread.join(60)

    def until(self, found: Callable[[Seen], Any], seconds: float) -> Any:
        """What `found` finds, once it finds something; its last answer when the time is over."""
        deadline = time.monotonic() + seconds
        while True:
            answer = found(self.seen)
            if answer or time.monotonic() > deadline or self.failed:
                return answer
            time.sleep(0.05)

    def alert(self, kind: str, seconds: float) -> dict[str, Any]:
        """The first alert of a type as JSON, {} if none comes."""
        found = self.until(lambda seen: [one for one in seen.alerts if one.type == kind], seconds)
        return dict(found[0].shape()) if found else {}

    def event(self, kind: str, seconds: float) -> dict[str, Any]:
        """The first event of a kind as JSON, {} if none comes."""
        found = self.until(lambda seen: [one for one in seen.events if one.kind == kind], seconds)
        return dict(found[0].shape()) if found else {}


class Taker:
    """A process in cgroups of its own that takes memory on demand. directories: the cgroups, which exist."""

    def __init__(self, directories: list[str], blocks: str = BLOCKS) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", TAKER, blocks, *directories],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answer()

    def take(self, kind: str, amount: int) -> None:
        """Have it take some; returns when it has."""
        assert self.process.stdin
        self.process.stdin.write(f"{kind} {amount}\n")
        self.process.stdin.flush()
        self._answer()

    def _answer(self) -> None:
        assert self.process.stdout
        if not self.process.stdout.readline():
            raise OSError(f"the process ended with {self.process.wait()}")

    def end(self) -> None:
        """End it."""
        self.process.kill()
        self.process.communicate()

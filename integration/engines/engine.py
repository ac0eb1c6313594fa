"""What the tests ask of every engine, and what they share: a private place, daemons that end, cgroups that go."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from integration.containers import Result, call

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from typing_extensions import Self

SECONDS = 30  # until a daemon that does not answer, or does not end, is a failure
KINDS = ("podman", "podman-plain-name", "ctr", "ctr-terminal", "docker", "conmon", "cri")
CGROUP_PARENT = f"cgshim-engines-{os.getpid()}"  # every container of these tests has its cgroup below this one


class Wish(NamedTuple):
    """A container: its command, its `linux.resources`, one bind mount (source, destination), the runtime's name."""

    args: tuple[str, ...]
    resources: dict[str, Any] = {}  # noqa: RUF012 # a named tuple's default, never changed
    mount: tuple[str, str] = ("", "")
    bare: bool = False


class Engine(Protocol):
    """One engine, as `podman run`, `ctr run` and the like show it to their user.

    kind: name in test ids. gives_log: whether the runtime is called with --log.
    """

    kind: str
    gives_log: bool

    def run(self, name: str, wish: Wish) -> Result:
        """Run a container to its end; what the engine's user sees."""

    def start_again(self, name: str, wish: Wish) -> Result:
        """Start a container that failed to start once more."""

    def remove(self, name: str) -> None:
        """Forget the container, if there is one."""

    def refusal(self, text: str, spoken: str = "", *, again: str = "") -> tuple[int, str]:
        """Status and stderr of `run` (of `start_again` for container id `again`) when the runtime fails with `text`.

        spoken: what the real runtime has itself written to the stderr that it shares with cgshim.
        """


class Daemon:
    """A daemon with everything private: started, waited for, and ended with what it left behind."""

    def __init__(self, place: Path, argv: Iterable[str], socket: Path, env: Mapping[str, str]) -> None:
        self.place = place
        self.log = place / "log"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                list(argv), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, cwd="/", start_new_session=True
            )
        if not wait_until(lambda: socket.exists() or self._process.poll() is not None) or not socket.exists():
            self.stop()
            raise AssertionError(f"{self._process.args!r} did not come up:\n{self.log.read_text()[-3000:]}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        self.stop()

    def reload(self) -> None:
        """What `systemctl reload` does."""
        self._process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        """End the daemon and whatever names its place on its command line, and unmount what is mounted there."""
        self._process.terminate()
        try:
            self._process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        end_processes(str(self.place))
        unmount_below(self.place)


def wait_until(happened: Any, seconds: float = SECONDS) -> bool:
    """Look until `happened()` is true; False if it never was."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if happened():
            return True
        time.sleep(0.02)
    return bool(happened())


def processes(words: str) -> list[int]:
    """The processes with `words` on their command line, ourselves left out."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if words.encode() in line:
                found.append(int(entry.name))
    return found


def end_processes(words: str) -> None:
    """Kill what a test left running."""
    for pid in processes(words):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    assert wait_until(lambda: not processes(words)), processes(words)


def unmount_below(place: Path) -> None:
    """Unmount what is mounted below `place`, the innermost first."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for point in sorted((p for p in points if p.startswith(f"{place}/")), reverse=True):
        call(["umount", "-l", point])


NOISE = (
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", "TIME"),
    # docker's client, after some errors and not always in time for its own end
    (r'time="TIME" level=error msg="error waiting for container: context canceled"\n', ""),
    (r'/[^ "\\]*(/rootfs|/dir/[0-9a-f]{64})(?=/)', "ROOTFS"),
    (r'/[^ "\\]*/config\.json', "CONFIG"),
    # any of the v1 hierarchies serves as the proof of the layout
    (r"/sys/fs/cgroup/[a-z]+/cgroup\.clone_children", "/sys/fs/cgroup/V1/cgroup.clone_children"),
    (r"/cgshim-engines-\d+/[^/ \"\\:]+(?=/)", "/PARENT/CGROUP"),
    (r"/cgshim-engines-\d+(?=[/:])", "/PARENT"),
    (r"[0-9a-f]{64}", "ID"),
)


def normal(text: str) -> str:
    """`text` without what differs from run to run: times, ids, and the paths that contain them."""
    for pattern, replacement in NOISE:
        text = re.sub(pattern, replacement, text)
    return text

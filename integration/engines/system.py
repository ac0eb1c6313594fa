"""Where engines run: on this host with its own packages, or in a root tree with those of a newer Debian.

The newer ones come from the mirror that apt uses here; `integration/matrix/fetch` makes and keeps the tree (600 MB).
They share this host's kernel, its /proc, its cgroups and its /tmp; what they write elsewhere goes to a tmpfs.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from integration.containers import LAUNCHER, SEARCH_PATH, Result, call
from integration.engines.engine import SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping

CHECKOUT = LAUNCHER.parent.parent
FETCH = CHECKOUT / "integration" / "matrix" / "fetch"
SUITE = "forky"  # the first Debian with podman 5, containerd 2 and docker 28
PACKAGES = (
    *("podman", "containerd", "docker.io", "docker-cli", "docker-buildx", "uidmap"),
    *("python3-click", "python3-tomlkit", "python3-pyroute2"),  # for cgshimctl
)
ENVIRONMENT = {"PATH": SEARCH_PATH, "HOME": "/root"}
# The upper layer takes what the engines write: the cached tree stays as it was made, and never has a mount in it.
# Runtimes pivot, so the tree has to be a real root, not one that chroot(2) made.
ENTER = """
room=$1 tree=$2
shift 2
mount -t tmpfs tmpfs "$room"
mkdir "$room/upper" "$room/work" "$room/root"
mount -t overlay overlay -o "lowerdir=$tree,upperdir=$room/upper,workdir=$room/work" "$room/root"
cd "$room/root"
for shared in /proc /sys /dev "$@"; do
    mkdir -p ".$shared"
    mount --rbind "$shared" ".$shared"
done
mount -t tmpfs tmpfs run
mkdir run/before
pivot_root . run/before
umount -l /run/before
"""
HOLD = "\necho ready\nexec cat\n"  # until our end of the pipe is closed, by whatever


class Namespace:
    """A mount namespace that `script` (sh) sets up; `within` in front of a command runs it there.

    It ends with `close`, or when this process ends, as soon as no other process is in it.
    """

    def __init__(self, script: str, *words: str, outer: tuple[str, ...] = ()) -> None:
        self._process = subprocess.Popen(
            [*outer, "unshare", "--mount", "--propagation=private", "sh", "-eu", "-c", script + HOLD, "sh", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=ENVIRONMENT,
        )
        assert self._process.stdout
        said = self._process.stdout.readline()
        self.problem = "" if said == "ready\n" else said.strip() or f"status {self._process.wait()}"
        self.within = ("nsenter", f"--target={self._process.pid}", "--mount")

    def close(self) -> None:
        """End it; its mounts go with it."""
        self._process.communicate(timeout=SECONDS)


class System:
    """Runs commands where the engines are.

    name: "here" or the suite. within: what leads a command there. unknown: what containerd before 2.1 ends errors with.
    """

    def __init__(self, name: str, within: tuple[str, ...] = (), python: str = sys.executable) -> None:
        self.name = name
        self.within = within
        self.python = python
        self.unknown = ": unknown" if name == "here" else ""

    def __call__(self, argv: list[str], *, env: Mapping[str, str] = ENVIRONMENT, stdin: str = "") -> Result:
        """Run a command to its end."""
        return call([*self.within, *argv], env=env, stdin=stdin)

    def find(self, program: str) -> str:
        """Absolute path of a program, "" if it is not there."""
        return self(["sh", "-c", f"command -v {program}"]).out.strip()

    def missing(self, *programs: str) -> str:
        """Why the programs cannot be run, "" if all are there."""
        absent = [program for program in programs if not self.find(program)]
        return f"{', '.join(absent)} not installed" if absent else ""


def newer_tree() -> tuple[str, str]:
    """The root tree, made if there is none, and why there is none."""
    argv = ["bash", str(FETCH), "userland", SUITE, *PACKAGES]
    # Without a time limit: killed, it could not unmount what is mounted in a tree that is half made.
    done = subprocess.run(argv, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode == 0:
        return done.stdout.strip(), ""
    return "", f"{FETCH.name} userland {SUITE}: {done.stderr.strip()[-500:] or f'status {done.returncode}'}"


def newer_namespace(tree: str, room: Path) -> Namespace:
    """The namespace in which `tree` is the root; `room` is any empty directory."""
    room.mkdir()
    shared = [str(CHECKOUT), tempfile.gettempdir()]
    if not room.is_relative_to(tempfile.gettempdir()):
        shared.append(str(room.parent))  # never twice: the first mount of it would be hidden, and still be listed
    return Namespace(ENTER, str(room), tree, *shared)

"""Engines of a newer Debian: a root tree of theirs, entered through a mount namespace that lives as long as the tests.

The tree is made once, some 900 MB, from the mirror that apt uses::

    CGSHIM_MATRIX_CACHE=/var/cache/cgshim-engines \
        integration/matrix/fetch userland trixie podman containerd docker.io docker-cli
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from integration.containers import LAUNCHER, SEARCH_PATH
from integration.engines.engine import SECONDS

CACHE = Path(os.environ.get("XDG_CACHE_HOME", "/var/cache")) / "cgshim-engines"
TREE = CACHE / "userland-trixie-podman-containerd-docker.io-docker-cli"
# Runtimes pivot, so the tree has to be a real root and not only one that chroot(2) made.
ENTER = """
mount --bind "$1" "$1" && cd "$1"
for shared in /proc /sys /dev "$2" "$3"; do
    mkdir -p ".$shared" && mount --rbind "$shared" ".$shared"
done
mount -t tmpfs tmpfs tmp && mount -t tmpfs tmpfs run && mkdir run/before
pivot_root . run/before && umount -l /run/before
echo ready
exec sleep infinity
"""


def newer_problem() -> str:
    """Why there are no newer engines, "" if there are."""
    return "" if (TREE / ".complete").exists() else f"there is no {TREE}"


class Newer:
    """The namespace; `within` in front of a command runs it there."""

    def __init__(self, place: Path) -> None:
        argv = ["unshare", "--mount", "--propagation=private", "sh", "-eu", "-c", ENTER, "sh"]
        self._process = subprocess.Popen(
            [*argv, str(TREE.resolve()), str(LAUNCHER.parent.parent), str(place)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            env={"PATH": SEARCH_PATH},
        )
        assert self._process.stdout
        assert self._process.stdout.readline() == "ready\n"
        self.within = ("nsenter", f"--target={self._process.pid}", "--mount")

    def close(self) -> None:
        """End the namespace; its mounts go with it."""
        self._process.kill()
        self._process.wait(SECONDS)
        if self._process.stdout:
            self._process.stdout.close()

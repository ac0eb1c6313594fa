"""A root of its own for a package: this host's files below a layer that takes every change, gone at the end."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from integration.capabilities import require, root_problem
from integration.containers import Result, call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# This host's own files with a writable layer on top, and the kernel's file systems.
ENTER = """
set -eu
mkdir -p "$PLACE/upper" "$PLACE/work" "$PLACE/root"
mount -t overlay none -o "lowerdir=/,upperdir=$PLACE/upper,workdir=$PLACE/work" "$PLACE/root"
for d in proc sys dev; do mount --rbind "/$d" "$PLACE/root/$d"; done
mkdir -p "$PLACE/root/shared"
mount --bind "$SHARED" "$PLACE/root/shared"
exec chroot "$PLACE/root" sh -euc "$1"
"""


def entered(name: str, shared: Path, environment: dict[str, str], script: str) -> Iterator[Callable[[str], Result]]:
    """Runs shell text as `script` does it, ENTER or a form of it; what the text changes is kept until the next one."""
    require("root", root_problem())
    # Not below /tmp: a layer may not lie inside the tree that it is put on.
    place = Path("/dev/shm") / f"cgshim-{name}-{os.getpid()}"
    place.mkdir()
    variables = {**environment, "PLACE": str(place), "SHARED": str(shared)}

    def run(text: str) -> Result:
        return call(["unshare", "--mount", "sh", "-c", script, "sh", text], env=variables)

    try:
        require("overlay over this host's root", run("true").err.strip())
        yield run
    finally:
        subprocess.run(["rm", "-rf", "--one-file-system", str(place)], check=True)

"""What the engines are told to call: a script with a fixed path that goes to cgshim, on the test's terms.

Engines start runtimes with environments of their own (podman's `kill` has not even a PATH), so the settings that a
test wants cannot come from outside.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from integration.containers import LAUNCHER

if TYPE_CHECKING:
    from pathlib import Path

    from integration.engines.system import System

# All mounts of the hierarchy go: if a root tree is below /tmp there is more than one.
HIDE = """
if [ -z "$HIDDEN" ]; then
    export HIDDEN=yes
    exec unshare --mount sh -c '
        grep " - cgroup .*,{controller}$" /proc/self/mountinfo | cut -d" " -f5 | xargs -r umount && exec "$@"
    ' sh "$0" "$@"
fi
unset HIDDEN
"""


class Front:
    """The script; `point` says where it leads, `reset` to the launcher of this checkout with empty settings."""

    def __init__(self, place: Path, system: System) -> None:
        place.mkdir()
        self.path = place / "cgshim"
        self.settings = place / "settings.json"
        self.debug = place / "debug"
        self.calls = place / "calls"
        self.system = system
        self.runtime = system.find("runc")
        self._place = place
        self.reset()

    def reset(self) -> None:
        """As installed."""
        self.debug.unlink(missing_ok=True)
        self.calls.unlink(missing_ok=True)
        self.settings.write_text("{}")
        self.point()

    def point(self, *, launcher: Path = LAUNCHER, before: str = "", runtime: str = "") -> None:
        """Lead to `launcher`, in front of another runtime than usual; `before` is shell code that runs first."""
        lines = (
            "#!/bin/sh",
            f"export CGSHIM_CONFIG={self.settings} CGSHIM_RUNTIME={runtime or self.runtime}",
            f"export CGSHIM_STATE={self._place}/state",
            before,
            f'exec {launcher} "$@"',
        )
        fresh = self._place / "next"
        fresh.write_text("\n".join(lines) + "\n")
        fresh.chmod(0o755)
        fresh.replace(self.path)

    def record(self) -> None:
        """Write each call's working directory and arguments to `calls`, one line a call."""
        self.point(before=f'echo "$(pwd -P) $*" >>{self.calls}')

    def hide(self, controller: str) -> None:
        """Let the runtime see no v1 hierarchy of a controller, as in a container that was not given it."""
        self.point(before=HIDE.replace("{controller}", controller))

    def break_module(self, name: str, text: str, *, debug: bool = False) -> None:
        """Lead to a copy of the package with `text` at the end of a module."""
        broken = self._place / "broken"
        shutil.rmtree(broken, ignore_errors=True)
        shutil.copytree(LAUNCHER.parent, broken / "shim", ignore=shutil.ignore_patterns("__pycache__"))
        with (broken / "shim" / name).open("a") as file:
            file.write(text)
        before = f"export CGSHIM_DEBUG={self.debug}" if debug else ""
        self.point(launcher=broken / "shim" / "launcher.sh", before=before)

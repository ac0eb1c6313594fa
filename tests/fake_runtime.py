"""A runtime for calls inside the test's own process: a script that writes down how it is called and does as told."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

from shim.call import argv

if TYPE_CHECKING:
    from pathlib import Path

    from shim.call.argv import Invocation

# Its environment is the test process's own, so it is told what to do by files beside it.
SCRIPT = """#!/bin/sh
here=${0%/*}
echo "$*" >> "$here/calls"
while read -r name value; do
    [ "$name" = SigBlk: ] && echo "$value" >> "$here/blocked"
done < /proc/self/status
case " $* " in
*" state "*) what=state ;;
*" delete "*) what=delete ;;
*) what=create ;;
esac
[ -e "$here/$what.out" ] && cat "$here/$what.out"
[ -e "$here/$what.sh" ] && . "$here/$what.sh"
[ -e "$here/$what.status" ] && exit "$(cat "$here/$what.status")"
exit 0
"""
GLOBAL = re.compile(r"--(root|log|log-format) \S+ ")
PIDS: dict[str, Any] = {"pids": {"limit": 32}}


def exit_status(status: int) -> int:
    """The exit status in a wait status; os.waitstatus_to_exitcode has no place in Python 3.7 and 3.8."""
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)


class FakeRuntime:
    """The script, a bundle and a root of the runtime's own below `place`."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.path = place / "runc"
        self.path.write_text(SCRIPT)
        self.path.chmod(0o755)
        self.root = place / "root"
        self.root.mkdir()
        self.bundle = place / "bundle"
        (self.bundle / "rootfs").mkdir(parents=True)
        self.configure(PIDS)

    def configure(self, resources: dict[str, Any], annotations: dict[str, str] | None = None) -> None:
        """Write the bundle's config.json."""
        config: dict[str, Any] = {"root": {"path": "rootfs"}, "linux": {"cgroupsPath": "/c", "resources": resources}}
        if annotations:
            config["annotations"] = annotations
        self.config.write_text(json.dumps(config))

    @property
    def config(self) -> Path:
        """The bundle's config.json."""
        return self.bundle / "config.json"

    def does(self, command: str, *, status: int = 0, out: str = "", script: str = "") -> None:
        """How it answers `create` (and all that is not named), `state` or `delete`."""
        (self.place / f"{command}.status").write_text(str(status))
        (self.place / f"{command}.out").write_text(out)
        (self.place / f"{command}.sh").write_text(script)

    def calls(self) -> list[str]:
        """The arguments of every call, without the global flags."""
        path = self.place / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [GLOBAL.sub("", line) for line in lines]

    def invocation(self, *words: str) -> Invocation:
        """The parsed command line `--root ROOT WORDS`."""
        return argv.parse(["--root", str(self.root), *words], str(self.place))

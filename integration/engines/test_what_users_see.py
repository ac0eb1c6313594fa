"""What the user of each engine reads when a container does not start: asserted in full, as the engine itself shows it.

Every text stands here as a person sees it. ROOTFS, CGROUP and the like stand for what differs from run to run
(`engine.NOISE`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from integration.capabilities import require
from integration.engines.engine import Wish, normal
from integration.kernel import CgroupValues

if TYPE_CHECKING:
    from integration.containers import Result
    from integration.engines.engine import Engine
    from integration.engines.front import Front

MOUNT = Wish(("/bin/true",), mount=("/etc/passwd", "/proc/xx"))
MOUNT_SPOKEN = (
    'runc create failed: unable to start container process: error during container init: error mounting "/etc/passwd"'
    ' to rootfs at "/proc/xx": "ROOTFS/proc/xx" cannot be mounted because it is inside /proc'
)
MOUNT_TEXT = f"""\
cgshim: a mount has a destination inside /proc: /proc/xx [mount-destination-in-proc]
  cause: Nothing can be created there; runc forbids it for safety but for a few known files.
  remedy: Mount it elsewhere.
  see: OCI runtime-spec, config.md, Mounts
  runtime: {MOUNT_SPOKEN}"""

BAD_VALUE_TEXT = """\
cgshim: CONFIG: linux.resources.pids.limit: 9999999 is above the kernel's 4194304 [bad-resources]
  evidence: CONFIG: linux.resources.pids.limit: 9999999 is above the kernel's 4194304
  remedy: linux.resources.pids.limit: write 1 to 4194304, or -1 for no limit"""
REFUSED_TEXT = """\
cgshim: CONFIG: unified.misc.max cannot be enforced on this host [unified-without-counterpart]
  cause: cgroup v1 has no counterpart of misc.max; policy 'refuse' (default) starts no container that would lose a limit
"""

SETTINGS_TEXT = "cgshim: the settings in SETTINGS are of no use: policy: 'lenient' is neither 'refuse' nor 'warn' [bad-settings]"
AT_LOAD_TEXT = (
    "cgshim: a fault of cgshim itself: RuntimeError: broken on purpose; install it again, or report it with what"
    " CGSHIM_DEBUG=FILE writes [own-fault]"
)
INSIDE_TEXT = (
    "cgshim: a fault of cgshim itself: RuntimeError: broken on purpose (plan.py:1); report it with the traceback in"
    " DEBUG [own-fault]"
)


def shown(result: Result) -> tuple[int, str]:
    """Status and stderr."""
    return result.status, normal(result.err)


def test_mount_failure(engine: Engine, name: str) -> None:
    """A mount that the runtime refuses is explained, with the runtime's own words last."""
    result = engine.run(name, MOUNT)
    engine.remove(name)
    assert shown(result) == engine.refusal(MOUNT_TEXT, MOUNT_SPOKEN)
    assert result.out == ""


def test_second_failing_start(engine: Engine, name: str) -> None:
    """The same text once more: what an earlier start left in the log spoils nothing."""
    first = engine.run(name, MOUNT)
    assert first.status != 0
    result = engine.start_again(name, MOUNT)
    engine.remove(name)
    assert shown(result) == engine.refusal(MOUNT_TEXT, MOUNT_SPOKEN, again=name if engine.kind == "docker" else "ID")

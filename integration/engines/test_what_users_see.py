"""What the user of each engine reads when a container does not start: asserted in full, as the engine itself shows it.

Every text stands here as a person sees it. ROOTFS, CGROUP and the like stand for what differs from run to run
(`engine.NOISE`).
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from integration.capabilities import require
from integration.engines.engine import KINDS, Wish, normal
from integration.engines.system import SUITE
from integration.kernel import CgroupValues

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration.containers import Result
    from integration.engines.engine import Engine
    from integration.engines.front import Front
    from integration.engines.system import System

WITH_ALL_LIMITS = [kind for kind in KINDS if kind != "cri"]  # CRI has neither a pids nor a realtime limit
MOUNT = Wish(("/bin/true",), mount=("/etc/passwd", "/proc/xx"))
MOUNT_SPOKEN = (
    'runc create failed: unable to start container process: error during container init: error mounting "/etc/passwd"'
    ' to rootfs at "/proc/xx": '
)
MOUNT_REASON = {
    "here": '"ROOTFS/proc/xx" cannot be mounted because it is inside /proc',
    SUITE: 'create mountpoint for /proc/xx mount: make mountpoint "/proc/xx": no such file or directory',
}
MOUNT_TEXT = """\
cgshim: a mount has a destination inside /proc: /proc/xx [mount-destination-in-proc]
  cause: Nothing can be created there; runc forbids it for safety but for a few known files.
  remedy: Mount it elsewhere.
  see: OCI runtime-spec, config.md, Mounts
  runtime: """

BAD_VALUE_TEXT = """\
cgshim: CONFIG: linux.resources.pids.limit: 9999999 is above the kernel's 4194304 [bad-resources]
  evidence: CONFIG: linux.resources.pids.limit: 9999999 is above the kernel's 4194304
  remedy: linux.resources.pids.limit: write 1 to 4194304, or -1 for no limit"""
REFUSED_TEXT = """\
cgshim: CONFIG: unified.misc.max cannot be enforced on this host [unified-without-counterpart]
  cause: cgroup v1 has no counterpart of misc.max; policy 'refuse' (default) starts no container that would lose a limit
  evidence: unified.misc.max: not limited would be misc.max=res_a 5: cgroup v1 has no counterpart of misc.max
  evidence: cgroup layout hybrid: /sys/fs/cgroup/V1/cgroup.clone_children: 0; \
/sys/fs/cgroup/unified/cgroup.controllers: hugetlb
  remedy: leave unified.misc.max out, or run where it can be enforced (cgshimctl doctor says what this host has)
  remedy: or accept the loss: annotation io.cgshim.policy=warn, or {"policy": "warn"} in CONFIG"""

REALTIME = Path("/sys/fs/cgroup/cpu/cpu.rt_runtime_us")
REALTIME_SPOKEN = (
    "runc create failed: unable to start container process: unable to apply cgroup configuration: failed to write"
    ' "1000": write /sys/fs/cgroup/cpu/PARENT/CGROUP/cpu.rt_runtime_us: invalid argument'
)
REALTIME_TEXT = f"""\
cgshim: the container asks for realtime CPU time that its parent does not have (EINVAL) [realtime-parent-has-none]
  cause: Every new v1 cpu cgroup starts with cpu.rt_runtime_us 0, and children share what the parent has.
  evidence: /sys/fs/cgroup/cpu/PARENT/cpu.rt_runtime_us: 0
  evidence: config.json linux.resources.cpu.realtimeRuntime = 1000
  remedy: echo <microseconds> > cpu.rt_runtime_us in every ancestor, from the top down
  remedy: sysctl kernel.sched_rt_runtime_us is the total
  see: https://github.com/moby/moby/issues/31411
  runtime: {REALTIME_SPOKEN}"""

NOT_FOUND = 'exec: "nosuch": executable file not found in $PATH'
FRAMED = re.compile(r'time="TIME" level=error msg="(.* executable file not found in \$PATH)"')
SETTINGS_TEXT = """\
cgshim: the settings in SETTINGS are of no use: policy: 'lenient' is neither 'refuse' nor 'warn' [bad-settings]
  evidence: SETTINGS: policy: 'lenient' is neither 'refuse' nor 'warn'
  remedy: correct SETTINGS, for example {"runtime": "/usr/sbin/runc", "policy": "refuse"}
  remedy: or remove it"""
BROKEN = {
    "at-load": 'raise RuntimeError("broken on purpose")\n',
    "inside": 'def load(environment):\n    raise RuntimeError("broken on purpose")\n',
}
AT_LOAD_TEXT = (
    "cgshim: a fault of cgshim itself: RuntimeError: broken on purpose; install it again, or report it with what"
    " CGSHIM_DEBUG=FILE writes [own-fault]"
)
INSIDE_TEXT = (
    "cgshim: a fault of cgshim itself: RuntimeError: broken on purpose (settings.py:LINE); report it with the traceback"
    " in DEBUG [own-fault]"
)


def shown(result: Result) -> tuple[int, str]:
    """Status and stderr."""
    return result.status, normal(result.err)


def mount_texts(system: System) -> tuple[str, str]:
    """What cgshim says of the mount, and what runc itself does; engines act on the errno's words, not on its name."""
    spoken = MOUNT_SPOKEN + MOUNT_REASON[system.name]
    return MOUNT_TEXT + spoken.replace("no such file or directory", "ENOENT"), spoken


def test_mount_failure(engine: Engine, system: System, name: str) -> None:
    """A mount that the runtime refuses is explained, with the runtime's own words last."""
    result = engine.run(name, MOUNT)
    engine.remove(name)
    assert shown(result) == engine.refusal(*mount_texts(system))
    assert result.out == ""


def test_second_failing_start(engine: Engine, system: System, name: str) -> None:
    """The same text once more: what an earlier start left in the log spoils nothing."""
    first = engine.run(name, MOUNT)
    assert first.status != 0
    result = engine.start_again(name, MOUNT)
    engine.remove(name)
    again = name if engine.kind == "docker" else "ID"
    assert shown(result) == engine.refusal(*mount_texts(system), again=again)


@pytest.mark.parametrize("engine", WITH_ALL_LIMITS, indirect=True)
def test_refused_value(engine: Engine, name: str) -> None:
    """A limit that no kernel takes is refused before the runtime is called, where the engine lets it through."""
    result = engine.run(name, Wish(("/bin/true",), {"pids": {"limit": 9999999}}))
    engine.remove(name)
    assert shown(result) == engine.refusal(BAD_VALUE_TEXT)


@pytest.mark.parametrize("kind", ["ctr", "conmon", "cri"])
def test_refused_limit(engines: Callable[[str], Engine], front: Front, kind: str, name: str) -> None:
    """A guard that this host has no counterpart of is refused by policy; what to do about it comes with it."""
    require("v1 pids", "" if CgroupValues(os.getpid()).version("pids") == 1 else "pids is not on v1")
    engine = engines(kind)
    result = engine.run(name, Wish(("/bin/true",), {"unified": {"misc.max": "res_a 5"}}))
    engine.remove(name)
    assert shown(result) == engine.refusal(REFUSED_TEXT)
    front.settings.write_text('{"policy": "warn"}')
    result = engine.run(name, Wish(("/bin/true",), {"unified": {"misc.max": "res_a 5"}}))
    engine.remove(name)
    assert shown(result) == (0, "")


@pytest.mark.parametrize("engine", WITH_ALL_LIMITS, indirect=True)
def test_runtime_failure_explained(engine: Engine, name: str) -> None:
    """A limit that the kernel refuses to the runtime is explained by what the parent cgroup shows."""
    require("v1 realtime", "" if REALTIME.exists() else f"there is no {REALTIME}")
    result = engine.run(name, Wish(("/bin/true",), {"cpu": {"realtimeRuntime": 1000}}))
    engine.remove(name)
    assert shown(result) == engine.refusal(REALTIME_TEXT, REALTIME_SPOKEN)


def test_failure_that_is_not_ours(engine: Engine, name: str) -> None:
    """A command that is not in the image: status and text are the bare runtime's."""
    bare = engine.run(name, Wish(("nosuch",), bare=True))
    engine.remove(name)
    result = engine.run(name, Wish(("nosuch",)))
    engine.remove(name)
    assert NOT_FOUND in bare.err.replace("\\", "")
    if engine.gives_log:
        assert shown(result) == shown(bare)
    else:
        # runc frames its message where it has no log; the one that it has now was for cgshim to read.
        assert shown(result) == (bare.status, FRAMED.sub(r"\1", normal(bare.err).replace("\\", "")))


def test_output_is_the_bare_runtimes(engine: Engine, name: str) -> None:
    """stdout, stderr and status of the container, rewritten for this host, are byte for byte what they are without.

    cpu.shares 1 is below the kernel's least of 2: the bare runtime refuses it.
    """
    script = "echo out; echo err >&2; printf 'no newline'; exit 7"
    bare = engine.run(name, Wish(("/bin/sh", "-c", script), bare=True))
    engine.remove(name)
    result = engine.run(name, Wish(("/bin/sh", "-c", script), {"cpu": {"shares": 1}}))
    engine.remove(name)
    assert (result.status, result.out, result.err) == (bare.status, bare.out, bare.err)
    assert bare.status == 7
    assert bare.out.replace("\r", "") == (
        "out\nerr\nno newline" if engine.kind == "ctr-terminal" else "out\nno newline"
    )


def test_settings_that_cannot_be_used(engine: Engine, front: Front, name: str) -> None:
    """cgshim's own settings are at fault: which file, what in it, what to do; on both channels."""
    front.settings.write_text('{"policy": "lenient"}')
    result = engine.run(name, Wish(("/bin/true",)))
    engine.remove(name)
    status, text = shown(result)
    assert (status, text.replace(str(front.settings), "SETTINGS")) == engine.refusal(SETTINGS_TEXT)


@pytest.mark.parametrize("when", ["at-load", "inside"])
def test_own_fault(engine: Engine, front: Front, when: str, name: str) -> None:
    """A broken cgshim is one line in the engine's own output; a traceback is only where CGSHIM_DEBUG wants it."""
    front.break_module("settings.py", BROKEN[when], debug=when == "inside")
    result = engine.run(name, Wish(("/bin/true",)))
    engine.remove(name)
    status, err = shown(result)
    found = re.sub(r"settings\.py:\d+", "settings.py:LINE", err.replace(str(front.debug), "DEBUG"))
    assert (status, found) == engine.refusal(AT_LOAD_TEXT if when == "at-load" else INSIDE_TEXT)
    assert "Traceback" not in result.err + result.out
    assert ("Traceback" in front.debug.read_text()) if when == "inside" else not front.debug.exists()

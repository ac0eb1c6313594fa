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
  cause: Nothing can be created in /proc. For safety runc forbids mounts there, except on a few known files.
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
  evidence: unified.misc.max would be lost (misc.max=res_a 5): cgroup v1 has no counterpart of misc.max
  evidence: cgroup layout hybrid: /sys/fs/cgroup/V1/cgroup.clone_children: 0; \
/sys/fs/cgroup/unified/cgroup.controllers: hugetlb
  remedy: leave unified.misc.max out, or run where it can be enforced (cgshimctl doctor shows what this host has)
  remedy: or accept the loss, for every container: {"policy": "warn"} in CONFIG"""

NO_PIDS = (
    "this host has no pids controller (/proc/self/cgroup: pids:PLACE but not mounted here,"
    " /sys/fs/cgroup/V1/cgroup.clone_children: ENOENT; /sys/fs/cgroup/unified/cgroup.controllers: hugetlb)"
)
HIDDEN_TEXT = f"""\
cgshim: CONFIG: pids.limit cannot be enforced on this host [pids-nowhere]
  cause: {NO_PIDS}; policy 'refuse' (default) starts no container that would lose a limit
  evidence: pids.limit would be lost (more than 27 tasks): {NO_PIDS}
  evidence: cgroup layout hybrid: /sys/fs/cgroup/V1/cgroup.clone_children: 0; \
/sys/fs/cgroup/unified/cgroup.controllers: hugetlb
  remedy: leave pids.limit out, or run where it can be enforced (cgshimctl doctor shows what this host has)
  remedy: or accept the loss, for every container: {{"policy": "warn"}} in CONFIG"""

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
  remedy: In every ancestor, from the top down, write microseconds into cpu.rt_runtime_us \
(dockerd --cpu-rt-runtime does).
  remedy: sysctl kernel.sched_rt_runtime_us shows the total.
  see: https://github.com/moby/moby/issues/31411
  runtime: {REALTIME_SPOKEN}"""

NOT_FOUND = 'exec: "nosuch": executable file not found in $PATH'
FRAMED = re.compile(r'time="TIME" level=error msg="(.* executable file not found in \$PATH)"')
SETTINGS_TEXT = """\
cgshim: SETTINGS is not a valid settings file: policy: 'lenient' is neither 'refuse' nor 'warn' [bad-settings]
  evidence: SETTINGS: policy: 'lenient' is neither 'refuse' nor 'warn'
  remedy: correct SETTINGS, for example {"runtime": "/usr/sbin/runc", "policy": "refuse"}
  remedy: or remove it"""
BROKEN = {
    "at-load": 'raise RuntimeError("broken on purpose")\n',
    "inside": 'def load(environment, in_use):\n    raise RuntimeError("broken on purpose")\n',
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
    """Status and stderr; there is nothing else."""
    assert result.out == ""
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


def test_second_failing_start(engine: Engine, system: System, name: str) -> None:
    """The same text once more: what an earlier start left in the log spoils nothing."""
    result = second_start(engine, name, MOUNT)
    assert result == engine.refusal(*mount_texts(system), again=again(engine, name))


def second_start(engine: Engine, name: str, wish: Wish) -> tuple[int, str]:
    """Run a container that does not start, start it once more, remove it; status and stderr of the second time."""
    first = engine.run(name, wish)
    assert first.status != 0
    result = engine.start_again(name, wish)
    engine.remove(name)
    return shown(result)


def again(engine: Engine, name: str) -> str:
    """How the engine calls the container when it is started by its name."""
    return name if engine.kind == "docker" else "ID"


@pytest.mark.parametrize("engine", WITH_ALL_LIMITS, indirect=True)
def test_second_runtime_failure(engine: Engine, name: str) -> None:
    """What the runtime itself refuses is explained at the second start as at the first."""
    require("v1 realtime", "" if REALTIME.exists() else f"there is no {REALTIME}")
    result = second_start(engine, name, Wish(("/bin/true",), {"cpu": {"realtimeRuntime": 1000}}))
    assert result == engine.refusal(REALTIME_TEXT, REALTIME_SPOKEN, again=again(engine, name))


def test_second_failure_that_is_not_ours(engine: Engine, name: str) -> None:
    """A missing command, started twice: status and text are the bare runtime's."""
    bare = second_start(engine, name, Wish(("nosuch",), bare=True))
    assert NOT_FOUND in bare[1].replace("\\", "")
    assert second_start(engine, name, Wish(("nosuch",))) == without_frame(engine, bare)


def test_second_own_fault(engine: Engine, front: Front, name: str) -> None:
    """cgshim's own fault is told at the second start, too."""
    front.settings.write_text('{"policy": "lenient"}')
    status, text = second_start(engine, name, Wish(("/bin/true",)))
    found = (status, text.replace(str(front.settings), "SETTINGS"))
    assert found == engine.refusal(SETTINGS_TEXT, again=again(engine, name))


@pytest.mark.parametrize("engine", WITH_ALL_LIMITS, indirect=True)
def test_refused_value(engine: Engine, name: str) -> None:
    """A limit that no kernel takes is refused before the runtime is called, where the engine lets it through."""
    result = engine.run(name, Wish(("/bin/true",), {"pids": {"limit": 9999999}}))
    engine.remove(name)
    assert shown(result) == engine.refusal(BAD_VALUE_TEXT)


@pytest.mark.parametrize("kind", ["ctr", "ctr-terminal", "conmon", "cri"])
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
def test_limit_without_its_controller(engine: Engine, front: Front, name: str) -> None:
    """A limit of the engine's own flag whose controller is not mounted: refused by policy, at each start, or lost."""
    require("v1 pids", "" if CgroupValues(os.getpid()).version("pids") == 1 else "pids is not on v1")
    front.hide("pids")
    wish = Wish(("/bin/true",), {"pids": {"limit": 27}})
    result = engine.run(name, wish)
    second = engine.start_again(name, wish)
    engine.remove(name)
    assert placeless(result) == engine.refusal(HIDDEN_TEXT)
    assert placeless(second) == engine.refusal(HIDDEN_TEXT, again=again(engine, name))
    front.settings.write_text('{"policy": "warn"}')
    result = engine.run(name, wish)
    engine.remove(name)
    assert shown(result) == (0, "")


def placeless(result: Result) -> tuple[int, str]:
    """As `shown`, without the cgroup that the engine calls the runtime in."""
    status, err = shown(result)
    return status, re.sub(r"pids:/\S*", "pids:PLACE", err)


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
    assert shown(result) == without_frame(engine, shown(bare))


def without_frame(engine: Engine, bare: tuple[int, str]) -> tuple[int, str]:
    """runc frames its message where it has no log; the one that it has now was for cgshim to read."""
    status, err = bare
    return bare if engine.gives_log else (status, FRAMED.sub(r"\1", err.replace("\\", "")))


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
    front.break_module("planning/settings.py", BROKEN[when], debug=when == "inside")
    result = engine.run(name, Wish(("/bin/true",)))
    engine.remove(name)
    status, err = shown(result)
    found = re.sub(r"settings\.py:\d+", "settings.py:LINE", err.replace(str(front.debug), "DEBUG"))
    assert (status, found) == engine.refusal(AT_LOAD_TEXT if when == "at-load" else INSIDE_TEXT)
    assert "Traceback" not in result.err + result.out
    assert ("Traceback" in front.debug.read_text()) if when == "inside" else not front.debug.exists()

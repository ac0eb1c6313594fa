"""A container that criu saves and brings back: what it may do, and what limits it, is the same afterwards.

The container has a seccomp filter, a user other than root and no capabilities. Read from the kernel on both sides: the
filter itself (ptrace(2), PTRACE_SECCOMP_GET_FILTER, eight bytes an instruction), /proc/PID/status, the cgroup's files,
and what a call that the filter denies gives to the process.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess

from integration.matrix.guest import container
from integration.matrix.guest.container import Container, Way

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

M = 1 << 20
USER = 1000
DENIED = 121  # EREMOTEIO: no kernel gives it for mkdir by itself
SECCOMP = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "architectures": ["SCMP_ARCH_X86_64"],
    "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": DENIED}],
}
LOOP = "while :; do mkdir /tmp/new; sleep 1; done"
STATUS = ("Uid", "Gid", "NoNewPrivs", "Seccomp", "Seccomp_filters", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
PTRACE_ATTACH, PTRACE_DETACH, PTRACE_SECCOMP_GET_FILTER = 16, 17, 0x420C
MOST = 4096  # BPF_MAXINSNS


def measure(way: Way, parent: str) -> Iterator[dict[str, Any]]:
    """One record: a life with a checkpoint in it."""
    resources = {"memory": {"limit": 64 * M, "kernel": 32 * M}, "pids": {"limit": 64}}
    about = {"asked": "seccomp, not root, no capabilities", "runtime": way.runtime, "through": way.through}
    with Container(way, resources, parent, _confined) as held:
        yield {**about, **_life(way, held)}


def _confined(config: dict[str, Any]) -> None:
    config["process"].update(
        args=["/bin/busybox", "sh", "-c", LOOP],
        user={"uid": USER, "gid": USER},
        capabilities={kind: [] for kind in ("bounding", "effective", "inheritable", "permitted", "ambient")},
        noNewPrivileges=True,
    )
    config["mounts"].append(
        {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=1777"]}
    )
    config["linux"]["seccomp"] = SECCOMP
    for name in ("busybox", "sh", "mkdir"):
        link = f"{container.RUN}/rootfs/bin/{name}"
        if not os.path.lexists(link):
            os.symlink("sleep", link)


def _life(way: Way, held: Container) -> dict[str, Any]:
    image = f"{held.bundle}/image"
    found: dict[str, Any] = {"statuses": [], "before": {}, "after": {}}
    with _Streams() as streams:
        words = ("--bundle", held.bundle, "--pid-file", f"{held.bundle}/pid")
        steps = (
            ("run", "--detach", *words, held.name),
            ("checkpoint", "--image-path", image, "--work-path", image, held.name),
            ("restore", "--detach", "--image-path", image, "--work-path", image, *words, held.name),
        )
        for step in steps:
            status, text = streams.call(way, *step)
            found["statuses"].append(status)
            if status:
                return {**found, "text": f"{text} {_criu(image)}"[-1500:]}
            if step[0] == "checkpoint":
                found["gone"] = not os.path.exists(f"/proc/{held.pid()}")
            else:
                found["before" if step[0] == "run" else "after"] = {**_state(held), "denied": streams.said()}
    return found


class _Streams:
    """Pipes for the container's standard streams, as an engine has: criu hands the same kind back."""

    def __enter__(self) -> _Streams:
        self.inner, self.to = os.pipe()
        self.back, self.outer = os.pipe()
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in (self.inner, self.to, self.back, self.outer):
            os.close(descriptor)

    def call(self, way: Way, *words: str) -> tuple[int, str]:
        """Exit status and the engine's log of one call."""
        with open(container.LOG, "w"):
            pass
        line = way.command(*words)
        done = subprocess.run(
            line,
            check=False,
            env=way.environment(),
            timeout=container.LIMIT,
            stdin=self.inner,
            stdout=self.outer,
            stderr=self.outer,
        )
        with open(container.LOG, errors="replace") as log:
            return done.returncode, log.read().strip()

    def said(self) -> str:
        """The line that the container's process writes next, after all that waits in the pipe."""
        os.set_blocking(self.back, False)
        try:
            while os.read(self.back, 65536):
                pass
        except BlockingIOError:
            pass
        os.set_blocking(self.back, True)
        signal.alarm(container.LIMIT)  # ends the driver, and so the profile, if the container is dumb
        line = os.read(self.back, 65536).decode(errors="replace").splitlines()[0]
        signal.alarm(0)
        return line


def _state(held: Container) -> dict[str, Any]:
    pid = held.pid()
    with open(f"/proc/{pid}/status") as file:
        pairs = (line.split(":", 1) for line in file)
        status = {key: " ".join(value.split()) for key, value in pairs if key in STATUS}
    settings = held.settings()
    limits = {key: settings[key] for key in ("memory.max", "memory.limit_in_bytes", "pids.max") if key in settings}
    return {"status": status, "limits": limits, "filter": _filter(pid).hex()}


def _filter(pid: int) -> bytes:
    """The newest seccomp filter of a process, as the kernel runs it; b"" if it has none."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    if libc.ptrace(PTRACE_ATTACH, pid, None, None):
        raise OSError(ctypes.get_errno(), "ptrace")
    try:
        os.waitpid(pid, 0x40000000)  # __WALL: it is not our child
        program = ctypes.create_string_buffer(8 * MOST)
        length = libc.ptrace(PTRACE_SECCOMP_GET_FILTER, pid, None, program)
        return program.raw[: 8 * max(length, 0)]
    finally:
        libc.ptrace(PTRACE_DETACH, pid, None, None)


def _criu(image: str) -> str:
    """The errors in criu's own log."""
    lines = []
    for name in ("dump.log", "restore.log"):
        try:
            with open(f"{image}/{name}", errors="replace") as file:
                lines += [line.strip() for line in file if "Error" in line]
        except OSError:
            continue
    return "; ".join(lines)

"""Detection alone: time and system calls with more and more mounts and cgroups, each set made for it and removed."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
CLONE_NEWNS, MS_BIND, MS_PRIVATE, MS_REC = 0x20000, 4096, 1 << 18, 16384
TIMES = 30

# As an intercepted `create` does it: memory, cpu, pids and devices are limited, swap's files decide.
PROGRAM = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
from shim.host.detect import detect
from shim.host.view import View
wanted = ("memory.memsw.limit_in_bytes", "memory.swap.max")
def look():
    return detect(View(), wanted, "", controllers=("memory", "cpu", "cpuset", "pids", "devices"))
if sys.argv[2] != "0":
    look()
best = 9e9
for _ in range(int(sys.argv[2])):
    start = time.perf_counter()
    look()
    best = min(best, time.perf_counter() - start)
print(best * 1000)
"""


def _program(times: int) -> list[str]:
    return ["/usr/bin/python3", "-IS", "-c", PROGRAM, str(CHECKOUT), str(times)]


def _calls(times: int) -> int:
    """System calls of a whole process that detects 1 + times times (0: never)."""
    line = ["strace", "-qq", "-o", "/dev/stdout", *_program(times)]
    done = subprocess.run(line, check=True, capture_output=True, text=True)
    return len(done.stdout.splitlines())


def looked() -> dict[str, Any]:
    """The best time of one detection in milliseconds, and its system calls (None without strace)."""
    done = subprocess.run(_program(TIMES), check=True, capture_output=True, text=True)
    found: dict[str, Any] = {"ms": round(float(done.stdout), 3), "system_calls": None}
    try:
        found["system_calls"] = (_calls(11) - _calls(1)) // 10
    except OSError:
        return found
    return found


def with_mounts(count: int) -> dict[str, Any]:
    """In a mount namespace of its own, `count` bind mounts below a tmpfs; they vanish with the process."""
    return _in_child(f"mounts {count}")


def _mounts(count: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)

    def must(result: int) -> None:
        if result:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    must(libc.unshare(CLONE_NEWNS))
    must(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None))
    must(libc.mount(b"tmpfs", b"/mnt", b"tmpfs", 0, None))
    os.mkdir("/mnt/source")
    for number in range(count):
        target = f"/mnt/{number}"
        os.mkdir(target)
        must(libc.mount(b"/mnt/source", target.encode(), None, MS_BIND, None))
    print(json.dumps(looked()))


def with_cgroups(count: int) -> dict[str, Any]:
    """With `count` more cgroups below a private one of every place that detection may list; removed afterwards."""
    bases = [base for base in ("/sys/fs/cgroup/pids", "/sys/fs/cgroup/unified", "/sys/fs/cgroup") if _is_root(base)]
    made = [Path(base) / f"cgshim-benchmark-{os.getpid()}" for base in bases]
    try:
        for top in made:
            top.mkdir()
            for number in range(count):
                (top / str(number)).mkdir()
        return looked()
    finally:
        for top in made:
            for child in (entry for entry in top.iterdir() if entry.is_dir()) if top.exists() else ():
                child.rmdir()
            if top.exists():
                top.rmdir()


def _is_root(base: str) -> bool:
    return Path(base, "cgroup.procs").exists()


def _in_child(words: str) -> dict[str, Any]:
    line = [sys.executable, "-B", "-m", "integration.benchmarks.detection", *words.split()]
    done = subprocess.run(line, check=True, capture_output=True, text=True, cwd=CHECKOUT)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    _mounts(int(sys.argv[2]))

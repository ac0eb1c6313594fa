"""Provokes a failure with a bare runtime in a private mount namespace and explains it there.

Run as a program inside `unshare --mount` it reads a request from standard input and prints the answer::

    {"argv": ["runc", ...], "cwd": "...", "context": {...}}  ->  {"status": 1, "text": "...", "code": "...", ...}

The facts have to be gathered where the failure happened: the layout exists only in that namespace.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Any, NoReturn

ROOT = Path(__file__).resolve().parents[2]
CGROUP = Path("/sys/fs/cgroup")
# What makes of this host, inside the namespace, the layout that a provocation wants.
LAYOUTS = {
    "host": "true",
    "legacy": "if mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi",
    "unified": "umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup",
}
NAMESPACES = [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")]
QUIET = ["nosuid", "noexec", "nodev"]
MOUNTS: list[dict[str, Any]] = [
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
    {
        "destination": "/dev/pts",
        "type": "devpts",
        "source": "devpts",
        "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    },
    {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": QUIET},
    {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": [*QUIET, "ro"]},
]
SECONDS = 60
NEW_MOUNTS, RECURSIVE, PRIVATE = 0x20000, 0x4000, 0x40000  # unshare(2), mount(2)


def whole_config(rootfs: str, cgroups_path: str) -> dict[str, Any]:
    """A config.json with the mounts and namespaces that engines use, and no limits."""
    return {
        "ociVersion": "1.0.2",
        "process": {"user": {"uid": 0, "gid": 0}, "args": ["/bin/true"], "env": ["PATH=/bin"], "cwd": "/"},
        "root": {"path": rootfs, "readonly": False},
        "mounts": json.loads(json.dumps(MOUNTS)),
        "linux": {"namespaces": list(NAMESPACES), "cgroupsPath": cgroups_path, "resources": {}},
    }


@functools.cache
def readable_sources() -> Path:
    """A directory with this project's modules that every user can read; the checkout itself may be in a closed home."""
    if all(directory.stat().st_mode & 0o005 == 0o005 for directory in (ROOT, *ROOT.parents)):
        return ROOT
    copy = Path(tempfile.mkdtemp(prefix="cgshim-sources-"))
    atexit.register(shutil.rmtree, copy)
    copy.chmod(0o755)
    for package in ("hooks", "integration", "shim"):
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__", "matrix"))
    return copy


def provoke(prepare: str, before: tuple[str, ...], request: dict[str, Any]) -> dict[str, Any]:
    """Run this file in a private mount namespace, after `prepare` and under `before`; its answer."""
    script = f'{{ {prepare}; }} >&2 </dev/null\nexec "$@"'
    done = subprocess.run(
        [
            "unshare",
            "--mount",
            "sh",
            "-e",
            "-c",
            script,
            "sh",
            *before,
            sys.executable,
            "-m",
            "integration.failures.provoked",
        ],
        check=False,
        input=json.dumps(request),
        capture_output=True,
        text=True,
        cwd=readable_sources(),
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def provoke_forked(prepare: str, request: dict[str, Any]) -> dict[str, Any]:
    """As `provoke` without `before`, in a copy of this process: modules are loaded and patterns compiled already, which
    is most of what a row takes in a slow guest. `prepare` leaves nothing of its shell, such as its directory.
    """
    with tempfile.TemporaryFile("w+") as file:
        child = os.fork()
        if not child:
            _forked(prepare, request, file)
        _, status = os.waitpid(child, 0)
        file.seek(0)
        assert status == 0, file.read()
        file.seek(0)
        answer: dict[str, Any] = json.load(file)
        return answer


def _forked(prepare: str, request: dict[str, Any], file: IO[str]) -> NoReturn:
    status = 1
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        made = libc.unshare(NEW_MOUNTS) or libc.mount(None, b"/", None, RECURSIVE | PRIVATE, None)
        assert made == 0, os.strerror(ctypes.get_errno())
        done = subprocess.run(
            ["sh", "-e", "-c", f"{{ {prepare}; }} >&2 </dev/null"],
            check=False,
            stderr=subprocess.PIPE,
            text=True,
            cwd=readable_sources(),
            timeout=SECONDS,
        )
        file.write(done.stderr if done.returncode else json.dumps(explained(request)))
        file.flush()
        status = done.returncode
    except BaseException as error:  # noqa: BLE001  this is a copy of a whole program, of which nothing else may run on
        file.write(f"{type(error).__name__}: {error}")
        file.flush()
    finally:
        os._exit(status)


def remove_cgroups(name: str) -> list[str]:
    """Remove the cgroup `name` and all below it from every hierarchy; what could not be removed."""
    left = []
    for hierarchy in (CGROUP, *CGROUP.iterdir()):
        top = hierarchy / name
        for directory, _, _ in os.walk(top, topdown=False):
            try:
                os.rmdir(directory)
            except OSError as error:
                left.append(f"{directory}: {error}")
        if top.exists() and not (top / "cgroup.procs").exists():
            shutil.rmtree(top)  # crun made an ordinary directory in the tmpfs
    return left


def disable(control: Path, before: str) -> None:
    """Take out of this `cgroup.subtree_control` what was not in it before, unless somebody else uses it by now."""
    for controller in set(control.read_text().split()) - set(before.split()) if control.exists() else ():
        try:
            control.write_text(f"-{controller}")
        except OSError as error:
            print(f"{control}: -{controller}: {error}", file=sys.stderr)


def explained(request: dict[str, Any]) -> dict[str, Any]:
    """Inside the namespace: run, explain."""
    from integration.failures.recording_view import RecordingView
    from shim.diagnose.diagnosis import Context
    from shim.diagnose.explain import explain
    from shim.diagnose.host_checks import foreseen
    from shim.diagnose.render import as_dict, render
    from shim.host.view import View

    # crun gives its standard streams to the container's user, and /dev/null would be the whole host's.
    done = subprocess.run(
        request["argv"],
        check=False,
        input="",
        capture_output=True,
        text=True,
        cwd=request["cwd"],
        timeout=SECONDS - 10,
    )
    text = done.stderr + done.stdout
    view = RecordingView()
    diagnosis = explain(text, Context(view=view, **request["context"]))
    answer = {"status": done.returncode, "text": text, "rendered": render(diagnosis), **as_dict(diagnosis)}
    answer["facts"] = view.facts
    answer["foreseen"] = [(one.code, one.evidence) for one in foreseen(Context(view=View(), **request["context"]))]
    return answer


def main() -> None:
    """The answer to the request on standard input."""
    json.dump(explained(json.load(sys.stdin)), sys.stdout)


if __name__ == "__main__":
    main()

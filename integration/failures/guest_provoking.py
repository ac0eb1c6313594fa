"""Runs in a guest (`python3 -m integration.failures.guest_provoking`): provokes its rows and the frozen ancestor.

Appends one JSON object a line to /out/results; the host decides what it means
(`integration.failures.guest_failures`).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from integration.bundle import find_busybox, make_bundle
from integration.containers import LAUNCHER, SEARCH_PATH, find_runtime
from integration.failures import guest_oom
from integration.failures.guest_rows import GUESTS
from integration.failures.provoked import CGROUP, whole_config
from integration.failures.recording import record
from integration.failures.recording_view import RecordingView
from shim.diagnose.diagnosis import Context
from shim.diagnose.explain import explain
from shim.diagnose.host_checks import foreseen
from shim.host.view import View
from shim.observe.kernel_log import read_kernel_log

OUT = "/out/results"
SECONDS = 60  # until a start that should end has not
HANGING = 5  # seconds in a frozen cgroup without a message
FREEZING = {"cgroup.freeze": ("1", "0"), "freezer.state": ("FROZEN", "THAWED")}


def emit(**found: object) -> None:
    """Write one result; the host reads along."""
    with open(OUT, "a") as file:
        file.write(json.dumps(found) + "\n")


def provoked(name: str, only: set[str]) -> None:
    """Every row of the guest, or `only` these, with each of its runtimes."""
    (guest,) = (one for one in GUESTS if one.name == name)
    for row in (row for row in guest.rows if not only or row.name in only):
        for runtime in sorted(row.expect):
            try:
                case, found = record(row, runtime, forking=True)
            except (AssertionError, OSError, subprocess.SubprocessError) as error:
                emit(kind="broken", name=f"{row.name}-{runtime}", error=str(error)[-2000:])
                continue
            if "kernel log" in case["evidence"]:
                lines = [line for line in read_kernel_log().splitlines() if line.startswith("cgroup: ")]
                case["context"]["kernel_log"] = "".join(f"{line}\n" for line in lines)
            emit(kind="case", case=case, found=found)
    for runtime in ("runc", "crun") if guest.frozen and (not only or "frozen" in only) else ():
        emit(kind="frozen", **frozen(runtime))
    for path in ("", "/") if guest.frozen and (not only or "rooted" in only) else ():
        emit(kind="rooted", **rooted(path))
    for one in guest_oom.seen() if name in guest_oom.HERE and (not only or "oom" in only) else ():
        emit(kind="oom", **one)


def frozen(runtime: str) -> dict[str, Any]:
    """A start below a frozen cgroup: with the bare runtime until it is thawed, and through cgshim."""
    top, own = Path(tempfile.mkdtemp(prefix="cgshim-frozen-")), f"frozen-{runtime}"
    unified = (CGROUP / "cgroup.controllers").exists()
    directory = (CGROUP if unified else CGROUP / "freezer") / own
    directory.mkdir()
    switch = directory / ("cgroup.freeze" if unified else "freezer.state")
    freeze, thaw = FREEZING[switch.name]
    config = whole_config(str(top / "bundle" / "rootfs"), f"/{own}/c")
    make_bundle(top / "bundle", find_busybox()).write(config)
    switch.write_text(freeze)
    try:
        bare = _start([find_runtime(runtime)], top, "bare")
        entered = _until(lambda: _processes(directory / "c"), bare)
        time.sleep(HANGING)
        hangs = bare.poll() is None
        before = (top / "bare.out").read_text()
        context: dict[str, Any] = {"config": config, "runtime": runtime, "cgroups_path": f"/{own}/c", "command": "run"}
        view = RecordingView()
        known = [(one.code, one.evidence) for one in foreseen(Context(view=view, **context))]
        shim = _start(["/bin/sh", str(LAUNCHER)], top, "shim", CGSHIM_RUNTIME=find_runtime(runtime))
        refused = _ended(shim)
    finally:
        switch.write_text(thaw)
    after = _ended(bare)
    config["root"]["path"] = "rootfs"
    return {
        "runtime": runtime,
        "switch": str(switch),
        "bare": {"entered": bool(entered), "hangs": hangs, "before": before, "status": after},
        "shim": {"status": refused, "text": (top / "shim.out").read_text()},
        "foreseen": known,
        "context": context,
        "facts": {kind: found for kind, found in view.facts.items() if found},
    }


def rooted(path: str) -> dict[str, Any]:
    """The root as the container's cgroup, through cgshim with crun, which would kill all of the guest at the end."""
    top = Path(tempfile.mkdtemp(prefix="cgshim-rooted-"))
    config = whole_config(str(top / "bundle" / "rootfs"), path)
    make_bundle(top / "bundle", find_busybox()).write(config)
    shim = _start(["/bin/sh", str(LAUNCHER)], top, "shim", CGSHIM_RUNTIME=find_runtime("crun"))
    return {"path": path, "status": _ended(shim), "text": (top / "shim.out").read_text()}


def _start(command: list[str], top: Path, name: str, **environment: str) -> subprocess.Popen[bytes]:
    with (top / f"{name}.out").open("w") as file:
        return subprocess.Popen(
            [*command, "--root", str(top / "state"), "run", f"frozen-{name}"],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            cwd=top / "bundle",
            env={"PATH": SEARCH_PATH, **environment},
        )


def _ended(child: subprocess.Popen[bytes]) -> int:
    """Exit status; 124 for what had to be killed."""
    try:
        return child.wait(SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        return 124


def _until(look: Any, child: subprocess.Popen[bytes]) -> Any:
    for _ in range(SECONDS * 10):
        found = look()
        if found or child.poll() is not None:
            return found
        time.sleep(0.1)
    return None


def _processes(directory: Path) -> list[str]:
    try:
        return (directory / "cgroup.procs").read_text().split()
    except OSError:
        return []


def main() -> None:
    """All of the guest that the kernel command line names."""
    words = dict(word.partition("=")[::2] for word in Path("/proc/cmdline").read_text().split())
    if not find_busybox():
        os.symlink("/run/busybox", "/bin/busybox")
    versions = {name: _version(name) for name in ("runc", "crun")}
    _warm()
    emit(kind="guest", kernel=os.uname().release, **versions)
    provoked(words["matrix.name"], set(words.get("matrix.rows", "").split(",")) - {""})
    emit(kind="end")


def _warm() -> None:
    """Have every pattern compiled, and kept, in this process, of which each row gets a copy."""
    setattr(re, "_MAXCACHE", 1 << 16)  # noqa: B010  it is 512, and there are more
    explain("", Context(view=View("/"), config={}, runtime="", cgroups_path="", command=""))


def _version(name: str) -> str:
    words = subprocess.run([name, "--version"], check=False, capture_output=True, text=True).stdout.split()
    return words[2] if len(words) > 2 else ""


if __name__ == "__main__":
    main()

"""Runs all cases of one profile in the guest: `driver.py PROFILE CASE-SETS PARENT`.

Appends one JSON object a line to /out/results; what they mean is decided on the host (judge.py).
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import time

from integration.matrix.guest import cases, container, drawing, measuring, trying
from integration.matrix.guest.container import Container, Way

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator, Optional

    Settings = Optional[dict[str, str]]

OUT = "/out/results"


def emit(**record: object) -> None:
    """Write one result; the host reads along."""
    with open(OUT, "a") as file:
        file.write(json.dumps(record, sort_keys=True) + "\n")


def prepare() -> None:
    """The root file system of all containers: busybox."""
    os.makedirs(f"{container.RUN}/rootfs/bin")
    os.makedirs(f"{container.RUN}/rootfs/proc")
    os.makedirs(f"{container.RUN}/rootfs/sys/fs/cgroup")
    shutil.copy("/run/busybox", f"{container.RUN}/rootfs/bin/sleep")


def describe(profile: str) -> None:
    """What this guest is: kernel, runtimes, layout as the kernel tells it."""
    with open("/proc/self/mountinfo") as file:
        mounts = [line.strip() for line in file if " - cgroup" in line or " /sys/fs/cgroup" in line]
    emit(
        kind="guest",
        profile=profile,
        kernel=platform.release(),
        date=time.strftime("%Y-%m-%d", time.gmtime()),
        python=platform.python_version(),
        runtimes={name: version(path) for name, path in container.RUNTIMES.items()},
        cmdline=text("/proc/cmdline"),
        mounts=mounts,
        proc_cgroups=text("/proc/cgroups"),
        swaps=text("/proc/swaps"),
    )


def text(path: str) -> str:
    """Content of a file, "" where there is none."""
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return ""


def version(program: str) -> str:
    """The version that a runtime gives itself."""
    words = subprocess.run([program, "--version"], check=False, capture_output=True, text=True).stdout.split()
    return words[2] if len(words) > 2 else "?"


def baseline(way: Way, parent: str) -> Settings:
    """A container without limits: its settings, or None with the reason if there can be none."""
    with Container(way, {}, parent) as held:
        result = held.create()
        settings = held.settings() if result.status == 0 else None
    emit(
        kind="baseline",
        runtime=way.runtime,
        through=way.through,
        status=result.status,
        text=result.text[-1500:],
        log=result.log[-2500:],
        settings=settings,
    )
    return settings


def run(case: cases.Case, way: Way, parent: str, unlimited: dict[str, str], operation: str) -> None:
    """One case in one way."""
    resources = case.resources if operation == "create" else {}
    place, config = (f"{parent}/closed", container.user_namespace) if case.diagnosis else (parent, None)
    with Container(way, resources, place, config) as held:
        held.umask = 0o077 if case.diagnosis else 0o022
        if operation == "create":
            result = held.create()
        else:
            result = held.create("run")
            if result.status == 0:
                result = held.update(case.resources)
        settings = held.settings() if result.status == 0 else {}
        report = held.report()
    changed = {name: value for name, value in settings.items() if unlimited.get(name) != value}
    emit(
        kind="case",
        case=case.name,
        operation=operation,
        runtime=way.runtime,
        through=way.through,
        status=result.status,
        text=result.text[-1500:],
        log=result.log[-2500:],
        changed=changed,
        report=report,
    )


def ways(profile: str) -> Iterator[Way]:
    """The four ways of this profile."""
    systemd = profile.startswith("systemd")
    for runtime in container.RUNTIMES:
        for through in (False, True):
            yield Way(runtime, through, systemd)


def main(profile: str, sets: str, parent: str) -> None:
    """All cases of all sets, in all ways that run a container without limits at all."""
    prepare()
    describe(profile)
    capture = "/out/capture" if "capture" in sets.split(",") else ""
    emit(kind="truth", **trying.truth("", capture))
    if parent:
        emit(kind="below", **trying.truth(parent, ""))
    emit(kind="detected", **trying.detected())
    emit(kind="lied to", **trying.lied_to())
    wanted = cases.chosen(sets)
    unlimited: dict[str, Settings] = {}
    for way in ways(profile):
        own = baseline(way, parent)
        if not way.shim:
            unlimited[way.runtime] = own
        if own is None:
            continue
        for case, operation in wanted:
            run(case, way, parent, unlimited[way.runtime] or own, operation)
        for record in measuring.measured(sets, way, parent):
            emit(kind="measured", **record)
        for record in drawing.drawn(sets, way, parent):
            emit(kind="drawn", **record)
    emit(kind="end")


if __name__ == "__main__":
    main(*sys.argv[1:])

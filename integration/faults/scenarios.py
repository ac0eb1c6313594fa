"""What is called while faults are injected, and a place of its own for each worker.

Everything is below the worker's directory: a copy of the program, a runtime's root, bundles, the engine's log, cgshim's
state. Only the cgroups of the stand-in's containers are the host's.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCE = Path(__file__).resolve().parent / "stand_in.c"
PYTHON = "/usr/bin/python3"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CGROUPS = Path("/sys/fs/cgroup")
MEMORY, PIDS, HUGE = 64 << 20, 31, 2 << 20
BEFORE: dict[str, Any] = {"memory": {"limit": MEMORY // 2}, "pids": {"limit": PIDS - 1}}  # an update
AS_IT_STANDS: dict[str, Any] = {"memory": {"limit": MEMORY}, "pids": {"limit": PIDS}}
UNIFIED: dict[str, Any] = {"unified": {"memory.max": str(MEMORY), "pids.max": str(PIDS)}}
BRIDGED: dict[str, Any] = {"unified": {"hugetlb.2MB.max": str(HUGE)}, "pids": {"limit": PIDS}}
V1 = {"memory/{}/memory.limit_in_bytes": str(MEMORY), "pids/{}/pids.max": str(PIDS)}


class Scenario(NamedTuple):
    """A call. resources: of config.json, or of the file for an update. limits: cgroup file -> value that success means.

    read_only: config.json cannot be written. ignores: what the runtime says to have set, and has not; such a call must
    not succeed. share: how many of its faults a short run takes.
    """

    command: str
    resources: dict[str, Any]
    limits: dict[str, str]
    read_only: bool = False
    ignores: str = ""
    share: int = 250
    runtime: str = "stand-in"


SCENARIOS = {
    "create with edits": Scenario("create", UNIFIED, V1, share=500),
    "create as it stands": Scenario("create", AS_IT_STANDS, V1),
    "create, a limit ignored": Scenario("create", AS_IT_STANDS, V1, ignores="pids"),
    "run": Scenario("run", UNIFIED, {"applied": str(PIDS)}),
    "restore": Scenario("restore", UNIFIED, V1),
    "update": Scenario("update", UNIFIED, V1),
    "bridge": Scenario("create", BRIDGED, {"unified/{}/hugetlb.2MB.max": str(HUGE), "pids/{}/pids.max": str(PIDS)}),
    "stand-in bundle": Scenario("create", UNIFIED, V1, read_only=True),
    "create under runc": Scenario("create", UNIFIED, V1, share=60, runtime="runc"),
}
CREATING = ("create", "restore")
CODE, STAND_IN = "code", "runc"  # in what is made ready


def problem(scenario: Scenario) -> str:
    """Why this host cannot make the call, "" if it can."""
    if scenario.runtime != "stand-in" and not shutil.which(scenario.runtime, path=PATH):
        return f"{scenario.runtime} is not installed"
    for pattern in scenario.limits:
        hierarchy, _, file = pattern.partition("/{}/")
        if hierarchy == "unified":
            controllers = CGROUPS / "unified/cgroup.controllers"
            if file.partition(".")[0] not in (controllers.read_text().split() if controllers.exists() else ()):
                return f"no {file.partition('.')[0]} controller in {CGROUPS}/unified"
        elif file and not (CGROUPS / hierarchy / "cgroup.clone_children").exists():
            return f"no cgroup v1 hierarchy at {CGROUPS / hierarchy}"
    return ""


def made_ready(place: Path) -> Path:
    """What all workspaces copy: the program with its compiled files and its archive, and the stand-in runtime, under a
    name by which cgshim knows whose rules it plays by.
    """
    for package in ("shim", "hooks"):
        shutil.copytree(ROOT / package, place / CODE / package, ignore=shutil.ignore_patterns("__pycache__"))
    line = [PYTHON, "-m", "compileall", "-q", str(place / CODE)]
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
    subprocess.run([PYTHON, "-B", "-m", "shim.start.archive_file"], cwd=place / CODE, check=True)
    subprocess.run(["gcc", "-O1", "-o", str(place / STAND_IN), str(SOURCE)], check=True)
    return place


class Workspace:
    """One worker's place for one scenario. Use as a context manager."""

    def __init__(self, place: Path, scenario: Scenario, ready: Path, rootfs: Path | None = None) -> None:
        self.place = place
        self.scenario = scenario
        self.ready = ready
        real = shutil.which(scenario.runtime, path=PATH) if scenario.runtime != "stand-in" else None
        self.program = Path(real) if real else ready / STAND_IN
        self.id = f"cgshim-faults-{os.getpid()}-{place.name}"
        self.code, self.root, self.state = place / "code", place / "root", place / "state"
        self.bundle, self.log = place / "bundle", place / "log.json"
        self.seen = place / "seen" if scenario.read_only else self.bundle
        self.rootfs = rootfs
        self.old = self.new = b""
        self.modules: set[str] = set()

    def __enter__(self) -> Workspace:
        """Make it. Files keep their times, by which compiled ones and the archive fit."""
        for directory in (self.root, self.state, self.bundle):
            directory.mkdir(parents=True)
        shutil.copytree(self.ready / CODE, self.code)
        self.modules = self.files(self.code)
        resources = BEFORE if self.scenario.command == "update" else self.scenario.resources
        self.old = json.dumps(self._config(resources), indent=1).encode()
        (self.place / "resources.json").write_text(json.dumps(self.scenario.resources))
        self._write_old()
        if self.scenario.read_only:
            self.seen.mkdir()
            subprocess.run(["mount", "--bind", str(self.bundle), str(self.seen)], check=True)
            subprocess.run(["mount", "-o", "remount,ro,bind", str(self.seen)], check=True)
        return self

    def __exit__(self, *_: object) -> None:
        """Take everything away."""
        self.delete()
        if self.scenario.read_only:
            subprocess.run(["umount", str(self.seen)], check=False)
        shutil.rmtree(self.place, ignore_errors=True)

    def _config(self, resources: dict[str, Any]) -> dict[str, Any]:
        if self.rootfs is None:
            return {"ociVersion": "1.0.2", "root": {"path": "rootfs"}, "linux": {"resources": resources}}
        from integration.bundle import base_config

        linux = {"cgroupsPath": f"/{self.id}"}
        return base_config(resources=resources, linux=linux, root={"path": str(self.rootfs), "readonly": True})

    def _write_old(self) -> None:
        path = self.bundle / "config.json"
        path.write_bytes(self.old)
        path.chmod(0o640)

    @property
    def environment(self) -> dict[str, str]:
        """Of every call."""
        own = {"CGSHIM_RUNTIME": str(self.program), "CGSHIM_CONFIG": str(self.place / "none")}
        ignores = {"STAND_IN_IGNORES": self.scenario.ignores} if self.scenario.ignores else {}
        return {"PATH": PATH, "CGSHIM_STATE": str(self.state), **own, **ignores}

    def line(self, *, bare: bool = False, container: str = "") -> list[str]:
        """The call, through cgshim or to the runtime alone; for the worker's container or another one."""
        command = self.scenario.command
        head = [str(self.program)] if bare else ["/bin/sh", str(self.code / "shim/launcher.sh")]
        head += ["--root", str(self.root), "--log", str(self.log), "--log-format", "json"]
        if command == "update" and not bare:
            return [*head, "update", "--resources", str(self.place / "resources.json"), self.id]
        return [*head, "create" if bare else command, "--bundle", str(self.seen), container or self.id]

    def prepare(self) -> None:
        """As before the first call: nothing left of the last one."""
        shutil.rmtree(self.state, ignore_errors=True)
        self.state.mkdir()
        path = self.bundle / "config.json"
        if path.read_bytes() != self.old or path.stat().st_mode & 0o7777 != 0o640:
            self._write_old()
        for file in (self.log, self.place / "applied"):
            with contextlib.suppress(FileNotFoundError):
                file.unlink()
        if self.scenario.command == "update":
            subprocess.run(self.line(bare=True), check=True, env={}, cwd="/")

    def undisturbed(self, container: str = "") -> int:
        """The call without a fault; its exit status."""
        nowhere = subprocess.DEVNULL  # no pipe: a container keeps it open
        done = subprocess.run(
            self.line(container=container),
            check=False,
            env=self.environment,
            cwd="/",
            stdin=nowhere,
            stdout=nowhere,
            stderr=nowhere,
        )
        return done.returncode

    @property
    def exists(self) -> bool:
        """Does the runtime know the container."""
        return (self.root / self.id / "state.json").exists()

    @property
    def logged(self) -> bool:
        """Has the engine's log an error."""
        return self.log.exists() and '"level":"error"' in self.log.read_text(errors="replace")

    def missing(self) -> list[str]:
        """Limits that the kernel, or what the run left, does not show."""
        found = []
        for pattern, wanted in self.scenario.limits.items():
            base = self.place if pattern == "applied" else CGROUPS
            try:
                value = (base / pattern.format(self.id)).read_text().strip()
            except OSError as error:
                value = str(error.strerror)
            if value != wanted:
                found.append(f"{pattern}: {value} instead of {wanted}")
        return found

    def left(self) -> list[str]:
        """Files that no call should leave: beside config.json, half-written ones of cgshim's own, stand-ins."""
        found = [str(self.bundle / name) for name in self.files(self.bundle) - {"config.json"}]
        for name in self.files(self.state):
            if os.path.basename(name).startswith(".") or (self.id in name.split("/") and not self.exists):
                found.append(str(self.state / name))
        return sorted(found)

    def code_changed(self) -> list[str]:
        """Files of the program that came or went."""
        return sorted(self.modules ^ self.files(self.code))

    @staticmethod
    def files(directory: Path) -> set[str]:
        """The files below a directory."""
        return {str(Path(top, name).relative_to(directory)) for top, _, names in os.walk(directory) for name in names}

    def delete(self, container: str = "") -> None:
        """End the container, its process and its cgroups, whatever state they are in."""
        container = container or self.id
        if (self.root / container).exists():
            line = [str(self.program), "--root", str(self.root), "delete", "--force", container]
            subprocess.run(line, check=False, env=self.environment, cwd="/", capture_output=True)
        shutil.rmtree(self.root / container, ignore_errors=True)
        for hierarchy in CGROUPS.iterdir():
            self._end_cgroup(hierarchy / container)

    def call_once_more(self) -> None:
        """Another call, without a fault, for another container, which then ends, too."""
        self.delete()
        container = "" if self.scenario.command == "update" else f"{self.id}-next"
        if not container:
            subprocess.run(self.line(bare=True), check=True, env={}, cwd="/")
        self.undisturbed(container)
        self.delete(container)

    def _end_cgroup(self, directory: Path) -> None:
        for _ in range(200):
            try:
                directory.rmdir()
            except FileNotFoundError:
                return
            except OSError:
                with contextlib.suppress(OSError, ProcessLookupError):
                    for pid in (directory / "cgroup.procs").read_text().split():
                        os.kill(int(pid), signal.SIGKILL)
                with contextlib.suppress(OSError):
                    for below in directory.iterdir():
                        if below.is_dir():
                            self._end_cgroup(below)

    def sweep(self) -> None:
        """Remove what was found left, for the next fault to start clean."""
        for path in self.left():
            with contextlib.suppress(OSError):
                os.unlink(path)
        for name in self.code_changed():
            with contextlib.suppress(OSError):
                os.unlink(self.code / name)

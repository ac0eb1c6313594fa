"""podman with everything private: storage, run directory, hooks; its containers go when the test ends."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from integration.bundle import find_busybox
from integration.containers import SEARCH_PATH, call, find_runtime

if TYPE_CHECKING:
    from integration.containers import Result

IMAGE = "localhost/cgshim-test"
# What podman asks for by default is more than a container without CAP_SYS_RESOURCE may set.
ULIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000")
APPLETS = ("sh", "cat", "echo", "sleep", "tail", "true")


class Podman:
    """The podman of this host with runc, cgroupfs and the plain vfs storage below a directory of its own."""

    def __init__(self, journal: list[str], runtime: str = "") -> None:
        # podman takes no run directory whose path is longer than 50 characters.
        self.place = Path(tempfile.mkdtemp(prefix="cgshim-podman-"))
        self.journal = journal
        self.runtime = runtime or find_runtime("runc")
        self.hooks = self.place / "hooks.d"
        self.state = self.place / "state"
        self.hooks.mkdir()

    def __call__(self, *args: str) -> Result:
        """A podman command, its failure included in the answer."""
        storage = [f"--{name}={self.place / name}" for name in ("root", "runroot", "tmpdir")]
        line = [find_runtime("podman"), *storage, "--storage-driver=vfs", "--cgroup-manager=cgroupfs"]
        line += [f"--runtime={self.runtime}", "--events-backend=file", f"--hooks-dir={self.hooks}", *args]
        result = call(line, env={"PATH": SEARCH_PATH, "HOME": str(self.place)})
        self.journal.append(str(result))
        return result

    def must(self, *args: str) -> Result:
        """A podman command that has to succeed."""
        result = self(*args)
        assert result.status == 0, str(result)
        return result

    def run(self, name: str, *args: str, command: tuple[str, ...]) -> Result:
        """`podman run` without a network, in the foreground."""
        return self("run", "--name", name, "--network=none", *ULIMITS, *args, IMAGE, *command)

    def make_image(self) -> None:
        """The image: busybox and nothing else."""
        archive = self.place / "image.tar"
        with tarfile.open(archive, "w") as tar:
            tar.add(os.path.realpath(find_busybox()), "bin/busybox")
            for applet in APPLETS:
                link = tarfile.TarInfo(f"bin/{applet}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(link)
            for directory in ("proc", "sys", "dev", "tmp", "etc", "run"):
                entry = tarfile.TarInfo(directory)
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(entry)
        self.must("import", "--quiet", str(archive), IMAGE)

    def cleanup(self) -> None:
        """Delete every container and the image of this storage, and then the storage."""
        self("rm", "--all", "--force", "--time=0")
        self("rmi", "--all", "--force")
        shutil.rmtree(self.place)


def podman_problem() -> str:
    """Why podman cannot run the simplest container on this host, "" if it can."""
    if not find_runtime("podman"):
        return "podman is not installed"
    podman = Podman([])
    podman.make_image()
    result = podman.run(f"cgshim-probe-{os.getpid()}", command=("echo", "alive"))
    podman.cleanup()
    if result.status == 0 and result.out == "alive\n":
        return ""
    return f"status {result.status}, {(result.err or result.out).strip()}"

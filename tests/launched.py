"""The launcher beside stand-ins for its package and for the runtime, which write down what they were started with."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from integration.capabilities import require

LAUNCHER = Path(__file__).parent.parent / "shim" / "launcher.sh"

# Says what it was started with: arguments, environment, working directory, open descriptors.
REPORT = """import os, sys
def report(arguments):
    descriptors = [d for d in range(64) if os.path.exists(f"/proc/self/fd/{d}")]
    state = {"arguments": arguments, "environment": dict(os.environ), "cwd": os.getcwd(), "descriptors": descriptors}
    state["executable"] = sys.executable
    state["flags"] = [sys.flags.isolated, sys.flags.no_site]
    import json
    with open(os.environ["REPORT"], "w") as file:
        json.dump(state, file)
"""
FAKE_ENTRY = REPORT + "def main():\n    report(sys.argv)\n"
FAKE_RUNTIME = f"#!{sys.executable} -IS\n{REPORT}report(sys.argv)\n"


class House:
    """A directory with a launcher beside a stand-in package, a stand-in runtime and a settings file."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.report = root / "report"
        self.settings = root / "settings.json"
        self.package = root / "checkout" / "shim"
        self.launcher = self.install(self.package / "launcher.sh")
        self.add_package(self.package)
        self.runtime = self.executable(root / "real-runtime", FAKE_RUNTIME)

    def install(self, path: Path) -> Path:
        """A launcher at `path`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(LAUNCHER, path)
        return path

    def add_package(self, directory: Path) -> None:
        """The stand-in package, whose main reports."""
        for room in (directory, directory / "call", directory / "start"):
            room.mkdir(parents=True, exist_ok=True)
            (room / "__init__.py").write_text("")
        (directory / "call" / "entry.py").write_text(FAKE_ENTRY)
        (directory / "start" / "archive.py").write_text(
            "def main(module):\n    __import__(module, fromlist=['main']).main()\n"
        )

    def executable(self, path: Path, text: str) -> Path:
        """An executable file at `path`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
        return path

    def environment(self, **changes: str | None) -> dict[str, str]:
        """No PATH, no HOME, our runtime and settings; a name set to None is taken away."""
        every: dict[str, str | None] = {
            "CGSHIM_RUNTIME": str(self.runtime),
            "CGSHIM_CONFIG": str(self.settings),
            "REPORT": str(self.report),
            **changes,
        }
        return {name: value for name, value in every.items() if value is not None}

    def run(
        self, *arguments: str | bytes, launcher: Path | None = None, **changes: Any
    ) -> subprocess.CompletedProcess[str]:
        """Call the launcher; `environment` and what subprocess.run takes may be changed."""
        self.report.unlink(missing_ok=True)
        changes.setdefault("env", self.environment(**changes.pop("environment", {})))
        changes.setdefault("cwd", self.root)
        command = [*changes.pop("shell", ()), launcher or self.launcher, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, **changes)

    def reported(self, *arguments: str | bytes, **changes: Any) -> dict[str, Any]:
        """What the program that the launcher became says of itself."""
        done = self.run(*arguments, **changes)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        state: dict[str, Any] = json.loads(self.report.read_text())
        return state

    def configure(self, text: str) -> str:
        """Write the settings; the runtime named in them by $RUNTIME is ours."""
        self.settings.write_text(text.replace("$RUNTIME", str(self.runtime)))
        return str(self.settings)


def is_python(state: dict[str, Any]) -> bool:
    """Whether it was the package that reported, and not the runtime."""
    return bool(state["arguments"][0] == "-c")


def installed_runtimes() -> list[str]:
    """The runtimes of this machine in the order of the search."""
    directories = "/usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin /usr/lib/cri-o-runc/sbin"
    paths = [f"{d}/{name}" for name in ("runc", "crun") for d in [*directories.split(), "/usr/libexec/crio"]]
    return [path for path in paths if os.access(path, os.X_OK)]


def installed_version() -> str:
    """What the first of them says of its version."""
    require("runc", "" if installed_runtimes() else "neither runc nor crun is in the standard directories")
    return subprocess.run([installed_runtimes()[0], "--version"], capture_output=True, text=True, check=True).stdout

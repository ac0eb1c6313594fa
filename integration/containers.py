"""Runs real runtimes, bare or through the launcher, with private state and a journal of what was called."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from integration.bundle import Bundle

LAUNCHER = Path(__file__).resolve().parent.parent / "shim" / "launcher.sh"
SEARCH_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/usr/bin", "/sbin"))
PATIENCE = 300  # seconds until a hanging runtime is a failure


class Result(NamedTuple):
    """A finished command."""

    argv: tuple[str, ...]
    status: int
    out: str
    err: str

    def __str__(self) -> str:
        """The command as a person would repeat it, its status and what it wrote."""
        return f"$ {' '.join(self.argv)}\nstatus {self.status}\nstdout: {self.out}\nstderr: {self.err}"


def call(argv: Iterable[str], *, env: Mapping[str, str] | None = None, stdin: str = "", cwd: str = "/") -> Result:
    """Run a command to its end.

    Output goes to files, not pipes: a created container keeps its runtime's stdout, so a pipe would never end.
    """
    line = tuple(argv)
    scratch = tempfile.TemporaryFile
    with scratch("w+") as out, scratch("w+") as err, scratch("w+") as given:
        given.write(stdin)
        given.seek(0)
        done = subprocess.run(
            line, check=False, stdin=given, stdout=out, stderr=err, env=env, cwd=cwd, timeout=PATIENCE
        )
        out.seek(0)
        err.seek(0)
        return Result(line, done.returncode, out.read(), err.read())


def find_runtime(name: str) -> str:
    """Absolute path of a runtime, "" when it is not installed."""
    return shutil.which(name, path=SEARCH_PATH) or ""


class Runtime:
    """A bare runtime with a private --root.

    `journal` collects every call; it is printed when a test fails. `cleanup` deletes what is left below the root.
    """

    def __init__(self, name: str, path: str, root: Path, journal: list[str]) -> None:
        self.name = name
        self.path = path
        self.root = root
        self.journal = journal
        self.root.mkdir(parents=True, exist_ok=True)

    @property
    def prefix(self) -> tuple[str, ...]:
        """The command up to the subcommand."""
        return (self.path, "--root", str(self.root))

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every call."""
        return {"PATH": SEARCH_PATH, "HOME": "/root"}

    def __call__(self, *args: str, stdin: str = "", cwd: str = "/") -> Result:
        """Call a subcommand, its failure included in the answer."""
        result = call((*self.prefix, *args), env=self.environment, stdin=stdin, cwd=cwd)
        self.journal.append(str(result))
        return result

    def must(self, *args: str, stdin: str = "", cwd: str = "/") -> Result:
        """Call a subcommand that has to succeed."""
        result = self(*args, stdin=stdin, cwd=cwd)
        assert result.status == 0, str(result)
        return result

    def create(self, bundle: Bundle, container: str, *flags: str) -> int:
        """Create a container that has to come up; returns the process id of its init."""
        self.must("create", "--bundle", str(bundle.path), *flags, container)
        return self.pid(container)

    def state(self, container: str) -> dict[str, Any]:
        """What `state` prints, parsed."""
        loaded: dict[str, Any] = json.loads(self.must("state", container).out)
        return loaded

    def pid(self, container: str) -> int:
        """The process id of the container's init on the host."""
        return int(self.state(container)["pid"])

    def containers(self) -> list[str]:
        """The ids of the containers below this root."""
        return sorted(entry.name for entry in self.root.iterdir() if entry.is_dir())

    def cleanup(self) -> None:
        """Delete every container below this root, and report what could not be deleted."""
        for container in self.containers():
            call((self.path, "--root", str(self.root), "delete", "--force", container), env=self.environment)
        left = self.containers()
        assert not left, f"containers that {self.path} could not delete: {left}"


class Shim(Runtime):
    """The launcher in front of a runtime: same calls, same root, own settings file."""

    def __init__(self, runtime: Runtime, settings: Path) -> None:
        super().__init__(runtime.name, runtime.path, runtime.root, runtime.journal)
        self.settings_path = settings
        self.extra_environment: dict[str, str] = {}

    @property
    def prefix(self) -> tuple[str, ...]:
        """The launcher, then as for the bare runtime."""
        return ("/bin/sh", str(LAUNCHER), "--root", str(self.root))

    @property
    def environment(self) -> dict[str, str]:
        """As for the bare runtime, and which one it is, and which settings file counts."""
        own = {"CGSHIM_RUNTIME": self.path, "CGSHIM_CONFIG": str(self.settings_path)}
        return {**super().environment, **own, **self.extra_environment}

    def settings(self, **keys: Any) -> None:
        """Write the settings file, e.g. `settings(policy="warn")`."""
        self.settings_path.write_text(json.dumps(keys))

"""A root tree with cgshim and the runtimes in it, and `cgshimctl engine` at work on it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from click.testing import CliRunner

from shim.cli.main import main
from shim.engines import install_prefix
from tests.syntax import ROOT

if TYPE_CHECKING:
    from click.testing import Result

BINARY = "/usr/bin/cgshim"
ENGINES = ("/usr/bin/podman", "/usr/bin/containerd", "/usr/bin/crio", "/usr/local/bin/nerdctl")


class Machine:
    """`root` is the tree; paths are absolute as seen from inside."""

    def __init__(self, root: Path, runtimes: tuple[str, ...] = ("/usr/sbin/runc",)) -> None:
        self.root = root
        self.program(BINARY, (ROOT / "shim" / "launcher.sh").read_text())
        self.python = "cgshim 3 11\n"  # what its interpreter answers
        self.pythons: dict[str, str] = {}  # the same of those that answer something else
        for path in ("/usr/bin/python3", *ENGINES, *runtimes):
            self.program(path)
        self.program("/usr/bin/dockerd", "#!/bin/sh\n# DOCKER_BUILDKIT_RUNC_COMMAND\n")

    def program(self, path: str, text: str = "#!/bin/sh\n") -> None:
        """An executable file."""
        self.write(path, text)
        os.chmod(self.root / path.lstrip("/"), 0o755)

    def write(self, path: str, text: str) -> None:
        """A file and the directories it needs."""
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def read(self, path: str) -> str:
        """A file's text."""
        return (self.root / path.lstrip("/")).read_text()

    def has(self, path: str) -> bool:
        """Is anything there?"""
        return os.path.lexists(self.root / path.lstrip("/"))

    def files(self, below: str = "/etc") -> dict[str, str]:
        """Every file below a directory with its text; empty directories count, too."""
        found: dict[str, str] = {}
        for directory, inner, names in os.walk(self.root / below.lstrip("/")):
            inside = "/" + os.path.relpath(directory, self.root)
            if not inner and not names and inside != below:
                found[inside + "/"] = ""
            found.update({f"{inside}/{name}": (Path(directory) / name).read_text() for name in names})
        return found

    def engine(self, *arguments: str, **options: Any) -> Result:
        """`cgshimctl engine ARGUMENTS --root TREE`."""
        with mock.patch.object(install_prefix, "answer_of", lambda _, path: self.pythons.get(path, self.python)):
            result = CliRunner().invoke(main, ["engine", *arguments, "--root", str(self.root)], **options)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        return result

    def install(self, *arguments: str) -> str:
        """The output of `engine install`, which has to succeed."""
        result = self.engine("install", *arguments)
        assert result.exit_code == 0, result.output
        return str(result.output)

    def remove(self, *arguments: str) -> str:
        """The output of `engine remove`, which has to succeed."""
        result = self.engine("remove", *arguments)
        assert result.exit_code == 0, result.output
        return str(result.output)

    def refused(self, *arguments: str) -> str:
        """The message of a refusal, which has to leave every file as it was."""
        before = self.files("/")
        result = self.engine(*arguments)
        assert result.exit_code == 3, result.output
        assert self.files("/") == before
        return str(result.output)

    def there_and_back(self, engine: str, *arguments: str) -> None:
        """Install twice (the second time changes nothing), then remove: every file below /etc is as it was."""
        before = self.files()
        self.install(engine, *arguments)
        installed = self.files()
        assert installed != before
        assert "cgshim is already registered as" in self.install(engine, *arguments)
        assert self.files() == installed
        self.remove(engine)
        assert self.files() == before
        assert "is not registered; nothing to do" in self.remove(engine)

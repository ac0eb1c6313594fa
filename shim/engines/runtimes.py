"""The real runtime, found as by the launcher, and its version."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

from shim.call.self_call import FIRST_LINES
from shim.errors import ShimError
from shim.planning import settings
from shim.values import Value

if TYPE_CHECKING:
    from shim.planning.settings import Settings
    from shim.rules.runtimes import Family

# In the order of cgshim_search in shim/launcher.sh.
NAMES: tuple[Family, ...] = ("runc", "crun")
DIRECTORIES = (
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
    "/usr/lib/cri-o-runc/sbin",
    "/usr/libexec/crio",
)
MOST = max(map(len, FIRST_LINES))  # bytes that distinguish cgshim from a runtime
PATIENCE = 10  # seconds for a program that only prints a line


class ChosenRuntime(Value):
    """path: "" if none was found. family: whose rules apply. origin: where the choice is from.

    version: the first line of `--version`, "" if it was not run or printed nothing; `problem` then says why.
    """

    path: str
    family: Family
    origin: str
    version: str = ""
    problem: str = ""

    def shape(self) -> dict[str, Any]:
        """As JSON."""
        fields = {"path": self.path, "kind": self.family, "version": self.version, "origin": self.origin}
        return {**fields, "problem": self.problem} if self.problem else fields


def search(names: tuple[str, ...] = NAMES) -> str:
    """Return the first runtime in the standard directories that is not a copy of the launcher, "" if there is none."""
    for name in names:
        for directory in DIRECTORIES:
            path = f"{directory}/{name}"
            if os.path.isfile(path) and os.access(path, os.X_OK) and not _is_launcher(path):
                return path
    return ""


def is_launcher_text(head: bytes) -> bool:
    """Return whether cgshim's own launcher begins like this."""
    return head.startswith(FIRST_LINES)


def _is_launcher(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return is_launcher_text(file.read(MOST))
    except OSError:
        return False


def chosen(configured: Settings, wanted: str | None) -> ChosenRuntime:
    """Return the runtime for --runtime (a path, or the name runc or crun), else for the settings, else the first
    found.
    """
    for known in NAMES:
        if known == wanted:
            return ChosenRuntime(path=search((known,)) or known, family=known, origin="--runtime")
    if wanted:
        return ChosenRuntime(path=os.path.abspath(wanted), family=settings.family(wanted), origin="--runtime")
    if configured.runtime:
        family = settings.family(configured.runtime)
        return ChosenRuntime(path=configured.runtime, family=family, origin=configured.origins["runtime"])
    path = search()
    return ChosenRuntime(path=path, family=settings.family(path) if path else "other", origin="the first one found")


def with_version(runtime: ChosenRuntime) -> ChosenRuntime:
    """Return the runtime with its own version text."""
    if not runtime.path:
        problem = "neither runc nor crun is in the standard directories"
        return ChosenRuntime(path="", family=runtime.family, origin=runtime.origin, problem=problem)
    try:
        done = subprocess.run([runtime.path, "--version"], check=False, capture_output=True, timeout=PATIENCE)
    except (OSError, subprocess.TimeoutExpired) as error:
        return _told(runtime, problem=f"{runtime.path} --version: {error}")
    first = done.stdout.decode("utf-8", "replace").partition("\n")[0].strip()
    if done.returncode or not first:
        said = done.stderr.decode("utf-8", "replace").strip() or "nothing"
        return _told(runtime, problem=f"{runtime.path} --version: exit status {done.returncode}, said {said}")
    return _told(runtime, version=first)


def _told(runtime: ChosenRuntime, version: str = "", problem: str = "") -> ChosenRuntime:
    return ChosenRuntime(
        path=runtime.path, family=runtime.family, origin=runtime.origin, version=version, problem=problem
    )


def usable(runtime: ChosenRuntime) -> str:
    """Return its path. Raises ShimError if there is no such program."""
    if runtime.path and os.path.isfile(runtime.path) and os.access(runtime.path, os.X_OK):
        return runtime.path
    what = f"the real runtime {runtime.path} is not an executable file" if runtime.path else "no real runtime was found"
    raise ShimError(
        "no-runtime",
        what,
        evidence=(f"chosen by: {runtime.origin}",),
        remedy=("name runc or crun by its absolute path with --runtime", "or install runc or crun"),
    )

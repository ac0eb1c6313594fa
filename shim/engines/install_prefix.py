"""A copy of cgshim itself in a place where an engine can call it: for cluster nodes, without a package manager."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

from shim.engines.created import record, settle
from shim.engines.file import File
from shim.errors import ShimError
from shim.planning import injection
from shim.start.archive import OLDEST

if TYPE_CHECKING:
    from shim.engines.tree import Tree

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
QUESTION = "import sys; print('cgshim', *sys.version_info[:2])"
PATIENCE = 30  # seconds for an interpreter that only prints a line
# A pod's PATH may lack the administrator's directories.
CHROOT = shutil.which("chroot") or shutil.which("chroot", path="/usr/sbin:/sbin:/usr/bin:/bin") or "chroot"
RECORD = "prefix"  # mode of the directories that were created for a copy
# Where the launcher looks without a link.
INTERPRETERS = ("/usr/bin/python3", "/usr/local/sbin/python3", "/usr/local/bin/python3", "/usr/sbin/python3")
# Interpreters that need a link, `lib/cgshim/python`, because python3 is too old or absent: as in
# packaging/choose_python.sh.
OTHERS = (
    "/usr/libexec/platform-python",
    "/run/current-system/sw/bin/python3",  # NixOS, which creates this link at each boot
    *(
        f"{place}/python3.{minor}"
        for minor in (13, 14, 12, 11, 10, 9, 8, 7)
        for place in ("/usr/bin", "/usr/local/bin")
    ),
)


def check_host(tree: Tree, prefix: str) -> str:
    """Refuse a tree without an interpreter for the launcher: no container could be created there.

    Returns the interpreter that needs a link in the prefix, "" if the launcher finds one without it.
    """
    from shim.engines.status import bad_place

    problem = bad_place(tree, prefix)
    if problem:
        raise ShimError(
            "bad-place", f"{prefix} is not suitable for a runtime: {problem}", remedy=("use --prefix /opt/cgshim",)
        )
    if _why_not(tree, _link(prefix)) == "":
        return ""  # already chosen, by the single file or by the administrator
    first = next((path for path in INTERPRETERS if _is_there(tree, path)), "")
    if first and _why_not(tree, first) == "":
        return ""
    found = next((path for path in OTHERS if _is_there(tree, path) and _why_not(tree, path) == ""), "")
    if not found:
        check_python(tree)
    return found


def _link(prefix: str) -> str:
    return f"{prefix}/lib/cgshim/python"


def _is_there(tree: Tree, path: str) -> bool:
    return os.path.lexists(os.path.join(tree.root, path.lstrip("/")))


def check_python(tree: Tree, prefix: str = "/usr") -> None:
    """Run the tree's own interpreter: its file may be anything, or for another machine. Raises ShimError.

    prefix: where cgshim is in the tree; a package may have chosen an interpreter for it.
    """
    if _why_not(tree, _link(prefix)) == "":
        return
    python = next((path for path in INTERPRETERS if _is_there(tree, path)), "")
    if not python:
        raise _no_python(f"{tree.root} has no python3, and cgshim needs it for `create`", ", ".join(INTERPRETERS))
    problem = _why_not(tree, python)
    if problem:
        raise _no_python(
            f"{python} in {tree.root} {problem}", f"{python}: {answer_of(tree, python).strip() or 'no answer'}"
        )


def _why_not(tree: Tree, python: str) -> str:
    """Return why a path of the tree is not an interpreter for cgshim, "" if it is."""
    if not _is_there(tree, python):
        return "is not there"
    found = re.fullmatch(r"cgshim (\d+) (\d+)\n", answer_of(tree, python))
    if found is None:
        return "does not run as Python"
    if (int(found[1]), int(found[2])) < OLDEST:
        return f"is Python {found[1]}.{found[2]}, and cgshim needs {'.'.join(map(str, OLDEST))} or newer"
    return ""


def _no_python(what: str, looked: str) -> ShimError:
    oldest = ".".join(map(str, OLDEST))
    return ShimError(
        "no-python",
        what,
        evidence=(f"looked at: {looked}",),
        remedy=(f"install Python {oldest} or newer on the node first",),
    )


def answer_of(tree: Tree, python: str) -> str:
    """Return the output of the tree's interpreter for QUESTION, else what went wrong."""
    argv = [*(() if tree.live else (CHROOT, tree.root)), python, "-I", "-S", "-c", QUESTION]
    try:
        done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=PATIENCE)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return done.stdout if done.returncode == 0 else done.stderr


def copies(tree: Tree, prefix: str, python: str = "") -> list[File]:
    """The files of the launcher and the package, in PREFIX/bin and PREFIX/lib/cgshim; [] without a prefix.

    python: the interpreter to link, as `check_host` returns it.
    """
    if not prefix:
        return []
    found = []
    for name in _modules():
        with open(os.path.join(os.path.dirname(PACKAGE), name), encoding="utf-8") as file:
            text = file.read()
        path = f"{prefix}/lib/cgshim/{name}"
        found.append(File(path=path, before=tree.read(path), after=text))
        if name == "shim/launcher.sh":
            path = f"{prefix}/bin/cgshim"
            found.append(File(path=path, before=tree.read(path), after=text, executable=True))
    with open(injection.program(), encoding="utf-8") as file:
        path = f"{prefix}/bin/{injection.NAME}"
        found.append(File(path=path, before=tree.read(path), after=file.read(), executable=True))
    if python:
        found.append(File(path=_link(prefix), before=tree.link(_link(prefix)), after=python, link=True))
    return found


def _modules() -> list[str]:
    """Return the files of the package, relative to the directory that contains it."""
    found = []
    beside = os.path.dirname(PACKAGE)
    for directory, inner, files in os.walk(PACKAGE):
        inner[:] = sorted(name for name in inner if name != "__pycache__")
        relative = os.path.relpath(directory, beside)
        found += [os.path.normpath(os.path.join(relative, name)) for name in files if name.endswith((".py", ".sh"))]
    return sorted(found)


def take_away(tree: Tree, prefix: str, *, needed: bool, dry_run: bool) -> str:
    """Delete the copy unless an engine or a running container still calls it; return what was done, "" for nothing."""
    programs = [f"{prefix}/bin/cgshim", f"{prefix}/bin/{injection.NAME}"]
    if not any(tree.has(path) for path in (*programs, f"{prefix}/lib/cgshim")):
        return ""
    if needed:
        return f"{prefix} stays, because it is still called. Run the same command again when it is not."
    if dry_run:
        return f"would delete {prefix}/bin/cgshim and {prefix}/lib/cgshim"
    place = tree.at(f"{prefix}/lib/cgshim")
    for directory, inner, files in os.walk(place, topdown=False):
        for name in files:
            os.unlink(os.path.join(directory, name))
        for name in inner:
            os.rmdir(os.path.join(directory, name))
    links = [path for path in tree.glob(f"{prefix}/bin/cgshim-*") if tree.link(path) == "cgshim"]
    for path in (*links, *programs):
        outside = os.path.join(tree.at(os.path.dirname(path)), os.path.basename(path))
        if os.path.lexists(outside):
            os.unlink(outside)
    tree.remove_empty(f"{prefix}/lib/cgshim")
    settle(tree, record(RECORD))
    return f"deleted {prefix}/bin/cgshim and {prefix}/lib/cgshim"

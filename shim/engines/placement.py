"""cgshim itself, copied to where an engine can call it: for nodes of a cluster, where no package manager is at hand."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from shim.engines.registration import File
from shim.errors import ShimError

if TYPE_CHECKING:
    from shim.engines.tree import Tree

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
INTERPRETERS = ("/usr/bin/python3", "/usr/local/sbin/python3", "/usr/local/bin/python3", "/usr/sbin/python3")


def check_host(tree: Tree, prefix: str) -> None:
    """Refuse a tree in which the launcher would find no interpreter: no container could be created there."""
    from shim.engines.status import bad_place

    problem = bad_place(tree, prefix)
    if problem:
        raise ShimError(
            "bad-place", f"{prefix} is no place for a runtime: {problem}", remedy=("use --prefix /opt/cgshim",)
        )
    if not any(os.path.lexists(os.path.join(tree.root, path.lstrip("/"))) for path in INTERPRETERS):
        raise ShimError(
            "no-python",
            f"{tree.root} has no python3, and cgshim needs it for `create`",
            evidence=(f"looked for {', '.join(INTERPRETERS)}",),
            remedy=("install Python 3.7 or newer on the node first",),
        )


def copies(tree: Tree, prefix: str) -> list[File]:
    """The files of the launcher and the package, in PREFIX/bin and PREFIX/lib/cgshim; [] without a prefix."""
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
    return found


def _modules() -> list[str]:
    """The files of the package, below the directory that contains it."""
    found = []
    beside = os.path.dirname(PACKAGE)
    for directory, inner, files in os.walk(PACKAGE):
        inner[:] = sorted(name for name in inner if name != "__pycache__")
        relative = os.path.relpath(directory, beside)
        found += [os.path.normpath(os.path.join(relative, name)) for name in files if name.endswith((".py", ".sh"))]
    return sorted(found)


def take_away(tree: Tree, prefix: str, *, needed: bool, dry_run: bool) -> str:
    """Delete the copy, unless an engine or a running container still calls it; what was done or not."""
    if needed:
        return f"{prefix} stays: it is still called. Run the same command again when it is not."
    if dry_run:
        return f"would delete {prefix}/bin/cgshim and {prefix}/lib/cgshim"
    place = tree.at(f"{prefix}/lib/cgshim")
    for directory, inner, files in os.walk(place, topdown=False):
        for name in files:
            os.unlink(os.path.join(directory, name))
        for name in inner:
            os.rmdir(os.path.join(directory, name))
    if os.path.lexists(tree.at(f"{prefix}/bin/cgshim")):
        os.unlink(tree.at(f"{prefix}/bin/cgshim"))
    for path in [path for path in tree.glob(f"{prefix}/bin/cgshim-*") if tree.link(path) == "cgshim"]:
        os.unlink(os.path.join(tree.at(f"{prefix}/bin"), os.path.basename(path)))
    for directory in (f"{prefix}/lib/cgshim", f"{prefix}/lib", f"{prefix}/bin", prefix):
        try:
            os.rmdir(tree.at(directory))
        except OSError:
            continue
    return f"deleted {prefix}/bin/cgshim and {prefix}/lib/cgshim"

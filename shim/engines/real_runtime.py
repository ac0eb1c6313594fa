"""Runtimes in a tree: which exist, which one an engine has now, which one the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shim.engines import json_text
from shim.engines.runtimes import DIRECTORIES, MOST, NAMES, is_launcher_text
from shim.errors import ShimError
from shim.planning import settings

if TYPE_CHECKING:
    from shim.engines.tree import Tree


def search(tree: Tree, names: tuple[str, ...] = NAMES) -> str:
    """Return the first runtime in the tree's standard directories, in the launcher's order; "" if there is none."""
    for name in names:
        for directory in DIRECTORIES:
            path = f"{directory}/{name}"
            if tree.executable(path) and not is_launcher(tree, path):
                return path
    return ""


def is_launcher(tree: Tree, path: str) -> bool:
    """Return whether this is cgshim itself."""
    try:
        with open(tree.at(path), "rb") as file:
            return is_launcher_text(file.read(MOST))
    except OSError:
        return False


def check(tree: Tree, path: str) -> str:
    """Return `path` if it is an executable file other than cgshim. Raises ShimError."""
    what = ""
    if not path.startswith("/"):
        what = "is not an absolute path"
    elif not tree.executable(path):
        what = "is not an executable file"
    elif is_launcher(tree, path):
        what = "is cgshim itself"
    if what:
        raise ShimError(
            "bad-runtime",
            f"the real runtime {path} {what}",
            evidence=("--runtime",),
            remedy=("name runc or crun by its absolute path",),
        )
    return path


def naming(text: str, path: str) -> str:
    """Return the settings' text with this runtime."""
    return json_text.with_member(text if text.strip() else "{}\n", ("runtime",), path)


def named(text: str) -> str:
    """Return the runtime in the settings' text, "" if none."""
    found = json_text.parsed(text, settings.PATH).get("runtime") if text.strip() else ""
    return found if isinstance(found, str) else ""


def path_of(tree: Tree, name: str) -> str:
    """Return a runtime's path; a bare name is looked up as by the engine."""
    if not name or name.startswith("/"):
        return name if name and tree.executable(name) and not is_launcher(tree, name) else ""
    return search(tree, (name,)) if name in NAMES else ""

"""A record of what an installation has created, so that the removal deletes that and nothing else.

An empty directory may be the administrator's or a package's, and a link that one engine calls may be called by another.
For each engine there is a file with the directories that were made for it and the programs that it calls or has called,
one path a line: below /var/lib/cgshim/made, for rootless engines below ~/.local/state/cgshim/made.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from shim.engines.file import File

if TYPE_CHECKING:
    from typing import Iterable

    from shim.engines.tree import Tree

SYSTEM = "/var/lib/cgshim/made"
OF_A_USER = ".local/state/cgshim/made"


def record(what: str, home: str = "") -> str:
    """Return the file for `what`: an engine's name, "links", "hooks" or "prefix". home: the user's configuration
    directory.
    """
    return f"{os.path.dirname(home)}/{OF_A_USER}/{what}" if home else f"{SYSTEM}/{what}"


def is_record(path: str) -> bool:
    """Return whether this is such a file. Records are not shown among the changes."""
    return os.path.dirname(path).endswith("/cgshim/made")


def noted(tree: Tree, path: str) -> list[str]:
    """Return the paths in the record."""
    return (tree.read(path) or "").splitlines()


def noted_by_others(tree: Tree, path: str) -> set[str]:
    """Return the paths in the other records, except the one of links, which only says who made them."""
    others = [other for other in tree.glob(f"{os.path.dirname(path)}/*") if other != path]
    return {line for other in others if not other.endswith("/links") for line in noted(tree, other)}


def note(tree: Tree, files: Iterable[File], path: str, programs: tuple[str, ...] = ()) -> tuple[File, ...]:
    """Return the record with the directories that writing `files` will create, and with `programs`; () if nothing is
    new.
    """
    missing = [line for file in files if file.after is not None for line in _missing(tree, file.path)]
    known = noted(tree, path)
    wanted = [*missing, *programs]
    if set(wanted) <= set(known):
        return ()
    lines = dict.fromkeys([*known, *wanted, *_missing(tree, path)])
    return (File(path=path, before=tree.read(path), after="".join(f"{line}\n" for line in sorted(lines))),)


def _missing(tree: Tree, path: str) -> list[str]:
    """Return the missing directories above `path`."""
    found = []
    directory = os.path.dirname(path)
    while directory not in ("", "/") and not tree.has(directory):
        found.append(directory)
        directory = os.path.dirname(directory)
    return found


def settle(tree: Tree, path: str) -> None:
    """Remove the recorded directories that are empty, and the record. A directory that is in use by now stays."""
    text = tree.read(path)
    if text is None:
        return
    tree.apply(File(path=path, before=text, after=None))
    for line in sorted(text.splitlines(), key=len, reverse=True):
        tree.remove_empty(line)

"""Compiles the code that calls load, when cgshim is registered, with the interpreter that the launcher will use."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from shim.engines.install_prefix import CHROOT, INTERPRETERS
from shim.start import archive_file

if TYPE_CHECKING:
    from shim.engines.tree import Tree

PATIENCE = 120  # seconds
PROGRAM = f"import sys; sys.path.insert(0, sys.argv[1]); import {archive_file.__name__} as made; made.main()"


def made(tree: Tree, prefix: str, binary: str) -> tuple[str, ...]:
    """Compile the copy in `prefix`, or this package if `binary` is its launcher; return what went wrong, if
    anything.
    """
    if prefix:
        return _by_the_trees_python(tree, f"{prefix.rstrip('/')}/lib/cgshim")
    if not tree.live or not _is_own(binary):
        return ()
    try:
        archive_file.make(archive_file.own_parent())
    except (OSError, SyntaxError, ValueError) as error:
        return (_slower(str(error)),)
    return ()


def _is_own(binary: str) -> bool:
    """Return whether this launcher belongs to the package that runs now."""
    parent = archive_file.own_parent()
    prefix = os.path.dirname(os.path.dirname(os.path.realpath(binary)))
    return parent.startswith(f"{prefix}/lib/")


def _by_the_trees_python(tree: Tree, parent: str) -> tuple[str, ...]:
    places = (f"{parent}/python", *INTERPRETERS)
    python = next((path for path in places if os.path.lexists(os.path.join(tree.root, path[1:]))), "")
    argv = [python, "-I", "-c", PROGRAM, parent]
    if not tree.live:
        argv = [CHROOT, tree.root, *argv]
    try:
        done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=PATIENCE)
    except (OSError, subprocess.TimeoutExpired) as error:
        return (_slower(str(error)),)
    said = done.stderr.strip().rpartition("\n")[2]
    return () if done.returncode == 0 else (_slower(said or f"exit status {done.returncode}"),)


def _slower(why: str) -> str:
    return f"warning: the code could not be compiled, so calls take longer: {why}; see `cgshimctl compile --help`"

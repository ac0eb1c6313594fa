"""Which hooks directories the engines read, so that hooks go where they are read and break nothing.

Podman runs the stages precreate, prestart, createRuntime ... of every directory of `hooks_dir` in containers.conf.
CRI-O does not start if any file in a directory names a stage that it does not know, such as precreate. Without a
configuration both read only /usr/share/containers/oci/hooks.d (Podman 4.3 and 5, CRI-O 1.36).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

from shim.engines import crio, podman, toml_text
from shim.engines.file import File
from shim.engines.registration import Request

if TYPE_CHECKING:
    from shim.engines.tree import Tree

BUILT_IN = ("/usr/share/containers/oci/hooks.d",)
FORMER = "/etc/containers/oci/hooks.d"  # used by version 0.1; no engine reads it without a configuration
DROP_IN = "51-cgshim-hooks.conf"
CRIO_UNKNOWN = ("precreate",)  # CRI-O: hooks.New without extension stages
PATIENCE = 20  # seconds for a program that only prints
_ANSWER = re.compile(r"--hooks-dir\b.*?\(default \[([^\]]*)\]\)")


def podman_reads(tree: Tree, home: str = "") -> tuple[str, ...]:
    """Return podman's own answer, else that of its files. home: the configuration directory of a rootless user."""
    program = shutil.which("podman") if tree.live else None
    if program:
        try:
            done = subprocess.run([program, "--help"], check=False, capture_output=True, text=True, timeout=PATIENCE)
            found = _ANSWER.search(done.stdout)
        except (OSError, subprocess.TimeoutExpired):
            found = None
        if found:
            return tuple(path for path in re.split("[, ]", found[1]) if path)
    named = podman.configured(tree, Request(binary="/", home=home, config="/")).get("hooks_dir")
    return _paths(named) or BUILT_IN


def crio_reads(tree: Tree) -> tuple[str, ...]:
    """Return the directories from CRI-O's files; () if there is neither the program nor a configuration."""
    there = any(tree.has(path) for path in ("/etc/crio", "/usr/bin/crio", "/usr/local/bin/crio", "/usr/sbin/crio"))
    if not there:
        return ()
    return _paths(crio.configured(tree, Request(binary="/", config="/")).get("hooks_dir")) or BUILT_IN


def _paths(value: object) -> tuple[str, ...]:
    return tuple(path for path in value if isinstance(path, str) and path) if isinstance(value, list) else ()


def is_read(tree: Tree, place: str, directories: tuple[str, ...]) -> bool:
    """Return whether the directory is among these, under any path."""
    return any(os.path.realpath(tree.at(place)) == os.path.realpath(tree.at(path)) for path in directories)


def of_a_user(tree: Tree, home: str, reads: tuple[str, ...]) -> tuple[str, tuple[File, ...]]:
    """Return a user's own directory, and the drop-in that makes the user's podman read it."""
    place, file = f"{home}/containers/oci/hooks.d", f"{home}/containers/containers.conf.d/{DROP_IN}"
    if place in reads and tree.read(file) is None:
        return place, ()
    values = {"hooks_dir": [*(path for path in reads if path != place), place]}
    comment = "# The hooks of cgshim; `cgshimctl hooks remove --rootless` takes this away."
    text = "\n".join([comment, *toml_text.lines(("engine",), values)]) + "\n"
    return place, (File(path=file, before=tree.read(file), after=text),)

"""Which hooks directories the engines read, so that hooks are written where they are read and break nothing.

Podman runs the stages precreate, prestart, createRuntime ... of every directory of `hooks_dir` in containers.conf.
CRI-O does not start with a directory in which any file names a stage that it does not know; precreate is one. Where
neither is configured, both read /usr/share/containers/oci/hooks.d, and nothing else (Podman 4.3 and 5, CRI-O 1.36).
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
FORMER = "/etc/containers/oci/hooks.d"  # where version 0.1 wrote them; no engine reads it by itself
DROP_IN = "51-cgshim-hooks.conf"
CRIO_UNKNOWN = ("precreate",)  # CRI-O: hooks.New without extension stages
PATIENCE = 20  # seconds for a program that only prints
_ANSWER = re.compile(r"--hooks-dir\b.*?\(default \[([^\]]*)\]\)")


def podman_reads(tree: Tree, home: str = "") -> tuple[str, ...]:
    """Podman's own answer, else what its files say. home: the configuration directory of a user without root."""
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
    """What CRI-O's files say; () where there is neither the program nor a configuration."""
    there = any(tree.has(path) for path in ("/etc/crio", "/usr/bin/crio", "/usr/local/bin/crio", "/usr/sbin/crio"))
    if not there:
        return ()
    return _paths(crio.configured(tree, Request(binary="/", config="/")).get("hooks_dir")) or BUILT_IN


def _paths(value: object) -> tuple[str, ...]:
    return tuple(path for path in value if isinstance(path, str) and path) if isinstance(value, list) else ()


def is_read(tree: Tree, place: str, directories: tuple[str, ...]) -> bool:
    """Is the directory among these, under whatever path?"""
    return any(os.path.realpath(tree.at(place)) == os.path.realpath(tree.at(path)) for path in directories)


def of_a_user(tree: Tree, home: str, reads: tuple[str, ...]) -> tuple[str, tuple[File, ...]]:
    """A user's own directory, and the drop-in that makes his podman read it, too."""
    place, file = f"{home}/containers/oci/hooks.d", f"{home}/containers/containers.conf.d/{DROP_IN}"
    if place in reads and tree.read(file) is None:
        return place, ()
    values = {"hooks_dir": [*(path for path in reads if path != place), place]}
    comment = "# The hooks of cgshim; `cgshimctl hooks remove --rootless` takes this away."
    text = "\n".join([comment, *toml_text.lines(("engine",), values)]) + "\n"
    return place, (File(path=file, before=tree.read(file), after=text),)

"""Where `cgshimctl hooks` works: the directory that the engine reads, the stages allowed in it, and its readers."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from shim.cli import output
from shim.cli.output import say
from shim.engines import created, hooks_read
from shim.engines import hooks_directory as directory
from shim.engines.tree import Tree
from shim.errors import ShimError

if TYPE_CHECKING:
    from shim.engines.file import File


def home() -> str:
    """Return the user's own configuration directory."""
    return os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")


def standard(engine: str | None, *, rootless: bool) -> tuple[str, tuple[File, ...]]:
    """Return the directory that the engine reads, and the files that make the engine read it."""
    tree = Tree()
    if rootless:
        return hooks_read.of_a_user(tree, home(), hooks_read.podman_reads(tree, home()))
    crio = hooks_read.crio_reads(tree)
    if engine == "crio" or (engine is None and crio and not shutil.which("podman")):
        return (crio or hooks_read.BUILT_IN)[-1], ()
    return hooks_read.podman_reads(tree)[-1], ()


def record(place: str, *, rootless: bool) -> str:
    """Return the record of the directories that were created for this one."""
    return created.record(f"hooks{place.replace('/', '-')}", home() if rootless or os.geteuid() else "")


def allowed(place: str, stages: tuple[str, ...]) -> tuple[str, ...]:
    """Return the stages for a directory, without precreate if CRI-O would read it. Raises ShimError if that was
    requested.
    """
    tree = Tree()
    if not hooks_read.is_read(tree, place, hooks_read.crio_reads(tree)):
        return stages or directory.DEFAULT
    unknown = [stage for stage in stages if stage in hooks_read.CRIO_UNKNOWN]
    if unknown:
        raise ShimError(
            "crio-stage",
            f"CRI-O reads {place} and does not start with a hook of the stage {unknown[0]}",
            evidence=(f"CRI-O's hooks_dir: {', '.join(hooks_read.crio_reads(tree))}",),
            remedy=(
                "leave that stage out",
                "or give podman a directory that CRI-O does not read: --dir, and hooks_dir in containers.conf",
            ),
            status=output.BROKEN,
        )
    if not stages:
        say(f"CRI-O reads {place}, and does not start with a hook of the stage precreate: that stage is left out")
    return stages or tuple(stage for stage in directory.DEFAULT if stage not in hooks_read.CRIO_UNKNOWN)


def places(place: str, engine: str | None, *, rootless: bool) -> list[str]:
    """Return the named directory, else the one that the engine reads and the one of version 0.1."""
    if place:
        return [os.path.abspath(place)]
    usual = standard(engine, rootless=rootless)[0]
    former = not rootless and any(directory.PATTERN.fullmatch(name) for name in listed(hooks_read.FORMER))
    return list(dict.fromkeys([usual, *([hooks_read.FORMER] if former else [])]))


def listed(place: str) -> list[str]:
    """Return the names in the directory, [] if it cannot be read."""
    try:
        return os.listdir(place)
    except OSError:
        return []


def readers(place: str, *, rootless: bool) -> list[str]:
    """Return the engines here that read the directory."""
    tree = Tree()
    reads = {"podman": hooks_read.podman_reads(tree, home() if rootless else "") if shutil.which("podman") else ()}
    if not rootless:
        reads["crio"] = hooks_read.crio_reads(tree)
    return [engine for engine, directories in reads.items() if hooks_read.is_read(tree, place, directories)]

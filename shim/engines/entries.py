"""Entries: the names under which engines call cgshim, each with its real runtime.

`cgshim-NAME` is a symbolic link to the launcher, beside it. NAME is `runc` or `crun` for those that the launcher finds
in the standard directories; any other runtime has a file, /etc/cgshim/runtimes/NAME, with its path. So two engines may
have two runtimes, and an installation or removal for one does not affect the other.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from shim.engines.created import noted, record
from shim.engines.file import File
from shim.engines.real_runtime import check, named, path_of, search
from shim.engines.runtimes import NAMES
from shim.engines.suitability import starts_nothing, why_nothing_starts
from shim.errors import ShimError
from shim.planning import settings
from shim.values import Value

if TYPE_CHECKING:
    from typing import Sequence

    from shim.engines.registration import Proposal, Registration, Request
    from shim.engines.tree import Tree

PREFIX = "cgshim-"
DIRECTORY = "/etc/cgshim/runtimes"
# The Debian package's own links. They stay unless the record says that `install` has made them.
SHIPPED = ("/usr/bin/cgshim-runc", "/usr/bin/cgshim-crun")
LINKS = "links"


class Chosen(Value):
    """An entry for one registration. path: as the engine calls it. notes: about the runtime, for the user."""

    path: str
    files: tuple[File, ...]
    notes: tuple[str, ...] = ()


def choose(tree: Tree, request: Request, proposal: Proposal, present: tuple[Registration, ...]) -> Chosen:
    """Return the entry for the requested runtime, else for the registered one, else for the engine's own."""
    there = next((entry.binary for entry in present if entry.name == proposal.name), "")
    notes: tuple[str, ...] = ()
    if request.runtime:
        runtime = check(tree, request.runtime)
    elif os.path.basename(there).startswith(PREFIX):
        runtime = runtime_of(tree, there)[0]
    else:
        runtime, notes = _todays(tree, proposal.wrapped)
    runtime, more = _that_starts(tree, request, runtime)
    notes += more
    name = name_of(tree, runtime) if runtime else _family(proposal.wrapped)
    path = f"{os.path.dirname(request.binary)}/{PREFIX}{name}"
    return Chosen(path=path, files=_files(tree, request, path, runtime), notes=notes)


def _that_starts(tree: Tree, request: Request, runtime: str) -> tuple[str, tuple[str, ...]]:
    """Return the runtime, or another one if it starts no container here and was not asked for. Raises ShimError."""
    reason = why_nothing_starts(tree, runtime)
    if not reason:
        return runtime, ()
    other = "" if request.runtime else search(tree, ("runc",))
    if not other:
        raise starts_nothing(runtime, reason)
    return other, (f"{reason}. So this entry runs {other} instead of {runtime}.",)


def _todays(tree: Tree, wrapped: str) -> tuple[str, tuple[str, ...]]:
    """Return the engine's own runtime; that of the settings if it is of the same kind, or if the engine's is
    unknown.
    """
    configured, runtime = named(tree.read(settings.PATH) or ""), path_of(tree, wrapped)
    if not runtime or not configured or tree.same(runtime, configured):
        return runtime or configured or search(tree), ()
    if settings.family(runtime) == settings.family(configured):
        return configured, ()
    kept = f"{settings.PATH}: runtime {configured} applies to calls of `cgshim` itself; this entry runs {runtime}"
    return runtime, (kept,)


def _family(name: str) -> str:
    return "crun" if "crun" in os.path.basename(name) else "runc"


def name_of(tree: Tree, runtime: str) -> str:
    """Return NAME for a runtime: short if the launcher finds it by itself, otherwise derived from its path."""
    for known in NAMES:
        found = search(tree, (known,))
        if found and tree.same(found, runtime) and tree.read(f"{DIRECTORY}/{known}") is None:
            return known
    return runtime.strip("/").replace("/", "-")


def runtime_of(tree: Tree, binary: str) -> tuple[str, str]:
    """Return the real runtime behind the program that an engine calls, "" if there is none, and its origin."""
    base = os.path.basename(binary)
    if base.startswith(PREFIX):
        name = base[len(PREFIX) :]
        text = tree.read(f"{DIRECTORY}/{name}")
        if text is not None:
            return text.partition("\n")[0], f"{DIRECTORY}/{name}"
        return (search(tree, (name,)), f"the first {name} found") if name in NAMES else ("", f"{DIRECTORY}/{name}")
    configured = named(tree.read(settings.PATH) or "")
    return (configured, settings.PATH) if configured else (search(tree), "the first one found")


def of_engine(tree: Tree, present: tuple[Registration, ...], engine: str) -> tuple[str, str]:
    """Return the real runtime behind an engine's entry, preferably its default, and its origin. Raises ShimError."""
    entry = next((one for one in present if one.default), present[0] if present else None)
    if entry is None:
        raise ShimError(
            "not-registered",
            f"cgshim is not registered with {engine}",
            evidence=(f"no entry for cgshim in {engine}'s files",),
            remedy=(f"run `cgshimctl engine install {engine}`", "or name the runtime with --runtime"),
        )
    path, origin = runtime_of(tree, entry.binary)
    return path, f"{engine}'s entry {entry.name}, {entry.binary}: {origin}"


def _files(tree: Tree, request: Request, path: str, runtime: str) -> tuple[File, ...]:
    """Return the files that the entry still needs."""
    target = os.path.basename(request.binary)
    found = [File(path=path, before=tree.link(path), after=target, link=True)]
    name = os.path.basename(path)[len(PREFIX) :]
    if name not in NAMES:
        file = f"{DIRECTORY}/{name}"
        found.append(File(path=file, before=tree.read(file), after=f"{runtime}\n"))
    if path in SHIPPED and tree.link(path) is None:
        links = record(LINKS, request.home)
        found.append(File(path=links, before=tree.read(links), after=f"{tree.read(links) or ''}{path}\n"))
    return tuple(file for file in found if file.before != file.after)


def is_made(tree: Tree, chosen: Chosen, home: str) -> bool:
    """Return whether the entry's link is or will be made by `install`, rather than by a package."""
    new = any(file.path == chosen.path for file in chosen.files)
    return new or chosen.path not in SHIPPED or chosen.path in noted(tree, record(LINKS, home))


def left(tree: Tree, gone: Sequence[str], used: set[str], home: str = "") -> tuple[File, ...]:
    """Return what `install` made for programs that nothing calls any more. used: those that engines still call."""
    files = []
    links = record(LINKS, home)
    made = noted(tree, links)
    for binary in dict.fromkeys(gone):
        name = os.path.basename(binary)
        if binary in used or (binary in SHIPPED and binary not in made) or not name.startswith(PREFIX):
            continue
        target = tree.link(binary)
        if target is not None and "/" not in target:
            files.append(File(path=binary, before=target, after=None, link=True))
        file = f"{DIRECTORY}/{name[len(PREFIX) :]}"
        text = tree.read(file)
        if text is not None and text.strip().strip("/").replace("/", "-") == name[len(PREFIX) :]:
            files.append(File(path=file, before=text, after=None))
    rest = [path for path in made if path not in [file.path for file in files]]
    if rest != made:
        files.append(File(path=links, before="", after="".join(f"{path}\n" for path in rest) or None))
    return tuple(files)

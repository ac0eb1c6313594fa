"""All engines, and what remains once one of them no longer calls cgshim."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shim.engines import buildkit, containerd, created, crio, docker, entries, nerdctl, podman, real_runtime
from shim.engines.file import BACKUP, File
from shim.errors import ShimError
from shim.planning import settings

if TYPE_CHECKING:
    from shim.engines.registration import Engine, Registration, Request
    from shim.engines.tree import Tree

ENGINES: dict[str, Engine] = {module.NAME: module for module in (podman, containerd, docker, crio, nerdctl, buildkit)}


def settings_left(tree: Tree, request: Request, engine: str, removed: str) -> list[File]:
    """Return the settings that `install` wrote, once no engine calls cgshim any more. Other settings are never
    touched.
    """
    if request.home or any(still_used(tree, request, name, removed if name == engine else "") for name in ENGINES):
        return []
    text, backup = tree.read(settings.PATH), tree.read(settings.PATH + BACKUP)
    copy = [] if backup is None else [File(path=settings.PATH + BACKUP, before=backup, after=None)]
    if text is None:
        return copy
    runtime = str(real_runtime.named(text))
    if backup is not None and real_runtime.naming(backup, runtime) == text:
        return [File(path=settings.PATH, before=text, after=backup), *copy]
    if backup is None and text == real_runtime.naming("{}\n", runtime):
        return [File(path=settings.PATH, before=text, after=None)]
    return copy


def entries_left(tree: Tree, request: Request, engine: str, *, last: bool) -> tuple[File, ...]:
    """Return what nothing calls once this engine's entries are gone. last: also what it called before."""
    record = created.record(engine, request.home)
    gone = tuple(entry for entry in ENGINES[engine].registered(tree, request) if _is_removed(entry, request))
    binaries = [*(entry.binary for entry in gone), *(created.noted(tree, record) if last else ())]
    used = _called(tree, request, engine, gone) | created.noted_by_others(tree, record)
    return entries.left(tree, binaries, used, request.home)


def is_alone(tree: Tree, request: Request, engine: str) -> bool:
    """Return whether the engine has no entry but the named one."""
    return all(entry.name == request.name for entry in ENGINES[engine].registered(tree, request))


def _is_removed(entry: Registration, request: Request) -> bool:
    return not request.name or entry.name == request.name


def _called(tree: Tree, request: Request, removed: str, gone: tuple[Registration, ...]) -> set[str]:
    """Return the programs that engines call, without the entries to be removed; for a broken file all of them."""
    found = set()
    for name, module in ENGINES.items():
        plain = request if name == removed else request.changed(name="", config="")
        try:
            found |= {entry.binary for entry in module.registered(tree, plain) if name != removed or entry not in gone}
        except ShimError:
            return {entry.binary for entry in gone}
    return found


def still_used(tree: Tree, request: Request, engine: str, removed: str) -> bool:
    """Return whether the engine calls cgshim under another name than the removed one; a broken file counts as yes."""
    plain = request if removed else request.changed(name="", config="")
    try:
        entries = ENGINES[engine].registered(tree, plain)
    except ShimError:
        return True
    return any(not removed or (request.name and entry.name != request.name) for entry in entries)

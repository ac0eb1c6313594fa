"""Which real runtime cgshim will run for an engine, and the settings that say so.

`runtime` in /etc/cgshim/config.json holds for every engine of the machine; there is no such setting for one engine. So
it is written only where cgshim would otherwise run another runtime than the one it is put in front of.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from shim.engines import json_text
from shim.engines.registration import File
from shim.engines.runtimes import DIRECTORIES, LAUNCHER_MARK, NAMES
from shim.errors import ShimError
from shim.planning import settings

if TYPE_CHECKING:
    from shim.engines.registration import Proposal, Request
    from shim.engines.tree import Tree


def search(tree: Tree, names: tuple[str, ...] = NAMES) -> str:
    """The first runtime in the tree's standard directories, in the launcher's order; "" if there is none."""
    for name in names:
        for directory in DIRECTORIES:
            path = f"{directory}/{name}"
            if tree.executable(path) and not is_launcher(tree, path):
                return path
    return ""


def is_launcher(tree: Tree, path: str) -> bool:
    """Is this cgshim itself?"""
    try:
        with open(tree.at(path), "rb") as file:
            return file.read(len(LAUNCHER_MARK)) == LAUNCHER_MARK
    except OSError:
        return False


def check(tree: Tree, path: str) -> str:
    """`path` if it is an executable file other than cgshim. Raises ShimError."""
    what = ""
    if not path.startswith("/"):
        what = "is no absolute path"
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


def settle(tree: Tree, request: Request, proposal: Proposal) -> tuple[File | None, tuple[str, ...]]:
    """The change of the settings that the registration needs, None if it needs none, and what to tell about it."""
    text = tree.read(settings.PATH)
    configured = named(text or "")
    today = configured or search(tree)
    wanted = check(tree, request.runtime) if request.runtime else _path_of(tree, proposal.wrapped)
    if not wanted or (today and tree.same(wanted, today)):
        return None, ()
    if configured and not request.runtime:
        if proposal.in_place:
            raise _conflict(configured, wanted)
        return None, (
            f"cgshim runs {configured} ({settings.PATH}), not {wanted} as the engine's default; see --runtime",
        )
    if request.home:
        raise _not_yours(today, wanted)
    after = naming(text or "", wanted)
    note = f"{settings.PATH} now names {wanted}: it holds for every engine that calls cgshim"
    return File(path=settings.PATH, before=text, after=after, backup=bool(text)), (note,)


def naming(text: str, path: str) -> str:
    """The settings' text with this runtime."""
    return json_text.with_member(text if text.strip() else "{}\n", ("runtime",), path)


def named(text: str) -> str:
    """The runtime that the settings' text names, "" if none."""
    found = json_text.parsed(text, settings.PATH).get("runtime") if text.strip() else ""
    return found if isinstance(found, str) else ""


def _path_of(tree: Tree, name: str) -> str:
    """A runtime's path; a bare name is looked up as the engine would."""
    if not name or name.startswith("/"):
        return name if name and tree.executable(name) and not is_launcher(tree, name) else ""
    return search(tree, (name,)) if name in NAMES else ""


def _conflict(configured: str, wanted: str) -> ShimError:
    return ShimError(
        "another-runtime",
        f"cgshim would run {configured} for containers that are {os.path.basename(wanted)}'s",
        cause="the entry replaces the runtime under its own name, and its containers' state is not the other's",
        evidence=(f"{settings.PATH}: runtime {configured}", f"the engine's runtime: {wanted}"),
        remedy=(
            f"name the runtime for every engine: --runtime {wanted}",
            f"or register in front of the other: --name {os.path.basename(configured)}",
        ),
    )


def _not_yours(today: str, wanted: str) -> ShimError:
    return ShimError(
        "another-runtime",
        f"cgshim would run {today or 'nothing'} instead of {wanted}",
        cause="which runtime cgshim runs is a setting of the machine, not of one user",
        evidence=(f"{settings.PATH}: no runtime is named", f"the engine's runtime: {wanted}"),
        remedy=(f'let the administrator write {{"runtime": "{wanted}"}} to {settings.PATH}',),
    )

"""Makes and removes registrations and shows each change: for `cgshimctl engine install`, `remove`, and `uninstall`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shim.cli import difference, output
from shim.cli.output import paragraph, say
from shim.engines import compilation, created, dependents, entries, install_prefix, leftovers, status
from shim.engines.file import BACKUP, File
from shim.engines.leftovers import ENGINES
from shim.values import Value

if TYPE_CHECKING:
    from shim.engines.registration import Engine, Proposal, Request
    from shim.engines.tree import Tree

CREATED, CHANGED, REMOVED = "created", "changed", "removed"


class EngineChange(Value):
    """The changes that were made, or with --dry-run would be.

    Args: name: the runtime's name in the engine. files: (path, CREATED, CHANGED or REMOVED) of each file and link.
        notes: sentences for the user. remembered: those of them about containers that still need the entry. apply: the
        command that makes the engine read the change, "" if none is needed.
    """

    name: str
    files: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    remembered: tuple[str, ...] = ()
    apply: str = ""

    def shape(self, *, dry_run: bool) -> dict[str, Any]:
        """As JSON."""
        return {
            "name": self.name,
            "changed": bool(self.files),
            "dry_run": dry_run,
            "files": [{"path": path, "change": change} for path, change in self.files],
            "notes": list(self.notes),
            "apply": self.apply,
        }


class Copy(Value):
    """A copy of cgshim itself. prefix: its place, "" for none. python: the interpreter to link there, "" for none."""

    prefix: str = ""
    python: str = ""


def with_entry(tree: Tree, request: Request, engine: Engine) -> tuple[entries.Chosen, Proposal]:
    """Return the entry for the requested runtime or the one that the engine has now, and its registration."""
    plain = engine.install(tree, request)
    chosen = entries.choose(tree, request, plain, engine.registered(tree, request))
    return chosen, engine.install(tree, request.changed(binary=chosen.path))


def install(tree: Tree, request: Request, engine: str, copy: Copy, *, dry_run: bool) -> EngineChange:
    """Register cgshim, with a copy of it if one is requested. Raises ShimError."""
    chosen, proposal = with_entry(tree, request, ENGINES[engine])
    copied = _place(tree, copy, dry_run=dry_run)
    files = [*chosen.files, *proposal.files]
    called = (chosen.path,) if entries.is_made(tree, chosen, request.home) else ()
    record = created.note(tree, files, created.record(engine, request.home), called)
    shown = _carry_out(tree, [*files, *record], dry_run=dry_run)
    compiled = () if dry_run else compilation.made(tree, copy.prefix, request.binary)
    notes = (*status.absent(tree, engine), *chosen.notes, *proposal.notes, *compiled)
    for note in notes:
        paragraph(note)
    if not shown and proposal.files:
        say(f"{engine}: cgshim is already registered as {proposal.name}; nothing to do.")
    written = any(file.before != file.after for file in proposal.files)
    apply = _say_apply(ENGINES[engine], proposal, dry_run=dry_run, written=written)
    return EngineChange(name=proposal.name, files=(*copied, *shown), notes=notes, apply=apply)


def remove(tree: Tree, request: Request, engine: str, prefix: str, *, dry_run: bool) -> EngineChange:
    """Remove the registration, the default first. Raises ShimError."""
    proposal = ENGINES[engine].remove(tree, request)
    files = [*proposal.files, *leftovers.settings_left(tree, request, engine, proposal.name)]
    last = not request.name or leftovers.is_alone(tree, request, engine)
    # A second `remove` finds no entry, but perhaps a container that was running before the first.
    remembered = proposal.remembered or (dependents.running(tree, f"{prefix}/bin") if prefix else ())
    if not remembered:
        files += leftovers.entries_left(tree, request, engine, last=last)
    shown = _carry_out(tree, files, dry_run=dry_run)
    if not dry_run and last:
        created.settle(tree, created.record(engine, request.home))
    notes = (*proposal.notes, *remembered)
    for note in notes:
        paragraph(note)
    if prefix:
        used = not dry_run and any(leftovers.still_used(tree, request, name, "") for name in ENGINES)
        told = install_prefix.take_away(tree, prefix, needed=used or bool(remembered), dry_run=dry_run)
        shown += [(prefix, REMOVED)] if told else []
        if told:
            paragraph(told)
    if not shown:
        say(f"{engine}: cgshim is not registered; nothing to do.")
    apply = _say_apply(ENGINES[engine], proposal, dry_run=dry_run, written=bool(proposal.files))
    return EngineChange(name=proposal.name, files=tuple(shown), notes=notes, remembered=tuple(remembered), apply=apply)


def _place(tree: Tree, copy: Copy, *, dry_run: bool) -> list[tuple[str, str]]:
    """Copy cgshim itself if requested and missing, before anything refers to it."""
    new = [file for file in install_prefix.copies(tree, copy.prefix, copy.python) if file.before != file.after]
    if new:
        say(f"{'would copy' if dry_run else 'copied'} cgshim to {copy.prefix} ({len(new)} files)")
    record = created.note(tree, new, created.record(install_prefix.RECORD))
    for file in [] if dry_run else [*new, *record]:
        tree.apply(file)
    return [(copy.prefix, CREATED)] if new else []


def _carry_out(tree: Tree, files: list[File], *, dry_run: bool) -> list[tuple[str, str]]:
    """Show each change, and make it unless this is a dry run. Return the changes that were shown."""
    shown = []
    for file in files:
        if file.before == file.after:
            continue
        if _is_shown(file, files):
            shown.append((file.path, REMOVED if file.after is None else CREATED if file.before is None else CHANGED))
            _show(file, dry_run=dry_run)
        if not dry_run:
            tree.apply(file)
    return shown


def _is_shown(file: File, files: list[File]) -> bool:
    """Return whether a change is shown: records never are; a copy is only if it is the only change."""
    if not file.path.endswith(BACKUP):
        return not created.is_record(file.path)
    return file.after is None and all(other.path + BACKUP != file.path for other in files)


def _show(file: File, *, dry_run: bool) -> None:
    if not file.link:
        output.passage(difference.exact(file.before or "", file.after or "", file.path.lstrip("/")))
    elif file.after is None:
        say(f"{'would remove' if dry_run else 'removed'} {file.path}")
    else:
        say(f"{'would link' if dry_run else 'linked'} {file.path} to {file.after}")


def _say_apply(engine: Engine, proposal: Proposal, *, dry_run: bool, written: bool) -> str:
    read = any(not file.path.endswith(BACKUP) for file in proposal.files)
    command = (proposal.apply or engine.APPLY) if written and read else ""
    if written and dry_run:
        say("Dry run: nothing was written.")
    elif command:
        say(f"{engine.NAME} reads it after: {command}")
    return command

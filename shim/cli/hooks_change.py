"""Writes and removes the files of `cgshimctl hooks` and shows each change."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from shim.cli import difference, hooks_place, output
from shim.cli.engine_change import CHANGED, CREATED, REMOVED
from shim.cli.output import say
from shim.engines import created, hooks_read
from shim.engines import hooks_directory as directory
from shim.engines.file import File
from shim.engines.tree import Tree
from shim.errors import ShimError
from shim.oci import atomic
from shim.system import content

if TYPE_CHECKING:
    from typing import Sequence


def install(
    place: str,
    stages: Sequence[str],
    wanted: directory.Wanted,
    more: Sequence[File],
    *,
    rootless: bool,
    dry_run: bool,
) -> list[tuple[str, str]]:
    """Write the file of each stage, and `more`; return the paths with what became of them. Raises ShimError."""
    files = {directory.file_name(stage): directory.content(stage, wanted) for stage in stages}
    texts = {name: json.dumps(value, indent=2) + "\n" for name, value in files.items()}
    before = {name: _ours(os.path.join(place, name)) for name in texts}  # all are checked before one is written
    written = [File(path=os.path.join(place, name), before=before[name], after=text) for name, text in texts.items()]
    record = created.note(Tree(), [*written, *more], hooks_place.record(place, rootless=rootless))
    changes = [change for file in (*more, *written) for change in _put(file, dry_run)]
    for file in () if dry_run else record:
        Tree().apply(file)
    return changes


def remove(
    places: Sequence[str], stages: Sequence[str], *, rootless: bool, drop_in: bool, dry_run: bool
) -> list[tuple[str, str]]:
    """Remove the files of these stages, of all for (); return their paths. Raises ShimError.

    drop_in: also the file that makes a user's podman read the directory, once no stage is named.
    """
    changes = []
    file = f"{hooks_place.home()}/containers/containers.conf.d/{hooks_read.DROP_IN}"
    if drop_in and not stages and os.path.exists(file):
        changes.append(_unlink(file, dry_run))
    for place in places:
        changes += _remove(place, stages, rootless=rootless, dry_run=dry_run)
    return changes


def _remove(place: str, stages: Sequence[str], *, rootless: bool, dry_run: bool) -> list[tuple[str, str]]:
    names = [directory.file_name(stage) for stage in stages or sorted(directory.STAGES)]
    present = [name for name in names if _ours(os.path.join(place, name)) is not None]
    changes = [_unlink(os.path.join(place, name), dry_run) for name in present]
    if not present:
        say(f"no hook of cgshim in {place}")
    if not dry_run and not any(directory.PATTERN.fullmatch(name) for name in hooks_place.listed(place)):
        created.settle(Tree(), hooks_place.record(place, rootless=rootless))
    return changes


def _unlink(path: str, dry_run: bool) -> tuple[str, str]:
    say(f"{'would remove' if dry_run else 'removed'} {path}")
    if not dry_run:
        try:
            os.unlink(path)
        except OSError as error:
            raise refused(path, error) from error
    return path, REMOVED


def _put(file: File, dry_run: bool) -> list[tuple[str, str]]:
    text = str(file.after)
    if file.before == text:
        say(f"unchanged {file.path}")
        return []
    if dry_run:
        output.passage(difference.exact(file.before or "", text, file.path.lstrip("/")))
    else:
        _write(file.path, text)
        say(f"{'wrote' if file.before is None else 'replaced'} {file.path}")
    return [(file.path, CREATED if file.before is None else CHANGED)]


def _write(path: str, text: str) -> None:
    """Write whole or not at all; the engines read *.json only, and may be reading just now."""
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        atomic.put(path, text.encode("utf-8"))
    except OSError as error:
        raise refused(error.filename or path, error) from error


def _ours(path: str) -> str | None:
    """Return the text of a file of ours, None if there is no file. Raises ShimError for a foreign one."""
    try:
        text = content(path).decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise refused(path, error) from error
    if directory.is_ours(parsed(path)):
        return text
    raise ShimError(
        "foreign-hook",
        f"{path} was not written by cgshim and is left as it is",
        evidence=(f"{path}: hook.args does not begin with {directory.MARK}",),
        remedy=("move that file to another name, then call again",),
        status=output.BROKEN,
    )


def parsed(path: str) -> Any:
    """Return the JSON value of a file, None if there is none."""
    try:
        return json.loads(content(path))
    except (OSError, ValueError):
        return None


def refused(path: str, error: OSError) -> ShimError:
    """Return the error for a file that cannot be read or changed."""
    return ShimError(
        "unwritable-hooks",
        f"{path} cannot be read or changed: {error.strerror}",
        evidence=(f"{path}: {error.strerror}",),
        remedy=("call it as the user to whom the directory belongs", "or name another one with --dir"),
        status=output.BROKEN,
    )

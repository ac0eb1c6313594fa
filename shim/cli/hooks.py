"""`cgshimctl hooks`: the hooks.d files for podman and CRI-O, put in place, taken away, shown."""

from __future__ import annotations

import json
import os
from typing import Any

import click

from shim.cli import difference, hooks_place, output
from shim.cli.output import say, table
from shim.engines import created, hooks_proof, hooks_read, runtimes
from shim.engines import hooks_directory as directory
from shim.engines.file import File
from shim.engines.tree import Tree
from shim.errors import ShimError
from shim.oci import atomic
from shim.planning import settings
from shim.system import content

TIMEOUT = 30  # seconds: a hook takes well under one; without a limit a hanging disk would hang every container
OUTDATED = "written by version 0.1, whose program no longer runs: call `cgshimctl hooks install` again"
HELP = """Hooks for engines that keep their own runtime: the hooks.d files of podman and CRI-O.

\b
Stages:
  precreate      podman, buildah: translates the limits before the runtime sees them
  createRuntime  reads the limits back before the process starts, and refuses what did not land
  prestart       the same, for runtimes that do not know createRuntime
  poststop       what memory did to the container, for `cgshimctl report` (notes at createRuntime)

Without --dir they are written where the engine looks: podman is asked, else its hooks_dir and CRI-O's are read. CRI-O
does not start if a directory that it reads has a precreate hook: there, that stage is left out. A container with the
annotation io.cgshim.enable=false is left alone where the settings trust annotations.

\b
Examples:
  cgshimctl hooks install --dry-run
  cgshimctl hooks install --stage createRuntime --stage poststop --runtime /usr/sbin/runc
  cgshimctl hooks install --rootless
  cgshimctl hooks list --prove
  cgshimctl hooks remove

\b
Exit status:
  0  done, or nothing to do; list: all is well
  1  list: a hook could not run
  2  wrong usage
  3  refused: nothing was changed
"""

_dir = click.option("--dir", "place", default="", metavar="DIR", help="The directory. Default: the one that is read.")
_engine = click.option(
    "--engine", type=click.Choice(["podman", "crio"]), help="Whose directory. Default: podman if there."
)
_rootless = click.option("--rootless", is_flag=True, help="The user's own directory, and podman's setting for it.")
_stages = click.option(
    "--stage", "stages", multiple=True, type=click.Choice(sorted(directory.STAGES)), help="May be given repeatedly."
)
_dry_run = click.option("--dry-run", is_flag=True, help="Show what would be written or removed; do nothing.")


@click.group("hooks", help=HELP)
def hooks_command() -> None:
    """The group; its help is HELP."""


@hooks_command.command("install")
@_dir
@_engine
@_rootless
@_stages
@click.option("--runtime", metavar="PATH", help="The real runtime that the engine uses. Default: as cgshim chooses.")
@click.option("--annotated-only", is_flag=True, help="Only for containers with the annotation io.cgshim.enable=true.")
@click.option(
    "--timeout", default=TIMEOUT, type=click.IntRange(0, 3600), show_default=True, help="Seconds, 0 for none."
)
@_dry_run
def install_command(place: str, engine: str | None, rootless: bool, dry_run: bool, **choice: Any) -> None:
    """Write the files. Default stages: precreate, createRuntime, poststop."""
    path = runtimes.usable(runtimes.chosen(settings.load(os.environ), choice["runtime"]))
    standard, more = ("", ()) if place else hooks_place.standard(engine, rootless=rootless)
    place = os.path.abspath(place or standard)
    stages = hooks_place.allowed(place, choice["stages"])
    wanted = directory.Wanted(
        runtime=path,
        annotated=choice["annotated_only"],
        timeout=choice["timeout"],
        early="prestart" if "createRuntime" not in stages and "prestart" in stages else "createRuntime",
    )
    files = {directory.file_name(stage): directory.content(stage, wanted) for stage in stages}
    texts = {name: json.dumps(value, indent=2) + "\n" for name, value in files.items()}
    before = {name: _ours(os.path.join(place, name)) for name in texts}  # all are looked at before one is written
    written = [File(path=os.path.join(place, name), before=before[name], after=text) for name, text in texts.items()]
    record = created.note(Tree(), [*written, *more], hooks_place.record(place, rootless=rootless))
    for file in more:
        _put(file.path, file.before, str(file.after), dry_run)
    for name, text in texts.items():
        _put(os.path.join(place, name), before[name], text, dry_run)
    for file in () if dry_run else record:
        Tree().apply(file)


@hooks_command.command("remove")
@_dir
@_engine
@_rootless
@_stages
@_dry_run
def remove_command(place: str, engine: str | None, rootless: bool, stages: tuple[str, ...], dry_run: bool) -> None:
    """Remove what `install` wrote, and the directories that it made."""
    places = hooks_place.places(place, engine, rootless=rootless)
    file = f"{hooks_place.home()}/containers/containers.conf.d/{hooks_read.DROP_IN}"
    if rootless and not place and not stages and os.path.exists(file):
        say(f"{'would remove' if dry_run else 'removed'} {file}")
        if not dry_run:
            _did(os.unlink, file)
    for each in places:
        _remove(each, stages, rootless=rootless, dry_run=dry_run)


def _remove(place: str, stages: tuple[str, ...], *, rootless: bool, dry_run: bool) -> None:
    names = [directory.file_name(stage) for stage in stages or sorted(directory.STAGES)]
    present = [name for name in names if _ours(os.path.join(place, name)) is not None]
    for name in present:
        path = os.path.join(place, name)
        say(f"{'would remove' if dry_run else 'removed'} {path}")
        if not dry_run:
            _did(os.unlink, path)
    if not present:
        say(f"no hook of cgshim's in {place}")
    if not dry_run and not any(directory.PATTERN.fullmatch(name) for name in hooks_place.listed(place)):
        created.settle(Tree(), hooks_place.record(place, rootless=rootless))


@hooks_command.command("list")
@_dir
@_engine
@_rootless
@click.option("--prove", is_flag=True, help="Have podman make a container, and look for the hooks in it.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
@click.pass_context
def list_command(  # noqa: PLR0917 - one parameter for each option
    context: click.Context, place: str, engine: str | None, rootless: bool, prove: bool, as_json: bool
) -> None:
    r"""Show cgshim's hooks in the directory and whether each could run.

    \b
    --json: {"schema": 1, "dir": DIR, "read_by": [ENGINE], "proven": [STAGE] or null,
             "hooks": [{file, stages, path, runtime, annotated, problems [TEXT]}]}
    """
    places = hooks_place.places(place, engine, rootless=rootless)
    readers = hooks_place.readers(places[0], rootless=rootless)
    found = [_described(each, name) for each in places for name in _names(each)]
    for one in found if not place else []:
        if one["dir"] != places[0] or not readers:
            one["problems"].append(f"no engine here reads {one['dir']}: call `cgshimctl hooks install` again")
    for one in found:
        if "crio" in hooks_place.readers(one["dir"], rootless=rootless) and set(one["stages"]) & set(
            hooks_read.CRIO_UNKNOWN
        ):
            one["problems"].append("CRI-O reads this directory and does not start with the stage precreate: remove it")
    stages = hooks_proof.proven() if prove else None
    place = places[0]
    if as_json:
        output.emit({"dir": place, "read_by": readers, "proven": stages, "hooks": found})
    elif not found:
        say(f"no hook of cgshim's in {place}")
    else:
        say(f"{place} is read by {' and '.join(readers) or 'no engine here'}")
        rows = [(one["file"], ", ".join(one["stages"]), one["runtime"], _state(one)) for one in found]
        table(rows, ("FILE", "STAGES", "RUNTIME", "STATE"))
        for one in found:
            for problem in one["problems"]:
                say(f"{one['file']}: {problem}")
        if stages is not None:
            say(f"podman runs cgshim's hooks of: {', '.join(stages) or 'no stage'}")
    bad = any(one["problems"] for one in found) or stages == ()
    context.exit(output.REFUSED if bad else output.FINE)


def _names(place: str) -> list[str]:
    try:
        return sorted(name for name in os.listdir(place) if directory.PATTERN.fullmatch(name))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _refused(place, error) from error


def _described(place: str, name: str) -> dict[str, Any]:
    value = _parsed(os.path.join(place, name))
    needed = directory.needed(value)
    problems = [f"{path} does not exist" for path in needed if not os.path.exists(path)]
    if directory.is_outdated(value):
        problems = [OUTDATED]
    if not directory.is_ours(value):
        problems = ["not cgshim's: left alone by install and remove"]
    shape = value if isinstance(value, dict) else {}
    stages = shape.get("stages")
    return {
        "file": name,
        "dir": place,
        "stages": [str(stage) for stage in stages] if isinstance(stages, list) else [],
        "path": needed[0] if needed else "",
        "runtime": needed[1] if len(needed) > 1 else "",
        "annotated": shape.get("when") == directory.ANNOTATED,
        "problems": problems,
    }


def _state(one: dict[str, Any]) -> str:
    if one["problems"]:
        return "of no use"
    return "ok, annotated containers only" if one["annotated"] else "ok"


def _put(path: str, before: str | None, text: str, dry_run: bool) -> None:
    if before == text:
        say(f"unchanged {path}")
    elif dry_run:
        output.passage(difference.exact(before or "", text, path.lstrip("/")))
    else:
        _write(path, text)
        say(f"{'wrote' if before is None else 'replaced'} {path}")


def _write(path: str, text: str) -> None:
    """Whole or not at all; the engines read *.json only, and may be reading just now."""
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        atomic.put(path, text.encode("utf-8"))
    except OSError as error:
        raise _refused(error.filename or path, error) from error


def _ours(path: str) -> str | None:
    """The text of a file of ours, None where there is no file. Raises ShimError for somebody else's."""
    try:
        text = content(path).decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _refused(path, error) from error
    if directory.is_ours(_parsed(path)):
        return text
    raise ShimError(
        "foreign-hook",
        f"{path} was not written by cgshim and is left as it is",
        evidence=(f"{path}: hook.args does not begin with {directory.MARK}",),
        remedy=("move that file to another name, then call again",),
        status=output.BROKEN,
    )


def _parsed(path: str) -> Any:
    try:
        return json.loads(content(path))
    except (OSError, ValueError):
        return None


def _did(step: Any, path: str) -> None:
    try:
        step(path)
    except OSError as error:
        raise _refused(path, error) from error


def _refused(path: str, error: OSError) -> ShimError:
    return ShimError(
        "unwritable-hooks",
        f"{path} cannot be read or changed: {error.strerror}",
        evidence=(f"{path}: {error.strerror}",),
        remedy=("call it as the user to whom the directory belongs", "or name another one with --dir"),
        status=output.BROKEN,
    )

"""`cgshimctl hooks`: the hooks.d files for podman and CRI-O, put in place, taken away, shown."""

from __future__ import annotations

import os
from typing import Any

import click

from shim.cli import hooks_change, hooks_place, output
from shim.cli.forms import TABLE, formatted
from shim.cli.group import Family
from shim.cli.output import say, table
from shim.engines import hooks_directory as directory
from shim.engines import hooks_proof, hooks_read, runtimes
from shim.planning import settings

TIMEOUT = 30  # seconds: a hook takes well under one; without a limit a hanging disk would hang every container
OUTDATED = "written by version 0.1, whose program no longer runs: call `cgshimctl hooks install` again"
HELP = """Hooks for engines that keep their own runtime: the hooks.d files of podman and CRI-O.

\b
Stages:
  precreate      podman, buildah: translates the limits before the runtime sees them
  createRuntime  reads the limits back before the process starts, and refuses the start if one is missing
  prestart       the same, for runtimes that do not know createRuntime
  poststop       what memory did to the container, for `cgshimctl report` (needs createRuntime, too)

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

SHAPE = """\b
--json: one object
  schema   1
  dir      the directory
  changed  true or false; with --dry-run, whether anything would be changed
  dry_run  true or false
  files    [{path, change}]; change: created, changed or removed
"""

LIST_SHAPE = """\b
--json: one object
  schema   1
  dir      the directory
  read_by  [ENGINE] that read it
  proven   [STAGE] that podman ran, null without --prove
  hooks    [{file, dir, stages, path, runtime, annotated, problems [TEXT]}]
"""

_dir = click.option(
    "--dir", "place", default="", metavar="DIR", help="The directory. Default: the one that the engine reads."
)
_engine = click.option(
    "--engine", type=click.Choice(["podman", "crio"]), help="Whose directory. Default: podman, if it is installed."
)
_rootless = click.option("--rootless", is_flag=True, help="The user's own directory, and podman's setting for it.")
_stages = click.option(
    "--stage", "stages", multiple=True, type=click.Choice(sorted(directory.STAGES)), help="May be given repeatedly."
)
_dry_run = click.option("--dry-run", is_flag=True, help="Show what would be written or removed; do nothing.")


@click.group("hooks", cls=Family, help=HELP)
def hooks_command() -> None:
    """The group; its help is HELP."""


@hooks_command.command("install", epilog=SHAPE)
@_dir
@_engine
@_rootless
@_stages
@click.option("--runtime", metavar="PATH", help="The engine's real runtime. Default: the one that cgshim would run.")
@click.option("--annotated-only", is_flag=True, help="Only for containers with the annotation io.cgshim.enable=true.")
@click.option(
    "--timeout", default=TIMEOUT, type=click.IntRange(0, 3600), show_default=True, help="Seconds, 0 for none."
)
@_dry_run
@formatted
def install_command(*, place: str, engine: str | None, rootless: bool, dry_run: bool, form: str, **choice: Any) -> None:
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
    files = hooks_change.install(place, stages, wanted, more, rootless=rootless, dry_run=dry_run)
    _show_changes(place, files, form, dry_run)


@hooks_command.command("remove", epilog=SHAPE)
@_dir
@_engine
@_rootless
@_stages
@_dry_run
@formatted
def remove_command(*, place: str, engine: str | None, rootless: bool, dry_run: bool, form: str, **choice: Any) -> None:
    """Remove what `install` wrote, and the directories that it made."""
    places = hooks_place.places(place, engine, rootless=rootless)
    own = rootless and not place
    files = hooks_change.remove(places, choice["stages"], rootless=rootless, drop_in=own, dry_run=dry_run)
    _show_changes(places[0], files, form, dry_run)


def _show_changes(place: str, files: list[tuple[str, str]], form: str, dry_run: bool) -> None:
    if form != TABLE:
        changes = [{"path": path, "change": change} for path, change in files]
        output.emit({"dir": place, "changed": bool(files), "dry_run": dry_run, "files": changes}, form)


@hooks_command.command("list", epilog=LIST_SHAPE)
@_dir
@_engine
@_rootless
@click.option("--prove", is_flag=True, help="Have podman make a container, and look for the hooks in it.")
@formatted
def list_command(*, place: str, engine: str | None, rootless: bool, prove: bool, form: str) -> None:
    """Show cgshim's hooks in the directory and whether each could run."""
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
    if form != TABLE:
        output.emit({"dir": place, "read_by": readers, "proven": stages, "hooks": found}, form)
    if not found:
        say(f"no hook of cgshim in {place}")
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
    click.get_current_context().exit(output.REFUSED if bad else output.FINE)


def _names(place: str) -> list[str]:
    try:
        return sorted(name for name in os.listdir(place) if directory.PATTERN.fullmatch(name))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise hooks_change.refused(place, error) from error


def _described(place: str, name: str) -> dict[str, Any]:
    value = hooks_change.parsed(os.path.join(place, name))
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
        return "unusable"
    return "ok, annotated containers only" if one["annotated"] else "ok"

"""`cgshimctl report`: what was changed for a container, read from its annotation."""

from __future__ import annotations

import glob
import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import click

from shim.cli import bundles, completion, memory, output
from shim.cli.forms import TABLE, formatted
from shim.cli.output import heading, say, table
from shim.containers.container import CONFIG
from shim.engines import runtimes
from shim.errors import ShimError
from shim.host import names
from shim.host.view import View
from shim.planning import settings
from shim.planning.report import ANNOTATION, SCHEMA

if TYPE_CHECKING:
    from shim.containers.container import Container
    from shim.engines.runtimes import ChosenRuntime

# Where runtimes keep containers of engines: runc and crun themselves, also for podman and CRI-O; containerd's
# namespaces; Docker's.
ROOTS = ("/run/runc", "/run/crun", "/run/containerd/runc/*", "/run/docker/runtime-*/*")
ROOTLESS = ("{}/runc", "{}/crun")  # below XDG_RUNTIME_DIR, also for rootless podman
STATE_FILES = (("runc", "state.json"), ("crun", "status"))

REMEDY = "name a container, or a bundle's directory; cgshimctl audit lists the containers of this host"
SHAPE = """\b
--json: one object
  schema     1
  container  the id, null for a bundle
  bundle     its directory
  changed    true or false
  report     null, or the object of the annotation io.cgshim.report:
             schema, cgshim, host, runtime, operation, policy,
             changes [{field, effect, kind, code, reason, lost}], edits [{op, path, old, new}]
"""


@click.command(
    "report",
    short_help="Show what cgshim changed for a container, and what memory did to it.",
    epilog=f"{SHAPE}{memory.SHAPE}\n{output.STATUSES}",
)
@click.argument("subject", metavar="NAME|ID|BUNDLE", shell_complete=completion.containers)
@click.option("--runtime", metavar="PATH", help="The runtime to ask for the state. Default: the one that created ID.")
@click.option("--root", metavar="DIR", help="The runtime's --root. Default: the places where engines keep theirs.")
@formatted
def report_command(subject: str, runtime: str | None, root: str | None, form: str) -> None:
    """Show what cgshim changed for a container (its engine's NAME for it, or its ID), or in BUNDLE/config.json, and
    what memory did to the container: its pressure while it runs, and after its end what the poststop hook found
    (cgshimctl hooks).

    A bundle is recognised by its config.json, or by a slash in its name. Ids are looked for below /run/runc, /run/crun,
    containerd's, Docker's and podman's directories; the first letters are enough where they belong to one container.
    """
    if os.sep in subject or os.path.isfile(os.path.join(subject, "config.json")):
        found = of_bundle(subject)
    else:
        found = of_container(subject, runtime, root)
    if form != TABLE:
        output.emit(found, form)
    else:
        show(found)


def of_bundle(path: str) -> dict[str, Any]:
    """Return the report in a bundle's (or a file's) configuration."""
    file = os.path.abspath(path)
    file = os.path.join(file, "config.json") if not os.path.isfile(file) else file
    loaded = bundles.loaded(file, REMEDY)
    return _shape(None, os.path.dirname(file), loaded.value.get("annotations"), file)


def of_container(container: str, runtime: str | None, root: str | None) -> dict[str, Any]:
    """Return the report in a container's state from its runtime; a unique beginning of the id is enough."""
    if names.container(container):
        raise _unknown(container, names.container(container))
    places = [(os.path.abspath(root), container)] if root and _has(root, container) else _search(container, root)
    named = _by_name(container) if not places and not root else None
    if named is not None and not (named.root and _has(named.root, named.id)):
        return _of_records(named)
    if named is not None:
        places = [(named.root, named.id)]
    if not places:
        account = memory.ended(container)
        if account:
            shape = _shape(account["container"], str(account.get("bundle") or ""), None, "")
            return {**shape, "ended": account}
        raise _unknown(container, f"no runtime has it below {root or ', '.join(_patterns())}")
    if len(places) > 1:
        raise ShimError(
            "ambiguous-container",
            f"there is more than one container {container}",
            evidence=tuple(f"{place}/{name}" for place, name in places),
            remedy=(f"name one of them: --root {places[0][0]} {places[0][1]}",),
        )
    place, name = places[0]
    state = _state(_runtime_of(os.path.join(place, name), runtime), place, name)
    shape = _shape(name, str(state.get("bundle") or ""), state.get("annotations"), f"the state of {name}")
    pid = state.get("pid")
    running = memory.running(View(), pid) if isinstance(pid, int) and pid > 0 else None
    return {**shape, "running": running} if running else shape


def _search(container: str, root: str | None) -> list[tuple[str, str]]:
    """Return (root, id) of the containers with this id, else of those whose ids begin with it."""
    searched = [os.path.abspath(root)] if root else roots()
    exact = [(place, container) for place in searched if _has(place, container)]
    if exact:
        return exact
    pattern = f"{glob.escape(container)}*"
    return [
        (place, name)
        for place in searched
        for name in sorted(map(os.path.basename, glob.glob(os.path.join(glob.escape(place), pattern))))
        if _has(place, name)
    ]


def _by_name(name: str) -> Container | None:
    """Return the container that its engine calls so, or one with its state in an unusual place."""
    from shim.containers.resolve import resolve

    try:
        return resolve(name)
    except ShimError as error:
        if error.code == "ambiguous-container":
            raise
        return None


def _of_records(found: Container) -> dict[str, Any]:
    """Return the report from the config.json of a container whose state is in another mount namespace, or is gone."""
    record = found.record(CONFIG)
    annotations = {ANNOTATION: record.value["report"]} if record and "report" in record.value else {}
    shape = _shape(found.id, found.bundle, annotations, record.source if record else "")
    running = memory.running(View(), found.pid) if found.pid else None
    return {**shape, "running": running} if running else shape


def _patterns() -> list[str]:
    below = os.environ.get("XDG_RUNTIME_DIR")
    return [*ROOTS, *(place.format(below) for place in ROOTLESS if below)]


def roots() -> list[str]:
    """Return the existing directories among the places where runtimes keep their containers."""
    return [place for pattern in _patterns() for place in sorted(glob.glob(pattern))]


def _has(root: str, container: str) -> bool:
    return any(os.path.isfile(os.path.join(root, container, file)) for _, file in STATE_FILES)


def _runtime_of(directory: str, wanted: str | None) -> ChosenRuntime:
    """Return the runtime that wrote this state directory, recognised by its own file in it."""
    configured = settings.load(os.environ)
    chosen = runtimes.chosen(configured, wanted)
    if wanted:
        return chosen
    kind = next((name for name, file in STATE_FILES if os.path.isfile(os.path.join(directory, file))), "")
    return chosen if kind in ("", chosen.family) else runtimes.chosen(configured, kind)


def _state(runtime: ChosenRuntime, root: str, container: str) -> dict[str, Any]:
    argv = [runtimes.usable(runtime), "--root", root, "state", container]
    try:
        done = subprocess.run(argv, check=False, capture_output=True, timeout=runtimes.PATIENCE)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _unknown(container, f"{' '.join(argv)}: {error}") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise _unknown(container, f"{' '.join(argv)}: exit status {done.returncode}: {said}")
    try:
        state = json.loads(done.stdout)
    except ValueError:
        state = None
    if not isinstance(state, dict):
        raise _unknown(container, f"{' '.join(argv)}: printed no JSON object")
    return state


def _unknown(container: str, why: str) -> ShimError:
    return ShimError(
        "no-container",
        f"this host has no container {container}",
        evidence=(why,),
        remedy=(
            "cgshimctl audit lists the containers of this host, with their names",
            "or name the runtime's directory with --root, or the bundle's directory",
        ),
    )


def _shape(container: str | None, bundle: str, annotations: Any, source: str) -> dict[str, Any]:
    text = annotations.get(ANNOTATION) if isinstance(annotations, dict) else None
    value = None
    if text is not None:
        value = _parsed(text, source)
    return {"container": container, "bundle": bundle, "changed": value is not None, "report": value}


def _parsed(text: Any, source: str) -> dict[str, Any]:
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        value = None
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        raise ShimError(
            "bad-report",
            f"{source}: annotation {ANNOTATION} is not a report that this version can read",
            evidence=(f"{ANNOTATION}: {str(text)[:80]}",),
            remedy=("read it with the cgshimctl of the version that wrote it",),
        )
    return value


def show(found: dict[str, Any]) -> None:
    """Write the report as text."""
    report = found["report"]
    rows = [("container", found["container"]), ("bundle", found["bundle"])]
    if report:
        names = (("host", "host"), ("runtime", "runtime"), ("operation", "operation"), ("policy", "policy"))
        rows += [(title, str(report.get(key, ""))) for title, key in names]
        rows.append(("written by", f"cgshim {report.get('cgshim', '')}"))
    table([(title, value) for title, value in rows if value])
    if found.get("ended"):
        memory.show(found)
        return
    if not report:
        memory.show(found)
        heading("Nothing was changed.")
        return
    changes = [
        [str(note.get(key, "")) for key in ("field", "effect", "reason")] + [str(note.get("lost") or "-")]
        for note in report.get("changes") or []
    ]
    if changes:
        heading("What was changed, and why")
        table(changes, ("FIELD", "EFFECT", "REASON", "LOST"))
    edits = [
        (str(edit.get("op")), str(edit.get("path")), _value(edit, "old"), _value(edit, "new"))
        for edit in report.get("edits") or []
    ]
    if edits:
        heading("Edits in config.json")
        table(edits, ("EDIT", "PATH", "BEFORE", "AFTER"))
    memory.show(found)
    say()


def _value(edit: dict[str, Any], key: str) -> str:
    return json.dumps(edit[key]) if key in edit else "-"

"""`cgshimctl explain`: what a failure means, from its text, its log, or what is left of the container."""

from __future__ import annotations

import glob
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from shim import system
from shim.cli import output, report
from shim.cli.output import BROKEN, REFUSED, heading, paragraph, say, table
from shim.containers.container import bundle as bundle_of
from shim.containers.container import pid as pid_of
from shim.diagnose import oom
from shim.diagnose.catalogue import AREAS
from shim.diagnose.diagnosis import Context
from shim.diagnose.entry import Entry, fill
from shim.diagnose.explain import NOT_RECOGNISED, entry_of, explain
from shim.diagnose.render import as_dict
from shim.diagnose.told import read_back
from shim.errors import ShimError
from shim.host import membership, names
from shim.host.view import View
from shim.oci import cgroups_path
from shim.state import last

if TYPE_CHECKING:
    from shim.diagnose.diagnosis import Diagnosis

# Where engines let the runtime write its log; {} is a container's id or *.
LOGS = (
    "/run/containerd/io.containerd.runtime.v2.task/*/{}/log.json",
    "/run/docker/containerd/daemon/io.containerd.runtime.v2.task/*/{}/log.json",
    "/run/containers/storage/*-containers/{}*/userdata/oci-log",
)
LARGEST = 1 << 20  # bytes of a log, from its end
STATUSES = """\b
Exit status:
  0  explained
  1  not recognised
  2  wrong usage of this command
  3  nothing to explain, or bad input
"""
SHAPE = """\b
--json: one object
  schema     1
  code, verdict, cause, evidence [TEXT], remedy [TEXT], reference, raw,
  confirmed  a fact on this host supports it
  ours       false: not about mounts or cgroups
  others     [CODE] that fit the text too
With --list: entries [{code, title, area}]. With CODE: the entry.
"""
# What the code of an answer without an entry means: no row of the catalogue, which holds what is known.
UNKNOWN = Entry(
    code=NOT_RECOGNISED,
    title="no entry of the catalogue fits the failure",
    patterns=(),
    verdict="the failure is not recognised; the runtime's own words stand below it",
    cause="None is named, because none is proven: the evidence is only what is most often the reason.",
    remedy=(
        "cgshimctl doctor says what will fail on this host.",
        "Report the text, so that it gets an entry: cgshimctl explain --last --json has all of it.",
    ),
    reference="docs/diagnoses.md",
)


@click.command("explain", epilog=f"{SHAPE}\n{STATUSES}")
@click.argument("subject", metavar="[FILE|-|TEXT|ID|CODE]", required=False)
@click.option(
    "--last", "newest", is_flag=True, help="The newest failure on this host: cgshim's own last diagnosis, or a log."
)
@click.option("--list", "as_list", is_flag=True, help="List the codes of the catalogue.")
@click.option("--bundle", metavar="DIR", help="The container's bundle: with its config.json more can be confirmed.")
@click.option("--runtime", type=click.Choice(["runc", "crun", "other"]), help="Default: told from the text.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def explain_command(
    *, subject: str | None, newest: bool, as_list: bool, bundle: str | None, runtime: str | None, as_json: bool
) -> None:
    """Explain a runtime's failure: a log FILE, standard input (-), a pasted TEXT, what is left of a container ID, or
    an entry of the catalogue by its CODE. The facts are read from this host, as it is now.
    """
    if as_list:
        _list(as_json)
        return
    if newest == (subject is not None):
        raise click.UsageError("name one of FILE, -, TEXT, ID, CODE, or use --last or --list")
    entry = _entry(subject or "")
    if entry is not None:
        _show_entry(entry, as_json)
        return
    found = _diagnose(subject, bundle, runtime)
    if as_json:
        output.emit(as_dict(found))
    else:
        _show(found)
    if found.code == NOT_RECOGNISED:
        raise click.exceptions.Exit(REFUSED)


def _diagnose(subject: str | None, bundle: str | None, runtime: str | None) -> Diagnosis:
    view = View()
    text, container = "", ""
    if subject is None:
        log = _newest(_logs("*"))
        told = _told(os.path.getmtime(log) if log else 0)
        if told is not None:
            return told
        text = _read(log)
    elif subject == "-":
        text = _piped()
    elif os.path.isfile(subject):
        text = _read(subject)
    elif any(character.isspace() for character in subject):
        text = subject
    else:
        container = subject
        known = _of_container(view, container)
        if known is not None:
            return known
        bundle = bundle or _bundle(container)
        text = _read(_newest(_logs(container)))
    if not text.strip():
        raise _nothing(subject)
    return explain(text, context(view, text, bundle or "", runtime, container))


def _piped() -> str:
    """The end of what is on standard input, which may be all that an engine said. Raises ShimError if it never ends."""
    text, size = "", 0
    while size <= system.LARGEST:
        part = sys.stdin.read(65536)
        if not part:
            return text
        text, size = (text + part)[-LARGEST:], size + len(part)
    raise ShimError(
        "no-log",
        f"standard input has more than {system.LARGEST} characters",
        remedy=("pipe the failed command's output only",),
        status=BROKEN,
    )


def _told(since: float) -> Diagnosis | None:
    """cgshim's own last diagnosis, if no engine's log is newer: podman, for one, shows no word of a precreate hook."""
    kept = last.recall()
    time = kept.get("time") if kept else None
    return read_back(kept) if kept and isinstance(time, int) and time >= int(since) else None


def context(view: View, text: str, bundle: str, runtime: str | None, container: str = "") -> Context:
    """The context of a text that was given without its call; the runtime is told from its words."""
    config = _config(bundle) if bundle else None
    told = "runc" if "runc " in text or "nsexec" in text else "crun" if "crun" in text or "`" in text else "runc"
    return Context(
        view=view,
        config=config,
        runtime=runtime or told,
        bundle=os.path.abspath(bundle) if bundle else "",
        cgroups_path=cgroups_path.of(config),
        container=container,
    )


def _of_container(view: View, container: str) -> Diagnosis | None:
    """What the memory counters of a container that still exists say; None if nothing or it does not."""
    pid = _pid(container)
    paths = membership.paths(view.text(f"/proc/{pid}/cgroup") or "") if pid else {}
    places = [("/sys/fs/cgroup/memory", paths.get("memory")), ("/sys/fs/cgroup", paths.get(""))]
    for mount, path in places:
        found = oom.verdict(view, mount + path) if path else None
        if found is not None:
            return found
    return None


def _pid(container: str) -> int:
    if names.container(container):
        return 0
    return next(filter(None, (pid_of("", root, container) for root in report.roots())), 0)


def _bundle(container: str) -> str:
    if names.container(container):
        return ""
    return next(filter(None, (bundle_of(root, container) for root in report.roots())), "")


def _logs(container: str) -> list[str]:
    bundle = _bundle(container) if container != "*" else ""
    beside = [os.path.join(bundle, "log.json")] if bundle else []
    name = container if container == "*" else glob.escape(container)
    return [*beside, *(path for pattern in LOGS for path in glob.glob(pattern.format(name)))]


def _newest(paths: list[str]) -> str:
    there = [path for path in paths if os.path.isfile(path) and os.path.getsize(path)]
    return max(there, key=os.path.getmtime, default="")


def _read(path: str) -> str:
    if not path:
        return ""
    try:
        handle = os.open(path, system.READ)
        try:
            status = os.fstat(handle)
            os.lseek(handle, max(status.st_size - LARGEST, 0), os.SEEK_SET)
            return os.read(handle, LARGEST).decode("utf-8", "replace")
        finally:
            os.close(handle)
    except OSError as error:
        raise ShimError("no-log", f"{path} cannot be read: {error.strerror}", status=BROKEN) from error


def _config(bundle: str) -> Any:
    path = os.path.join(bundle, "config.json")
    try:
        return json.loads(system.content(path))
    except (OSError, ValueError) as error:
        raise ShimError("bad-bundle", f"{path} cannot be used: {error}", status=BROKEN) from error


def _nothing(subject: str | None) -> ShimError:
    what = f"no log and no trace of {subject!r}" if subject else "no runtime log of any engine"
    return ShimError(
        "nothing-to-explain",
        f"there is {what} on this host",
        remedy=(
            "paste the message: cgshimctl explain 'MESSAGE'",
            "or pipe it: podman run ... 2>&1 | cgshimctl explain -",
        ),
        status=BROKEN,
    )


def _entry(code: str) -> Entry | None:
    if code == NOT_RECOGNISED:
        return UNKNOWN
    try:
        return entry_of(code)
    except KeyError:
        return None


def _show(found: Diagnosis) -> None:
    say(found.verdict, bold=True)
    rows = [("code", found.code), ("cause", found.cause)]
    rows += [("evidence", line) for line in found.evidence] or [("evidence", "none on this host")]
    rows += [("remedy", line) for line in found.remedy]
    rows += [("see", found.reference), ("fits too", ", ".join(found.others))]
    table([(name, value) for name, value in rows if value])
    if found.raw.strip():
        heading("The runtime's own words")
        paragraph(found.raw.strip(), "  ")


def _show_entry(entry: Entry, as_json: bool) -> None:
    shape = {
        "code": entry.code,
        "title": entry.title,
        "verdict": fill(entry.verdict, {}),
        "cause": fill(entry.cause, {}),
        "remedy": [fill(step, {}) for step in entry.remedy],
        "reference": entry.reference,
        "ours": entry.ours,
        "silent": entry.silent,
    }
    if as_json:
        output.emit(shape)
        return
    say(entry.title, bold=True)
    rows = [("code", entry.code), ("verdict", str(shape["verdict"])), ("cause", str(shape["cause"]))]
    rows += [("remedy", fill(step, {})) for step in entry.remedy]
    table([(name, value) for name, value in [*rows, ("see", entry.reference)] if value])


def _list(as_json: bool) -> None:
    if as_json:
        entries = [{"code": one.code, "title": one.title, "area": area} for area, rows in AREAS for one in rows]
        output.emit({"entries": entries})
        return
    for area, rows in AREAS:
        heading(area)
        table([(one.code, one.title) for one in rows], indent="  ")

"""`cgshimctl explain`: the cause of a failure, from its text, its log, or the rest of the container."""

from __future__ import annotations

import glob
import json
import os
from typing import TYPE_CHECKING, Any

import click

from shim import system
from shim.cli import completion, output, piped, report
from shim.cli.explained import entry, healthy, show, show_entry, show_list, similar
from shim.cli.forms import TABLE, formatted
from shim.cli.hosts import view_of
from shim.cli.output import BROKEN, REFUSED
from shim.containers.state_files import bundle as bundle_of
from shim.containers.state_files import pid as pid_of
from shim.diagnose import oom, spoken
from shim.diagnose.diagnosis import Context
from shim.diagnose.elsewhere import Elsewhere
from shim.diagnose.explain import NOT_RECOGNISED, explain
from shim.diagnose.render import as_dict
from shim.diagnose.stored import read_back
from shim.enforce.init_process import fate
from shim.errors import ShimError
from shim.host import membership, names
from shim.host.view import View
from shim.oci import cgroups_path
from shim.state import failures

if TYPE_CHECKING:
    from shim.diagnose.diagnosis import Diagnosis

# The logs that engines tell the runtime to write; {} is a container's id or *.
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
  tell       how to tell whether this is the cause, where that is not proven
  causes     [{code, verdict, cause, tell, remedy, reference}] of several-causes, the likeliest first
With --last and ID: time (seconds since 1970) and container of a failure that cgshim kept.
With --list: entries [{code, title, area}]. With CODE: the entry.
"""


@click.command("explain", short_help="Explain the failure of a runtime or a container.", epilog=f"{SHAPE}\n{STATUSES}")
@click.argument("subject", metavar="[FILE|-|TEXT|NAME|ID|CODE]", required=False, shell_complete=completion.codes)
@click.option(
    "--last", "newest", is_flag=True, help="The newest failure on this host: cgshim's own last diagnosis, or a log."
)
@click.option("--list", "as_list", is_flag=True, help="List the codes of the catalogue.")
@click.option("--host", metavar="DIR", help="The text comes from this captured host (cgshimctl capture).")
@click.option("--elsewhere", is_flag=True, help="The text comes from another host: nothing here can confirm a cause.")
@click.option("--bundle", metavar="DIR", help="The container's bundle: with its config.json more can be confirmed.")
@click.option("--runtime", type=click.Choice(["runc", "crun", "other"]), help="Default: detected from the text.")
@formatted
def explain_command(*, subject: str | None, newest: bool, as_list: bool, form: str, **where: Any) -> None:
    """Explain a runtime's failure: a log FILE, standard input (-, or nothing if text is piped in), a pasted TEXT, what
    is left of a container (its NAME or ID), or an entry of the catalogue by its CODE. The facts are read from this
    host, as it is now, unless --host or --elsewhere says that the text comes from another.
    """
    if as_list:
        show_list(form)
        return
    if subject is None and not newest and piped.is_given():
        subject = "-"
    if newest == (subject is not None):
        raise click.UsageError("name one of FILE, -, TEXT, NAME, ID, CODE, or use --last or --list")
    if where["host"] and where["elsewhere"]:
        raise click.UsageError("use either --host or --elsewhere")
    known = entry(subject or "")
    if known is not None:
        show_entry(known, form)
        return
    found, kept = _diagnose(subject, where)
    if form != TABLE:
        more = {name: kept.get(name) for name in ("time", "container")} if kept else {}
        output.emit({**as_dict(found), **more}, form)
    else:
        show(found, kept, elsewhere=where["elsewhere"])
    if found.code == NOT_RECOGNISED:
        raise click.exceptions.Exit(REFUSED)


def _diagnose(subject: str | None, where: dict[str, Any]) -> tuple[Diagnosis, dict[str, Any] | None]:
    """Return the diagnosis, and the stored failure that it comes from, None if it comes from a text."""
    view = Elsewhere() if where["elsewhere"] else view_of(where["host"])
    bundle, container = where["bundle"] or "", ""
    if subject is None or _is_name(subject):
        container = _resolved(subject) if subject else ""
        told = _told(container)
        if told is not None:
            return told
        log = _newest(_logs(container or "*"))
        known = _of_container(View(), container) if container else None
        if known is not None:
            return known, None
        bundle = bundle or (_bundle(container) if container else "")
        text = _read(log)
    else:
        text = _text(subject)
    if not text.strip():
        raise healthy(subject) if subject and container and _exists(container) else _nothing(subject)
    return explain(text, context(view, text, bundle, where["runtime"], container)), None


def _is_name(subject: str) -> bool:
    """Return whether it can be a container's id: not a text, a file or a path."""
    return subject != "-" and "/" not in subject and not os.path.exists(subject) and not any(map(str.isspace, subject))


def _text(subject: str) -> str:
    """Return standard input, a file's content, or the pasted text itself. Raises ShimError for an unreadable file."""
    if subject == "-":
        return piped.content()
    if any(map(str.isspace, subject)) and not os.path.exists(subject):
        return subject
    if os.path.isdir(subject):
        raise ShimError(
            "no-log",
            f"{subject} is a directory",
            remedy=("Name the log file in it; for a container's bundle use --bundle.",),
            status=BROKEN,
        )
    return _read(subject)


def _told(container: str) -> tuple[Diagnosis, dict[str, Any]] | None:
    """Return cgshim's own last diagnosis, or its last of this container, unless an engine's log is newer. Engines may
    hide it: podman shows no output of a precreate hook.
    """
    log = _newest(_logs(container or "*"))
    since = int(os.path.getmtime(log)) if log else 0
    kept = failures.of_container(container) if container else failures.recall()
    at = kept.get("time") if kept else None
    found = read_back(kept) if kept and isinstance(at, int) and at >= since else None
    return (found, kept) if found is not None and kept is not None else None


def context(view: Any, text: str, bundle: str, runtime: str | None, container: str = "") -> Context:
    """Return the context of a text without its call; its words identify the runtime."""
    config = _config(bundle) if bundle else None
    return Context(
        view=view,
        config=config,
        runtime=runtime or spoken.runtime_of(text),
        command=spoken.command_of(text),
        placed=bool(bundle or container),
        bundle=os.path.abspath(bundle) if bundle else "",
        cgroups_path=cgroups_path.of(config),
        container=container,
    )


def _of_container(view: View, container: str) -> Diagnosis | None:
    """Return what the memory counters of an existing container show; None if they show nothing or it is gone."""
    pid = _pid(container)
    alive = pid and fate(view, pid) is None  # a dead process is no longer in the container's cgroup
    paths = membership.paths(view.text(f"/proc/{pid}/cgroup") or "") if alive else {}
    places = [("/sys/fs/cgroup/memory", paths.get("memory")), ("/sys/fs/cgroup", paths.get(""))]
    for mount, path in places:
        found = oom.verdict(view, mount + path) if path else None
        if found is not None:
            return found
    return None


def _resolved(name: str) -> str:
    """Return the id of the container that its engine calls so; the name itself if there is none."""
    if _pid(name) or _bundle(name):
        return name
    from shim.containers.resolve import resolve

    try:
        return resolve(name).id
    except ShimError as error:
        if error.code == "ambiguous-container":
            raise
        return name


def _exists(container: str) -> bool:
    from shim.containers.resolve import resolve

    try:
        return bool(resolve(container))
    except ShimError as error:
        return error.code == "ambiguous-container"


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
        raise ShimError(
            "no-log",
            f"{path} cannot be read: {error.strerror}",
            remedy=("Check the path, or run cgshimctl as the engine's user (root for docker and containerd).",),
            status=BROKEN,
        ) from error


def _config(bundle: str) -> Any:
    path = os.path.join(bundle, "config.json")
    try:
        return json.loads(system.content(path))
    except (OSError, ValueError) as error:
        raise ShimError("bad-bundle", f"{path} cannot be used: {error}", status=BROKEN) from error


def _nothing(subject: str | None) -> ShimError:
    if subject is not None and not _is_name(subject):
        what = "standard input is empty" if subject == "-" else f"{subject or 'the text'} is empty"
        return ShimError(
            "nothing-to-explain",
            what,
            remedy=("Give the message that the engine showed, for example: podman run ... 2>&1 | cgshimctl explain -",),
            status=BROKEN,
        )
    meant = similar(subject) if subject else ()
    what = f"no log and no trace of {subject!r}" if subject else "no runtime log of any engine"
    return ShimError(
        "nothing-to-explain",
        f"there is {what} on this host",
        remedy=(
            *((f"Did you mean {' or '.join(meant)}? cgshimctl explain --list shows every code.",) if meant else ()),
            "Paste the message: cgshimctl explain 'MESSAGE'",
            "or pipe it: podman run ... 2>&1 | cgshimctl explain -",
        ),
        status=BROKEN,
    )

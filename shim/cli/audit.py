"""`cgshimctl audit`: which containers on this host run without the limits that were asked for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from shim.audit import after as migration
from shim.audit import target
from shim.audit.subjects import facts_of, host_of, resources_of, subjects
from shim.audit.verdict import rows
from shim.cli import hosts, output
from shim.cli.audited import junit, page, shape, text
from shim.containers.inventory import inventory
from shim.containers.resolve import named
from shim.containers.tree import HostTree
from shim.engines.suitability import crun_refuses
from shim.host.detect import detect
from shim.host.view import View
from shim.planning.plan import wanted

if TYPE_CHECKING:
    from shim.audit.row import Row
    from shim.containers.container import Container
    from shim.containers.inventory import Inventory
    from shim.host.facts import Host

FORMATS = ("table", "json", "yaml", "html", "junit", "text")  # "text" is the table's earlier name
ENGINES = ("docker", "podman", "cri", "cri-o", "nerdctl", "containerd", "runc", "crun")
STATUSES = """\b
Exit status:
  0  nothing is lost
  1  something is lost, or would be after the migration
  2  wrong usage of this command
  3  bad input, or a fault of cgshimctl itself
"""
SHAPE = """\b
--json: one object
  schema   1
  summary  hosts, containers, limits, lost, verdicts {VERDICT: COUNT}
  hosts    [{host, kernel, layout, layout_evidence, cgshim, time, problems [TEXT], containers}]
    containers  [{name, id, engine, pod, image, state, pid, bundle, runtime, verdict (the worst), limits,
                problems [TEXT], after (with --after): {outcome, changes [{field, outcome, reason, without}]}}]
    limits      [{limit, verdict, lost, hint, why, unit, where, values {COLUMN: VALUE}, shown {COLUMN: TEXT}}]
    COLUMN      asked, configured, systemd, kernel, effective
  after    with --after: {target, answer, outcomes {OUTCOME: COUNT}}
VERDICT: lost before the runtime, lost in the runtime, changed since, weaker, lost at the next daemon-reload, unknown,
stricter than asked, capped by an ancestor, enforced; the first five count as lost.
"""


@click.command("audit", epilog=f"{SHAPE}\n{STATUSES}")
@click.argument("files", metavar="[FILE]...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="One JSON object; the same as -o json.")
@click.option("--junit", "as_junit", is_flag=True, help="JUnit's XML for pipelines; the same as -o junit.")
@click.option(
    "-o",
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="table",
    show_default=True,
    help="How to show the result; text is the table.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print errors only; the exit status has the answer.")
@click.option(
    "--engine",
    type=click.Choice(ENGINES),
    metavar="ENGINE",
    multiple=True,
    help=f"Only containers of this engine: {', '.join(ENGINES)}.",
)
@click.option("--container", "names", metavar="NAME|ID", multiple=True, help="Only this container.")
@click.option("--only", type=click.Choice(["lost"]), help="Only limits that are lost.")
@click.option(
    "--after", metavar="unified|legacy|DIR", help="Plan the containers for the host after its migration, too."
)
@click.option("--root", "roots", metavar="DIR", multiple=True, help="A further --root of runc or crun to look in.")
@click.option(
    "--tree", metavar="DIR", default="/", help="Where the host's file system is: a node's root, mounted in a container."
)
@click.option("--merge", is_flag=True, help="Show the audits in FILES (of `audit --json`, from many hosts) as one.")
def audit_command(*, files: tuple[str, ...], merge: bool, **asked: Any) -> None:
    """Show which containers on this host run without the limits that were asked for.

    For every limit: what the engine was asked, what the runtime was asked, what systemd thinks, what the kernel has,
    and what binds, where a cgroup above is tighter. Everything is read from files; no engine is asked, and nothing is
    changed. Containers of docker, podman, containerd (CRI, nerdctl, ctr), CRI-O, runc and crun are found, whether
    cgshim is registered or not. A user other than root sees only what that user may read.

    --after unified is a host with cgroup2 only; legacy is this host under a kernel without CONFIG_MEMCG_V1; DIR is a
    host captured with `cgshimctl capture`.

    In a container, call it in the host's cgroup namespace: nsenter --target 1 --cgroup -- cgshimctl audit --tree /host
    """
    if merge != bool(files):
        raise click.UsageError("--merge needs FILES, and FILES need --merge")
    if merge and (asked["after"] or asked["roots"]):
        raise click.UsageError("--after and --root look at this host; --merge does not")
    found = shape.merged(files) if merge else of_this_host(asked, asked["tree"])
    found = _chosen(found, asked)
    form = "json" if asked["as_json"] else "junit" if asked["as_junit"] else asked["form"]
    output.mute(asked["quiet"])
    if form in ("json", "yaml"):
        output.emit(found, form)
    elif form in ("table", "text"):
        text.show(found)
    else:
        click.echo((page if form == "html" else junit).page(found), nl=False)
    if _is_lost(found):
        raise click.exceptions.Exit(output.REFUSED)


def of_this_host(asked: dict[str, Any], root: str = "/") -> dict[str, Any]:
    """Return the audit of this host, or of the file system below `root`. Raises ShimError for a root without /proc."""
    if not os.path.isdir(os.path.join(root, "proc")):
        raise hosts.unusable(root, "it has no proc directory")
    tree, view = HostTree(root), View(root)
    found = inventory(tree, tuple(os.path.abspath(path) for path in asked["roots"]))
    if asked["names"]:
        chosen = {one.id for name in asked["names"] for one in [named(found, name)]}
        found = found.changed(containers=tuple(one for one in found.containers if one.id in chosen))
    if asked["engine"]:
        found = found.changed(containers=tuple(one for one in found.containers if one.engine in asked["engine"]))
    host = host_of(view, found.containers)
    there = _target(asked["after"], view, found.containers) if asked["after"] else None
    facts = facts_of(tree, host, found.containers)
    judged = [(subject.container, rows(subject)) for subject in subjects(tree, host, found, facts)]
    node, system = os.uname().nodename, os.uname().release
    return shape.fleet([shape.of_host(node, system, host, _shapes(judged, there), _told(found))], asked["after"] or "")


def _told(found: Inventory) -> tuple[str, ...]:
    """Return the problems of the inventory, beginning with a missing permission."""
    if os.geteuid() == 0:
        return found.problems
    return ("not root: only this user's containers and files are seen", *found.problems)


def _shapes(judged: list[tuple[Container, list[Row]]], there: Host | None) -> list[dict[str, Any]]:
    return [
        shape.of_container(container, limits, _after(container, there) if there is not None else None)
        for container, limits in judged
    ]


def _after(container: Container, there: Host) -> migration.After:
    refused = crun_refuses(there) if container.family == "crun" else ""
    return migration.after(resources_of(container), there, container.family, container.driver, refused)


def _target(name: str, view: View, containers: tuple[Container, ...]) -> Host:
    """Return the host after the migration."""
    names = tuple(dict.fromkeys(file for one in containers for file in wanted(resources_of(one))))
    if name in ("unified", "legacy"):
        asked = (*names, *target.twins(names))
        here = detect(view, tuple(dict.fromkeys(asked)), writable=False)
        return (target.unified if name == "unified" else target.without_v1_code)(here, names)
    return detect(hosts.view_of(name), names, writable=False)


def _chosen(found: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    """Filter: --only lost removes other limits and containers without a lost one; with --merge the filters apply,
    too.
    """
    for host in found["hosts"]:
        kept = [one for one in host["containers"] if not asked["engine"] or one["engine"] in asked["engine"]]
        kept = [one for one in kept if not asked["names"] or any(_is(one, name) for name in asked["names"])]
        if asked["only"]:
            for container in kept:
                container["limits"] = [limit for limit in container["limits"] if limit["lost"]]
            kept = [container for container in kept if container["limits"] or "after" in container]
        host["containers"] = kept
    return shape.fleet(found["hosts"], (found.get("after") or {}).get("target", ""))


def _is(container: dict[str, Any], name: str) -> bool:
    pod = f"{container['pod']}/{container['name']}"
    return name in (container["name"], pod, pod.partition("/")[2]) or container["id"].startswith(name)


def _is_lost(found: dict[str, Any]) -> bool:
    outcomes = (found.get("after") or {}).get("outcomes", {})
    return bool(found["summary"]["lost"] or outcomes.get(migration.REFUSED) or outcomes.get(migration.LOST))

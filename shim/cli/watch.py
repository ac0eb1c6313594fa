"""`cgshimctl watch`: what memory limits do to the containers of this host, while it happens."""

from __future__ import annotations

import os
import resource
import signal
from typing import TYPE_CHECKING, Any

import click

from shim.cli import hosts, output
from shim.cli.watched import outputs
from shim.cli.watched.board import SORTS
from shim.containers.container import ALIVE
from shim.containers.inventory import inventory
from shim.containers.resolve import named
from shim.containers.tree import HostTree
from shim.errors import ShimError
from shim.state import files
from shim.watch.watcher import INTERVAL, Options, Watcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shim.watch.sink import Sink

FASTEST, SLOWEST = 0.2, 3600.0
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STATUSES = """\b
Exit status:
  0  it watched until Ctrl-C, SIGTERM, or the end of --once
  2  wrong usage of this command
  3  bad input, a place that cannot be written, or a fault of cgshimctl itself
"""
SHAPE = """\b
--json: one object a line, as things happen; "schema" is 1 in each
  type "sample"  {time, id, engine, name, pod, cgroup, version v1|v2, memory {FIGURE: BYTES or null, sources, absent},
                 limit, limit_of, high, swap_limit, pressure, events {COUNTER: NUMBER}, cpu, problems}
  type "event"   {time, kind, id, engine, name, pod, source, evidence}
  type "alert"   {alert_type, container_id, container_full_id, container_name, engine, pod, time, threshold_bytes,
                 usage_bytes, limit_bytes, serial, repeated, message, evidence}
docs/watch.md says what each figure is, and on which kernel it comes from which file.
"""


@click.command("watch", epilog=f"{SHAPE}\n{STATUSES}")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All containers; the same as no NAME.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object a line: samples, events, alerts.")
@click.option(
    "--interval",
    type=click.FloatRange(FASTEST, SLOWEST),
    default=INTERVAL,
    show_default=True,
    metavar="SECONDS",
    help="The time between two readings of a container, unless the kernel reports an event.",
)
@click.option(
    "--sort",
    type=click.Choice(SORTS),
    metavar="COLUMN",
    default="limit",
    show_default=True,
    help=f"The order of the containers: {', '.join(SORTS)}.",
)
@click.option("--once", is_flag=True, help="Look once and end.")
@click.option("--prometheus", metavar="ADDR:PORT", default="", help="Serve metrics there; :PORT is this host alone.")
@click.option("--textfile", metavar="DIR", default="", help="Write metrics to DIR/cgshim.prom, for node_exporter.")
@click.option(
    "--alert", "alerts", metavar="WHERE", multiple=True, help=f"Send alerts as JSON to {outputs.ALERTS}. Repeatable."
)
@click.option(
    "--state",
    metavar="DIR",
    default="",
    help="Keep state there: a restart then neither loses nor repeats an alert.",
)
@click.option("--record", metavar="FILE", default="", help="Append what is seen to FILE, for `cgshimctl leaks FILE`.")
@click.option(
    "--record-size",
    metavar="BYTES",
    default="256M",
    show_default=True,
    help="The limit for all files of the recording together.",
)
@click.option("--trace", is_flag=True, help="Also count allocations by process and size (histograms in tracefs).")
@click.option("--root", "roots", metavar="DIR", multiple=True, help="A further --root of runc or crun to look in.")
@click.option(
    "--tree", metavar="DIR", default="/", help="Where the host's file system is: a node's root, mounted in a container."
)
def watch_command(*, names: tuple[str, ...], everything: bool, **asked: Any) -> None:
    """Watch what memory limits do to the containers of all engines, as it happens.

    In a terminal, one table is redrawn in place, with the container nearest to its limit first. Elsewhere, a plain
    table is printed each time, but none if alerts or metrics are sent somewhere. WORKING is what counts for eviction:
    usage without inactive page cache. Growth, pressure and throttling are those of the last minute.

    Containers that start are followed, too. A user other than root sees only what that user may read.
    """
    if everything and names:
        raise click.UsageError("--all is every container; leave out the names")
    _check(asked)
    state = outputs.state_directory(asked["state"])
    roots = tuple(os.path.abspath(path) for path in asked["roots"])
    _known(names, asked["tree"], roots)
    _open_files()
    service = "" if asked["once"] or asked["tree"] != "/" else files.directory(os.environ)
    options = Options(
        names=names, interval=asked["interval"], state=state, roots=roots, root=asked["tree"], service=service
    )
    watcher = Watcher(options)
    traced = outputs.tracing(watcher, wanted=asked["trace"], lines=asked["as_json"])
    watch(watcher, _sinks(watcher, {**asked, "state": state}) + traced, once=asked["once"])


def watch(watcher: Watcher, sinks: list[Sink], *, once: bool = False) -> None:
    """Watch until a signal, or for one round. A second Ctrl-C ends it at once."""

    def end(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        watcher.stop()

    before = [(number, signal.signal(number, end)) for number in ENDS]
    try:
        watcher.run(sinks, rounds=1 if once else 0)
    finally:
        for number, handler in before:
            signal.signal(number, handler)
    for problem in watcher.problems:
        output.complain(f"note: {problem}")


def _check(asked: dict[str, Any]) -> None:
    """Check for contradicting options."""
    if asked["once"] and asked["prometheus"]:
        raise click.UsageError("--once ends before anybody can scrape; use --textfile, or leave out --once")
    if asked["once"] and asked["trace"]:
        raise click.UsageError("--once ends before anything is counted; leave it out, or --trace")
    if asked["as_json"] and outputs.STDOUT in asked["alerts"]:
        raise click.UsageError("--json has the alerts already; leave out --alert stdout")
    if not os.path.isdir(os.path.join(asked["tree"], "proc")):
        raise hosts.unusable(asked["tree"], "it has no proc directory")


def _open_files() -> None:
    """Raise the soft limit to the hard one: each container takes one or two files, and the soft limit is usually
    1024.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _known(names: tuple[str, ...], root: str, roots: tuple[str, ...]) -> None:
    """Check that each name is that of one running container. Raises ShimError."""
    if not names:
        return
    found = inventory(HostTree(root), roots)
    for name in names:
        container = named(found, name)
        if container.state not in ALIVE or not container.pid:
            raise ShimError(
                "not-running",
                f"the container {name} does not run, so there is nothing to watch",
                evidence=(f"{container.engine}: {container.id}: {container.state}",),
                remedy=("start it first, or watch all containers, which includes those that start later",),
            )


def _sinks(watcher: Watcher, asked: dict[str, Any]) -> list[Sink]:
    """Open the sinks in this order, so that the drawing comes after everything that can fail."""
    stdout = outputs.Stdout(watcher.stop)
    made = outputs.alerts(asked["alerts"], asked["state"], stdout)
    made += outputs.metrics(asked["prometheus"], asked["textfile"], keep=asked["once"])
    made += outputs.recording(asked["record"], asked["record_size"], watcher)
    if asked["as_json"]:
        return made + outputs.lines(stdout)
    if made and (outputs.STDOUT in asked["alerts"] or not stdout.isatty()):
        return made
    drawn, shown = outputs.drawing(asked["sort"], _about(watcher, asked["sort"]), stdout)
    shown.problems = lambda: _problems(watcher)
    return made + drawn


def _about(watcher: Watcher, order: str) -> Callable[[int], list[str]]:
    first = "nearest to its limit first" if order == "limit" else f"by {order}"
    node = os.uname().nodename

    def about(count: int) -> list[str]:
        return [f"{node}: {count} container{'' if count == 1 else 's'}", first, f"every {watcher.pace:.3g} s"]

    return about


def _problems(watcher: Watcher) -> Iterator[str]:
    if os.geteuid() != 0:
        yield "not root: only this user's containers are seen"
    for container, reason in list(watcher.roster.unfollowed.items())[:2]:
        yield f"not watched: {container[:12]}: {reason}"
    yield from watcher.problems[-2:]

"""Makes sinks from the command line's options; every error is found before the watching begins."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from shim.cli.watched import screen
from shim.cli.watched.board import Board
from shim.cli.watched.json_lines import JsonLines
from shim.errors import ShimError
from shim.watch import sinks

if TYPE_CHECKING:
    from collections.abc import Callable

    from shim.watch.metrics import Book
    from shim.watch.sink import Sink
    from shim.watch.watcher import Watcher

STDOUT, JOURNAL, SYSLOG, FILE, URLS = "stdout", "journald", "syslog", "file:", ("http://", "https://")
ALERTS = "stdout, file:PATH, journald, syslog, or a URL that begins with http:// or https://"


class Stdout:
    """Standard output. If the reader is gone, `stop` is called and the rest is discarded."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self.stop = stop

    def write(self, text: str) -> int:
        """Write the whole text at once."""
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except BrokenPipeError:
            # The interpreter also flushes at its end, which must not fail again.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)
            self.stop()
        return len(text)

    def flush(self) -> None:
        """Do nothing: `write` flushes."""

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return sys.stdout.isatty()


def alerts(where: tuple[str, ...], state: str, stream: Any) -> list[Sink]:
    """Return the sinks of --alert. Raises UsageError, or ShimError for an unusable destination."""
    made = []
    for one in dict.fromkeys(where):
        try:
            made.append(_alert(one, state, stream))
        except OSError as error:
            raise _takes_none(one, error) from error
    return made


def _alert(where: str, state: str, stream: Any) -> Sink:
    if where == STDOUT:
        return sinks.stdout_alerts(stream)
    if where == JOURNAL:
        return sinks.journal_alerts(sinks.JOURNAL)
    if where == SYSLOG:
        return sinks.syslog_alerts(sinks.SYSLOG)
    if where.startswith(FILE) and where != FILE:
        return sinks.file_alerts(where[len(FILE) :])
    if where.startswith(URLS):
        if not state:
            raise click.UsageError("--alert URL wants --state DIR, where alerts wait while the URL does not answer")
        try:
            return sinks.webhook(where, os.path.join(state, "spool"))
        except ValueError as error:
            raise click.UsageError(f"--alert {where}: {error}") from error
    raise click.UsageError(f"--alert {where!r} is not one of {ALERTS}")


def _takes_none(where: str, error: OSError) -> ShimError:
    place = f"{error.filename}: " if error.filename else ""
    remedies = {
        JOURNAL: "use --alert syslog or --alert file:PATH on a host without systemd-journald",
        SYSLOG: "start a syslog daemon, or use --alert journald or --alert file:PATH",
    }
    return ShimError(
        "unwritable-output",
        f"--alert {where} takes no alerts: {place}{error.strerror or error}",
        remedy=(remedies.get(where, "name a file or directory that you may write to"),),
    )


def metrics(prometheus: str, textfile: str, *, keep: bool) -> list[Sink]:
    """Return the sinks of --prometheus and --textfile, and their book. Raises ShimError.

    keep: the file stays when the watcher ends.
    """
    if not prometheus and not textfile:
        return []
    from shim.watch.metrics import Book

    book = Book()
    made: list[Sink] = [book]
    if textfile:
        made.append(_textfile(book, textfile, keep))
    if prometheus:
        from shim.watch.exposition import Exporter, address

        exporter = Exporter(book, *address(prometheus))
        click.echo(f"metrics: {exporter.url}", err=True)
        made.append(exporter)
    return made


def recording(path: str, size: str, watcher: Watcher) -> list[Sink]:
    """Return the sink of --record, of `size` bytes; its notes go to standard error.

    Raises UsageError, or ShimError for an unusable file.
    """
    if not path:
        return []
    from shim.rules.sizes import Untranslatable, amount
    from shim.watch.execs import Execs
    from shim.watch.record import LEAST, Recorder

    try:
        most = amount(size)
    except Untranslatable as error:
        raise click.UsageError(f"--record-size: {error.what}; it takes bytes, with a suffix such as K, M, G") from error
    if most < LEAST:
        raise click.UsageError(f"--record-size: {size} is less than {LEAST} bytes, in which nothing fits")
    interval = watcher.options.interval
    recorder = Recorder(path, interval, most=most, tell=lambda note: click.echo(f"note: {note}", err=True))
    return [Execs(lambda: tuple(watcher.roster.followed.values()), recorder.event), recorder]


def tracing(watcher: Watcher, *, wanted: bool, lines: bool) -> list[Sink]:
    """Return the sink of --trace. Instances in tracefs that a killed watcher left are removed in any case.

    lines: JSON each round instead of a table at the end. Raises ShimError `no-trace` with the reason.
    """
    from shim.watch.trace import sweep

    for instance in sweep(os.environ):
        click.echo(f"note: {instance} was left by a watcher that was killed; it is removed", err=True)
    if not wanted:
        return []
    from shim.cli.watched.tracing import Tracing

    return [Tracing(lambda: tuple(watcher.roster.followed.values()), Stdout(watcher.stop), lines=lines)]


def _textfile(book: Book, directory: str, keep: bool) -> Sink:
    from shim.watch.exposition import Textfile

    return Textfile(book, directory, keep=keep)


def drawing(order: str, about: Callable[[int], list[str]], stream: Any) -> tuple[list[Sink], screen.Shown]:
    """Return the table's sink: in place on a terminal with rich, else one table after the other."""
    board = Board()
    shown = screen.Shown(board, order, about)
    if stream.isatty() and screen.available():
        return [board, screen.InPlace(shown)], shown
    if stream.isatty():
        click.echo(f"note: {screen.INSTALL}", err=True)
    return [board, screen.Plain(shown, stream)], shown


def lines(stream: Any) -> list[Sink]:
    """Return the sink of --json."""
    return [JsonLines(stream)]


def state_directory(path: str) -> str:
    """Return the directory, created if it is missing; "" for none. Raises ShimError "unwritable-output"."""
    if not path:
        return ""
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
        probe = os.path.join(path, f".probe.{os.getpid()}")
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        os.unlink(probe)
    except OSError as error:
        raise unwritable(path, error) from error
    return os.path.abspath(path)


def unwritable(path: str, error: OSError) -> ShimError:
    """Return the error for a place that cannot be written."""
    return ShimError(
        "unwritable-output",
        f"{path} cannot be written: {error.strerror or error}",
        remedy=("name a file or directory that you may write to, on a file system with free space",),
    )

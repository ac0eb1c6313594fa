"""Metrics for Prometheus: served on an address, or as a file for node_exporter's textfile collector.

Needs prometheus_client, which only these two options import.
"""

from __future__ import annotations

import os
import socket
import threading
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from shim import __version__
from shim.errors import ShimError
from shim.watch.metrics import LABELS, OF_CONTAINERS, OF_WATCHER
from shim.watch.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shim.watch.metrics import Book, Metric, Series

LOOPBACK, PORT, HIGHEST = "127.0.0.1", 9435, 65535
NAME = "cgshim.prom"
PATIENCE = 10  # seconds for a client to send its request
SELDOM = 14.0  # seconds at least between two files: node_exporter is scraped at most every 15
HOW = "an address is ADDR:PORT, for instance 127.0.0.1:9435, [::1]:9435, or :9435 for this host alone"
INSTALL = (
    "install prometheus_client: pip install 'cgshim[watch]', or Debian's python3-prometheus-client",
    "or leave out --prometheus and --textfile",
)


def address(text: str) -> tuple[str, int]:
    """Return host and port of `ADDR:PORT`, `[ADDR]:PORT` or `:PORT`. Raises ShimError "bad-address"."""
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise _bad(text, "an IPv6 address needs brackets")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > HIGHEST:
        raise _bad(text, f"{port!r} is not a port" if colon else "it has no port")
    return host or LOOPBACK, int(port)


def _bad(text: str, why: str) -> ShimError:
    return ShimError("bad-address", f"{text!r} is not an address to serve metrics on: {why}", remedy=(HOW,))


class Metrics:
    """A collector for prometheus_client: the newest values of a book. Raises ShimError "no-prometheus-client"."""

    def __init__(self, book: Book) -> None:
        try:
            from prometheus_client import CollectorRegistry
        except ImportError as error:
            raise ShimError(
                "no-prometheus-client",
                "metrics need the Python library prometheus_client, which is not installed",
                evidence=(str(error),),
                remedy=INSTALL,
            ) from error
        self.book = book
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)

    def describe(self) -> list[Any]:
        """Return []: there may be no container yet."""
        return []

    def collect(self) -> Iterator[Any]:
        """Yield all families, also those without a value."""
        from prometheus_client.core import GaugeMetricFamily

        build = GaugeMetricFamily("cgshim_build_info", "The version of cgshim.", labels=["version"])
        build.add_metric([__version__], 1)
        yield build
        sorted_out: dict[str, list[Series]] = {}
        for one in self.book.series():
            sorted_out.setdefault(one.family.name, []).append(one)
        for family in (*OF_WATCHER, *OF_CONTAINERS):
            yield _shown(family, sorted_out.get(family.name, []))

    def text(self) -> bytes:
        """Return the text format."""
        from prometheus_client import generate_latest

        return bytes(generate_latest(self.registry))


def _shown(family: Metric, series: list[Series]) -> Any:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    names = [*(LABELS if family in OF_CONTAINERS else ()), *([family.label] if family.label else [])]
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    shown = kind(family.name, family.help, labels=names)
    for one in series:
        shown.add_metric([*one.labels, *([one.extra] if family.label else [])], one.value)
    return shown


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """Like WSGIServer, but without a name lookup of this host."""
        socket.socket.setsockopt(self.socket, socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = PATIENCE

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 # the base class calls it so
        """Log nothing."""

    def address_string(self) -> str:
        """Return the client's address, not its name."""
        return str(self.client_address[0])


class Exporter(Sink):
    """Serves a book's metrics over HTTP from threads of their own. Raises ShimError "cannot-listen"."""

    def __init__(self, book: Book, host: str, port: int) -> None:
        metrics = Metrics(book)
        from prometheus_client import make_wsgi_app

        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            server = _Server6 if found[0] == socket.AF_INET6 else _Server
            self.server = server(found[4][:2], _Handler)  # type: ignore[arg-type]
        except (OSError, UnicodeError) as error:  # the latter for an impossible name, such as a..b
            raise _cannot_listen(host, port, error) from error
        self.server.set_app(make_wsgi_app(metrics.registry))
        threading.Thread(target=self.server.serve_forever, name="metrics", daemon=True).start()

    @property
    def url(self) -> str:
        """The address to scrape."""
        host, port = self.server.server_address[:2]
        name = str(host)
        return f"http://{f'[{name}]' if ':' in name else name}:{port}/metrics"

    def close(self) -> None:
        """Stop serving."""
        self.server.shutdown()
        self.server.server_close()


def _cannot_listen(host: str, port: int, error: OSError | UnicodeError) -> ShimError:
    why = getattr(error, "strerror", None) or str(error)
    return ShimError(
        "cannot-listen",
        f"metrics cannot be served on {host} port {port}: {why}",
        remedy=("name an address of this host and a port that nobody listens on", HOW),
    )


class Textfile(Sink):
    """Writes a book's metrics to DIRECTORY/cgshim.prom, at a limited rate; removes the file when the watcher ends.

    Raises ShimError "unwritable-output". node_exporter reads the old file or the new one, never a partial one.
    """

    def __init__(self, book: Book, directory: str, *, keep: bool = False) -> None:
        """keep: the file stays when the watcher ends, because this watcher looks only once."""
        self.keep, self.written = keep, -SELDOM
        self.metrics = Metrics(book)
        self.path = os.path.join(directory, NAME)
        self.beside = os.path.join(directory, f".{NAME}.{os.getpid()}")  # ignored: does not end in .prom
        try:
            self._write()
        except OSError as error:
            raise ShimError(
                "unwritable-output",
                f"{directory}: no file can be written there: {error.strerror}",
                remedy=("name the directory that node_exporter has for --collector.textfile.directory",),
            ) from error

    def tick(self, now: float) -> None:
        """Write the file if it is due. Raises OSError, for instance on a full disk; the old file then stays."""
        if now - self.written >= SELDOM:
            self._write()
            self.written = now

    def close(self) -> None:
        """Remove the file, so that no metrics of an ended watcher remain."""
        if not self.keep and os.path.exists(self.path):
            os.unlink(self.path)

    def _write(self) -> None:
        try:
            with open(self.beside, "wb") as file:
                file.write(self.metrics.text())
            os.chmod(self.beside, 0o644)  # node_exporter runs as another user
            os.replace(self.beside, self.path)
        finally:
            if os.path.lexists(self.beside):
                os.unlink(self.beside)

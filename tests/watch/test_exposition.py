"""Metrics as Prometheus reads them: over HTTP, and in a file for node_exporter."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from integration.capabilities import require
from shim.errors import ShimError
from shim.watch.exposition import Exporter, Textfile, address
from shim.watch.metrics import Book
from tests.syntax import ROOT
from tests.watched_made import sample

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:9435", "127.0.0.1", 9435),
        (":9435", "127.0.0.1", 9435),
        ("0.0.0.0:80", "0.0.0.0", 80),
        ("[::1]:9435", "::1", 9435),
        ("[::]:9435", "::", 9435),
        ("localhost:65535", "localhost", 65535),
        ("127.0.0.1:0", "127.0.0.1", 0),
    ],
)
def test_address(text: str, host: str, port: int) -> None:
    """IPv6 in brackets; without an address only this host may scrape."""
    assert address(text) == (host, port)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("9435", "it has no port"),
        ("localhost", "it has no port"),
        ("localhost:", "'' is not a port"),
        ("localhost:http", "'http' is not a port"),
        ("localhost:65536", "'65536' is not a port"),
        ("localhost:-1", "'-1' is not a port"),
        ("localhost:²", "'²' is not a port"),
        ("::1:9435", "an IPv6 address needs brackets"),
    ],
)
def test_bad_address(text: str, why: str) -> None:
    """One sentence says what is wrong, one what to write."""
    with pytest.raises(ShimError) as caught:
        address(text)
    assert caught.value.what == f"{text!r} is not an address to serve metrics on: {why}"
    assert caught.value.remedy[0].startswith("an address is ADDR:PORT")


def _book() -> Book:
    book = Book()
    book.sample(sample('a"\\b', events={"oom_kill": 2}))
    book.tick(1000)
    return book


def _read(text: str) -> dict[str, Any]:
    """Prometheus' own parser: name of the sample -> (labels, value)."""
    families = text_string_to_metric_families(text)
    return {one.name: (one.labels, one.value) for family in families for one in family.samples}


def _scraped(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        return str(answer.read().decode())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_scrape(host: str) -> None:
    """Names, labels and values arrive as they are, over both protocols; a later scrape has later values."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.bind((host, 0))
    except OSError as error:
        require("a socket", f"none on {host}: {error}")
    book = _book()
    exporter = Exporter(book, host, 0)
    try:
        found = _read(_scraped(exporter.url))
        labels = {"id": ('a"\\b' * 3)[:12], "container": 'a"\\b', "pod": "", "engine": "podman"}
        assert found["cgshim_container_oom_kills_total"] == (labels, 2)
        assert found["cgshim_watch_containers"] == ({}, 1)
        book.sample(sample('a"\\b', events={"oom_kill": 3}))
        book.tick(1001)
        assert _read(_scraped(exporter.url))["cgshim_container_oom_kills_total"] == (labels, 3)
    finally:
        exporter.close()


def test_closed_exporter_gives_its_port_back() -> None:
    """Another watcher can listen there at once."""
    first = Exporter(_book(), "127.0.0.1", 0)
    port = first.server.server_port
    first.close()
    Exporter(_book(), "127.0.0.1", port).close()


@pytest.mark.parametrize(
    ("host", "words"),
    [("192.0.2.1", "Cannot assign requested address"), ("a..b", "label empty or too long")],
)
def test_address_that_is_not_here(host: str, words: str) -> None:
    """192.0.2.0/24 belongs to no host (RFC 5737); a name may be none."""
    with pytest.raises(ShimError) as caught:
        Exporter(_book(), host, 9435)
    assert caught.value.code == "cannot-listen"
    assert caught.value.what.startswith(f"metrics cannot be served on {host} port 9435: ")
    assert words in caught.value.what


def test_port_in_use() -> None:
    """The kernel's own word for it."""
    first = Exporter(_book(), "127.0.0.1", 0)
    try:
        with pytest.raises(ShimError) as caught:
            Exporter(_book(), "127.0.0.1", first.server.server_port)
        assert caught.value.what.endswith("Address already in use")
    finally:
        first.close()


def test_client_that_sends_nothing_does_not_stop_scrapes() -> None:
    """Each connection has a thread of its own."""
    exporter = Exporter(_book(), "127.0.0.1", 0)
    try:
        with socket.create_connection(("127.0.0.1", exporter.server.server_port)):
            assert "cgshim_build_info" in _scraped(exporter.url)
    finally:
        exporter.close()


def test_textfile(tmp_path: Path) -> None:
    """Readable for node_exporter's user, replaced whole and not too often, nothing beside it, gone with the watcher."""
    book = _book()
    sink = Textfile(book, str(tmp_path))
    sink.tick(1000)
    file = tmp_path / "cgshim.prom"
    before = file.stat().st_ino
    assert _read(file.read_text())["cgshim_container_oom_kills_total"][1] == 2
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    sink.tick(1005)
    assert file.stat().st_ino == before
    sink.tick(1015)
    assert file.stat().st_ino != before
    assert os.listdir(tmp_path) == ["cgshim.prom"]
    sink.close()
    assert os.listdir(tmp_path) == []


def test_textfile_stays_after_a_single_look(tmp_path: Path) -> None:
    """With --once it is there for the next scrape."""
    sink = Textfile(_book(), str(tmp_path), keep=True)
    sink.close()
    assert os.listdir(tmp_path) == ["cgshim.prom"]


def test_full_disk_leaves_the_old_textfile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of a file is never seen, and nothing stays beside it."""
    sink = Textfile(_book(), str(tmp_path))
    before = (tmp_path / "cgshim.prom").read_bytes()

    def full(source: str, target: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shim.watch.exposition.os.replace", full)
    with pytest.raises(OSError, match="No space left"):
        sink.tick(1005)
    assert (tmp_path / "cgshim.prom").read_bytes() == before
    assert os.listdir(tmp_path) == ["cgshim.prom"]


def test_directory_that_cannot_be_written(tmp_path: Path) -> None:
    """Found before the watching begins."""
    with pytest.raises(ShimError) as caught:
        Textfile(_book(), str(tmp_path / "absent"))
    assert caught.value.code == "unwritable-output"
    assert caught.value.what == f"{tmp_path}/absent: no file can be written there: No such file or directory"


def test_library_that_is_missing_is_named() -> None:
    """Without prometheus_client the message says what to install; the module itself can be imported."""
    program = (
        "import sys; sys.modules['prometheus_client'] = None\n"
        "from shim.watch.exposition import Exporter\n"
        "from shim.watch.metrics import Book\n"
        "from shim.errors import ShimError\n"
        "try:\n    Exporter(Book(), '127.0.0.1', 0)\n"
        "except ShimError as error:\n    print(error.text())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=ROOT)
    verdict, _, install, _ = done.stdout.splitlines()
    assert verdict == (
        "cgshim: metrics need the Python library prometheus_client, which is not installed [no-prometheus-client]"
    )
    assert install == (
        "  remedy: install prometheus_client: pip install 'cgshim[watch]', or Debian's python3-prometheus-client"
    )

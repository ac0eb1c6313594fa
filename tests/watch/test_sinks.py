"""Where alerts go: what arrives at a file, the journal, syslog and a webhook."""

from __future__ import annotations

import http.server
import io
import json
import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from shim.watch.alert import Alert
from shim.watch.sinks import file_alerts, journal_alerts, stdout_alerts, syslog_alerts, webhook
from shim.watch.spool import Spool
from shim.watch.webhook import Webhook
from shim.watch.words import message
from tests.watch.made import ID, M

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def _alert(number: int = 1, **fields: Any) -> Alert:
    plain: dict[str, Any] = {
        "time": 1000.0,
        "type": "oom_kill",
        "id": ID,
        "engine": "docker",
        "name": "web",
        "pod": "shop/front",
        "threshold": None,
        "usage": 10 * M,
        "limit": 64 * M,
        "serial": f"oom_kill:{ID}:5:{number}",
        "message": "the kernel killed a (7) of container web",
        "evidence": {"count": 1},
    }
    return Alert(**{**plain, **fields})


def test_a_stream_gets_a_line_each() -> None:
    """JSON in ASCII, flushed; a name with a line end in it does not end the line."""
    stream = io.StringIO()
    stdout_alerts(stream).alert(_alert(name="a\nb\x1b[2J"))
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["container_name"] == "a\nb\x1b[2J"
    assert line.isascii()
    assert "\x1b" not in line


def test_a_file_is_appended_to_and_looked_into(tmp_path: Path) -> None:
    """It is opened for each alert, so that it may be moved away; what it has already it knows."""
    path = tmp_path / "alerts"
    sink = file_alerts(str(path))
    sink.alert(_alert(1))
    assert (sink.has(_alert(1).serial), sink.has(_alert(2).serial), sink.has("oom_kill:")) == (True, False, False)
    path.rename(tmp_path / "alerts.1")
    sink.alert(_alert(2))
    assert [json.loads(line)["serial"] for line in path.read_text().splitlines()] == [_alert(2).serial]


def test_a_file_that_cannot_be_written_is_an_error_at_once(tmp_path: Path) -> None:
    """Not at the first alert."""
    with pytest.raises(FileNotFoundError):
        file_alerts(str(tmp_path / "missing" / "alerts"))


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[socket.socket]:
    """A datagram socket as journald and syslog have one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as found:
        found.bind(str(tmp_path / "socket"))
        found.settimeout(10)
        yield found


def _fields(data: bytes) -> dict[str, str]:
    """What journald makes of a datagram: JOURNAL_NATIVE_PROTOCOL of systemd, written from its text."""
    found, rest = {}, data
    while rest:
        line, _, rest = rest.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            length = int.from_bytes(rest[:8], "little")
            value, rest = rest[8 : 8 + length], rest[8 + length + 1 :]
        found[name.decode()] = value.decode()
    return found


def test_the_journal_gets_fields(daemon: socket.socket, tmp_path: Path) -> None:
    """Each part of the alert is a field; a value with a line end arrives whole and makes no field of its own."""
    journal_alerts(str(tmp_path / "socket")).alert(_alert(name="web\nPRIORITY=0"))
    fields = _fields(daemon.recv(65536))
    assert fields == {
        "MESSAGE": "the kernel killed a (7) of container web",
        "PRIORITY": "3",
        "SYSLOG_IDENTIFIER": "cgshim-watch",
        "SYSLOG_FACILITY": "3",
        "CGSHIM_ALERT_TYPE": "oom_kill",
        "CGSHIM_CONTAINER_ID": "0123456789ab",
        "CGSHIM_CONTAINER_FULL_ID": ID,
        "CGSHIM_CONTAINER_NAME": "web\nPRIORITY=0",
        "CGSHIM_ENGINE": "docker",
        "CGSHIM_POD": "shop/front",
        "CGSHIM_SERIAL": f"oom_kill:{ID}:5:1",
        "CGSHIM_REPEATED": "0",
        "CGSHIM_USAGE_BYTES": str(10 * M),
        "CGSHIM_LIMIT_BYTES": str(64 * M),
        "CGSHIM_EVIDENCE": '{"count": 1}',
    }


NASTY = {
    "line ends": "web\nPRIORITY=0\nCGSHIM_ENGINE=forged\n",
    "a value with its length": "web\nMESSAGE\n" + "\x04" + "\0" * 7 + "fake\n",
    "control characters": "web\x1b[2J\x07\x00\x85\u2028",
    "an equals sign": "MESSAGE=forged",
    "half a character": "web\udc80\ud800",
    "a syslog line": "web\n<8>sshd[1]: forged",
    "a million characters": "\U0001f600" * 1_000_000,
}
FOREIGN = ("name", "pod", "engine", "id")


@pytest.mark.parametrize("value", NASTY.values(), ids=NASTY)
@pytest.mark.parametrize("part", FOREIGN)
def test_no_name_forges_a_field(daemon: socket.socket, tmp_path: Path, part: str, value: str) -> None:
    """The entry has its fields, each once, and what somebody else wrote is in the value of one.

    It arrives, however long a name is; the message is one line.
    """
    sink = journal_alerts(str(tmp_path / "socket"))
    sink.alert(_alert())
    plain = _fields(daemon.recv(1 << 20))
    alert = _alert().changed(**{part: value})
    sink.alert(alert.changed(message=message(alert)))
    fields = _fields(daemon.recv(1 << 20))
    assert list(fields) == list(plain)
    own = {"name": "CONTAINER_NAME", "pod": "POD", "engine": "ENGINE", "id": "CONTAINER_FULL_ID"}[part]
    assert fields[f"CGSHIM_{own}"] == value[:4096].encode("utf-8", "backslashreplace").decode()
    others = set(fields) - {f"CGSHIM_{own}", "MESSAGE", *(["CGSHIM_CONTAINER_ID"] if part == "id" else [])}
    assert {name: fields[name] for name in others} == {name: plain[name] for name in others}
    assert fields["MESSAGE"].isprintable()


def test_evidence_of_any_length_arrives(daemon: socket.socket, tmp_path: Path) -> None:
    """What is too long for a datagram is left out, which is said."""
    journal_alerts(str(tmp_path / "socket")).alert(_alert(evidence={"victims": ["x" * 4096] * 100}))
    assert _fields(daemon.recv(1 << 20))["CGSHIM_EVIDENCE"] == '{"left_out": "longer than 65536 bytes"}'


@pytest.mark.parametrize("value", NASTY.values(), ids=NASTY)
def test_no_name_forges_a_syslog_line(daemon: socket.socket, tmp_path: Path, value: str) -> None:
    """One line in ASCII that every daemon takes, whatever the names are, and the object in it is whole."""
    alert = _alert().changed(**dict.fromkeys((*FOREIGN, "serial", "message"), value))
    syslog_alerts(str(tmp_path / "socket")).alert(alert)
    data = daemon.recv(1 << 20)
    head = f"<27>cgshim-watch[{os.getpid()}]: cgshim-alert: ".encode()
    assert data.startswith(head)
    assert len(data) <= 8000
    assert all(32 <= byte < 127 for byte in data)
    found = json.loads(data[len(head) :])
    assert found["alert_type"] == "oom_kill"
    assert value.startswith(found["container_name"])
    assert found["container_name"] == value or len(value) > 50


def test_syslog_gets_a_line(daemon: socket.socket, tmp_path: Path) -> None:
    """Facility daemon, severity error (3) or warning (4), then the object; a long one comes without its evidence."""
    sink = syslog_alerts(str(tmp_path / "socket"))
    sink.alert(_alert())
    sink.alert(_alert(type="pressure", evidence={"victims": "x" * 9000}))
    first, second = daemon.recv(65536).decode(), daemon.recv(65536).decode()
    head = f"<27>cgshim-watch[{os.getpid()}]: cgshim-alert: "
    assert first.startswith(head)
    assert json.loads(first[len(head) :]) == _alert().shape()
    assert second.startswith("<28>")
    assert json.loads(second[len(head) :])["evidence"] == {"left_out": "longer than 8000 bytes"}


def test_no_daemon(tmp_path: Path) -> None:
    """Asked for on a host without one: an error at once. One that goes away later: an error that names the socket."""
    with pytest.raises(FileNotFoundError):
        journal_alerts(str(tmp_path / "none"))
    (tmp_path / "stale").touch()
    with pytest.raises(OSError, match="stale"):
        syslog_alerts(str(tmp_path / "stale")).alert(_alert())


class Receiver(http.server.BaseHTTPRequestHandler):
    """Keeps what is posted, and answers as the server says."""

    def do_POST(self) -> None:
        """One alert."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.server.answers.pop(0) if self.server.answers else 204  # type: ignore[attr-defined]
        if 200 <= status < 300:
            self.server.got.append((json.loads(body), dict(self.headers)))  # type: ignore[attr-defined]
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()

    def do_GET(self) -> None:
        """Where a redirected POST would go."""
        self.server.got.append(("GET", self.path))  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


class Server:
    """A receiver that may go down and come back on its port."""

    def __init__(self) -> None:
        self.port = 0
        self.got: list[Any] = []
        self.answers: list[int] = []

    def up(self) -> None:
        """Listen."""
        self.server = http.server.HTTPServer(("127.0.0.1", self.port), Receiver)
        self.port = self.server.server_port
        self.server.got, self.server.answers = self.got, self.answers  # type: ignore[attr-defined]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def down(self) -> None:
        """No longer."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def serials(self, count: int) -> list[str]:
        """What has arrived, once it is so many."""
        deadline = time.monotonic() + 60
        while len(self.got) < count and time.monotonic() < deadline:
            time.sleep(0.02)
        return [body["serial"] for body, _ in self.got]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A receiver that is up; proxies of the machine are nothing to it."""
    monkeypatch.setenv("no_proxy", "*")
    found = Server()
    found.up()
    yield found
    found.down()


def _hook(server: Server, spool: str) -> Webhook:
    return Webhook(f"http://127.0.0.1:{server.port}/hook", Spool(spool), first=0.05)


def test_a_webhook_gets_json(server: Server, state_directory: Path) -> None:
    """A POST for each alert, with its serial in a header; nothing stays in the spool."""
    hook = _hook(server, str(state_directory / "spool"))
    hook.alert(_alert())
    assert server.serials(1) == [_alert().serial]
    hook.close()
    body, headers = server.got[0]
    assert (body, headers["Content-Type"]) == (_alert().shape(), "application/json")
    assert headers["Cgshim-Alert-Serial"] == _alert().serial
    assert list((state_directory / "spool").iterdir()) == []


def test_a_webhook_that_is_down_loses_nothing(server: Server, state_directory: Path) -> None:
    """What comes meanwhile waits on disk, a restart of the watcher included, and arrives in order."""
    spool = str(state_directory / "spool")
    server.down()
    hook = _hook(server, spool)
    for number in (1, 2):
        hook.alert(_alert(number))
    assert (hook.has(_alert(2).serial), hook.has(_alert(3).serial)) == (True, False)
    hook.close()
    again = _hook(server, spool)
    again.alert(_alert(3))
    server.up()
    assert server.serials(3) == [_alert(number).serial for number in (1, 2, 3)]
    again.close()
    assert again.failed == ""


@pytest.mark.parametrize("status", [500, 404, 302])
def test_an_answer_that_is_no_success_is_tried_again(server: Server, state_directory: Path, status: int) -> None:
    """A redirect would turn the POST into a GET without the alert; so it counts as a failure."""
    server.answers[:] = [status, status]
    hook = _hook(server, str(state_directory / "spool"))
    hook.alert(_alert())
    assert server.serials(1) == [_alert().serial]
    hook.close()


@pytest.mark.parametrize("url", ["", "ftp://host/", "http:/host", "http://", "file:///etc/passwd", "https:///path"])
def test_a_bad_url(state_directory: Path, url: str) -> None:
    """Refused before anything is watched, with what it should be."""
    with pytest.raises(ValueError, match="is not a URL that begins with http:// or https:// and names a host"):
        webhook(url, str(state_directory / "spool"))


def test_the_spool_is_bounded(state_directory: Path) -> None:
    """By number and by bytes; the oldest go, and how many is known."""
    spool = Spool(str(state_directory / "spool"), most=3, largest=100)
    for number in range(5):
        spool.put(b"%d" % number)
    assert (len(spool), spool.dropped, spool.first()) == (3, 2, (3, b"2"))
    spool.put(b"x" * 99)
    assert (len(spool), spool.first()) == (2, (5, b"4"))


def test_the_spool_outlives_its_process(state_directory: Path) -> None:
    """Another one goes on where the first was; files of others are left alone."""
    place = state_directory / "spool"
    first = Spool(str(place))
    first.put(b"one")
    (place / "note.txt").write_text("mine")
    second = Spool(str(place))
    second.put(b"two")
    number, data = second.first() or (0, b"")
    second.done(number)
    assert (data, second.first()) == (b"one", (2, b"two"))
    assert (place / "note.txt").read_text() == "mine"


def test_a_spool_that_others_may_write_to(state_directory: Path) -> None:
    """Whoever could put an object there could have the watcher post it."""
    (state_directory / "spool").mkdir()
    (state_directory / "spool").chmod(0o777)
    with pytest.raises(PermissionError):
        Spool(str(state_directory / "spool"))

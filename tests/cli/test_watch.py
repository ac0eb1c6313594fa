"""`cgshimctl watch` on an empty host: what it writes where, how it ends, and one clear error for each bad argument."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from shim.cli.main import main
from shim.containers.container import Container
from shim.containers.inventory import Inventory
from tests.syntax import ROOT

if TYPE_CHECKING:
    from pathlib import Path

MEMBERSHIP = "0::/\n"
MOUNT = "25 1 0:20 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A root of a file system with /proc and no container."""
    root = tmp_path / "root"
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(MEMBERSHIP)
    (root / "proc/self/mountinfo").write_text(MOUNT)
    return root


def _watch(tree: Path, *arguments: str) -> Any:
    return CliRunner().invoke(main, ["watch", "--tree", str(tree), "--once", *arguments])


def _started(tree: Path, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "shim.cli.main", "watch", "--tree", str(tree), "--interval", "0.2", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    return subprocess.Popen(argv, env=environment, cwd=ROOT, **pipes)


def test_empty_host_has_an_empty_table(tree: Path) -> None:
    """The head says how many there are, the titles stand below; status 0."""
    found = _watch(tree)
    head, titles = found.stdout.splitlines()[:2]
    assert found.exit_code == 0
    assert head.endswith(f"UTC  {os.uname().nodename}: 0 containers, nearest to its limit first, every 5 s")
    assert " ".join(titles.split()) == (
        "ENGINE NAME WORKING LIMIT HEADROOM SWAP PEAK PRESSURE GROWTH/s OOM THROTTLED ALLOC/s"
    )


def test_json_of_an_empty_host_is_empty(tree: Path) -> None:
    """No container, no line."""
    found = _watch(tree, "--json")
    assert (found.exit_code, found.stdout) == (0, "")


def test_container_that_does_not_run(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing to watch in a container that has ended, and the command says so at once."""
    web = Container(id="a" * 64, name="web", engine="podman", state="stopped")
    monkeypatch.setattr("shim.cli.watch.inventory", lambda *_: Inventory(containers=(web,), cgroups={}))
    result = _watch(tree, "web")
    assert result.exit_code == 3
    said = "cgshim: the container web does not run, so there is nothing to watch [not-running]\n"
    assert result.stderr.startswith(said)


def test_stdout_is_for_alerts_alone_where_they_are_sent(tree: Path, tmp_path: Path) -> None:
    """Outside of a terminal a table would be in the way of what was asked for."""
    for where in ("stdout", f"file:{tmp_path}/alerts"):
        found = _watch(tree, "--alert", where)
        assert (found.exit_code, found.stdout) == (0, ""), found.output


def test_textfile_of_a_single_look(tree: Path, tmp_path: Path) -> None:
    """Written and left there, also on a host without containers; nothing on stdout."""
    found = _watch(tree, "--textfile", str(tmp_path))
    assert (found.exit_code, found.stdout) == (0, "")
    assert "\ncgshim_watch_containers 0.0\n" in (tmp_path / "cgshim.prom").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--all", "web"), "--all is every container; leave out the names"),
        (("--json", "--alert", "stdout"), "--json has the alerts already; leave out --alert stdout"),
        (("--prometheus", ":0"), "--once ends before anybody can scrape; use --textfile, or leave out --once"),
        (
            ("--alert", "mail"),
            "--alert 'mail' is not one of stdout, file:PATH, journald, syslog, or a URL that begins with http:// or https://",
        ),
        (("--alert", "file:"), "--alert 'file:' is not one of "),
        (
            ("--alert", "http://192.0.2.1/"),
            "--alert URL wants --state DIR, where alerts wait while the URL does not answer",
        ),
        (("--interval", "0"), "0.0 is not in the range 0.2<=x<=3600.0"),
        (("--interval", "soon"), "'soon' is not a valid float"),
        (("--sort", "colour"), "'colour' is not one of "),
    ],
)
def test_wrong_usage(tree: Path, arguments: tuple[str, ...], words: str) -> None:
    """Status 2, and the sentence that says what to do instead."""
    found = _watch(tree, *arguments)
    assert found.exit_code == 2
    assert words in " ".join(found.stderr.split()).replace("│", "")
    assert found.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "verdict"),
    [
        (("web",), "this host has no container web [no-container]"),
        (("--textfile", "{0}/absent"), "{0}/absent: no file can be written there: No such file or directory "),
        (
            ("--alert", "file:{0}/absent/x"),
            "--alert file:{0}/absent/x takes no alerts: {0}/absent/x: No such file or directory ",
        ),
        (("--state", "/proc/x"), "/proc/x cannot be written: No such file or directory "),
        (("--tree", "{0}"), "{0} is not a captured host: it has no proc directory "),
    ],
)
def test_bad_input(tree: Path, tmp_path: Path, arguments: tuple[str, ...], verdict: str) -> None:
    """Status 3, one message on stderr, before anything is watched."""
    found = _watch(tree, *(one.format(tmp_path) for one in arguments))
    assert (found.exit_code, found.stdout) == (3, "")
    first, *rest = found.stderr.splitlines()
    assert first.startswith(f"cgshim: {verdict.format(tmp_path)}")
    assert any(line.startswith("  remedy: ") for line in rest)


@pytest.mark.parametrize(("where", "path"), [("journald", "JOURNAL"), ("syslog", "SYSLOG")])
def test_daemon_that_is_not_there(
    tree: Path, tmp_path: Path, where: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host without journald, or without a syslog daemon, is told before the first alert would be lost."""
    monkeypatch.setattr(f"shim.watch.sinks.{path}", f"{tmp_path}/absent")
    found = _watch(tree, "--alert", where)
    assert found.exit_code == 3
    verdict, remedy = found.stderr.splitlines()
    place = f"{tmp_path}/absent: No such file or directory"
    assert verdict == f"cgshim: --alert {where} takes no alerts: {place} [unwritable-output]"
    assert remedy.startswith("  remedy: ")


@pytest.mark.parametrize(
    ("address", "verdict"),
    [
        ("9435", "'9435' is not an address to serve metrics on: it has no port [bad-address]"),
        (
            "192.0.2.1:1",
            "metrics cannot be served on 192.0.2.1 port 1: Cannot assign requested address [cannot-listen]",
        ),
    ],
)
def test_address_that_cannot_be_used(tree: Path, address: str, verdict: str) -> None:
    """Said before the watching begins, not at the first scrape."""
    found = CliRunner().invoke(main, ["watch", "--tree", str(tree), "--prometheus", address])
    assert (found.exit_code, found.stdout) == (3, "")
    assert found.stderr.splitlines()[0] == f"cgshim: {verdict}"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_ends_it_cleanly(tree: Path, tmp_path: Path, number: signal.Signals) -> None:
    """Watching has no other end: status 0, nothing on stderr, the textfile taken away."""
    watching = _started(tree, "--textfile", str(tmp_path))
    file = tmp_path / "cgshim.prom"
    deadline = time.monotonic() + 60
    while not (file.exists() and "cgshim_watch_containers 0.0" in file.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    watching.send_signal(number)
    out, err = watching.communicate(timeout=60)
    assert (watching.returncode, out, err) == (0, "", "")
    assert not file.exists()


def test_reader_that_goes_away_ends_it(tree: Path) -> None:
    """`watch | head -1`: no traceback, no endless writing."""
    watching = _started(tree)
    assert watching.stdout is not None
    assert watching.stderr is not None
    assert "containers" in watching.stdout.readline()
    watching.stdout.close()
    assert watching.wait(timeout=60) == 0
    assert watching.stderr.read() == ""
    watching.stderr.close()


def test_without_rich_it_is_said_what_to_install(tree: Path) -> None:
    """On a terminal: a plain table, and one line that says how to get the better one. In a pipe nobody wants that."""
    program = (
        "import sys; sys.modules['rich'] = None\n"
        "from shim.cli.main import main\n"
        f"main(['watch', '--once', '--tree', {str(tree)!r}], prog_name='cgshimctl')"
    )
    leader, follower = os.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-c", program], check=False, stdout=follower, stderr=subprocess.PIPE, text=True, cwd=ROOT
        )
        shown = os.read(leader, 65536).decode()
    finally:
        os.close(leader)
        os.close(follower)
    assert done.returncode == 0
    assert done.stderr == (
        "note: for a table that is redrawn in place install rich: pip install 'cgshim[watch]', or Debian's "
        "python3-rich; --json suits programs\n"
    )
    assert "0 containers" in shown
    piped = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=ROOT)
    assert piped.stderr == ""


def test_help_imports_nothing_of_the_watcher() -> None:
    """`cgshimctl --help` and the other commands pay for neither rich nor prometheus_client nor the watcher's rooms."""
    program = (
        "import sys\nfrom shim.cli.main import main\n"
        "try:\n    main(['version'], prog_name='cgshimctl')\nexcept SystemExit:\n    pass\n"
        "print(sorted(name for name in sys.modules if name.split('.')[0] in ('rich', 'prometheus_client', 'pyroute2') "
        "or name.startswith(('shim.watch', 'shim.cli.watch'))))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "[]"


def test_base_install_is_as_small_as_it_was() -> None:
    """What the watcher shows more with is an extra; nobody else installs it."""
    from shim.engines.toml_text import parsed

    project = parsed((ROOT / "pyproject.toml").read_text(), "pyproject.toml")["project"]
    needed = {re.split("[<>=]", one)[0] for one in project["dependencies"]}
    assert needed == {"click", "pyroute2", "python-prctl", "tomlkit"}
    extras = {
        name: {re.split("[<>=]", one)[0] for one in needs} for name, needs in project["optional-dependencies"].items()
    }
    assert extras == {"watch": {"prometheus-client", "rich"}}


def test_alerts_and_lines_say_their_schema() -> None:
    """Each line of --json is an object with "schema" and "type"."""
    import io

    from shim.cli.watched.json_lines import JsonLines
    from tests.watched_made import alert, event, sample

    stream = io.StringIO()
    sink = JsonLines(stream)
    sink.sample(sample())
    sink.event(event("started"))
    sink.alert(alert())
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["schema"], line["type"]) for line in lines] == [(1, "sample"), (1, "event"), (1, "alert")]
    assert lines[0]["memory"]["working_set"] == 52428800
    assert lines[2]["container_id"] == ("web" * 4)[:12]


def test_as_many_open_files_as_the_hard_limit_allows() -> None:
    """The soft limit is 1024 by default, and 1,000 containers on v1 take more."""
    code = (
        "import resource as r\n"
        "hard = r.getrlimit(r.RLIMIT_NOFILE)[1]\n"
        "r.setrlimit(r.RLIMIT_NOFILE, (64, hard))\n"
        "from shim.cli.watch import _open_files\n"
        "_open_files()\n"
        "print(r.getrlimit(r.RLIMIT_NOFILE) == (hard, hard))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=ROOT)
    assert (done.stdout, done.stderr) == ("True\n", "")

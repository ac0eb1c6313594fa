"""A package that cannot be loaded, or that fails inside: one line on both of the engine's channels, no traceback."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from shim.call import channel
from shim.planning import injection
from shim.start import import_fault
from tests.syntax import ROOT

if TYPE_CHECKING:
    from pathlib import Path

ENTRY = "shim.call.entry"
RAISE = 'raise ImportError("broken on purpose,\\nin two lines")\n'
BROKEN = {"at-load": RAISE, "inside": f"def load(environment, in_use):\n    {RAISE}"}
AT_LOAD = (
    "cgshim: a fault of cgshim itself: ImportError: broken on purpose, in two lines; install it again, or report it"
)
INSIDE = "cgshim: a fault of cgshim itself: ImportError: broken on purpose, in two lines (settings.py:LINE); report it"
LINE = re.compile(r"py:\d+")
LATER = " with what CGSHIM_DEBUG=FILE writes [own-fault]"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package, to be broken, and a runtime that must not be called."""
    shutil.copytree(ROOT / "shim", tmp_path / "shim", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "config.json").write_text('{"ociVersion":"1.0.2"}')
    runtime = tmp_path / "runc"
    runtime.write_text('#!/bin/sh\necho "called with $*"\n')
    runtime.chmod(0o755)
    return tmp_path


def _break(copy: Path, text: str) -> None:
    with (copy / "shim" / "planning" / "settings.py").open("a") as file:
        file.write(text)


def _create(copy: Path, *flags: str, **variables: str) -> subprocess.CompletedProcess[str]:
    own = {"CGSHIM_RUNTIME": str(copy / "runc"), "CGSHIM_CONFIG": str(copy / "none.json"), "PATH": os.environ["PATH"]}
    argv = [str(copy / "shim" / "launcher.sh"), *flags, "create", "--bundle", str(copy), "c1"]
    return subprocess.run(argv, check=False, capture_output=True, text=True, env={**own, **variables})


@pytest.mark.parametrize("when", ["at-load", "inside"])
def test_one_line_on_both_channels(copy: Path, when: str) -> None:
    """The log is one JSON object with the line that stderr has; the runtime is not called."""
    _break(copy, BROKEN[when])
    expected = (AT_LOAD if when == "at-load" else INSIDE) + LATER
    log = copy / "log.json"
    log.write_text('{"level":"error","msg":"an earlier start"}\n')
    done = _create(copy, "--log", str(log), "--log-format=json")
    assert (done.returncode, done.stdout, LINE.sub("py:LINE", done.stderr)) == (1, "", expected + "\n")
    record = json.loads(log.read_text())
    found = {**record, "time": "", "msg": LINE.sub("py:LINE", record["msg"])}
    assert found == {"level": "error", "msg": expected, "time": ""}


@pytest.mark.parametrize("when", ["at-load", "inside"])
def test_the_traceback_goes_where_it_was_asked_for(copy: Path, when: str) -> None:
    """CGSHIM_DEBUG=FILE gets the traceback, and the message names the file."""
    _break(copy, BROKEN[when])
    debug = copy / "debug"
    done = _create(copy, CGSHIM_DEBUG=str(debug))
    assert f"report it with the traceback in {debug} [own-fault]" in done.stderr
    assert "Traceback" not in done.stderr
    assert debug.read_text().startswith("Traceback (most recent call last):\n")


def test_a_debug_file_that_cannot_be_written(copy: Path) -> None:
    """A fault is reported even so, without naming a file that is not there."""
    _break(copy, "this is no Python\n")
    done = _create(copy, CGSHIM_DEBUG="/nonexistent/debug")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.endswith(LATER + '"\n')


def test_without_a_log(copy: Path) -> None:
    """stderr has a record as the runtimes write it there when they have no log."""
    _break(copy, BROKEN["at-load"])
    done = _create(copy)
    assert re.sub(r'time="[^"]*"', 'time="T"', done.stderr) == f'time="T" level=error msg="{AT_LOAD}{LATER}"\n'


OLD = """import sys
sys.version_info = (3, 6, 8, "final", 0)
"""
TOO_OLD = (
    "cgshim: no usable Python interpreter [no-python]\n"
    "  cause: {} is Python 3.6.8, and cgshim needs 3.7 or newer\n"
    "  remedy: install a newer one, and set CGSHIM_PYTHON to its absolute path in the environment of the engine"
)


def test_python_that_is_too_old(copy: Path) -> None:
    """An old host's interpreter is named on both channels, whatever it would have stumbled over; nothing is called."""
    launcher = (copy / "shim/launcher.sh").read_text()
    program = OLD + launcher.partition("-X utf8 -c '")[2].partition("' ")[0]
    log = copy / "log.json"
    words = ["--log", str(log), "--log-format", "json", "create", "--bundle", str(copy), "c1"]
    argv = [sys.executable, "-IS", "-c", program, str(copy), str(copy / "runc"), "", *words]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    expected = TOO_OLD.format(sys.executable)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", expected + "\n")
    assert json.loads(log.read_text())["msg"] == expected


@pytest.mark.parametrize("module", ["__init__", "start/__init__", "start/archive", "start/import_fault"])
def test_what_an_old_python_reads_is_written_for_it(module: str) -> None:
    """Python 3.6's grammar, and nothing at the top that it lacks."""
    tree = ast.parse((ROOT / "shim" / f"{module}.py").read_text(), feature_version=(3, 6))
    names = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert "__future__" not in names
    signs = [node.annotation for node in ast.walk(tree) if isinstance(node, (ast.arg, ast.AnnAssign))]
    signs += [node.returns for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert [ast.dump(sign) for sign in signs if isinstance(sign, (ast.Subscript, ast.BinOp))] == []


def test_hook_that_cannot_be_loaded(copy: Path) -> None:
    """The hook that cgshim injects says so in one record on stderr, which the runtimes pass on."""
    _break(copy, BROKEN["at-load"])
    shutil.copytree(ROOT / "hooks", copy / "hooks")
    argv = [str(copy / "hooks" / "cgshim-hook"), *injection.hook("/usr/sbin/runc", "cgroupfs")["args"][1:]]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.sub(r'time="[^"]*"', 'time="T"', done.stderr) == f'time="T" level=error msg="{AT_LOAD}{LATER}"\n'


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--log", "/l", "--log-format", "json", "create", "c"], ("/l", "json")),
        (["--log-format=json", "--log=/l", "create", "c"], ("/l", "json")),
        (["--root", "--log", "-log", "/l", "create"], ("/l", "text")),
        (["--systemd-cgroup", "create", "--log", "/l"], ("", "text")),
    ],
)
def test_the_callers_log(arguments: list[str], expected: tuple[str, str]) -> None:
    """Flags before the subcommand, in each spelling; a value that looks like a flag is a value."""
    assert import_fault.caller_log(arguments) == expected


@pytest.mark.parametrize(
    ("path", "arguments", "own"),
    [
        ("/s/ns/c1/log.json", ["create", "--bundle", "/b", "c1"], True),
        ("/b/log.json", ["create", "--bundle=/b", "c1"], True),
        ("/r/c1/userdata/oci-log", ["create", "c1"], True),
        ("/r/c1/userdata/runtime.log", ["create", "c1"], False),
        ("/s/ns/c2/log.json", ["create", "--bundle", "/b", "c1"], False),
        ("/log.json", ["create", "--bundle", "/b", "c1"], False),
    ],
)
def test_whose_log(path: str, arguments: list[str], own: bool) -> None:
    """Only what is this container's is started again; the same places as in shim.call.channel."""
    assert import_fault._is_own(path, ["--log", path, *arguments]) is own
    bundle = "/b" if "--bundle" in " ".join(arguments) else ""
    assert channel.is_own(path, "c1", bundle) is own


class Ended(BaseException):
    """In the place of the process's end."""


@pytest.fixture
def ending(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The end is an exception; the call has a log in its bundle, which is the directory that is returned."""

    def end(status: int) -> None:
        assert status == 1
        raise Ended

    monkeypatch.setattr(os, "_exit", end)
    monkeypatch.delenv("CGSHIM_DEBUG", raising=False)
    words = ["--log", str(tmp_path / "log.json"), "--log-format=json", "create", "--bundle", str(tmp_path), "c1"]
    monkeypatch.setattr(sys, "argv", ["-c", "/usr/sbin/runc", "", *words])
    return tmp_path


def test_what_is_told_in_this_process(ending: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The same text on both channels."""
    (ending / "log.json").write_text("earlier")
    with pytest.raises(Ended):
        import_fault.tell(ImportError("no\nmodule"), ENTRY)
    expected = (
        "cgshim: a fault of cgshim itself: ImportError: no module; install it again, or report it with"
        " what CGSHIM_DEBUG=FILE writes [own-fault]"
    )
    assert capfd.readouterr().err == f"{expected}\n"
    assert json.loads((ending / "log.json").read_text())["msg"] == expected


def test_a_host_that_ran_out_is_no_fault(ending: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A module that cannot be opened for lack of descriptors is not broken."""
    with pytest.raises(Ended):
        import_fault.tell(OSError(24, "Too many open files", "/x/shim/planning/plan.py"), ENTRY)
    told = capfd.readouterr().err
    assert told.startswith(
        "cgshim: this process cannot open more files (EMFILE), so the call could not be carried out [h"
    )
    assert json.loads((ending / "log.json").read_text())["msg"] + "\n" == told
    with pytest.raises(Ended):
        import_fault.tell(MemoryError(), ENTRY)
    assert capfd.readouterr().err.startswith("cgshim: no memory is left (ENOMEM)")


def test_nobody_listens(ending: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """A log that is a directory, a journal or closed to us: stderr has it."""
    for log in (str(ending), "journald:x", "syslog:x", "/nonexistent/log"):
        monkeypatch.setattr(sys, "argv", ["-c", "/usr/sbin/runc", "", "--log", log, "create", "c1"])
        with pytest.raises(Ended):
            import_fault.tell(ImportError("x"), ENTRY)
        assert "[own-fault]" in capfd.readouterr().err
    assert list(ending.iterdir()) == []

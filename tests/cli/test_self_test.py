"""`cgshimctl self-test` with a program of the test's own in place of cgshim; the real one is in integration/.

The test's own process stands for the container, so the kernel shows this host's values, not those asked for.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from shim.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1 << 20
# Keeps each call and the bundle, names the process of the test as the container's, and then does as it is told.
SCRIPT = """#!/bin/sh
here=${0%/*}
echo "$*" >>"$here/calls"
for word; do
    case "$previous" in --bundle) cp "$word/config.json" "$here/config.json"; ls "$word/rootfs" >"$here/rootfs" ;;
    --pid-file) echo PID >"$word" ;; --log) log=$word ;; esac
    previous=$word
done
"""


class Program:
    """What is called in place of cgshim."""

    def __init__(self, place: Path) -> None:
        self.place, self.path = place, place / "cgshim"
        self.does("")

    def does(self, script: str) -> None:
        """At the end of each call."""
        self.path.write_text(SCRIPT.replace("PID", str(os.getpid())) + script + "\n")
        self.path.chmod(0o755)

    def calls(self) -> list[str]:
        """The words behind the options that every call has."""
        lines = (self.place / "calls").read_text().splitlines()
        return [line.split(" --log-format json ")[1] for line in lines]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Whoever runs this is root, as far as the command can tell."""
    monkeypatch.setattr("shim.cli.self_test.os.geteuid", lambda: 0)
    monkeypatch.setenv("CGSHIM_RUNTIME", "/bin/true")
    return Program(tmp_path)


def _tested(program: Program) -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(main, ["self-test", "--binary", str(program.path), "-o", "json"])
    return result.exit_code, json.loads(result.output)


def test_limits_that_the_kernel_does_not_show(program: Program) -> None:
    """Each with what was asked for and the file's content; one that differs fails the test."""
    status, shown = _tested(program)
    assert (status, shown["passed"], shown["problem"], shown["engine"]) == (1, False, "", "")
    assert shown["limits"]
    asked = {"memory.limit": 64 * MIB, "pids.limit": 50, "cpu.quota": 50000}
    for one in shown["limits"]:
        assert one["asked"] == asked[one["field"]]
        assert one["enforced"] is False
    create, start, delete = program.calls()
    name = create.rpartition(" ")[2]
    assert create.startswith("create --bundle /")
    assert (start, delete) == (f"start {name}", f"delete --force {name}")
    assert not os.path.exists(create.split()[2])


def test_the_container_has_the_host_s_programs_read_only(program: Program) -> None:
    """No image: mounts of the host's directories, links where the host has links, and only limits that it can have."""
    _tested(program)
    config = json.loads((program.place / "config.json").read_text())
    binds = [one for one in config["mounts"] if one["destination"] != "/proc"]
    assert {"/usr"} <= {one["destination"] for one in binds}
    assert all(one["options"] == ["bind", "ro", "nosuid", "nodev"] for one in binds)
    assert config["process"]["noNewPrivileges"] is True
    there = (program.place / "rootfs").read_text().split()
    assert "proc" in there
    assert [name for name in ("bin", "usr") if os.path.exists(f"/{name}")] == [n for n in ("bin", "usr") if n in there]
    limits = config["linux"]["resources"]
    assert limits.get("pids", {"limit": 50}) == {"limit": 50}
    assert limits.get("cpu", {"quota": 50000, "period": 100000}) == {"quota": 50000, "period": 100000}


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("echo broken >&2; exit 1", "broken"),
        ("exit 7", "create --bundle"),
        ("""echo '{"level":"error","msg":"first"}' >>"$log"; echo '{"msg":"the last"}' >>"$log"; exit 1""", "the last"),
        ('echo "{no json" >>"$log"; echo words; exit 1', "words"),
    ],
    ids=["stderr", "silent", "log", "log that is none"],
)
def test_a_container_that_does_not_start(program: Program, script: str, problem: str) -> None:
    """What was printed is the problem, the log's last message first; it is still deleted."""
    program.does(script)
    status, shown = _tested(program)
    assert (status, shown["passed"], shown["limits"]) == (1, False, [])
    assert problem in shown["problem"]
    assert program.calls()[-1].startswith("delete --force cgshim-self-test-")
    result = CliRunner().invoke(main, ["self-test", "--binary", str(program.path)])
    assert result.exit_code == 1
    assert f"Failed: {program.path} started no container." in result.output


def test_as_text(program: Program) -> None:
    """The verdict first, then a line for each limit."""
    result = CliRunner().invoke(main, ["self-test", "--binary", str(program.path)])
    lines = result.output.splitlines()
    assert lines[0].startswith(f"Failed: {program.path} with ")
    assert lines[0].endswith(" does not enforce every limit.")
    assert lines[1].split() == ["LIMIT", "ASKED", "KERNEL", "FILE"]


def test_a_binary_that_is_none(program: Program) -> None:
    """Named before anything is started."""
    program.path.chmod(0o644)
    result = CliRunner().invoke(main, ["self-test", "--binary", str(program.path)])
    assert result.exit_code == 3
    assert f"{program.path} is not an executable file [bad-binary]" in result.stderr

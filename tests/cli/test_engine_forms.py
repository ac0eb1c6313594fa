"""`cgshimctl engine list`, `engine status` of all engines, and install and remove as JSON and with -q."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from shim.cli.main import main
from tests.engine_machine import Machine

if TYPE_CHECKING:
    from pathlib import Path

ENGINES = ("buildkit", "containerd", "crio", "docker", "podman")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with runc."""
    return Machine(tmp_path)


def test_status_of_all_engines(machine: Machine) -> None:
    """Without a name: those that do not call cgshim are shown and decide nothing; 1 if none does."""
    result = machine.engine("status")
    assert result.exit_code == 1
    assert result.output.endswith("No engine calls cgshim.\n")
    machine.install("docker")
    result = machine.engine("status", "--json")
    assert result.exit_code == 4
    shown = json.loads(result.output)
    assert {one["engine"]: one["status"] for one in shown["engines"]} == {
        **dict.fromkeys(("podman", "containerd", "crio", "nerdctl", "buildkit"), 1),
        "docker": 4,
    }
    (machine.root / "usr/bin/cgshim").unlink()
    assert machine.engine("status").exit_code == 1


def test_list_of_engines(machine: Machine) -> None:
    """Each engine, whether it is installed, and the entry with its real runtime."""
    machine.install("docker", "--as-default")
    (machine.root / "usr/bin/crio").unlink()
    shown = json.loads(machine.engine("list", "-o", "json").output)
    by_name = {one["engine"]: one for one in shown["engines"]}
    assert [name for name, one in by_name.items() if not one["installed"]] == ["crio"]
    assert by_name["podman"]["entries"] == []
    assert by_name["docker"]["entries"] == [
        {
            "name": "cgshim",
            "binary": "/usr/bin/cgshim-runc",
            "file": "/etc/docker/daemon.json",
            "default": True,
            "runtime": "/usr/sbin/runc",
        }
    ]
    text = machine.engine("list").output
    assert "docker      yes        cgshim          yes      /usr/bin/cgshim-runc  /usr/sbin/runc\n" in text
    machine.write("/etc/docker/daemon.json", "{")
    shown = json.loads(machine.engine("list", "--json").output)
    assert "daemon.json" in next(one["problem"] for one in shown["engines"] if one["engine"] == "docker")


@pytest.mark.parametrize("engine", ENGINES)
def test_changes_as_json(machine: Machine, engine: str) -> None:
    """`changed` says whether anything was or would be done, and each file its result."""
    before = machine.files("/")
    told = json.loads(machine.install(engine, "--dry-run", "-o", "json"))
    assert (told["changed"], told["dry_run"], told["action"]) == (True, True, "install")
    assert machine.files("/") == before
    told = json.loads(machine.install(engine, "-o", "json"))
    assert (told["changed"], told["dry_run"]) == (True, False)
    assert {one["change"] for one in told["files"]} == {"created"}
    assert all(machine.has(one["path"]) for one in told["files"])
    assert json.loads(machine.install(engine, "-o", "json"))["changed"] is False
    gone = json.loads(machine.remove(engine, "-o", "json"))
    assert {one["path"]: one["change"] for one in gone["files"]} == dict.fromkeys(
        (one["path"] for one in told["files"]), "removed"
    )
    assert json.loads(machine.remove(engine, "-o", "json"))["changed"] is False


def test_quiet_prints_nothing(machine: Machine) -> None:
    """-q leaves the exit status, and errors."""
    assert machine.install("docker", "-q") == ""
    assert machine.engine("status", "docker", "--quiet").output == ""
    result = machine.engine("install", "docker", "-q", "--name", "runc")
    assert result.exit_code == 3
    assert "[bad-name]" in result.output


def test_places_and_entries_that_do_not_exist() -> None:
    """A prefix that a reboot empties, and an engine that has no entry to print: the code stands behind the verdict."""
    run = CliRunner().invoke
    done = run(main, ["engine", "install", "podman", "--prefix", "/tmp/cgshim", "--dry-run"])
    first = "cgshim: /tmp/cgshim is not suitable for a runtime: /tmp is empty after a reboot [bad-place]"
    assert (done.exit_code, done.stderr.splitlines()[0]) == (3, first)
    done = run(main, ["engine", "print", "nerdctl"])
    assert done.exit_code == 3
    assert done.stderr.splitlines()[0] == "cgshim: nerdctl has no configuration for it [no-entry]"


def test_engine_that_is_not_there(machine: Machine) -> None:
    """The entry is written, and a warning says that nothing reads it."""
    assert "not installed here" not in machine.install("docker")
    (machine.root / "usr/bin/podman").unlink()
    words = " ".join(machine.install("podman").split())
    assert "warning: podman is not installed here (no podman in /usr/bin, " in words
    assert "nothing reads the entry yet" in words

"""`cgshimctl engine` for Docker: the exact daemon.json for each situation, and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.engine_machine import Machine

if TYPE_CHECKING:
    from pathlib import Path

FILE = "/etc/docker/daemon.json"
BACKUP = FILE + ".cgshim-backup"
FRESH = '{\n  "runtimes": {\n    "cgshim": {\n      "path": "/usr/bin/cgshim-runc"\n    }\n  }\n}\n'
SITE = """\
{
    "log-driver": "journald",
    "hosts": ["fd://", "tcp://127.0.0.1:2375"],
    "default-ulimits": {"nofile": {"Name": "nofile", "Hard": 64000}},
    "max-download-attempts": 18446744073709551615
}
"""
OTHER = """\
{
  "runtimes": {
    "crun": {
      "path": "/usr/bin/crun",
      "runtimeArgs": ["--debug"]
    }
  },
  "default-runtime": "crun",
  "debug": true
}
"""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with runc and crun."""
    return Machine(tmp_path, ("/usr/sbin/runc", "/usr/bin/crun"))


def test_without_any_configuration(machine: Machine) -> None:
    """A new file with the entry alone, and the command that makes it known."""
    output = machine.install("docker")
    assert machine.files() == {FILE: FRESH}
    assert "docker reads it after: systemctl reload docker" in output


def test_removing_takes_a_restart(machine: Machine) -> None:
    """A running dockerd keeps, over a reload, runtimes and a default that the file no longer has."""
    machine.install("docker", "--as-default")
    output = machine.remove("docker")
    assert "docker reads it after: systemctl restart docker" in output
    assert "systemctl reload" not in output


@pytest.mark.parametrize("arguments", [(), ("--as-default",), ("--name", "fitted")], ids=["named", "default", "other"])
@pytest.mark.parametrize(
    "text",
    [None, SITE, OTHER, "{}", "{}\n", "", '{"debug":true}', '{"debug": true, "tls": false}', '{\n\t"debug": true\n}\n'],
    ids=["none", "site", "other", "object", "line", "empty", "tight", "one line", "tabs"],
)
def test_there_and_back(machine: Machine, text: str | None, arguments: tuple[str, ...]) -> None:
    """Install is idempotent, and after remove every byte is as it was."""
    if text is not None:
        machine.write(FILE, text)
    machine.there_and_back("docker", *arguments)


def test_existing_file_keeps_its_layout(machine: Machine) -> None:
    """Keys keep their order, lists their lines, big numbers their digits; the indentation is followed."""
    machine.write(FILE, SITE)
    machine.install("docker", "--as-default")
    end = "18446744073709551615\n}\n"
    assert machine.read(FILE) == SITE.replace(
        end,
        "18446744073709551615,\n"
        '    "runtimes": {\n'
        '        "cgshim": {\n'
        '            "path": "/usr/bin/cgshim-runc"\n'
        "        }\n"
        "    },\n"
        '    "default-runtime": "cgshim"\n'
        "}\n",
    )
    assert machine.read(BACKUP) == SITE


def test_default_entry_is_copied(machine: Machine) -> None:
    """The default's arguments are kept, and the entry runs the runtime that the default called."""
    machine.write(FILE, OTHER)
    machine.install("docker")
    assert json.loads(machine.read(FILE)) == {
        "runtimes": {
            "crun": {"path": "/usr/bin/crun", "runtimeArgs": ["--debug"]},
            "cgshim": {"path": "/usr/bin/cgshim-crun", "runtimeArgs": ["--debug"]},
        },
        "default-runtime": "crun",
        "debug": True,
    }
    assert not machine.has("/etc/cgshim")


def test_entry_with_the_runc_shim(machine: Machine) -> None:
    """A default that names containerd's runc shim gets cgshim as its BinaryName."""
    options = {"BinaryName": "/usr/sbin/runc", "SystemdCgroup": True}
    entry = {"runtimeType": "io.containerd.runc.v2", "options": options}
    machine.write(FILE, json.dumps({"runtimes": {"site": entry}, "default-runtime": "site"}))
    machine.install("docker")
    assert json.loads(machine.read(FILE))["runtimes"]["cgshim"] == {
        "runtimeType": "io.containerd.runc.v2",
        "options": {"BinaryName": "/usr/bin/cgshim-runc", "SystemdCgroup": True},
    }


def test_default_of_another_kind_is_not_copied(machine: Machine) -> None:
    """A shim of its own (Kata, gVisor) calls no OCI runtime: the entry is the plain one."""
    kata = {"runtimeType": "io.containerd.kata.v2", "options": {"ConfigPath": "/etc/kata.toml"}}
    machine.write(FILE, json.dumps({"runtimes": {"kata": kata}, "default-runtime": "kata"}))
    machine.install("docker")
    assert json.loads(machine.read(FILE))["runtimes"]["cgshim"] == {"path": "/usr/bin/cgshim-runc"}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{\n  "debug": true,\n}\n', "line 3, column 1"),
        ('{\n  "debug": true\n  "tls": true\n}\n', "line 3, column 3"),
        ('{\n  "debug": true,\n  "debug": false\n}\n', "line 3"),
        ("[]\n", "line 1"),
    ],
    ids=["trailing comma", "no comma", "key twice", "no object"],
)
def test_malformed_configuration(machine: Machine, text: str, place: str) -> None:
    """A text that is not a JSON object is reported with its line and never rewritten, by no command."""
    machine.write(FILE, text)
    for command in ("install", "remove", "status"):
        message = machine.refused(command, "docker")
        assert f"{FILE}, {place}: not valid JSON; the file is unchanged [malformed-engine-config]" in message


@pytest.mark.parametrize("name", ["runc", "io.containerd.runc.v2"])
def test_reserved_name(machine: Machine, name: str) -> None:
    """dockerd refuses to start with these names in `runtimes`."""
    assert f"Docker reserves the name '{name}' [bad-name]" in machine.refused("install", "docker", "--name", name)


def test_entry_of_someone_else(machine: Machine) -> None:
    """A name that leads to another program is not taken over."""
    machine.write(FILE, OTHER)
    message = machine.refused("install", "docker", "--name", "crun")
    assert "docker has a runtime 'crun' already, and it is not cgshim [name-taken]" in message


def test_remove_after_the_file_was_changed(machine: Machine) -> None:
    """What the site has written since stays; the former default comes back, and the copy goes."""
    machine.write(FILE, OTHER)
    machine.install("docker", "--as-default")
    machine.write(FILE, machine.read(FILE).replace('"debug": true', '"debug": false'))
    machine.remove("docker")
    assert machine.files() == {FILE: OTHER.replace('"debug": true', '"debug": false')}


@pytest.mark.parametrize("now", ['{"debug": false}\n', None], ids=["replaced", "gone"])
def test_remove_after_the_entry_went_with_its_file(machine: Machine, now: str | None) -> None:
    """Somebody's own tool replaced the file: it stays as it is, and what the installation left beside it goes."""
    machine.write(FILE, OTHER)
    machine.install("docker")
    if now is None:
        (machine.root / FILE[1:]).unlink()
    else:
        machine.write(FILE, now)
    shown = " ".join(machine.engine("remove", "docker", "--dry-run").output.split())
    assert machine.read(BACKUP) == OTHER
    words = " ".join(machine.remove("docker").split())
    for each in (shown, words):
        assert (
            f"{FILE} has no entry of cgshim any more and stays as it is; its copy from before `install` is removed"
            in each
        )
        assert f"--- a{BACKUP}" in each
        assert "nothing to do" not in each
        assert "systemctl" not in each
    assert "Dry run: nothing was written." in shown
    assert machine.files() == ({"/etc/docker/": ""} if now is None else {FILE: now})
    assert "docker: cgshim is not registered; nothing to do." in machine.remove("docker")


def test_remove_of_another_name_leaves_the_copy(machine: Machine) -> None:
    """An entry that is still there needs the copy."""
    machine.write(FILE, OTHER)
    machine.install("docker")
    before = machine.files()
    assert "nothing to do" in machine.remove("docker", "--name", "other")
    assert machine.files() == before


def test_remove_of_a_hand_written_entry(machine: Machine) -> None:
    """An entry that `install` did not write is found by its program; so is the default that it is."""
    machine.write(
        FILE,
        '{\n  "debug": true,\n  "default-runtime": "x",\n  "runtimes": {"x": {"path": "/opt/cgshim/bin/cgshim"}}\n}\n',
    )
    machine.remove("docker")
    assert machine.files() == {FILE: '{\n  "debug": true\n}\n'}


def test_containers_with_the_name_are_warned_about(machine: Machine) -> None:
    """Docker starts a stopped container with the runtime it was created with."""
    machine.install("docker")
    machine.write("/var/lib/docker/containers/0123456789abcdef/hostconfig.json", '{"Runtime":"cgshim"}')
    machine.write("/var/lib/docker/containers/fedcba9876543210/hostconfig.json", '{"Runtime":"runc"}')
    words = " ".join(machine.remove("docker").split())
    assert "warning: docker has containers that remember the runtime 'cgshim' and cannot start without it" in words
    assert "0123456789ab" in words
    assert "fedcba987654" not in words


def test_rootless_file(machine: Machine) -> None:
    """--rootless edits the user's daemon.json."""
    result = machine.engine("install", "docker", "--rootless", env={"XDG_CONFIG_HOME": "/home/ann/.config"})
    assert result.exit_code == 0, result.output
    assert machine.files("/home/ann/.config") == {"/home/ann/.config/docker/daemon.json": FRESH}

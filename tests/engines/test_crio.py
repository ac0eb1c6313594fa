"""`cgshimctl engine` for CRI-O: the exact drop-in for each situation, and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.engine_machine import Machine

if TYPE_CHECKING:
    from pathlib import Path

MAIN = "/etc/crio/crio.conf"
DIRECTORY = "/etc/crio/crio.conf.d"
FILE = f"{DIRECTORY}/50-cgshim.conf"
COMMENT = "# cgshim in front of the OCI runtime; `cgshimctl engine remove crio` takes it back.\n"
FRESH = f"""\
{COMMENT}[crio.runtime.runtimes.cgshim]
  runtime_path = "/usr/bin/cgshim-crun"
  runtime_type = "oci"
  runtime_root = "/run/crun"
"""
# In the form of CRI-O's own package.
PACKAGED = """\
[crio.image]
signature_policy = "/etc/crio/policy.json"

[crio.runtime]
default_runtime = "crun" # since 1.31

[crio.runtime.runtimes.crun]
runtime_path = "/usr/libexec/crio/crun"
runtime_root = "/run/crun"
monitor_path = "/usr/libexec/crio/conmon"
allowed_annotations = [
    "io.containers.trace-syscall",
]

[crio.runtime.runtimes.runc]
runtime_path = "/usr/libexec/crio/runc"
runtime_root = "/run/runc"
monitor_path = "/usr/libexec/crio/conmon"
"""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with runc, and with CRI-O's crun."""
    return Machine(tmp_path, ("/usr/sbin/runc", "/usr/libexec/crio/crun"))


def test_without_any_configuration(machine: Machine) -> None:
    """An entry that stands on its own, and the command that makes it known."""
    output = machine.install("crio")
    assert machine.files() == {FILE: FRESH}
    assert "crio reads it after: systemctl restart crio" in output


@pytest.mark.parametrize("arguments", [(), ("--as-default",), ("--name", "fitted")], ids=["named", "default", "other"])
@pytest.mark.parametrize("text", [None, PACKAGED, "# nothing\n"], ids=["none", "packaged", "comment"])
def test_there_and_back(machine: Machine, text: str | None, arguments: tuple[str, ...]) -> None:
    """Install is idempotent, and remove leaves every file as it was."""
    if text is not None:
        machine.write(f"{DIRECTORY}/10-crio.conf", text)
    machine.there_and_back("crio", *arguments)


def test_default_entry_is_copied(machine: Machine) -> None:
    """Monitor, root and annotations of the default are kept, and cgshim is told to run that runtime."""
    machine.write(f"{DIRECTORY}/10-crio.conf", PACKAGED)
    machine.install("crio", "--as-default")
    assert machine.files() == {
        f"{DIRECTORY}/10-crio.conf": PACKAGED,
        FILE: f"""\
{COMMENT}[crio.runtime]
  default_runtime = "cgshim"

[crio.runtime.runtimes.cgshim]
  runtime_path = "/usr/bin/cgshim-crun"
  runtime_type = "oci"
  runtime_root = "/run/crun"
  monitor_path = "/usr/libexec/crio/conmon"
  allowed_annotations = ["io.containers.trace-syscall"]
""",
    }


def test_default_of_another_kind_is_not_copied(machine: Machine) -> None:
    """A virtual machine's entry has nothing that an OCI runtime could use."""
    machine.write(
        MAIN, '[crio.runtime]\ndefault_runtime = "kata"\n[crio.runtime.runtimes.kata]\nruntime_type = "vm"\nx = 1\n'
    )
    machine.install("crio")
    assert machine.read(FILE) == FRESH.replace("crun", "runc")


@pytest.mark.parametrize("place", [MAIN, f"{DIRECTORY}/10-crio.conf"])
def test_malformed_configuration(machine: Machine, place: str) -> None:
    """A broken file is reported with its line, and nothing is written."""
    machine.write(place, '[crio]\n[crio.runtime\ndefault_runtime = "runc"\n')
    message = machine.refused("install", "crio")
    assert f"{place}, line 2: not valid TOML; the file is unchanged [malformed-engine-config]" in message


def test_entry_of_someone_else(machine: Machine) -> None:
    """A handler that leads to another program is not taken over."""
    machine.write(f"{DIRECTORY}/10-crio.conf", PACKAGED)
    message = machine.refused("install", "crio", "--name", "runc")
    assert "crio has a runtime 'runc' already, and it is not cgshim [name-taken]" in message


def test_second_name_is_refused(machine: Machine) -> None:
    """Pods may name the first handler, so it is not replaced silently."""
    machine.install("crio")
    message = machine.refused("install", "crio", "--name", "fitted")
    assert "cgshim is registered with crio under the name 'cgshim' already [registered-otherwise]" in message


def test_later_file_takes_the_default(machine: Machine) -> None:
    """CRI-O reads its drop-ins in the order of their names; status tells that a later one wins."""
    machine.install("crio", "--as-default")
    assert "(new containers' default)" in machine.engine("status", "crio").output
    machine.write(f"{DIRECTORY}/99-other.conf", '[crio.runtime]\ndefault_runtime = "other"\n')
    assert "(not the default)" in machine.engine("status", "crio").output


def test_containers_with_the_handler_are_warned_about(machine: Machine) -> None:
    """CRI-O keeps the handler in each container's annotations."""
    machine.install("crio")
    annotations = {"annotations": {"io.kubernetes.cri-o.RuntimeHandler": "cgshim"}}
    place = "/var/lib/containers/storage/overlay-containers/0123456789abcdef/userdata/config.json"
    machine.write(place, json.dumps(annotations))
    words = " ".join(machine.remove("crio").split())
    assert "warning: CRI-O has containers that remember the runtime 'cgshim' and cannot start without it" in words
    assert "0123456789ab" in words


def test_rootless_is_refused(machine: Machine) -> None:
    """CRI-O runs as root only: an entry of a user's own would never be read."""
    assert "CRI-O has no per-user configuration [no-rootless]" in machine.refused("install", "crio", "--rootless")


def test_what_others_added_is_kept(machine: Machine) -> None:
    """A drop-in of ours that says more is kept outside the directory, of which CRI-O reads every file."""
    kept = "/etc/crio/50-cgshim.conf.cgshim-backup"
    machine.install("crio")
    text = machine.read(FILE) + '\n[crio.api]\nlisten = "x"\n'
    machine.write(FILE, text)
    output = " ".join(machine.remove("crio").split())
    assert f"warning: {FILE} had more than the entry; it is kept as {kept}" in output
    assert machine.files() == {kept: text}
    (machine.root / kept[1:]).unlink()
    machine.write(FILE, text)
    machine.install("crio")
    assert machine.files() == {kept: text, FILE: FRESH}


def test_built_in_default_is_crun_where_it_is(tmp_path: Path) -> None:
    """CRI-O has crun as its default since 1.31; a node without one keeps runc."""
    machine = Machine(tmp_path)
    machine.install("crio", "--as-default")
    assert 'runtime_path = "/usr/bin/cgshim-runc"' in machine.read(FILE)
    assert 'runtime_root = "/run/runc"' in machine.read(FILE)


def test_directory_that_was_empty_stays(machine: Machine) -> None:
    """`remove` takes away the directories that `install` has made, and no others."""
    (machine.root / "etc/crio/crio.conf.d").mkdir(parents=True)
    machine.there_and_back("crio")
    assert machine.has(DIRECTORY)
    (machine.root / "etc/crio/crio.conf.d").rmdir()
    machine.there_and_back("crio")
    assert not machine.has(DIRECTORY)
    assert machine.has("/etc/crio")

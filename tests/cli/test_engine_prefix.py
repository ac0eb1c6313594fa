"""`engine install --prefix`: the interpreter that the copy gets, and how long the copy stays."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.engine_machine import Machine

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A root tree with cgshim and runc in it."""
    return Machine(tmp_path)


def test_prefix_stays_at_a_second_removal_too(machine: Machine) -> None:
    """The entry is gone by then; the container that runs since before still needs the program, link and all."""
    task = "/run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io/1/runtime"
    machine.install("containerd", "--prefix", "/opt/cgshim")
    machine.write(task, "/opt/cgshim/bin/cgshim-runc")
    for _ in range(2):
        words = " ".join(machine.remove("containerd", "--prefix", "/opt/cgshim").split())
        assert "until they end; keep that file until then: 1" in words
        assert "/opt/cgshim stays, because it is still called" in words
        assert machine.has("/opt/cgshim/bin/cgshim-runc")
    (machine.root / task[1:]).unlink()
    machine.remove("containerd", "--prefix", "/opt/cgshim")
    assert not machine.has("/opt/cgshim")


def test_prefix_stays_while_conmon_calls_it(machine: Machine) -> None:
    """CRI-O's containers: conmon has the runtime on its command line."""
    machine.install("crio", "--prefix", "/opt/cgshim")
    machine.write("/proc/71/cmdline", "/usr/bin/conmon\0-c\x00ab\0-r\0/opt/cgshim/bin/cgshim-runc\0")
    machine.write("/proc/72/cmdline", "/usr/bin/grep\0/opt/cgshim/bin/cgshim-runc\0")
    words = " ".join(machine.remove("crio", "--prefix", "/opt/cgshim").split())
    assert "keep that file until then: conmon 71" in words
    assert "conmon 72" not in words
    assert machine.has("/opt/cgshim/bin/cgshim-runc")


@pytest.mark.parametrize("python", ["/usr/libexec/platform-python", "/usr/bin/python3.11", "/usr/local/bin/python3.9"])
@pytest.mark.parametrize("plain", ["cgshim 3 6\n", ""])
def test_prefix_on_a_node_whose_python3_is_too_old(machine: Machine, python: str, plain: str) -> None:
    """A newer one under another name is linked where the launcher looks first; removal takes the link away, too."""
    before = machine.files("/")
    machine.pythons["/usr/bin/python3"] = plain
    machine.program(python)
    machine.install("containerd", "--prefix", "/opt/cgshim")
    assert os.readlink(machine.root / "opt/cgshim/lib/cgshim/python") == python
    machine.install("containerd", "--prefix", "/opt/cgshim")
    machine.remove("containerd", "--prefix", "/opt/cgshim")
    (machine.root / python[1:]).unlink()
    assert {path: text for path, text in machine.files("/").items() if path != f"{os.path.dirname(python)}/"} == before


def test_package_whose_python3_is_too_old(machine: Machine) -> None:
    """The package has chosen another interpreter at its installation: that is the one to ask."""
    machine.pythons["/usr/bin/python3"] = "cgshim 3 6\n"
    assert "is Python 3.6, and cgshim needs 3.7 or newer" in " ".join(machine.refused("install", "containerd").split())
    machine.program("/usr/lib/cgshim/python")
    machine.install("containerd")

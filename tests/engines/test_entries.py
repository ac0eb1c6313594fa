"""Entries of several engines side by side: no sequence of installs and removals changes another engine's runtime."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shim.engines import entries
from shim.engines.leftovers import ENGINES
from shim.engines.registration import Request
from shim.engines.tree import Tree
from tests.engine_machine import Machine

RUNTIMES = ("/usr/sbin/runc", "/usr/bin/crun", "/opt/runc/runc")
# What each engine has today: podman and CRI-O take crun where both are installed.
RUNC, CRUN, OWN = RUNTIMES
TODAY = {"docker": RUNC, "containerd": RUNC, "crio": CRUN, "podman": CRUN}
STEPS = st.lists(st.tuples(st.sampled_from(["install", "remove", "own"]), st.sampled_from(sorted(TODAY))), max_size=8)


def _registered(machine: Machine, engine: str) -> dict[str, str]:
    """The entry's program, and the real runtime behind it."""
    tree = Tree(str(machine.root))
    found = ENGINES[engine].registered(tree, Request(binary="/usr/bin/cgshim"))
    return {entry.binary: entries.runtime_of(tree, entry.binary)[0] for entry in found}


def _links(machine: Machine) -> list[str]:
    return sorted(path.name for path in (machine.root / "usr/bin").glob("cgshim-*"))


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(STEPS)
def test_any_sequence(steps: list[tuple[str, str]]) -> None:
    """After each step every engine has the runtime that it was given; after the last removal nothing is left."""
    with tempfile.TemporaryDirectory() as place:
        machine = Machine(Path(place), RUNTIMES)
        before = machine.files()
        expected: dict[str, str] = {}
        for step, engine in steps:
            if step == "remove":
                machine.remove(engine)
                expected.pop(engine, None)
            elif step == "own" and engine == "podman":
                continue  # with a runc its name would be runc, which is another registration
            elif step == "own":
                machine.install(engine, "--runtime", OWN)
                expected[engine] = OWN
            else:
                machine.install(engine)
                expected.setdefault(engine, TODAY[engine])
            for each in TODAY:
                assert list(_registered(machine, each).values()) == ([expected[each]] if each in expected else [])
        for engine in TODAY:
            machine.remove(engine)
        assert machine.files() == before
        shipped = {os.path.basename(path) for path in entries.SHIPPED}
        assert set(_links(machine)) <= shipped


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with runc and crun."""
    return Machine(tmp_path, RUNTIMES)


def test_registration_of_an_earlier_version(machine: Machine) -> None:
    """0.1 wrote `cgshim` and a setting for the machine: what is registered goes on, what is new has its own runtime."""
    drop_in = "/etc/containers/containers.conf.d/50-cgshim.conf"
    machine.write(drop_in, '[engine.runtimes]\n  crun = ["/usr/bin/cgshim"]\n')
    machine.write("/etc/cgshim/config.json", '{\n  "runtime": "/usr/bin/crun"\n}\n')
    assert _registered(machine, "podman") == {"/usr/bin/cgshim": "/usr/bin/crun"}
    machine.install("docker")
    assert _registered(machine, "docker") == {"/usr/bin/cgshim-runc": "/usr/sbin/runc"}
    assert _registered(machine, "podman") == {"/usr/bin/cgshim": "/usr/bin/crun"}
    machine.install("podman")
    assert _registered(machine, "podman") == {"/usr/bin/cgshim-crun": "/usr/bin/crun"}
    machine.remove("podman")
    machine.remove("docker")
    assert machine.files() == {"/etc/containers/containers.conf.d/": ""}  # 0.1 did not write down whose that is


def test_file_that_is_no_link_of_ours(machine: Machine) -> None:
    """A program of somebody else's with the entry's name is not replaced."""
    machine.program("/usr/bin/cgshim-runc", "theirs")
    message = machine.refused("install", "docker")
    assert "/usr/bin/cgshim-runc: cannot be written: EEXIST [engine-config]" in message
    assert machine.read("/usr/bin/cgshim-runc") == "theirs"


def test_shared_entry_stays_while_it_is_called(machine: Machine) -> None:
    """Two engines may have the same runtime of their own; the first removal takes only the registration."""
    machine.install("docker", "--runtime", "/opt/runc/runc")
    machine.install("containerd", "--runtime", "/opt/runc/runc")
    machine.remove("docker")
    assert _registered(machine, "containerd") == {"/usr/bin/cgshim-opt-runc-runc": "/opt/runc/runc"}
    assert _links(machine) == ["cgshim-opt-runc-runc"]
    machine.remove("containerd")
    assert (_links(machine), machine.files()) == ([], {})


@pytest.mark.parametrize("text", ["/opt/mine\n", "/opt/runc/runc\nmore\n"])
def test_file_of_the_administrators_stays(machine: Machine, text: str) -> None:
    """`runc` may be told to be another one; install follows it by the other name, and nobody removes the file."""
    machine.write("/etc/cgshim/runtimes/runc", text)
    machine.install("docker")
    assert _registered(machine, "docker") == {"/usr/bin/cgshim-usr-sbin-runc": "/usr/sbin/runc"}
    machine.remove("docker")
    assert machine.files() == {"/etc/cgshim/runtimes/runc": text}

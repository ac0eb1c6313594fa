"""The real runtime behind an engine's entry: which one is chosen, and what doctor and plan ask about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from shim.cli import engine_problems
from shim.cli.main import main
from shim.engines import entries, nerdctl, podman, status
from shim.engines.leftovers import ENGINES as ENGINE_MODULES
from shim.engines.registration import Request
from shim.engines.tree import Tree
from shim.errors import ShimError
from shim.host.captured import CapturedView
from tests.engine_machine import Machine
from tests.syntax import ROOT

if TYPE_CHECKING:
    from pathlib import Path


class Here(Tree):
    """A tree that counts as this machine's own, so that its programs and its host may be asked."""

    live = True


@pytest.fixture
def hybrid(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The host is Debian 12's hybrid one with hugetlb in cgroup2, where crun starts nothing."""
    host = ROOT / "tests/hosts/debian12-hybrid-6.18"
    monkeypatch.setattr("shim.engines.suitability.View", lambda: CapturedView(str(host)))
    monkeypatch.setenv("CGSHIM_CONFIG", str(tmp_path / "none.json"))


REASON = "crun starts no container on a hybrid host while cgroup2 has controllers"


@pytest.mark.usefixtures("hybrid")
def test_install_picks_the_runtime_that_works(tmp_path: Path) -> None:
    """podman would take crun; the entry runs runc, and says so. Asked for by name, crun is refused."""
    Machine(tmp_path, ("/usr/sbin/runc", "/usr/bin/crun"))
    tree, request = Here(str(tmp_path)), Request(binary="/usr/bin/cgshim")
    for home in ("", "/home/ann/.config"):
        asked = request.changed(home=home)
        chosen = entries.choose(tree, asked, podman.install(tree, asked), ())
        assert chosen.path == "/usr/bin/cgshim-runc"
        assert chosen.notes[0].startswith(REASON)
        assert chosen.notes[0].endswith("So this entry runs /usr/sbin/runc instead of /usr/bin/crun.")
    asked = request.changed(runtime="/usr/bin/crun")
    with pytest.raises(ShimError, match="/usr/bin/crun cannot start a container on this host") as caught:
        entries.choose(tree, asked, podman.install(tree, asked), ())
    assert caught.value.code == "runtime-starts-nothing"
    (tmp_path / "usr/sbin/runc").unlink()
    with pytest.raises(ShimError, match="so it is not registered"):
        entries.choose(tree, request, podman.install(tree, request), ())


@pytest.mark.usefixtures("hybrid")
def test_status_knows_what_doctor_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry with crun is WRONG where crun starts nothing, unless the settings hide cgroup2 from it."""
    machine = Machine(tmp_path, ("/usr/sbin/runc", "/usr/bin/crun"))
    machine.install("podman")
    entry = podman.registered(Here(str(tmp_path)), Request(binary="/usr/bin/cgshim"))[0]
    check = status.real_runtime(Here(str(tmp_path)), entry)
    assert (check.state, REASON in check.evidence) == ("WRONG", True)
    (tmp_path / "hide.json").write_text('{"crun_on_hybrid": "hide-cgroup2"}')
    monkeypatch.setenv("CGSHIM_CONFIG", str(tmp_path / "hide.json"))
    assert status.real_runtime(Here(str(tmp_path)), entry).state == "ok"


@pytest.mark.usefixtures("hybrid")
def test_doctor_looks_at_the_entries_of_every_engine(tmp_path: Path) -> None:
    """Podman's crun starts nothing on this host, Docker's runc does, and containerd's file cannot be read."""
    machine = Machine(tmp_path, ("/usr/sbin/runc", "/usr/bin/crun"))
    machine.install("podman")
    machine.install("docker")
    tree, request = Here(str(tmp_path)), Request(binary="/usr/bin/cgshim")
    (line,) = engine_problems.found(tree, request)
    assert line.startswith("podman: the entry crun in /etc/containers/")
    assert REASON in line
    (tmp_path / "etc/docker/daemon.json").write_text("{")
    lines = engine_problems.found(tree, request)
    assert [one.partition(":")[0] for one in lines] == ["podman", "docker"]
    assert lines[1].startswith("docker: its entries cannot be read: ")


def test_doctor_asks_for_every_engine_unless_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong with an entry is a problem of the set-up, status 3; --runtime asks about that runtime alone."""
    monkeypatch.setattr("shim.cli.engine_problems.found", lambda tree, request: ("podman: told",))
    assert "podman: told" in CliRunner().invoke(main, ["doctor", "--json"]).output
    assert CliRunner().invoke(main, ["doctor", "--json"]).exit_code == 3
    assert "podman: told" not in CliRunner().invoke(main, ["doctor", "--json", "--runtime", "runc"]).output


def test_runtime_of_an_entry(tmp_path: Path) -> None:
    """What `plan --engine` and `doctor --engine` plan for; an engine without an entry is an error with what to do."""
    machine = Machine(tmp_path, ("/usr/sbin/runc", "/usr/bin/crun"))
    machine.install("podman")
    tree = Tree(str(tmp_path))
    found = entries.of_engine(tree, podman.registered(tree, Request(binary="/usr/bin/cgshim")), "podman")
    assert found == ("/usr/bin/crun", "podman's entry crun, /usr/bin/cgshim-crun: the first crun found")
    with pytest.raises(ShimError, match="cgshim is not registered with docker"):
        entries.of_engine(tree, (), "docker")


@pytest.mark.parametrize("command", [("plan", "/nonexistent"), ("doctor",)])
def test_plan_and_doctor_look_at_the_entry(monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]) -> None:
    """`--engine` asks for the entry before anything else is read."""
    monkeypatch.setattr(
        "shim.cli.engine_request.entries.of_engine", lambda *_: (_ for _ in ()).throw(ShimError("x", "asked"))
    )
    monkeypatch.setitem(ENGINE_MODULES, "docker", nerdctl)
    result = CliRunner().invoke(main, [*command, "--engine", "docker"])
    assert (result.exit_code, "asked" in result.stderr) == (3, True)

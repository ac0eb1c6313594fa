"""`cgshimctl uninstall`: what waits until no container needs cgshim."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from shim.cli.main import main
from shim.containers.container import Container
from shim.containers.inventory import Inventory

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with state and no registration."""
    (tmp_path / "state").mkdir()
    monkeypatch.setenv("CGSHIM_STATE", str(tmp_path / "state"))
    monkeypatch.setattr("shim.cli.uninstall.ENGINES", {})
    monkeypatch.setattr("shim.cli.uninstall._hooks", lambda **_: [])
    monkeypatch.setattr("shim.cli.uninstall._programs", lambda _: ([], "apt-get remove cgshim"))
    monkeypatch.setattr("shim.cli.uninstall.seal.PLACE", str(tmp_path / "key"))


def _running(bundle: Path, text: str, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle.mkdir()
    (bundle / "config.json").write_text(text)
    web = Container(id="a" * 64, name="web", engine="podman", state=state, bundle=str(bundle))
    found = Inventory(containers=(web,), cgroups={})
    monkeypatch.setattr("shim.cli.uninstall.inventory", lambda _: found)


@pytest.mark.parametrize(
    ("text", "state", "status"),
    [
        ('{"annotations": {"io.cgshim.report": "{}"}}', "running", 1),
        ('{"hooks": {"poststop": [{"path": "/usr/bin/cgshim-hook"}]}}', "paused", 1),
        ('{"annotations": {"io.cgshim.report": "{}"}}', "stopped", 0),
        ('{"hostname": "web"}', "running", 0),
    ],
)
def test_state_stays_while_a_container_needs_it(
    text: str, state: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A running container whose config.json leads to cgshim keeps the state, and the command says which one."""
    _running(tmp_path / "bundle", text, state, monkeypatch)
    result = CliRunner().invoke(main, ["uninstall", "-o", "json"])
    assert result.exit_code == status, result.output
    shown = json.loads(result.output)
    kept = ["podman container web runs and was prepared by cgshim"] if status else []
    assert shown["remaining"] == kept
    assert (tmp_path / "state").exists() == bool(status)
    assert shown["next"] == ([] if status else ["apt-get remove cgshim"])


def test_dry_run_removes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The paths are named, and stay."""
    _running(tmp_path / "bundle", "{}", "running", monkeypatch)
    result = CliRunner().invoke(main, ["uninstall", "--dry-run"])
    assert result.exit_code == 0
    assert result.output == (
        f"would remove {tmp_path}/state\n\nLeft for you, in this order\n  apt-get remove cgshim\n"
        "Dry run: nothing was changed.\n"
    )
    assert (tmp_path / "state").exists()


def test_file_that_cannot_be_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the file and whose matter it is; the status is that of a failure."""
    _running(tmp_path / "bundle", "{}", "running", monkeypatch)

    def refuse(path: str) -> None:
        raise OSError(1, "Operation not permitted", path)

    monkeypatch.setattr("shim.cli.uninstall.shutil.rmtree", refuse)
    result = CliRunner().invoke(main, ["uninstall"])
    assert result.exit_code == 3
    said = f"cgshim: {tmp_path}/state cannot be removed: Operation not permitted [not-removed]\n"
    assert result.stderr.startswith(said)


def test_self_test_needs_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who is not root is told so before anything is looked at."""
    monkeypatch.setattr("shim.cli.self_test.os.geteuid", lambda: 1000)
    result = CliRunner().invoke(main, ["self-test"])
    assert result.exit_code == 3
    assert result.stderr.startswith("cgshim: self-test starts a container, which needs root [not-root]\n")

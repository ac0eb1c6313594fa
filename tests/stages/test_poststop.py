"""The hook of createRuntime and poststop, run in this process: what it leaves in the state directory.

The container is a process of this host's, so the figures are this kernel's; how they are made from a kernel's files is
in tests/observe.
"""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from shim.planning.bridged_limits import ANNOTATION
from shim.stages import poststop
from tests.stages.hook_process import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.stages.hook_process import Run

__all__ = ["run"]  # the fixture


@pytest.fixture
def init() -> Iterator[int]:
    """The pid of a process that stands for the container's."""
    with subprocess.Popen(["/bin/sleep", "60"]) as process:
        yield process.pid
        process.kill()


def _state(pid: int = 0, status: str = "stopped", **more: Any) -> dict[str, Any]:
    return {"ociVersion": "1.0.2", "id": "web", "pid": pid, "bundle": "/b", "status": status, **more}


def _files(place: Path) -> list[str]:
    return sorted(str(path.relative_to(place)) for path in place.rglob("*.json"))


def test_a_note_becomes_a_report(run: Run, init: int, state_directory: Path) -> None:
    """Before the start it notes where the process is; afterwards the report takes the note's place."""
    run(poststop.main, _state(init, "creating"))
    assert _files(state_directory) == ["notes/web.json"]
    noted = json.loads((state_directory / "notes/web.json").read_text())
    assert (noted["schema"], noted["container"], noted["bundle"]) == (1, "web", "/b")
    with open(f"/proc/{init}/cgroup", encoding="utf-8") as file:
        assert noted["path"] in {line.rstrip("\n").split(":", 2)[2] for line in file}
    assert noted["version"] in (1, 2)
    run(poststop.main, _state())
    assert _files(state_directory) == ["reports/web.json"]
    report = poststop.recall("web") or {}
    assert (report["schema"], report["container"], report["bundle"]) == (1, "web", "/b")
    assert report["ended"] >= noted["noted"]
    about = {one["name"] for one in (*report["figures"], *report["absent"])}
    assert {"limit", "oom_kills", "peak"} <= about


def test_podman_calls_it_a_second_time(run: Run, init: int, state_directory: Path) -> None:
    """The cleanup's call has no note any more, and leaves the report of the first as it is."""
    run(poststop.main, _state(init, "created"))
    run(poststop.main, _state())
    before = (state_directory / "reports/web.json").read_bytes()
    run(poststop.main, _state())
    assert (state_directory / "reports/web.json").read_bytes() == before


def test_a_container_that_was_never_noted(run: Run, state_directory: Path) -> None:
    """The report says what to do."""
    run(poststop.main, _state())
    report = poststop.recall("web") or {}
    assert report["figures"] == []
    reason = "nothing was recorded when the container started: install the hook for createRuntime, too"
    assert {one["reason"] for one in report["absent"]} == {reason}


def test_limits_of_the_bridge_need_their_seal(run: Run, init: int, tmp_path: Path, state_directory: Path) -> None:
    """What an image writes into the annotation is no limit of the container's."""
    forged = {ANNOTATION: '{"limits": {"memory.max": "4096"}, "seal": "0"}'}
    (tmp_path / "config.json").write_text(json.dumps({"annotations": forged, "linux": {"resources": {}}}))
    run(poststop.main, _state(init, "creating", bundle=str(tmp_path), annotations=forged))
    noted = json.loads((state_directory / "notes/web.json").read_text())
    assert noted["limit"] != "4096"
    assert ANNOTATION not in noted["limit_source"]


def test_a_container_that_says_no(run: Run, init: int, state_directory: Path) -> None:
    """With the administrator's trust nothing is written for it."""
    (state_directory / "no-settings.json").write_text('{"annotations": "trust"}')
    run(poststop.main, _state(init, "creating", annotations={"io.cgshim.enable": "false"}))
    assert _files(state_directory) == ["no-settings.json"]


@pytest.mark.parametrize(
    ("call", "code", "container"),
    [
        (("", ()), "bad-state", ""),
        (({"ociVersion": "1.0.2", "id": "..", "bundle": "/b"}, ()), "bad-container-id", ""),
        ((_state(), ("--mount", "/x")), "bad-hook", "web"),
        ((_state(annotations={"io.cgshim.enable": "no"}), ()), "bad-enable", "web"),
    ],
    ids=["no state", "an impossible id", "an unknown option", "a misspelt annotation"],
)
def test_a_refusal_costs_no_container(
    run: Run, state_directory: Path, call: tuple[object, tuple[str, ...]], code: str, container: str
) -> None:
    """It is kept for `explain --last`, and the hook ends with 0."""
    state, arguments = call
    run(poststop.main, state, *arguments)
    last = json.loads((state_directory / "last.json").read_text())
    assert (last["code"], last["container"]) == (code, container)


def test_a_state_directory_that_takes_nothing(
    run: Run, init: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A fault of ours is said with the system's words, and the container starts."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CGSHIM_STATE", str(tmp_path / "file"))
    run(poststop.main, _state(init, "creating"))
    assert str(tmp_path / "file") in capfd.readouterr().err

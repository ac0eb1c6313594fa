"""What a runtime's state says of the container's cgroups and of its init's start."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from shim.containers.recorded import recorded
from shim.host.facts import HYBRID, UNIFIED
from tests.hosts_made import make_host

if TYPE_CHECKING:
    from pathlib import Path

V1 = "/sys/fs/cgroup"
# Members of a state.json by runc 1.1.5 on a hybrid host, in a memory cgroup of its caller's.
RUNC = {
    "init_process_pid": 3505,
    "init_process_start": 380119,
    "cgroup_paths": {"": f"{V1}/unified/c2x", "blkio": f"{V1}/blkio/c2x", "memory": f"{V1}/memory/outer/c2x"},
}
# Members of a status file by crun 1.8.1.
CRUN = {"pid": 3505, "process-start-time": 380119, "cgroup-path": "/c2x", "scope": "null"}


def _write(root: Path, name: str, text: str) -> None:
    (root / "c").mkdir(exist_ok=True)
    (root / "c" / name).write_text(text)


def test_runc_names_a_directory_for_each_controller(tmp_path: Path) -> None:
    """As /proc/PID/cgroup names them: below the mounts, and nothing for a controller without a record."""
    _write(tmp_path, "state.json", json.dumps(RUNC))
    found = recorded(str(tmp_path), "c")
    assert found is not None
    assert (found.file, found.started) == (f"{tmp_path}/c/state.json", 380119)
    assert found.memberships(make_host(HYBRID)) == {"": "/c2x", "blkio": "/c2x", "memory": "/outer/c2x"}


def test_crun_names_one_path_for_all(tmp_path: Path) -> None:
    """It holds below every mount."""
    _write(tmp_path, "status", json.dumps(CRUN))
    found = recorded(str(tmp_path), "c")
    assert found is not None
    assert found.started == 380119
    assert found.memberships(make_host(UNIFIED))[""] == "/c2x"


def test_what_tells_nothing(tmp_path: Path) -> None:
    """No root, no directory, no JSON, other shapes: no record, and never an exception."""
    assert recorded("", "c") is None
    assert recorded(str(tmp_path), "c") is None
    for text in ("", "{", "[]", '{"cgroup_paths": {}}', '{"cgroup_paths": "/c"}', '{"cgroup-path": ""}'):
        _write(tmp_path, "state.json", text)
        _write(tmp_path, "status", text)
        assert recorded(str(tmp_path), "c") is None, text

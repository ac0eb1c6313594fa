"""`cgshimctl` on this host: its facts against the kernel's, its plan against a real create, its report by id."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from integration.capabilities import require
from integration.containers import Result, call
from integration.kernel import cgroup_mounts

if TYPE_CHECKING:
    from integration.bundle import Bundle
    from integration.containers import Shim

ROOT = Path(__file__).resolve().parent.parent
FOREIGN = {
    "unified": {"memory.max": "67108864", "memory.swap.max": "0", "pids.max": "32", "cpu.max": "50000 100000"},
    "memory": {"limit": 134217728, "swappiness": 10, "kernel": 33554432},
    "network": {"classID": 1048577},
    "blockIO": {"leafWeight": 100},
}


def _tool(*arguments: str, settings: Path, runtime: str = "") -> Result:
    environment = {**os.environ, "CGSHIM_CONFIG": str(settings), "CGSHIM_RUNTIME": runtime, "PYTHONPATH": str(ROOT)}
    return call([sys.executable, "-m", "shim.cli.main", *arguments], env=environment)


def _doctor(settings: Path) -> dict[str, Any]:
    result = _tool("doctor", "--json", settings=settings)
    assert result.status in (0, 1, 3), str(result)
    assert "Traceback" not in result.err
    shown: dict[str, Any] = json.loads(result.out)
    return shown


def test_doctor_places_controllers_where_the_kernel_has_them(tmp_path: Path) -> None:
    """Every controller in a v1 mount of mountinfo is v1 at one of its mounts; those in cgroup.controllers are v2."""
    placed = _doctor(tmp_path / "none.json")["host"]["controllers"]
    mounts = cgroup_mounts(Path("/proc/self/mountinfo").read_text())
    v1: dict[str, set[str]] = {}
    for mount in mounts:
        for option in mount.options if mount.version == 1 else ():
            v1.setdefault("io" if option == "blkio" else option, set()).add(str(mount.point))
    v2 = next((mount.point for mount in mounts if mount.version == 2), None)
    listed = (v2 / "cgroup.controllers").read_text().split() if v2 else []
    for name, place in placed.items():
        if name in v1:
            assert place["version"] == 1, name
            assert os.path.realpath(place["mount"]) in {os.path.realpath(point) for point in v1[name]}
        elif name in listed:
            assert (place["version"], place["mount"]) == (2, str(v2)), name
        else:
            assert place["version"] == 0, name


def test_doctor_agrees_with_the_kernel_on_swap_and_namespaces(tmp_path: Path) -> None:
    """/proc/swaps, the user namespace's map, and what the file system at /sys/fs/cgroup is."""
    host = _doctor(tmp_path / "none.json")["host"]
    facts = {name: fact["value"] for name, fact in host["facts"].items()}
    assert facts["swap_present"] == (len(Path("/proc/swaps").read_text().splitlines()) > 1)
    whole = Path("/proc/self/uid_map").read_text().split() == ["0", "0", "4294967295"]
    assert facts["user_namespace"] is (not whole)
    stat = subprocess.run(["stat", "-f", "-c", "%T", "/sys/fs/cgroup"], check=True, capture_output=True, text=True)
    assert (host["layout"] == "unified") == (stat.stdout.strip() == "cgroup2fs")
    memory = host["controllers"]["memory"]
    if memory["version"] == 1:
        assert facts["swap_accounting"] is Path(memory["mount"], "memory.memsw.limit_in_bytes").exists()


def test_doctor_asks_the_runtime_for_its_version(shim: Shim) -> None:
    """The version is the first line of the real runtime's own answer, the origin the variable that named it."""
    result = _tool("doctor", "--json", settings=shim.settings_path, runtime=shim.path)
    shown = json.loads(result.out)["runtime"]
    assert (shown["path"], shown["kind"], shown["origin"]) == (shim.path, shim.name, "CGSHIM_RUNTIME")
    assert shown["version"] == call([shim.path, "--version"]).out.splitlines()[0]


def test_doctor_predicts_what_create_refuses(shim: Shim, bundle: Bundle, container: str) -> None:
    """A key that the doctor lists as refused is refused by a real create, one it does not list is created."""
    result = _tool("doctor", "--json", settings=shim.settings_path, runtime=shim.path)
    found = json.loads(result.out)["findings"]
    refused = [f["name"] for f in found if f["outcome"] == "refused" and shim.name in f["runtimes"]]
    assert "memory.limit" not in refused
    bundle.configure(resources={"memory": {"limit": 67108864}})
    shim.create(bundle, container)
    require("unenforceable-misc", "" if "unified.misc.max" in refused else "this host enforces misc.max")
    bundle.configure(resources={"unified": {"misc.max": "res_a 1"}})
    failed = shim("create", "--bundle", str(bundle.path), f"{container}-refused")
    assert failed.status == 1
    assert "unified.misc.max cannot be enforced on this host" in failed.err


@pytest.mark.parametrize("resources", [FOREIGN, {"memory": {"limit": 67108864}}], ids=["foreign", "native"])
def test_plan_predicts_the_file_that_create_leaves(
    shim: Shim, bundle: Bundle, container: str, tmp_path: Path, resources: dict[str, Any]
) -> None:
    """What --output writes is, byte for byte, what the bundle holds after a real create, and the plan says why."""
    bundle.configure(resources=resources, annotations={"owner": "somebody"})
    before = bundle.config_path.read_bytes()
    predicted = tmp_path / "predicted.json"
    arguments = ("plan", "--json", "--output", str(predicted), str(bundle.path))
    result = _tool(*arguments, settings=shim.settings_path, runtime=shim.path)
    assert result.status == 0, str(result)
    assert bundle.config_path.read_bytes() == before
    shim.create(bundle, container)
    assert bundle.config_path.read_bytes() == predicted.read_bytes()
    plan = json.loads(result.out)
    assert (plan["diff"] == "") == (predicted.read_bytes() == before)
    written = bundle.config.get("annotations", {}).get("io.cgshim.report")
    changes = [note for note in plan["notes"] if note["effect"] != "kept"]
    assert (json.loads(written)["changes"] if written else []) == changes


def test_report_by_id_is_what_create_wrote(shim: Shim, bundle: Bundle, container: str) -> None:
    """The state of the created container, the bundle, and the file give one and the same report."""
    bundle.configure(resources=FOREIGN)
    shim.create(bundle, container)
    by_id = _tool(
        "report", "--json", "--root", str(shim.root), container, settings=shim.settings_path, runtime=shim.path
    )
    assert by_id.status == 0, str(by_id)
    shown = json.loads(by_id.out)
    assert (shown["container"], shown["bundle"]) == (container, str(bundle.path))
    assert shown["report"] == json.loads(bundle.config["annotations"]["io.cgshim.report"])
    by_path = json.loads(_tool("report", "--json", str(bundle.path), settings=shim.settings_path).out)
    assert by_path["report"] == shown["report"]
    text = _tool("report", "--root", str(shim.root), container, settings=shim.settings_path, runtime=shim.path)
    assert "What was changed, and why" in text.out


def test_report_of_an_untouched_container_says_so(shim: Shim, bundle: Bundle, container: str) -> None:
    """A container that needed nothing."""
    shim.create(bundle, container)
    result = _tool("report", "--root", str(shim.root), container, settings=shim.settings_path, runtime=shim.path)
    assert (result.status, result.out.splitlines()[-1]) == (0, "Nothing was changed."), str(result)

"""Every file in examples/ is what `cgshimctl engine print` says, is valid, and does what it is for."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from integration.capabilities import program_problem, require
from shim.cli.main import main
from shim.engines.toml_text import parsed
from tests.syntax import ROOT

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLES = ROOT / "examples"
# File -> the arguments of `engine print`.
PRINTED = {
    "podman/50-cgshim.conf": ["podman"],
    "containerd/config-v2.toml": ["containerd", "--config-version", "2"],
    "containerd/config-v3.toml": ["containerd", "--config-version", "3"],
    "docker/daemon.json": ["docker"],
    "crio/50-cgshim.conf": ["crio"],
}
AUDIT = "kubernetes/audit.yaml"
# These have their tests in test_examples_watch.py.
OF_WATCHER = ("systemd/cgshim-watch.service", "monitoring/alerts.yaml", "monitoring/dashboard.json")
PLAYBOOK = "ansible/audit.yml"


def _documents(name: str) -> list[dict[str, Any]]:
    import yaml  # type: ignore[import-untyped,unused-ignore]

    return list(yaml.safe_load_all((EXAMPLES / name).read_text()))


def test_every_example_is_tested() -> None:
    """A file that is added to examples/ is added here, too; kubernetes/ and the quickstart have tests of their own."""
    found = {str(path.relative_to(EXAMPLES)) for path in EXAMPLES.rglob("*") if path.is_file()}
    found = {name for name in found if not name.startswith("kubernetes/") and "__pycache__" not in name}
    assert found == {*PRINTED, *OF_WATCHER, PLAYBOOK, "quickstart.sh"}


@pytest.mark.parametrize("name", PRINTED)
def test_configurations_are_what_print_says(name: str) -> None:
    """The example and the program say the same, byte for byte."""
    result = CliRunner().invoke(main, ["engine", "print", *PRINTED[name]])
    assert result.exit_code == 0, result.output
    assert (EXAMPLES / name).read_text() == result.output


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("podman/50-cgshim.conf", "engine/runtimes/runc", ["/usr/bin/cgshim-runc"]),
        (
            "containerd/config-v2.toml",
            "plugins/io.containerd.grpc.v1.cri/containerd/runtimes/cgshim/options/BinaryName",
            "/usr/bin/cgshim-runc",
        ),
        (
            "containerd/config-v3.toml",
            "plugins/io.containerd.cri.v1.runtime/containerd/runtimes/cgshim/options/BinaryName",
            "/usr/bin/cgshim-runc",
        ),
        ("docker/daemon.json", "runtimes/cgshim/path", "/usr/bin/cgshim-runc"),
        ("crio/50-cgshim.conf", "crio/runtime/runtimes/cgshim/runtime_path", "/usr/bin/cgshim-runc"),
    ],
)
def test_configurations_say_it_where_the_engine_looks(name: str, path: str, value: object) -> None:
    """Read by a parser, the entry is at the place that the engine's documentation names."""
    text = (EXAMPLES / name).read_text()
    found: Any = json.loads(text) if name.endswith(".json") else parsed(text, name)
    for key in path.split("/"):
        found = found[key]
    assert found == value


def _fake_path(tmp_path: Path, **commands: str) -> dict[str, str]:
    """An environment whose PATH has these scripts, and cgshimctl."""
    place = tmp_path / "bin"
    place.mkdir()
    own = {"cgshimctl": f'PYTHONPATH="{ROOT}" exec "{sys.executable}" -m shim.cli.main "$@"'}
    for name, line in {**own, **commands}.items():
        (place / name).write_text(f"#!/bin/sh\n{line}\n")
        (place / name).chmod(0o755)
    return {"PATH": f"{place}{os.pathsep}/usr/bin:/bin"}


def test_audit_of_a_node_prints_one_object(tmp_path: Path) -> None:
    """The job's command, with a node's tree in place of /host: JSON on stdout, status 0, the node's namespaces."""
    (tmp_path / "node" / "proc").mkdir(parents=True)
    container = _documents(AUDIT)[-1]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    assert {entry["name"]: entry["value"] for entry in container["env"]} == {
        "HOST": container["volumeMounts"][0]["mountPath"]
    }
    assert container["volumeMounts"][0]["readOnly"] is True
    words = 'echo "$1 $2 $3 $4" >&2; while [ "$1" != -- ]; do shift; done; shift; exec "$@"'
    environment = {**_fake_path(tmp_path, nsenter=words), "HOST": str(tmp_path / "node")}
    argv = [*container["command"], *container["args"]]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "--target 1 --cgroup --uts\n")
    assert json.loads(done.stdout)["summary"]["containers"] == 0


def _plays() -> list[dict[str, Any]]:
    """A playbook is one document: a list of plays."""
    (plays,) = _documents(PLAYBOOK)
    return list(plays)  # type: ignore[arg-type]


def test_playbook_calls_what_there_is(tmp_path: Path) -> None:
    """The playbook's commands exist with these options, and what the first prints the second can merge."""
    first, second = _plays()
    audit = first["tasks"][0]["ansible.builtin.command"]["argv"]
    environment = _fake_path(tmp_path)
    done = subprocess.run(audit, check=False, capture_output=True, text=True, env=environment)
    assert done.returncode in (0, 1), done.stderr
    (tmp_path / "node.json").write_text(done.stdout)
    merge = second["tasks"][1]["ansible.builtin.command"]["argv"]
    words = re.findall(r"'([^']*)'", merge.partition("]")[0])
    done = subprocess.run(
        [*words, str(tmp_path / "node.json")], check=False, capture_output=True, text=True, env=environment
    )
    assert done.returncode in (0, 1), done.stderr
    assert done.stdout.startswith("<!DOCTYPE html>")


def test_playbook_is_a_playbook() -> None:
    """Each play has hosts, each task a name and one module by its full name; only the audit's status 1 is excused."""
    keywords = {"name", "register", "changed_when", "failed_when", "delegate_to", "become", "run_once"}
    for play in _plays():
        assert {"name", "hosts", "tasks"} <= set(play)
        for task in play["tasks"]:
            (module,) = set(task) - keywords
            assert module.startswith("ansible.builtin.")
            assert ("failed_when" in task) == module.endswith(".command")


def test_playbook_in_ansible_itself(tmp_path: Path) -> None:
    """ansible-playbook reads it without an error."""
    require("ansible-playbook", program_problem("ansible-playbook"))
    argv = ["ansible-playbook", "--syntax-check", "-i", "localhost,", str(EXAMPLES / PLAYBOOK)]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr

"""`cgshimctl engine` on this machine, and the examples read by the engines themselves.

Everything happens in a mount namespace of its own with private copies of the directories that are written to.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from integration.capabilities import require, root_problem
from integration.containers import SEARCH_PATH, Result, call

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
CTL = f'PYTHONPATH="{ROOT}" "{sys.executable}" -m shim.cli.main engine'
LAUNCHER = "/opt/cgshim/bin/cgshim-runc"
# /etc and /opt that may be written to: upper layers on a tmpfs, which goes with the namespace.
PRIVATE = """
set -eu
mount -t tmpfs none "$PLACE"
for d in etc opt; do
    mkdir "$PLACE/$d" "$PLACE/$d.work"
    mount -t overlay none -o "lowerdir=/$d,upperdir=$PLACE/$d,workdir=$PLACE/$d.work" "/$d"
done
"""


@pytest.fixture
def private(tmp_path: Path) -> Callable[[str], Result]:
    """Runs shell text where /etc and /opt are copies that vanish afterwards."""
    require("root", root_problem())
    environment = {"PATH": SEARCH_PATH, "HOME": "/root", "PLACE": str(tmp_path)}

    def run(script: str) -> Result:
        return call(["unshare", "--mount", "sh", "-c", PRIVATE + script], env=environment)

    problem = run("true").err.strip()
    require("overlay in a mount namespace", problem)
    return run


def _program(name: str) -> str:
    path = shutil.which(name, path=SEARCH_PATH)
    require(name, "" if path else f"{name} is not installed")
    return path or ""


def test_podman_is_registered_and_back(private: Callable[[str], Result]) -> None:
    """podman itself names cgshim as its runc, status proves it, and after remove podman is as before."""
    podman = _program("podman")
    ask = f"{podman} --runtime runc info --format '{{{{.Host.OCIRuntime.Path}}}}'"
    result = private(
        f"{ask}; {CTL} install podman --name runc --prefix /opt/cgshim >&2; {ask}\n"
        "ls -l /opt/cgshim/lib/cgshim/shim/__pycache__/hot.*.bin | cut -c1-10\n"
        f"{CTL} status podman; echo status $?\n"
        f"{CTL} remove podman --prefix /opt/cgshim >&2; {ask}; find /opt/cgshim /etc/cgshim; true\n"
    )
    lines = result.out.splitlines()
    bare = lines[0]
    assert bare.endswith("/runc"), str(result)
    assert lines[1:3] == [LAUNCHER, "-rw-r--r--"], str(result)  # the code was compiled, for nobody else to change
    assert lines[-2:] == ["status 0", bare], str(result)
    assert [line for line in lines if line.startswith("ok") and "the engine sees it" in line], str(result)
    assert not [line for line in lines if "WRONG" in line], str(result)


def test_containerd_is_registered_and_back(private: Callable[[str], Result]) -> None:
    """containerd's own reading of its file has cgshim; what the file said before is still in force."""
    containerd = _program("containerd")
    dump = f"{containerd} config dump"
    result = private(
        f"{dump} >/etc/before; {CTL} install containerd --as-default --prefix /opt/cgshim >&2\n"
        f"{dump} >/etc/with; {CTL} status containerd; echo status $?\n"
        f"{CTL} remove containerd --prefix /opt/cgshim >&2; {dump} >/etc/after\n"
        "cmp /etc/before /etc/after && echo same; diff /etc/before /etc/with | grep '^<'; true\n"
    )
    assert "status 0" in result.out, str(result)
    assert "same\n" in result.out, str(result)
    assert [line for line in result.out.splitlines() if line.startswith("ok") and "the engine sees it" in line]
    assert _meaning(result.out) == ['default_runtime_name = "runc"'], str(result)


def test_containerd_drop_in_where_it_merges(private: Callable[[str], Result]) -> None:
    """A containerd that merges drop-ins gets one; config.toml is not written, and what it says is still in force."""
    containerd = _program("containerd")
    text = 'version = 2\nimports = ["/etc/containerd/conf.d/*.toml"]\n[plugins."io.containerd.grpc.v1.cri"]\n'
    result = private(
        f"mkdir -p /etc/containerd; printf '%s  enable_selinux = true\n' '{text}' >/etc/containerd/config.toml\n"
        f"{CTL} install containerd --prefix /opt/cgshim >&2; find /etc/containerd -type f | sort\n"
        f"{containerd} config dump | grep -e enable_selinux -e BinaryName\n"
        f"{CTL} status containerd >&2; echo status $?\n"
        f"{CTL} remove containerd --prefix /opt/cgshim >&2; find /etc/containerd\n"
    )
    merging = "/etc/containerd/conf.d/50-cgshim.toml" in result.out
    require("containerd that merges drop-ins", "" if merging else "a drop-in replaces the section here")
    lines = [line.strip().replace("'", '"') for line in result.out.splitlines()]
    assert "enable_selinux = true" in lines, str(result)
    assert f'BinaryName = "{LAUNCHER}"' in lines, str(result)
    assert lines[lines.index("status 0") + 1 :] == ["/etc/containerd", "/etc/containerd/config.toml"], str(result)
    assert "/etc/containerd/config.toml.cgshim-backup" not in lines


def _meaning(diff: str) -> list[str]:
    """The removed lines that say something: the built-in entry `runc` has a table of options that are all unset."""
    removed = [line[1:].strip().replace("'", '"') for line in diff.splitlines() if line.startswith("<")]
    return [line for line in removed if not line.endswith(('= ""', "= 0", "= false", "runtimes.runc.options]"))]


@pytest.mark.parametrize(
    ("file", "plugin"),
    [("config-v2.toml", "io.containerd.grpc.v1.cri"), ("config-v3.toml", "io.containerd.cri.v1.runtime")],
)
def test_containerd_reads_the_example(file: str, plugin: str) -> None:
    """`containerd config dump` shows BinaryName from the example."""
    containerd = _program("containerd")
    if file == "config-v3.toml":  # newer ones read older files, not the other way round
        known = plugin in call([containerd, "config", "default"]).out
        require(f"containerd with {plugin}", "" if known else "this containerd has no such plugin")
    result = call([containerd, "--config", str(EXAMPLES / "containerd" / file), "config", "dump"])
    assert result.status == 0, str(result)
    assert 'BinaryName = "/usr/bin/cgshim-runc"' in result.out.replace("'", '"')


def test_podman_reads_the_example(tmp_path: Path, private: Callable[[str], Result]) -> None:
    """With the example alone as containers.conf podman's runc is the entry."""
    podman = _program("podman")
    example = EXAMPLES / "podman" / "50-cgshim.conf"
    result = private(
        f"{CTL} install podman --dry-run --name runc --prefix /opt/cgshim >/dev/null; mkdir -p /opt/cgshim/bin\n"
        f"sed 's|/usr/bin/cgshim-runc|{LAUNCHER}|' {example} >/etc/example.conf\n"
        f"printf '#!/bin/sh\\nexec runc \"$@\"\\n' >{LAUNCHER}; chmod 755 {LAUNCHER}\n"
        f"CONTAINERS_CONF=/etc/example.conf {podman} --runtime runc info --format '{{{{json .Host.OCIRuntime}}}}'\n"
    )
    assert result.status == 0, str(result)
    assert json.loads(result.out)["path"] == LAUNCHER


def test_docker_accepts_the_example() -> None:
    """`dockerd --validate` reads the example."""
    dockerd = _program("dockerd")
    require(
        "dockerd --validate", "" if "--validate" in call([dockerd, "--help"]).out else "this dockerd has no --validate"
    )
    result = call([dockerd, "--validate", "--config-file", str(EXAMPLES / "docker" / "daemon.json")])
    assert result.status == 0, str(result)
    assert "configuration OK" in result.out + result.err


def test_crio_reads_the_example(tmp_path: Path) -> None:
    """`crio config` shows the handler from the example."""
    crio = _program("crio")
    shutil.copy(EXAMPLES / "crio" / "50-cgshim.conf", tmp_path)
    result = call([crio, "--config", "", "--config-dir", str(tmp_path), "config"])
    assert result.status == 0, str(result)
    assert 'runtime_path = "/usr/bin/cgshim-runc"' in result.out

"""`cgshimctl self-test` and `uninstall` on this machine: a container with limits through an entry, and everything back.

/etc, /opt and /var are private copies in a mount namespace of its own, which go with it; other processes are not seen.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from integration.capabilities import require, root_problem
from integration.containers import SEARCH_PATH, Result, call

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
CTL = f'PYTHONPATH="{ROOT}" "{sys.executable}" -m shim.cli.main'
PRIVATE = """
set -eu
mount -t tmpfs none "$PLACE"
for d in etc opt var; do
    mkdir "$PLACE/$d" "$PLACE/$d.work"
    mount -t overlay none -o "lowerdir=/$d,upperdir=$PLACE/$d,workdir=$PLACE/$d.work" "/$d"
done
"""
ENTRY = "/opt/cgshim/bin/cgshim-runc"
# The containers of other tests would keep `uninstall` from its work.
APART = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]


@pytest.fixture
def private(tmp_path: Path) -> Callable[[str], Result]:
    """Runs shell text where /etc, /opt and /var are copies that vanish afterwards."""
    require("root", root_problem())
    (tmp_path / "root").mkdir()
    environment = {
        "PATH": SEARCH_PATH,
        "HOME": "/root",
        "PLACE": str(tmp_path / "root"),
        "CGSHIM_STATE": str(tmp_path / "root" / "state"),
    }

    def run(script: str) -> Result:
        return call([*APART, "sh", "-c", PRIVATE + script], env=environment)

    require("overlay in a mount namespace", run("true").err.strip())
    return run


def _objects(text: str) -> list[dict[str, Any]]:
    """The JSON objects that follow each other in a text."""
    found, rest = [], text.strip()
    while rest:
        value, end = json.JSONDecoder().raw_decode(rest)
        found.append(value)
        rest = rest[end:].strip()
    return found


def test_there_and_back(private: Callable[[str], Result]) -> None:
    """install, self-test through the entry, uninstall: what the kernel shows, and /etc as it was."""
    runc = shutil.which("runc", path=SEARCH_PATH) or ""
    require("runc", "" if runc else "runc is not installed")
    result = private(
        "before=$(find /etc -type f | sort | md5sum)\n"
        f"{CTL} engine install podman --runtime {runc} --prefix /opt/cgshim >&2\n"
        f"{CTL} self-test --engine podman -o json\n"
        f"{CTL} uninstall --dry-run -o json\n"
        f"test -e /etc/containers/containers.conf.d/50-cgshim.conf\n"
        f"{CTL} uninstall -o json\n"
        'test "$(find /etc -type f | sort | md5sum)" = "$before"\n'
        "test ! -e /var/lib/cgshim\n"
    )
    assert result.status == 0, str(result)
    tested, planned, done = _objects(result.out)
    assert (tested["engine"], tested["binary"], tested["runtime"]) == ("podman", ENTRY, runc)
    assert tested["passed"] is True
    assert {one["field"]: one["found"].split()[0] for one in tested["limits"]} == {
        "memory.limit": "67108864",
        "pids.limit": "50",
        "cpu.quota": "50000",
    }
    assert (planned["changed"], planned["dry_run"], list(planned["engines"])) == (True, True, ["podman"])
    assert (done["changed"], done["dry_run"], done["remaining"]) == (True, False, [])
    assert done["engines"]["podman"]["files"][0] == {
        "path": "/etc/containers/containers.conf.d/50-cgshim.conf",
        "change": "removed",
    }


def test_self_test_without_an_entry(private: Callable[[str], Result]) -> None:
    """An engine that does not call cgshim: one message, what to do, status 3."""
    result = private(f"{CTL} self-test --engine podman\n")
    assert result.status == 3
    assert result.err.startswith("cgshim: cgshim is not registered with podman [not-registered]\n")


def test_self_test_of_a_runtime_that_fails(private: Callable[[str], Result], tmp_path: Path) -> None:
    """A runtime that starts nothing is a failed test, status 1, with its own words; nothing is left."""
    fake = tmp_path / "root" / "runc"
    script = f"printf '#!/bin/sh\\necho broken >&2\\nexit 1\\n' >{fake}; chmod 755 {fake}\n"
    launcher = ROOT / "shim" / "launcher.sh"
    result = private(f"{script}CGSHIM_RUNTIME={fake} {CTL} self-test --binary {launcher} -o json\n")
    assert result.status == 1, str(result)
    shown = json.loads(result.out)
    assert (shown["passed"], shown["limits"]) == (False, [])
    assert "broken" in shown["problem"]


def test_uninstall_of_nothing(private: Callable[[str], Result]) -> None:
    """Where nothing was set up nothing is done."""
    result = private(f"{CTL} uninstall -o json\n")
    assert (result.status, json.loads(result.out)["engines"]) == (0, {}), str(result)


def test_programs_of_the_single_file_go_last(private: Callable[[str], Result]) -> None:
    """Its installation has a link to the interpreter: those programs go, and a foreign file beside them stays."""
    result = private(
        "mkdir -p /opt/cgshim/bin /opt/cgshim/lib/cgshim/shim\n"
        f"cp {ROOT}/shim/launcher.sh /opt/cgshim/bin/cgshim; touch /opt/cgshim/bin/other\n"
        f"ln -s {sys.executable} /opt/cgshim/lib/cgshim/python\n"
        f"PYTHONPATH={ROOT} {sys.executable} -c \"import sys; sys.argv[0] = '/opt/cgshim/bin/cgshimctl'\n"
        "from shim.cli.main import main; main(prog_name='cgshimctl')\" uninstall >&2\n"
        "find /opt/cgshim -type f -o -type l\n"
    )
    assert (result.status, result.out) == (0, "/opt/cgshim/bin/other\n"), str(result)

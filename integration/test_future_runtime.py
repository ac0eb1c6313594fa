"""A runtime from the future: flags, keys of its state and messages that no table has. No limit may be lost for them.

It is the real runtime behind a script that takes the new flags, adds keys to the state file as soon as there is one,
and logs lines of a level and with keys that nobody knows.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from integration.bundle import Bundle
    from integration.containers import Shim
    from integration.kernel import CgroupValues

FUTURE = """#!/usr/bin/python3 -IS
import json, os, subprocess, sys
words, taken, log = [], iter(sys.argv[1:]), ""
for word in taken:
    if word == "--future-value":
        next(taken)
    elif word != "--future-switch" and not word.startswith("--future-value="):
        words.append(word)
log = words[words.index("--log") + 1] if "--log" in words else ""
if log:
    with open(log, "a") as file:
        file.write('{"level":"notice2030","msg":"limits are now kept elsewhere","seen":{"a":[1]},"time":"x"}\\n')
        file.write("a line that is not JSON\\n")
done = subprocess.call([@PATH@, *words], close_fds=False)
root = words[words.index("--root") + 1]
for name in ("state.json", "status"):
    path = os.path.join(root, words[-1], name)
    if os.path.exists(path):
        with open(path) as file:
            state = json.load(file)
        state.update({"limits_v3": {"memory": None}, "version_of_state": 9, "": [], "cgroup_paths_v2": "/nowhere"})
        with open(path, "w") as file:
            json.dump(state, file)
sys.exit(done)
"""
# What is foreign to a v1 host is translated, what is foreign to cgroup2 is dropped: the plan has work to do.
RESOURCES = {"memory": {"limit": 67108864, "swappiness": 10}, "pids": {"limit": -1}, "unified": {"pids.max": "41"}}


@pytest.fixture
def future(shim: Shim, tmp_path: Path) -> Shim:
    """The launcher with that runtime behind it, under the real one's name."""
    program = tmp_path / "future" / shim.name
    program.parent.mkdir()
    program.write_text(FUTURE.replace("@PATH@", repr(shim.path)))
    program.chmod(0o755)
    shim.path = str(program)
    return shim


@pytest.mark.parametrize(
    "flags",
    [
        ("--future-switch",),
        ("--future-value=VALUE",),
        ("--future-value", "VALUE"),
    ],
)
def test_limits_of_a_runtime_with_unknown_flags(
    future: Shim,
    bundle: Bundle,
    container: str,
    cgroup_values: Callable[[int], CgroupValues],
    flags: tuple[str, ...],
) -> None:
    """Created with a flag that no table has, behind the bundle: the limits that were asked for are the kernel's."""
    bundle.configure(resources=RESOURCES, linux={"cgroupsPath": f"/{container}"})
    log = bundle.path.parent / "log.json"
    words = ("--log", str(log), "--log-format", "json", "create", "--bundle", str(bundle.path), *flags, container)
    future.must(*words)
    values = cgroup_values(future.pid(container))
    shown = {name: values.read(name) for name in ("memory.limit_in_bytes", "memory.max", "pids.max")}
    assert shown.pop("pids.max") == "41"
    assert "67108864" in shown.values()
    assert '"level":"notice2030"' in log.read_text()  # nobody else's words are touched


def test_updates_of_a_container_with_unknown_state(
    future: Shim, bundle: Bundle, container: str, cgroup_values: Callable[[int], CgroupValues]
) -> None:
    """Keys that nobody knows beside those that are read: an update reaches the container's own cgroup."""
    bundle.configure(resources=RESOURCES, linux={"cgroupsPath": f"/{container}"})
    pid = future.create(bundle, container)
    future.must("update", "--resources", "-", container, stdin=json.dumps({"unified": {"pids.max": "23"}}))
    assert cgroup_values(pid).read("pids.max") == "23"
    future.must("update", "--pids-limit", "24", container)
    assert cgroup_values(pid).read("pids.max") == "24"
    assert future("update", "--future-value", "VALUE", "--pids-limit", "25", container).status == 0
    assert cgroup_values(pid).read("pids.max") == "25"

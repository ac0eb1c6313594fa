"""Values as users write them, under the real runtimes: what the kernel then shows, and what no longer fails.

Expected numbers: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/*.rst.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from integration.capabilities import require

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration.bundle import Bundle
    from integration.containers import Shim
    from integration.kernel import CgroupValues

M = 1 << 20

# resources -> the files that must show them, by version of the controller.
SHOWN: dict[str, tuple[dict[str, Any], dict[int, dict[str, str]]]] = {
    "period-kept": (
        {"cpu": {"quota": 9000, "period": 20000}, "unified": {"cpu.max": "5000"}},
        {1: {"cpu.cfs_quota_us": "5000", "cpu.cfs_period_us": "20000"}, 2: {"cpu.max": "5000 20000"}},
    ),
    "quota-is-the-period": (
        {"unified": {"cpu.max": "100000 100000"}},
        {1: {"cpu.cfs_quota_us": "100000", "cpu.cfs_period_us": "100000"}, 2: {"cpu.max": "100000 100000"}},
    ),
    "cpuset": ({"unified": {"cpuset.cpus": "0,0"}}, {1: {"cpuset.cpus": "0"}, 2: {"cpuset.cpus": "0"}}),
    "memory-suffix": (
        {"unified": {"memory.max": "64M"}},
        {1: {"memory.limit_in_bytes": str(64 * M)}, 2: {"memory.max": str(64 * M)}},
    ),
    "pids-none": ({"unified": {"pids.max": "max"}}, {1: {"pids.max": "max"}, 2: {"pids.max": "max"}}),
}


@pytest.mark.parametrize("name", SHOWN)
def test_the_kernel_shows_what_was_asked(
    shim: Shim, bundle: Bundle, container: str, cgroup_values: Callable[[int], CgroupValues], name: str
) -> None:
    """`unified` means the same on v1, and a limit that landed is accepted in the kernel's own spelling."""
    resources, files = SHOWN[name]
    bundle.configure(resources=resources)
    values = cgroup_values(shim.create(bundle, container))
    controller = next(iter(files[2])).partition(".")[0]
    version = values.version(controller)
    assert {file: (values.read(file, version) or "").strip() for file in files[version]} == files[version]


ACCEPTED: dict[str, dict[str, Any]] = {
    "swappiness-of-docker": {"memory": {"limit": 64 * M, "swappiness": 18446744073709551615}},
    "cpu-idle-2": {"cpu": {"idle": 2, "shares": 512}},
    "weight": {"unified": {"io.weight": "100", "pids.max": "32"}},
    "bfq-weight": {"unified": {"io.bfq.weight": "100", "pids.max": "32"}},
    "pids-0": {"pids": {"limit": 0}},
    "empty-values": {"unified": {"memory.max": "", "cpuset.cpus": " "}},
    "empty-sections": {"memory": {}, "cpu": {"shares": 0}, "pids": {}, "blockIO": {"weight": 0}, "hugepageLimits": []},
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_asks_for_nothing_does_not_keep_a_container_from_starting(
    shim: Shim, bundle: Bundle, container: str, name: str
) -> None:
    """Values that runtimes or kernels ignore, and hints that no kernel takes, are no reason to refuse."""
    bundle.configure(resources=ACCEPTED[name])
    shim.create(bundle, container)
    shim.must("start", container)


def test_a_throttle_without_a_rate(shim: Shim, bundle: Bundle, container: str) -> None:
    """Runtimes read 0, which is no limit."""
    disks = sorted(Path("/sys/block").glob("*/dev"))
    require("block device", "" if disks else "/sys/block has no disk")
    major, minor = map(int, disks[0].read_text().split(":"))
    bundle.configure(resources={"blockIO": {"throttleReadBpsDevice": [{"major": major, "minor": minor}]}})
    shim.create(bundle, container)


@pytest.mark.parametrize("value", ["0", " ", "512K"])
def test_a_limit_at_which_no_runtime_starts(shim: Shim, bundle: Bundle, container: str, value: str) -> None:
    """0 is the strictest limit in `unified`, not none: the start is refused before it is killed."""
    bundle.configure(resources={"unified": {"memory.max": value}})
    result = shim("create", "--bundle", str(bundle.path), container)
    if value == "512K" and shim.name == "crun":
        assert result.status == 0, result
        return
    assert result.status != 0, result
    assert "[oom-certain-at-start]" in result.err, result


def test_text_that_only_the_runtime_knows(shim: Shim, bundle: Bundle, container: str) -> None:
    """Text behind the document (runc) and comments (crun) are passed on untouched where nothing has to change."""
    bundle.configure(resources={"pids": {"limit": 32}})
    text = bundle.config_path.read_text()
    text = f"{text}\n}} trailing" if shim.name == "runc" else text.replace("{", "{ /* a comment */", 1)
    bundle.config_path.write_text(text)
    shim.create(bundle, container)
    assert bundle.config_path.read_text() == text
    assert json.loads(shim("state", container).out)["id"] == container


@pytest.mark.parametrize("depth", [2000, 9990])
def test_limits_beside_what_is_too_deep_for_python(
    shim: Shim, bundle: Bundle, container: str, cgroup_values: Callable[[int], CgroupValues], depth: int
) -> None:
    """A member of the resources that nobody knows may have as many levels as the runtime takes; the limits land."""
    bundle.configure(resources={"unified": {"pids.max": "32"}, "x": "deep"})
    deep = "[" * depth + "]" * depth
    bundle.config_path.write_text(bundle.config_path.read_text().replace('"deep"', deep))
    values = cgroup_values(shim.create(bundle, container))
    assert (values.read("pids.max", values.version("pids")) or "").strip() == "32"
    assert deep in bundle.config_path.read_text()


def test_a_key_twice_with_one_value(shim: Shim, bundle: Bundle, container: str) -> None:
    """Both runtimes read the same limit, so it stays as it is; where it has to change, one of the two would stay."""
    bundle.configure(resources={"pids": {"limit": 32}})
    text = bundle.config_path.read_text()
    bundle.config_path.write_text(text.replace('"limit": 32', '"limit": 32, "limit": 32'))
    assert '"limit": 32, "limit": 32' in bundle.config_path.read_text()
    shim.create(bundle, container)

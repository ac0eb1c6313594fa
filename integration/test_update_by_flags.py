"""`update` with its limits as flags, by hand as people do: checked before, read back after, as from a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration.bundle import Bundle
    from integration.containers import Shim
    from integration.kernel import CgroupValues


def _started(shim: Shim, bundle: Bundle, container: str) -> int:
    bundle.configure(resources={"pids": {"limit": 50}}, linux={"cgroupsPath": f"/{container}"})
    shim.must("create", "--bundle", str(bundle.path), container)
    shim.must("start", container)
    return shim.pid(container)


def test_what_cannot_be_is_refused_by_field(shim: Shim, bundle: Bundle, container: str) -> None:
    """Less quota than the kernel's millisecond: the field and the value, before the runtime is called."""
    _started(shim, bundle, container)
    result = shim("update", "--cpu-quota", "500", container)
    assert result.status == 1
    assert "cpu.quota: 500" in result.err
    assert "[bad-resources]" in result.err


def test_it_reaches_the_kernel(
    shim: Shim, bundle: Bundle, container: str, cgroup_values: Callable[[int], CgroupValues]
) -> None:
    """What the host can do is done."""
    pid = _started(shim, bundle, container)
    shim.must("update", "--pids-limit", "77", container)
    assert cgroup_values(pid).read("pids.max") == "77"


def test_what_the_host_has_not_is_left_out(
    shim: Shim, bundle: Bundle, container: str, cgroup_values: Callable[[int], CgroupValues]
) -> None:
    """Too few shares: the kernel's least, which bare runc passes on and cgshim writes into a file for it."""
    pid = _started(shim, bundle, container)
    shim.must("update", "--cpu-share", "1", "--pids-limit", "78", container)
    assert cgroup_values(pid).read("pids.max") == "78"


def test_what_is_no_number_is_the_runtimes_to_refuse(shim: Shim, bundle: Bundle, container: str) -> None:
    """Its own words, and the limit as it was."""
    _started(shim, bundle, container)
    result = shim("update", "--memory", "abc", container)
    assert result.status != 0
    assert "abc" in result.err

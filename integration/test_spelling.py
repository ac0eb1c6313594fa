"""Keys in another case than the specification's: limits under runc, none under crun, and cgshim reads the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration.bundle import Bundle
    from integration.containers import Shim
    from integration.kernel import CgroupValues

ODD: dict[str, Any] = {"Memory": {"LIMIT": 67108864}, "pids": {"Limit": 77}}


def test_read_as_the_runtime_reads(
    shim: Shim, bundle: Bundle, container: str, cgroup_values: Callable[[int], CgroupValues]
) -> None:
    """The kernel has what the bare runtime would have set."""
    bundle.configure(resources=ODD, linux={"cgroupsPath": f"/{container}"})
    shim.must("create", "--bundle", str(bundle.path), container)
    found = cgroup_values(shim.pid(container)).read("pids.max")
    assert found == ("77" if shim.name == "runc" else "max")


def test_what_cannot_be_enforced_is_refused(shim: Shim, bundle: Bundle, container: str) -> None:
    """A value that no kernel takes, under a key of another case: runc would fail on it, so it is refused by name."""
    bundle.configure(resources={"CPU": {"Quota": 500}}, linux={"cgroupsPath": f"/{container}"})
    result = shim("create", "--bundle", str(bundle.path), container)
    if shim.name == "runc":
        assert result.status == 1
        assert "linux.resources.cpu.quota" in result.err
        assert "[bad-resources]" in result.err
    else:
        assert result.status == 0, str(result)

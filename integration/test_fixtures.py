"""The fixtures themselves: what every other integration test takes for granted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from integration.kernel import Mount, cgroup_mounts

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration.bundle import Bundle
    from integration.containers import Runtime
    from integration.kernel import CgroupValues


def test_bare_runtime_limit_is_read_back(
    bundle: Bundle, runtime: Runtime, container: str, cgroup_values: Callable[[int], CgroupValues]
) -> None:
    """A pids limit given to the bare runtime is what `cgroup_values` reads from the kernel."""
    bundle.configure(resources={"pids": {"limit": 29}})
    pid = runtime.create(bundle, container)
    assert cgroup_values(pid).read("pids.max") == "29"
    assert cgroup_values(pid).read("pids.no_such_file") is None


def test_cleanup_deletes_what_a_test_left(bundle: Bundle, runtime: Runtime, container: str) -> None:
    """After `cleanup` no container is left below the private root."""
    runtime.create(bundle, container)
    assert runtime.containers() == [container]
    runtime.cleanup()
    assert runtime.containers() == []


def test_mountinfo_of_a_bind_mounted_subtree() -> None:
    """The root field of mountinfo (proc(5)) survives, so that a subtree is not taken for the hierarchy's root."""
    line = "40 31 0:29 /kubepods/pod7 /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
    (mount,) = cgroup_mounts(line)
    assert mount == Mount("/kubepods/pod7", mount.point, 1, ("rw", "cpu", "cpuacct"))
    assert str(mount.point) == "/sys/fs/cgroup/cpu"

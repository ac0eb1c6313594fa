"""One definition of each figure: what comes of the files that kernels of each kind have."""

from __future__ import annotations

from pathlib import Path

import pytest

from shim.observe.memory_numbers import FIELDS, TABLE, measure

# Recorded on Linux 6.18 (v1): a process that holds 24 MiB of private memory, 20 MiB of shared memory, 12 MiB of page
# cache read from a file, and 12 pipes of 1 MiB.
V1 = {
    "memory.usage_in_bytes": "75624448\n",
    "memory.max_usage_in_bytes": "76021760\n",
    "memory.kmem.usage_in_bytes": "13230080\n",
    "memory.stat": (
        "cache 33554432\nrss 28258304\nshmem 20971520\nswap 0\ninactive_file 12582912\n"
        "total_cache 33554432\ntotal_rss 28258304\ntotal_shmem 20971520\ntotal_swap 4096\n"
        "total_inactive_anon 49246208\ntotal_inactive_file 12582912\ntotal_active_file 0\n"
    ),
}
# Keys as Documentation/admin-guide/cgroup-v2.rst has them, "memory.stat".
V2 = {
    "memory.current": "75624448\n",
    "memory.peak": "76021760\n",
    "memory.swap.current": "4096\n",
    "memory.stat": (
        "anon 28258304\nfile 33554432\nkernel 13230080\nkernel_stack 16384\npagetables 163840\npercpu 0\nsock 4096\n"
        "vmalloc 0\nshmem 20971520\ninactive_anon 49246208\ninactive_file 12582912\nslab 204800\n"
    ),
}
SAME = {
    "usage": 75624448,
    "working_set": 63041536,
    "anonymous": 28258304,
    "file": 12582912,
    "shmem": 20971520,
    "swap": 4096,
    "peak": 76021760,
}


def _figures(memory: object) -> dict[str, int | None]:
    return {name: getattr(memory, name) for name in FIELDS if name != "kernel"}


def test_both_versions_say_the_same() -> None:
    """The same process under v1 and cgroup2: equal figures, from other files."""
    one, two = measure("v1", V1, populated=True), measure("v2", V2)
    assert (_figures(one), one.kernel) == (SAME, 13230080)
    assert (_figures(two), two.kernel) == (SAME, 13230080 + 4096)  # buffers of sockets are in usage on cgroup2 only
    assert (one.absent, two.absent) == ({}, {})
    assert one.sources["working_set"] == "memory.usage_in_bytes - memory.stat: total_inactive_file"
    assert two.sources["working_set"] == "memory.current - memory.stat: inactive_file"
    assert two.sources["file"] == "memory.stat: file - shmem"
    assert two.sources["kernel"] == "memory.stat: kernel + sock"


def test_cgroup2_before_5_18_tells_parts_of_kernel_memory() -> None:
    """memory.stat has no `kernel` there, memory.peak is missing before 5.19: named, not guessed."""
    stat = V2["memory.stat"].replace("kernel 13230080\n", "").replace("vmalloc 0\n", "")
    old = {**V2, "memory.stat": stat}
    del old["memory.peak"]
    found = measure("v2", old)
    assert found.kernel == 16384 + 204800 + 163840 + 0 + 4096
    assert found.sources["kernel"] == "memory.stat: kernel_stack + slab + pagetables + percpu + vmalloc + sock"
    assert (found.peak, found.absent) == (None, {"peak": "this kernel has no memory.peak"})


@pytest.mark.parametrize(("populated", "kernel"), [(True, None), (False, 0)])
def test_v1_without_kernel_memory_in_usage(populated: bool, kernel: int | None) -> None:
    """cgroup.memory=nokmem: 0 is the truth of an empty cgroup only."""
    found = measure("v1", {**V1, "memory.kmem.usage_in_bytes": "0\n"}, populated=populated)
    assert found.kernel == kernel
    assert found.absent.get("kernel", "") == (
        "memory.kmem.usage_in_bytes is 0 although the cgroup has processes: this kernel does not count kernel memory "
        "(cgroup.memory=nokmem)"
        if populated
        else ""
    )


def test_v1_built_without_kernel_memory() -> None:
    """CONFIG_MEMCG_KMEM off: there is no such file."""
    found = measure("v1", {name: text for name, text in V1.items() if "kmem" not in name}, populated=True)
    assert (found.kernel, found.absent["kernel"]) == (None, "this kernel has no memory.kmem.usage_in_bytes")


def test_a_vendor_kernel_with_memory_stat_v2() -> None:
    """UOS: what v1's own file does not have comes from memory.stat_v2; what it has stays its own."""
    stat = "".join(line + "\n" for line in V1["memory.stat"].splitlines() if "shmem" not in line)
    texts = {**V1, "memory.stat": stat, "memory.stat_v2": V2["memory.stat"]}
    del texts["memory.kmem.usage_in_bytes"]
    found = measure("v1", texts, populated=True)
    assert (found.anonymous, found.file, found.shmem, found.kernel) == (28258304, 12582912, 20971520, 13230080)
    assert found.sources["anonymous"] == "memory.stat: total_rss"
    assert found.sources["shmem"] == "memory.stat_v2: shmem"
    assert found.sources["file"] == "memory.stat_v2: file - shmem"
    assert found.sources["kernel"] == "memory.stat_v2: kernel"


def test_no_swap_accounting() -> None:
    """v1 without memory.memsw.* has no `swap` in memory.stat; cgroup2 without swap has no memory.swap.current."""
    stat = "".join(line + "\n" for line in V1["memory.stat"].splitlines() if "swap" not in line)
    assert measure("v1", {**V1, "memory.stat": stat}).absent == {"swap": "memory.stat without total_swap"}
    without = {name: text for name, text in V2.items() if "swap" not in name}
    assert measure("v2", without).absent == {"swap": "this kernel has no memory.swap.current"}


def test_a_refused_file_is_named() -> None:
    """A file on another device is the reason, for every figure that it would give."""
    texts = {name: text for name, text in V2.items() if name != "memory.stat"}
    why = "/sys/fs/cgroup/a/memory.stat: on another device than the cgroup file system, so it is not the kernel's"
    found = measure("v2", texts, {"memory.stat": why})
    assert found.usage == 75624448
    assert found.absent == dict.fromkeys(("working_set", "anonymous", "file", "shmem", "kernel"), why)


@pytest.mark.parametrize("text", ["", "max\n", "-1\n", "12 34\n", "\u0663\n"])
def test_a_file_without_a_number(text: str) -> None:
    """Nothing is made of it."""
    found = measure("v2", {**V2, "memory.current": text})
    assert (found.usage, found.working_set) == (None, None)
    assert found.absent["usage"] == "memory.current without a number"


def test_the_working_set_is_never_negative() -> None:
    """The files are read one after the other, so inactive page cache may be more than the usage was."""
    assert measure("v2", {**V2, "memory.current": "4096\n"}).working_set == 0


def test_the_shape_has_every_figure() -> None:
    """JSON has all figures, None for what is absent, with a source or a reason for each."""
    shape = measure("v1", V1).shape()
    assert list(shape) == [*FIELDS, "sources", "absent"]
    assert set(shape["sources"]) | set(shape["absent"]) == set(FIELDS)


def test_every_figure_has_a_way_in_both_versions() -> None:
    """The table has no hole, and each way names the kernel's document."""
    for fields in TABLE.values():
        assert tuple(fields) == FIELDS
        assert all(way.document for ways in fields.values() for way in ways)


def test_the_page_has_the_table() -> None:
    """docs/watch.md shows every way of every figure, as it is here."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "watch.md").read_text()
    for field in FIELDS:
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{field}` |")]
        for fields in TABLE.values():
            ways = [way.source() for way in fields[field]]
            prefix = "usage - " if field == "working_set" else ""
            assert "; else ".join(f"`{prefix}{way}`" for way in ways) in row

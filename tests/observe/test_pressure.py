"""Memory pressure: PSI where the kernel has it, else delay accounting, else the reason why not."""

from __future__ import annotations

import errno
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shim.host.captured import CapturedView
from shim.observe import pressure

if TYPE_CHECKING:
    from shim.host.view import Identity

HOSTS = Path(__file__).resolve().parents[1] / "hosts"
SWITCH = "/proc/sys/kernel/task_delayacct"
PSI = "/sys/fs/cgroup/kp/pod"
# include/uapi/linux/taskstats.h, offsetof() as gcc has it: count and delay_total of each cause.
OFFSETS = {"swapin": 48, "reclaim": 312, "thrashing": 328, "compaction": 352}
# The same in Linux 6.14's header, which has a maximum and a minimum behind each total.
OFFSETS_15 = {"swapin": 80, "reclaim": 360, "thrashing": 392, "compaction": 432}


class Host(CapturedView):
    """A captured host whose delay accounting is switched on or off; None: it has no such switch."""

    def __init__(self, name: str, switch: str | None) -> None:
        super().__init__(str(HOSTS / name))
        self.switch = switch

    def read(self, path: str) -> tuple[str, Identity] | None:
        """The switch, else as captured."""
        identity = super().identity("/proc/self")
        if path == SWITCH and self.switch is not None and identity:
            return self.switch, identity
        return super().read(path)


def _struct(version: int, offsets: dict[str, int], size: int = 560) -> bytes:
    data = bytearray(size)
    struct.pack_into("=H", data, 0, version)
    struct.pack_into("=Q", data, 16, 1)  # cpu_count
    for number, offset in enumerate(offsets.values(), 1):
        if offset + 16 <= size:
            struct.pack_into("=QQ", data, offset, number, number * 1_000_000)
    return bytes(data)


def _never(_pid: int) -> bytes:
    raise AssertionError("nobody is to be asked")


def test_psi_is_the_first_choice() -> None:
    """The cgroup's own memory.pressure, totals in microseconds (Documentation/accounting/psi.rst)."""
    found = pressure.of_cgroup(Host("debian12-unified-6.1", "1\n"), PSI, [1], _never)
    assert (found.source, found.evidence, found.reason) == ("psi", f"{PSI}/memory.pressure", "")
    assert set(found.totals) == {"some", "full"}
    assert all(isinstance(value, int) for value in found.totals.values())


def test_look_alike_of_psi_is_not_believed() -> None:
    """A forged memory.pressure on a tmpfs, as vendors have it: delay accounting is asked instead."""
    view = Host("forged-pressure-4.19", None)
    found = pressure.of_cgroup(view, "/sys/fs/cgroup", [7], lambda _pid: _struct(8, OFFSETS))
    assert found.source == "taskstats"
    ordinary = "/sys/fs/cgroup/memory.pressure is a regular file, not the kernel's"
    assert found.reason.startswith(f"no PSI: {ordinary};")


def test_delay_accounting_is_labelled_and_summed() -> None:
    """Two processes, microseconds; it says that it is no PSI and whom it leaves out."""
    view = Host("v1-elsewhere-3.10", "1\n")
    found = pressure.of_cgroup(view, "", [7, 8], lambda _pid: _struct(13, OFFSETS))
    assert found.source == "taskstats"
    assert found.totals == {"swapin": 2000, "reclaim": 4000, "thrashing": 6000, "compaction": 8000}
    assert found.evidence == "taskstats of 2 living process(es): 7, 8"
    assert found.reason == "no PSI: no cgroup2 directory; the delays of processes that have ended are not in it"


def test_process_that_ended_meanwhile_is_left_out() -> None:
    """ESRCH for one of two."""

    def ask(pid: int) -> bytes:
        if pid == 8:
            raise ProcessLookupError(errno.ESRCH, "No such process")
        return _struct(13, OFFSETS)

    view = Host("v1-elsewhere-3.10", "1\n")
    assert pressure.of_cgroup(view, "", [7, 8], ask).totals["swapin"] == 1000
    none = pressure.of_cgroup(view, "", [8], ask)
    assert (none.source, none.reason) == ("", "no PSI: no cgroup2 directory; no process to ask taskstats about")


def test_switched_off_is_a_reason_not_a_zero() -> None:
    """kernel.task_delayacct=0: the kernel would answer with zeros."""
    found = pressure.of_cgroup(Host("v1-elsewhere-3.10", "0\n"), "", [7], _never)
    assert (found.source, found.totals) == ("", {})
    assert "/proc/sys/kernel/task_delayacct is 0" in found.reason


def test_kernel_that_counts_nothing_is_a_reason() -> None:
    """nodelayacct before Linux 5.14: no switch, and an answer in which not even the processor was ever got."""
    found = pressure.of_cgroup(Host("v1-elsewhere-3.10", None), "", [7], lambda _pid: bytes([8, 0, *bytes(326)]))
    assert (found.source, found.totals) == ("", {})
    assert found.reason == f"no PSI: no cgroup2 directory; no delay accounting: {pressure.UNACCOUNTED}"


def test_kernel_without_taskstats_is_a_reason() -> None:
    """CONFIG_TASKSTATS off: generic netlink does not know the family."""

    def ask(_pid: int) -> bytes:
        raise OSError("generic netlink has no family TASKSTATS")

    found = pressure.of_cgroup(Host("v1-elsewhere-3.10", None), "", [7], ask)
    assert (found.source, found.totals) == ("", {})
    assert found.reason.endswith("no taskstats: generic netlink has no family TASKSTATS")


@pytest.mark.parametrize(
    ("version", "offsets", "names"),
    [
        (1, OFFSETS, ["swapin"]),
        (7, OFFSETS, ["swapin", "reclaim"]),
        (9, OFFSETS, ["swapin", "reclaim", "thrashing"]),
        (11, OFFSETS, ["swapin", "reclaim", "thrashing", "compaction"]),
        (15, OFFSETS_15, ["swapin", "reclaim", "thrashing", "compaction"]),
        (16, OFFSETS, ["swapin", "reclaim", "thrashing", "compaction"]),
        (17, OFFSETS, ["swapin", "reclaim", "thrashing", "compaction"]),
    ],
)
def test_every_version_of_the_struct(version: int, offsets: dict[str, int], names: list[str]) -> None:
    """The header says since which version a field is there; version 15 alone has another layout."""
    expected = {name: number * 1_000_000 for number, name in enumerate(OFFSETS, 1)}
    assert pressure.delays(_struct(version, offsets)) == {name: expected[name] for name in names}


def test_short_answer_has_fewer_fields() -> None:
    """The struct ends before the field: it is left out, not read from elsewhere."""
    assert list(pressure.delays(_struct(16, OFFSETS, size=320))) == ["swapin"]

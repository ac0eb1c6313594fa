"""One module for each kind of limit, with the table `KINDS`."""

from __future__ import annotations

from shim.audit.limits import cpu, cpuset, devices, hugetlb, io, memory, oom, pids

KINDS = (memory.KIND, cpu.KIND, cpuset.KIND, pids.KIND, io.KIND, hugetlb.KIND, devices.KIND, oom.KIND)

"""Checks of block devices, huge pages, network interfaces, pids and the device filter."""

from __future__ import annotations

from shim.diagnose.checks.configured import number, shown
from shim.diagnose.facts import BPF, SYS_ADMIN, SYS_RESOURCE, Facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.diagnose.entry import Words

HUGE = "/sys/kernel/mm/hugepages"
UNITS = {"KB": 1, "MB": 1024, "GB": 1024 * 1024}  # to kB, as hugetlb file names write them


def no_weight_file(facts: Facts, words: Words) -> tuple[str, ...]:
    """The hierarchy has no weight file below its root."""
    mount = facts.v1("blkio")
    if mount is None or facts.layout() == "unified":
        return ()
    return tuple(
        f"{mount.point}/{file}: {'present' if facts.exists(f'{mount.point}/{file}') else 'absent'}"
        for file in ("blkio.weight", "blkio.bfq.weight")
    )


def no_io_weight(facts: Facts, words: Words) -> tuple[str, ...]:
    """cgroup2: the io controller is enabled on the path, but neither weight file exists."""
    for directory in facts.lineage(facts.directory())[1:]:
        if facts.exists(f"{directory}/io.max") and not facts.exists(f"{directory}/io.weight"):
            return (f"{directory}/io.max: present", f"{directory}/io.weight: absent")
    return ()


def schedulers(facts: Facts, words: Words) -> tuple[str, ...]:
    """The disks' schedulers, none of them bfq."""
    found = []
    for name in facts.names("/sys/block"):
        line = facts.line(f"/sys/block/{name}/queue/scheduler")
        if line and "[bfq]" not in line:
            found.append(f"/sys/block/{name}/queue/scheduler: {line}")
    return tuple(found[:3])


def weight_out_of_range(facts: Facts, words: Words) -> tuple[str, ...]:
    """`blockIO.weight` is outside 10 to 1000."""
    weight = number(facts, "blockIO", "weight")
    return () if weight is None or 10 <= weight <= 1000 else (shown(("blockIO", "weight"), weight),)


def unknown_disk(facts: Facts, words: Words) -> tuple[str, ...]:
    """A throttled device is not in /proc/partitions."""
    lines = (facts.text("/proc/partitions") or "").splitlines()
    known = {tuple(line.split()[:2]) for line in lines if len(line.split()) == 4}
    block = facts.resource("blockIO")
    found = []
    for key, devices in block.items() if isinstance(block, dict) and known else ():
        for device in devices if isinstance(devices, list) else ():
            number_pair = (str(device.get("major")), str(device.get("minor")))
            if number_pair not in known:
                found.append(
                    f"config.json linux.resources.blockIO.{key}: {':'.join(number_pair)} not in /proc/partitions"
                )
    return tuple(found)


def page_sizes(facts: Facts, words: Words) -> tuple[str, ...]:
    """A huge page size of config.json is not one of the kernel's."""
    known = {name[len("hugepages-") : -len("kB")] for name in facts.names(HUGE) if name.startswith("hugepages-")}
    found = []
    for limit in facts.resource("hugepageLimits") or ():
        size = str(limit.get("pageSize", "")) if isinstance(limit, dict) else ""
        unit = UNITS.get(size[-2:])
        if unit is None or not size[:-2].isdigit() or str(int(size[:-2]) * unit) not in known:
            found.append(f"config.json linux.resources.hugepageLimits: pageSize {size!r}")
    sizes = " ".join(sorted(known)) or "none"
    return (*found, f"{HUGE}: {sizes} (kB)") if found else ()


def unknown_interface(facts: Facts, words: Words) -> tuple[str, ...]:
    """A network priority names an interface that does not exist here."""
    priorities = facts.resource("network", "priorities") or ()
    names = [str(one.get("name")) for one in priorities if isinstance(one, dict)]
    known = facts.names("/sys/class/net")
    return tuple(f"/sys/class/net: {' '.join(known)} (no {name})" for name in names if known and name not in known)


def unknown_rdma(facts: Facts, words: Words) -> tuple[str, ...]:
    """`rdma` names a device that does not exist here."""
    known = facts.names("/sys/class/infiniband")
    asked = facts.resource("rdma")
    missing = [name for name in asked if name not in known] if isinstance(asked, dict) else []
    return tuple(f"/sys/class/infiniband: {' '.join(known) or 'none'} (no {name})" for name in missing)


def pids_too_many(facts: Facts, words: Words) -> tuple[str, ...]:
    """`pids.limit` is above the kernel's maximum of 2^22."""
    limit = number(facts, "pids", "limit")
    return (shown(("pids", "limit"), limit), "kernel maximum: 4194304") if limit and limit > 4194304 else ()


def pids_negative(facts: Facts, words: Words) -> tuple[str, ...]:
    """`pids.limit` is negative."""
    limit = number(facts, "pids", "limit")
    return (shown(("pids", "limit"), limit),) if limit is not None and limit < 0 else ()


def pids_zero(facts: Facts, words: Words) -> tuple[str, ...]:
    """`pids.limit` is 0."""
    limit = number(facts, "pids", "limit")
    return (shown(("pids", "limit"), limit),) if limit == 0 else ()


def pids_full(facts: Facts, words: Words) -> tuple[str, ...]:
    """A cgroup on the path, or this process's own, has reached its process limit."""
    own = facts.own.get("pids", facts.own.get("", ""))
    mount = facts.cgroup2() if facts.layout() == "unified" else facts.v1("pids")
    mine = facts.lineage(mount.point + own) if mount else ()
    found = []
    for directory in dict.fromkeys((*facts.lineage(facts.directory("pids")), *mine)):
        most, now = facts.number(f"{directory}/pids.max"), facts.number(f"{directory}/pids.current")
        if most is not None and now is not None and now + 4 >= most:
            found.append(f"{directory}: pids.current {now} of pids.max {most}")
    return tuple(found)


def narrow_parent(facts: Facts, words: Words) -> tuple[str, ...]:
    """An ancestor's devices.list is not "all devices"."""
    found = []
    for directory in facts.lineage(facts.directory("devices"))[:-1]:
        path = f"{directory}/devices.list"
        if facts.line(path) not in ("", "a *:* rwm"):
            found.append(facts.quote(path)[:200])
    return tuple(found[:2])


def may_not_load_bpf(facts: Facts) -> tuple[str, ...]:
    """This process lacks CAP_BPF and CAP_SYS_ADMIN in the initial user namespace, or has a seccomp filter."""
    found = []
    if facts.capable(BPF) is False and facts.capable(SYS_ADMIN) is False:
        found.append(f"/proc/self/status CapEff: {facts.field('CapEff')} (no CAP_BPF, no CAP_SYS_ADMIN)")
    if facts.in_user_namespace():
        found.append(facts.quote("/proc/self/uid_map"))
    if facts.field("Seccomp") == "2":
        found.append("/proc/self/status Seccomp: 2 (a filter is active)")
    return tuple(found)


def bpf_out_of_reach(facts: Facts) -> tuple[str, ...]:
    """As `may_not_load_bpf`, if a filter is loaded at all: v1 has a devices hierarchy instead, and a rootless container
    gets none (runc: "errors from the device subsystem are ignored").
    """
    if facts.v1("devices") or facts.is_user():
        return ()
    return may_not_load_bpf(facts)


def bpf_refused(facts: Facts, words: Words) -> tuple[str, ...]:
    """As `may_not_load_bpf`."""
    return may_not_load_bpf(facts)


def no_sys_resource(facts: Facts) -> tuple[str, ...]:
    """CAP_SYS_RESOURCE is missing."""
    if facts.capable(SYS_RESOURCE) is not False:
        return ()
    return (f"/proc/self/status CapEff: {facts.field('CapEff')} (no CAP_SYS_RESOURCE)",)


def cannot_raise(facts: Facts, words: Words) -> tuple[str, ...]:
    """As `no_sys_resource`."""
    return no_sys_resource(facts)

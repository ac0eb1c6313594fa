"""What the kernel refuses to write to one interface file, where the errno of that file says why."""

from __future__ import annotations

from shim.diagnose.checks import said
from shim.diagnose.entry import (
    EBUSY,
    EINVAL,
    ENOENT,
    EOPNOTSUPP,
    EPERM,
    ERANGE,
    WROTE,
    Entry,
    creating,
    named,
    opening,
    writing,
)

V2 = "Linux Documentation/admin-guide/cgroup-v2.rst"
BLKIO = "Linux Documentation/admin-guide/cgroup-v1/blkio-controller.rst"
HUGE = r"hugetlb\.\w+\.(?:rsvd\.)?(?:max|limit_in_bytes)"
THROTTLE = r"(?:io\.max|blkio\.throttle\.\w+)"
OF_DISKS = r"(?:io\.(?:max|weight|latency)|blkio\.throttle\.\w+)"
SIZES = r"memory\.(?:max|high|low|min|swap\.max|limit_in_bytes|memsw\.limit_in_bytes)"
# Files that came to their controller later, or need an option of the kernel's configuration.
LATER = (
    r"(?:cpu\.(?:cfs_burst_us|max\.burst|idle|uclamp\.\w+)|memory\.(?:oom\.group|zswap\.\w+|reclaim|peak)"
    r"|cpuset\.cpus\.(?:partition|exclusive)|io\.(?:latency|cost\.\w+|prio\.class)"
    r"|hugetlb\.\w+\.rsvd\.\w+|misc\.max|dmem\.\w+|blkio\.throttle\.\w+)"
)
OUTSIDE_CPU = r"(?![`'\"]?/sys/fs/cgroup/cpu[,/])"  # that hierarchy of v1 has entries of its own
# Limits, which belong to the maker of the cgroup namespace; processes and controllers are the namespace's own.
LIMITS = r"(?:(?:memory|cpu|cpuset|io|pids|hugetlb|rdma|misc|dmem)\.[\w.]+|cgroup\.(?:freeze|kill|max\.\w+))"

ENTRIES = (
    Entry(
        code="cgroup-file-not-in-kernel",
        title="this kernel has the controller, but not this file of it",
        ambiguous=(
            opening(LATER, ENOENT),
            creating(LATER),
            opening(r"(?<=\.scope/)cgroup\.(?:freeze|kill)", ENOENT),
            opening(r"(?<=/container/)cgroup\.(?:freeze|kill)", ENOENT),
        ),
        verdict="this kernel may not have {file}: it came later than its controller, or needs an option",
        cause="cpu.max.burst came with Linux 5.14, cpu.idle with 5.15, memory.oom.group with 4.19, cgroup.freeze with "
        "5.2, cgroup.kill with 5.14, misc.max with 5.13, dmem.max with 6.14. uclamp needs CONFIG_UCLAMP_TASK_GROUP, "
        "throttling CONFIG_BLK_DEV_THROTTLING.",
        remedy=(
            "Start without this limit, or use a newer kernel.",
            "If the whole directory is missing, the cgroup has been removed: start the container again.",
        ),
        reference=V2,
        tell="ls the directory of the message: are other files of the same controller there? uname -r",
        offer=2,
    ),
    Entry(
        code="cgroup-namespace-root",
        title="the limits of a cgroup namespace's own root cannot be changed from inside it",
        ambiguous=(rf"\b(?:write|write to|writing file) {named(LIMITS)}: {EPERM}",),
        verdict="{file} may not be written from inside this cgroup namespace (EPERM)",
        cause="cgroup2 is mounted with nsdelegate. Then the limits at its root belong to the namespace's maker, "
        "even for root. A container is in such a namespace, and so is a runtime in it that uses "
        "the path /.",
        remedy=(
            (
                "Inside a container: let the inner engine use a cgroup of its own below the root, as docker in docker "
                "does with /sys/fs/cgroup/docker, not the root itself."
            ),
            "Change the outer container's limits from outside: docker update, podman update.",
        ),
        reference=f"{V2}, Delegation",
        layout="v2",
        tell="grep cgroup2 /proc/self/mountinfo: does it say nsdelegate? Is the file directly in /sys/fs/cgroup?",
        offer=1,
    ),
    Entry(
        code="process-outside-cgroup-namespace",
        title="a process may not be moved into, or out of, the caller's cgroup namespace",
        ambiguous=(rf"\b(?:write|write to|writing file) {named('cgroup.procs')}: {ENOENT}",),
        verdict="the process cannot be moved into {path}: that crosses the border of the cgroup namespace (ENOENT)",
        cause="cgroup2 is mounted with nsdelegate. Then a process can be moved only if its old and its new cgroup are "
        "both inside the caller's cgroup namespace; the kernel answers ENOENT as if the other were not there.",
        remedy=(
            (
                "Run the engine and the process in one cgroup namespace: do not mix nsenter, or a bind of the host's "
                "/sys/fs/cgroup, with a cgroup namespace of its own (docker, podman: --cgroupns=host with such a bind)."
            ),
        ),
        reference=f"{V2}, Delegation Containment",
        layout="v2",
        tell="readlink /proc/self/ns/cgroup /proc/1/ns/cgroup; cat /proc/<pid>/cgroup: does it begin with /../ ?",
        offer=1,
    ),
    Entry(
        code="process-refused-by-cgroup",
        title="the kernel does not let this process into the cgroup",
        ambiguous=(
            rf"\bwrit(?:e|ing file|e to) {OUTSIDE_CPU}{named(r'(?:cgroup.procs|tasks)')}: {EINVAL}",
            rf"Couldn't move process \d+ to (?:directly )?requested cgroup '?(?P<path2>/[^\n:']+)'?: {EINVAL}",
        ),
        verdict="the kernel does not let this process into {path} (EINVAL)",
        cause="It is a kernel thread, or one bound to a CPU, which must stay in the root cgroup; or the cpu controller "
        "is enabled and the process has a realtime policy (CONFIG_RT_GROUP_SCHED), or has not run yet. Anything but a "
        "process id gives the same errno.",
        remedy=(
            "Start it once more: a race with a process that is just made or just ending does not come back.",
            "Make a realtime process an ordinary one first: chrt -o -p 0 <pid>",
            "Leave kernel threads where they are.",
        ),
        excluded=said.below("cpu"),
        reference=f"{V2}, Processes",
        tell="ps -o pid,ppid,cls,cmd -p <pid>: is its parent 2 (a kernel thread), or its class FF or RR?",
        offer=3,
    ),
    Entry(
        code="cgroup-type-refused",
        title="the cgroup cannot be made threaded, or is, and then refuses this",
        patterns=(writing(r"cgroup\.type", rf"(?:{EOPNOTSUPP}|{EINVAL})"), writing(r"cgroup\.kill", EOPNOTSUPP)),
        verdict="{file} refuses this (EOPNOTSUPP or EINVAL): it depends on the cgroup's type, domain or threaded",
        cause="Only threaded can be written to cgroup.type, and only if the parent can be the top of a threaded "
        "subtree: it is a domain without domain controllers for its children. A threaded cgroup has no cgroup.kill.",
        remedy=("Choose a cgroupsPath whose ancestors are all of type domain: grep . cgroup.type on the way down",),
        reference=f"{V2}, Threads",
        layout="v2",
    ),
    Entry(
        code="hugetlb-limit-below-usage",
        title="the limit of huge pages is below what is in use",
        patterns=(writing(HUGE, EBUSY),),
        verdict="{file} refuses the limit (EBUSY): the cgroup uses more huge pages already",
        cause="The kernel cannot take huge pages away from a process, so the limit cannot go below the usage.",
        remedy=("Choose a limit above hugetlb.<size>.current (v1: usage_in_bytes), or restart the container with it.",),
        reference="Linux Documentation/admin-guide/cgroup-v1/hugetlb.rst",
    ),
    Entry(
        code="hugetlb-value-refused",
        title="the limit of huge pages is not a size",
        patterns=(writing(HUGE, EINVAL),),
        verdict="{file} refuses the limit (EINVAL): it is not a number of bytes, or this is the root cgroup",
        cause="The kernel takes bytes and rounds them down to whole pages; no limit is max (v1: -1).",
        remedy=("Correct hugepageLimits (Kubernetes: hugepages-2Mi, hugepages-1Gi).",),
        reference="Linux Documentation/admin-guide/cgroup-v1/hugetlb.rst",
    ),
    Entry(
        code="rdma-value-refused",
        title="an RDMA limit does not have the form that the kernel expects",
        patterns=(writing(r"rdma\.max", EINVAL),),
        verdict="rdma.max refuses the limit (EINVAL): it is not of the form DEVICE hca_handle=NUMBER hca_object=NUMBER",
        cause="The kernel knows only hca_handle and hca_object, each with a number from 0, or max.",
        remedy=("Correct linux.resources.rdma: hcaHandles, hcaObjects.",),
        reference="Linux Documentation/admin-guide/cgroup-v1/rdma.rst",
    ),
    Entry(
        code="misc-resource-unknown",
        title="the host does not have the resource that misc.max should limit",
        patterns=(writing(r"misc\.max", EINVAL),),
        verdict="misc.max refuses the limit (EINVAL): this host does not have that resource, or it is not a number",
        cause="The names are those in misc.capacity of the root cgroup (sev, sev_es, tdx). A resource that the "
        "processor or the kernel lacks cannot be limited.",
        remedy=("cat /sys/fs/cgroup/misc.capacity; correct or remove the limit",),
        reference=f"{V2}, Misc",
    ),
    Entry(
        code="dmem-region-unknown",
        title="a limit of device memory names a region that is not there",
        patterns=(writing(r"dmem\.(?:max|min|low)", EINVAL),),
        verdict="{file} refuses the limit (EINVAL): no driver has registered that region, or it is not a size",
        cause="A line is REGION BYTES. The regions are those in dmem.capacity of the root cgroup; they belong to "
        "drivers of graphics cards.",
        remedy=("cat /sys/fs/cgroup/dmem.capacity; correct or remove the limit",),
        reference=f"{V2}, DMEM",
    ),
    Entry(
        code="network-value-refused",
        title="a network class or priority is not a number",
        patterns=(writing(r"(?:net_cls\.classid|net_prio\.ifpriomap)", EINVAL),),
        verdict="{file} refuses the value (EINVAL): it does not have the form that the kernel expects",
        cause="net_cls.classid is a number, 0xAAAABBBB for the class AAAA:BBBB; a line of net_prio.ifpriomap is an "
        "interface and a number.",
        remedy=("Correct linux.resources.network: classID, priorities.",),
        reference="Linux Documentation/admin-guide/cgroup-v1/net_cls.rst, net_prio.rst",
        layout="v1",
    ),
    Entry(
        code="device-rule-not-understood",
        title="a device rule does not have the form that the kernel expects",
        patterns=(
            rf"failed to write \\*\"?(?P<rule>[bc] [^\"\n]*?)\\*\"?:? [^\n]*devices\.(?:allow|deny)\\*\"?: {EINVAL}",
            rf"Failed to set 'devices\.(?:allow|deny)' attribute on [^\n]* to '(?P<rule>[bc] [^'\n]*)': {EINVAL}",
        ),
        verdict="the kernel does not understand the device rule {rule} (EINVAL)",
        cause="A rule is a type (a, b or c), MAJOR:MINOR in numbers or *, and the rights r, w, m.",
        remedy=("Correct --device-cgroup-rule (config.json: linux.resources.devices).",),
        reference="Linux Documentation/admin-guide/cgroup-v1/devices.rst",
        layout="v1",
        rank=45,
    ),
    Entry(
        code="io-limit-not-understood",
        title="a throttle does not have the form that the kernel expects, or is 0",
        patterns=(writing(THROTTLE, rf"(?:{EINVAL}|{ERANGE})"),),
        verdict="{file} refuses the limit (EINVAL: not of the form MAJOR:MINOR and a number; ERANGE: it is 0)",
        cause="io.max takes a line such as 8:0 rbps=1048576 wiops=100, and no 0: leave the key out or write max. "
        "blkio.throttle takes 8:0 1048576.",
        remedy=("Correct --device-read-bps and its like, or unified[io.max].",),
        reference=f"{V2}, IO Interface Files",
    ),
    Entry(
        code="io-device-without-policy",
        title="the disk's queue cannot do what the limit needs",
        patterns=(writing(OF_DISKS, EOPNOTSUPP),),
        verdict="{file} refuses the device (EOPNOTSUPP): its queue or its driver cannot do this",
        cause="Weights per device need iocost (io.cost.qos of the root cgroup: enable=1) or the BFQ scheduler on that "
        "disk; throttles and latencies need a disk with a request queue of its own.",
        remedy=(
            "cat /sys/block/<disk>/queue/scheduler /sys/fs/cgroup/io.cost.qos",
            "Limit the disk below (lsblk -s) instead of a device mapper, loop or network device.",
        ),
        reference=f"{V2}, IO Interface Files",
    ),
    Entry(
        code="io-device-busy",
        title="the disk is being changed or removed",
        patterns=(writing(OF_DISKS, EBUSY),),
        verdict="{file} refuses the device for the moment (EBUSY): its queue is being changed or removed",
        cause="The I/O scheduler of the disk is changed, or the disk is unplugged, at that moment.",
        remedy=("Do it again. If it persists: dmesg | tail, lsblk.",),
        reference=BLKIO,
    ),
    Entry(
        code="pids-limit-not-a-number",
        title="pids.limit is not a number",
        ambiguous=(WROTE + writing(r"pids\.max", EINVAL),),
        verdict="pids.max refuses the limit (EINVAL): it is not a number",
        cause="The kernel takes a number, or max; no suffix such as k.",
        remedy=("Correct pids.limit (docker, podman: --pids-limit), or unified[pids.max].",),
        reference="Linux Documentation/admin-guide/cgroup-v1/pids.rst",
        stated=said.no_number,
        excluded=said.unless_shown(said.no_number),
        tell="look at what was written: only digits?",
        offer=3,
    ),
    Entry(
        code="memory-value-malformed",
        title="a memory limit is not a size",
        ambiguous=(WROTE + writing(SIZES, EINVAL),),
        verdict="{file} refuses the limit (EINVAL): it is not a number of bytes",
        cause="The kernel takes bytes, also with K, M or G, and max (v1: -1) for no limit. Other negative numbers, "
        "fractions and suffixes such as Mi are refused.",
        remedy=(
            (
                "Correct --memory, --memory-swap, --memory-reservation (compose: mem_limit; Kubernetes: "
                "resources.limits.memory), or unified."
            ),
        ),
        reference=f"{V2}, Memory Interface Files",
        stated=said.no_size,
        excluded=said.unless_shown(said.no_size),
        tell="look at what was written: only digits and one of K, M, G?",
        offer=4,
    ),
    Entry(
        code="realtime-tasks-present",
        title="realtime time cannot be taken away from realtime processes",
        patterns=(writing(r"cpu\.rt_runtime_us", EBUSY),),
        verdict="cpu.rt_runtime_us cannot be set to 0 (EBUSY): realtime processes are in that cgroup",
        cause="A realtime process without realtime time would never run, so the kernel refuses to take all of it.",
        remedy=("Make them ordinary processes first: chrt -o -p 0 <pid>, or leave some time.",),
        reference="Linux Documentation/scheduler/sched-rt-group.rst",
        layout="v1",
    ),
    Entry(
        code="cpuset-cpus-unusable",
        title="a CPU of the list is offline, or belongs to another partition",
        ambiguous=(WROTE + writing(r"cpuset\.cpus(?:\.exclusive)?", EINVAL),),
        verdict="{file} refuses the list (EINVAL): a CPU is not there, or another cgroup has it for itself",
        cause="On cgroup2 the list may name only CPUs of the root cpuset, and none that a cgroup beside this one holds "
        "in cpuset.cpus.exclusive, or with cpuset.cpus.partition set to root or isolated.",
        remedy=(
            (
                "grep -H . /sys/fs/cgroup/*/cpuset.cpus.exclusive /sys/fs/cgroup/*/cpuset.cpus.partition: choose other "
                "CPUs, or write member into cpuset.cpus.partition of the other cgroup."
            ),
        ),
        reference=f"{V2}, Cpuset Interface Files",
        excluded=said.either(said.where(said.not_a_list), said.below("cpuset")),
        layout="v2",
        tell="cat /sys/fs/cgroup/cpuset.cpus.effective: are all of them in it?",
        offer=2,
    ),
)

"""Sets of CPUs and memory nodes."""

from __future__ import annotations

from shim.diagnose.checks import cpu as look
from shim.diagnose.checks import layout, said
from shim.diagnose.entry import (
    EACCES,
    EBUSY,
    EINVAL,
    ENOENT,
    ENOSPC,
    ERANGE,
    WROTE,
    Entry,
    named,
    opening,
    writing,
)

PROCS = r"(?:cgroup\.procs|tasks)"
# "x.scope: Failed to set cpuset.cpus: ...", since systemd 252 "Failed to set 'cpuset.cpus' attribute on '/x' to ''"
SYSTEMD_SETS = r"Failed to set '?(?P<file>cpuset\.(?:cpus|mems))\b[^\n]*?"
CPUSETS = "Linux Documentation/admin-guide/cgroup-v1/cpusets.rst"

ENTRIES = (
    Entry(
        code="cpuset-cpu-does-not-exist",
        title="cpu.cpus names a CPU that this host does not have",
        patterns=(writing(r"cpuset\.cpus", ERANGE),),
        verdict="cpu.cpus names a CPU that this host does not have (ERANGE)",
        cause="CPU numbers go up to the last possible CPU of this host.",
        remedy=("cat /sys/devices/system/cpu/online; correct cpu.cpus (docker: --cpuset-cpus)",),
        reference=CPUSETS,
        confirm=look.cpus_beyond,
    ),
    Entry(
        code="cpuset-malformed",
        title="cpu.cpus or cpu.mems is not a list of numbers",
        ambiguous=(WROTE + writing(r"cpuset\.(?:cpus|mems)", EINVAL),),
        stated=said.not_a_list,
        excluded=said.unless(said.not_a_list),
        tell="look at --cpuset-cpus and --cpuset-mems (compose: cpuset): only digits, commas and hyphens?",
        offer=3,
        verdict="{file} refuses the list (EINVAL): it is not of the form 0-3,8",
        cause="The kernel accepts numbers and ranges separated by commas.",
        remedy=("Correct cpu.cpus or cpu.mems (docker: --cpuset-cpus, --cpuset-mems).",),
        reference=CPUSETS,
        confirm=look.malformed_list,
    ),
    Entry(
        code="cpuset-node-offline",
        title="cpu.mems names a memory node that is not there",
        ambiguous=(writing(r"cpuset\.mems", EINVAL), writing(r"cpuset\.mems", ERANGE)),
        verdict="cpu.mems names a memory node that this host does not have",
        cause="Only NUMA nodes with memory can be used.",
        remedy=("cat /sys/devices/system/node/has_memory; correct cpu.mems (docker: --cpuset-mems)",),
        reference=CPUSETS,
        confirm=look.nodes_beyond,
        tell="cat /sys/devices/system/node/has_memory: is every node of the list there?",
        offer=1,
    ),
    Entry(
        code="cpuset-cpu-offline",
        title="a CPU of the list is, or was, offline, and the v1 cpuset of the engine lost it",
        ambiguous=(WROTE + writing(r"cpuset\.cpus", EINVAL),),
        verdict="{file} refuses the list (EINVAL): a CPU or node in it is offline, or is back but missing from the "
        "engine's cpuset",
        cause="A CPU that goes offline (suspend, hotplug, a smaller virtual machine) leaves every v1 cpuset, and only "
        "the root cpuset gets it back. The engine's own cpuset (docker, kubepods) stays without it.",
        remedy=(
            (
                "cat /sys/fs/cgroup/cpuset/cpuset.cpus > /sys/fs/cgroup/cpuset/docker/cpuset.cpus (or kubepods, "
                "machine.slice), then start again; or reboot."
            ),
            "Ask for CPUs that are online: --cpuset-cpus, compose cpuset.",
        ),
        reference="https://github.com/moby/moby/issues/16141",
        excluded=said.where(said.not_a_list),
        confirm=look.lost_cpus,
        tell="cat /sys/devices/system/cpu/online /sys/fs/cgroup/cpuset/cpuset.cpus "
        "/sys/fs/cgroup/cpuset/docker/cpuset.cpus: are they the same?",
        offer=1,
        rank=53,
        layout="v1",
    ),
    Entry(
        code="cpuset-exclusive-sibling",
        title="another cpuset beside this one has the CPU for itself",
        ambiguous=(WROTE + writing(r"cpuset\.(?:cpus|mems)", EINVAL),),
        verdict="{file} refuses the list (EINVAL): a cpuset beside it holds one of these exclusively",
        cause="A v1 cpuset with cpu_exclusive or mem_exclusive shares nothing with its siblings.",
        remedy=(
            (
                "grep -l 1 /sys/fs/cgroup/cpuset/*/cpuset.cpu_exclusive names it. Write 0 into that file, or choose "
                "other CPUs."
            ),
        ),
        reference="https://github.com/opencontainers/runc/pull/1194",
        excluded=said.where(said.not_a_list),
        confirm=look.exclusive_siblings,
        tell="grep -H 1 /sys/fs/cgroup/cpuset/*/cpuset.*_exclusive",
        offer=2,
        rank=52,
        layout="v1",
    ),
    Entry(
        code="cpuset-in-use",
        title="the new set would take CPUs away from cgroups or tasks that use them",
        patterns=(writing(r"cpuset\.(?:cpus|mems|cpu_exclusive|cpus\.partition)", EBUSY),),
        verdict="{file} cannot be changed (EBUSY): a cgroup below it, or a deadline task in it, uses CPUs or nodes "
        "that would be removed",
        cause="A v1 cpuset must contain everything that its children contain. A container that creates cpusets of its "
        "own (docker in docker, systemd) has such children.",
        remedy=(
            (
                "Shrink the children first: find <the container's cpuset> -mindepth 1 -name cpuset.cpus | tac, and "
                "write the new list into each."
            ),
            "Or start the container again with the new list (--cpuset-cpus) instead of updating it.",
        ),
        reference="https://github.com/opencontainers/runc/issues/1635",
    ),
    Entry(
        code="cpuset-mounted-noprefix",
        title="the cpuset hierarchy is mounted without the prefix in its file names",
        ambiguous=(opening(r"cpuset\.(?:cpus|mems)", ENOENT),),
        verdict="{path} does not exist: the cpuset hierarchy is mounted with noprefix, or shows another part "
        "of the tree",
        cause="With the mount option noprefix (Android, some init scripts, mount -t cpuset) the files are called cpus "
        "and mems. A hierarchy that is mounted outside /sys/fs/cgroup, or only in part, lacks the cgroup that the "
        "runtime looks for.",
        remedy=(
            "Use runc 1.3 or crun 1.8, or later: they find the files without their prefix.",
            (
                "Or unmount that hierarchy, then: mkdir -p /sys/fs/cgroup/cpuset && mount -t cgroup -o cpuset cgroup "
                "/sys/fs/cgroup/cpuset"
            ),
            "The option lasts until every mount of that hierarchy is gone. A reboot makes sure of that.",
        ),
        reference="https://github.com/opencontainers/runc/pull/4513, https://github.com/moby/moby/issues/29018",
        confirm=look.noprefix,
        foresee=layout.bare_cpuset,
        tell="grep cpuset /proc/self/mountinfo: is it noprefix, or elsewhere than /sys/fs/cgroup/cpuset?",
        offer=3,
        first_for=r"/cpuset/(?:docker|libpod_parent|kubepods|buildkit)/cpuset\.",
        rank=33,
        layout="v1",
    ),
    Entry(
        code="cpuset-not-in-parent",
        title="the parent cpuset lacks what the container asks for",
        patterns=(writing(r"cpuset\.(?:cpus|mems)", EACCES),),
        excluded=said.by_systemd,
        layout="v1",
        verdict="{file} refuses the list (EACCES): it is not a subset of the parent's",
        cause="A v1 cpuset can contain only what its parent contains. The root cpuset itself cannot be written.",
        remedy=(
            (
                "Ask for CPUs of the parent (--cpuset-cpus, --cpuset-mems; compose: cpuset), or extend {file} of "
                "the parent first."
            ),
            (
                "Kubernetes: the static CPU manager holds the others: rm /var/lib/kubelet/cpu_manager_state on a "
                "drained node."
            ),
        ),
        reference=CPUSETS,
        confirm=look.not_in_parent,
    ),
    Entry(
        code="cpuset-empty",
        title="the cpuset is empty",
        patterns=(
            rf"\bwrit(?:e|ing file|e to) {named(PROCS)}: {ENOSPC}",
            rf"Can't move (?:\d+ )?into cpuset/[^\n]*: {ENOSPC}",  # CRIU
        ),
        layout="v1",
        verdict="no process can enter the container's cpuset: it has no CPU or no memory node (ENOSPC)",
        cause="A new v1 cpuset is empty until cpuset.cpus and cpuset.mems are written, and so is every ancestor.",
        remedy=(
            (
                "From the top down, in each cgroup on the way: cat ../cpuset.mems > cpuset.mems; cat "
                "../cpuset.cpus > cpuset.cpus"
            ),
            "v1, for all new ones: echo 1 > /sys/fs/cgroup/cpuset/cgroup.clone_children",
        ),
        reference="https://github.com/opencontainers/runc/issues/133",
        confirm=look.empty_set,
    ),
    Entry(
        code="all-controllers-in-one-hierarchy",
        title="all v1 controllers are mounted together, and a new cgroup's cpuset is empty",
        patterns=(rf"\[8\] System error: write (?P<path>/sys/fs/cgroup/(?:docker|lxc)/\S+/cgroup\.procs): {ENOSPC}",),
        verdict="no process can enter {path}: its cpuset has no CPU or no memory node (ENOSPC)",
        cause="All v1 controllers are in one hierarchy, mounted at /sys/fs/cgroup itself, so each new cgroup is an "
        "empty cpuset, too. Only a cpuset refuses a process with this error (kernel/cgroup/cpuset.c, "
        "cpuset_can_attach).",
        remedy=(
            "umount /sys/fs/cgroup; then mount each controller alone: apt-get install cgroupfs-mount && cgroupfs-mount",
            "Until then: echo 1 > /sys/fs/cgroup/cgroup.clone_children before the engine starts.",
        ),
        reference="https://github.com/moby/moby/issues/26437",
        tell="mount | grep cgroup: is there only one?",
        rank=45,
    ),
    Entry(
        code="cpuset-cannot-be-emptied",
        title="the list of a cpuset that has processes cannot be emptied",
        patterns=(rf"{SYSTEMD_SETS}: {ENOSPC}", writing(r"cpuset\.(?:cpus|mems)", ENOSPC)),
        verdict="{file} cannot be emptied while the cgroup has processes (ENOSPC); it keeps the CPUs that it has",
        cause="systemd has no AllowedCPUs= for this scope. Each time it applies the unit, it writes an empty list "
        "over the one that the kubelet's CPU manager or the runtime has set. The kernel refuses that, and the "
        "container keeps its CPUs. Programs such as nomad fail if they leave a slice without CPUs.",
        remedy=(
            "From systemd the message is harmless. If a container failed, look for another message of the same time.",
            "To stop it, give systemd the list: systemctl set-property --runtime <scope> AllowedCPUs=<list>",
            "Other programs must move the processes away first, or leave one CPU in the list.",
        ),
        reference="https://github.com/kubernetes/kubernetes/issues/134218",
        rank=55,
    ),
)

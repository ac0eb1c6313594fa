"""Slurm: the cgroups and namespaces of its jobs."""

from __future__ import annotations

from shim.diagnose.entry import ENOENT, ENOMEM, ENOSPC, V1_NAMES, Entry

V2 = "https://slurm.schedmd.com/cgroup_v2.html"
CONF = "https://slurm.schedmd.com/cgroup.conf.html"

ENTRIES = (
    Entry(
        code="slurm-scope-not-made",
        title="slurmd does not get its scope from systemd",
        patterns=(
            r"cgroup_dbus_attach_to_scope: [^\n]*",
            r"scope (?:and/or cgroup directory )?for slurmstepd could not be set|slurmstepd scope could not be set",
            r"[Ss]cope init(?:ialization)? time(?:d )?out[^\n]*",
            r"cannot initialize cgroup directory for stepds[^\n]*",
            r"Could not move slurmstepd pid \d+ to a Slurm's delegated cgroup[^\n]*",
        ),
        verdict="slurmd asked systemd for the scope slurmstepd.scope, in which its jobs run, and did not get it",
        cause="In a container there is no systemd or D-Bus. On a host: slurmstepd.scope is left in state failed "
        "without its cgroup, or systemd was slower than SystemdTimeout=.",
        remedy=(
            "Container, no systemd: IgnoreSystemd=yes in cgroup.conf (Slurm 23.02 on), and a writable /sys/fs/cgroup.",
            "Host: systemctl reset-failed slurmstepd.scope; systemctl restart slurmd (its unit has Delegate=yes).",
            (
                "Slow systemd: SystemdTimeout=5000 in cgroup.conf. Without cgroups: CgroupPlugin=disabled, and "
                "ProctrackType=proctrack/linuxproc, TaskPlugin=task/affinity in slurm.conf."
            ),
        ),
        reference=V2,
        tell="systemctl status slurmstepd.scope; ls -d /run/systemd/system "
        "/sys/fs/cgroup/system.slice/slurmstepd.scope",
        rank=32,
    ),
    Entry(
        code="slurm-controller-not-enabled",
        title="Slurm lacks a controller on cgroup2",
        patterns=(
            r"\bController (?P<controller>cpuset|memory|cpu|cpuacct|devices|freezer) is not (?:enabled|available)!",
            r"[Cc]annot enable (?P<controller2>\w+) in (?P<path>/\S*cgroup\.subtree_control): [^\n]+",
            r"[Cc]ould not enable controllers for cgroup path [^\n]*",
            r"[Cc]annot enable subtree[_ ]control [^\n]*",
        ),
        verdict="Slurm cannot use a controller of cgroup2 for its jobs, so their limits do not hold",
        cause="slurmd.service has no Delegate=yes, or slurmd was started by hand or in a container: the cgroups above "
        "it do not hand the controller down. Or the kernel has it disabled. EBUSY: processes are in the cgroup that "
        "should hand it down. EOPNOTSUPP: it is threaded.",
        remedy=(
            "Start slurmd by systemd, with Delegate=yes in its unit; systemctl restart slurmd.",
            "EnableControllers=yes in cgroup.conf enables them on the way down.",
            (
                "cat /sys/fs/cgroup/cgroup.controllers: what is missing there is disabled at boot (cgroup_disable=) or "
                "still bound to v1."
            ),
        ),
        reference=V2,
        tell="cat /sys/fs/cgroup/cgroup.controllers /sys/fs/cgroup/cgroup.subtree_control "
        "/sys/fs/cgroup/system.slice/cgroup.subtree_control",
        rank=32,
    ),
    Entry(
        code="slurm-layout-not-cgroup2",
        title="Slurm's plugin for cgroup2 meets a host that also has v1",
        patterns=(
            r"Hybrid mode is not supported\. Mounted cgroups are[^\n]*",
            r"(?P<path>/\S+) is not a valid cgroup2 mountpoint",
        ),
        verdict="Slurm works with cgroup2 alone or with v1 alone, and this host has v1 hierarchies mounted",
        cause="The plugin cgroup/v2 was chosen (or detected), and /proc/1/cgroup has lines of v1.",
        remedy=(
            "cgroup2 alone: systemd.unified_cgroup_hierarchy=1 cgroup_no_v1=all on the kernel's command line; reboot.",
            "Or stay with v1: CgroupPlugin=cgroup/v1 in cgroup.conf.",
        ),
        reference=V2,
        tell="cat /proc/1/cgroup: a single line that begins with 0:: is cgroup2 alone",
        rank=32,
    ),
    Entry(
        code="slurm-in-foreign-namespace",
        title="slurmd in a container sees cgroups or processes of another namespace",
        patterns=(
            r"The cgroup mountpoint does not align with the current namespace[^\n]*",
            r"mismatch found in /proc/\w+/mountinfo[^\n]*",
            r"We detected a pid 0 which means you are in a cgroup namespace[^\n]*",
            r"contains pids from outside of our pid namespace[^\n]*",
            r"cannot empty the false root cgroup[^\n]*",
            r"Could not parse '[^'\n]*' root mount for \w+",
        ),
        verdict="slurmd runs in a container whose cgroup, process and mount namespaces do not fit together",
        cause="/sys/fs/cgroup of the host is mounted into a container with a cgroup namespace of its own, or the "
        "container shares the cgroup but not the process namespace: slurmd then cannot manage what it sees.",
        remedy=(
            (
                "docker run --privileged --cgroupns=private, without -v /sys/fs/cgroup; or --cgroupns=host "
                "--pid=host with it."
            ),
            "cgroup.conf in the container: IgnoreSystemd=yes",
        ),
        reference=V2,
        tell="grep cgroup /proc/self/mountinfo: its fourth field must be /; cat /proc/1/cgroup",
        rank=32,
    ),
    Entry(
        code="slurm-hierarchy-not-mounted",
        title="Slurm's plugin for v1 finds no hierarchy of a controller",
        patterns=(
            rf"unable to (?:mount|create) (?P<controller>{V1_NAMES}) cgroup namespace[^\n]*",
            rf"cgroup namespace '(?P<controller2>{V1_NAMES})' not mounted",
            rf"unable to create cgroup '(?P<path>/\S*/(?P<controller3>{V1_NAMES})/slurm[^'\n]*)' ?: {ENOENT}",
            rf"[Uu]nable to open '?\(null\)/(?P<controller4>{V1_NAMES})//?release_agent'?[^\n]*",
        ),
        verdict="Slurm looks for the {controller} controller as a v1 hierarchy, and finds none",
        cause="The host has cgroup2 alone and Slurm is older than 22.05 or set to CgroupPlugin=cgroup/v1; or the "
        "hierarchy is not mounted there, or the kernel has the controller switched off (memory on Debian, boards).",
        remedy=(
            (
                "cgroup2: Slurm 22.05 or later, built with D-Bus, and CgroupPlugin=autodetect (or cgroup/v2) in "
                "cgroup.conf."
            ),
            (
                "v1: CgroupAutomount=yes, CgroupMountpoint=/sys/fs/cgroup; memory: cgroup_enable=memory "
                "swapaccount=1 on the kernel's command line."
            ),
            "Without: ProctrackType=proctrack/linuxproc, TaskPlugin=task/none in slurm.conf (no limits then).",
        ),
        reference=CONF,
        tell="stat -fc %T /sys/fs/cgroup: cgroup2fs? slurmd -V; grep cgroup /proc/self/mountinfo",
        rank=31,
    ),
    Entry(
        code="slurm-step-out-of-memory",
        title="a job of Slurm used more memory than it was given",
        patterns=(
            r"[Dd]etected \d+ oom[-_ ]?kill event(?:\(s\)|s)?[^\n]*",
            r"killed by the cgroup out-of-memory handler",
            r"Exceeded (?:job|step) memory limit[^\n]*",
            r"(?:Job|Step)[^\n]{0,60} exceeded (?:\w+ )?memory limit[^\n]*",
            r"srun: error: [^\n]*: task \S+: Out Of Memory|(?-i:\bOUT_OF_ME(?:MORY\b|\+))",
        ),
        verdict="a process of the job was killed: the job's memory limit (--mem, --mem-per-cpu) was reached",
        cause="task/cgroup with ConstrainRAMSpace=yes makes the kernel kill in the job's own cgroup. What counts is "
        "the memory of all its tasks on the node, with the page cache of files that they write to /dev/shm or /tmp.",
        remedy=(
            "sacct -j JOB -o JobID,MaxRSS,ReqMem,State; seff JOB: ask for more: #SBATCH --mem=16G (or --mem-per-cpu=).",
            "Less: fewer workers or threads, smaller batches. The default is DefMemPerCPU or DefMemPerNode.",
            "A container in the job (Apptainer, enroot, podman) has the job's limit too.",
        ),
        reference="https://slurm.schedmd.com/cgroup.conf.html#OPT_ConstrainRAMSpace",
        rank=40,
    ),
    Entry(
        code="slurm-memory-cgroups-used-up",
        title="the kernel makes no further memory cgroup for a job of Slurm",
        patterns=(
            r"unable to add task\[pid=\d+\] to memory cg '\(null\)'",
            r"unable to instanciate (?:job|user|step) \d+ memory cgroup",
            rf"unable to create cgroup '(?P<path>/\S*memory/slurm[^'\n]*)' ?: (?:{ENOSPC}|{ENOMEM})",
        ),
        verdict="the kernel made no memory cgroup for the job: its ids are used up by cgroups that ended long ago",
        cause="Old kernels (3.10 of CentOS 7, before 4.4 and its fixes) keep the id of a removed memory cgroup while "
        "pages of it are cached: 65535 jobs and steps later none is left. The job itself may run, without a limit.",
        remedy=(
            "At once: echo 3 > /proc/sys/vm/drop_caches; for good: a newer kernel; else reboot the node.",
            "ConstrainKmemSpace=no in cgroup.conf: kernel memory limits leak cgroups, too.",
        ),
        reference="https://github.com/galaxyproject/galaxy/pull/6293",
        tell="grep memory /proc/cgroups: the third number is near 65535",
        rank=30,
    ),
    Entry(
        code="slurm-cpuset-empty",
        title="the cpuset of a job has no CPUs",
        patterns=(rf"cpuset/(?:slurm[^\n]*)?(?:uid_\d+|job_\d+)[^\n]*: {ENOSPC}",),
        verdict="no process may enter the job's cpuset, because it has no CPUs or no memory nodes (ENOSPC)",
        cause="A v1 cpuset starts empty. Slurm could not fill it: the node's definition (CPUs, Sockets, "
        "CoresPerSocket, ThreadsPerCore) does not fit the machine, as with dynamic or cloud nodes, or the "
        "parent's cpuset is smaller.",
        remedy=(
            "slurmd -C on the node prints its real line for slurm.conf (or scontrol create nodename=...): use that.",
            "cat cpuset.cpus and cpuset.mems on the way down from /sys/fs/cgroup/cpuset/slurm.",
            "Or TaskPlugin=task/affinity, ConstrainCores=no.",
        ),
        reference="https://slurm.schedmd.com/cgroup.conf.html#OPT_ConstrainCores",
        tell="slurmd -C; scontrol show node NODE; cat /sys/fs/cgroup/cpuset/slurm/cpuset.cpus",
        rank=30,
    ),
    Entry(
        code="slurm-cgroup-plugin-failed",
        title="Slurm's cgroup plugin failed; an earlier line says why",
        ambiguous=(
            r"Unable to initialize cgroup plugin|cannot create (?:cgroup|proctrack) context for \S+",
            r"Couldn't load specified plugin name for (?:proctrack|cgroup|task|jobacct_gather)/\S+: [^\n]*",
            r"(?:task/cgroup|proctrack/cgroup|jobacct\w*/cgroup)[^\n]*: unable to [^\n]+",
            r"slurm(?:d|stepd)[^\n]*error: [^\n]*\bcgroup[^\n]*",
            r"task \d+ launch failed: Plugin initialization failed",
        ),
        verdict="Slurm's cgroup plugin could not do its work; the first error line of its log names the step",
        cause="Usual: the cgroup version of the host and of cgroup.conf differ, slurmd was not started by systemd with "
        "Delegate=yes, a controller is missing, or slurmd is in a container without writable cgroups.",
        remedy=(
            "slurmd -D -vvv shows the first error; explain that line.",
            (
                "cgroup.conf: CgroupPlugin=autodetect; in containers IgnoreSystemd=yes; without cgroups: "
                "CgroupPlugin=disabled and ProctrackType=proctrack/linuxproc."
            ),
        ),
        reference=CONF,
        tell="stat -fc %T /sys/fs/cgroup; grep -v '^#' /etc/slurm/cgroup.conf; systemctl show slurmd -p Delegate",
        offer=2,
        last=True,
    ),
)

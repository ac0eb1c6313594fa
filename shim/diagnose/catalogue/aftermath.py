"""What a limit, a missing device or a foreign first process looks like afterwards, in the logs."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, ENOENT, EPERM, Entry

# The exit code of a process that SIGKILL ended.
SIGKILL = (
    r"[Ee]xit ?[Cc]ode\W{1,4}137\b",
    r"\b(?:exited|terminated|failed|finished)\b[^\n]{0,40}\b137\b",
    r"\bexit (?:code|status) 137\b",
    r"\bContainer(?: (?:killed|exited)[^\n]{0,60}\b|: )137\b",
    r"\b(?:non-zero|return) code: 137\b",  # docker's classic builder
)

# A row, or the head, of the table of processes in the kernel's report of an OOM kill.
OOM_TABLE = r"\[ *\d+\] +\d+ +\d+ +\d+ +\d+ +\d+ +\d+ +(?:\d+ +)?-?\d+ [^\n]+|\[ *pid *\] +uid +tgid +total_vm +rss\b"

ENTRIES = (
    Entry(
        code="memory-limit-killed-process",
        title="the kernel killed a process because a memory limit was reached",
        patterns=(
            r"oom-kill:constraint=CONSTRAINT_MEMCG[^\n]*?(?:oom_memcg=(?P<path>/[^,\s]*))?",
            r"Memory cgroup out of memory: Kill(?:ed)? process (?P<number>\d+)[^\n]*",
            r"cgroup out of memory: Kill(?:ed)?(?! process \d)[^\n]*",
            r"Task in (?P<path2>/\S+) killed as a result of limit of (?P<limited>/\S+)",
            r"\bOOMKilled\b(?!\"?\s*[:=]\s*\"?false)|\bTaskOOM event\b|Container killed due to memory usage",
            r"Memory limit of [\d.]+ ?\w+ exceeded with [\d.]+ ?\w+ used",
            r"Memory cgroup stats for (?P<path3>/[^\s:]+)",
            r"memory(?:\+swap)?: usage \d+kB, limit \d{1,15}kB, failcnt \d+",
            r"\b(?:__)?mem_cgroup_(?:out_of_memory|oom_synchronize|try_charge)\+0x",
        ),
        ambiguous=(
            r"invoked oom-killer: gfp_mask[^\n]*",
            r"process of this unit has been killed by the OOM killer",
            r"oom_reaper: reaped process \d+[^\n]*|Failed with result 'oom-kill'",
            OOM_TABLE,
            *SIGKILL,
        ),
        verdict="the kernel killed a process of the container: its memory limit, or one above it, was reached",
        cause="memory.max (v1: memory.limit_in_bytes) of the cgroup in oom_memcg= was used up; page cache that can be "
        "dropped does not count. Where constraint=CONSTRAINT_NONE the whole host was short.",
        remedy=(
            (
                "Raise the limit (docker, podman: --memory; Kubernetes: resources.limits.memory), or lower what the "
                "program takes (heap sizes, workers)."
            ),
            "cgshimctl watch NAME shows what grows.",
        ),
        reference="Linux Documentation/admin-guide/cgroup-v2.rst, Memory",
        tell="journalctl -k | grep constraint=: CONSTRAINT_MEMCG is a limit, and oom_memcg= names its cgroup",
        offer=1,
        rank=66,
    ),
    Entry(
        code="kubelet-file-system-unknown",
        title="the kubelet cannot tell the file system of its directory",
        patterns=(
            r"failed to get rootfs info:? [^\n]*|Failed to get the info of the filesystem with id[^\n]*",
            r"could not find device with major: \d+, minor: \d+ in cached partitions map",
            r"(?<!with error: )unable to find data in (?:memory )?cache",
        ),
        verdict="the kubelet's cAdvisor does not know the file system of /var/lib/kubelet, or found no cgroups at all",
        cause="btrfs, ZFS and F2FS have devices that a kubelet in a container (kind, k3d) does not see. A kubelet "
        "before 1.19 fails with the same words on a host with cgroup2 only.",
        remedy=(
            "kind, k3d: mount /dev/mapper (and /dev) of the host into the node, or an ext4 or xfs volume on /var.",
            (
                "Or featureGates: LocalStorageCapacityIsolation: false (kind), localStorageCapacityIsolation: false "
                "(KubeletConfiguration, from 1.25 on): the kubelet then measures no disk."
            ),
            "Kubernetes before 1.19: upgrade, or boot with systemd.unified_cgroup_hierarchy=0.",
        ),
        reference="https://github.com/k3d-io/k3d/issues/493",
        rank=57,
    ),
    Entry(
        code="nvidia-devices-denied",
        title="the GPU's device files are closed to this process",
        patterns=(r"nvml: Insufficient Permissions", r"Failed to initialize NVML: Insufficient Permissions"),
        verdict="NVML may not open the GPU's device files: the cgroup's device rules, or their mode, forbid it",
        cause="The process is in a cgroup whose device rules leave out some GPU (Slurm, LXC, a parent container), or "
        "/dev/nvidia* belong to a group that it is not in.",
        remedy=(
            "ls -l /dev/nvidia*; allow them in the outer cgroup or container (lxc.cgroup2.devices.allow: c 195:* rwm).",
            "Give the container only those GPUs: docker --gpus device=0,1.",
        ),
        reference="https://github.com/NVIDIA/nvidia-docker/issues/393",
    ),
    Entry(
        code="systemd-device-policy-ignored",
        title="systemd in a container cannot set device rules, and runs without them",
        patterns=(rf"Failed to (?:re)?set devices\.(?:list|allow|deny)[^\n]*: (?:{EPERM}|{EACCES}|{ENOENT})",),
        verdict="systemd in this container may not change device rules; it runs without them",
        cause="The devices controller is not delegated to containers. It is a notice: a service fails for it only "
        "where it needs a device that the container lacks.",
        remedy=(
            "Look for the service's own error: systemctl status, journalctl -u.",
            "Units with PrivateDevices= or DeviceAllow=: an override without them.",
        ),
        reference="https://github.com/lxc/lxc/issues/3533",
        rank=70,
    ),
    Entry(
        code="seccomp-syscall-unknown",
        title="the profile names a system call that this libseccomp does not know",
        patterns=(
            r"(?:invalid|unknown) seccomp syscall [`'\"](?P<name>\w+)[`'\"](?! ignored)",
            r"unknown seccomp syscall [`'\"](?P<name2>\w+)[`'\"] ignored",
            r"libseccomp[^\n]*(?:unknown|unrecognized) syscall[^\n]*",
        ),
        verdict="the seccomp profile names {name}, which this libseccomp does not know",
        cause="The engine is newer than libseccomp. crun before 0.10.6 refuses such a profile; later ones, and runc, "
        "leave the call out and say so ('ignored'), which harms nothing.",
        remedy=(
            "Upgrade libseccomp, and crun where it is static.",
            "'ignored': no failure; look for another message.",
        ),
        reference="https://github.com/containers/crun/issues/156",
    ),
    Entry(
        code="cadvisor-lost-container",
        title="cAdvisor looks at a cgroup whose container has ended",
        patterns=(
            r"Failed to create existing container: (?P<path>/\S+?):? (?![^\n]*none of the resources)[^\n]*",
            r"Failed to process watch event: [^\n]*",
            r"readString: Failed to read \\*\"(?P<path4>/sys/fs/cgroup[^\"\\\n]*)\\*\"[^\n]*no such (?:device|file)",
            r"Error while processing event \(\\*\"(?P<path2>/[^\"\\\n]*)\\*\"(?![^\n]*(?:no space|too many))[^\n]*",
            r"Failed to update stats for container \\*\"(?P<path5>/[^\"\\\n]*)\\*\": [^\n]*: no such device",
            (
                r"[Ff]ailed to watch directory \\*\"(?P<path3>/sys/fs/cgroup[^\"\\\n]*)\\*\"[^\n]*no such file or "
                r"directory"
            ),
        ),
        verdict="cAdvisor met a cgroup that was gone already: {path}",
        cause="A container or a scope of systemd ended between its appearing and the look. It is noise, not a failure; "
        "many lines come of services that start short-lived scopes. CRI-O knows nothing of the cgroups of pods' "
        "sandboxes.",
        remedy=("Nothing is to be done; for less of them look at what starts so many (systemctl list-units 'run-*').",),
        reference="https://github.com/google/cadvisor/issues/1461",
        rank=68,
    ),
    Entry(
        code="lxc-start-failed",
        title="LXC says only that the container did not start",
        ambiguous=(
            r"(?:TASK ERROR: )?startup for container '\w+' failed",
            r"__?lxc_start: \d+ Failed to (?:spawn|initialize) container[^\n]*",
            r"forkstart [^\n]*exit status 1",
            r"Received container state \"(?:ABORTING|STOPPED)\" instead of \"RUNNING\"",
            r"lxc_start[^\n]*The container failed to start[^\n]*",
        ),
        verdict="LXC says only that the container did not start; the reason is in its log, above these lines",
        cause="The last lines are consequences. Usual first ones: cgroups (version, delegation), AppArmor, a mount or "
        "the root file system, hooks.",
        remedy=(
            (
                "lxc-start -n NAME -F -l DEBUG -o /tmp/lxc.log (Proxmox: pct start ID --debug; LXD, Incus: lxc info "
                "NAME --show-log); then cgshimctl explain with the first ERROR line."
            ),
        ),
        reference="lxc-start(1)",
        tell="grep -m3 ERROR in that log",
        offer=5,
        last=True,
    ),
)

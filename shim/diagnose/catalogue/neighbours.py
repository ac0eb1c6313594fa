"""Other programs that use cgroups: batch systems, sandboxes, libvirt, the cgroup tools."""

from __future__ import annotations

from shim.diagnose.entry import ENOENT, ENOMEM, V1_NAMES, Entry

# The end of dockerd's notice of a limit that it drops, which may stand on a line of its own.
DISCARDED = r"(?!\. \w[^\n]*(?:discarded|limited))"

ENTRIES = (
    Entry(
        code="cgroup-mounts-not-found",
        title="a program finds no cgroup mount that it can use",
        patterns=(
            r"[Ff]ailed to (?:find|get) (?:any )?(?:supported )?cgroup (?:mounts|subsystems)[^\n]*",
            r"cgroup mountpoint does not exist",
            r"cg(?:create|exec): [^\n]*|cgroup change of group failed[^\n]*|libcgroup initialization failed[^\n]*",
            rf"(?<!or the\s)[Cc]group is not mounted{DISCARDED}",
            r"[Cc]group, requested group parameter does not exist",
            r"[Cc]an't find mounted (?:\w+ )?cgroups?\b[^\n]*",
            r"cgroup '(?P<controller2>\w+)' not found in /proc/(?:self|\d+)/cgroup",
            r"[Cc]annot open [^\n]{0,40}metric file: '?\S*/sys/fs/cgroup/\S+",
            rf"cgroup namespace '(?P<controller>{V1_NAMES})' not mounted",
            r"system configuration does not support cgroup management",
            r"[Cc]ould not find cgroup (?:mount|root|controller)[^\n]*",
            r"no cgroup (?:mounts?|subsystems?) (?:found|available)[^\n]*",
            rf"(?<!(?:or the|memory)\s)cgroups? v?1? ?(?:is|are) not (?:mounted|available|enabled){DISCARDED}[^\n]*",
            r"cgroup (?:subsystems?|controllers?|hierarchy) [^\n]{0,40}(?:is|are) (?:missing|not mounted)[^\n]*",
            r"cgroups? (?:directory|file system)[^\n]{0,40} is not mounted[^\n]*",
        ),
        verdict="the program finds no cgroup file system of the version that it knows",
        cause="It expects v1 hierarchies on a host with cgroup2 only (or the other way round), /sys/fs/cgroup is not "
        "mounted (chroot, a container without it), or it is told another mount point.",
        remedy=(
            "grep cgroup /proc/self/mountinfo. Upgrade the program to a version that knows cgroup2.",
            "In a container: -v /sys/fs/cgroup:/sys/fs/cgroup:ro (monitoring), or --cgroupns=host.",
            "Old programs: systemd.unified_cgroup_hierarchy=0 on the kernel's command line, while the kernel has v1.",
        ),
        reference="cgroups(7)",
        rank=60,
    ),
    Entry(
        code="java-misreads-cgroups",
        title="Java fails while it reads the cgroups of its host",
        patterns=(
            r"jdk\.internal\.platform\.Cgroup\w+",
            r"jdk\.internal\.platform\.cgroupv[12]\.[^\n]*",
        ),
        verdict="a Java program fails in Java's own detection of containers: it does not understand this host's "
        "cgroups",
        cause="Java reads /proc/cgroups, mountinfo and /proc/self/cgroup. Older releases fail where a controller "
        "is not "
        "there, is hidden from /proc/cgroups (kernels 6.11 on), or where v1 and cgroup2 are mounted side by side.",
        remedy=(
            "Upgrade Java: a current update of 11, 17 or 21, or a newer release.",
            "Until then: -XX:-UseContainerSupport (JAVA_TOOL_OPTIONS); then set -Xmx, because limits are not seen.",
        ),
        reference="https://bugs.openjdk.org/browse/JDK-8349988",
        tell="java -version; grep -c . /proc/cgroups; grep cgroup /proc/self/mountinfo",
        rank=50,
    ),
    Entry(
        code="java-option-unknown",
        title="Java does not know an option about the limits of containers",
        patterns=(
            (
                r"Unrecognized VM option '(?P<name>UseCGroupMemoryLimitForHeap|\+?UseContainerSupport|"
                r"PreferContainer\w+|"
                r"(?:Max|Min|Initial)RAM(?:Percentage|Fraction)[^'\n]*|ActiveProcessorCount[^'\n]*)'"
            ),
            r"VM option '(?P<name2>UseCGroupMemoryLimitForHeap)' is experimental and must be enabled",
        ),
        verdict="this Java does not know the option {name}, and so does not start",
        cause="UseCGroupMemoryLimitForHeap was for 8u131 to 10; newer releases read the limits without it, and from "
        "12 on refuse it. UseContainerSupport and MaxRAMPercentage came with 8u191 and 10: older ones refuse them.",
        remedy=(
            "Newer Java: remove the option (JAVA_OPTS, JAVA_TOOL_OPTIONS); -XX:MaxRAMPercentage=75 does its work.",
            "Java 8 before 8u191: upgrade, or -XX:+UnlockExperimentalVMOptions -XX:+UseCGroupMemoryLimitForHeap.",
        ),
        reference="https://bugs.openjdk.org/browse/JDK-8146115",
        tell="java -version; env | grep JAVA",
    ),
    Entry(
        code="slurm-plugin-missing",
        title="Slurm was built without its plugin for cgroup2",
        patterns=(r"(?:[Cc]ouldn't find the specified plugin name for|cannot find cgroup plugin for) cgroup/v2",),
        verdict="slurmd has no plugin cgroup/v2, which this host needs",
        cause="The plugin is built only where the headers of D-Bus and the kernel's bpf.h were there (libdbus-1-dev, "
        "linux-headers). Slurm before 22.05 has none.",
        remedy=(
            "Install the distribution's newer package, or build Slurm 22.05 or later with libdbus-1-dev (dbus-devel).",
            "Or CgroupPlugin=cgroup/v1 in cgroup.conf on a host with v1; or ProctrackType=proctrack/linuxproc without.",
        ),
        reference="https://slurm.schedmd.com/cgroup_v2.html",
    ),
    Entry(
        code="cadvisor-notices",
        title="notices of cAdvisor about cgroups",
        patterns=(
            r"Cannot detect current cgroup on cgroup v2|Could not get instant cpu stats[^\n]*",
            r"(?:RecentStats|Internal Error): unable to find data for container [^\n]*",
            r"failed to get container \\*\"[^\"\n]*\" with error: unable to find data[^\n]*",
            r"stat failed on /\S+ with error: no such file or directory, continuing to push stats",
            r"Partial failure issuing (?:cadvisor\.)?(?:GetContainerInfoV2|ContainerInfoV2)[^\n]*",
        ),
        verdict="a notice of cAdvisor, not a failure: it has no figures of a cgroup, or cannot determine its own",
        cause="The cgroup is new, has just ended, or has no controllers of its own. On cgroup2 it may not find its own "
        "and then watches all that it sees. Of / itself: it has just started, or its first lines say what it missed.",
        remedy=("Nothing is to be done; if it stays, read the first lines of its log.",),
        reference="https://github.com/google/cadvisor/blob/master/manager/manager.go",
        rank=85,
    ),
    Entry(
        code="cadvisor-tracks-nothing",
        title="cAdvisor finds none of a container's controllers",
        patterns=(r"none of the resources are being tracked",),
        verdict="cAdvisor finds the container's cgroup in no hierarchy, so it shows nothing of it",
        cause="For one container: it has just ended. For all: the host's hierarchies are not mounted in cAdvisor's "
        "container, or memory and cpuacct are switched off at boot.",
        remedy=(
            "Start cAdvisor with --volume=/:/rootfs:ro --volume=/sys:/sys:ro (and /cgroup, where that is the place).",
            "grep -E 'memory|cpuacct' /proc/cgroups: enabled? If not, boot with cgroup_enable=memory.",
        ),
        reference="https://github.com/google/cadvisor/issues/544",
        rank=60,
    ),
    Entry(
        code="kata-guest-differs",
        title="the guest of Kata Containers lacks what the host's limits ask for",
        patterns=(
            r"unable to read a control group file caused by[^\n]*",
            (
                r"(?<!add task to cgroup: )unable to write to a control group file(?![^\n]*ResourceBusy)[^\n]*"
                r"caused by[^\n]*"
            ),
        ),
        verdict="Kata's agent cannot set a limit in the guest: the guest's kernel has no such file",
        cause="The limits are the host's: sizes of huge pages that the guest does not have, or a controller of another "
        "cgroup version than the guest's.",
        remedy=(
            "Upgrade Kata Containers, and its guest kernel and image together with it.",
            "Take the limit out (huge pages, cpuset) for this runtime class.",
        ),
        reference="https://github.com/kata-containers/kata-containers/issues/5191",
    ),
    Entry(
        code="kata-guest-cgroup-busy",
        title="in the guest of Kata Containers the container's cgroup takes no process",
        patterns=(
            r"(?:write to a control group file cgroup\.procs,[^\n]*ResourceBusy|Error\.EBUSY: Failed to attach)",
        ),
        verdict="Kata's agent cannot put a process into the container's cgroup in the guest (EBUSY)",
        cause="The guest has cgroup2 only, and what runs in the container (systemd, docker) enabled controllers for "
        "cgroups of its own: a cgroup that hands down controllers takes no process.",
        remedy=(
            "Leave systemd.unified_cgroup_hierarchy out of the guest's kernel_params, or upgrade Kata Containers.",
            "Enter through a process of the container (ssh, docker exec in it) instead of kubectl exec.",
        ),
        reference="https://github.com/kata-containers/kata-containers/issues/9701",
        rank=40,
    ),
    Entry(
        code="kata-guest-memory-missing",
        title="the host does not have the memory, or huge pages, for a virtual machine",
        patterns=(r"unable to map backing store for guest RAM: Cannot allocate memory",),
        verdict="QEMU gets no memory for its guest (Kata, KubeVirt): too few huge pages, or a memory limit",
        cause="A guest with huge pages lies in them as a whole (on one NUMA node, if pinned); else the memory limit of "
        "the pod's cgroup (sandbox_cgroup_only) or the host is too small for it.",
        remedy=(
            "grep Huge /proc/meminfo; sysctl -w vm.nr_hugepages=<guest's MiB / 2>; or enable_hugepages = false",
            "default_memory in Kata's configuration.toml; a larger limit of the pod, or its overhead.",
        ),
        reference="https://github.com/kata-containers/runtime/issues/1210",
    ),
    Entry(
        code="youki-kernel-too-old",
        title="youki needs a newer kernel",
        patterns=(r"failed to run clone3\s+(?:\d+: )?38\b", r"failed to run clone3[^\n]*(?:not implemented|ENOSYS)"),
        verdict="this kernel has no clone3 (errno 38), which youki uses",
        cause="clone3 came with Linux 5.3. A seccomp filter around youki that does not know it gives the same errno.",
        remedy=("Use a kernel 5.3 or later, youki 0.1 or later (which does not need clone3), or runc or crun.",),
        reference="https://github.com/youki-dev/youki/issues/1826",
    ),
    Entry(
        code="shim-ended",
        title="containerd's shim ended during a request",
        patterns=(r"ttrpc: closed", r"shim (?:died|exited unexpectedly)[^\n]*", rf"shim error: open pid: {ENOENT}"),
        verdict="containerd's shim, which holds the container, ended; its message is lost",
        cause="It was killed (out of memory, a systemd unit that kills its whole cgroup), crashed, or is of another "
        "version than containerd.",
        remedy=(
            "journalctl -u containerd -e; journalctl -k | grep -iE 'oom|segfault': what stands just before?",
            (
                "containerd --version; containerd-shim-runc-v2 -v: one version. KillMode=process, Delegate=yes in "
                "its unit."
            ),
        ),
        reference="https://github.com/containerd/containerd/blob/main/core/runtime/v2/README.md",
        tell="journalctl -k | grep -iE 'oom|segfault'",
        rank=66,
    ),
    Entry(
        code="apptainer-cgroups-not-applied",
        title="Apptainer or Singularity could not apply cgroups",
        ambiguous=(
            r"while applying cgroups config: [^\n]*",
            r"[Ff]ailed to apply cgroups ressources restriction: [^\n]*",
            r"failed to check cgroup root and container namespace: [^\n]*",
        ),
        verdict="Apptainer, or Singularity, could not make the cgroup of this instance or apply its limits",
        cause="The last words are the kernel's or systemd's. Instances of a user need cgroup2 and a login session with "
        "systemd; --apply-cgroups on v1 needs root. Early 3.x releases had faults here.",
        remedy=(
            (
                "Log in as that user itself (loginctl enable-linger), and check XDG_RUNTIME_DIR and "
                "DBUS_SESSION_BUS_ADDRESS."
            ),
            "Without limits: unset DBUS_SESSION_BUS_ADDRESS before instance start; upgrade Apptainer.",
        ),
        reference="https://github.com/apptainer/apptainer/issues/1731",
        tell="systemctl --user status; stat -fc %T /sys/fs/cgroup",
        offer=1,
        last=True,
    ),
    Entry(
        code="conmon-oom-score-notice",
        title="conmon's notice that it may not lower its OOM score",
        patterns=(r"conmon(?::d\]|[^\n]*): failed to write to /proc/self/oom_score_adj",),
        verdict="a notice of conmon, not a failure: a user's process may not lower its own OOM score",
        cause="It is in every debug log of rootless podman. If the container does not start, another line says why.",
        remedy=("Look for the line with Error: or with crun or runc, and explain that one.",),
        reference="https://github.com/containers/podman/issues/3024",
        rank=80,
    ),
    Entry(
        code="fork-out-of-memory",
        title="a process could not be made: out of memory, or a dead pid namespace",
        patterns=(rf"(?:[Uu]nable to fork|[Ff]ork failed|can't fork|nsenter: fork(?: failed)?): {ENOMEM}",),
        verdict="the kernel could not make a process (ENOMEM)",
        cause="The host or the cgroup has no memory left (overcommit counts, too); or the process joined a pid "
        "namespace whose first process has ended, where every fork fails so, though memory is free.",
        remedy=(
            "The container is gone or half dead: start it again; for exec this is the usual case.",
            "Else give memory: a higher limit, swap, vm.overcommit_memory=0 or 1.",
        ),
        reference="Linux man page fork(2), ENOMEM",
        tell="free -m; cat /proc/sys/vm/overcommit_memory; is the container's first process alive (docker top)?",
        rank=62,
    ),
    Entry(
        code="snap-reads-no-cgroup",
        title="snap cannot read or make cgroups: it runs in a sandbox or a container",
        patterns=(
            r"cannot determine cgroup version: [^\n]*",
            r"cannot create cgroup hierarchy (?P<path>/\S+?)/?: [^\n]*",
        ),
        verdict="snapd does not see the cgroups of the host, which it needs to confine programs",
        cause="The snap was started inside another sandbox (firejail hides /sys/fs/cgroup) or a container where no "
        "cgroup file system, or a read-only one, is mounted.",
        remedy=(
            "Start it outside of the sandbox; a snap has its own confinement.",
            "In a container: LXD or Incus with nesting, or the program as a package instead of a snap.",
        ),
        reference="https://github.com/netblue30/firejail/issues/3836",
        ours=False,
        rank=40,
    ),
    Entry(
        code="kubelet-kernel-flags",
        title="the kubelet wants other sysctls than the host has",
        patterns=(
            (
                r"invalid kernel flag: (?P<key>[\w./-]+), expected value: (?P<value>\S+?), actual value: "
                r"(?P<found>[^\s,\]]+)"
            ),
        ),
        verdict="the kubelet does not start: the host's sysctl {key} is {found}, and it wants {value}",
        cause="protectKernelDefaults is true, so the kubelet does not set these sysctls itself. It is not about "
        "cgroups.",
        remedy=(
            (
                "/etc/sysctl.d/90-kubelet.conf: vm.overcommit_memory=1, kernel.panic=10, kernel.panic_on_oops=1; "
                "sysctl --system"
            ),
            "Or protectKernelDefaults: false in the kubelet's configuration.",
        ),
        reference="https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/",
        ours=False,
        rank=40,
    ),
)

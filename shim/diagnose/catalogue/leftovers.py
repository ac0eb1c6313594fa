"""Cgroups and mounts that cannot be removed at a container's end, and state that no longer fits the host."""

from __future__ import annotations

from shim.diagnose.entry import EBUSY, EINVAL, ENODEV, Entry, mounting

ENTRIES = (
    Entry(
        code="cgroup-not-removable",
        title="the cgroup of a container or pod that has ended cannot be removed",
        patterns=(
            r"failed to delete cgroup paths for (?![^\n]*(?:denied|permitted|read-only))[^\n]*",
            r"unable to destroy cgroup paths? for (?![^\n]*(?:denied|permitted|read-only))[^\n]*",
            r"[Ff]ailed to remove paths?: map\[[^\n]*",
            (
                r"[Ff]ailed to (?:trim compat systemd|remove|delete|destroy) cgroup "
                r"(?![^\n]*(?:denied|permitted|read-only))[^\n]*"
            ),
            rf"(?:remove|rmdir|unlinkat) (?P<path>/sys/fs/cgroup/[^\s:]+)[^\n]*: {EBUSY}",
            rf"cannot (?:delete path|destroy subsystem|rm) [`'](?P<path2>/sys/fs/cgroup/[^`'\n]+)[`'][^\n]*: {EBUSY}",
        ),
        verdict="a cgroup cannot be removed: processes, or cgroups below it, are left (EBUSY)",
        cause="A process of the container has not ended: it hangs in the kernel (state D: a disk or network file "
        "system that does not answer), is frozen, outlived its parent in a container with the host's PID namespace, "
        "or has just been killed, and then it is a matter of seconds. As a single warning (will retry; trim) it is "
        "harmless.",
        remedy=(
            (
                "find /sys/fs/cgroup -path '*<pod or container id>*' -name cgroup.procs -exec cat {{}} + names the "
                "processes; ps -o pid,stat,wchan:30,cmd -p <pids>"
            ),
            (
                "Frozen: write THAWED into freezer.state (v1), 0 into cgroup.freeze. State D: bring the storage back, "
                "or reboot the node."
            ),
            (
                "Pods that hang in Terminating: restart containerd or CRI-O, then the kubelet; upgrade runc to 1.1.13 "
                "or later."
            ),
        ),
        reference="https://github.com/kubernetes/kubernetes/issues/123766",
        rank=56,
    ),
    Entry(
        code="cgroup2-not-in-kernel",
        title="the kernel has no cgroup2, or not the v1 controller that is mounted",
        patterns=(
            r"unknown filesystem type '(?P<fstype>cgroup2?)'",
            rf"mounting \\*\"cgroup2?\\*\" to rootfs[^\n]*: {ENODEV}",
            rf"mount [`']cgroup2?[`'] to [^\n]*: {ENODEV}",
            rf"Failed to mount cgroup2? \(type cgroup2?\)[^\n]*: {ENODEV}",
        ),
        verdict="the kernel does not know this cgroup file system (ENODEV)",
        cause="cgroup2 came with Linux 4.5, and is complete enough for containers from 4.15 on; RHEL and CentOS 7 have "
        "3.10. v1 needs CONFIG_CGROUPS and its controllers, which newest kernels may leave out (CONFIG_MEMCG_V1).",
        remedy=(
            (
                "grep cgroup /proc/filesystems; uname -r. Use a newer kernel, or v1 "
                "(systemd.unified_cgroup_hierarchy=0) on an old one."
            ),
        ),
        reference="cgroups(7)",
    ),
    Entry(
        code="cgroup-bind-has-locked-mounts",
        title="in a user namespace /sys/fs/cgroup can only be bound with what is mounted below it",
        patterns=(
            rf"mounting \"cgroup\" to rootfs at\s+\"/sys/fs/cgroup\": mount (?:src=)?/sys/fs/cgroup[^\n]*: {EINVAL}",
            mounting(r"/sys/fs/cgroup", EINVAL),
        ),
        verdict="the kernel refuses to bind /sys/fs/cgroup into the container, because mounts lie below it (EINVAL)",
        cause="Without a cgroup namespace of the container's own a rootless runc binds the host's /sys/fs/cgroup. On "
        "v1 and hybrid hosts hierarchies are mounted below it, and a user namespace may not show what they cover.",
        remedy=(
            "Boot with cgroup2 (systemd.unified_cgroup_hierarchy=1): nothing is mounted below it there.",
            "docker, podman: --cgroupns=private. Or crun, which binds with what lies below.",
        ),
        reference="https://github.com/moby/moby/issues/47856",
        tell="grep /sys/fs/cgroup /proc/self/mountinfo: more than one line?",
        rank=35,
    ),
    Entry(
        code="runtime-older-than-engine",
        title="the runtime and the engine are of different ages",
        patterns=(
            r"unknown version specified",
            r"(?:unsupported|unknown) (?:OCI|oci|spec)[ -]?(?:runtime )?version[^\n]*",
            r"flag provided but not defined: -(?!systemd-cgroup)(?P<flag>[\w-]+)",
            r"(?:crun|runc): unrecognized option [^\n]*",
        ),
        verdict="the runtime does not understand what the engine gives it: one of the two is too old",
        cause="An engine from one source (a static build, a distribution's backport) meets a runtime from another.",
        remedy=(
            (
                "Upgrade the runtime: crun --version, runc --version; podman info | grep -A5 ociRuntime shows which is "
                "used."
            ),
            "Only one of each in PATH: type -a crun runc conmon",
        ),
        reference="https://github.com/containers/crun/issues/1880",
        rank=58,
    ),
    Entry(
        code="gvisor-update-unsupported",
        title="gVisor cannot change the limits of a container within a pod",
        patterns=(
            r"update can only be called on the root container",
            r"runsc[^\n]*update[^\n]*not (?:supported|implemented)",
        ),
        verdict="gVisor's runsc does not change the limits of this container while it runs",
        cause="Limits of gVisor hold for the sandbox, which the pod's first container stands for; older versions "
        "refuse the update of any other.",
        remedy=("Upgrade gVisor. Until then recreate the pod with other limits.",),
        reference="https://github.com/google/gvisor/pull/12791",
    ),
    Entry(
        code="cpu-manager-state-stale",
        title="the kubelet's CPU or memory manager finds a state of another configuration",
        patterns=(
            r"configured policy \\*\"?(?P<policy>\w+)\\*\"? differs from state checkpoint policy[^\n]*",
            r"could not restore state from checkpoint[^\n]*",
            r"[Ff]ailed to start (?:cpu|memory) ?[Mm]anager[^\n]*|start (?:cpu|memory) manager error[^\n]*",
            r"current set of available CPUs \\*\"[^\"\\\n]*\\*\" doesn't match[^\n]*",
            r"\[memorymanager\][^\n]*(?:different from|differs)[^\n]*",
        ),
        verdict="the kubelet does not start: its kept state of CPUs or memory does not fit its policy or this machine",
        cause="cpuManagerPolicy or memoryManagerPolicy was changed, or CPUs or memory were added or taken away, while "
        "/var/lib/kubelet holds the assignments from before.",
        remedy=(
            (
                "Drain the node, stop the kubelet, rm /var/lib/kubelet/cpu_manager_state "
                "/var/lib/kubelet/memory_manager_state, start it again (k3s and rke2: below /var/lib/kubelet as well)."
            ),
        ),
        reference="https://kubernetes.io/docs/tasks/administer-cluster/cpu-management-policies/",
    ),
    Entry(
        code="kubeadm-kubelet-not-healthy",
        title="kubeadm waited for the kubelet in vain",
        patterns=(
            r"kubelet is unhealthy due to a misconfiguration of the node in some way[^\n]*",
            r"\[kubelet-check\] (?:Initial timeout|It seems like the kubelet isn't running)[^\n]*",
            r"The HTTP call equal to 'curl -sSL http://localhost:10248/healthz' failed[^\n]*",
        ),
        verdict="kubeadm waited for the kubelet in vain; the reason is in the kubelet's own log",
        cause="kubeadm does not know it. The usual ones: swap is on, the kubelet and the engine use different cgroup "
        "drivers, a controller is switched off (memory on a Raspberry Pi), or the kubelet refuses cgroup v1 (1.35 on).",
        remedy=(
            (
                "journalctl -u kubelet -n 50 --no-pager | grep -E '^|E[0-9]{{4}}|[Ff]ailed'; then cgshimctl explain "
                "with that line."
            ),
            (
                "Compare: grep SystemdCgroup /etc/containerd/config.toml; grep cgroupDriver "
                "/var/lib/kubelet/config.yaml; swapon"
            ),
        ),
        reference="https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/troubleshooting-kubeadm/",
        rank=72,
    ),
    Entry(
        code="kubelet-options-conflict",
        title="the kubelet's options for cgroups cannot be combined",
        patterns=(
            (
                r"(?:EnforceNodeAllocatable|enforceNodeAllocatable)[^\n]*"
                r"(?:cgroups-?[Pp]er-?QOS|cgroupsPerQOS|requires|invalid)"
                r"[^\n]*"
            ),
            r"invalid configuration:[^\n]*(?:[Cc]groupsPerQOS|cgroup-root|--cgroup|[Cc]group)[^\n]*",
            r"invalid Node Allocatable configuration[^\n]*",
            r"Node Allocatable enforcement is not supported unless Cgroups Per QOS feature is turned on",
        ),
        verdict="the kubelet refuses its configuration: its options for cgroups cannot be combined",
        cause="enforceNodeAllocatable needs cgroupsPerQOS; kube-reserved and system-reserved in it need "
        "kubeReservedCgroup and systemReservedCgroup; what is reserved must be less than the node has.",
        remedy=(
            (
                "cgroupsPerQOS: true with enforceNodeAllocatable: [pods]; or cgroupsPerQOS: false with "
                "enforceNodeAllocatable: [] (nothing limits pods as a whole then)."
            ),
        ),
        reference="https://kubernetes.io/docs/tasks/administer-cluster/reserve-compute-resources/",
    ),
    Entry(
        code="rootless-engine-without-cgroups",
        title="the rootless engine runs without cgroups, so no limit holds",
        patterns=(
            r"[Rr]unning in rootless-mode without cgroups?[^\n]*",
            r"systemd not detected, dockerd-rootless\.sh needs to be started manually",
            r"WARNING: No (?:cpu|cpuset|memory|io|pids)[\w.]* (?:controller|cgroup)[^\n]*",
            r"cgroup v2 (?:\w+) controller is not delegated[^\n]*",
        ),
        verdict="the rootless engine has no cgroups: limits of its containers are ignored",
        cause="A user gets cgroups only from systemd on cgroup2. Without systemd, on v1, or in a session without "
        "delegation the engine leaves them out.",
        remedy=(
            (
                "cgroup2 and systemd; then docker info must say Cgroup Driver: systemd. In a drop-in of user@.service: "
                "Delegate=cpu cpuset io memory pids; log in again."
            ),
            "Without systemd no limit of a rootless container holds: use ulimit, or run the engine as root.",
        ),
        reference="https://docs.docker.com/engine/security/rootless/",
        rank=58,
    ),
    Entry(
        code="podman-pod-without-cgroup",
        title="podman knows of no cgroup for the pod",
        patterns=(r"\bpod \S+ cgroup is not set\b", r"cgroup is not set: internal libpod error"),
        verdict="podman finds no cgroup of the pod, in which its containers should start",
        cause="The pod was left over from a start that failed, was made with another cgroup manager, or before a "
        "change of podman's version; its record has no cgroup. Or the host was rebooted since: before 4.6 podman made "
        "the pod's cgroup again only with systemd as its cgroup manager, not with cgroupfs (Alpine, Gentoo).",
        remedy=(
            "podman pod rm -f NAME, and make it again (podman-compose down; up); podman pod start is not enough.",
            "Upgrade podman (4.6 or later).",
            'Podman in podman: cgroups = "disabled" in containers.conf of that image; cgroups = "enabled" for pods.',
        ),
        reference="https://github.com/containers/podman/issues/24889",
        rank=40,
    ),
    Entry(
        code="lxc-mount-failed",
        title="LXC cannot make a mount of the container",
        patterns=(
            (
                r"lxc[^\n]{0,80}(?:conf|mount_utils|utils)\.c(?=[^\n]*(?:mount|rootfs|fstab|/proc|/sys|/dev|tmpfs|devpts|autodev))"
                r"[^\n]*(?:[Ff]ailed to (?:mount|setup|create|open)|Permission denied|Operation not permitted)[^\n]*"
            ),
        ),
        verdict="LXC could not make a mount of the container",
        cause="AppArmor's profile of an outer container, a source whose owner is not in the container's id map, a "
        "directory on the way that its ids may not search, or a file system that a user namespace may not mount.",
        remedy=(
            "Nested: security.nesting=true (LXD, Incus); features nesting=1 (Proxmox); dmesg | grep -i denied",
            "lxc-start -F -l DEBUG -o log shows the first failure; the last lines are its consequences.",
        ),
        reference="lxc.container.conf(5)",
        rank=66,
    ),
    Entry(
        code="mount-target-of-other-kind",
        title="the image has a directory where a file is to be put, or the other way round",
        patterns=(r"creating (?:file|directory) [`'](?P<path>[^'\n]+)': (?:[Ii]s a directory|[Nn]ot a directory)",),
        verdict="the runtime cannot create {path} as the target of a mount: the image has something else there",
        cause="A file is mounted onto a directory or a directory onto a file, or a link in the image leads to "
        "the other kind. crun of 2019 also took some links, as /media of Fedora Silverblue, for files.",
        remedy=(
            "Compare: ls -ld SOURCE on the host, and podman run --rm --entrypoint ls IMAGE -ld DESTINATION",
            "Where both are directories and one is a link: upgrade crun.",
        ),
        reference="https://github.com/containers/toolbox/issues/330",
        rank=50,
    ),
    Entry(
        code="user-not-set-up",
        title="runc cannot become the container's user",
        patterns=(r"(?:unable to )?setup user: (?:caused:? )?(?:permission denied|operation not permitted)",),
        verdict="runc cannot become the container's user: permission denied",
        cause="Either the user's groups cannot be set or standard input and output cannot be given to him (a user "
        "namespace that does not map them), or the image's /etc/passwd cannot be read: SELinux labels of the storage, "
        "permissions of the root.",
        remedy=(
            "SELinux: ausearch -m avc -ts recent; restorecon -R the storage (rootless: ~/.local/share/containers)",
            "Try another --user and --userns=host; add ranges to /etc/subuid and /etc/subgid; podman system migrate.",
        ),
        reference="https://github.com/opencontainers/runc/blob/main/libcontainer/init_linux.go",
        tell="getenforce; does --security-opt label=disable change it? Does --user 0 change it?",
        rank=50,
    ),
)

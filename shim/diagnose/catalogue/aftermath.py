"""What a limit, a missing device or a foreign first process looks like afterwards: logs of the kernel and of systemd."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, ENODEV, ENOENT, EPERM, Entry

ENTRIES = (
    Entry(
        code="memory-limit-killed-process",
        title="the kernel killed a process because a memory limit was reached",
        patterns=(
            r"oom-kill:constraint=CONSTRAINT_MEMCG[^\n]*?(?:oom_memcg=(?P<path>/[^,\s]*))?",
            r"Memory cgroup out of memory: Kill(?:ed)? process (?P<number>\d+)[^\n]*",
            r"Task in (?P<path2>/\S+) killed as a result of limit of (?P<limited>/\S+)",
            r"\bOOMKilled\b",
            r"invoked oom-killer: gfp_mask",
        ),
        verdict="the kernel killed a process of the container: its memory limit, or one above it, was reached",
        cause="memory.max (v1: memory.limit_in_bytes) of the cgroup in oom_memcg= was used up; page cache that can be "
        "dropped does not count. Where constraint=CONSTRAINT_NONE the whole host was short.",
        remedy=(
            "Raise the limit (docker, podman: --memory; Kubernetes: resources.limits.memory), or lower what the program "
            "takes (heap sizes, workers).",
            "cgshimctl watch NAME shows what grows.",
        ),
        reference="Linux Documentation/admin-guide/cgroup-v2.rst, Memory",
        rank=66,
    ),
    Entry(
        code="kubelet-file-system-unknown",
        title="the kubelet cannot tell the file system of its directory",
        patterns=(
            r"failed to get rootfs info: [^\n]*",
            r"could not find device with major: \d+, minor: \d+ in cached partitions map",
            r"unable to find data in (?:memory )?cache",
        ),
        verdict="the kubelet's cAdvisor does not know the file system of /var/lib/kubelet, or found no cgroups at all",
        cause="btrfs and ZFS have devices that a kubelet in a container (kind, k3d) does not see. A kubelet before 1.19 "
        "fails with the same words on a host with cgroup2 only.",
        remedy=(
            "kind, k3d: mount /dev/mapper (and /dev) of the host into the node, or use an ext4 or xfs volume for /var.",
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
        title="systemd in a container cannot set device rules, and goes on without",
        patterns=(rf"Failed to (?:re)?set devices\.(?:list|allow|deny)[^\n]*: (?:{EPERM}|{EACCES}|{ENOENT})",),
        verdict="systemd in this container may not change device rules; it goes on without them",
        cause="The devices controller is not delegated to containers. It is a notice: a service fails for it only where it "
        "needs a device that the container lacks.",
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
        cause="The engine is newer than libseccomp. crun before 0.10.6 refuses such a profile; later ones, and runc, leave "
        "the call out and say so ('ignored'), which harms nothing.",
        remedy=(
            "Upgrade libseccomp, and crun where it is static.",
            "'ignored': no failure; look for another message.",
        ),
        reference="https://github.com/containers/crun/issues/156",
    ),
    Entry(
        code="tun-device-missing",
        title="the container has no /dev/net/tun",
        patterns=(
            rf"/dev/net/tun[^\n]*: (?:{ENOENT}|{EPERM}|{EACCES}|{ENODEV})",
            r"Cannot (?:open|create) TUN/TAP[^\n]*",
        ),
        verdict="the container cannot open /dev/net/tun",
        cause="The device is not passed in, the module tun is not loaded, or an outer container (LXC, OpenVZ) does not "
        "allow it.",
        remedy=(
            "docker, podman: --cap-add NET_ADMIN --device /dev/net/tun; compose: devices, cap_add. modprobe tun on the host.",
            "Proxmox, LXC: lxc.cgroup2.devices.allow: c 10:200 rwm and lxc.mount.entry: /dev/net dev/net none "
            "bind,create=dir",
        ),
        reference="https://pve.proxmox.com/wiki/OpenVPN_in_LXC",
        rank=62,
    ),
    Entry(
        code="device-node-not-makeable",
        title="device nodes cannot be made here",
        patterns=(
            rf"\bmknod(?:at)? [`'\"]?(?P<path>[^\s`'\":]+)[`'\"]?: (?:{EPERM}|{EACCES})",
            rf"mknod[^\n]*: {EPERM}",
        ),
        verdict="the device node {path} may not be made (EPERM)",
        cause="In a user namespace nobody may make device nodes, and a device rule without m forbids it to root. Old runtimes "
        "do not fall back to a bind mount of the host's node.",
        remedy=(
            "Upgrade the runtime, which binds the host's node then.",
            "Image layers with device nodes: build as root, or leave them out.",
        ),
        reference="user_namespaces(7)",
        rank=60,
    ),
    Entry(
        code="fuse-overlay-not-usable",
        title="fuse-overlayfs, or overlay, cannot be mounted here",
        patterns=(
            rf"fuse-overlayfs: cannot mount[^\n]*(?:{EPERM}|{EACCES}|{ENOENT})?",
            r"fuse: device not found, try 'modprobe fuse' first",
            rf"(?:open|stat) /dev/fuse: (?:{ENOENT}|{EPERM}|{EACCES})",
            r"kernel does not support overlay fs: [^\n]*",
            r"[`'\"]?overlay[`'\"]? is not supported over [^\n]*",
            r"error creating overlay mount to [^\n]*",
        ),
        verdict="the storage driver cannot mount overlay or fuse-overlayfs here",
        cause="/dev/fuse is missing or closed in the outer container; native overlay needs root, or Linux 5.11 (5.13 with "
        "SELinux) in a user namespace, and no overlay below it.",
        remedy=(
            "Outer container: --device /dev/fuse (Kubernetes: a device plugin, or privileged), with a volume for the "
            "storage; or STORAGE_DRIVER=vfs, which is slow.",
            "modprobe fuse overlay on the host.",
        ),
        reference="https://github.com/containers/buildah/issues/5483",
        rank=62,
    ),
    Entry(
        code="cadvisor-lost-container",
        title="cAdvisor looks at a cgroup whose container has ended",
        patterns=(
            r"Failed to create existing container: (?P<path>/\S+?):? [^\n]*",
            r"Error while processing event \(\\*\"(?P<path2>/[^\"\\\n]*)\\*\"[^\n]*no such file or directory",
            r"[Ff]ailed to watch directory \\*\"(?P<path3>/sys/fs/cgroup[^\"\\\n]*)\\*\"[^\n]*no such file or directory",
        ),
        verdict="cAdvisor met a cgroup that was gone already: {path}",
        cause="A container or a scope of systemd ended between its appearing and the look. It is noise, not a failure; "
        "many lines come of services that start short-lived scopes.",
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
            r"lxc_start[^\n]*The container failed to start[^\n]*",
        ),
        verdict="LXC says only that the container did not start; the reason stands in its log, above these lines",
        cause="The last lines are consequences. Usual first ones: cgroups (version, delegation), AppArmor, a mount or the "
        "root file system, hooks.",
        remedy=(
            "lxc-start -n NAME -F -l DEBUG -o /tmp/lxc.log (Proxmox: pct start ID --debug; LXD, Incus: lxc info NAME "
            "--show-log); then cgshimctl explain with the first ERROR line.",
        ),
        reference="lxc-start(1)",
        tell="grep -m3 ERROR in that log",
        offer=5,
        last=True,
    ),
)

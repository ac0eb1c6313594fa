"""Failures of single installations: desktops, virtual machines of Kata, LXC hosts, nodes with other parts."""

from __future__ import annotations

from shim.diagnose.entry import EINVAL, ENOENT, ENOTDIR, EPERM, Entry, mounting

ENTRIES = (
    Entry(
        code="lxc-rootfs-not-searchable",
        title="the mapped root may not reach the container's root file system",
        patterns=(
            r"Permission denied - Failed to mount \"(?P<path>[^\"\n]*/rootfs)\"[^\n]*",
            r"could not access (?P<path2>/\S+?)\.\s+Please grant it '?x'? access[^\n]*",
        ),
        verdict="the container's mapped root may not search a directory on the way to {path}",
        cause="An unprivileged container's root is another user on the host (100000), and each directory above the "
        "root file system must let him through.",
        remedy=(
            "namei -l {path}: chmod o+x what is closed; or setfacl -m u:100000:x",
            "chown the rootfs itself to the mapped root where it is somebody else's.",
        ),
        reference="https://github.com/lxc/lxc/issues/3669",
        rank=41,
    ),
    Entry(
        code="lxc-memory-controller-unused",
        title="LXC finds no memory controller for a limit",
        patterns=(
            (
                r"Failed to setup limits for the \"(?P<controller>memory)\" controller\. The controller seems to be "
                r"unused[^\n]*"
            ),
        ),
        verdict="LXC cannot set the container's {controller} limits: it finds no such controller",
        cause="memory: Debian before 10, Raspberry Pi OS and others boot with it switched off. Unprivileged: the "
        "controller was not delegated to the user.",
        remedy=(
            "memory: cgroup_enable=memory on the kernel command line; update-grub; reboot.",
            "Unprivileged: Delegate=yes for user@.service (cgroup2); libpam-cgfs with {controller} in its list (v1).",
            "Or take lxc.cgroup.{controller}.* out of the configuration.",
        ),
        reference="https://github.com/lxc/lxc/issues/1991",
        tell="grep {controller} /proc/cgroups: is the last column 1?",
        rank=52,
    ),
    Entry(
        code="sysbox-idmap-refused",
        title="sysbox's id-mapped mount is refused",
        patterns=(r"Failed\s+to\s+set\s+mount\s+attr:\s+operation\s+not\s+permitted",),
        beside=r"ID-map\s+mount\s+on",
        verdict="the kernel refuses the id-mapped mounts that sysbox makes",
        cause="The first kernels 5.14 of RHEL and AlmaLinux 9 have them switched off (dmesg: idmapped mount is not "
        "enabled), and some file systems have none.",
        remedy=(
            "Upgrade the kernel (dnf update kernel), and reboot.",
            "Or sysbox-mgr --disable-idmapped-mount, with shiftfs where the kernel has it.",
        ),
        reference="https://github.com/nestybox/sysbox/issues/586",
        tell="dmesg | grep -i idmapped",
        rank=42,
    ),
    Entry(
        code="desktop-share-not-ready",
        title="Docker Desktop does not have the drive or distribution that a volume names",
        patterns=(mounting(r"/run/desktop/mnt/host/[^\"`\\\n]*", ENOTDIR),),
        verdict="Docker Desktop's virtual machine does not have {source} as it is on the host",
        cause="The WSL distribution was not up yet, or the drive is not mounted in WSL, when the container was "
        "started. Docker Desktop then made an empty directory in its place.",
        remedy=(
            (
                "Start the distribution (wsl -d NAME), then start the container again; a drive: wsl --shutdown, and "
                "restart Docker Desktop."
            ),
            "If the path itself is of the other kind, correct it.",
        ),
        reference="https://github.com/docker/desktop-feedback/issues/176, "
        "https://github.com/microsoft/WSL/issues/12239",
        rank=44,
    ),
    Entry(
        code="wsl-shares-cgroups",
        title="podman in WSL runs in a cgroup of Docker Desktop",
        patterns=(
            r"creating cgroup directory `(?P<path>/sys/fs/cgroup/[a-z_,]+/docker/[^`\n]*)/libpod-[^`\n]*`: [^\n]+",
        ),
        verdict="podman's machine is in a cgroup that Docker Desktop made: {path}, which does not exist in its own "
        "view",
        cause="All distributions of WSL have one kernel and one tree of v1 cgroups. podman's machine was started from "
        "Docker Desktop's, or beside it.",
        remedy=(
            "Quit Docker Desktop, wsl --shutdown, then podman machine start.",
            "For good, cgroup2 alone: in .wslconfig under [wsl2]: kernelCommandLine = cgroup_no_v1=all",
        ),
        reference="https://github.com/podman-desktop/podman-desktop/issues/3560",
        rank=37,
    ),
    Entry(
        code="nvidia-versions-differ",
        title="NVIDIA's kernel module and libraries are of two versions",
        patterns=(r"(?:nvml error|NVML): driver/library version[^\n]*|NVRM: API mismatch: [^\n]*",),
        verdict="NVIDIA's libraries were upgraded, and the kernel still has the older module",
        cause="The module stays loaded until the next boot.",
        remedy=(
            (
                "Reboot; or without a reboot: stop what uses the GPU, then rmmod nvidia_uvm nvidia_drm nvidia_modeset "
                "nvidia; modprobe nvidia."
            ),
            "nvidia-smi on the host works: make the container again; no libnvidia-* packages in its image.",
            "For later: apt-mark hold the driver's packages, and update them together with a reboot.",
        ),
        reference="https://github.com/kevinthedang/discord-ollama/issues/38",
        tell="cat /proc/driver/nvidia/version; dpkg -l | grep nvidia",
        ours=False,
        rank=40,
    ),
    Entry(
        code="selinux-label-unknown",
        title="SELinux's policy does not know the label of the container",
        patterns=(
            rf"write /proc/(?:self|thread-self)/attr/keycreate: {EINVAL}",
            rf"write /proc/self/task/\d+/attr/(?:exec|keycreate): {EINVAL}",
        ),
        verdict="the loaded SELinux policy does not know the label that the container should have (EINVAL)",
        cause="Its type (seLinuxOptions, label=type:, or the engine's default) is unknown to the loaded policy: its "
        "package is missing or older than the engine. runc 1.0-rc7 writes a "
        "label even where SELinux is off, as on Ubuntu.",
        remedy=(
            "Upgrade container-selinux, and rke2-selinux or k3s-selinux; semodule -l shows what is loaded.",
            "Or leave the label out: seLinuxOptions of the pod; docker, podman: --security-opt label=disable.",
        ),
        reference="https://github.com/rancher/rke2-selinux/issues/24",
        tell="getenforce; journalctl -k | grep -i 'invalid context'",
        rank=49,
    ),
    Entry(
        code="selinux-storage-unlabelled",
        title="SELinux: the engine's storage has no labels",
        patterns=(r"avc: +denied[^\n]*tcontext=\S*:(?:unlabeled_t|default_t|var_lib_t|user_home_t)[^\n]*",),
        beside=r"path=\"\W*/(?:lib|lib64|bin|usr|etc|entrypoint)",
        verdict="SELinux denies the container its own image: the engine's storage is not labelled",
        cause="The storage was made or moved while SELinux was off, or lies in a directory that the policy does not "
        "know.",
        remedy=(
            "restorecon -RF /var/lib/docker (or /var/lib/containers), and restart the engine.",
            (
                "Another directory: semanage fcontext -a -e /var/lib/docker DIR; restorecon -RF DIR. Upgrade "
                "container-selinux."
            ),
        ),
        reference="https://github.com/restic/rest-server/issues/71",
        rank=46,
    ),
    Entry(
        code="sandbox-process-gone",
        title="the process whose namespaces the container should join is gone",
        patterns=(rf"namespace path: lstat (?P<path>/proc/[1-9]\d*/ns/\w+): {ENOENT}",),
        verdict="the container should join {path}, and that process has ended",
        cause="In a pod that is its first container (pause): it was killed, or the engine was restarted and has not "
        "noticed its end. --network container:NAME, --pid container:NAME: that container has ended.",
        remedy=(
            "kubectl delete pod NAME: the kubelet makes a new sandbox. crictl pods shows the old one.",
            "Why it ended: journalctl -k | grep -i oom; journalctl -u containerd. docker, podman: start it again.",
        ),
        reference="https://github.com/containerd/containerd/issues/7388",
        rank=40,
    ),
    Entry(
        code="engine-missed-the-end",
        title="the container has ended, and the engine still takes it for running",
        patterns=(r"cannot exec in a stopped container",),
        beside=r"executing setns process",
        verdict="exec finds no process: the container has ended, and the engine shows it as running",
        cause="The engine lost the event of its end (containerd 1.7.14 and some after it), so nothing restarts it.",
        remedy=(
            "Delete the pod, or restart the container.",
            "Upgrade containerd, or go back to the version before.",
        ),
        reference="https://github.com/awslabs/amazon-eks-ami/issues/1933",
        ours=False,
        rank=40,
    ),
    Entry(
        code="bpf-mount-refused",
        title="the bpf file system may not be mounted in a user namespace",
        patterns=(r"mount: /sys/fs/bpf: permission denied",),
        verdict="the pod may not mount /sys/fs/bpf",
        cause="Only root of the host may: a node in a rootless container (kind or minikube with rootless podman) is "
        "not, and a pod needs privileged.",
        remedy=(
            "Run the cluster as root: sudo kind create cluster (or with docker).",
            "Kubernetes: securityContext.privileged: true; or mount it on the node, and give it as hostPath.",
        ),
        reference="https://github.com/openshift/ingress-node-firewall/issues/95",
        rank=45,
    ),
    Entry(
        code="apptainer-fuse-in-user-namespace",
        title="Apptainer may not mount an image by FUSE in a user namespace",
        patterns=(rf"squashfuse\w* exited[^\n]*fusermount3?: mount failed: {EPERM}",),
        verdict="the image cannot be mounted: this kernel allows no FUSE in a user namespace",
        cause="It needs Linux 4.18. EL7 has 3.10.",
        remedy=(
            "Without --userns and --fakeroot where Apptainer's setuid part is installed (apptainer-suid).",
            "Or apptainer exec --unsquash IMAGE; or apptainer build --sandbox DIR IMAGE, and run DIR.",
        ),
        reference="https://github.com/apptainer/apptainer/issues/778",
        rank=42,
    ),
    Entry(
        code="nspawn-old-guest-in-user-namespace",
        title="an old systemd in nspawn with a user namespace may not make its hierarchy",
        patterns=(r"Failed to create root cgroup hierarchy: Permission denied",),
        beside=r"systemd-nspawn -\w*U|--private-users",
        verdict="the old systemd in the container may not make its v1 hierarchy, which belongs to the host's root",
        cause="With -U its root is another user on the host, and nspawn hands over only the hierarchy that it expects "
        "the guest to use.",
        remedy=(
            "Start it without -U: --private-users=no.",
            "Or SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=0 systemd-nspawn ... on a host with v1; a newer systemd on the host.",
        ),
        reference="https://github.com/systemd/systemd/issues/10026",
        rank=59,
    ),
    Entry(
        code="device-is-not-a-node",
        title="a path given as a device is not a device node",
        patterns=(r"failed to generate spec: not a device node",),
        verdict="a path that the container should have as a device is a file or directory",
        cause="A raw block volume: the storage driver left a file of that name (a restart of the node). --device names "
        "an ordinary path.",
        remedy=(
            (
                "ls -l below /var/lib/kubelet/plugins/kubernetes.io/csi/volumeDevices: remove whatever is not a block "
                "device, and delete the pod; restart the storage driver's pod on this node."
            ),
            "To share a file or directory, use a volume (-v) and not --device.",
        ),
        reference="https://github.com/containerd/containerd/issues/9857",
        rank=45,
    ),
    Entry(
        code="kata-guest-selinux",
        title="Kata's guest has SELinux on, and the host does not",
        patterns=(r"Guest SELinux is enabled, but SELinux is disabled on the host side",),
        verdict="Kata should label processes in its guest, and the host has no SELinux to take the label from",
        cause="disable_guest_selinux is false in Kata's configuration.",
        remedy=("disable_guest_selinux = true in configuration.toml of Kata.",),
        reference="https://github.com/confidential-containers/cloud-api-adaptor/issues/437",
        rank=40,
    ),
    Entry(
        code="slurm-join-refused",
        title="Slurm cannot enter a job's mount namespace",
        patterns=(r"container_p_join: setns failed for (?P<path>[^\s:]+): Invalid argument",),
        verdict="slurmstepd may not enter {path}: a process with several threads cannot change its mount namespace",
        cause="A SPANK plugin started a thread in slurmstepd before job_container/tmpfs joins the namespace.",
        remedy=("Take the plugin out of plugstack.conf, or upgrade it so that it starts no thread before.",),
        reference="https://github.com/ovis-hpc/ldms/issues/778; setns(2), ERRORS",
        rank=45,
    ),
    Entry(
        code="kubelet-needs-memory-controller",
        title="the kubelet finds no memory controller",
        patterns=(r"Following Cgroup subsystem not mounted: \[memory\]",),
        verdict="the kubelet does not start: the memory controller is off on this host",
        cause="Raspberry Pi OS, Debian before 10 and other boards boot with it switched off.",
        remedy=(
            (
                "cgroup_enable=memory cgroup_memory=1 at the end of the one line of /boot/firmware/cmdline.txt "
                "(others: the kernel command line), and reboot."
            ),
            "The kernel lacks it (/proc/cgroups): another kernel, with CONFIG_MEMCG.",
        ),
        reference="https://github.com/abelperezok/kubernetes-raspberry-pi-cluster-hat/pull/2",
        tell="grep memory /proc/cgroups: is the last column 0?",
        rank=48,
    ),
)

"""Kata Containers: what its shim and its agent cannot do with the pod's devices and cgroups."""

from __future__ import annotations

from shim.diagnose.entry import EPERM, Entry

PRIVILEGED = "https://github.com/kata-containers/kata-containers/blob/main/docs/how-to/privileged.md"

ENTRIES = (
    Entry(
        code="kata-host-devices",
        title="a privileged pod hands the host's devices to a Kata virtual machine",
        patterns=(
            r"Creating container device LinuxDevice[^\n]*EEXIST",
            r"Timeout reached after \d+s? waiting for device \d+:\d+:\d+:\d+(?:/\w+)?",
            r"vm_path:\s?/dev/\S+ doesn't exist",
        ),
        verdict="the virtual machine of the pod does not have, or already has, a device of the host that was handed "
        "to it",
        cause="For a privileged container containerd and CRI-O add every device of the host. Kata tries to attach "
        "each of them to the virtual machine, and waits for disks that never appear there.",
        remedy=(
            "containerd: privileged_without_host_devices = true in [plugins...containerd.runtimes.kata]; restart it.",
            "CRI-O: privileged_without_host_devices = true in [crio.runtime.runtimes.kata].",
            (
                "ctr, nerdctl run: containerd 1.7 or later, with privileged_without_host_devices_all_devices_allowed; "
                "or without --privileged."
            ),
        ),
        reference=PRIVILEGED,
        tell="grep -A8 'runtimes.kata' /etc/containerd/config.toml: is privileged_without_host_devices there?",
        rank=40,
    ),
    Entry(
        code="kata-update-before-start",
        title="this version of Kata Containers cannot change a container before it runs",
        patterns=(
            r"PreStartContainer hook failed: updating resources for container[^\n]*",
            r"updating resources for container \\*\"?[\w.-]+\\*\"? failed: [^\n]*(?:not running|not (?:yet )?started)",
        ),
        verdict="the kubelet sets the CPUs of a container before its start, and Kata refuses that",
        cause="With cpuManagerPolicy: static the kubelet writes the container's CPUs between its making and its start. "
        "Kata 1.x took changes only for running containers.",
        remedy=(
            "Upgrade Kata Containers to 2.0 or later.",
            "Or cpuManagerPolicy: none on nodes with Kata; the guest has CPUs of its own anyway.",
        ),
        reference="https://github.com/kata-containers/runtime/issues/1083",
        rank=40,
    ),
    Entry(
        code="kata-shared-files-missing",
        title="Kata's virtual machine does not see the container's files",
        patterns=(r"failed to mount \\*\"?/run/kata-containers/shared/containers/[^\n]*(?:ENOENT|no such file)[^\n]*",),
        verdict="the virtual machine of the pod does not have the container's files, which the host should share",
        cause="Firecracker cannot share directories, so containerd must give block devices (snapshotter devmapper or "
        "blockfile). With QEMU or Cloud Hypervisor virtiofsd has ended, or the snapshot was removed.",
        remedy=(
            'Firecracker: snapshotter = "devmapper" for the runtime kata-fc in containerd\'s configuration.',
            "Others: journalctl -t kata, and is virtiofsd running? Delete the pod, so that it is made again.",
        ),
        reference="https://github.com/kata-containers/kata-containers/issues/8764",
        tell="ctr plugins ls | grep devmapper; pgrep -af virtiofsd",
        rank=30,
    ),
    Entry(
        code="kata-overhead-cgroup-refused",
        title="Kata cannot put its processes into the cgroup for overhead",
        patterns=(
            r"write /sys/fs/cgroup/(?:\w+/)?(?:vc|kata_overhead)\b[^\s:]*: (?:invalid argument|no such process)",
        ),
        verdict="the kernel refuses Kata's threads in its cgroup for overhead (/vc or /kata_overhead)",
        cause="With sandbox_cgroup_only=false Kata divides the threads of the virtual machine over two cgroups. On "
        "cgroup2 threads of one process cannot be in cgroups of different trees.",
        remedy=(
            "sandbox_cgroup_only = true in Kata's configuration.toml (and a pod overhead in the RuntimeClass).",
            "Or upgrade Kata Containers.",
        ),
        reference="https://github.com/kata-containers/kata-containers/issues/6977",
        rank=20,
    ),
    Entry(
        code="kata-guest-removes-too-early",
        title="in the guest of Kata Containers a container cannot be removed yet",
        patterns=(r"RemoveContainer[^\n]*Device or resource busy \(os error 16\)",),
        verdict="Kata's agent cannot remove the container in the guest: something of it is still in use (EBUSY)",
        cause="A process of the container has not ended, or a mount in it is still busy. As a single line it is a "
        "matter of seconds, and the engine tries again.",
        remedy=(
            "If the pod stays in Terminating: kubectl delete pod NAME --force, and end its virtual machine.",
            "Upgrade Kata Containers and the guest's image together.",
        ),
        reference="https://github.com/confidential-containers/cloud-api-adaptor/issues/1794",
        rank=45,
    ),
    Entry(
        code="kata-guest-too-slow",
        title="Kata's agent does not finish a request in time",
        patterns=(r"\b(?P<name>(?:Create|Start|Exec|Update|Remove)\w*Request) timed out",),
        verdict="Kata's agent in the guest did not finish {name} in time",
        cause="The guest pulls the image itself (confidential containers), its storage is slow, the host is a virtual "
        "machine without good nested virtualization, or the guest has too little memory or CPU. The agent may also "
        "have ended.",
        remedy=(
            "create_container_timeout in Kata's configuration.toml, and runtimeRequestTimeout of the kubelet: longer.",
            "More for the guest: default_memory, default_vcpus, or limits of the pod. journalctl -t kata: its end?",
        ),
        reference="https://github.com/kata-containers/kata-containers/issues/10628",
        rank=45,
    ),
    Entry(
        code="kata-shim-refused-devices",
        title="the device rules of the sandbox keep Kata's own shim from a device",
        patterns=(rf"failed to create shim(?: task)?: open /dev/(?:null|urandom|kvm|vhost-\w+): {EPERM}",),
        verdict="Kata's shim may not open a device of the host (EPERM): it runs in the sandbox's own cgroup",
        cause="With sandbox_cgroup_only = true Kata 2.2 put its shim under the device rules of the container.",
        remedy=("Upgrade Kata Containers, or sandbox_cgroup_only = false in configuration.toml.",),
        reference="https://github.com/kata-containers/kata-containers/issues/2539",
        rank=40,
    ),
    Entry(
        code="kata-guest-without-systemd",
        title="Kata's guest has no systemd, and the cgroup is named for one",
        patterns=(r"Establishing a D-Bus connection(?:[^\n]*\n){0,2}[^\n]*No such file or directory",),
        verdict="the agent in Kata's guest is asked for a unit of systemd, and there is no bus in the guest",
        cause="The engine's cgroup driver is systemd, so the container's cgroup is named SLICE:PREFIX:NAME. The "
        "guest's image has no systemd.",
        remedy=(
            (
                "sandbox_cgroup_only and SystemdCgroup: leave SystemdCgroup out for the runtime kata in containerd's "
                "config.toml."
            ),
            "Or an image for the guest with systemd (rootfs-builder: AGENT_INIT=no), or a newer Kata.",
        ),
        reference="https://github.com/kata-containers/kata-containers/issues/9257",
        tell="grep -n SystemdCgroup /etc/containerd/config.toml",
        rank=45,
    ),
)

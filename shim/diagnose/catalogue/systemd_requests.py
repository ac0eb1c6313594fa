"""Requests to systemd that the bus, or systemd itself, turns away for a reason of its own."""

from __future__ import annotations

from shim.diagnose.entry import ENOENT, Entry

NO_BUS = 'cgroup_manager = "cgroupfs" under [engine] in /etc/containers/containers.conf'

ENTRIES = (
    Entry(
        code="bus-connections-used-up",
        title="the bus takes no more connections of this user",
        patterns=(
            r"maximum number of active connections for UID (?P<uid>\d+) has been reached",
            r"sd-bus call: No buffer space available",
        ),
        verdict="the system's D-Bus takes no more connections of this user: their number is limited",
        cause="The runtime asks systemd for the container's scope over D-Bus. dbus-daemon allows each user 256 "
        "connections (max_connections_per_user), and some program keeps too many open. podman before 3.4 left one "
        "open at every start.",
        remedy=(
            "Restart the program that holds most of them, then start the container again. podman: 3.4 or later.",
            (
                'Or a higher limit: <busconfig><limit name="max_connections_per_user">4096</limit></busconfig> in '
                "/etc/dbus-1/system-local.conf, then systemctl reload dbus."
            ),
            (
                "At once, without the bus: podman --cgroup-manager cgroupfs; dockerd --exec-opt "
                "native.cgroupdriver=cgroupfs"
            ),
        ),
        reference="https://github.com/containers/podman/pull/11313",
        tell="busctl list --unique --no-legend | awk '{{print $3}}' | sort | uniq -c | sort -n",
        rank=30,
    ),
    Entry(
        code="wsl-moves-cgroups",
        title="WSL 2.9 has moved the cgroups of each distribution",
        patterns=(r"controller `(?P<controller>\w+)` is not available under /sys/fs/cgroup/wsl-user/",),
        verdict="WSL 2.9 has moved the cgroups below /wsl-user, and the {controller} controller does not reach this "
        "one",
        cause="Without a cgroup namespace, a distribution's cgroups are below /wsl-user/distro-N since WSL 2.9. With "
        "the systemd cgroup manager the container's cgroup then gets no controllers, although systemd delegates them.",
        remedy=(
            f"podman: {NO_BUS} (podman machine: the same file in the machine).",
            "One container: podman run --cgroups=disabled, without limits.",
            "Windows: wsl --update to a release after 2.9.11, or install WSL 2.7 again; then wsl --shutdown.",
        ),
        reference="https://github.com/microsoft/WSL/issues/41492",
        tell="wsl --version in Windows; cat /proc/self/cgroup: does the path begin with /wsl-user/?",
        rank=25,
    ),
    Entry(
        code="crun-looks-for-user-bus-of-root",
        title="crun 1.11 looks for a user's bus where root has none",
        ambiguous=(rf"cannot open sd-bus: {ENOENT}",),
        verdict="crun 1.11 takes root in a user namespace for a rootless user, and looks for a user's bus",
        cause="In a container of LXC, or in a rootless one, crun 1.11 to 1.11.2 does not try the bus of the systemd "
        "that runs there.",
        remedy=(
            "Upgrade crun to 1.12 or later.",
            f"Until then: podman --cgroup-manager cgroupfs, or {NO_BUS}; or podman --runtime runc",
        ),
        reference="https://github.com/containers/crun/pull/1347",
        tell="crun --version; cat /proc/self/uid_map: 0 0 4294967295 is the host itself",
        offer=3,
        first_beside=r"\[root@|^root@[\w.-]+:[^\n]*#|proxmox|\bLXC\b|crun version 1\.11",
    ),
    Entry(
        code="pod-without-cgroup-path",
        title="the pod has no cgroup on record",
        patterns=(r"Invalid unit name '\.'",),
        verdict="the pod has no cgroup on record, so crun asks systemd for a slice without a name",
        cause="podman takes the parent slice of a container from its pod. A pod that was made by an earlier podman, or "
        "with the other cgroup manager, has no CgroupPath.",
        remedy=(
            (
                "Make the pod again: podman generate kube POD >pod.yaml; podman pod rm -f POD; podman play kube "
                "pod.yaml (named volumes stay)."
            ),
            "Or a new pod for the container: podman pod create",
        ),
        reference="https://github.com/containers/podman/issues/16376",
        tell="podman pod inspect POD | grep -i cgroup",
        rank=40,
    ),
    Entry(
        code="systemd-shuts-down",
        title="systemd is shutting down and takes no new unit",
        patterns=(r"Transaction for (?P<unit>\S+?)/start is destructive \([^\n]*",),
        verdict="systemd, of the host or of the user, is shutting down and starts no new unit",
        cause="A stop is queued, of shutdown.target, exit.target or the slice, and {unit} would contradict it. What is "
        "started at that moment, by a restart policy or a cleanup, gets no scope.",
        remedy=(
            "If the host was rebooted or the user logged out: start it again afterwards; nothing is wrong with it.",
            "Rootless: loginctl enable-linger $USER, so that a logout does not end the user's systemd.",
            "If no shutdown is wanted: systemctl list-jobs, and systemctl cancel the stop job that hangs.",
        ),
        reference="https://github.com/containers/podman/issues/22451",
        tell="systemctl is-system-running, rootless systemctl --user is-system-running: stopping?",
        rank=30,
    ),
    Entry(
        code="proxmox-guest-needs-v1",
        title="the container's systemd is too old for the cgroup2 of a Proxmox host",
        patterns=(r"old systemd \(< v232\) detected, container won't run in a pure cgroupv2 environment",),
        verdict="the systemd in the container is older than 232 and needs v1, which this Proxmox host does not have",
        cause="Proxmox VE boots with cgroup2 alone from 7.0 on. The init of CentOS 7, Ubuntu 16.10 and older does not "
        "come up there: the container has no console, network or services.",
        remedy=(
            (
                "Upgrade the container's release (pct enter still works), or move it to a virtual machine; with "
                "Proxmox VE 9 nothing else is possible."
            ),
            (
                "Proxmox VE 7 and 8: systemd.unified_cgroup_hierarchy=0 in GRUB_CMDLINE_LINUX_DEFAULT in "
                "/etc/default/grub, update-grub, and reboot the host."
            ),
            "Booted by systemd-boot (ZFS): the same in /etc/kernel/cmdline, then proxmox-boot-tool refresh.",
        ),
        reference="https://pve.proxmox.com/pve-docs/chapter-pct.html",
        tell="pct exec ID -- systemctl --version; pveversion",
        rank=30,
    ),
    Entry(
        code="systemd-does-not-read",
        title="systemd does not read the messages of its bus",
        patterns=(r"destination has a full message queue", r"maximum number of pending replies per connection"),
        verdict="systemd does not read its messages in time, so the bus rejects further ones",
        cause="Process 1 is too busy. On a node with very many mounts it reads /proc/self/mountinfo again for each "
        "mount that is made.",
        remedy=(
            (
                "Fewer mounts: fewer pods on the node (maxPods), fewer secret and projected volumes; unmount what is "
                "left below /var/lib/kubelet/pods."
            ),
            "systemctl daemon-reexec; if process 1 does not answer any more, reboot the node.",
            "Upgrade systemd and the kernel to the distribution's current ones.",
        ),
        reference="https://github.com/kubernetes/kubernetes/issues/94913",
        tell="top -p 1; wc -l /proc/self/mountinfo; systemctl list-units --all | wc -l",
        rank=30,
    ),
)

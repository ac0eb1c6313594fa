"""Device rules of cgroup2 (eBPF) and v1 with causes that an errno alone does not tell."""

from __future__ import annotations

from shim.diagnose.entry import ENOENT, EPERM, Entry

ENTRIES = (
    Entry(
        code="bpf-file-system-not-usable",
        title="crun cannot keep its device filter in /sys/fs/bpf",
        patterns=(r"mkdir /sys/fs/bpf/crun: (?P<reason>[^\n]+)",),
        verdict="crun cannot make /sys/fs/bpf/crun, where it keeps the device filter for systemd",
        cause="With the systemd driver crun hands systemd a filter (BPFProgram=) from the bpf file system. It is not "
        "mounted there, read-only, or closed to this user (a container, rootless).",
        remedy=(
            "mount -t bpf bpf /sys/fs/bpf",
            "Inside a container: --privileged, or the cgroupfs driver: podman --cgroup-manager cgroupfs.",
        ),
        reference="https://github.com/containers/crun/blob/1.29.1/src/libcrun/cgroup-systemd.c",
        rank=45,
    ),
    Entry(
        code="device-filter-failed",
        title="the container's device filter could not be put in place",
        ambiguous=(
            r"[Ff]ailed to (?:load|attach) bpf program",
            r"can't load program: [^\n]+",
            r"(?:failed to call )?BPF_PROG_(?:LOAD|ATTACH|DETACH)[^\n]*: [^\n]+",
            r"bpf: prog load keeps being interrupted[^\n]*",
            r"bpf_prog_query\(BPF_CGROUP_DEVICE\) failed: [^\n]+",
            r"\bbpf (?:create|attach|query|pin to|get(?: info)?)(?: `[^`\n]*`)?: [^\n]+",
            r"cannot (?:detach|open) (?:existing )?eBPF program: [^\n]+",
            r"systemd failed to install eBPF device filter[^\n]*",
            r"could not get complete list of CGROUP_DEVICE programs",
            r"setting cgroup config[^\n]*\bload program: [^\n]+",
            r"\beBPF not supported\b",
        ),
        verdict="the container's device filter (eBPF) could not be loaded, attached or exchanged",
        cause="EPERM: no CAP_BPF or CAP_SYS_ADMIN in the initial user namespace (rootless, LXC), or lockdown. EINVAL, "
        "ENOSYS: CONFIG_CGROUP_BPF is missing, or an old kernel. E2BIG: 64 filters are attached, each runc update "
        "before 1.0 added one. EACCES: the kernel's verifier refuses it. ENOMEM: bpf_jit_limit or RLIMIT_MEMLOCK.",
        remedy=(
            "zcat /proc/config.gz | grep BPF (or /boot/config-$(uname -r)): CONFIG_CGROUP_BPF=y is needed.",
            "In LXC or rootless: run the outer container with CAP_BPF, or crun, which leaves the filter out there.",
            "Too many filters: upgrade runc, recreate the container. Memory: raise net.core.bpf_jit_limit, ulimit -l.",
        ),
        reference="Linux Documentation/admin-guide/cgroup-v2.rst, Device controller",
        tell="bpftool prog list; grep CapEff /proc/self/status; dmesg | tail",
        offer=6,
        rank=70,
    ),
    Entry(
        code="device-unknown-to-kernel",
        title="a device rule names a driver that is not loaded",
        patterns=(
            r"failed to stat CDI host device \"(?P<device5>[^\"\n]+)\"",
            r"unable to find device '(?P<device>[^'\n]*)'",
            r"\bfind device '(?P<device2>[^'\n]*)'",
            (
                rf"error gathering device information while add ?ing custom device \\*\"(?P<device3>[^\"\\\n]*)\\*\": "
                rf"{ENOENT}"
            ),
            rf"(?:stat|lstat) (?P<device4>/dev/(?:nvidia|dri|kfd|fuse|kvm|net|infiniband|video|tty)[\w/-]*): {ENOENT}",
        ),
        verdict="there is no device {device} on this host",
        cause="Its driver is not loaded, the hardware is missing or was unplugged, or the path is another one after a "
        "restart. Docker Desktop, WSL and LXC see only the devices of their own virtual machine or container. "
        "runc looks up the driver's name in /proc/devices for systemd.",
        remedy=(
            (
                "ls -l /dev; cat /proc/devices; modprobe the driver (NVIDIA: nvidia-modprobe -u -c=0; /dev/kvm: "
                "kvm_intel or kvm_amd, and virtualization switched on in the firmware or the outer virtual machine)."
            ),
            "After a change of GPUs or their driver: nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml",
            (
                "Remove the device from the configuration (docker, podman: --device; compose: devices) where it is not "
                "needed."
            ),
        ),
        reference="Linux Documentation/admin-guide/cgroup-v1/devices.rst",
        rank=58,
    ),
    Entry(
        code="nvidia-hook-mount-failed",
        title="NVIDIA's hook cannot mount the driver's files into the container",
        patterns=(
            (
                rf"nvidia-container-cli[\w.]*:\s+mount error:\s+(?:[^\n]*mount operation failed|mount(?:ing)?[^\n]*): "
                rf"[^\n]*"
                rf"(?:{EPERM}|{ENOENT}|read-only)?"
            ),
            (
                r"nvidia-container-cli[\w.]*:\s+(?:mount|permission|container) error:\s+"
                r"(?!file(?: lookup|\s*$)|failed to get device cgroup)[^\n]+"
            ),
        ),
        verdict="NVIDIA's hook could not mount the driver's files into the container",
        cause="The image holds files of the driver where the hook mounts (libnvidia-*.so), the container's root is "
        "read-only, the hook may not mount (rootless, LXC), or the driver was updated and its libraries are of two "
        "versions. On a Jetson a file that is not there (No such file) is named by a list of JetPack.",
        remedy=(
            (
                "Remove libcuda* and libnvidia* from the image (file exists). nvidia-persistenced/socket: "
                "--no-persistenced in the hook."
            ),
            "nvidia-container-cli -k -d /dev/tty info on the host; after a driver's update: reboot, ldconfig.",
            (
                "Jetson: grep -r the file in /etc/nvidia-container-runtime/host-files-for-container.d: install its "
                "part of JetPack, or delete the line; use an image of the host's own JetPack version."
            ),
            (
                "Rootless or LXC: no-cgroups = true in /etc/nvidia-container-runtime/config.toml, or CDI: nvidia-ctk "
                "cdi generate."
            ),
        ),
        reference="https://github.com/NVIDIA/libnvidia-container/issues/154",
        tell="nvidia-container-cli -k -d /dev/tty info",
        offer=5,
        rank=70,
    ),
)

"""Failures whose cause shows in what stands around the message: the command, the host, another line of the output."""

from __future__ import annotations

from shim.diagnose.catalogue.delegation import REFUSED
from shim.diagnose.entry import EACCES, EBUSY, ENODEV, ENOENT, EPERM, V1_NAMES, Entry

ENTRIES = (
    Entry(
        code="cgroup2-covered-on-openwrt",
        title="on OpenWrt, cgroupfs-mount covers cgroup2",
        patterns=(r"Devices cgroup isn't mounted",),
        beside=r"\bOpenWrt\b",
        verdict="Docker does not start: something has mounted v1 over OpenWrt's cgroup2, without the devices "
        "controller",
        cause="OpenWrt mounts cgroup2 at /sys/fs/cgroup. The package cgroupfs-mount mounts v1 hierarchies over it, and "
        "this kernel has no devices controller for v1.",
        remedy=("opkg remove cgroupfs-mount; reboot", "mount | grep cgroup must then show cgroup2 and nothing else."),
        reference="https://github.com/lisaac/luci-app-dockerman/issues/171",
        rank=29,
    ),
    Entry(
        code="controllers-not-in-root",
        title="the host's cgroup2 offers no controllers",
        ambiguous=(REFUSED,),
        beside=r"cgroupControllers: \[\]",
        verdict="the engine found no controllers on cgroup2 (cgroupControllers is empty), so none can be enabled",
        cause="The kernel was built without them, v1 hierarchies have taken them, or a boot parameter has disabled "
        "them. In a container it may show a cgroup to which none was given.",
        remedy=(
            "cat /sys/fs/cgroup/cgroup.controllers; umount the v1 hierarchies that mount | grep 'type cgroup ' shows.",
            "Use a kernel with CONFIG_MEMCG, CONFIG_CGROUP_PIDS, CONFIG_CGROUP_SCHED and CONFIG_CPUSETS.",
            "Until then: podman run --cgroups=disabled, or pids_limit = 0 in containers.conf; no limit is set then.",
        ),
        reference="https://github.com/containers/podman/issues/21484",
        tell="cat /sys/fs/cgroup/cgroup.controllers: is it empty?",
        first_for=REFUSED,
        offer=1,
        layout="v2",
    ),
    Entry(
        code="stray-v1-mount-misleads-systemd",
        title="a single v1 mount below cgroup2 misleads the container's systemd",
        patterns=(rf"Failed to mount cgroup at /sys/fs/cgroup/systemd: (?:{EPERM}|{EACCES})",),
        beside=r"Cgroup v1 mount points: *\n\s*/sys/fs/cgroup/net_cls\s*\n",
        verdict="a v1 hierarchy (net_cls) is mounted on this host of cgroup2, so systemd in the container looks for v1",
        cause="VPN clients mount net_cls below /sys/fs/cgroup for split tunnelling. The container's systemd takes "
        "such a host for a hybrid one and tries to mount name=systemd, which it may not.",
        remedy=(
            "umount /sys/fs/cgroup/net_cls, or switch the VPN's split tunnelling off.",
            "Or: lxc.init.cmd = /sbin/init systemd.unified_cgroup_hierarchy=1 in the container's configuration.",
        ),
        reference="https://github.com/lxc/lxc/issues/4145",
        tell="mount | grep 'type cgroup '",
        rank=60,
    ),
    Entry(
        code="old-systemd-needs-v1",
        title="the image's systemd knows only v1",
        patterns=(
            rf"Failed to (?:allocate manager object|create root cgroup hierarchy|install release agent)[^\n]*{EACCES}",
        ),
        beside=r"(?s)\A(?=.*\b(?:podman|docker|crun|nerdctl)\b).*systemd (?:20\d|21\d|22\d|23[01]) running in system",
        verdict="the systemd in this image is older than 232 and knows only v1, which it may not set up here",
        cause="It needs a hierarchy name=systemd of v1 that it may write. On a host with cgroup2 there is none, and a "
        "rootless container may not write one that the host mounted.",
        remedy=(
            "Use an image with a newer systemd (CentOS Stream 8, Rocky 8 or later).",
            "Or boot the host with systemd.unified_cgroup_hierarchy=0 and start the container as root.",
            (
                "As root with crun on cgroup2: mkdir -p /sys/fs/cgroup/systemd; mount -t cgroup -o none,name=systemd "
                "cgroup /sys/fs/cgroup/systemd; podman run --annotation run.oci.systemd.force_cgroup_v1=/sys/fs/cgroup"
            ),
        ),
        reference="https://github.com/containers/crun/issues/696",
        rank=60,
    ),
    Entry(
        code="container-created-with-zero-memory",
        title="--memory 0 was taken for a limit of 0 bytes",
        patterns=(r"OOM: (?:the memory limit could be too low|[^\n]*(?:read from the init process|sync socket))",),
        beside=r"--memory[= ]0(?:\s|$)|-m[= ]0(?:\s|$)",
        verdict="the command gives --memory 0, which this podman takes for a limit of 0 bytes and not for no limit",
        cause="podman 3.3 handed the 0 on. The runtime's init process is then killed before the container starts.",
        remedy=("Omit --memory to run without a limit.", "Or upgrade podman."),
        reference="https://github.com/containers/podman/issues/12002",
        rank=24,
    ),
    Entry(
        code="vsock-taken-by-vmware",
        title="VMware's vsock modules keep vhost_vsock out",
        patterns=(rf"/dev/vhost-vsock: (?:{ENODEV}|{ENOENT})|could not insert 'vhost_vsock'[^\n]*",),
        beside=r"vmw_vsock_vmci_transport",
        verdict="vhost_vsock cannot be loaded: VMware's module vmw_vsock_vmci_transport has taken vsock",
        cause="The host is a VMware guest. Its own vsock transport is registered, and Kata needs vhost_vsock in its "
        "place.",
        remedy=(
            "modprobe -r vmw_vsock_vmci_transport vmw_vsock_virtio_transport_common vsock; modprobe vhost_vsock",
            "To keep it so: echo 'blacklist vmw_vsock_vmci_transport' > /etc/modprobe.d/kata.conf",
        ),
        reference="https://github.com/kata-containers/kata-containers/issues/1327",
        tell="lsmod | grep vsock",
        rank=49,
    ),
    Entry(
        code="apparmor-exec-of-old-crun",
        title="an old crun cannot exec under AppArmor",
        patterns=(r"AppArmor not initialized correctly",),
        beside=r"\b(?:podman|crun) exec\b|exec session|exec with attach",
        verdict="crun does not prepare AppArmor for an exec, and refuses it",
        cause="A fault of crun before 0.14: create initializes AppArmor, exec does not. AppArmor itself works here.",
        remedy=(
            "Upgrade crun to 0.14 or later.",
            "Until then: use runc (podman --runtime runc), or --security-opt apparmor=unconfined.",
        ),
        reference="https://github.com/containers/podman/issues/4902",
        tell="crun --version; aa-status: is AppArmor enabled?",
        rank=45,
    ),
    Entry(
        code="kernel-without-cpu-quota",
        title="the kernel was built without CPU quotas",
        patterns=(r"/\**cpu\.(?:max|cfs_quota_us|cfs_period_us)\b[^\n]*: no such file or",),
        beside=r"CONFIG_CFS_BANDWIDTH:\s+missing|CONFIG_CFS_BANDWIDTH is not set",
        verdict="the kernel has no CPU quotas: it was built without CONFIG_CFS_BANDWIDTH",
        cause="Without it the cpu controller has weights and no cpu.max (v1: no cpu.cfs_quota_us).",
        remedy=(
            "Use a kernel with CONFIG_CFS_BANDWIDTH=y (vendor images of boards often lack it).",
            "Without quotas: kubelet --cpu-cfs-quota=false, and no --cpus in docker and podman; shares still work.",
        ),
        reference="https://docs.kernel.org/scheduler/sched-bwc.html",
        tell="zgrep CFS_BANDWIDTH /proc/config.gz /boot/config-$(uname -r)",
        rank=36,
    ),
    Entry(
        code="cgroup-parent-not-there",
        title="the configured parent cgroup does not exist",
        patterns=(r"failed to load cgroup (?P<path>/[\w./@-]*): cgroups: cgroup deleted",),
        beside=r"\"cgroup_parent\": *\"/",
        verdict="the parent cgroup {path} of the pod does not exist, and containerd does not create it",
        cause="cgroup_parent of the sandbox's configuration names it. containerd puts its shim there before the "
        "container is created.",
        remedy=(
            (
                "Create it first, in every hierarchy: mkdir /sys/fs/cgroup/{{cpu,memory,pids}}{path} (cgroup2: mkdir "
                "/sys/fs/cgroup{path})"
            ),
            "Or name one that exists, or leave cgroup_parent out.",
        ),
        reference="https://github.com/containerd/cri/pull/338",
        tell="ls -d /sys/fs/cgroup{path} /sys/fs/cgroup/memory{path}",
        rank=36,
    ),
    Entry(
        code="device-rules-of-one-crun",
        title="crun 1.18 cannot write device rules on v1",
        patterns=(rf"writ(?:e|ing)(?: to)? (?:file )?[`']?(?:\S*/)?devices\.(?:allow|deny)[`']?: {EPERM}",),
        beside=r"crio version 1\.(?:30\.7|31\.2)\b|crun version 1\.18(?:\s|$)|runc? ?v?ersion=\"?1\.18\b",
        verdict="crun 1.18 writes device rules that v1 refuses (EPERM), for every container",
        cause="A fault of that version alone, which CRI-O 1.30.7 and 1.31.2 brought along.",
        remedy=("Use another crun (1.17, or a newer one); CRI-O 1.30.6 or a release after these brings one along.",),
        reference="https://github.com/cri-o/cri-o/issues/8743",
        tell="crun --version",
        rank=45,
    ),
    Entry(
        code="old-kubelet-on-cgroup2",
        title="an old kubelet on a host with cgroup2 alone",
        patterns=(rf"[Mm]ountpoint for (?P<controller>{V1_NAMES}) not found",),
        beside=r"Version: v1\.1[678]\.",
        verdict="this kubelet knows only v1 and finds no {controller} hierarchy: the host probably has only cgroup2",
        cause="Kubernetes before 1.19 knows only v1. Fedora 31, Debian 11, Ubuntu 21.10 and later have cgroup2 alone.",
        remedy=(
            "Upgrade Kubernetes (cgroup2 is supported from 1.25 on) and the engine.",
            "Until then boot with systemd.unified_cgroup_hierarchy=0 (grubby --update-kernel=ALL --args=..., reboot).",
        ),
        reference="https://github.com/kubernetes/minikube/issues/5996",
        tell="stat -fc %T /sys/fs/cgroup: cgroup2fs?",
        rank=45,
    ),
    Entry(
        code="gvisor-still-runs",
        title="a sandbox of gVisor still holds the container's root",
        patterns=(rf"failed (?:rootfs umount|to unmount target) [^\n]*/rootfs: {EBUSY}",),
        beside=r"io\.containerd\.runsc\.v1|runtime=runsc",
        verdict="containerd cannot unmount the container's root: a process of gVisor (runsc) still uses it",
        cause="The sandbox or its gofer did not end when the container was killed.",
        remedy=(
            "pgrep -af 'runsc.*<container id>'; kill -9 what is left; then containerd removes the pod by itself.",
            "If not: umount -l the path of the message; systemctl restart containerd. Upgrade gVisor.",
        ),
        reference="https://github.com/google/gvisor/issues/9834",
        tell="grep -l <container id> /proc/*/mountinfo",
        rank=45,
    ),
    Entry(
        code="memory-off-on-raspberry-pi",
        title="the Raspberry Pi boots without the memory controller",
        patterns=(
            r"controller \\?\"memory\\?\" not available",
            rf"/memory\.(?:max|high|low|oom\.group)\b[^\n]*: {ENOENT}",
        ),
        beside=r"raspberrypi|\braspi\b|\brpi\d?\b|-raspi\b",
        verdict="the memory controller is off: the firmware of a Raspberry Pi boots the kernel without it",
        cause="Its device tree adds cgroup_disable=memory to the kernel command line.",
        remedy=(
            (
                "Add cgroup_enable=memory cgroup_memory=1 to the one line of /boot/firmware/cmdline.txt (older: "
                "/boot/cmdline.txt); reboot."
            ),
            "cat /proc/cmdline; cat /sys/fs/cgroup/cgroup.controllers must then name memory.",
        ),
        reference="https://github.com/canonical/microk8s/issues/4439",
        tell="cat /proc/cmdline /sys/fs/cgroup/cgroup.controllers",
        rank=36,
    ),
    Entry(
        code="nerdctl-hook-refused",
        title="nerdctl's own hook fails with a runtime other than runc",
        patterns=(r"hook command exited with non-zero exit code: \d+",),
        beside=r"nerdctl[^\n]*--runtime[= ]io\.containerd\.(?!runc)\w+",
        verdict="the hook by which nerdctl makes the network failed; this runtime's shim does not run it as runc does",
        cause="nerdctl sets itself as a createRuntime hook (nerdctl internal oci-hook). Shims of wasm and others hand "
        "it another state, or call it at another time.",
        remedy=("nerdctl run --net none, or ctr run, which sets no hooks.", "Upgrade the shim."),
        reference="https://github.com/containerd/nerdctl/issues/4074",
        rank=45,
    ),
    Entry(
        code="namespaces-refused-in-chroot",
        title="user namespaces are never allowed in a chroot",
        patterns=(r"bwrap: No permissions to cre[^\n]*namespace[^\n]*",),
        beside=r"\bchroot +[./]|\(chroot\)",
        verdict="the sandbox may not make a user namespace: it runs in a chroot, where the kernel never allows that",
        cause="The kernel refuses a user namespace to a process whose root is not the root of its mount namespace "
        "(EPERM). No sysctl changes that.",
        remedy=(
            "Use a container in place of the chroot: systemd-nspawn -D DIR, or podman run --rootfs DIR.",
            "Or run the program outside of the chroot.",
        ),
        reference="user_namespaces(7); clone(2), ERRORS, EPERM",
        rank=16,
    ),
    Entry(
        code="sandbox-refused-by-container",
        title="the container does not allow the sandbox of a program in it",
        patterns=(
            r"bwrap: (?:Creating new namespace failed|No permissions to cre)[^\n]*",
            rf"unshare: unshare failed: {EPERM}",
        ),
        beside=r"\bdocker (?:run|exec|container)\b|inside (?:of )?a docker container|/\.dockerenv|\bdocker-compose\b",
        verdict="the program makes a user namespace for its sandbox, which docker's seccomp filter forbids",
        cause="docker's filter allows unshare and clone with namespaces only with CAP_SYS_ADMIN; sysctl settings of "
        "the host do not matter then.",
        remedy=(
            "docker run --security-opt seccomp=unconfined (on Ubuntu also --security-opt apparmor=unconfined)",
            "Or --cap-add SYS_ADMIN, or --privileged; or switch the program's own sandbox off.",
            "A process inside the container cannot change this.",
        ),
        reference="https://docs.docker.com/engine/security/seccomp/",
        tell="grep Seccomp /proc/self/status in the container: 2 is a filter",
        rank=16,
    ),
)

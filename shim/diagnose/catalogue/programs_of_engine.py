"""Programs and files of the engine's own that do not fit the container or the host: shims, init, labels, volumes."""

from __future__ import annotations

from shim.diagnose.entry import EINVAL, ENOENT, EPERM, Entry

ENTRIES = (
    Entry(
        code="shim-is-another-program",
        title="the file with a shim's name is another program",
        patterns=(r"flag provided but not defined: -namespace\s+Usage of (?P<path>\S+?):?\s",),
        verdict="{path} is not a containerd shim: it does not know the option with which containerd calls it",
        cause="A link or a package put another program there, such as kata-shim of Kata 1 in place of "
        "containerd-shim-kata-v2.",
        remedy=(
            "readlink -f {path}; install the package that has the real one, or link that.",
            "Kata: runtime, shim and agent of one version.",
        ),
        reference="https://github.com/kata-containers/runtime/issues/1718",
        rank=30,
    ),
    Entry(
        code="no-image-has-its-command",
        title="the command of every image is missing: the engine does not see its layers",
        patterns=(r"exec: \\*\"[^\"\n]+\": (?:executable file not found|stat [^\n]*: no such file)[^\n]*",),
        beside=r"exec: \\*\"/hello\\*\"|stat /hello: no such file",  # hello-world's only file
        verdict="even hello-world has no command: the runtime does not see the images' file systems",
        cause="From 18.09 on containerd is a service of its own. With MountFlags=slave (or private) in docker.service "
        "it does not see what dockerd mounts. Or the storage driver lost its layers.",
        remedy=(
            (
                "systemctl cat docker | grep MountFlags; remove the line (and its drop-in), systemctl daemon-reload, "
                "systemctl restart containerd docker."
            ),
            "If there is no such line, remove the image (docker rmi IMAGE) and pull it again.",
        ),
        reference="https://github.com/docker/for-linux/issues/561",
        rank=30,
    ),
    Entry(
        code="docker-init-not-runnable",
        title="the engine's init program does not run in this image",
        patterns=(
            (
                r"exec (?:failed: )?\"?/(?:s?bin|dev)/(?P<program>docker-init|catatonit|init)\"?: "
                r"(?:no such file|stat /s?bin/docker-init: no such file)[^\n]*"
            ),
        ),
        verdict="the init program of --init ({program}) does not run in this image: it comes from the host",
        cause="The engine mounts its own file into the container. If it is linked dynamically, its C library is not in "
        "the image (Alpine).",
        remedy=(
            "Install a static one: tini-static; the engine's own package has one (docker-ce, catatonit).",
            "Or start without --init (compose: init: true).",
        ),
        reference="https://github.com/nextcloud/all-in-one/issues/6358",
        tell="file $(command -v docker-init): statically linked?",
        rank=14,
    ),
    Entry(
        code="runtime-without-selinux-domain",
        title="SELinux: the runtime is not in its own domain",
        patterns=(
            (
                r"avc: +denied +\{ (?:transition|dyntransition|entrypoint) \}[^\n]*"
                r"scontext=\S+:(?P<domain>unconfined_service_t|init_t|initrc_t|unconfined_t|kernel_t):[^\n]*"
            ),
        ),
        verdict="SELinux does not let the runtime start a container's process: the runtime itself runs as {domain}",
        cause="Its binary lacks the label container_runtime_exec_t: the policy package is missing, or the binary "
        "lies where the policy does not expect it.",
        remedy=(
            (
                "dnf install container-selinux (rke2: rke2-selinux; k3s: k3s-selinux), then restorecon -Rv /usr/bin "
                "/usr/local/bin /opt /var/lib/rancher, and restart the engine."
            ),
            "ls -Z of containerd, runc and the shim: container_runtime_exec_t on each.",
            (
                "It is installed? A version can lack the rule (2.77 on RHEL 7.6): yum downgrade or upgrade "
                "container-selinux."
            ),
        ),
        reference="https://github.com/rancher/rke2/issues/1865",
        rank=47,
    ),
    Entry(
        code="relabel-not-permitted",
        title="podman may not relabel a volume",
        patterns=(
            rf"relabel failed \"(?P<path>[^\"\n]*)\": {EPERM}",
            rf"\blsetxattr\(label=[^)\n]*\) (?P<path2>/[^\n:]*): {EPERM}",
        ),
        verdict="podman may not give the volume {path} the container's SELinux label",
        cause=":z and :Z relabel every file. A user may do that only with files of his own.",
        remedy=(
            "chown -R the directory to this user, or relabel it as root: chcon -Rt container_file_t DIR.",
            "Or without :Z: --security-opt label=disable.",
        ),
        reference="https://github.com/containers/podman/issues/4515",
        rank=45,
    ),
    Entry(
        code="device-source-missing",
        title="a disk device of Incus or LXD names a path that is not there",
        patterns=(r"Missing source path \"(?P<source>[^\"\n]+)\" for disk \"(?P<device>[^\"\n]+)\"",),
        verdict="the instance does not start: {source}, which its device {device} mounts, is not on the host",
        cause="A disk device with a source needs it at each start.",
        remedy=(
            "Make the path, or: incus config device remove INSTANCE {device} (LXD: lxc config device remove).",
            "If the source may be missing: incus config device set INSTANCE {device} required=false",
        ),
        reference="https://github.com/mensfeld/code-on-incus/issues/610",
        rank=45,
    ),
    Entry(
        code="subpath-of-changed-volume",
        title="the file of a subPath is gone, because its config map or secret was changed",
        patterns=(
            rf"mounting [^\n]*/volume-subpaths/[^\n]* caused:? [\\\" ]*{ENOENT}",
            rf"mounting [^\n]*/volume-subpaths/[^\n]*flags[^\n]*: {ENOENT}",
        ),
        verdict="the container cannot be restarted: the file that its subPath mounts no longer exists",
        cause="The config map or secret was changed while the pod lived. The kubelet replaces the files, and the bind "
        "mount of a subPath still names the old one.",
        remedy=(
            "kubectl delete pod NAME: a new pod has the new file.",
            "For good: mount the volume as a directory, without subPath; or a newer kubelet.",
        ),
        reference="https://github.com/kubernetes/kubernetes/issues/96240",
        rank=40,
    ),
    Entry(
        code="profile-newer-than-docker",
        title="the seccomp profile has a form that this Docker does not know",
        patterns=(r"empty string is not a valid syscall",),
        verdict="the seccomp profile names its system calls in lists (names), which this Docker (1.12) does not read",
        cause="The profile is of a newer version than the engine.",
        remedy=(
            "Take the profile of this version's tag: profiles/seccomp/default.json of moby at v1.12.x; or upgrade.",
        ),
        reference="https://github.com/moby/moby/issues/27224",
        rank=40,
    ),
    Entry(
        code="runtime-handler-missing",
        title="containerd's or CRI-O's configuration has no runtime of this name",
        patterns=(
            r"no runtime for \\*\"(?P<program>[^\"\n\\]+)\\*\" is configured",
            r"failed to find runtime handler \\*\"?(?P<program2>[\w.-]+)",
        ),
        verdict="the node's engine has no runtime named {program}, which the pod's RuntimeClass asks for",
        cause="containerd's config.toml lacks the table for this handler, or containerd was not restarted since, or "
        "reads another file (k3s, rke2, microk8s have their own).",
        remedy=(
            "NVIDIA: nvidia-ctk runtime configure --runtime=containerd && systemctl restart containerd",
            (
                'Others: [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.{program}] with runtime_type in '
                "/etc/containerd/config.toml; then systemctl restart containerd."
            ),
            "k3s, rke2: they find NVIDIA's runtime at their start: restart them; else config.toml.tmpl.",
            "GPU operator: it enters the runtime itself, some minutes after a boot; else delete its toolkit's pod.",
        ),
        reference="https://github.com/NVIDIA/gpu-operator/issues/549",
        tell="crictl info | grep -A3 runtimes; containerd config dump",
        rank=14,
    ),
    Entry(
        code="proc-hidden-in-container",
        title="a mount hides /proc of the container",
        patterns=(
            rf"open /proc/sys/net/ipv4/ping_group_range: {ENOENT}",
            rf"set process label: open /proc/self/(?:task/\d+/)?attr/(?:apparmor/)?exec: {ENOENT}",
        ),
        verdict="the runtime does not find its files in the container's /proc: another mount hides it",
        cause="The kernel has this file. A volume on / or /proc (also the host's own /proc) covers the container's, "
        "or podman 5.5.0 mounts in the wrong order.",
        remedy=(
            "Mount the host's /proc elsewhere: -v /proc:/host/proc:ro; and nothing onto / (podman run --rootfs).",
            "podman 5.5.0: upgrade to 5.5.1.",
            "Or share the host's processes: --pid=host.",
        ),
        reference="https://github.com/containers/podman/issues/26161, https://github.com/docker/for-linux/issues/919",
        rank=36,
    ),
    Entry(
        code="userns-remap-refused",
        title="the kernel refuses the user namespace of userns-remap",
        patterns=(r"nsenter: failed to unshare (?:namespaces|user ?ns|user namespace)[^\n]*",),
        verdict="runc may not make the container's user namespace",
        cause="dockerd has userns-remap, and the kernel has user namespaces switched off (RHEL and CentOS 7), or an "
        "outer container's filter forbids them.",
        remedy=(
            (
                "RHEL, CentOS 7: grubby --args='user_namespace.enable=1 namespace.unpriv_enable=1' "
                "--update-kernel=ALL; sysctl -w user.max_user_namespaces=15000; reboot."
            ),
            "Or take userns-remap out of /etc/docker/daemon.json.",
            "In a container: --privileged.",
        ),
        reference="https://github.com/moby/moby/issues/35806",
        rank=16,
    ),
    Entry(
        code="id-map-overlaps",
        title="two lines of an id map overlap",
        patterns=(
            r"new[ug]idmap \d+ (?:\d+ \d+ \d+ )*?(?P<id>\d+) \d+ \d+ (?:\d+ \d+ \d+ )*?(?P=id) \d+ \d+\b",
            r"write\(\d+, \"0 \d+ (?:65536|1000000+)\\n(?P<id2>\d{1,5}) [^\n]*" + EINVAL,
        ),
        verdict="the kernel refuses the id map: two of its lines map the container's id {id}",
        cause="Each id may be in one line only. root has two ranges in /etc/subuid and /etc/subgid, or lxc.idmap has a "
        "range that another one includes.",
        remedy=(
            "Leave root one range, in /etc/subuid and /etc/subgid, and restart the daemon (incus, lxd).",
            "lxc.idmap: split the large range around the single id: u 0 100000 33, u 33 33 1, u 34 100034 65502.",
        ),
        reference="https://github.com/NixOS/nixpkgs/issues/333293",
        rank=40,
    ),
    Entry(
        code="fuse-refused-by-filter",
        title="the container's device filter forbids /dev/fuse",
        patterns=(rf"fuse: failed to open /dev/fuse: {EPERM}",),
        verdict="the program may not open /dev/fuse: the container's device rules do not have it",
        cause="A missing file and a wrong mode give other errors; EPERM comes from the device filter (cgroup).",
        remedy=(
            (
                "docker, podman: --device /dev/fuse --cap-add SYS_ADMIN (with AppArmor also --security-opt "
                "apparmor=unconfined), or --privileged."
            ),
            "Kubernetes: a device plugin for fuse, or securityContext.privileged: true.",
            "LXC, Proxmox: features: fuse=1.",
        ),
        reference="https://github.com/tencentyun/cosfs/issues/26",
        rank=42,
    ),
    Entry(
        code="memory-off-and-oom-unseen",
        title="containerd cannot watch for OOM kills: the memory controller is off",
        patterns=(r"cgroups: (?P<controller>memory) cgroup not supported on this system",),
        verdict="the memory controller is off on this host: containers have no memory limit, and OOM kills go unseen",
        cause="Raspberry Pi OS, Debian before 10 and some boards boot with it switched off. The container itself "
        "starts.",
        remedy=(
            (
                "Raspberry Pi: cgroup_enable=memory cgroup_memory=1 at the end of the one line of "
                "/boot/firmware/cmdline.txt; reboot."
            ),
            "Others: cgroup_enable=memory on the kernel command line.",
        ),
        reference="https://github.com/HuckleberryLovesYou/Homeassistant-Supervised-on-Raspberry-Pi-5/issues/9",
        tell="grep memory /proc/cgroups: is the last column 0?",
        rank=49,
    ),
)

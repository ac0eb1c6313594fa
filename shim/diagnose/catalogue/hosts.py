"""Engines' messages about the host around them: volumes, runtimes, images and the limits of a user."""

from __future__ import annotations

from shim.diagnose.checks import engines as look
from shim.diagnose.entry import EACCES, EINVAL, EMFILE, ENOSPC, EROFS, Entry

ENTRIES = (
    Entry(
        code="mount-source-not-creatable",
        title="the engine cannot create the source of a volume",
        patterns=(
            r"error while creating mount source path '(?P<source>[^'\n]*)': mkdir [^\n]*: " + EROFS,
            r"creat(?:e|ing) (?:bind )?(?:mount|volume)[^\n]* source(?: path)? "
            r"[`'\"](?P<source2>[^`'\"\n]*)[`'\"]: [^\n]*" + EROFS,
            r"\b[a-z0-9]{12}: mkdir (?P<source3>/[^\n:]*): " + EROFS,  # a task of docker service create
        ),
        verdict="docker cannot create {source}: the place is read-only for the daemon",
        cause="The daemon does not see the same file system as you. Docker from a snap is confined to /home, /media "
        "and /mnt. Docker Desktop, docker-machine and CoreOS-like hosts have a read-only root file system.",
        remedy=(
            (
                "Snap: put the volume below /home, or replace the snap: snap remove docker, then install docker-ce or "
                "docker.io with apt."
            ),
            (
                "Elsewhere: choose a directory that is writable for the daemon (/var, /home), or create it on the "
                "host first."
            ),
        ),
        reference="https://github.com/canonical/docker-snap/issues/188",
        tell="readlink -f $(command -v docker); snap list docker",
        confirm=look.docker_from_snap,
    ),
    Entry(
        code="runtime-not-installed",
        title="the engine cannot find the program of the OCI runtime on the host",
        patterns=(
            (
                r"unable to retrieve OCI runtime error[^\n]*\): (?:fork/)?exec:? \"?(?P<program>[^\":\n]+)\"?: "
                r"(?:executable file not found|[^\n]*no such file or directory)"
            ),
            (
                r"failed to (?:create|start) (?:shim|containerd task)[^\n]*exec: "
                r"\"(?P<program2>[^\"\n]*(?:shim|runc|crun|runtime)"
                r"[^\"\n]*)\": executable file not found"
            ),
            r"Runtime path (?P<program10>\S+) is not valid",
            r"runtime \"(?P<program3>[^\"\n]+)\" binary not installed",
            r"no such OCI runtime \"?(?P<program7>[\w/-]+(?:\.[\w/-]+)*)",
            r"exec: \"(?P<program8>[^\"\n]*nvidia-container-(?:runtime|toolkit)[^\"\n]*)\": executable file not found",
            (
                r"fork/exec (?P<program9>/[^\s:]*(?:runc|crun|cgshim|runtime|kata|youki)[^\s:]*): no such file or "
                r"directory"
            ),
        ),
        verdict="the engine cannot run {program}: the OCI runtime is not installed on the host where it looks",
        cause="This is the runtime on the host, not a command in the image. Its package was removed or never "
        "installed, but the engine's configuration still names it.",
        remedy=(
            (
                "NVIDIA: install nvidia-container-toolkit, then: nvidia-ctk runtime configure --runtime=docker && "
                "systemctl restart docker"
            ),
            "cgshim: install it again, or remove it from the engine: cgshimctl engine remove <engine>",
            (
                "A path below /run/nvidia or /usr/local/nvidia/toolkit was the GPU operator's: remove it, and "
                "default-runtime "
                "(containerd: default_runtime_name), from the engine's configuration; restart the engine."
            ),
            (
                "docker: correct runtimes and default-runtime in /etc/docker/daemon.json. containerd: the runtime's "
                "BinaryName. podman: runtime in containers.conf. Kubernetes: the RuntimeClass's handler."
            ),
        ),
        reference="https://github.com/NVIDIA/nvidia-docker/issues/1269",
        rank=15,
    ),
    Entry(
        code="runtime-ended-without-words",
        title="the OCI runtime ended before it could report the reason",
        patterns=(
            r"unable to retrieve OCI runtime error[^\n]*\): (?P<program>\S+) did not terminate suc+ess?ful+y",
            r"unable to retrieve OCI runtime error[^\n]*\): exit status \d+",
            (
                r"OCI runtime (?:create|exec|start) failed: (?P<program4>[\w./-]+) did not terminate "
                r"suc+ess?ful+y: exit "
                r"status \d+"
            ),
            r"(?P<program3>\S+) did not terminate suc+ess?ful+y:? \(unable to retrieve OCI runtime error",
            r"container create failed \(no logs from conmon\)[^\n]*",
            r"(?P<program4>runc|crun) did not terminate suc+ess?ful+y: exit status \d+:? *(?:$|: unknown)",
        ),
        verdict="{program} ended before it wrote its log, so its reason is lost",
        cause="The runtime, or a wrapper around it, ended before it opened its log. It was killed (status 137), it "
        "crashed (139: a damaged installation, or a kernel or processor that does not fit), it is a program for "
        "another architecture, or its interpreter is missing.",
        remedy=(
            "Run {program} --version as the engine's user, and read its output.",
            "journalctl -k | grep -iE 'oom|segfault|denied'; journalctl -u docker -u containerd -e",
        ),
        reference="https://github.com/awslabs/oci-add-hooks/issues/14",
        rank=58,
    ),
    Entry(
        code="image-ids-not-mapped",
        title="the image has owners that the user namespace does not map",
        patterns=(
            r"(?:container|host) ID (?P<number>\d+) cannot be mapped to a (?:host|container) ID",
            r"potentially insufficient UIDs or GIDs available in user namespace",
            r"lchown [^\n]*: invalid argument",
        ),
        verdict="the image has files of an owner that the user namespace does not map",
        cause="A user namespace maps a range of ids (65536 for a Kubernetes pod). The owner of a file in the image is "
        "outside that range. A number that is itself the start of a range (a multiple of 65536, such as 6553600) is "
        "an owner that was changed before: without idmapped mounts containerd changes the owners name by name, and "
        "meets a file with two names (a hard link) twice.",
        tell="find / -xdev -uid +65535 in the image: if it finds nothing, the owners were changed twice",
        remedy=(
            (
                "Changed twice: Linux 5.19 or later with the overlayfs snapshotter, which uses idmapped mounts; other "
                "snapshotters (SOCI, fuse-overlayfs, native) change owners."
            ),
            "Build the image again with owners below 65536: find / -xdev -uid +65535 in it shows the files.",
            (
                "Kubernetes: hostUsers: true for this pod. Rootless podman: more ids in /etc/subuid and /etc/subgid, "
                "then podman system migrate. docker: userns-remap with a larger range."
            ),
        ),
        reference="https://github.com/containerd/containerd/issues/12329, "
        "https://github.com/bottlerocket-os/bottlerocket/issues/4854",
    ),
    Entry(
        code="containerd-passwd-link",
        title="containerd cannot read the user list of an image behind a link",
        patterns=(r"openat etc/(?:passwd|group): path escapes from parent",),
        verdict="containerd cannot read /etc/passwd of the image: it is a link that leads out of the image's root",
        cause="containerd 2.2.0 and 2.2.1 do not follow absolute links when they open this file. Images of NixOS and "
        "others have /etc/passwd as such a link.",
        remedy=(
            "Upgrade containerd to a version after 2.2.1, or go back to 2.1 (EKS: the AMI before).",
            "Or give the user as a number.",
        ),
        reference="https://github.com/containerd/containerd/issues/12683",
        ours=False,
    ),
    Entry(
        code="inotify-limit-reached",
        title="the user's limit of file watches is reached",
        patterns=(
            rf"(?:fsnotify|inotify)[^\n]*{EMFILE}",
            rf"Failed to allocate directory watch: (?:{EMFILE}|{ENOSPC})",
            rf"[Cc]reating watcher returned error {EMFILE}",
            r"the configured user limit \(\d+\) on the number of inotify (?:instances|watches) has been reached",
            rf"\bwatcher: {EMFILE}|\bfailed complete: too many open|(?:filewatcher|watcher create): {EMFILE}",
            rf"failed to watch (?:file )?\\*\"[^\n]*: {ENOSPC}",
            rf"inotify_(?:add_watch|init)[^\n]*(?:{ENOSPC}|{EMFILE})",
            (
                rf"[Ff]ailed to (?:add|create|initialize|watch) (?:[\w\s]{{0,20}}inotify|directory)[^\n]*"
                rf"(?:{ENOSPC}|{EMFILE})"
            ),
            r"Failed to add a watch for [^\n]*: inotify watch limit reached",
            r"inotify (?:resources exhausted|cannot be used, reverting to polling)",
            rf"[Ff]ailed to (?:add|create|initialize) inotify[^\n]*(?:{ENOSPC}|{EMFILE})",
            r"System limit for number of file watchers reached|\bwatch \S+ EMFILE\b",
            r"^Error: Too many open files$(?=\s+Job for \S+ (?:canceled|failed))",
        ),
        verdict="cannot create another file watch: the user's limit of inotify instances or watches is reached",
        cause="The kernel counts inotify instances and watches per user, over all containers. The limit of open files "
        "is a different one.",
        remedy=(
            (
                "sysctl -w fs.inotify.max_user_instances=8192 fs.inotify.max_user_watches=524288; to keep it, write it "
                "into /etc/sysctl.d/90-inotify.conf"
            ),
        ),
        reference="https://github.com/flatcar/Flatcar/issues/563",
        ours=False,
    ),
    Entry(
        code="nvidia-hook-needs-v1-devices",
        title="NVIDIA's hook looks for the v1 devices controller",
        patterns=(
            r"cgroup subsystem devices not found",
            (
                r"nvidia-container-cli[\w.]*:[^\n]*/sys/fs/cgroup/devices[^\n]*: (?:permission denied|no such file or "
                r"directory|EACCES|ENOENT)"
            ),
        ),
        verdict="NVIDIA's hook cannot set the device rules: it looks for the v1 devices controller, and may "
        "not use it here",
        cause="libnvidia-container before 1.8 does not support cgroup2. On v1, a rootless engine may not write to the "
        "devices controller.",
        remedy=(
            (
                "Upgrade: apt-get install nvidia-container-toolkit (libnvidia-container 1.8 or later), then "
                "restart the engine."
            ),
            (
                "Rootless, or inside LXC: no-cgroups = true under [nvidia-container-cli] in "
                "/etc/nvidia-container-runtime/config.toml (rootless: also in ~/.config), and give the devices "
                "yourself: --device /dev/nvidia0 --device /dev/nvidiactl"
            ),
            "Or boot with v1: systemd.unified_cgroup_hierarchy=0",
        ),
        reference="https://github.com/NVIDIA/nvidia-docker/issues/1447",
        rank=40,
    ),
    Entry(
        code="nvidia-hook-reads-v1-beside-v2",
        title="NVIDIA's hook does not understand a v1 hierarchy beside cgroup2",
        patterns=(r"failed to get device cgroup[^\n]*: malformed cgroup entry: \d+:(?P<controller>[\w=,]+):",),
        verdict="NVIDIA's hook does not understand /proc/PID/cgroup: a v1 hierarchy ({controller}) is mounted beside "
        "cgroup2",
        cause="libnvidia-container takes the host for cgroup2 and expects one line. A VPN client or a script that "
        "mounts net_cls as v1 adds another.",
        remedy=(
            (
                "grep {controller} /proc/self/mountinfo shows the hierarchy. Unmount it on the host, and stop the "
                "program that mounts it."
            ),
            "Or: no-cgroups = true in /etc/nvidia-container-runtime/config.toml, and give the devices by --device.",
        ),
        reference="https://github.com/NVIDIA/libnvidia-container/issues/150",
        rank=40,
    ),
    Entry(
        code="host-out-of-memory-for-runtime",
        title="the host has no memory left to start the runtime's own process",
        patterns=(r"fork/exec /[^\s:]+: cannot allocate memory",),
        verdict="the kernel has no memory for a new process of the runtime (ENOMEM)",
        cause="The host's memory is full, overcommit is forbidden (vm.overcommit_memory=2), or an old kernel (3.10) "
        "has run out of memory for cgroups.",
        remedy=(
            "free -m; dmesg | tail show the usage. Stop a program, or give the host more memory.",
            "On kernels 3.10: boot with cgroup.memory=nokmem, or upgrade. A reboot frees the lost memory.",
        ),
        reference="https://github.com/opencontainers/runc/issues/1343",
    ),
    Entry(
        code="nvidia-hook-filter-refused",
        title="NVIDIA's hook cannot extend the device filter of the container",
        patterns=(rf"unable to create new device filters program: load program: (?:{EINVAL}|{EACCES})",),
        verdict="NVIDIA's hook read the container's device filter (eBPF) and could not load its own in its place",
        cause="With net.core.bpf_jit_harden=2 (hardened kernels, Bottlerocket) the kernel does not return the whole "
        "program, so the hook loads an invalid one. Old versions of the hook also build programs that newer kernels "
        "refuse.",
        remedy=(
            "sysctl net.core.bpf_jit_harden: if it is 2, sysctl -w net.core.bpf_jit_harden=1",
            (
                "Upgrade nvidia-container-toolkit, and use CDI: nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml; "
                "docker run --device nvidia.com/gpu=all"
            ),
            "Or: no-cgroups = true in /etc/nvidia-container-runtime/config.toml, and give the devices by --device.",
        ),
        reference="https://github.com/NVIDIA/libnvidia-container/issues/176",
        rank=30,
    ),
    Entry(
        code="hugepages-hidden-by-outer-layer",
        title="an outer container forbids reading the kernel's huge pages",
        patterns=(rf"open /sys/kernel/mm/hugepages: {EACCES}",),
        verdict="the runtime may not read /sys/kernel/mm/hugepages: an outer container forbids it (EACCES)",
        cause="Runtimes read the sizes of huge pages there. LXC's AppArmor profile forbids it without nesting.",
        remedy=(
            "LXD, Incus: security.nesting=true; Proxmox: features nesting=1; then restart the outer container.",
            "Upgrade containerd and runc: newer versions continue without it.",
        ),
        reference="https://github.com/canonical/lxd/issues/4313",
    ),
)

"""What keeps dockerd and the cgroups of OpenRC, cgconfig and systemd from starting, or runc's init."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, ENOENT, EPERM, EROFS, V1_NAMES, Entry

OPENRC = r"openrc-run\.sh: (?:line )?\d+: can(?:'|no)t create /sys/fs/cgroup/"

ENTRIES = (
    Entry(
        code="storage-driver-unusable",
        title="the engine cannot use its storage driver on this host",
        patterns=(
            r"(?P<driver>overlay2?|aufs|btrfs|zfs|devicemapper)['\"]? (?:is )?not found as a supported filesystem",
            r"prior storage driver \"?(?P<driver2>[\w-]+)\"? (?:failed|error)[^\n]*",
            r"[Ee]rror (?:ini?tializing|starting|creating|getting) (?:the )?(?:graph ?driver|storage driver)[^\n]*",
            r"no supported storage driver found",
            r"Failed to GetDriver graph (?P<driver3>[\w-]+)",
            r"configured driver \"(?P<driver4>[\w-]+)\" not available[^\n]*",
            r"failed to mount overlay: (?!permission denied)[^\n]*storage-driver=(?P<driver5>overlay2?)",
            r"snapshotter selection failed[^\n]*",
            r"backing file ?system is unsupported for this graph driver",
            (
                r"(?:snapshotter|driver) (?:not loaded: )?\"?(?P<driver6>overlayfs|fuse-overlayfs|native|btrfs|zfs)\"?"
                r"(?: was)? (?:not found|not supported|not loaded)[^\n]*"
            ),
            r"\\*\"?(?P<driver9>overlayfs|fuse-overlayfs)\\*\"? snapshotter cannot be enabled for[^\n]*",
            r"does not support (?P<driver7>overlayfs|fuse-overlayfs): [^\n]*",
            r"failed to load plugin \\*\"?io\.containerd\.snapshotter\.v1\.(?P<driver8>overlayfs)\b[^\n]*",
            r"'overlay' is not supported over (?P<fstype>[\w-]+)[^\n]*",
            r"overlayfs is not available for (?P<path>[^\s,]+)[^\n]*",
            r"kernel does not support overlay fs[^\n]*",
            r"a network file system with user namespaces is not supported[^\n]*",
            r"(?:driver|graphdriver)[^\n]* (?:not supported|prerequisites for driver not satisfied)[^\n]*",
            r"overlay[^\n]*unknown option|User-selected graph driver \\?\"\w+\\?\" overwritten by[^\n]*",
        ),
        verdict="the engine cannot use its storage driver on this host; no container can start before it can",
        cause="The kernel has no overlay: it was built without it (old and vendors' kernels, OpenVZ), or it was "
        "upgraded and the modules of the running one are gone until a reboot. Or the file system below the engine's "
        "directory cannot carry overlay: another overlay (an engine in a container without a volume), NFS and other "
        "network file systems, eCryptfs, xfs with ftype=0, ZFS before 2.2; rootless not before Linux 5.11 without "
        "fuse-overlayfs. aufs and devicemapper were removed from docker.",
        remedy=(
            (
                "modprobe overlay; if it finds no module, ls /lib/modules against uname -r: reboot into the new one. "
                "After a change of drivers the old images are not shown: pull them again, or go back."
            ),
            (
                "An engine in a container: a volume of the host's own file system at /var/lib/docker, "
                "/var/lib/containers, rootless /home/podman/.local/share/containers (Kubernetes: emptyDir)."
            ),
            (
                'docker: "storage-driver": "overlay2" in /etc/docker/daemon.json; where overlay cannot be had, '
                '"fuse-overlayfs" or "vfs" (slow). containerd, nerdctl: --snapshotter native or fuse-overlayfs.'
            ),
            (
                'podman, buildah: STORAGE_DRIVER=vfs, or mount_program = "/usr/bin/fuse-overlayfs" under '
                "[storage.options.overlay] in storage.conf, with --device /dev/fuse; or graphroot on a local disk."
            ),
        ),
        reference="https://docs.docker.com/engine/storage/drivers/select-storage-driver/",
        tell="grep overlay /proc/filesystems; stat -f -c %T /var/lib/docker (podman: ~/.local/share/containers); "
        "uname -r",
        rank=42,
    ),
    Entry(
        code="kernel-too-old-for-engine",
        title="the kernel is older than the engine, or the program in the image, can use",
        patterns=(
            r"You are running linux kernel version (?P<version>[\w.-]+), which might be unstable",
            r"[Yy]our (?:Linux )?kernel version (?P<version2>[\w.-]+) is not supported for running docker",
            r"FATAL: kernel too old",
            rf"open /proc/sys/kernel/cap_last_cap: {ENOENT}",
            r"kernel (?:version )?(?P<version3>\d[\w.-]+) is (?:too old|not supported)[^\n]*",
        ),
        verdict="this kernel is too old for the engine or for the programs of the image",
        cause="Docker needs Linux 3.10, and today's runc and images need more: 'kernel too old' is the C library of "
        "the image. A version 2.6.32-042stab or 3.10.0 with stab in it is OpenVZ: the provider's kernel, "
        "which the virtual server cannot change.",
        remedy=(
            "Upgrade the distribution's kernel and reboot (uname -r shows the running one).",
            "OpenVZ: move to a virtual machine (KVM). Docker does not run on a 2.6.32 kernel.",
            "A NAS, or a board whose vendor gives no newer kernel: an image of an older distribution.",
        ),
        reference="https://github.com/moby/moby/blob/master/contrib/check-config.sh",
        tell="uname -r; systemd-detect-virt",
        rank=41,
    ),
    Entry(
        code="engine-in-plain-container",
        title="dockerd runs in a container that may not mount, nor set up networks",
        patterns=(
            rf"[Ee]rror ini?tializing graph ?driver: (?:[^\n]*: )?(?:{EPERM}|{EACCES})",
            rf"mounting shm tmpfs: (?:{EPERM}|{EACCES})",
            r"mount: permission denied \(are you root\?\)\s*Could not mount /sys/kernel/security",
            r"AppArmor detection and --privileged mode might break|Could not mount /sys/kernel/security\.",
            rf"failed to start daemon: Error initializing network controller[^\n]*(?:{EACCES}|{EPERM})",
            rf"failed to mount (?:overlay|overlayfs): (?:{EPERM}|{EACCES})",
            (
                rf"(?:ip6?tables|IPTCError:)[^\n]*(?:{EACCES} \(you must be root\)|Could not fetch rule set "
                rf"generation id: {EACCES})"
            ),
        ),
        verdict="this program (dockerd, or one that sets up a network) runs in a container that is not privileged, "
        "or not as root",
        cause="dockerd mounts file systems and writes iptables rules. A container without --privileged, a user who is "
        "not root, and an unprivileged LXC without nesting do not allow it. Could not mount /sys/kernel/security "
        "alone is a notice: "
        "rootless docker and many outer containers have none, and dockerd goes on.",
        remedy=(
            (
                "docker: docker run --privileged docker:dind (Compose: privileged: true; GitLab runner: privileged = "
                "true under [runners.docker]; Kubernetes: securityContext.privileged: true)"
            ),
            "LXC: Proxmox features nesting=1,keyctl=1; LXD, Incus: security.nesting=true",
            (
                "Without privileges: docker:dind-rootless, buildkit rootless, podman or sysbox; or mount the host's "
                "/var/run/docker.sock in place of an engine of one's own."
            ),
        ),
        reference="https://hub.docker.com/_/docker",
        tell="grep CapEff /proc/self/status: 000001ffffffffff or 0000003fffffffff is privileged",
        rank=12,
    ),
    Entry(
        code="openrc-makes-no-cgroups",
        title="OpenRC's service cgroups may not mount or write cgroups",
        patterns=(
            r"mount: mounting \w+ on (?P<path2>/sys/fs/cgroup\S*) failed: (?:Resource busy|Operation not permitted)",
            r"No permission to apply cgroup settings",
            OPENRC + rf"(?P<path>\S+?): (?:{EACCES}|Read-only file system|nonexistent directory|{ENOENT})",
        ),
        verdict="OpenRC's service cgroups cannot make cgroups here: it runs in a container, or the layout is "
        "another one",
        cause="The service mounts and fills /sys/fs/cgroup at a start. In a container (LXC, OrbStack, docker, CI) the "
        "outer host has done so, and it may not. If the engine starts afterwards, these lines are harmless.",
        remedy=(
            (
                '/etc/rc.conf: rc_sys="lxc" (LXC, OrbStack) or rc_sys="docker", so that OpenRC leaves it alone; '
                'rc_cgroup_mode="unified" where the host has cgroup2.'
            ),
            "Where the engine then lacks cgroups: start the container with --privileged, or with nesting.",
        ),
        reference="https://github.com/OpenRC/openrc/blob/master/etc/rc.conf",
        tell="rc-status; grep cgroup /proc/self/mountinfo: is something mounted at /sys/fs/cgroup already?",
        rank=14,
    ),
    Entry(
        code="cgconfig-not-parsed",
        title="cgconfig (libcgroup) cannot mount or fill the cgroups of its configuration",
        patterns=(
            rf"(?:Error: )?cannot mount (?P<controller>{V1_NAMES}|[\w,]+) to /(?:sys/fs/)?cgroup\S*: [^\n]*",
            r"error loading /etc/cgconfig\.conf: [^\n]*",
            r"Failed to parse /etc/cgconfig\.conf[^\n]*",
            r"cgconfigparser; [^\n]*",
        ),
        verdict="cgconfig could not apply /etc/cgconfig.conf; nothing of it may be mounted now",
        cause="It stops at the first controller that this kernel does not have (hugetlb, net_prio), that is mounted "
        "elsewhere already (by systemd or cgroupfs-mount), or that belongs to cgroup2. Engines that need the mounts "
        "then find none.",
        remedy=(
            (
                "Delete the controller from mount {{ }} in /etc/cgconfig.conf, and start cgconfig again: "
                "cat /proc/cgroups names those that exist."
            ),
            "With systemd leave mount {{ }} out: it mounts them itself. Then restart docker.",
        ),
        reference="https://github.com/libcgroup/libcgroup",
        tell="cat /proc/cgroups; grep cgroup /proc/mounts",
        rank=30,
    ),
    Entry(
        code="systemd-cgroups-turned-read-only",
        title="the host's own systemd finds its cgroups read-only",
        patterns=(
            rf"Failed to (?:create (?:control group|cgroup) /(?![^\n]*cgroup/)|realize cgroups? for)[^\n]*: {EROFS}",
        ),
        verdict="systemd on the host cannot make cgroups any more: /sys/fs/cgroup was remounted read-only",
        cause="Somebody remounted it after the boot: a privileged container with systemd or dockerd in it, or one with "
        "-v /sys/fs/cgroup:/sys/fs/cgroup:ro whose mount reached the host. Services and containers fail until it is "
        "writable. Inside a container or a virtual server it is so from the start.",
        remedy=(
            (
                "mount -o remount,rw /sys/fs/cgroup (v1: each mount below it, too), then systemctl daemon-reexec; or "
                "reboot."
            ),
            "Start the container that did it with --cgroupns=private, without a mount of the host's /sys/fs/cgroup.",
        ),
        reference="https://github.com/moby/moby/issues/31337",
        tell="grep cgroup /proc/1/mountinfo: ro or rw",
        rank=20,
    ),
    Entry(
        code="exec-enters-no-namespaces",
        title="exec cannot enter the namespaces of the container",
        ambiguous=(r"executing setns process(?: caused)?:? \\*\"?exit status \d+",),
        verdict="exec could not enter the container: its first process is ending or gone, or its /proc is covered",
        cause="runc joins the namespaces of the container's first process. It fails while that process ends (killed "
        "for its memory, stopped during a health check), where /proc is bound or covered (Gitpod, sysbox, LXC), and "
        "on a few kernels whose user namespaces do not fit this runc.",
        remedy=(
            "docker inspect NAME: State (OOMKilled, ExitCode); restart the container if it is half dead.",
            "Health checks at the same moment: look at why it ended, not at the check; raise --memory if it was OOM.",
            "In every container, always: upgrade runc and docker together, and the kernel.",
        ),
        reference="https://github.com/moby/moby/issues/40399",
        tell="docker top NAME; journalctl -k | grep -i oom; does exec work in a fresh container?",
        offer=1,
    ),
    Entry(
        code="init-needs-newer-kernel",
        title="the kernel is too old for the way in which this runc starts",
        ambiguous=(
            r"copying bootstrap data to pipe[^\n]*broken pipe",
            r"container_linux\.go:34[4-8]: [^\n]*getting the final child's pid from pipe caused[^\n]*",
        ),
        verdict="runc's init ended at once, as it does on old kernels since it copies itself first",
        cause="runc of February 2019 and later (docker 18.06.3, 18.09.2) starts from a copy of itself. The first of "
        "them failed on Linux 3.10, 3.13 and 3.16 (CentOS 7 before its updates, Ubuntu 14.04, Debian 8, NAS systems, "
        "virtual servers of OpenVZ), and no later one runs on WSL 1.",
        remedy=(
            "Upgrade the kernel (Ubuntu 14.04: linux-generic-lts-xenial; CentOS 7: yum update kernel), and reboot.",
            "Or another docker: 18.09.3 or later, or before the change (18.06.1). WSL 1: wsl --set-version NAME 2.",
        ),
        reference="https://github.com/docker/for-linux/issues/834, https://github.com/docker/for-linux/issues/591",
        tell="uname -r: before 3.17?",
        offer=1,
        first_for=r"container_linux\.go:34[4-8]: ",
    ),
    Entry(
        code="kernel-options-listed-missing",
        title="a check of the kernel lists options that containers need as missing",
        patterns=(
            (
                r"\bCONFIG_(?P<name>(?:PID|IPC|NET|UTS|USER)_NS|NAMESPACES|CGROUP\w*|CPUSETS|MEMCG\w*|VETH)[: "
                r"]+\[?missing"
            ),
            r"\bCgroup (?P<name2>device|sched|cpu account|memory controller|cpuset|v1 freezer controller): missing",
            r"\bCgroup namespace: CONFIG_CGROUP_NS ?missing",
            r"\bcgroup hierarchy:? \[?nonexistent\?\?",
        ),
        verdict="the check found that this kernel lacks options for containers, or that no cgroups are mounted",
        cause="check-config.sh and lxc-checkconfig read the options with which the kernel was built. Without "
        "CGROUP_DEVICE "
        "(on cgroup2: CGROUP_BPF), PID_NS, IPC_NS or MEMCG no engine starts, or limits do nothing; others are needed "
        "for single features. lxc-checkconfig of old versions names options that new kernels do not have (CGROUP_NS).",
        remedy=(
            "Build or install a kernel with the options (OpenWrt: make menuconfig, Global build settings, Kernel).",
            "nonexistent: mount cgroups (the package cgroupfs-mount, or mount -t cgroup2 none /sys/fs/cgroup).",
            (
                "A device whose kernel cannot be replaced: a virtual machine, or programs without an engine (proot, "
                "chroot)."
            ),
        ),
        reference="https://github.com/moby/moby/blob/master/contrib/check-config.sh",
        tell="cat /proc/cgroups /sys/fs/cgroup/cgroup.controllers; zgrep -E 'CGROUP|_NS=' /proc/config.gz",
        rank=70,
    ),
    Entry(
        code="storage-driver-removed",
        title="this Docker no longer has the storage driver that was used before",
        patterns=(
            r"prior storage driver \\*\"?(?P<driver>aufs|overlay|devicemapper)\\*\"? failed: driver not supported",
            (
                r"[Dd]river=(?P<driver2>aufs|overlay|devicemapper)\b[^\n]*(?:graphdriver plugins are only "
                r"supported|not supported)"
            ),
            (
                r"(?P<driver3>aufs|overlay|devicemapper) storage-driver (?:is deprecated|is no longer supported|was "
                r"removed)"
            ),
        ),
        verdict="this Docker no longer has the storage driver {driver}",
        cause="Docker removed aufs and the first overlay with 24, devicemapper with 25; packages of distributions left "
        "them out earlier. daemon.json, the unit or the old directory in /var/lib/docker still asks for it.",
        remedy=(
            (
                "Take storage-driver out of daemon.json and the unit, or set overlay2; mv /var/lib/docker/{driver} "
                "away; start docker, and pull the images again. Volumes stay."
            ),
            "Changes that only containers have: go back to the older engine first: docker save, docker cp.",
        ),
        reference="https://docs.docker.com/engine/deprecated/",
        tell="grep -r storage-driver /etc/docker /etc/systemd/system /etc/default/docker; ls /var/lib/docker",
        rank=41,
    ),
)

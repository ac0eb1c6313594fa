"""Messages of Docker, the kubelet, k3s and CRI-O about a host's cgroups when they start."""

from __future__ import annotations

from shim.diagnose.checks import layout, node, tree
from shim.diagnose.entry import EACCES, ENOENT, EPERM, EROFS, V1_NAMES, Entry

KUBELET = "https://github.com/kubernetes/kubernetes/issues/75832"
FIND = rf"(?:failed to find (?P<controller>{V1_NAMES}) cgroup|The (?P<controller1>{V1_NAMES}) cgroup is not enabled)"
ON_PI = (
    "Raspberry Pi, and other hosts with a device tree: append cgroup_memory=1 cgroup_enable=memory to the one line of "
    "/boot/firmware/cmdline.txt (or /boot/cmdline.txt), and reboot."
)

ENTRIES = (
    Entry(
        code="controller-not-delegated-to-user",
        title="the user's systemd does not have the controller that a rootless program needs",
        ambiguous=(
            FIND + r" \(v2\)",
            r"(?:missing|expected) (?:required )?cgroup controllers? \"?(?P<controller2>[a-z]+)\"?(?: not found)?",
        ),
        patterns=(
            r"rootless: cgroup v2 (?P<controller4>\w+) controller is not delegated",
            r"controller \"(?P<controller3>[a-z]+)\" is not delegated for the current user",
            r"delegated cgroup v2 controllers are required for rootless",
            r"(?P<controller5>[a-z]+) controller needs to be delegated",
            r"cgroup v2 controllers are not delegated for rootless",
            r"requires cgroup controllers \[(?P<controller6>[a-z]+)[^\]\n]*\], but they are not available",
            r"rootless provider requires setting systemd property \"Delegate=yes\"",
        ),  # rootlesskit
        verdict="the {controller} controller is not delegated to this user's cgroups (cgroup2)",
        cause="By default systemd delegates only memory and pids to a user. Rootless k3s, Kubernetes and Podman also "
        "need cpu and cpuset.",
        remedy=(
            "mkdir -p /etc/systemd/system/user@.service.d",
            (
                "printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n' > "
                "/etc/systemd/system/user@.service.d/delegate.conf"
            ),
            "systemctl daemon-reload, then log out and in again (or reboot)",
        ),
        reference="https://github.com/k3d-io/k3d/issues/1082",
        tell="cat /sys/fs/cgroup/user.slice/user-$(id -u).slice/user@$(id -u).service/cgroup.controllers: is it "
        "missing there?",
        confirm=tree.not_delegated,
        offer=1,
        rank=37,
        layout="v2",
    ),
    Entry(
        code="controller-missing-on-node",
        title="a controller that the node needs is switched off in the kernel",
        patterns=(
            r"CGROUPS_(?P<controller3>[A-Z]+): missing",
            r"(?:missing|required) cgroups?(?: disabled)?: (?P<controller4>\w+)",
            r"\b(?P<controller5>[a-z]+) cgroup controller not found",
            r"Unable to find (?P<controller6>[a-z]+) controller",
            r"cgroup controller \"(?P<controller7>[a-z]+)\": unavailable",  # k0s sysinfo
            rf"\b(?P<controller8>{V1_NAMES}) cgroup (?:is )?disabled\b",
        ),
        ambiguous=(FIND,),
        verdict="the {controller} controller is switched off on this host, or not in its kernel",
        cause="Some boards switch it off at boot by default, or the kernel was built without it. On cgroup2, a "
        "controller that a v1 hierarchy holds is in no cgroup.controllers, either. WSL 1 has no cgroups: wsl "
        "--set-version NAME 2. A check of /proc/cgroups alone fails on good hosts of 6.11 or later: without "
        "CONFIG_MEMCG_V1 memory is not in it.",
        remedy=(
            ON_PI,
            (
                "Elsewhere: remove it from cgroup_disable= on the kernel command line; Debian before 10: "
                "cgroup_enable=memory."
            ),
            "'not set' in a list of kernel options: only another kernel has it (pids: Linux 4.3, RHEL 7.2 or later).",
        ),
        reference="https://github.com/k3s-io/k3s/issues/5858",
        tell="cat /proc/cgroups: is it missing there, or 0 in the last column? grep -o 'cgroup_[a-z]*=[a-z]*' "
        "/proc/cmdline; cgroup2: cat /sys/fs/cgroup/cgroup.controllers",
        confirm=node.switched_off,
        offer=2,
        first_for=r"\b(?:memory|pids)\b",  # systemd gives these to every user
        rank=39,
    ),
    Entry(
        code="controller-hidden-from-v1",
        title="the kernel has the controller, but does not list it for v1",
        ambiguous=(FIND + r"(?! \(v2\))",),
        verdict="the {controller} controller is there for cgroup2, but this kernel hides it from programs that "
        "look for v1",
        cause="Since 6.11, kernels may be built without the v1 code of memory and cpuset (CONFIG_MEMCG_V1, "
        "CONFIG_CPUSETS_V1). They then omit both from /proc/cgroups, which older k3s, Docker and Java read.",
        remedy=(
            "Use cgroup2 alone: boot with systemd.unified_cgroup_hierarchy=1, and upgrade k3s (1.26 or later).",
            (
                "Or use a kernel with CONFIG_MEMCG_V1=y. Since 6.16, cgroup_v1_proc=true on the command line lists "
                "them again."
            ),
        ),
        reference="https://github.com/k3s-io/k3s/issues/11496",
        tell="grep -w memory /sys/fs/cgroup/cgroup.controllers /proc/cgroups: is it in the first and not in "
        "the second?",
        confirm=node.hidden_from_v1,
        offer=3,
        rank=38,
    ),
    Entry(
        code="kubelet-cgroup-missing",
        title="a cgroup that the kubelet needs does not exist in every controller",
        patterns=(
            r"cgroup-root \[?\"?(?P<path>[^\]\"\n]*)\"?\]? doesn't exist",
            r"root container \[(?P<path2>[^\]\n]*)\] doesn't exist",
            r"\[\"?(?P<path3>kubepods[^\]\"\n]*)\"?\] doesn't exist",
            r"cgroup \[\\*\"?(?P<path4>[^\]\"\\\n]*)\\*\"?\] has some missing (?:controllers|paths)",
            r"waiting for \[(?P<path5>/sys/fs/cgroup/[^\]\n]*)\]: not all files found",
        ),
        verdict="the kubelet's cgroup ({path}) does not exist in every controller that it uses",
        cause="The kubelet looks for its root in every controller, cpu, cpuset, memory, pids and hugetlb among them. "
        "One of them is mounted late, mounted as v1 only in part, or not enabled on cgroup2. Or the kubelet and the "
        "engine use different cgroup drivers; with systemd's, cgroupRoot names a slice.",
        remedy=(
            (
                "v1: mount every controller that /proc/cgroups lists, then create the directory in each: mkdir -p "
                "/sys/fs/cgroup/CONTROLLER/kubepods"
            ),
            (
                "cgroup2: echo '+cpu +cpuset +memory +pids +hugetlb' > /sys/fs/cgroup/cgroup.subtree_control; "
                "Delegate=yes in the kubelet's unit"
            ),
            "Make the drivers agree: cgroupDriver in the kubelet's configuration, SystemdCgroup in containerd's.",
            (
                "kubelet, kubelet.slice: the node is one of kind: use kind 0.20 or later with the node image of "
                "its release."
            ),
        ),
        reference="https://github.com/kubernetes-sigs/kind/issues/2440",
        tell="for c in $(awk '!/^#/ {{print $1}}' /proc/cgroups); do ls -d /sys/fs/cgroup/$c/kubepods*; done",
    ),
    Entry(
        code="node-controller-not-mounted",
        title="a program that starts finds no hierarchy for a controller",
        patterns=(
            r"Following Cgroup subsystem not mounted: \[(?P<controller>[\w ,]+)\]",
            r"Failed to find subsystem mount for (?:required )?subsystem: (?P<controller2>\w+)",
            r"(?P<controller3>\w+) cgroup subsystem not mounted",
            r"Unable to find (?P<controller6>\w+) cgroup in mounts",
            rf"Failed to read link /sys/fs/cgroup/(?P<controller11>{V1_NAMES}): {ENOENT}",  # systemd in rkt
            r"cgroups: (?P<controller5>(?!memory)\w+) cgroup not supported on this system",
            r"cgroup path for (?P<controller9>\w+) not found",
            rf"(?!mountpoint for pids not found$)[Mm]ountpoint for (?P<controller4>{V1_NAMES}) not found",
            rf"cgroup mountpoint not found for (?P<controller8>{V1_NAMES})",
            rf"container manager: inotify_add_watch /sys/fs/cgroup/(?P<controller9>{V1_NAMES}): {ENOENT}",
        ),
        verdict="no v1 hierarchy has the {controller} controller, which this program needs to start",
        cause="The kernel lacks the controller, it was switched off at boot, or nothing mounted it. Or the host "
        "has cgroup2 "
        "alone, and this program knows only v1, as the image google/cadvisor and a kubelet before 1.19 do.",
        remedy=(
            (
                "mkdir -p /sys/fs/cgroup/{controller} && mount -t cgroup -o {controller} cgroup "
                "/sys/fs/cgroup/{controller}"
            ),
            "Or mount all: apt-get install cgroupfs-mount && cgroupfs-mount (systems without systemd)",
            "cgroup2: upgrade the program (cAdvisor: gcr.io/cadvisor/cadvisor), or systemd.unified_cgroup_hierarchy=0.",
            (
                "/proc/cgroups: 0 in its last column: cgroup_enable={controller} on the kernel command line (memory: "
                "Debian 8, boards). Not listed: a kernel with that controller (cpuset: CONFIG_CPUSETS=y)."
            ),
        ),
        reference="https://github.com/kubernetes-retired/kubernetes-anywhere/issues/81",
        tell="stat -fc %T /sys/fs/cgroup: cgroup2fs? cat /proc/cgroups: is it listed, with 1 in the last column?",
        confirm=layout.not_mounted,
        layout="v1",
    ),
    Entry(
        code="docker-needs-devices-hierarchy",
        title="Docker does not start: it finds no devices hierarchy",
        patterns=(r"Devices cgroup isn't mounted",),
        verdict="Docker does not start: no v1 hierarchy has the devices controller, and it does not see cgroup2",
        cause="Nothing mounted the v1 hierarchies (no systemd, WSL, a chroot, LXC, Android), or the host has cgroup2 "
        "and this Docker is older than 20.10.",
        remedy=(
            "Without systemd: apt-get install cgroupfs-mount && cgroupfs-mount, then start dockerd again.",
            "WSL 2 with systemd: take autoMemoryReclaim=gradual out of .wslconfig, wsl --update, wsl --shutdown.",
            (
                "On cgroup2: upgrade Docker to 20.10 or later; or boot with systemd.unified_cgroup_hierarchy=0. "
                "OpenWrt mounts "
                "cgroup2: opkg remove cgroupfs-mount, which covers it."
            ),
            "A kernel without the controllers (Android, boards; /proc/cgroups lists none): use another one.",
        ),
        reference="https://github.com/docker/cli/issues/2104",
        tell="grep cgroup /proc/self/mountinfo; zgrep CGROUP_DEVICE /proc/config.gz",
        confirm=layout.no_devices,
        rank=30,
    ),
    Entry(
        code="docker-in-systemd-scope",
        title="Docker wants to make its cgroup in systemd's own scope",
        patterns=(
            rf"linux init cgroups path: mkdir /[^\n:]*: (?:{EROFS}|{EACCES}|{ENOENT})",
            rf"/sys/fs/cgroup/[\w,]+/init\.scope/(?:system\.slice|docker)\S*: {ENOENT}",
        ),
        verdict="Docker looks for its cgroups at a path that does not exist: it misreads its own cgroup",
        cause="Docker before 1.13, and its release candidates, take /init.scope, where systemd is since version 226, "
        "as the parent of all containers.",
        remedy=(
            "Upgrade Docker; 1.13.0 and later have the fixes.",
            "Or give the parent: dockerd --cgroup-parent=/docker",
        ),
        rank=25,
        reference="https://github.com/moby/moby/issues/29833",
    ),
    Entry(
        code="hierarchy-path-unknown",
        title="the runtime joins the cgroup without its mount point: it did not find the hierarchy",
        patterns=(rf"\bmkdir /(?P<controller>{V1_NAMES})/[^\n:]*: (?:{ENOENT}|{EROFS}|{EACCES})",),
        verdict="the runtime does not find where the {controller} hierarchy is mounted, and writes to /{controller}",
        cause="This hierarchy is not mounted where the runtime looks. Android mounts its v1 controllers below /dev "
        "(cpuset at /dev/cpuset, with noprefix) and cgroup2 at /sys/fs/cgroup, where Termux's runc does not find them.",
        remedy=(
            (
                "mkdir -p /sys/fs/cgroup/{controller} && mount -t cgroup -o {controller} cgroup "
                "/sys/fs/cgroup/{controller}"
            ),
            "Android: a runc that looks for the v1 controllers below /dev, as the reference's patch makes it.",
            (
                "Termux: mount a tmpfs at /sys/fs/cgroup first (mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup), then "
                "each controller in it."
            ),
        ),
        reference="https://github.com/termux/termux-packages/pull/24498",
    ),
    Entry(
        code="cgroup-v1-refused",
        title="a program refuses to run on a host with cgroup v1",
        patterns=(
            r"[Rr]efusing to run under cgroup v1",
            r"[Dd]etected cgroup v1 hierarchy at /sys/fs/cgroup[^\n]*no longer supported",
            r"configured to not run on a host using cgroup v1",
            r"cgroups? ?v1 (?:is |are )?(?:no longer|not) supported",
            r"\[ERROR SystemVerification\]: cgroups v1 support is deprecated",
        ),
        verdict="this program refuses cgroup v1, which this host, or the host of this container, uses",
        cause="systemd 256 and later, and the kubelet since 1.35 (failCgroupV1), run only on cgroup2. A container has "
        "the cgroup version of its host.",
        remedy=(
            (
                "Boot the host with cgroup2: systemd.unified_cgroup_hierarchy=1 (and without cgroup_no_v1 or "
                "SYSTEMD_CGROUP_* options)."
            ),
            (
                "kubelet, for a while: failCgroupV1: false (k3s: --kubelet-arg=fail-cgroupv1=false). systemd 256, 257: "
                "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1 on the kernel command line; for a container use an image with "
                "an older systemd."
            ),
        ),
        reference="https://github.com/systemd/systemd/releases/tag/v256",
        rank=30,
    ),
    Entry(
        code="systemd-cannot-write-cgroups",
        title="systemd inside a container cannot create its cgroups",
        patterns=(
            r"Cannot determine cgroup we are running in",
            r"Failed to allocate manager object(?:$|: No medium found|, freezing)",
            rf"Failed to create (?P<path>/[^\n:]*) control group: (?:{EROFS}|{EACCES}|{ENOENT}|{EPERM})",
            (
                rf"Failed to (?:allocate manager object|create root cgroup hierarchy): "
                rf"(?:{EROFS}|{EACCES}|{ENOENT}|{EPERM})"
            ),
            (
                rf"Failed to (?:mount (?:cgroup|tmpfs)2? (?!.*(?:hier|/rkt/))|attach \d+ to compat systemd cgroup|"
                rf"install release agent)[^\n]*: (?:{EROFS}|{EACCES}|{ENOENT}|{EPERM})"
            ),
            r"Failed to mount API filesystems",
            r"Freezing execution\.\s*$",
        ),
        verdict="systemd in the container cannot create its cgroups: /sys/fs/cgroup is read-only, or not the "
        "container's own",
        cause="systemd needs a writable cgroup tree of its own. docker mounts it read-only. The v1 recipe, -v "
        "/sys/fs/cgroup:/sys/fs/cgroup:ro, does the same on cgroup2. A systemd before 232 (CentOS 7) does not know "
        "cgroup2. A rootless container on a host with v1 gets none at all: boot it with cgroup2.",
        remedy=(
            "podman does it by itself: podman run --systemd=always.",
            (
                "docker on cgroup2: docker run --privileged --cgroupns=private, without a mount of /sys/fs/cgroup; or, "
                "without --privileged: --cgroupns=host -v /sys/fs/cgroup:/sys/fs/cgroup:rw --tmpfs /run --tmpfs /tmp"
            ),
            "On v1 the image's systemd needs the hierarchy name=systemd; systemd 256 and later need cgroup2.",
            (
                "LXC, LXD, nspawn: an old systemd inside needs a v1 host (systemd.unified_cgroup_hierarchy=0 at "
                "boot); LXC (1.1 or later): lxc.mount.auto = cgroup:rw; a user's on v1: libpam-cgfs; nested: nesting=1."
            ),
        ),
        reference="https://github.com/moby/moby/issues/42275",
        rank=61,
    ),
)

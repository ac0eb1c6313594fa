"""Which hierarchies exist, where they are mounted, and what a runtime makes of that."""

from __future__ import annotations

from shim.diagnose.catalogue.v1_mounts import REFUSED_MOUNT
from shim.diagnose.checks import layout as look
from shim.diagnose.entry import (
    CHARACTER,
    ENOENT,
    V1_HIERARCHY,
    V1_NAMES,
    Entry,
    creating,
    making,
    opening,
)
from shim.diagnose.host_words import RASPBERRY_PI

V2_DOC = "Linux Documentation/admin-guide/cgroup-v2.rst, Mounting"
V1_DOC = "Linux Documentation/admin-guide/cgroup-v1/cgroups.rst, section 2.1"
# Not the list of processes: that is missing where the container's cgroup is gone (container-cgroup-vanished).
V1_DIRECTORY = (
    rf"\b(?:open|openat2|mkdir|creating cgroup directory|create (?:control group|cgroup|directory)) [`'\"]?"
    rf"{V1_HIERARCHY}"
    rf"(?!{CHARACTER}*(?:cgroup\.procs|tasks)`?:){CHARACTER}*[`'\"]?: {ENOENT}"
)
NO_JOIN = (
    rf"(?:cannot set (?P<controller>{V1_NAMES}) limit: (?:\w+: )?container could not join or create cgroup"
    rf"|no such directory for (?P<controller2>{V1_NAMES})\.\w+"  # before runc 1.0
    rf"|cannot find (?P<controller3>{V1_NAMES}) controller for the current process)"  # an old crun
)
# crun creates a missing directory in the tmpfs and then misses the interface file in it.
V1_FILE = opening(r"(?:memory|pids|cpu|cpuset|blkio|hugetlb|net_cls|net_prio)\.[\w.]+", ENOENT)

ENTRIES = (
    Entry(
        code="crun-refuses-hybrid",
        title="crun refuses a hybrid host on which cgroup2 still owns a controller",
        patterns=(r"cgroups in hybrid mode not supported, drop all controllers from cgroupv2",),
        verdict="crun refuses this hybrid host: cgroup2 at /sys/fs/cgroup/unified still owns a controller",
        cause="v1 hierarchies are in use, and cgroup2 still has a controller. crun starts no container on such a host.",
        remedy=(
            'Let cgshim start crun without that mount: "crun_on_hybrid": "hide-cgroup2" in /etc/cgshim/config.json',
            'or use runc: "runtime": its path, in the same file',
            "or boot with systemd.unified_cgroup_hierarchy=1; WSL 2.0: without autoMemoryReclaim in .wslconfig",
            (
                "or give that controller to v1: mount -t cgroup -o NAME cgroup /sys/fs/cgroup/NAME (memory needs a "
                "kernel with CONFIG_MEMCG_V1, cpuset one with CONFIG_CPUSETS_V1)"
            ),
        ),
        reference="https://github.com/buildbuddy-io/buildbuddy/pull/6857",
        confirm=look.hybrid_with_controllers,
        foresee=look.straggler,
    ),
    Entry(
        code="v1-devices-not-mounted",
        title="the v1 devices hierarchy is missing",
        patterns=(r"mountpoint for devices not found", r"cgroup: subsystem does not exist"),
        ambiguous=(opening(r"devices\.(?:deny|allow)", ENOENT), creating(r"devices\.(?:deny|allow)")),
        verdict="the v1 devices controller is not mounted, and {runtime} starts nothing without it",
        cause="On v1 hosts runc restricts devices for every container, so it insists on the devices hierarchy. "
        "On a host with cgroup2 alone, a runc before 1.0-rc91 says the same.",
        remedy=(
            "mkdir -p /sys/fs/cgroup/devices && mount -t cgroup -o devices cgroup /sys/fs/cgroup/devices",
            "cgroup2 alone (stat -fc %T /sys/fs/cgroup says cgroup2fs): upgrade docker and runc.",
        ),
        reference="https://github.com/opencontainers/runc/issues/1631",
        confirm=look.no_devices,
        foresee=look.devices_missing,
        tell="grep devices /proc/self/mountinfo: is there a cgroup mount with devices, at /sys/fs/cgroup/devices?",
        offer=1,
    ),
    Entry(
        code="cgroup-not-mounted",
        title="no cgroup file system at /sys/fs/cgroup",
        patterns=(
            r"failed to find the cgroup root",
            r"no cgroup mount found in mountinfo",
            r"no cgroup mount found\b",
            r"[Mm]ountpoint for cgroup not found|[Cc]annot start container [0-9a-f]{12,}: mountpoint not found",
            r"invalid file system type on [`'\"]?/sys/fs/cgroup",
        ),
        ambiguous=(making(ENOENT),),
        tell="grep cgroup /proc/self/mountinfo; ls /sys/fs/cgroup: is it empty, inside a container or a build?",
        offer=2,
        verdict="no cgroup file system is mounted at /sys/fs/cgroup",
        cause="The runtime finds neither cgroup2 nor v1 hierarchies at /sys/fs/cgroup.",
        remedy=(
            "mount -t cgroup2 cgroup2 /sys/fs/cgroup (without /sys first: mount -t sysfs sysfs /sys)",
            (
                "docker and runc before 1.0-rc91 do not support cgroup2: upgrade them, or boot with systemd.unified_"
                "cgroup_hierarchy=0 (without systemd: apt-get install cgroupfs-mount && cgroupfs-mount)"
            ),
            "inside a container: give it a cgroup mount (docker run --cgroupns=private, a writable /sys/fs/cgroup)",
        ),
        reference=V2_DOC,
        confirm=look.no_cgroup_mount,
        foresee=look.nothing_mounted,
    ),
    Entry(
        code="cgroup-tmpfs-empty",
        title="a tmpfs at /sys/fs/cgroup holds no hierarchy",
        patterns=(r"could not join cgroup\s*$",),
        ambiguous=(r"no cgroup mount found\b",),
        verdict="/sys/fs/cgroup is a tmpfs without any cgroup hierarchy in it",
        cause="The directory was prepared for v1 hierarchies, but none was mounted.",
        remedy=(
            "mount -t cgroup2 cgroup2 /sys/fs/cgroup",
            (
                "or mount the v1 hierarchies: apt-get install cgroupfs-mount && cgroupfs-mount, or each by hand: "
                "mkdir /sys/fs/cgroup/memory && mount -t cgroup -o memory cgroup /sys/fs/cgroup/memory"
            ),
        ),
        reference=V1_DOC,
        confirm=look.empty_tmpfs,
        rank=45,
    ),
    Entry(
        code="sys-not-mounted",
        title="/sys is not mounted",
        patterns=(rf"cannot statfs cgroup root(?:: {ENOENT}|(?!:))", rf"statfs [`'\"]?/sys/fs/cgroup[`'\"]?: {ENOENT}"),
        ambiguous=(r"no cgroup mount found\b",),  # runc from 1.4 on
        verdict="/sys is not mounted, so there is no /sys/fs/cgroup",
        cause="The runtime cannot find out which cgroup version the host has. runc stops with a Go panic.",
        remedy=("mount -t sysfs sysfs /sys && mount -t cgroup2 cgroup2 /sys/fs/cgroup",),
        reference=V2_DOC,
        confirm=look.no_sys,
        rank=44,
    ),
    Entry(
        code="runtime-too-old-for-layout",
        title="a runtime from before cgroup2 meets a cgroup2 mount",
        patterns=(
            r"this version of runc doesn't work on cgroups v2",
            r"no subsystem for mount",
            r"cgroups V2 is not yet supported",
            r"not implemented for cgroup v2 unified hierarchy",
        ),  # the second is gVisor's
        verdict="this runtime is too old to understand the cgroup mounts of this host",
        cause="It takes the cgroup2 mount, or a hierarchy without a name, for a v1 hierarchy, and finds no controller "
        "in it.",
        remedy=("Upgrade the runtime (runc 1.0 or later).", "{runtime} --version; grep cgroup /proc/self/mountinfo"),
        reference="https://github.com/moby/moby/issues/44295",
        confirm=look.cgroup2_present,
    ),
    Entry(
        code="systemd-hierarchy-missing",
        title="an old engine looks for the named systemd hierarchy",
        patterns=(
            r"(?<!GOMEMLIMIT: )cgroups: cgroup mountpoint does not exist",
            r"cannot f(?:ou|i)nd cgroup mount destination",
            r"unable to find \\?\"systemd\\?\" in controller set",
            rf"\bmount [`']/sys/fs/cgroup/systemd[`'] to [`']/sys/fs/cgroup/systemd[`']: {ENOENT}",
            r"Failed to mount to \S+/sys/fs/cgroup/systemd: [Ii]nvalid argument",  # rkt
        ),
        ambiguous=(rf"\b(?:mkdir|creating cgroup directory) `?/sys/fs/cgroup/systemd/{CHARACTER}*`?: {ENOENT}",),
        tell="cat /proc/self/cgroup; grep ' - cgroup ' /proc/self/mountinfo: which of the first, name=systemd above "
        "all, is not mounted?",
        offer=1,
        verdict="the engine looks for the v1 hierarchy name=systemd, which is not mounted",
        cause="An engine that knows only v1 says so on a host with cgroup2 alone, such as Ubuntu from 21.10 on, Debian "
        "11 and Fedora 31. Old containerd versions need this hierarchy on v1, too, even where systemd does not run; "
        "and they fail for any hierarchy of /proc/self/cgroup that is mounted nowhere.",
        remedy=(
            "cgroup2: upgrade the engine (Docker 20.10, containerd 1.4 or later); or boot with v1, see the reference.",
            (
                "containerd on cgroup2: runtime_type = io.containerd.runc.v2 in config.toml, not "
                "io.containerd.runtime.v1.linux."
            ),
            (
                "v1 (WSL, Alpine): mkdir -p /sys/fs/cgroup/systemd && mount -t cgroup -o none,name=systemd cgroup "
                "/sys/fs/cgroup/systemd"
            ),
        ),
        reference="https://github.com/docker/for-linux/issues/219",
        confirm=look.no_systemd_hierarchy,
    ),
    Entry(
        code="v1-controller-not-in-kernel",
        title="the kernel has no v1 code for the controller",
        patterns=(r"Unknown subsys name '?(?P<controller>\w+)",),
        ambiguous=(*REFUSED_MOUNT, NO_JOIN, V1_DIRECTORY),
        verdict="this kernel has no v1 version of the {controller} controller, so it cannot be mounted as v1",
        cause="Since 6.11 a kernel may be built without CONFIG_MEMCG_V1 or CONFIG_CPUSETS_V1, and any without "
        "CONFIG_CGROUP_HUGETLB and others (an engine that asks for them nevertheless is too old: CRI-O). Its "
        "/proc/cgroups may "
        "list the controller nevertheless.",
        remedy=(
            "Boot with cgroup2 only: systemd.unified_cgroup_hierarchy=1 on the kernel command line.",
            (
                "or use a kernel with CONFIG_MEMCG_V1=y and CONFIG_CPUSETS_V1=y: "
                "grep -E 'MEMCG_V1|CPUSETS_V1' /boot/config-$(uname -r)"
            ),
        ),
        reference="https://github.com/cilium/tetragon/issues/3041",
        confirm=look.unknown_to_v1,
        rank=40,
        tell="grep -E 'MEMCG_V1|CPUSETS_V1' /boot/config-$(uname -r): is one of them not set?",
        offer=4,
        excluded=look.found_elsewhere,
    ),
    Entry(
        code="v1-controller-disabled-at-boot",
        title="a boot option took the controller away from v1",
        patterns=(r"Disabled controller '?(?P<controller>\w+)",),
        ambiguous=(*REFUSED_MOUNT, NO_JOIN, V1_DIRECTORY),
        verdict="the {controller} controller was disabled for v1 when this host was booted",
        cause="cgroup_disable= removes a controller from every hierarchy. cgroup_no_v1= leaves it to cgroup2.",
        remedy=("Remove it (Raspberry Pi: put cgroup_enable=memory into cmdline.txt against its firmware); reboot.",),
        reference="Linux Documentation/admin-guide/kernel-parameters.txt, cgroup_disable and cgroup_no_v1",
        confirm=look.disabled_for_v1,
        rank=38,
        tell="grep -o 'cgroup_[a-z_0-9]*=[a-z,_]*' /proc/cmdline: does it name the controller? On a Raspberry Pi "
        "memory is off unless cgroup_enable=memory is there.",
        offer=3,
        excluded=look.found_elsewhere,
        first_for=r"cannot (?:find memory controller|set memory limit)",
        first_beside=RASPBERRY_PI,
    ),
    Entry(
        code="v1-controller-only-on-cgroup2",
        title="the controller lives in cgroup2 on a host that runtimes treat as v1",
        ambiguous=(NO_JOIN, V1_DIRECTORY, V1_FILE),
        excluded=look.found_elsewhere,
        layout="v1",
        verdict="the {controller} controller exists only in cgroup2 here, but {runtime} works with v1 hierarchies",
        cause="The message misleads: the cgroup exists and can be joined, but the controller has no v1 hierarchy.",
        remedy=(
            "Let cgshim place the limit in cgroup2, or drop it from the container.",
            "or boot with cgroup2 only: systemd.unified_cgroup_hierarchy=1",
            (
                "or mount it as v1, if the kernel can: mkdir -p /sys/fs/cgroup/{controller} && "
                "mount -t cgroup -o {controller} cgroup /sys/fs/cgroup/{controller}"
            ),
        ),
        reference=V1_DOC,
        confirm=look.only_on_cgroup2,
        rank=35,
        tell="grep -w {controller} /sys/fs/cgroup/unified/cgroup.controllers: is it there?",
        offer=2,
    ),
    Entry(
        code="v1-controller-mounted-elsewhere",
        title="the v1 hierarchy is mounted where runtimes do not look",
        ambiguous=(NO_JOIN, V1_DIRECTORY),
        verdict="the {controller} hierarchy is mounted, but not at /sys/fs/cgroup/{controller}",
        cause="crun opens a hierarchy only at that path, and runc fails if the path is missing, too.",
        remedy=(
            (
                "mkdir -p /sys/fs/cgroup/{controller} && mount -t cgroup -o {controller} cgroup "
                "/sys/fs/cgroup/{controller}"
            ),
        ),
        reference=V1_DOC,
        confirm=look.elsewhere,
        rank=36,
    ),
    Entry(
        code="v1-controller-not-mounted",
        title="a limit needs a controller that has no v1 hierarchy",
        ambiguous=(NO_JOIN, V1_DIRECTORY, V1_FILE),
        tell="grep -w {controller} /proc/self/mountinfo: is there a cgroup mount with it?",
        offer=1,
        excluded=look.found_elsewhere,
        layout="v1",
        verdict="the {controller} limit cannot be set: the {controller} controller has no v1 hierarchy on this host",
        cause="The message misleads: the cgroup exists, but the controller is not mounted.",
        remedy=(
            (
                "mkdir -p /sys/fs/cgroup/{controller} && mount -t cgroup -o {controller} cgroup "
                "/sys/fs/cgroup/{controller}"
            ),
            "or start the container without this limit",
        ),
        reference=V1_DOC,
        confirm=look.not_mounted,
    ),
    Entry(
        code="v1-cpuset-not-mounted",
        title="crun needs the v1 cpuset hierarchy for every container",
        ambiguous=(rf"\bopen `?/sys/fs/cgroup/(?P<controller>cpuset)/[^`\n:]*cpuset\.(?:cpus|mems)`?: {ENOENT}",),
        verdict="crun cannot start anything: the v1 cpuset hierarchy is not mounted at /sys/fs/cgroup/cpuset",
        cause="The kernel lists a cpuset hierarchy for this process, so crun initialises cpuset even without a limit.",
        remedy=("mkdir -p /sys/fs/cgroup/cpuset && mount -t cgroup -o cpuset cgroup /sys/fs/cgroup/cpuset",),
        reference=V1_DOC,
        confirm=look.not_mounted,
        rank=34,
    ),
    Entry(
        code="limits-written-to-tmpfs",
        title="a controller directory is a plain folder: limits are written into ordinary files",
        verdict="{path} is a plain directory, not a cgroup mount: limits written there have no effect",
        cause="crun creates the missing files and directories in the tmpfs and reports success, but the kernel never "
        "sees the limit. Engines leave such directories behind for controllers that are not mounted.",
        remedy=("rm -r {path}", "or mount the controller there: mount -t cgroup -o {controller} cgroup {path}"),
        reference=V1_DOC,
        foresee=look.plain_directories,
    ),
)

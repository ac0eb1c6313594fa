"""LXC, LXD and Incus: their own failures with cgroups and mounts, and what they deny to engines inside."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, EPERM, Entry

ENTRIES = (
    Entry(
        code="lxc-cgroup-name-taken",
        title="LXC takes another name for a cgroup that exists",
        patterns=(r"File exists - (?:Creating the final cgroup|Failed to create (?:monitor|container) cgroup)[^\n]*",),
        verdict="a cgroup of this container's name is left from before; LXC takes the next name",
        cause="The container was killed or restarted, and its old cgroup is not empty. The reason for a failed start "
        "is in another line.",
        remedy=(
            "Look for the first ERROR line of the log, and explain that one.",
            "find /sys/fs/cgroup -name 'lxc.*' -empty: a reboot, or rmdir, removes what is left.",
        ),
        reference="https://github.com/lxc/lxc/blob/main/src/lxc/cgroups/cgfsng.c",
        rank=53,
    ),
    Entry(
        code="lxc-cannot-make-cgroups",
        title="LXC cannot make the container's cgroups",
        patterns=(
            r"cg(?:fs|fsng|manager)\.c: ?\w*: ?\d+:? (?:[^\n]*- )?(?:[Ff]ailed to create|Could not create)[^\n]*",
            (
                r"cg(?:fs|fsng|manager)\.c(?![^\n]*bpf)[^\n]*(?:Couldn't|Failed|No such file|Permission "
                r"denied|Read-only|not "
                r"enable|controller found)[^\n]*"
            ),
            (
                r"lxc_(?:spawn|init)[^\n]*[Ff]ailed (?:creating cgroups|to (?:initialize|create|setup) "
                r"(?:cgroup|cgroups)(?!2 device)[^\n]*"
                r"|initializing cgroup support)"
            ),
            r"[Nn]o cgroup controllers (?:configured|found)[^\n]*",
            r"[Ff]ailed initializing cgroup support",
            r"Failed to (?:enter|attach to) (?:monitor|container) cgroup",
            r"Could not set clone_children to 1 for cpuset hierarchy",
            r"Could not find writable mount point for cgroup hierarchy \d+",
            r"cgroup error\? +\d+ cgroups with this name already running",
        ),
        verdict="LXC could not make the container's cgroups",
        cause="An unprivileged user needs cgroups that are his own: a systemd session with delegation (cgroup2), or "
        "libpam-cgfs (v1). As root: no cgroup file system is mounted, a controller is missing, or cgroups of an "
        "earlier container are left. Inside a container cgroups are read-only.",
        remedy=(
            (
                "Unprivileged, cgroup2: systemd-run --user --scope -p Delegate=yes -- lxc-start NAME; loginctl "
                "enable-linger"
            ),
            (
                "Unprivileged, v1: apt-get install libpam-cgfs, log in again (umask 077: chmod g+rx the directories "
                "it made)."
            ),
            "Root: lxc-checkconfig; grep cgroup /proc/self/mountinfo; systemctl status lxcfs; LXC 4.0.11 or later.",
        ),
        reference="https://linuxcontainers.org/lxc/getting-started/",
        tell="cat /proc/self/cgroup; ls -ld /sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup | tail -1)",
        rank=54,
    ),
    Entry(
        code="lxc-limit-refused",
        title="LXC could not write a limit of the container's configuration",
        patterns=(
            r"Error setting cgroup \S+ limit type (?P<key>[\w.]+)",
            r"Error setting (?P<key3>[\w.]+) to \S+ for \S+",
            r"[Ff]ailed to set ?up (?:the )?(?:legacy |unified )?cgroups? (?:device )?limits",
            r"Failed to set \"(?P<key2>[\w.]+)\" to \"[^\"\n]*\"",
        ),
        verdict="LXC could not write a limit of the container's configuration into its cgroup",
        cause="The key is of the other cgroup version (lxc.cgroup. is v1, lxc.cgroup2. is cgroup2), its controller is "
        "missing here, the kernel refuses the value (a throttle on a partition or a device that is gone), or the user "
        "may not write it.",
        remedy=(
            "Take out the lxc.cgroup keys one by one, until the container starts; the log's line before names the key.",
            "cgroup2: lxc.cgroup2.memory.max, .cpu.weight, .io.max; throttles name a whole disk as MAJOR:MINOR.",
            "memory.* on Debian 8 and boards: cgroup_enable=memory swapaccount=1 on the kernel command line.",
        ),
        reference="https://linuxcontainers.org/lxc/manpages/man5/lxc.container.conf.5.html",
        tell="grep lxc.cgroup the container's config; stat -fc %T /sys/fs/cgroup; dmesg | tail",
        rank=53,
    ),
    Entry(
        code="lxd-limit-ignored",
        title="LXD or Incus says which limits this host cannot enforce",
        patterns=(
            r"Couldn't find the CGroup (?P<controller>[\w ]+?) controller[^\n]*ignored",
            r"CGroup (?P<controller2>memory swap) accounting is disabled[^\n]*ignored",
            r"Error reading host's (?P<controller3>cpuset)\.cpus",
        ),
        verdict="a notice: LXD found no {controller} controller, and will not enforce such limits",
        cause="The kernel lacks the controller or has it switched off at boot, its hierarchy is not mounted, or it is "
        "not delegated to LXD's own cgroup (LXD in a container). Containers start, without these limits.",
        remedy=(
            "grep . /proc/cgroups; grep cgroup /proc/self/mountinfo; cat /sys/fs/cgroup/cgroup.controllers",
            "Swap on v1: swapaccount=1 on the kernel command line; memory on boards: cgroup_enable=memory.",
            "Snap: snap restart lxd (or: systemctl restart lxd) once the controller is there.",
        ),
        reference="https://github.com/canonical/lxd/issues/4219",
        rank=84,
    ),
    Entry(
        code="systemd-bus-closed-in-container",
        title="systemctl reaches no systemd: in a container, another program is the first process",
        patterns=(r"Failed to get D-Bus connection: (?:Operation not permitted|No such file or directory)",),
        verdict="systemctl finds no systemd here",
        cause="The container's first process is not systemd, or systemd could not start because it may not write to "
        "its cgroups (CentOS 7 images).",
        remedy=(
            "Start the service's program itself, as images are meant to.",
            (
                "podman run --systemd=always IMAGE /sbin/init; docker: --privileged --cgroupns=host "
                "-v /sys/fs/cgroup:/sys/fs/cgroup:rw IMAGE /usr/sbin/init, and systemd 247 or later on cgroup2"
            ),
        ),
        reference="https://github.com/docker-library/docs/tree/master/centos",
        rank=55,
    ),
    Entry(
        code="apparmor-profile-not-loaded",
        title="the engine cannot load its AppArmor profile",
        patterns=(
            r"Kernel needs AppArmor 2\.4 compatibility patch",
            r"AppArmor enabled on system but the \S+ profile could not be loaded[^\n]*",
            r"apparmor_parser(?!\\?\" requested_mask)[^\n]*(?:exit status \d+|failed|denied|Access denied)[^\n]*",
            r"[Ff]ailed to load (?:the )?(?:default )?(?:AppArmor|apparmor) profile[^\n]*",
            r"[Uu]nable to (?:replace|add) \"[^\"\n]*\"\. +(?:Permission denied|Profile doesn't conform)[^\n]*",
            r"install (?:default )?(?:AppArmor|apparmor) profile[^\n]*",
        ),
        verdict="the engine could not load its AppArmor profile into the kernel",
        cause="Inside LXC and other containers securityfs is closed or shows the host's; or the package apparmor "
        "(apparmor_parser) is missing, older than the kernel, or its abstractions are not installed.",
        remedy=(
            "apt-get install apparmor apparmor-utils; systemctl restart apparmor docker",
            (
                "Proxmox, LXC: features nesting=1, and lxc.apparmor.profile: unconfined if that does not do; LXD, "
                "Incus: security.nesting=true"
            ),
            "Without AppArmor for one container: --security-opt apparmor=unconfined",
        ),
        reference="https://github.com/moby/moby/issues/25488",
        rank=52,
    ),
    Entry(
        code="nspawn-cgroup-not-made",
        title="systemd-nspawn cannot make the cgroup of its container",
        patterns=(
            r"Failed to create (?P<path>\S[^\n]*?) subcgroup: [^\n]*",
            r"Failed to chown\(\) cgroup (?P<path2>[^\n:]+): [^\n]*",
        ),
        verdict="systemd-nspawn cannot make or give away the cgroup {path} of its container",
        cause="No such file: nspawn itself runs in a container that sees its cgroup under the host's path. Not "
        "supported, busy: the parent is threaded or has processes (many containers started at once raced in systemd "
        "243). Not permitted, read-only: an outer container owns the cgroups.",
        remedy=(
            (
                "In docker: docker run --privileged --cgroupns=private; or systemd-nspawn --keep-unit with a scope of "
                "its own."
            ),
            "Start the containers one after the other; upgrade systemd.",
        ),
        reference="https://github.com/systemd/systemd/issues/13400",
        tell="cat /proc/self/cgroup; ls -d /sys/fs/cgroup$(cut -d: -f3- /proc/self/cgroup | tail -1)",
        rank=18,
    ),
    Entry(
        code="lxcfs-ended",
        title="lxcfs ended under running containers",
        patterns=(
            (
                r"(?P<path>/proc/(?:cpuinfo|meminfo|stat|uptime|swaps|diskstats|loadavg)\b)[^\n]*Transport endpoint "
                r"is not connected"
            ),
            r"(?P<path2>/var/lib/(?:lxc/)?lxcfs\S*)[^\n]*Transport endpoint is not connected",
            r"Error: /proc must be mounted\s+To mount /proc at boot",
        ),
        verdict="lxcfs, which gives containers a /proc of their own, ended: its files in the container are dead",
        cause="lxcfs is a FUSE file system of the host. If it crashes, is restarted or its package is upgraded, the "
        "mounts of containers that run already are not renewed: uptime, free and top fail there, and programs that "
        "read /proc/meminfo or /proc/cpuinfo end.",
        remedy=(
            (
                "systemctl start lxcfs on the host, and restart the containers. In one that must not stop: umount "
                "the files "
                "(umount /proc/meminfo /proc/cpuinfo /proc/stat /proc/uptime), which shows the host's values."
            ),
            "Reload it, do not restart it: systemctl reload lxcfs, or kill -USR1 its process.",
            (
                "In docker, Kubernetes: mount all of /var/lib/lxcfs with propagation HostToContainer (rslave), not "
                "its files."
            ),
        ),
        reference="https://github.com/lxc/lxcfs/issues/73",
        tell="systemctl status lxcfs; grep lxcfs /proc/self/mountinfo",
        rank=60,
    ),
    Entry(
        code="lxc-proc-not-mountable",
        title="a nested LXC container may not mount proc",
        patterns=(
            rf"(?:{EACCES}|{EPERM}) - (?:Failed to mount proc onto|error mounting proc on) [^\n]*/lxc/proc[^\n]*",
        ),
        verdict="the nested container may not mount proc: the outer container does not allow nesting",
        cause="LXC mounts a proc of its own before it starts the container. AppArmor's profile of the outer container "
        "forbids that unless nesting is on. The messages about hooks that follow are its consequences.",
        remedy=(
            "LXD, Incus: lxc config set OUTER security.nesting true; lxc restart OUTER",
            "Proxmox: features nesting=1. Plain LXC: lxc.include = /usr/share/lxc/config/nesting.conf",
        ),
        reference="https://github.com/canonical/lxd/issues/3863",
        tell="dmesg | grep -i 'denied.*mount' on the outermost host",
        rank=40,
    ),
    Entry(
        code="lxc-proc-covered",
        title="LXC may not mount proc: the /proc outside is covered",
        patterns=(
            r"Operation not permitted - (?:Failed to mount \\?\"?proc\\?\"? on(?:to)?|error mounting proc on) [^\n]*",
        ),
        verdict="LXC may not mount proc for the container (EPERM)",
        cause="In a user namespace the kernel allows a new proc only where the one outside is visible in full. "
        "Something is mounted over a part of the host's /proc, or hidepid is set, or LXC runs in a container itself.",
        remedy=(
            "grep ' /proc' /proc/self/mountinfo on the host: umount what lies over parts of /proc.",
            "In a container: Proxmox nesting=1; LXD, Incus: security.nesting=true; docker: --privileged.",
        ),
        reference="https://github.com/tteck/Proxmox/issues/2994",
        tell="grep ' /proc' /proc/self/mountinfo: more than one line?",
        rank=40,
    ),
)

"""What LXC finds of cgroup hierarchies on its host, and what it may mount of them in the container."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, EBUSY, EINVAL, ENOENT, ENOTDIR, EPERM, EROFS, Entry

REFUSED = rf"(?:{EPERM}|{EACCES}|{EROFS}|{EBUSY}|{EINVAL})"

ENTRIES = (
    Entry(
        code="lxc-finds-no-hierarchy",
        title="LXC finds no hierarchy of cgroups that it needs",
        patterns=(
            r"no (?P<controller>[\w=]+) controller mountpoint found",
            r"lxc[^\n]{0,60}[Nn]o cgroups? mounted(?: on the system)?",
            (
                r"(?:[Cc]ould ?n[o']t|[Ff]ailed to) find (?:a )?(?:cgroup|hierarchy|controller) (?:mount|for) "
                r"[^\n]{0,40}lxc[^\n]*"
            ),
            r"Failed to initialize cpuset for '?(?P<path>/[^'\n]*)",
            r"failed to find current cgroup for subsystem '(?P<controller2>\w+)'",
            (
                r"[Nn]o such file or directory - [Ff]ailed to create "
                r"/sys/fs/cgroup/(?P<controller3>systemd|[a-z_,]+)//?lxc/"
            ),
        ),
        verdict="LXC finds no mounted hierarchy for a controller that it needs, or for systemd's named one",
        cause="Hosts without systemd (sysvinit, OpenRC, runit, boards) mount no cgroups, or not all: LXC 1 and 2 want "
        "every controller of v1 and name=systemd. On a host with cgroup2 alone LXC before 3 finds nothing.",
        remedy=(
            (
                "Debian, Devuan: apt-get install cgroupfs-mount; OpenRC: rc_cgroup_mode=hybrid (or unified) in "
                "/etc/rc.conf, rc-update add cgroups."
            ),
            "mkdir -p /sys/fs/cgroup/systemd; mount -t cgroup -o none,name=systemd systemd /sys/fs/cgroup/systemd",
            "Upgrade LXC: 2.0.1 on needs no systemd, 4.0 on knows cgroup2. memory: cgroup_enable=memory at boot.",
        ),
        reference="https://github.com/lxc/lxc/issues/952",
        tell="grep cgroup /proc/self/mountinfo; cat /proc/cgroups; lxc-start --version; lxc-checkconfig",
        rank=48,
    ),
    Entry(
        code="lxc-cannot-mount-cgroups",
        title="LXC cannot mount cgroups into the container",
        patterns=(
            (
                rf"{REFUSED} - (?:error bind-mounting|Failed to (?:bind-)?mount|Failed to create cgroup "
                rf"at_mnt|error mounting)"
                r"[^\n]*cgroup[^\n]*"
            ),
            rf"(?:{ENOENT}|{ENOTDIR}) - (?:Failed to create cgroup at_mnt|Failed to mount \"?/sys/fs/cgroup)[^\n]*",
            r"cgf(?:s|sng)\.c:?[^\n]*(?:mount_cgroup|cgfsng_mount|cgroupfs_mount)[^\n]*",
        ),
        verdict="LXC cannot mount the cgroups of the container at its /sys/fs/cgroup",
        cause="EACCES, EPERM: an AppArmor profile (also that of an outer container), or one that an upgrade of LXC or "
        "lxcfs left in its old form. ENOENT: the host has another layout than lxc.mount.auto expects: cgroup2 alone "
        "with an old LXC, or no name=systemd hierarchy on a host without systemd.",
        remedy=(
            "dmesg | grep -i 'apparmor.*denied'; systemctl restart apparmor lxcfs lxd (lxc); reboot after an upgrade.",
            (
                "Nested: security.nesting=true (LXD, Incus), features nesting=1 (Proxmox), lxc.include = "
                "/usr/share/lxc/config/nesting.conf."
            ),
            (
                "Layout: lxc.mount.auto = cgroup:mixed, or empty where the container's init mounts them; OpenRC hosts: "
                "rc_cgroup_mode=unified, or mount name=systemd at /sys/fs/cgroup/systemd on the host."
            ),
        ),
        reference="https://linuxcontainers.org/lxc/manpages/man5/lxc.container.conf.5.html",
        tell="grep cgroup /proc/self/mountinfo on the host; dmesg | grep -i denied",
        rank=49,
    ),
    Entry(
        code="lxc-manager-refused",
        title="cgmanager does not make the cgroups of an LXC container",
        patterns=(
            r"cgmanager_(?!set_value|get_value)\w+_sync failed: [^\n]*",
            r"[Ff]ailed to create (?P<controller>(?:name=)?\w+):\S*lxc/\S*|Error creating cgroup (?:name=)?\w+:[^\n]*",
            r"cgmanager[^\n]*(?:NIH_DBUS|[Cc]ould not connect|Connection refused|not running)[^\n]*",
        ),
        verdict="cgmanager, through which LXC 1 makes its cgroups, refused one of them",
        cause="LXC 1 asks cgmanager for a cgroup in every hierarchy of /proc/self/cgroup, also in named ones that "
        "another program made (docker's dsystemd, openrc, elogind) and that cgmanager does not know; or it is not "
        "running, or the user owns no cgroup.",
        remedy=(
            "lxc.cgroup.use = freezer,memory,cpu,cpuset,devices in /etc/lxc/lxc.conf leaves such hierarchies out.",
            "Upgrade to LXC 2 or later, which does without cgmanager; apt-get remove cgmanager; reboot.",
            "systemctl status cgmanager; log in again (libpam-cgm) for unprivileged containers.",
        ),
        reference="https://github.com/lxc/lxc/issues/1367",
        tell="cat /proc/self/cgroup: does it list a name that is not a controller? lxc-start --version",
        rank=47,
    ),
    Entry(
        code="lxd-image-needs-v1",
        title="the image needs cgroup v1, and the LXD or Incus host has cgroup2 alone",
        patterns=(r"image used by this instance requires a CGroupV1 host",),
        verdict="LXD or Incus refuses the image: its systemd needs cgroup v1, and this host has cgroup2 alone",
        cause="Images of CentOS 7, Oracle Linux 7, Amazon Linux 2 and Ubuntu 16.04 are marked with "
        "requirements.cgroup=v1, because their systemd does not know cgroup2.",
        remedy=(
            "Run it as a virtual machine: incus launch IMAGE NAME --vm (lxc launch ... --vm), or take a newer release.",
            "LXD, and Incus before 7.0: boot the host with systemd.unified_cgroup_hierarchy=0 (systemd before 258).",
        ),
        reference="https://github.com/zabbly/incus/issues/53",
        tell="stat -fc %T /sys/fs/cgroup on the host; incus config get NAME image.requirements.cgroup",
        rank=30,
    ),
)

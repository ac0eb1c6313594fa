"""Units with a sandbox in containers, managers of users, wrappers around podman and LXD, steps of Slurm's jobs."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, EINVAL, ENOENT, EPERM, Entry

ENTRIES = (
    Entry(
        code="unit-sandbox-in-container",
        title="a unit's sandbox covers /proc or /sys, and this container does not let it",
        patterns=(
            (
                r"Failed to set up mount namespacing: (?:/run/systemd/(?:unit-root|mount-rootfs))?"
                rf"(?P<path>/(?:proc|sys|dev)/[^\n:]*): (?:{ENOENT}|{EACCES}|{EPERM}|{EINVAL})"
            ),
        ),
        verdict="systemd may not cover {path} for the unit, as settings like ProtectKernelTunables= and "
        "ProtectHostname= ask",
        cause="In an unprivileged or nested container (LXC, LXD, Proxmox, docker) parts of /proc and /sys are "
        "not there or may not be mounted over. No path of the unit is missing.",
        remedy=(
            (
                "Proxmox: features nesting=1; LXD, Incus: security.nesting=true; LXC: lxc.apparmor.profile = "
                "generated with lxc.apparmor.allow_nesting = 1; restart the container."
            ),
            (
                "Or without that part: systemctl edit UNIT, [Service] ProtectKernelTunables=no "
                "ProtectKernelModules=no ProtectKernelLogs=no ProtectControlGroups=no ProtectHostname=no "
                "PrivateDevices=no."
            ),
        ),
        reference="https://github.com/lxc/lxc/issues/4052",
        tell="systemd-detect-virt; systemctl cat UNIT | grep -E '^(Protect|Private|Restrict|System)'",
        rank=36,
    ),
    Entry(
        code="user-manager-may-not-start",
        title="the systemd of a user does not start",
        patterns=(r"Failed to fully start up daemon: (?P<errno>[^\n]+)",),
        verdict="the user's systemd (user@UID.service) could not start: {errno}",
        cause="EACCES: /run/user/UID, or a directory above it, is not the user's or is closed (a restore or "
        "chmod of /run, a umask), or SELinux. ENOENT: /run/user/UID was not made (user-runtime-dir@UID "
        "failed, PAM without pam_systemd). ENOSPC: inotify or the file system of /run.",
        remedy=(
            (
                "ls -ld / /run /run/user /run/user/UID: 755, and the last one 700 and the user's; systemctl restart "
                "user-runtime-dir@UID user@UID."
            ),
            (
                "After a change of rights below /run: reboot (it is made again). journalctl -b -u user@UID shows the "
                "step before."
            ),
        ),
        reference="user@.service(5)",
        rank=40,
    ),
    Entry(
        code="lxc-foreign-cgroup-mount",
        title="LXC meets a cgroup mount outside /sys/fs/cgroup",
        patterns=(
            r"Failed parsing mountpoint from [^\n]*cgroup[^\n]*",
            r"Found hierarchy not under /sys/fs/cgroup[^\n]*",
        ),
        verdict="a cgroup file system is mounted where LXC does not expect one",
        cause="LXC 3 takes every cgroup mount of the host for a hierarchy and wants them below /sys/fs/cgroup, "
        "one directory for each. Somebody mounted cgroup2 at a place of his own, or v1's controllers all "
        "at /sys/fs/cgroup itself.",
        remedy=(
            "grep cgroup /proc/self/mountinfo; umount the foreign one.",
            (
                "All controllers in one mount (Alpine, boards): rc_cgroup_mode=hybrid or unified; apt-get install "
                "cgroupfs-mount; upgrade LXC (4.0 on)."
            ),
        ),
        reference="https://github.com/lxc/lxc/issues/3096",
        rank=46,
    ),
    Entry(
        code="device-tty-not-there",
        title="the container is to get the caller's terminal, and there is none",
        patterns=(
            rf"create device [`'\"]?/dev/(?P<name>tty|console)[`'\"]?: (?:no such device or address|{ENOENT}|ENXIO)",
        ),
        verdict="/dev/{name} cannot be opened: the calling process has no terminal",
        cause="Rootless --privileged binds each device of the host; /dev/tty opens only for a process with a "
        "controlling terminal (not in CI, cron, ssh without -t). podman 4.4 did not leave it out.",
        remedy=(
            "Upgrade podman and crun; or without --privileged: --security-opt label=disable --cap-add=... --device=...",
            "ssh -t, script -qc 'podman run ...' /dev/null give it a terminal.",
        ),
        reference="https://github.com/containers/podman/issues/17163",
        rank=40,
    ),
    Entry(
        code="slurm-memory-limit-touched",
        title="Slurm notes that a step was at its memory limit",
        patterns=(r"Exceeded (?:step|job) memory limit at some point[^\n]*",),
        verdict="the step's cgroup was at its limit, with the page cache of files counted: a notice, not a kill",
        cause="memory.failcnt of the cgroup is not 0. Writing or reading files fills the cache up to the limit, "
        "and the kernel frees it again. A process that was killed has another line (oom-kill).",
        remedy=(
            "sacct -j JOB -o JobID,State,ExitCode,MaxRSS: COMPLETED means that nothing was lost.",
            "If it was killed (OUT_OF_MEMORY, signal 9): more --mem.",
        ),
        reference="https://slurm.schedmd.com/cgroup.conf.html",
        rank=24,
    ),
    Entry(
        code="gid-map-refused",
        title="the runtime may not write the ids of the container's user namespace",
        patterns=(
            rf"(?:writing file|cannot write to) [`'\"]?/proc/(?:\d+|self)/(?:uid|gid)_map[`'\"]?: (?:{EPERM}|{EINVAL})",
        ),
        verdict="the map of ids is refused: newuidmap or newgidmap did not write it, or it names an id twice",
        cause="More than one id needs newuidmap and newgidmap with subordinate ids: /etc/subgid has no range for "
        "the user (or another than /etc/subuid), these programs are missing in this container, or the ids "
        "are not mapped outside. Old crun (before 0.12) failed so with --userns=keep-id.",
        remedy=(
            "grep $USER /etc/subuid /etc/subgid: both with a range; type newuidmap newgidmap; podman system migrate.",
            "Nested: --userns=host inside, or ranges that the outer /proc/self/gid_map holds. Upgrade crun.",
            "firejail: --ignore=noroot; a newer firejail (0.9.70).",
        ),
        reference="https://github.com/containers/podman/blob/main/troubleshooting.md",
        rank=48,
    ),
)

"""Programs that expect another layout of cgroups than the host has: v1 alone, or a session's hierarchy."""

from __future__ import annotations

from shim.diagnose.entry import ENOENT, Entry

ENTRIES = (
    Entry(
        code="cgroup-library-of-v1-only",
        title="Kata, Singularity or another program from before cgroup2 finds no v1 hierarchy",
        patterns=(
            (
                r"(?:sandbox (?:cgroup|resource controller)|virtcontainers|kata|[Ss]ingularity|[Aa]pptainer|cgroups "
                r"res+ources restriction|sysbox|firecracker|garden|nomad)[^\n]*cgroup mountpoint does not exist"
            ),
        ),
        verdict="the program looks for hierarchies of v1, and none is mounted: this version does not know cgroup2",
        cause="Its library for cgroups (containerd's) was one for v1 alone until 2021 or 2022: Kata before 2.5, "
        "Singularity before 3.9. On a host with cgroup2 it finds nothing. Or no cgroups are mounted at all (RHEL 6, "
        "SLES 11, a chroot, a container).",
        remedy=(
            "cgroup2 host: upgrade Kata (2.5 or later), Singularity (SingularityCE 3.9, Apptainer) or the program.",
            "Until then: systemd.unified_cgroup_hierarchy=0 on the kernel's command line, where systemd still has it.",
            (
                "None mounted: RHEL 6: yum install libcgroup; service cgconfig start; Debian: apt-get install "
                "cgroupfs-mount."
            ),
        ),
        reference="https://github.com/kata-containers/kata-containers/issues/3038",
        tell="stat -fc %T /sys/fs/cgroup: cgroup2fs? grep cgroup /proc/self/mountinfo",
        rank=30,
    ),
    Entry(
        code="session-cgroup-not-visible",
        title="the cgroup of a login session without systemd is not where programs look",
        patterns=(
            (
                rf"(?:stat|lstat|open|openat2) "
                rf"(?P<path>/sys/fs/cgroup/(?:systemd|elogind|openrc)/(?:org/freedesktop/|c?\d+\b)[^\s:]*): "
                rf"{ENOENT}"
            ),
        ),
        verdict="the session's cgroup {path}, which /proc/self/cgroup names, is not there",
        cause="Without systemd a session manager (ConsoleKit, elogind, OpenRC) puts each login into a hierarchy of its "
        "own, and this one is mounted elsewhere, under another name, or was removed when the session ended.",
        remedy=(
            (
                "cat /proc/self/cgroup; grep cgroup /proc/self/mountinfo. Mount it: mkdir -p "
                "/sys/fs/cgroup/systemd; mount -t cgroup -o none,name=systemd systemd /sys/fs/cgroup/systemd; "
                "then log in again."
            ),
            "podman: --cgroup-manager=cgroupfs, or --cgroups=disabled (no limits); upgrade podman.",
            "Or cgroup2 alone: rc_cgroup_mode=unified in /etc/rc.conf (OpenRC).",
        ),
        reference="https://github.com/containers/podman/issues/4648",
        rank=30,
    ),
)

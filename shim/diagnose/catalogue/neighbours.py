"""Other programs that use cgroups: batch systems, sandboxes, libvirt, the cgroup tools."""

from __future__ import annotations

from shim.diagnose.entry import V1_NAMES, Entry

ENTRIES = (
    Entry(
        code="cgroup-mounts-not-found",
        title="a program finds no cgroup mount that it can use",
        patterns=(
            r"[Ff]ailed to (?:find|get) (?:any )?(?:supported )?cgroup (?:mounts|subsystems)[^\n]*",
            r"cgroup mountpoint does not exist",
            (
                r"cgcreate: [^\n]*|cgexec: [^\n]*|cgroup change of group failed[^\n]*|libcgroup initialization "
                r"failed[^\n]*"
            ),
            r"[Cc]group is not mounted|[Cc]group, requested group parameter does not exist",
            rf"cgroup namespace '(?P<controller>{V1_NAMES})' not mounted",
            r"system configuration does not support cgroup management",
            r"[Cc]ould not find cgroup (?:mount|root|controller)[^\n]*",
            r"no cgroup (?:mounts?|subsystems?) (?:found|available)[^\n]*",
            r"cgroups? v?1? ?(?:is|are) not (?:mounted|available|enabled)[^\n]*",
        ),
        verdict="the program finds no cgroup file system of the version that it knows",
        cause="It expects v1 hierarchies on a host with cgroup2 only (or the other way round), /sys/fs/cgroup is not "
        "mounted (chroot, a container without it), or it is told another mount point.",
        remedy=(
            "grep cgroup /proc/self/mountinfo. Upgrade the program to a version that knows cgroup2.",
            "In a container: -v /sys/fs/cgroup:/sys/fs/cgroup:ro (monitoring), or --cgroupns=host.",
            "Old programs: systemd.unified_cgroup_hierarchy=0 on the kernel's command line, while the kernel has v1.",
        ),
        reference="cgroups(7)",
        rank=60,
    ),
)

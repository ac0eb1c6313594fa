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
            r"cgcreate: [^\n]*|cgexec: [^\n]*|cgroup change of group failed[^\n]*|libcgroup initialization failed[^\n]*",
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
    Entry(
        code="batch-system-cgroups",
        title="a batch system (Slurm, Nomad, HTCondor) cannot use its cgroups",
        patterns=(
            r"slurm(?:d|stepd)[^\n]*\bcgroup[^\n]*",
            r"[Cc]ontroller \w+ is not enabled!?|cgroup/v[12] plugin[^\n]*|Cannot initialize cgroup plugin[^\n]*",
            r"nomad[^\n]*cgroup[^\n]*",
        ),
        verdict="the batch system cannot set up its cgroups",
        cause="The controller is not delegated to the daemon's unit (cgroup2), not mounted or switched off (v1), or the "
        "daemon was started outside a unit of systemd that hands on its cgroup.",
        remedy=(
            "systemctl edit the daemon: [Service] Delegate=yes; cat cgroup.controllers in its cgroup: is it there?",
            "Slurm: CgroupPlugin=autodetect, and EnableControllers=yes in cgroup.conf.",
        ),
        reference="https://slurm.schedmd.com/cgroup_v2.html",
        rank=64,
    ),
    Entry(
        code="libvirt-cgroups",
        title="libvirt cannot make or set a machine's cgroup",
        patterns=(
            r"(?:virCgroup\w+|libvirt)[^\n]*[Cc](?:group|ontroller)[^\n]*",
            r"Failed to create controller \w+ for group[^\n]*",
            r"Unable to write to '(?P<path>/sys/fs/cgroup/[^'\n]+)'[^\n]*",
        ),
        verdict="libvirt cannot make or set a cgroup",
        cause="The controller is missing, the cgroup was removed by systemd, or the values do not fit (cpu.shares above "
        "10000 on cgroup2). In a container /sys/fs/cgroup is read-only.",
        remedy=(
            "systemctl restart libvirtd; then start the machine again. cputune shares: 1 to 10000.",
            "In a container: --privileged, or cgroup_controllers = [] in qemu.conf.",
        ),
        reference="https://libvirt.org/cgroups.html",
        rank=64,
    ),
)

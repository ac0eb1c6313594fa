"""What sandboxes that run and judge foreign programs (isolate, DOMjudge, nsjail) say when they find no cgroups."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, EBUSY, ENOENT, EROFS, Entry

V1_BOX = r"/sys/fs/cgroup/(?:memory|cpuacct|cpuset|cpu,cpuacct)"

ENTRIES = (
    Entry(
        code="sandbox-needs-v1",
        title="a sandbox for judged programs looks for v1 hierarchies that the host does not have",
        patterns=(
            rf"Failed to create control group (?P<path>{V1_BOX}/box-\d+[^\s:]*): {ENOENT}",
            rf"Cannot write (?P<path2>{V1_BOX}/box-\d+/[^\s:]+): {ENOENT}",
        ),
        verdict="the sandbox cannot use {path}: it works with v1, and this host has no such hierarchy",
        cause="isolate before 2.0 (Judge0 1.13, CMS 1.4) knows v1 alone. The host boots with cgroup2, or its v1 "
        "lacks the "
        "memory controller (cgroup_enable=memory on Debian; from Linux 6.11 on, a kernel without CONFIG_MEMCG_V1).",
        remedy=(
            "isolate 2 with its service (systemctl enable --now isolate), and a CMS that uses it.",
            (
                "Judge0: on the host's kernel command line systemd.unified_cgroup_hierarchy=0 (systemd 256, 257: and "
                "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1; 258 has no v1 any more), reboot; workers privileged: true."
            ),
            "Without limits of memory for the whole group: isolate without --cg.",
        ),
        reference="https://github.com/ioi/isolate/issues/78, https://github.com/judge0/judge0/issues/543",
        tell="stat -fc %T /sys/fs/cgroup (cgroup2fs?); grep memory /proc/cgroups; isolate --version",
        rank=30,
    ),
    Entry(
        code="isolate-keeper-not-running",
        title="isolate's service, which holds its cgroup, does not run",
        patterns=(
            rf"Cannot open /run/isolate/cgroup: {ENOENT}",
            r"Cannot create subgroup (?P<path>/sys/fs/cgroup/[^\s:>]+)[^\n]*",
        ),
        verdict="isolate 2 has no cgroup to make its boxes in: isolate-cg-keeper does not run, or may not make one",
        cause="isolate.service writes the cgroup that systemd delegated to it into /run/isolate/cgroup. A "
        "container without "
        "systemd does not start it; in a container whose /proc/self/cgroup shows the host's path, the keeper "
        "looks for a "
        "directory that is not there.",
        remedy=(
            "systemctl enable --now isolate.service; systemctl status isolate",
            (
                "Container: --privileged, with --cgroupns=host and -v /sys/fs/cgroup:/sys/fs/cgroup:rw, or with "
                "--cgroupns=private and none of the host's /sys/fs/cgroup."
            ),
            "There: isolate-cg-keeper &, or: mkdir -p /run/isolate && echo /sys/fs/cgroup > /run/isolate/cgroup",
        ),
        reference="https://github.com/ioi/isolate/issues/150, https://github.com/cms-dev/cms/pull/1222",
        tell="cat /run/isolate/cgroup /proc/self/cgroup; mount | grep cgroup; isolate-check-environment",
        rank=30,
    ),
    Entry(
        code="judgehost-cgroups-not-ready",
        title="DOMjudge's judgehost cannot use cgroups",
        patterns=(
            r"cgroup support missing \w+ features in running kernel[^\n]*",
            r"Can not mount \w+ cgroup\. Probably cgroup support is missing[^\n]*",
            r"memory\.memsw\.limit_in_bytes: Cgroup, requested group parameter does not exist",
            rf"runguard: creating cgroup: (?:libcgroup: )?(?:{EACCES}|Unknown error|Failed to)[^\n]*",
            rf"deleting cgroup: libcgroup: {EBUSY}",
            r"missing cgroup hierarchy prefix under /proc/self/cgroup[^\n]*",
            rf"mkdir: cannot create directory '/sys/fs/cgroup/\w+/domjudge[^'\n]*': (?:{EROFS}|{EACCES}|{ENOENT})",
        ),
        verdict="the judgehost's cgroups are not there: the host counts no swap, boots with cgroup2, or they "
        "were not made",
        cause="DOMjudge needs v1 with memory and swap accounting; versions since the end of 2024 take cgroup2. "
        "create_cgroups "
        "makes the group for each judgedaemon at a start, which needs a privileged container that may write "
        "/sys/fs/cgroup. Two judgehosts with the same number and host name share a group, and delete each other's.",
        remedy=(
            (
                "v1: cgroup_enable=memory swapaccount=1 systemd.unified_cgroup_hierarchy=0 on the kernel command line, "
                "update-grub, reboot; cat /proc/cmdline shows whether it took effect. Or a DOMjudge that knows cgroup2."
            ),
            "Run bin/create_cgroups as root (systemctl enable --now create-cgroups).",
            (
                "docker: --privileged --cgroupns=host -v /sys/fs/cgroup:/sys/fs/cgroup (with :ro it cannot make its "
                "groups), and its own DAEMON_ID and --hostname."
            ),
        ),
        reference="https://www.domjudge.org/docs/manual/main/install-judgehost.html",
        tell="cat /proc/cmdline; grep memory /proc/cgroups; ls /sys/fs/cgroup/memory/memory.memsw.limit_in_bytes",
        rank=31,
    ),
    Entry(
        code="nsjail-parent-missing",
        title="nsjail's parent cgroup does not exist",
        patterns=(rf"mkdir\('(?P<path>/sys/fs/cgroup/[^'\n]*/NSJAIL\.\d+)'[^\n]*failed: {ENOENT}",),
        verdict="nsjail cannot make {path}: the cgroup above it does not exist",
        cause="On v1, nsjail makes one cgroup for each jail below a parent that somebody else must have made "
        "(/sys/fs/cgroup/memory/NSJAIL; cgroup_mem_parent, cgroup_pids_parent, cgroup_cpu_parent name another). "
        "On a host "
        "with cgroup2 alone the whole hierarchy is missing.",
        remedy=(
            "v1: mkdir /sys/fs/cgroup/memory/NSJAIL (pids, cpu) at each boot, owned by the user of nsjail.",
            "cgroup2: --use_cgroupv2 (or --detect_cgroupv2) and --cgroupv2_mount with a cgroup that is nsjail's own.",
        ),
        reference="https://github.com/google/nsjail/issues/178, https://github.com/google/nsjail/issues/196",
        tell="stat -fc %T /sys/fs/cgroup; ls -d /sys/fs/cgroup/*/NSJAIL",
        rank=30,
    ),
    Entry(
        code="nsjail-cgroup-not-its-own",
        title="nsjail may not use the cgroup that it was given on cgroup2",
        patterns=(
            r"nsjail MUST be the root process to use cgroups",
            r"Couldn't initialize cgroup 2 ?user namespace for pid",
        ),
        verdict="nsjail cannot enable controllers in its cgroup, or cannot move the jailed process out of it",
        cause="Busy: on cgroup2 a cgroup with processes cannot give controllers to its children, and in a "
        "container the "
        "shell and others are in the same one. Denied: to move a process, nsjail must be able to write cgroup.procs of "
        "the old cgroup, of the new one and of the one above both.",
        remedy=(
            (
                "Container: --privileged, and an entrypoint that first moves every process of "
                "/sys/fs/cgroup/cgroup.procs into "
                "/sys/fs/cgroup/init (mkdir, then echo each id into its cgroup.procs)."
            ),
            "As a user: systemd-run --user --scope -p Delegate=yes nsjail ..., with --cgroupv2_mount of that scope.",
        ),
        reference="https://github.com/google/nsjail/pull/219, https://github.com/google/nsjail/issues/196",
        tell="cat /proc/self/cgroup /sys/fs/cgroup/cgroup.procs; ls -ld the directory of --cgroupv2_mount",
        rank=30,
    ),
)

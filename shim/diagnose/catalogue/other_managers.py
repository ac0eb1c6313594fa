"""Who else manages cgroups: systemd's root, elogind, Mesos, LXC's disks; programs of two ages, containers of another
manager.
"""

from __future__ import annotations

from shim.diagnose.entry import EEXIST, EINVAL, Entry

ENTRIES = (
    Entry(
        code="root-cgroup-takes-no-limit",
        title="systemd writes an attribute to the root cgroup, which has none",
        patterns=(r"Failed to (?:re)?set '?(?P<file>[\w.]+)'?(?: attribute)? on '?/'?(?: to '[^'\n]*')?: [^\n]+",),
        verdict="the root cgroup takes no {file}: the line is noise and nothing is lost",
        cause="The kernel gives the root cgroup of a hierarchy no limits and no weights (EINVAL, ENOENT), and in "
        "a container its root may be read-only. systemd 239 to 241 tried it at each reload.",
        remedy=(
            "Nothing is to be done; a newer systemd does not try it.",
            (
                "A limit for the whole host belongs to slices: systemctl set-property system.slice user.slice "
                "MemoryMax=..."
            ),
        ),
        reference="https://github.com/systemd/systemd/issues/10969",
        rank=20,
    ),
    Entry(
        code="container-of-other-manager",
        title="a container was made under another cgroup manager than the one that is to start it",
        patterns=(r"(?<!call: )Invalid unit name '(?P<parent>[^'.\n]+)'",),
        ambiguous=(rf"sd-bus call: {EINVAL}",),
        verdict="the container keeps the cgroup parent it was made with, and that does not fit the manager in "
        "use now (systemd or cgroupfs)",
        cause="podman stores the cgroup manager and the parent of each container. Since then, cgroup_manager in "
        "containers.conf (or libpod.conf) was changed, or an upgrade changed its default. New containers start. Less "
        "often: --cgroup-parent does not name a slice, or systemd does not know a property.",
        remedy=(
            (
                "podman --cgroup-manager=cgroupfs start NAME (or =systemd) starts it once more; then replace it: "
                "podman rm NAME; podman run ..."
            ),
            (
                "journalctl -b -e (--user) shows what systemd refused. Is there an old setting? grep -rs "
                "cgroup_manager ~/.config/containers /etc/containers /usr/share/containers"
            ),
        ),
        reference="https://github.com/containers/podman/issues/7830",
        tell="podman inspect NAME -f '{{.HostConfig.CgroupManager}} {{.HostConfig.CgroupParent}}'; podman info "
        "-f '{{.Host.CgroupManager}}'",
        offer=1,
        rank=40,
    ),
    Entry(
        code="container-unit-left",
        title="systemd has a unit of the container's name already",
        patterns=(rf"sd-bus call: {EEXIST}", r"Unit is not active, refusing"),
        verdict="systemd still has the scope of this container, left by its last run",
        cause="A failed scope keeps its name until it is reset, and one with processes until they end. The "
        "container itself counts as stopped. youki finds it not active.",
        remedy=(
            (
                "systemctl --user list-units --all 'libpod-*' 'crun-*' (root: without --user); then systemctl --user "
                "stop UNIT; systemctl --user reset-failed UNIT."
            ),
            "If there are many: podman stop -a; systemctl --user reset-failed; or log in again. Upgrade crun.",
        ),
        reference="https://github.com/containers/podman/issues/5980",
        rank=30,
    ),
    Entry(
        code="elogind-without-hierarchy",
        title="elogind does not find, or may not write, the hierarchy that it puts sessions into",
        patterns=(
            r"elogind[^\n]{0,40}(?:Cannot determine cgroup we are running in|Failed to allocate manager object)[^\n]*",
            r"elogind[^\n]{0,40}Failed to (?:create|attach|mount|set up|remove)[^\n]{0,60}\bcgroups?\b[^\n]*",
            r"Failed to mount cgroup at /sys/fs/cgroup/(?:elogind|openrc)[^\n]*",
        ),
        verdict="elogind cannot use cgroups as it was built to: sessions are not made, or not put into a cgroup "
        "of their own",
        cause="elogind is built for one controller of sessions (openrc, or elogind itself) and started before "
        "its hierarchy is mounted, or on a host that mounts none (runit, a container with /sys/fs/cgroup "
        "read-only). A failed attach alone (EINVAL: musl builds before 241) does no harm.",
        remedy=(
            (
                "OpenRC: rc-update add cgroups sysinit; rc_cgroup_mode=unified (or hybrid) in /etc/rc.conf; cat "
                "/proc/self/cgroup must show a line of it; upgrade elogind."
            ),
            (
                "By hand, before elogind: mkdir -p /sys/fs/cgroup/elogind; mount -t cgroup -o none,name=elogind "
                "cgroup /sys/fs/cgroup/elogind; or cgroup2 on /sys/fs/cgroup."
            ),
            "In a container: --cgroupns=private with a writable /sys/fs/cgroup (docker: --privileged), or no elogind.",
        ),
        reference="https://github.com/elogind/elogind/issues/18",
        tell="cat /proc/1/cgroup; grep cgroup /proc/self/mountinfo; elogind --version",
        rank=25,
    ),
    Entry(
        code="lxc-mount-source-missing",
        title="a path that LXC or LXD is to mount is not there",
        patterns=(
            (
                r"No such file or directory - [Ff]ailed to mount '?(?P<source>/[^' \n]+)'? on(?:to)? "
                r"'?(?P<target>/[^' \n]+)"
            ),
            r"[Mm]issing source (?:path )?'?\"?(?P<source2>/[^'\"\n]+?)['\"]? for disk[^\n]*",
        ),
        verdict="LXC cannot mount {source}: the source, or the place for it in the container, does not exist",
        cause="The directory on the host was removed or is not mounted yet after a reboot, a snapshot or "
        "migration lacks it, or the target is missing in the container (an image without it, a symlink).",
        remedy=(
            "ls -ld the source on the host; lxc config device show NAME (incus ...), grep lxc.mount.entry the config.",
            (
                "LXC: add create=dir (file: create=file), optional to the options of lxc.mount.entry. LXD, Incus: "
                "lxc config device remove NAME DEVICE, or required=false."
            ),
            "A disk that is mounted later: start the container after it (systemd: RequiresMountsFor=).",
        ),
        reference="https://linuxcontainers.org/lxc/manpages/man5/lxc.container.conf.5.html",
        rank=44,
    ),
    Entry(
        code="podman-parent-slice-with-cgroupfs",
        title="podman is given a slice as the parent, and uses cgroupfs",
        patterns=(r"systemd slice received as cgroup parent when using cgroupfs",),
        verdict="podman's cgroup manager is cgroupfs, and the --cgroup-parent that it is given is a slice of systemd",
        cause="Who calls podman (Nomad's driver, Quadlet, the kubelet, a script) names a slice. podman uses "
        "cgroupfs because this host has no systemd, the user has no session, or containers.conf says so.",
        remedy=(
            (
                'With systemd: cgroup_manager = "systemd" in containers.conf; loginctl enable-linger USER; restart '
                "podman.socket."
            ),
            "Without: a plain path as the parent (--cgroup-parent /name), or a newer nomad-driver-podman (0.5.1 on).",
        ),
        reference="https://github.com/hashicorp/nomad-driver-podman/issues/274",
        tell="podman info -f '{{.Host.CgroupManager}} {{.Host.CgroupVersion}}'",
        rank=43,
    ),
    Entry(
        code="garden-mounts-hierarchies-of-v1",
        title="Concourse's or Cloud Foundry's garden wants v1, and the host has cgroup2",
        patterns=(
            r"bulk starter: mounting subsystem '(?P<controller>\w+)' in '[^'\n]*': [^\n]+",
            (
                r"find or create container on worker [^\n]*: runc run: [^\n]*error mounting \\*\"cgroup\\*\" to "
                r"rootfs[^\n]*"
            ),
        ),
        verdict="the worker's garden mounts cgroups as of v1, which a host with cgroup2 refuses",
        cause="Guardian (garden) of that release knows only v1, and mounts its hierarchies by itself.",
        remedy=(
            "Concourse: CONCOURSE_RUNTIME=containerd on the worker, and a current release.",
            "Or boot the worker's host with v1: systemd.unified_cgroup_hierarchy=0.",
        ),
        reference="https://github.com/concourse/concourse-docker/issues/74",
        tell="stat -fc %T /sys/fs/cgroup on the worker: cgroup2fs?",
        rank=20,
    ),
)

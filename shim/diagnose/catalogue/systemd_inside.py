"""systemd as the first process of a container, and cgroups that hold processes or remains."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, EBUSY, Entry

# No line of the text is about mounting a cgroup.
NO_CGROUP = r"\A(?!(?s:.)*(?:mount cgroup|control group|cgroup2? (?:is|not|hier)|Detected cgroup))"

ENTRIES = (
    Entry(
        code="systemd-finds-no-hierarchy",
        title="systemd in a container finds neither cgroup2 nor its v1 hierarchy",
        patterns=(r"Cannot determine cgroup we are running in: No medium found",),
        verdict="systemd in the container finds no cgroup hierarchy: neither cgroup2 nor name=systemd is mounted there",
        cause="On a host with v1, systemd needs the hierarchy name=systemd. Hosts without systemd (Synology and other "
        "NAS, WSL, Alpine) do not have it, and docker without --privileged does not show it.",
        remedy=(
            (
                "On the host: mkdir -p /sys/fs/cgroup/systemd && mount -t cgroup -o none,name=systemd cgroup "
                "/sys/fs/cgroup/systemd"
            ),
            "docker: docker run --privileged -v /sys/fs/cgroup:/sys/fs/cgroup --tmpfs /run ...",
            "A host that can: boot it with cgroup2 (systemd.unified_cgroup_hierarchy=1), which newer images expect.",
            "Or an image without systemd, or of an older release.",
        ),
        reference="https://github.com/robertdebock/docker-ubuntu-systemd/issues/3",
        tell="grep cgroup /proc/self/mountinfo in the container",
        rank=60,
    ),
    Entry(
        code="systemd-inside-older-than-layout",
        title="the systemd in the container is older than the host's cgroup layout",
        patterns=(r"Cannot determine cgroup we are running in: No data available",),
        verdict="the systemd in the container does not find itself in the host's hierarchies: it is older than their "
        "layout",
        cause="From 233 on a host's systemd may keep its own hierarchy as cgroup2 (at /sys/fs/cgroup/unified or "
        "systemd), from 247 on usually all of them. A systemd before 233 inside looks for v1's name=systemd alone.",
        remedy=(
            (
                "Boot the host with systemd.unified_cgroup_hierarchy=0 systemd.legacy_systemd_cgroup_controller=1 (not "
                "possible from systemd 258 on)."
            ),
            "nspawn: a newer systemd on the host, or: UNIFIED_CGROUP_HIERARCHY=no systemd-nspawn ...",
            "Or a newer release in the container.",
        ),
        reference="https://github.com/systemd/systemd/issues/4008",
        tell="the version in the line `systemd NNN running in system mode`; findmnt -t cgroup,cgroup2 on the host",
        rank=59,
    ),
    Entry(
        code="systemd-api-mounts-refused",
        title="systemd in a container may not mount /run, /dev and the like",
        patterns=(r"Failed to mount API filesystems",),
        beside=NO_CGROUP,
        verdict="systemd in the container may not mount its own file systems (/run, /tmp, /dev/...), so it stops",
        cause="It mounts what is not mounted yet, and that needs CAP_SYS_ADMIN. What the engine has mounted, it takes "
        "as it is.",
        remedy=(
            (
                "docker: --tmpfs /run --tmpfs /run/lock --tmpfs /tmp; on a v1 host also "
                "-v /sys/fs/cgroup:/sys/fs/cgroup:ro, on cgroup2 --cgroupns=host -v /sys/fs/cgroup:/sys/fs/cgroup:rw"
            ),
            "Or docker run --privileged; or --cap-add SYS_ADMIN (an old systemd, CentOS 7).",
            "podman: it does all that by itself: podman run --systemd=always.",
        ),
        reference="https://github.com/docker-library/docs/issues/846",
        rank=60,
    ),
    Entry(
        code="systemd-in-pod-without-cgroups",
        title="systemd in a pod may not make its cgroups",
        patterns=(rf"Failed to create cgroup /kubepods[^\n]*: {EACCES}|Failed to create /kubepods[^\n]*: {EACCES}",),
        beside=r"Failed to realize cgroups|queued unit|systemd\[1\]",
        verdict="systemd, the first process of this container, may not make cgroups in the pod's own",
        cause="The container's /sys/fs/cgroup is read-only or belongs to the host's root, or SELinux forbids it.",
        remedy=(
            "OpenShift, RHEL: setsebool -P container_manage_cgroup on, on each node.",
            "Kubernetes: securityContext.privileged: true (OpenShift: the SCC privileged for its service account).",
            "On cgroup2 with CRI-O: the annotation io.kubernetes.cri-o.cgroup2-mount-hierarchy-rw: 'true'.",
        ),
        reference="https://github.com/IBM/Db2/issues/21",
        tell="getsebool container_manage_cgroup; ls -ldZ /sys/fs/cgroup in the container",
        rank=36,
    ),
    Entry(
        code="root-of-namespace-holds-processes",
        title="a node's start script finds processes in the root of its cgroup namespace",
        patterns=(r"needs (?P<path>/sys/fs/cgroup)/cgroup\.procs to be empty",),
        verdict="processes are in {path} itself, so no controller can be enabled for the node's pods (cgroup2)",
        cause="Only a cgroup without processes hands controllers on. What docker exec starts, or an entrypoint that "
        "does not move itself, is in the root of the container's cgroup namespace.",
        remedy=(
            (
                "In the node: mkdir -p /sys/fs/cgroup/init && xargs -rn1 < /sys/fs/cgroup/cgroup.procs > "
                "/sys/fs/cgroup/init/cgroup.procs"
            ),
            "A private cgroup namespace: docker run --cgroupns=private; kind: a newer kind and node image.",
        ),
        reference="https://github.com/kubernetes-sigs/kind/pull/2410",
        rank=38,
    ),
    Entry(
        code="unit-cgroup-left-behind",
        title="a unit's cgroup is left from before, with cgroups in it",
        patterns=(
            rf"Couldn't move process \d+ to requested cgroup '(?P<path>[^'\n]+)': {EBUSY}",
            rf"Failed to add PIDs to scope's control group: {EBUSY}",
        ),
        verdict="no process may enter the unit's cgroup: it is left from before, and its children have controllers",
        cause="A container that was killed leaves cgroups inside its unit's cgroup. On cgroup2 a cgroup with "
        "controllers enabled for children takes no process (EBUSY). On v1, before Linux 3.11, neither does one that is "
        "frozen.",
        remedy=(
            "Stop what is left: systemctl kill UNIT (a user's: systemctl --user); systemd-cgls shows it.",
            "Remove the empty tree, from below: find /sys/fs/cgroup{path} -depth -type d -exec rmdir {{}} +",
            "Until then start it under another name.",
        ),
        reference="https://github.com/systemd/systemd/issues/37938",
        tell="find the unit's directory below /sys/fs/cgroup: does it have subdirectories?",
        rank=37,
    ),
    Entry(
        code="lxc-without-user-session",
        title="LXC finds no systemd session of the user",
        patterns=(
            r"Can't start an unprivileged container on a pure CGroups v2 host without a systemd user session[^\n]*",
        ),
        verdict="an unprivileged LXC container needs the user's own systemd, which does not run",
        cause="On cgroup2 the user's systemd makes the container's cgroup. It runs while the user is logged in, or "
        "lingers.",
        remedy=(
            "As root: loginctl enable-linger USER. Then log in as that user (ssh, machinectl shell), not with su.",
            "Where the shell has no session: export XDG_RUNTIME_DIR=/run/user/$(id -u)",
        ),
        reference="https://github.com/lxc/lxc/issues/4264",
        rank=40,
    ),
    Entry(
        code="user-systemd-may-not-move",
        title="the user's systemd may not move a process out of its login session",
        patterns=(
            (
                r"Couldn't move process \d+ to requested cgroup "
                r"'(?P<path>/user\.slice/[^'\n]*/user@\d+\.service/[^'\n]*)"
                rf"'[^\n]*: {EACCES}"
            ),
        ),
        verdict="the user's systemd may not move the process into {path}: it is in a login session, which root owns",
        cause="A process can be moved only below a cgroup that the user owns. A session of ssh or of a console is in "
        "session-N.scope, beside user@UID.service and not in it.",
        remedy=(
            "Start it below the user's systemd: systemd-run --user --scope -p Delegate=yes COMMAND",
            "Or let the program do so: Singularity 3.11.2 or later.",
        ),
        reference="https://github.com/sylabs/singularity/issues/1538",
        tell="cat /proc/self/cgroup: session-N.scope, or user@UID.service?",
        rank=44,
    ),
    Entry(
        code="selinux-keeps-systemd-from-cgroups",
        title="SELinux keeps the systemd of a container from its cgroups",
        patterns=(
            (
                rf"Failed to create (?P<path>/(?:machine\.slice|system\.slice|libpod_parent|docker)\S*) control group: "
                rf"{EACCES}"
            ),
            rf"Failed to install release agent, ignoring: {EACCES}",
        ),
        beside=r"libpod|machine\.slice|cgroup_t",
        verdict="the systemd in the container may not make its cgroups (EACCES): SELinux forbids it by default",
        cause="SELinux lets containers write to cgroups only if the boolean container_manage_cgroup is on.",
        remedy=(
            (
                "sudo setsebool -P container_manage_cgroup 1, and start it again (Fedora CoreOS: without -P, at each "
                "boot)."
            ),
            "To try it for one container: --security-opt label=disable.",
            "A path below /user.slice is of a rootless container on v1: boot with cgroup2, or run it as root.",
        ),
        reference="https://github.com/coreos/fedora-coreos-tracker/issues/397",
        tell="getsebool container_manage_cgroup; ausearch -m avc -ts recent | grep cgroup_t",
        rank=26,
    ),
)

"""User namespaces of rootless engines: whether they may be made, and which ids they get."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, EINVAL, ENOSPC, EPERM, Entry

ROOTLESS = "https://rootlesscontaine.rs/getting-started/common/subuid/"
MAPPER = r"new(?:uid|gid)map"

ENTRIES = (
    Entry(
        code="id-mapper-not-permitted",
        title="newuidmap may not write the ids of the user namespace",
        patterns=(
            rf"{MAPPER}: (?:write to|open of) (?:uid|gid)_map failed: (?:{EPERM}|{EACCES})",
            rf"{MAPPER}[^\n]*: Could not (?:set caps|prctl|open proc directory)",
            (
                rf"cannot set up namespace using \"?[^\"\n]*{MAPPER}\"?: [^\n]*(?:should have setuid or have filecaps|"
                rf"fork)"
            ),
            rf"cannot setup namespace using {MAPPER}",
        ),
        ambiguous=(
            rf"failed to use {MAPPER}",
            rf"(?:cannot set up namespace|failed to setup UID/GID map)[^\n]*{MAPPER}",
            rf"{MAPPER}[^\n]*exit status 1",
            rf"write (?:to )?[`'\"]?/proc/(?:self|\d+)/[ug]id_map[`'\"]?: (?:{EPERM}|{EACCES})",
        ),
        verdict="newuidmap cannot write the user namespace's ids: it lacks its setuid bit or capability, or an outer "
        "layer forbids it",
        cause="newuidmap and newgidmap need setuid root or cap_setuid and cap_setgid on the file. Copying an image, a "
        "mount with nosuid, no_new_privs, or an outer container without these capabilities takes them away. The outer "
        "container's own ids must also hold those of /etc/subuid.",
        remedy=(
            (
                "ls -l $(command -v newuidmap); getcap $(command -v newuidmap); then reinstall uidmap (shadow-utils), "
                "or: chmod u+s /usr/bin/newuidmap /usr/bin/newgidmap"
            ),
            (
                "In a container: let the outer one have SETUID, SETGID and SYS_ADMIN (--privileged), without "
                "no-new-privileges; LXC: an idmap of more than 65536 ids, or lower ranges in /etc/subuid and "
                "/etc/subgid."
            ),
            "After a change: podman system migrate",
        ),
        reference=ROOTLESS,
        tell="getcap $(command -v newuidmap); cat /proc/self/uid_map: does it hold the ids of /etc/subuid? grep "
        "NoNewPrivs /proc/self/status",
        offer=1,
        rank=48,
    ),
    Entry(
        code="id-mapper-other-owner",
        title="newuidmap finds that the process belongs to another user",
        patterns=(
            rf"{MAPPER}: Target(?: process)? \S* ?is owned by a different user[^\n]*",
            rf"{MAPPER}: (?:write to|open of) (?:uid|gid)_map failed: (?:invalid argument|EINVAL)",
        ),
        verdict="newuidmap will not, or cannot, write the map of this process",
        cause='"owned by a different user": it was called by another user than the process\'s (sudo, a setuid '
        "program), its group is another than that of /etc/passwd (gid:, pw_gid: runAsGroup in Kubernetes), or it is "
        "of shadow 4.11 to 4.13, whose check fails for root's containers. EINVAL: the ids are not mapped in the "
        "outer "
        "user namespace, overlap, or the map was written before.",
        remedy=(
            "Upgrade shadow (uidmap, shadow-utils, shadow-uidmap); call the engine as the user itself.",
            (
                "Nested: ranges in /etc/subuid that the outer /proc/self/uid_map holds, or no second namespace: podman "
                "run --userns=host."
            ),
        ),
        reference="https://github.com/shadow-maint/shadow",
        tell="cat /proc/self/uid_map /etc/subuid; newuidmap's package version",
        rank=42,
    ),
    Entry(
        code="subordinate-ids-missing",
        title="the user has no subordinate ids",
        patterns=(
            r"cannot find (?:UID/GID|mappings?) for user (?P<user>\S+?)(?::|$|\s)",
            r"[Nn]o sub[ug]id ranges (?:were )?found for (?:user|group) \"?(?P<user2>[^\s\"]+)",
            r"cannot find mappings for user (?P<user3>\S+)",
            rf"{MAPPER}: (?:uid|gid) range \[[^\]\n]*\) -> \[[^\]\n]*\) not allowed",
            r"could not get subuid for|no subuid ranges|failed to (?:get|find) (?:the )?sub[ug]id",
            r"[Rr]ootless mode requires more than one (?:UID|entry)|using rootless single mapping into the namespace",
        ),
        verdict="this user has no range of subordinate ids, which a rootless container's other users come from",
        cause="/etc/subuid and /etc/subgid have no line for the user, as for users of a directory service (LDAP, "
        "Active Directory) and users that were made by hand; or the ranges were changed while podman kept the old "
        "ones.",
        remedy=(
            "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $USER; podman system migrate",
            "Several users need ranges that do not overlap.",
        ),
        reference=ROOTLESS,
    ),
    Entry(
        code="user-namespace-refused",
        title="this user may not make a user namespace",
        patterns=(
            (
                r"user namespaces are not enabled in /proc/sys/(?:user/max_user_namespaces|"
                r"kernel/unprivileged_userns_clone)"
            ),
            (
                r"attempting to run rootless dockerd but need "
                r"'(?:kernel\.unprivileged_userns_clone|user\.max_user_namespaces)'"
            ),
            r"cannot (?:clone|re-exec process): (?:Operation not permitted|No space left on device|Invalid argument)",
            r"(?<!migrate\": )(?<!migrate\\\": )[Cc]annot re-exec process",
            r"unshare\(CLONE_NEWUSER\): (?:Operation not permitted|Invalid argument|No space left on device)",
            rf"fork/exec /proc/self/exe: {EINVAL}",
            r"user namespaces? (?:is|are)(?:n't| not) (?:enabled|supported)",
            r"This error might have happened because /proc/sys/user/max_user_namespaces",
            r"apparmor_restrict_unprivileged_userns(?!: No such file)",
            rf"write (?:info to |/proc/self/)(?:setgroups|[ug]id_map)(?: \([^)]*\))?: (?:{EPERM}|{EACCES})",
            rf"[Ff]ailed to (?:create|unshare) (?:a )?(?:new )?user namespace[^\n]*(?:{EPERM}|{ENOSPC}|{EACCES})",
            (
                r"parse\(?RootlessKit\)?[^\n]*permission denied|failed to start the "
                r"child[^\n]*(?:operation not permitted|permission denied)"
            ),
        ),
        verdict="this user may not make a user namespace, which every rootless container needs",
        cause="EPERM, EACCES: an outer container's seccomp filter forbids it, AppArmor keeps programs without a "
        "profile from it (Ubuntu from 23.10 on), or kernel.unprivileged_userns_clone is 0 (older Debian). ENOSPC, "
        "EINVAL: user.max_user_namespaces is 0 (RHEL and CentOS 7).",
        remedy=(
            (
                "EPERM, EACCES, Ubuntu 24.04: an AppArmor profile with userns for the program (rootlesskit has one in "
                "its packages), or: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
            ),
            (
                "EPERM, EACCES in a container: --security-opt seccomp=unconfined --security-opt apparmor=unconfined "
                "--security-opt systempaths=unconfined, or --privileged"
            ),
            "EPERM: on an older Debian: sysctl -w kernel.unprivileged_userns_clone=1",
            "ENOSPC, EINVAL: sysctl -w user.max_user_namespaces=28633 (CentOS 7: boot with user_namespace.enable=1)",
        ),
        reference="https://rootlesscontaine.rs/getting-started/common/apparmor/",
        tell="sysctl user.max_user_namespaces kernel.unprivileged_userns_clone "
        "kernel.apparmor_restrict_unprivileged_userns; unshare -U true",
        rank=47,
    ),
    Entry(
        code="cgroup-namespace-not-in-kernel",
        title="the kernel has no cgroup namespaces",
        patterns=(r"cgroup namespaces aren't (?:enabled|supported) (?:in|by) (?:the|your) kernel",),
        verdict="the container asks for a cgroup namespace, and this kernel has none",
        cause="cgroup namespaces came with Linux 4.6; the kernels of RHEL and CentOS 7, of Synology and of some other "
        "devices are older or were built without them. Docker asks for one by itself on cgroup2.",
        remedy=(
            "docker, podman: --cgroupns=host (compose: cgroup: host); dockerd: --default-cgroupns-mode=host",
            "config.json: remove the namespace of type cgroup. Or use a newer kernel.",
        ),
        reference="cgroup_namespaces(7)",
        tell="ls -l /proc/self/ns/cgroup",
    ),
    Entry(
        code="namespace-not-joinable",
        title="a namespace of another process may not be entered",
        patterns=(
            rf"cannot setns [`'](?P<path>[^`'\n]*)[`']: (?:{EPERM}|{EINVAL}|no such (?:file|process)[^\n]*)",
            rf"\bsetns [`'](?P<path2>[^`'\n]*)[`']: (?:{EPERM}|{EINVAL})",
            (
                r"failed to (?:setns|join)(?: to)?(?: into)? (?P<path3>(?:[a-z]+ )?namespaces?[^\n]*|/\S+|[^\n:]*ns): "
                r"[^\n]+"
            ),
            r"failed to open /proc/\d+/ns/(?P<path4>\w+): [^\n]+",
            r"cannot get namespace path unless container \S+ is running[^\n]*",
            r"joining network namespace[^\n]*: [^\n]+",
            r"[Rr]equested network namespace \S+ does not exist",
        ),
        verdict="the namespace {path} cannot be entered",
        cause="ESRCH, ENOENT: its process has ended, as a pod's first container may. EPERM: it belongs to a user "
        "namespace over which the caller has no rights (rootless, --userns), or an outer layer forbids setns. EINVAL: "
        "the caller has several threads or is in that user namespace already.",
        remedy=(
            "Start the container again whose namespace is shared (--network container:, --pid container:, the pod).",
            "Rootless: both containers need the same --userns; as root do not join what a user's engine made.",
        ),
        reference="setns(2)",
        rank=58,
    ),
    Entry(
        code="map-ranges-overlap",
        title="ranges of a user namespace's map overlap",
        patterns=(rf"newuidmap \d+ \[[\d ]+\] failed: newuidmap: write to uid_map failed: {EINVAL}",),
        verdict="the kernel refuses the map of the user namespace (EINVAL): ranges in the brackets overlap",
        cause="/etc/subuid names a range twice (by name and by number), or one that holds the user's own id. The "
        "brackets show inside, outside and length of each range; no id may be in two of them.",
        remedy=(
            "Remove the double or overlapping line of this user from /etc/subuid and /etc/subgid.",
            "podman: podman system migrate",
        ),
        reference="user_namespaces(7), User and group ID mappings",
        tell='grep -E "^($(id -un)|$(id -u)):" /etc/subuid /etc/subgid',
        rank=41,
    ),
    Entry(
        code="rootless-engine-as-root",
        title="a rootless engine is started by root",
        patterns=(r"[Nn]o sub[ug]id ranges found for user 0\b[^\n]*",),
        verdict="the rootless engine was started as root, for whom /etc/subuid has no range",
        cause="RootlessKit takes the user who starts it. With sudo, in a root shell or within another user namespace "
        "that is root (uid 0).",
        remedy=(
            "Start it as the ordinary user, without sudo, in a session of that user (ssh, machinectl shell user@).",
            "As root use the ordinary engine. In a container of its own: a line root:100000:65536 in both files.",
        ),
        reference="https://rootlesscontaine.rs/getting-started/common/subuid/",
        rank=40,
    ),
    Entry(
        code="id-mapper-other-group",
        title="newuidmap is called with another group than the user's own",
        patterns=(
            (
                r"Target process \d+ is owned by a different user: uid:(?P<uid>\d+) pw_uid:(?P=uid) st_uid:(?P=uid), "
                r"gid:(?P<gid>\d+) pw_gid:(?!(?P=gid)\b)(?P<group>\d+)"
            ),
        ),
        verdict="newuidmap refuses: the caller's group is {gid}, and /etc/passwd says {group}",
        cause="The user is the right one. newuidmap also compares the group, and the service runs with another one "
        "(Group= in its unit, sg, newgrp, runAsGroup).",
        remedy=(
            "Remove Group= from the unit of the service (systemctl cat lxd), systemctl daemon-reload, restart it.",
            "Kubernetes: runAsGroup: {group}. In a shell: newgrp to the user's own group.",
        ),
        reference="https://github.com/lxc/lxc/issues/4084",
        rank=41,
    ),
    Entry(
        code="subordinate-ids-too-few",
        title="the user has too few subordinate ids",
        patterns=(r"not enough (?:UIDs|GIDs) available for the user, at least (?P<count>\d+) are needed",),
        verdict="the user has fewer than {count} subordinate ids",
        cause="The line of the user in /etc/subuid or /etc/subgid gives a range that is too short for an image's "
        "users.",
        remedy=(
            (
                "Give 65536: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $USER, and remove the "
                "short line. podman system migrate"
            ),
        ),
        reference=ROOTLESS,
        tell="grep $USER /etc/subuid /etc/subgid: the third number",
        rank=40,
    ),
)

"""systemd-nspawn and machinectl: what they say when a container does not start, and what it says when it does not "
"boot.
"""

from __future__ import annotations

from shim.diagnose.entry import EACCES, EBUSY, EINVAL, ENOENT, EPERM, EROFS, Entry

NSPAWN = "systemd-nspawn(1)"
BY = r"(?:systemd-nspawn(?:\[\d+\])?: )"

ENTRIES = (
    Entry(
        code="nspawn-tree-in-use",
        title="the container's directory, image or name is in use",
        patterns=(
            r"(?:Directory tree|Disk image|Image) (?P<path>[^\n]+?) is currently busy[^\n]*",
            r"Failed to (?:register machine|allocate scope)[^\n]*(?:already exists|File exists)[^\n]*",
            r"Machine '?(?P<name>[\w.-]+)'? already exists",
        ),
        verdict="this machine, or its directory, is in use already",
        cause="It runs (machinectl list), another nspawn holds its lock, or its scope is left from an end that systemd "
        "did not see.",
        remedy=(
            "machinectl list; machinectl terminate NAME; systemctl reset-failed machine-NAME.scope",
            "A second one of the same tree: --ephemeral (-x); another name: --machine=NAME2.",
        ),
        reference=NSPAWN,
        rank=50,
    ),
    Entry(
        code="nspawn-no-system-in-tree",
        title="the directory holds no system that nspawn could boot",
        patterns=(
            (
                r"(?:Directory|Image) (?P<path>[^\n]+?) (?:lacks the binary to execute|doesn't look like (?:it has "
                r")?an OS (?:tree|root directory)|is not a OS tree)[^\n]*"
            ),
            r"(?:execv|exec)\([^)\n]*\) failed: No such file or directory",
            r"Failed to (?:dissect|mount) (?:image|disk image)[^\n]*",
            r"No image for machine '[^'\n]*'[^\n]*",
            r"Failed to determine if (?P<path2>\S+) is mounted already: No such file or directory",
        ),
        verdict="nspawn finds no system to start in that directory or image",
        cause="/usr or os-release is missing (an empty or wrong directory), --boot without an init in it, or an image "
        "without a partition table that nspawn knows.",
        remedy=(
            (
                "ls the directory: usr, etc/os-release, sbin/init? debootstrap, dnf --installroot or importctl "
                "pull-tar make one; install systemd in it for --boot."
            ),
            "A single program: systemd-nspawn -D DIR /bin/sh. An image: --image=FILE.",
        ),
        reference=NSPAWN,
        rank=50,
    ),
    Entry(
        code="nspawn-mount-refused",
        title="nspawn cannot make a mount of the container",
        patterns=(
            (
                rf"(?<!systemd\[1\]: )Failed to mount (?P<path>(?!cgroup)[^\n(]+?) \(type [^)\n]*\) on [^\n]*: "
                rf"(?:{EPERM}|{EACCES}|{EINVAL}|{ENOENT}|{EBUSY}|{EROFS}|no such device)"
            ),
            r"Failed to determine if [^\n]* (?:is )?already mounted[^\n]*",
            r"Failed to create [^\n]*/payload subcgroup: [^\n]+",
        ),
        verdict="nspawn could not make a mount for the container: {path}",
        cause="EPERM with private users: a file system that a user namespace may not mount, or a /proc and /sys that "
        "are partly covered outside. EINVAL: nspawn and the systemd inside expect different cgroup versions, or the "
        "kernel lacks idmapped mounts here. ENOENT: the source of --bind.",
        remedy=(
            "Try --private-users=no; then --private-users-ownership=chown, which needs no idmapped mount.",
            (
                "An old system inside (systemd before 232 on cgroup2): SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=0 with "
                "systemd.unified_cgroup_hierarchy=0 on the host's kernel command line."
            ),
            "Nested: in docker --privileged; in LXC nesting=1. --bind: ls -ld the source. systemd 236: upgrade it.",
        ),
        reference=NSPAWN,
        tell="does it start with --private-users=no? grep -E ' /(proc|sys)' /proc/self/mountinfo",
        rank=46,
    ),
    Entry(
        code="systemd-mounts-refused",
        title="systemd in a container may not make its first mounts",
        patterns=(
            rf"systemd\[1\]: Failed to mount [^\n]*: (?:{EPERM}|{EACCES})",
            rf"Failed to mount (?:tmpfs|devpts|mqueue|proc|sysfs) at /[^\n]*: (?:{EPERM}|{EACCES}|{EROFS})",
        ),
        verdict="the systemd in this container may not make the mounts that it starts with",
        cause="It mounts tmpfs at /run and /tmp, and its cgroups, itself. In an unprivileged container of docker that "
        "is forbidden, unless they are there already.",
        remedy=(
            "podman does it by itself: podman run --systemd=always IMAGE /sbin/init",
            (
                "docker: --tmpfs /run --tmpfs /tmp --cgroupns=private --privileged; compose: tmpfs: [/run, /tmp], "
                "privileged: true. LXC: nesting."
            ),
        ),
        reference="https://systemd.io/CONTAINER_INTERFACE/",
        rank=40,
    ),
    Entry(
        code="nspawn-idmap-refused",
        title="nspawn cannot map the ids of the container's tree",
        patterns=(
            r"Failed to set up ID ?mapped mounts: [^\n]+",
            r"Failed to (?:chown|adjust UID/GID|patch)[^\n]*(?:tree|directory|OS)[^\n]*",
            r"Failed to write boot id: [^\n]+",
        ),
        verdict="nspawn cannot give the container's tree to its private users",
        cause="EPERM, EINVAL: the kernel, or this file system, has no idmapped mounts. EBUSY: --volatile or "
        "--pivot-root over the same tree. EACCES: the tree was made for another range of ids.",
        remedy=(
            (
                "--private-users-ownership=chown changes the files' owners in place of mapping them; "
                "--private-users=no does without."
            ),
            (
                "A fixed range: --private-users=524288:65536. A tree of another range: --private-users=0 "
                "--private-users-ownership=chown once takes it back."
            ),
        ),
        reference=NSPAWN,
        tell="uname -r; stat -f -c %T the directory; ls -ldn it",
        rank=40,
    ),
    Entry(
        code="nspawn-settings-invalid",
        title="systemd-nspawn does not understand a line of a .nspawn file",
        patterns=(r"(?P<path>/\S+\.nspawn):(?P<line>\d+): [^\n]+",),
        verdict="line {line} of {path} is ignored: this version does not know the setting or its value",
        cause="The manual page is of a newer systemd, or the value has another form in the file than on the command "
        "line.",
        remedy=(
            (
                "man systemd.nspawn of this host; systemctl --version. Use the option of the command line instead: "
                "systemctl edit systemd-nspawn@NAME, ExecStart= with --private-users=..."
            ),
        ),
        reference="systemd.nspawn(5)",
        rank=50,
    ),
    Entry(
        code="nspawn-failed",
        title="systemd-nspawn could not start the container",
        ambiguous=(
            rf"{BY}?(?:Parent|Child) died too early[^\n]*|Short read while reading cgroup mode[^\n]*",
            r"(?-i:Container|Machine) \S+ (?:failed with error code|terminated by signal)[^\n]*",
            rf"{BY}Failed to [^\n]+",
            r"Failed to (?:register|unregister) machine: [^\n]*|Failed to allocate scope: [^\n]*",
            r"Job for (?:systemd-nspawn@|machine)[^\n]*failed[^\n]*",
        ),
        verdict="nspawn could not start the container; its first line with Failed names the step",
        cause='"died too early" and the error code are consequences. Usual: a cgroup that this system may not make '
        "(nested, another cgroup version inside), mounts with private users, systemd-machined that is missing, "
        "SELinux.",
        remedy=(
            (
                "SYSTEMD_LOG_LEVEL=debug systemd-nspawn -D DIR --boot; journalctl -b -u systemd-nspawn@NAME -u "
                "systemd-machined"
            ),
            "Narrow it down: --register=no --keep-unit; --private-users=no; --private-network off; without --boot.",
        ),
        reference=NSPAWN,
        tell="which of --register=no and --private-users=no makes it start?",
        offer=3,
        last=True,
    ),
)

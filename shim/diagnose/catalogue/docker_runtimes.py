"""Runtimes that an engine calls: their programs, their services and what they leave for it."""

from __future__ import annotations

from shim.diagnose.checks import mounts as look
from shim.diagnose.entry import EINVAL, ENODEV, ENOENT, EPERM, Entry, mounting

ENTRIES = (
    Entry(
        code="rootfs-parent-mount-not-found",
        title="runc does not find the mount that holds the container's root",
        patterns=(
            r"Could not find parent mount of (?P<path>/[^\s\\\"]+)",
            rf"preparing rootfs caused \\*\"{EINVAL}",
        ),
        verdict="runc does not find the mount under the container's root in /proc/self/mountinfo",
        cause="In a chroot, / is not a mount point, so mountinfo lists nothing above the root. "
        "Kernels before "
        "5.8 also leave out a line of mountinfo now and then while other mounts change; runc 1.1.15 and later, "
        "and 1.2, "
        "do not read it for this.",
        remedy=(
            "In a chroot: mount --bind DIR DIR before chroot DIR, or pivot_root; then start the engine.",
            "Otherwise start the container once more; upgrade runc.",
        ),
        reference="https://github.com/opencontainers/runc/pull/4417",
        tell="grep ' / ' /proc/self/mountinfo: is there a line for / itself?",
        rank=45,
    ),
    Entry(
        code="parent-mount-locked",
        title="runc may not change the mount under the container's root",
        patterns=(rf"remount-private dst=(?P<path>[^\s,]+), flags=MS_PRIVATE: {EPERM}",),
        verdict="runc may not make the mount under {path} private: a more privileged mount namespace made it",
        cause="In a user namespace of its own the container's mounts from outside are locked, and their "
        "propagation, too. "
        "runc 1.1.15 and 1.2 and later try each directory upwards and stop at this error.",
        remedy=(
            (
                "Put the container's root on a mount that is made in the same namespace, or mount --make-rprivate it "
                "outside."
            ),
            "Or use crun, or a runc of before.",
        ),
        reference="https://github.com/opencontainers/runc/issues/5241",
        rank=45,
    ),
    Entry(
        code="limit-of-unjoined-controller",
        title="a limit is set for a controller in which the container has no cgroup",
        patterns=(r"cannot set limits on the (?P<controller>\w+) cgroup, as the container has not joined it",),
        verdict="a {controller} limit was asked for, but the container has no {controller} cgroup (v1)",
        cause="The runtime made no {controller} cgroup because that controller is not mounted, not in the kernel, or "
        "not the runtime's to use (rootless). A virtual machine of Kata has the kernel of its guest.",
        remedy=(
            (
                "grep {controller} /proc/cgroups /proc/self/mountinfo: 0 in the last column: boot with "
                "cgroup_enable={controller}; not mounted: cgroupfs-mount, in the guest or on the host."
            ),
            "Or start the container without that limit.",
        ),
        reference="https://github.com/opencontainers/runc",
        rank=44,
    ),
    Entry(
        code="rlimit-soft-above-hard",
        title="the soft limit of a ulimit is above its hard limit",
        patterns=(
            rf"error setting rlimit type (?P<number>\d+): {EINVAL}",
            rf"setrlimit `(?P<name>RLIMIT_\w+)`: {EINVAL}",
        ),
        verdict="the kernel refuses the ulimit: its soft value is above its hard one (EINVAL)",
        cause="soft and hard are mixed up, or only one of them was passed on: Compose 2.0 betas and nerdctl "
        "before 0.14 "
        "swapped them. Type 7 is nofile, 6 nproc, 8 memlock, 4 core, 3 stack.",
        remedy=(
            "--ulimit nofile=SOFT:HARD with SOFT no more than HARD; compose: soft: and hard:; or one number for both.",
            "Upgrade nerdctl (0.14) or Compose.",
        ),
        reference="https://github.com/containerd/nerdctl/issues/586",
        rank=45,
    ),
    Entry(
        code="ulimit-without-name",
        title="a default ulimit of docker has no name",
        patterns=(r"wrong rlimit value: RLIMIT_(?![A-Z])",),
        verdict="a ulimit of the container has no name",
        cause="default-ulimits in /etc/docker/daemon.json wants the name twice: as the key, and as Name inside.",
        remedy=(
            (
                '"default-ulimits": {{"nofile": {{"Name": "nofile", "Soft": 10000, "Hard": 10000}}}}; restart docker, '
                "and make the container again."
            ),
        ),
        reference="https://github.com/docker/for-linux/issues/450",
        rank=45,
    ),
    Entry(
        code="runtime-for-another-machine",
        title="the runtime's program cannot run on this machine",
        patterns=(
            (
                r"fork/exec (?P<path>/\S*/(?:runc|crun|containerd-shim[\w.-]*|nvidia-container-runtime|kata-runtime|"
                r"youki|runsc"
                r"|sysbox-runc)): exec format error"
            ),
        ),
        verdict="{path} is not a program for this machine: the container's own image is not the reason",
        cause="The file was downloaded for another processor, is an error page or empty (a download that failed), or "
        "was cut by a full disk.",
        remedy=(
            (
                "file {path}; ls -l {path}; uname -m. Install it again: the distribution's package, or the "
                "release's file "
                "for this machine (amd64, arm64), chmod +x."
            ),
        ),
        reference="https://github.com/opencontainers/runc/releases",
        rank=10,
    ),
    Entry(
        code="runtime-left-no-pid",
        title="the runtime ended well but left no pid of the container",
        patterns=(r"failed to retrieve OCI runtime container pid: open [^\n]*init\.pid: no such file or directory",),
        verdict="the runtime said that it made the container, but wrote no init.pid for containerd",
        cause="The program that containerd calls is not a full runtime, or it ended before the work was done: a "
        "checkpoint that criu did not restore, a wrapper script that loses arguments (--pid-file), a full /run.",
        remedy=(
            "From a checkpoint: start the container without it, and read restore.log; upgrade containerd and criu.",
            "Else: run the runtime by hand; docker info | grep -i runtime; df -h /run.",
        ),
        reference="https://github.com/containerd/containerd",
        rank=44,
    ),
    Entry(
        code="mqueue-not-mounted",
        title="the container shares the host's IPC, and the host has no /dev/mqueue",
        patterns=(r"/dev/mqueue is not mounted, but must be for --ipc=host",),
        verdict="--ipc=host needs the host's /dev/mqueue, which is not mounted",
        cause="The container gets the host's message queues, which lie on a file system of their own. Small systems "
        "(boot2docker, NAS) do not mount it.",
        remedy=("On the host: mkdir -p /dev/mqueue && mount -t mqueue none /dev/mqueue; or run without --ipc=host.",),
        reference="https://github.com/boot2docker/boot2docker/issues/1098",
        rank=30,
    ),
    Entry(
        code="throttled-device-missing",
        title="a limit of block I/O names a device that the host does not have",
        patterns=(
            (
                r"--(?:device-(?:read|write)-(?:bps|iops)|blkio-weight-device)[ =](?P<path>/dev/[^\s:]+)[^\n]*"
                r"(?:\n[^\n]*){1,4}?Error response from daemon: no such file or directory"
            ),
        ),
        verdict="there is no {path} on the host where the engine runs, for which a limit was given",
        cause="docker takes the device's number from its file on the host when the container starts, and says only "
        "'no such file or directory'. In Docker Desktop the host is its virtual machine.",
        remedy=("lsblk shows the host's disks: name one of them (df FILE shows which one a file is on).",),
        reference="https://github.com/moby/moby/issues/41280",
        rank=30,
    ),
    Entry(
        code="message-queues-not-in-kernel",
        title="the kernel has no POSIX message queues",
        patterns=(mounting("mqueue", ENODEV),),
        verdict="the kernel has no POSIX message queues: it cannot mount mqueue at {destination} (ENODEV)",
        cause="It was built without CONFIG_POSIX_MQUEUE, which no module can add.",
        remedy=(
            "Use a kernel with CONFIG_POSIX_MQUEUE=y. moby's check-config.sh lists what else a board's kernel lacks.",
        ),
        reference="https://github.com/moby/moby/blob/master/contrib/check-config.sh",
        confirm=look.unknown_filesystem,
        tell="zgrep POSIX_MQUEUE /proc/config.gz; grep mqueue /proc/filesystems",
        rank=45,
    ),
    Entry(
        code="command-line-as-one-name",
        title="a whole command line is taken for the name of one program",
        patterns=(
            # A word alone behind the blank may be what a line break left.
            (
                r"exec: \\?\"(?!criu)[^\s\"\\]+ (?=[^\n\"]*[-|/=;&$' ])[^\n]+\\?\": "
                rf"(?:executable file not found|stat [^\n]*{ENOENT})"
            ),
        ),
        verdict="the engine looks for a program whose name is the whole command line, blanks included",
        cause="The command (of a probe, an entrypoint or an exec) is one string in a list. Engines split nothing and "
        "start no shell.",
        remedy=(
            'Give each word as an item of its own: ["curl", "-f", "http://..."]',
            'With pipes, variables or quotes: ["sh", "-c", "..."]',
        ),
        reference="https://kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container/",
        ours=False,
        rank=44,
    ),
)

"""Parts of an engine that are of different ages, or left from before an upgrade or a crash."""

from __future__ import annotations

from shim.diagnose.entry import ENOENT, Entry

PROGRAM = r"(?:docker-?)?(?:runc|containerd(?:-shim[\w-]*)?|dockerd?|crun|conmon|podman|buildkitd|nvidia-container-\w+)"

ENTRIES = (
    Entry(
        code="docker-of-2019-on-cgroup2",
        title="a Docker from before cgroup2 on a host with cgroup2 alone",
        patterns=(
            (
                rf"container_linux\.go:3[0-4]\d: [^\n]*open /sys/fs/cgroup/(?:docker|system\.slice)[^\n]*"
                rf"cpuset\.\w+\.effective: {ENOENT}"
            ),
        ),
        verdict="this Docker (19.03 and older) cannot make its cgroups on a host with cgroup2 alone",
        cause="Its runc, of 2019, knows cgroup2 only in part. Fedora 31 was the first to boot so; most distributions "
        "of 2021 and later do.",
        remedy=(
            "Upgrade Docker to 20.10 or later.",
            "Or boot with v1: systemd.unified_cgroup_hierarchy=0 on the kernel's command line.",
        ),
        reference="https://github.com/docker/for-linux/issues/665",
        rank=20,
    ),
    Entry(
        code="docker-rate-taken-for-a-path",
        title="docker takes the rate of a --device option for a path",
        patterns=(rf"Error response from daemon: stat (?P<rate>\d+[kmg]?b?): {ENOENT}",),
        verdict="docker sent {rate}, the rate of a --device-read-bps, -write-bps or -iops option, as the device's path",
        cause="A fault of the docker command 23.0.0. No limit was set, and no container was made.",
        remedy=("Upgrade docker-ce-cli to 23.0.1 or later (docker version: Client).",),
        reference="https://github.com/moby/moby/issues/44904",
        rank=20,
    ),
    Entry(
        code="rootless-docker-without-user-slice",
        title="rootless dockerd looks for the user's slice in a fixed place",
        patterns=(rf"open /sys/fs/cgroup/user\.slice/user-(?P<uid>\d+)\.slice/cgroup\.controllers: {ENOENT}",),
        verdict="rootless dockerd finds no slice of user {uid}: /sys/fs/cgroup/user.slice/user-{uid}.slice is not "
        "there",
        cause="Every cgroup of cgroup2 has cgroup.controllers, so the cgroup itself is missing: no systemd has a "
        "session of this user, or the hierarchy of this system begins elsewhere. WSL 2.9 moved it below /wsl-user.",
        remedy=(
            "loginctl enable-linger {uid}; cat /proc/self/cgroup shows where the session is.",
            "WSL: use WSL 2.7, or a Docker that looks there; or dockerd as root.",
        ),
        reference="https://github.com/microsoft/WSL/issues/41492",
        rank=25,
    ),
    Entry(
        code="docker-walks-lxc-dev",
        title="a privileged container in LXC: dockerd walks through /dev/.lxc",
        patterns=(rf"lstat /dev/\.lxc/[^\n]*: {ENOENT}",),
        verdict="dockerd looked for devices below /dev/.lxc, which is a /proc, and a process ended meanwhile",
        cause="For --privileged an old Docker (before 17.06) takes every file below /dev for a possible device. LXC "
        "has a /proc and a /sys there.",
        remedy=("Try again without --privileged, or upgrade Docker in the LXC container.",),
        reference="https://github.com/moby/moby/issues/32968",
        rank=25,
    ),
    Entry(
        code="runc-built-without-kmem",
        title="this runc was built without kernel memory limits",
        patterns=(r"kernel memory accounting disabled in this runc build",),
        verdict="this runc was built without kernel memory limits (memory.kernel), and one is asked for",
        cause="Builds for RHEL and CentOS 7 have the tag nokmem, since that kernel's accounting leaks. Kernel memory "
        "counts as part of memory.limit in any case.",
        remedy=("Leave --kernel-memory (memory.kernel) out; --memory limits it, too.",),
        reference="https://github.com/fnproject/fn/issues/1520",
        rank=20,
    ),
    Entry(
        code="shim-oom-score-too-high",
        title="containerd gives its shim an OOM score above the highest",
        patterns=(r"set shim OOM score: write /proc/\d+/oom_score_adj: invalid argument",),
        verdict="containerd asks for an oom_score_adj of 1001 for its shim: it adds 1 to its own, which is 1000 "
        "already",
        cause="Kubernetes gives 1000 to pods without requests (BestEffort), so docker:20.10-dind there meets "
        "this bug of "
        "containerd before 1.3.10 and 1.4.4.",
        remedy=(
            "A newer docker:dind (containerd 1.4.4 or later).",
            "Or give the dind container requests of cpu and memory, which make its score lower than 1000.",
        ),
        reference="https://github.com/containerd/containerd/issues/4837",
        tell="cat /proc/$(pidof containerd)/oom_score_adj; containerd --version",
        rank=40,
    ),
    Entry(
        code="shim-left-behind",
        title="a shim of the same container is left from before and still has its socket",
        patterns=(
            (
                r"(?:shim\.sock|containerd/s/[0-9a-f]+|containerd-shim/[^\s:]*|create new shim socket)[^\n]*"
                r"address already in use[^\n]*"
            ),
        ),
        verdict="the container's shim of an earlier start still runs, or left its socket",
        cause="docker or containerd was upgraded, killed or restarted without its containers; the shim, and often the "
        "container's processes, run on without them.",
        remedy=(
            "ps axww | grep '[c]ontainerd-shim'; end the one with the container's id, and processes below it.",
            "docker rm -f the container, and start it again. At last: reboot, which ends all of them.",
        ),
        reference="https://github.com/moby/moby/issues/38726",
        tell="ps axww | grep '[c]ontainerd-shim' | wc -l: more than docker ps shows?",
        rank=45,
    ),
    Entry(
        code="runtime-state-left",
        title="runc still has the state of a container of this id",
        patterns=(
            r"container with id exists(?:: (?P<id>[0-9a-f]+))?",
            r"[Ee]rror response from daemon[^\n]*container with (?:given )?ID (?:\S+ )?already exists[^\n]*",
        ),
        verdict="runc's state of an earlier start of this container was left behind",
        cause="The engine or the host was stopped, killed or upgraded while the container ran, so that nobody deleted "
        "runc's directory for it, or its processes still run outside of docker's knowledge.",
        remedy=(
            "docker rm -f the container, and make it again; restart docker (Synology: stop and start the package).",
            (
                "find /run/docker/runtime-* /run/runc /var/run/runc -maxdepth 2 -name 'ID*': delete it if "
                "no process of the container runs. A reboot does the same where /run is a tmpfs."
            ),
        ),
        reference="https://github.com/moby/moby/issues/33688",
        rank=45,
    ),
    Entry(
        code="container-of-old-runtime",
        title="the container names a runtime that old Docker had",
        patterns=(r"[Uu]nknown runtime specified default\b",),
        verdict="the container was made by Docker 1.11, whose runtime was called default",
        cause="A container keeps the name of its runtime. Docker since 1.12 calls its own runtime runc.",
        remedy=(
            "docker rm the container, and make it again from its image and volumes.",
            'Or give the name: "runtimes": {{"default": {{"path": "runc"}}}} in /etc/docker/daemon.json.',
        ),
        reference="https://github.com/moby/moby/pull/36867",
        rank=14,
    ),
    Entry(
        code="engine-misreads-cgroup-file",
        title="the engine is older than the kernel, and does not understand a cgroup file",
        patterns=(
            r"cgroups: parsing file with invalid format failed[^\n]*",
            (
                r"(?:[Ff]ailed to parse|error parsing|unable to parse) "
                r"(?P<file>(?:memory|io|cpu|pids|hugetlb|rdma)\.\w[\w.]*)(?![^\n]*no such device)[^\n]*"
            ),
        ),
        verdict="containerd, docker or podman cannot read the kernel's figures: its version does not know their form",
        cause="Kernels add keys to io.stat, memory.stat and others, and an early library for cgroup2 took exact forms. "
        "Only figures (docker stats, kubectl top) are missing; limits hold.",
        remedy=("Upgrade containerd (1.4 or later), docker (20.10 or later) or podman.",),
        reference="https://github.com/containerd/cgroups/pull/141",
        rank=60,
    ),
    Entry(
        code="engine-gives-only-errno",
        title="docker gives only an errno, and says nothing about what failed",
        ambiguous=(
            (
                r"\b(?:Error response from daemon|containers/create returned error): (?:operation not "
                r"supported|operation not permitted|permission denied|invalid argument|function not implemented|"
                r"no such device(?: or address)?|input/output error|read-only file system)\.?$"
            ),
        ),
        verdict="docker gives only an errno; its log may name the step",
        cause="At docker create it is most often the storage: the file system below /var/lib/docker does not take "
        "extended attributes, labels or overlay (not supported: NFS, CIFS, FUSE, eCryptfs, an old ZFS or kernel), is "
        "read-only or damaged (input/output), or the engine runs in a container without privileges (not "
        "permitted). At docker run "
        "with a volume of the local driver, old versions say so that its mount failed: addr= with a name instead of an "
        "address (invalid argument), a type that the kernel does not have as a file system, as glusterfs (no "
        "such device).",
        remedy=(
            (
                "dockerd --debug, or debug: true in daemon.json and systemctl reload docker; do it again, and read "
                "the log."
            ),
            "stat -f -c %T /var/lib/docker; touch a file there; setfattr -n security.x -v 1 on it; dmesg | tail",
            'Move data-root to ext4 or xfs, or "storage-driver": "vfs".',
        ),
        reference="https://github.com/moby/moby/issues/45535",
        tell="journalctl -u docker -n 30; dmesg | tail",
        offer=1,
        last=True,
    ),
)
